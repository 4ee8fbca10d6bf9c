"""Who has which colour and shape. A design looks the same in every picture of a report.

The colours are Okabe and Ito's, which most colour-blind readers tell apart, darker on light paper
and lighter on dark; style.py has their values. Stages have colours of their own.
"""

# How a list of reservations names the ring whose writers take a mutex to reserve.
LOCKED = "ring/mutex"
ENGINES = {
    "ring": ("ring", "circle"), "mutex": ("mutex", "square"), "serial": ("serial", "triangle"),
    "rocksdb": ("amber", "diamond"), "wiredtiger": ("green", "down"), "lmdb": ("pink", "pentagon"),
    "sqlite": ("violet", "cross"), LOCKED: ("green", "diamond"),
}
SPARE = (("green", "diamond"), ("amber", "down"), ("pink", "pentagon"), ("violet", "cross"),
         ("sky", "bar"), ("serial", "triangle"), ("mutex", "square"), ("ring", "circle"))
# The ring as it is by default, spelled out where a list names it.
DEFAULTS = ("ring", "ring/faa", "ring/hybrid", "ring/adaptive", "ring/8-shard")


class Look:
    def __init__(self, colour, shape):
        self.class_ = f"c-{colour}"
        self.shape = shape


class Plain:
    """A look without markers, for lines of many points."""

    def __init__(self, look):
        self.class_ = look.class_
        self.shape = None


def looks_of(variants):
    """Of the variants of one picture; those that are no engine share the spare ones."""
    looks, taken = {}, set()
    for variant in variants:
        known = ENGINES.get("ring" if variant in DEFAULTS else variant)
        if known and known not in taken:
            looks[variant] = known
            taken.add(known)
    free = [look for look in SPARE if look[0] not in {colour for colour, _ in taken}] or list(SPARE)
    rest = [variant for variant in variants if variant not in looks]
    for i, variant in enumerate(rest):
        looks[variant] = free[i % len(free)]
    return {variant: Look(*looks[variant]) for variant in variants}
