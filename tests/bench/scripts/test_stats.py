"""When two sides are called different, the same, or neither: the rule, and how often it errs."""

import math
import random
import unittest

import support  # noqa: F401 finds benchlib

from benchlib import stats

# As many ratios as `bench-sweep --quick` leaves, and as its part about the engines.
OF_A_SWEEP, OF_ENGINES = 170, 24


def side(source, rounds, scatter, factor=1.0):
    return [factor * math.exp(source.gauss(0, scatter)) for _ in range(rounds)]


def family(source, count, rounds, scatters, factor=1.0, estimate=stats.paired):
    """Judged ratios; the first of them is truly `factor`."""
    found = []
    for index in range(count):
        scatter = scatters[index % len(scatters)]
        base = side(source, rounds, scatter)
        found.append(estimate(side(source, rounds, scatter, 1.0 if index else factor), base))
    stats.judge(found)
    return found


def claims(found):
    return [one for one in found if one.verdict in ("better", "worse")]


class Intervals(unittest.TestCase):
    def test_t_has_the_values_of_the_tables(self):
        for t, freedom, expected in ((2.776, 4, 0.05), (2.306, 8, 0.05), (4.604, 4, 0.01),
                                     (1.0, 1, 0.5), (0.0, 5, 1.0)):
            self.assertAlmostEqual(stats.t_probability(t, freedom), expected, places=4)
        for freedom, expected in ((1, 12.706), (4, 2.776), (9, 2.262), (120, 1.980)):
            self.assertAlmostEqual(stats.t_quantile(freedom), expected, places=3)

    def test_a_ratio_and_its_interval(self):
        one = stats.paired([2.0, 2.2, 2.4], [1.0, 1.0, 1.0])
        logs = [math.log(value) for value in (2.0, 2.2, 2.4)]
        mean = sum(logs) / 3
        half = 4.3027 * math.sqrt(sum((log - mean) ** 2 for log in logs) / 2 / 3)
        self.assertAlmostEqual(one.ratio, math.exp(mean))
        self.assertAlmostEqual(one.low, math.exp(mean - half), places=4)
        self.assertAlmostEqual(one.high, math.exp(mean + half), places=4)
        self.assertEqual((one.rounds, one.verdict), (3, "cannot tell"))

    def test_rounds_are_paired_by_their_number(self):
        one = stats.paired({1: 10.0, 2: 40.0, 4: 7.0}, {2: 20.0, 1: 5.0, 3: 9.0})
        self.assertAlmostEqual(one.ratio, 2.0)
        self.assertEqual(one.rounds, 2)
        self.assertEqual([round(ratio, 9) for ratio in one.ratios], [2.0, 2.0])
        self.assertEqual(stats.paired([1.0, None, 0.0], [2.0, 1.0, 1.0]).rounds, 1)
        self.assertIsNone(stats.paired({1: 1.0}, {2: 1.0}))

    def test_one_round_has_no_interval(self):
        one = stats.paired([2.0], [1.0])
        stats.judge([one])
        self.assertEqual((one.low, one.high, one.verdict), (None, None, "cannot tell"))
        self.assertEqual(one.reason, "fewer than 3 rounds")

    def test_the_interval_covers_the_truth_as_often_as_it_says(self):
        source = random.Random(2)
        for estimate in (stats.paired, stats.apart):
            covered = 0
            for _ in range(1000):
                one = estimate(side(source, 5, 0.2, 1.5), side(source, 5, 0.2))
                covered += one.low <= 1.5 <= one.high
            self.assertTrue(930 <= covered <= 970, covered)


