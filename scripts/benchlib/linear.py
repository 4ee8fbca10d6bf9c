"""Linear least squares for a handful of columns."""

import math


class Fitted:
    """Coefficients and their errors; None for a column that the ones before it already tell."""

    def __init__(self, values, errors, freedom):
        self.values = values
        self.errors = errors
        self.freedom = freedom


def product(a, b):
    return sum(x * y for x, y in zip(a, b))


def invert(matrix):
    """By Gauss and Jordan, with the larger pivot first; None if it is singular."""
    size = len(matrix)
    rows = [list(row) + [float(i == j) for j in range(size)] for i, row in enumerate(matrix)]
    for i in range(size):
        pivot = max(range(i, size), key=lambda k: abs(rows[k][i]))
        if abs(rows[pivot][i]) < 1e-12:
            return None
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for k in range(size):
            if k != i:
                rows[k] = [a - rows[k][i] * b for a, b in zip(rows[k], rows[i])]
    return [row[size:] for row in rows]


def independent(columns):
    """Indexes of columns, each of which tells something that the ones before it do not."""
    kept, basis = [], []
    for index, column in enumerate(columns):
        rest = list(column)
        for other in basis:
            share = product(rest, other) / product(other, other)
            rest = [a - share * b for a, b in zip(rest, other)]
        if product(rest, rest) > 1e-9 * max(1.0, product(column, column)):
            kept.append(index)
            basis.append(rest)
    return kept


def solve(columns, target):
    """(coefficients, inverse of the normal matrix) of columns that are independent."""
    inverse = invert([[product(a, b) for b in columns] for a in columns])
    right = [product(column, target) for column in columns]
    return [product(row, right) for row in inverse], inverse


def least_squares(columns, target, lost=0, least=0.0):
    """`lost` degrees of freedom went into means that were taken off before; `least` is the scatter
    that no measurement is below."""
    kept = independent(columns)
    some = [columns[index] for index in kept]
    found, inverse = solve(some, target) if some else ([], [])
    rest = list(target)
    for value, column in zip(found, some):
        rest = [a - value * b for a, b in zip(rest, column)]
    freedom = len(target) - lost - len(kept)
    scatter = max(least, math.sqrt(product(rest, rest) / max(1, freedom)))
    values, errors = [None] * len(columns), [None] * len(columns)
    for number, index in enumerate(kept):
        values[index] = found[number]
        errors[index] = scatter * math.sqrt(inverse[number][number])
    return Fitted(values, errors, freedom)
