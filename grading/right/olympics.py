"""Right answers to chapter 20, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import math

import numpy as np

from tinytorch.olympics import Heat
from tito.rubrics.planted import right

# -- Gate.passes ------------------------------------------------------------------------------------------------------

right(
    "Gate.passes",
    "looks at one end after the other",
    "least <= quality <= most",
    "least <= quality and quality <= most",
)
right("Gate.passes", "finds finite numbers by NumPy", "math.isfinite(quality)", "np.isfinite(quality)")


@right("Gate.passes", "asks which limit there is")
def passes_by_limit(self, quality):
    if not math.isfinite(quality):
        return False
    if self.at_least is not None:
        return quality >= self.at_least
    return quality <= self.at_most


@right("Gate.passes", "refuses what is below or above")
def passes_by_refusing(self, quality):
    if quality != quality or abs(quality) == math.inf:
        return False
    too_low = self.at_least is not None and quality < self.at_least
    too_high = self.at_most is not None and quality > self.at_most
    return not too_low and not too_high


# -- race -------------------------------------------------------------------------------------------------------------

right("race", "copies inputs by NumPy", "x.copy()", "np.array(x)")
right(
    "race", "shuffles a list", "rng.permutation(list(contestants))", "sorted(contestants, key=lambda _: rng.random())"
)


@right("race", "warms up in turns of their own, and judges when all have answered")
def race_in_two_parts(contestants, fresh, judge, clock, rng, turns=20, warmup=1):
    names = list(contestants)
    if len(names) == 0 or turns <= 0:
        raise ValueError("nothing to race")

    def turn():
        x, y = fresh()
        found = {}
        for i in rng.permutation(len(names)):
            mine = np.array(x, copy=True)
            before = clock()
            answers = np.array(contestants[names[i]](mine), copy=True)
            after = clock()
            found[names[i]] = after - before, answers
        return {name: (taken, judge(answers, y)) for name, (taken, answers) in found.items()}

    for _ in range(warmup):
        turn()
    rows = [turn() for _ in range(turns)]
    return {
        name: Heat(np.array([row[name][0] for row in rows], float), np.hstack([row[name][1] for row in rows]))
        for name in names
    }


@right("race", "cuts the turns that warm up away at the end")
def race_then_cut(contestants, fresh, judge, clock, rng, turns=20, warmup=1):
    if turns < 1 or not len(contestants):
        raise ValueError("nothing to race")
    taken = {name: [] for name in contestants}
    lost = {name: [] for name in contestants}
    for _ in range(turns + warmup):
        examples = fresh()
        for name in rng.permutation(sorted(contestants)):
            copy = examples.x + 0
            start = clock()
            answers = contestants[str(name)](copy)
            answers = np.asarray(answers).copy()
            stop = clock()
            taken[name].append(stop - start)
            lost[name].append(judge(answers, examples.y))
    return {n: Heat(np.array(taken[n][warmup:]), np.concatenate(lost[n][warmup:])) for n in contestants}


# -- gain_of ----------------------------------------------------------------------------------------------------------

right(
    "gain_of",
    "names what is refused one by one",
    "not 0 < ratio.low <= ratio.high < math.inf",
    "not (ratio.low > 0 and ratio.high >= ratio.low and math.isfinite(ratio.high))",
)


right(
    "gain_of", "lets NumPy clip", "min(max(ratio.low, 1.0), ratio.high)", "float(np.clip(1.0, ratio.low, ratio.high))"
)
right(
    "gain_of", "goes from the high end", "min(max(ratio.low, 1.0), ratio.high)", "max(ratio.low, min(1.0, ratio.high))"
)


@right("gain_of", "asks the ends")
def gain_by_ends(ratio, margin=0.02):
    _, low, high = ratio
    if not (math.isfinite(low) and math.isfinite(high)) or low <= 0 or high < low:
        raise ValueError("no interval")
    if high < 1 / (1 + margin):
        return 1 / high
    if low > 1 + margin:
        return 1 / low
    return 1


@right("gain_of", "compares what is earned with the margin")
def gain_by_distance(ratio, margin=0.02):
    if not 0 < ratio.low <= ratio.high < float("inf"):
        raise ValueError("no interval")
    if ratio.low <= 1 <= ratio.high:
        return 1.0
    end = min((ratio.low, ratio.high), key=lambda number: abs(number - 1))
    small = end <= 1 + margin if end > 1 else end >= 1 / (1 + margin)
    return 1.0 if small else 1 / end


# -- combined ---------------------------------------------------------------------------------------------------------

right(
    "combined",
    "multiplies powers",
    "math.exp(sum(weights[name] / whole * math.log(g) for name, g in gains.items()))",
    "math.prod(g ** (weights[name] / whole) for name, g in gains.items())",
)
right(
    "combined",
    "divides at the end",
    "math.exp(sum(weights[name] / whole * math.log(g) for name, g in gains.items()))",
    "math.exp(sum(weights[name] * math.log(g) for name, g in gains.items()) / whole)",
)


@right("combined", "lets NumPy take the mean of logarithms")
def combined_by_average(gains, weights):
    if gains.keys() != weights.keys() or not gains:
        raise ValueError("names differ")
    g = np.array([gains[name] for name in gains], float)
    w = np.array([weights[name] for name in gains], float)
    if not np.isfinite(g).all() or (g <= 0).any() or not np.isfinite(w).all() or (w < 0).any() or w.sum() == 0:
        raise ValueError("no mean")
    return np.exp(np.average(np.log(g), weights=w))


@right("combined", "counts in powers of two")
def combined_by_two(gains, weights):
    if sorted(gains) != sorted(weights) or sum(weights.values()) <= 0:
        raise ValueError("names differ, or no weight")
    for name in gains:
        if not math.isfinite(gains[name]) or gains[name] <= 0 or not math.isfinite(weights[name]) or weights[name] < 0:
            raise ValueError(name)
    total, doubled = 0, 0.0
    for name, weight in weights.items():
        total += weight
        doubled += weight * math.log2(gains[name])
    return 2.0 ** (doubled / total)


# -- ranking ----------------------------------------------------------------------------------------------------------

right("ranking", "asks the other way round", "other.low > own.high", "own.high < other.low")


@right("ranking", "sorts twice")
def ranking_by_stable_sort(totals):
    names = sorted(totals, key=lambda name: totals[name].value, reverse=True)
    rank = lambda name: 1 + len([n for n in totals if totals[n].low > totals[name].high])
    names.sort(key=rank)
    return {name: rank(name) for name in names}


@right("ranking", "compares tables")
def ranking_by_table(totals):
    names = list(totals)
    low = np.array([totals[name].low for name in names])
    high = np.array([totals[name].high for name in names])
    value = np.array([totals[name].value for name in names])
    ranks = 1 + (low[:, None] > high[None]).sum(axis=0)
    return {names[i]: int(ranks[i]) for i in np.lexsort((-value, ranks))}


@right("ranking", "counts in loops")
def ranking_by_loops(totals):
    ranked = []
    for name, (value, _, high) in totals.items():
        ahead = 0
        for _, low, _ in totals.values():
            if low > high:
                ahead += 1
        ranked.append((ahead + 1, -value, name))
    return {name: rank for rank, _, name in sorted(ranked)}


# -- pareto_front -----------------------------------------------------------------------------------------------------

right(
    "pareto_front",
    "finds what differs in place of what is less",
    "costs[:, None] < costs[None]",
    "costs[:, None] != costs[None]",
)
right(
    "pareto_front",
    "looks from the other side",
    "(nowhere_worse & somewhere_better).any(axis=0)",
    "(nowhere_worse & ~nowhere_worse.T).any(axis=0)",
)


@right("pareto_front", "goes row by row")
def front_by_rows(costs):
    table = np.array(costs, dtype=float)
    if table.ndim != 2 or (table != table).any():
        raise ValueError("no table of numbers")
    front = np.ones(len(table), dtype=bool)
    for i, row in enumerate(table):
        front[i] = not any((other <= row).all() and (other < row).any() for other in table)
    return front


# -- late_bound -------------------------------------------------------------------------------------------------------

right("late_bound", "halves more often", "range(60)", "range(100)")
right("late_bound", "tells the lower end, as near", "return high", "return low")
right("late_bound", "takes a plain logarithm", "math.log1p(-s)", "math.log(1 - s)")


@right("late_bound", "adds up from one k to the next")
def bound_by_recurrence(late, queries, level=0.99):
    if queries < 1 or late < 0 or late > queries or not (level > 0 and level < 1):
        raise ValueError("no such share")
    if late == queries:
        return 1.0
    steps = np.arange(late)
    ways = np.concatenate([[0.0], np.cumsum(np.log(queries - steps) - np.log(steps + 1))])
    k = np.arange(late + 1)

    def chance(s):
        logs = ways + k * np.log(s) + (queries - k) * np.log1p(-s)
        top = logs.max()
        return math.exp(top) * np.exp(logs - top).sum()

    low, high = 0.0, 1.0
    while high - low > 1e-13:
        middle = 0.5 * (low + high)
        if chance(middle) > 1 - level:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


# -- accounting -------------------------------------------------------------------------------------------------------


@right("sprint_bytes", "counts layer by layer")
def bytes_by_layer():
    return sum(a * b + 8 * b + 8 for a, b in ((64, 128), (128, 64), (64, 10)))


@right("sprint_bytes", "counts kind by kind")
def bytes_by_kind():
    int8, scales, biases, grids = 17024, 4 * 202, 4 * 202, 3 * 8
    return int8 + scales + biases + grids


right("sprint_bytes", "answers with a float", "return weights", "return 1.0 * weights")


@right("places_ratio", "counts the places one by one")
def ratio_one_by_one():
    with_caches, without = 10, 0
    for token in range(8):
        without += 10 + token
        with_caches += token > 0
    return without / with_caches


@right("places_ratio", "adds by Gauss")
def ratio_by_gauss():
    return 8 * (10 + 17) / 2 / 17


right("places_ratio", "rounds", "without / (10 + 7)", "round(without / (10 + 7), 2)")


@right("sprint_score", "adds logarithms")
def score_by_logarithms():
    return math.exp(0.4 * math.log(2) + 0.2 * math.log(5) - 0.2 * math.log(1.1))


@right("sprint_score", "multiplies powers")
def score_by_powers():
    return 2**0.4 * 5**0.2 / 1.1**0.2


right("sprint_score", "rounds", "** 0.1", "** 0.1 + 0.0001")