class Rule(unittest.TestCase):
    def verdict(self, ratios, more_is_better=True, others=0):
        one = stats.paired(ratios, [1.0] * len(ratios), more_is_better)
        stats.judge([one] + [stats.paired(side(random.Random(number), 5, 0.1), [1.0] * 5)
                             for number in range(others)])
        return one.verdict

    def test_verdicts(self):
        self.assertEqual(self.verdict([1.3, 1.31, 1.32]), "better")
        self.assertEqual(self.verdict([1.3, 1.31, 1.32], more_is_better=False), "worse")
        self.assertEqual(self.verdict([0.7, 0.71, 0.72]), "worse")
        self.assertEqual(self.verdict([1.0, 1.01, 1.02]), "same")
        self.assertEqual(self.verdict([0.8, 1.3, 1.1]), "cannot tell")

    def test_a_difference_that_is_sure_and_tiny_is_the_same(self):
        self.assertEqual(self.verdict([1.020, 1.021, 1.019, 1.020]), "same")

    def test_rounds_that_agree_to_the_last_digit_prove_nothing_small(self):
        self.assertEqual(self.verdict([1.0, 1.0, 1.0]), "same")
        self.assertNotEqual(self.verdict([1.055] * 3, others=500), "better")

    def test_how_many_were_asked(self):
        ratios = [1.2, 1.3, 1.25, 1.4, 1.1]
        self.assertEqual(self.verdict(ratios), "better")
        self.assertEqual(self.verdict(ratios, others=200), "cannot tell")

    def test_what_cannot_be_tested_does_not_count(self):
        sure = stats.paired([1.2, 1.3, 1.25, 1.4, 1.1], [1.0] * 5)
        stats.judge([sure] + [stats.paired([1.0, 1.1], [1.0, 1.0]) for _ in range(200)])
        self.assertEqual(sure.verdict, "better")

    def test_a_wider_drift_takes_a_verdict_away(self):
        one = stats.apart([1.3, 1.31, 1.32], [1.0, 1.01, 1.02])
        stats.judge([one])
        self.assertEqual(one.verdict, "better")
        one.drift = (math.log(0.9), math.log(1.28))
        stats.judge([one])
        self.assertEqual(one.verdict, "cannot tell")
        self.assertEqual(one.reason, "drift of the machine may explain it")

    def test_two_samples_a_few_percent_apart_are_no_difference(self):
        one = stats.apart([1.04, 1.04, 1.04], [1.0, 1.0, 1.0])
        one.drift = (-0.02, 0.02)
        stats.judge([one])
        self.assertEqual(one.verdict, "cannot tell")

    def test_holm_steps_down(self):
        self.assertEqual(stats.holm([0.04, 0.01, 0.03, 0.001]), {3, 1})
        self.assertEqual(stats.holm([0.02, 0.04]), {0, 1})
        self.assertEqual(stats.holm([]), set())

    def test_pooling_keeps_what_a_round_does_to_all(self):
        source = random.Random(3)
        shocks = [math.exp(source.gauss(0, 0.2)) for _ in range(6)]
        cells = [stats.paired([shock * math.exp(source.gauss(0, 0.01)) for shock in shocks],
                              [1.0] * 6) for _ in range(20)]
        whole = stats.pooled(cells)
        self.assertAlmostEqual(whole.mean, sum(one.mean for one in cells) / 20)
        self.assertGreater(whole.error, 0.5 * cells[0].error)
        alone = stats.pooled([stats.apart(side(source, 5, 0.2), side(source, 5, 0.2))
                              for _ in range(20)])
        self.assertLess(alone.error, 0.05)


class Chance(unittest.TestCase):
    """Nothing has changed: how many whole comparisons say that something has?"""

    def wrong(self, families, *arguments, seed, **how):
        source = random.Random(seed)
        return sum(bool(claims(family(source, *arguments, **how))) for _ in range(families))

    def test_a_thousand_comparisons_of_a_build_with_itself(self):
        wrong = 0
        for rounds, scatters, estimate in ((3, [0.05], stats.apart), (5, [0.05], stats.paired),
                                           (5, [0.01, 0.15], stats.apart),
                                           (10, [0.02] * 9 + [0.3], stats.paired)):
            wrong += self.wrong(250, OF_A_SWEEP, rounds, scatters, seed=rounds, estimate=estimate)
        self.assertLessEqual(wrong, 50)

    def test_sameness_is_not_claimed_of_what_differs(self):
        """Every ratio is truly at the edge: 5 % apart."""
        source, wrong = random.Random(9), 0
        for _ in range(300):
            found = [stats.paired(side(source, 5, 0.01, stats.MARGIN), [1.0] * 5)
                     for _ in range(OF_ENGINES)]
            stats.judge(found)
            wrong += any(one.verdict == "same" for one in found)
        self.assertLessEqual(wrong, 24)


class Power(unittest.TestCase):
    """One ratio of many is truly 1.3, and each side scatters by 5 %."""

    def share(self, rounds, count=OF_ENGINES, families=200):
        source = random.Random(rounds)
        return sum(family(source, count, rounds, [0.05], 1.3)[0].verdict == "better"
                   for _ in range(families)) / families

    def test_it_grows_with_rounds_to_all(self):
        shares = [self.share(rounds) for rounds in (3, 5, 10, 20)]
        self.assertEqual(shares, sorted(shares))
        self.assertGreaterEqual(shares[1], 0.6)
        self.assertGreaterEqual(shares[2], 0.95)
        self.assertEqual(shares[3], 1.0)

    def test_among_all_ratios_of_a_sweep_too(self):
        self.assertGreaterEqual(self.share(10, OF_A_SWEEP, 50), 0.95)


if __name__ == "__main__":
    unittest.main()
