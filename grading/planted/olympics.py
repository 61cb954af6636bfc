"""Wrong answers to chapter 20: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import math

import numpy as np

from tinytorch.olympics import Heat
from tito.rubrics.planted import wrong

# -- Gate.passes ------------------------------------------------------------------------------------------------------

wrong("Gate.passes", "wants more than the limit", "least <= quality", "least < quality")
wrong("Gate.passes", "wants less than the limit", "quality <= most", "quality < most")
wrong("Gate.passes", "lets infinity pass", "math.isfinite(quality) and ", "")
wrong("Gate.passes", "looks for NaN alone", "math.isfinite(quality)", "not math.isnan(quality)")
wrong("Gate.passes", "exchanges the limits", "least <= quality <= most", "most >= quality or quality >= least")
wrong(
    "Gate.passes",
    "takes a limit of 0 for none",
    "if self.at_least is None else self.at_least",
    "if not self.at_least else self.at_least",
)
wrong(
    "Gate.passes",
    "takes an upper limit of 0 for none",
    "if self.at_most is None else self.at_most",
    "if not self.at_most else self.at_most",
)
wrong(
    "Gate.passes",
    "passes what does not fail, as NaN",
    "math.isfinite(quality) and least <= quality <= most",
    "not (quality < least or quality > most)",
)


@wrong("Gate.passes", "knows lower limits only")
def passes_lower(self, quality):
    return math.isfinite(quality) and quality >= (self.at_least or self.at_most)


# -- race -------------------------------------------------------------------------------------------------------------

wrong(
    "race",
    "stops the clock before the answers are read",
    "answers = np.array(contestants[name](given))",
    "later = contestants[name](given)",
    "taken = clock() - start",
    "taken = clock() - start\n        answers = np.array(later)",
)
wrong("race", "hands out the inputs themselves", "x.copy()", "x")
wrong(
    "race",
    "keeps an array that the contestant can write into",
    "np.array(contestants[name](given))",
    "np.asarray(contestants[name](given))",
)
wrong("race", "counts the turns that warm up", "if turn >= warmup:", "if True:")
wrong("race", "leaves one turn too many out", "turn >= warmup", "turn > warmup")
wrong("race", "keeps the order of the names", "rng.permutation(list(contestants))", "contestants")
wrong("race", "draws with a generator of its own", "rng.permutation", "np.random.default_rng().permutation")
wrong("race", "does not warm up", "range(warmup + turns)", "range(warmup, warmup + turns)")
wrong("race", "races without contestants", "not contestants or turns < 1", "turns < 1")
wrong("race", "judges the last turn alone", "np.concatenate(losses[name])", "losses[name][-1]")
wrong("race", "judges the inputs", "judge(answers, y)", "judge(given, y)")


@wrong("race", "draws new inputs for each contestant")
def race_apart(contestants, fresh, judge, clock, rng, turns=20, warmup=1):
    if not contestants or turns < 1:
        raise ValueError("a race needs contestants and turns")
    seconds = {name: [] for name in contestants}
    losses = {name: [] for name in contestants}
    for turn in range(warmup + turns):
        for name in rng.permutation(list(contestants)):
            x, y = fresh()
            start = clock()
            answers = np.array(contestants[name](x.copy()))
            taken = clock() - start
            if turn >= warmup:
                seconds[name].append(taken)
                losses[name].append(judge(answers, y))
    return {name: Heat(np.array(seconds[name], np.float64), np.concatenate(losses[name])) for name in contestants}


@wrong("race", "draws the inputs once for the whole race")
def race_again(contestants, fresh, judge, clock, rng, turns=20, warmup=1):
    if not contestants or turns < 1:
        raise ValueError("a race needs contestants and turns")
    seconds = {name: [] for name in contestants}
    losses = {name: [] for name in contestants}
    x, y = fresh()
    for turn in range(warmup + turns):
        for name in rng.permutation(list(contestants)):
            given = x.copy()
            start = clock()
            answers = np.array(contestants[name](given))
            taken = clock() - start
            if turn >= warmup:
                seconds[name].append(taken)
                losses[name].append(judge(answers, y))
    return {name: Heat(np.array(seconds[name], np.float64), np.concatenate(losses[name])) for name in contestants}


@wrong("race", "times the judge, too")
def race_judged(contestants, fresh, judge, clock, rng, turns=20, warmup=1):
    if not contestants or turns < 1:
        raise ValueError("a race needs contestants and turns")
    seconds = {name: [] for name in contestants}
    losses = {name: [] for name in contestants}
    for turn in range(warmup + turns):
        x, y = fresh()
        for name in rng.permutation(list(contestants)):
            given = x.copy()
            start = clock()
            lost = judge(np.array(contestants[name](given)), y)
            taken = clock() - start
            if turn >= warmup:
                seconds[name].append(taken)
                losses[name].append(lost)
    return {name: Heat(np.array(seconds[name], np.float64), np.concatenate(losses[name])) for name in contestants}


@wrong("race", "draws one order for the whole race")
def race_in_one_order(contestants, fresh, judge, clock, rng, turns=20, warmup=1):
    if not contestants or turns < 1:
        raise ValueError("a race needs contestants and turns")
    seconds = {name: [] for name in contestants}
    losses = {name: [] for name in contestants}
    order = rng.permutation(list(contestants))
    for turn in range(warmup + turns):
        x, y = fresh()
        for name in order:
            given = x.copy()
            start = clock()
            answers = np.array(contestants[name](given))
            taken = clock() - start
            if turn >= warmup:
                seconds[name].append(taken)
                losses[name].append(judge(answers, y))
    return {name: Heat(np.array(seconds[name], np.float64), np.concatenate(losses[name])) for name in contestants}


@wrong("race", "lets one contestant finish before the next begins")
def race_in_blocks(contestants, fresh, judge, clock, rng, turns=20, warmup=1):
    if not contestants or turns < 1:
        raise ValueError("a race needs contestants and turns")
    found = {}
    for name in rng.permutation(list(contestants)):
        seconds, losses = [], []
        for turn in range(warmup + turns):
            x, y = fresh()
            start = clock()
            answers = np.array(contestants[name](x.copy()))
            taken = clock() - start
            if turn >= warmup:
                seconds.append(taken)
                losses.append(judge(answers, y))
        found[name] = Heat(np.array(seconds, np.float64), np.concatenate(losses))
    return found


# -- gain_of ----------------------------------------------------------------------------------------------------------

wrong(
    "gain_of",
    "takes the lucky end",
    "min(max(ratio.low, 1.0), ratio.high)",
    "ratio.low if ratio.high < 1 else ratio.high",
)
wrong("gain_of", "takes the value", "min(max(ratio.low, 1.0), ratio.high)", "ratio.value")
wrong("gain_of", "takes the high end always", "min(max(ratio.low, 1.0), ratio.high)", "ratio.high")
wrong("gain_of", "forgives what is slower", "min(max(ratio.low, 1.0), ratio.high)", "min(1.0, ratio.high)")
wrong("gain_of", "tells the ratio", "else 1 / nearest", "else nearest")
wrong("gain_of", "has a margin of its own", "1 / (1 + margin) <= nearest <= 1 + margin", "1 / 1.02 <= nearest <= 1.02")
wrong("gain_of", "knows no margin", "1 / (1 + margin) <= nearest <= 1 + margin", "nearest == 1")
wrong(
    "gain_of",
    "has the margin on one side",
    "1 / (1 + margin) <= nearest <= 1 + margin",
    "1 / (1 + margin) <= nearest <= 1",
)
wrong("gain_of", "subtracts the margin", "1 / (1 + margin) <= nearest", "1 - margin <= nearest")
wrong("gain_of", "leaves the margin's ends out", "<= nearest <=", "< nearest <")
wrong("gain_of", "earns nothing for no difference", "return 1.0 if", "return 0.0 if")
wrong("gain_of", "takes what is no interval", "not 0 < ratio.low <= ratio.high < math.inf", "False")
wrong("gain_of", "takes 0, which would earn everything", "not 0 < ratio.low", "not 0 <= ratio.low")
wrong("gain_of", "takes infinity", " < math.inf", " <= math.inf")
wrong(
    "gain_of",
    "takes ends in the wrong order",
    "not 0 < ratio.low <= ratio.high < math.inf",
    "not (0 < ratio.low < math.inf and 0 < ratio.high < math.inf)",
)
wrong(
    "gain_of",
    "refuses by comparisons that a NaN never answers",
    "not 0 < ratio.low <= ratio.high < math.inf",
    "ratio.low <= 0 or ratio.low > ratio.high or ratio.high == math.inf",
)


@wrong("gain_of", "earns 1 only where the whole interval is within the margin, or holds 1")
def gain_by_verdict(ratio, margin=0.02):
    from tinytorch.benchmarking import verdict

    if not 0 < ratio.low <= ratio.high < math.inf:
        raise ValueError("no interval")
    nearest = {"faster": ratio.high, "slower": ratio.low}
    return 1 / nearest.get(verdict(ratio, margin), 1.0)


@wrong("gain_of", "looks whether the value is better")
def gain_by_value(ratio, margin=0.02):
    if not 0 < ratio.low <= ratio.high < math.inf:
        raise ValueError("no interval")
    return 1 / ratio.high if ratio.value < 1 else 1 / ratio.low


# -- combined ---------------------------------------------------------------------------------------------------------

wrong("combined", "takes the product", "weights[name] / whole", "weights[name]")
wrong("combined", "gives all the same weight", "weights[name] / whole", "1 / len(weights)")
wrong("combined", "counts the names for the weights", "whole = sum(weights.values())", "whole = len(weights)")
wrong(
    "combined",
    "takes the weighted mean",
    "math.exp(sum(weights[name] / whole * math.log(g) for name, g in gains.items()))",
    "sum(weights[name] / whole * g for name, g in gains.items())",
)
wrong(
    "combined",
    "takes the harmonic mean",
    "math.exp(sum(weights[name] / whole * math.log(g) for name, g in gains.items()))",
    "1 / sum(weights[name] / whole / g for name, g in gains.items())",
)
wrong("combined", "exchanges base and exponent", "math.exp(", "math.pow(2, ")
wrong(
    "combined",
    "multiplies first and takes the root then",
    "math.exp(sum(weights[name] / whole * math.log(g) for name, g in gains.items()))",
    "math.prod(g ** weights[name] for name, g in gains.items()) ** (1 / whole)",
)
wrong(
    "combined",
    "pairs gains and weights by their places",
    "sum(weights[name] / whole * math.log(g) for name, g in gains.items())",
    "sum(w / whole * math.log(g) for w, g in zip(weights.values(), gains.values()))",
)
wrong(
    "combined",
    "asks nothing of the names",
    "if set(gains) != set(weights):",
    "if False:",
    "for name, g in gains.items()))",
    "for name, g in gains.items() if name in weights))",
)
wrong(
    "combined",
    "takes gains without a weight",
    "set(gains) != set(weights)",
    "set(weights) - set(gains)",
    "weights[name] / whole",
    "weights.get(name, 0) / whole",
)
wrong("combined", "takes weights without a gain", "set(gains) != set(weights)", "set(gains) - set(weights)")
wrong("combined", "takes an infinite gain", "0 < g < math.inf", "0 < g")
wrong(
    "combined",
    "takes gains of 0",
    "not all(0 < g < math.inf for g in gains.values())",
    "not all(0 <= g < math.inf for g in gains.values())",
    "math.log(g)",
    "math.log(g or 1e-300)",
)
wrong("combined", "takes negative weights", "0 <= w < math.inf", "w < math.inf")
wrong("combined", "takes infinite weights", "0 <= w < math.inf", "0 <= w")
wrong("combined", "refuses a weight of 0", "0 <= w < math.inf", "0 < w < math.inf")
wrong(
    "combined",
    "has a mean without weights",
    " or not any(weights.values())",
    "",
    "whole = sum(weights.values())",
    "whole = sum(weights.values()) or 1",
)

# -- ranking ----------------------------------------------------------------------------------------------------------

wrong("ranking", "ranks by values", "other.low > own.high", "other.value > own.value")
wrong("ranking", "counts those that may be better", "other.low > own.high", "other.high > own.low")
wrong("ranking", "puts less before more", "other.low > own.high", "other.high < own.low")
wrong("ranking", "parts intervals that meet in a point", "other.low > own.high", "other.low >= own.high")
wrong("ranking", "begins with 0", "1 + sum", "0 + sum")
wrong(
    "ranking",
    "keeps the order in which entries came",
    "sorted(ranks, key=lambda name: (ranks[name], -totals[name].value))",
    "ranks",
)
wrong("ranking", "has the lower value first", "-totals[name].value", "totals[name].value")
wrong("ranking", "sorts by values alone", "(ranks[name], -totals[name].value)", "-totals[name].value")
wrong(
    "ranking",
    "sorts by names",
    "key=lambda name: (ranks[name], -totals[name].value)",
    "key=lambda name: (ranks[name], name)",
)
wrong("ranking", "compares the value with intervals", "other.low > own.high", "other.low > own.value")


@wrong("ranking", "gives each a rank of its own")
def ranking_without_ties(totals):
    ordered = sorted(totals, key=lambda name: -totals[name].value)
    return {name: 1 + i for i, name in enumerate(ordered)}


@wrong("ranking", "leaves no gap after those that share a rank")
def ranking_dense(totals):
    ranks = {name: 1 + sum(other.low > own.high for other in totals.values()) for name, own in totals.items()}
    places = sorted(set(ranks.values()))
    ranks = {name: 1 + places.index(rank) for name, rank in ranks.items()}
    return {name: ranks[name] for name in sorted(ranks, key=lambda name: (ranks[name], -totals[name].value))}


# -- pareto_front -----------------------------------------------------------------------------------------------------

wrong("pareto_front", "lets equal ones beat each other", "nowhere_worse & somewhere_better", "nowhere_worse")
wrong(
    "pareto_front", "is beaten by what is better in something", "nowhere_worse & somewhere_better", "somewhere_better"
)
wrong("pareto_front", "tells who is beaten", "~(nowhere_worse", "(nowhere_worse")
wrong("pareto_front", "tells who beats nobody", "any(axis=0)", "any(axis=1)")
wrong(
    "pareto_front",
    "wants less in everything",
    "(costs[:, None] < costs[None]).any(axis=2)",
    "(costs[:, None] < costs[None]).all(axis=2)",
)
wrong(
    "pareto_front",
    "takes more for better",
    "costs[:, None] <= costs[None]",
    "costs[:, None] >= costs[None]",
    "costs[:, None] < costs[None]",
    "costs[:, None] > costs[None]",
)
wrong("pareto_front", "has NaN in front", " or np.isnan(costs).any()", "")
wrong("pareto_front", "takes any shape", "costs.ndim != 2 or ", "")
wrong(
    "pareto_front",
    "takes a single row",
    "costs.ndim != 2",
    "costs.ndim > 2",
    "costs = np.asarray(costs, np.float64)",
    "costs = np.asarray(costs, np.float64)\ncosts = costs[:, None] if costs.ndim == 1 else costs",
)
wrong(
    "pareto_front",
    "answers in numbers",
    "~(nowhere_worse & somewhere_better).any(axis=0)",
    "1.0 - (nowhere_worse & somewhere_better).any(axis=0)",
)
wrong(
    "pareto_front",
    "has the least of each column",
    "~(nowhere_worse & somewhere_better).any(axis=0)",
    "(costs == costs.min(axis=0, initial=np.inf)).any(axis=1)",
)

# -- late_bound -------------------------------------------------------------------------------------------------------

wrong(
    "late_bound",
    "counts fewer than so many",
    "np.arange(late + 1)",
    "np.arange(max(late, 1))",
)
wrong("late_bound", "counts exactly so many", "np.exp(", "0 + np.exp(", ".sum()", "[-1]")
wrong("late_bound", "asks for the level itself", "chance > 1 - level", "chance > level")
wrong("late_bound", "leaves half of it over on each side", "chance > 1 - level", "chance > (1 - level) / 2")
wrong(
    "late_bound",
    "goes the wrong way",
    "(s, high) if chance > 1 - level else (low, s)",
    "(low, s) if chance > 1 - level else (s, high)",
)
wrong("late_bound", "halves too few times", "range(60)", "range(12)")
wrong("late_bound", "forgets the numbers of ways", "np.exp(ways + k", "np.exp(k")
wrong("late_bound", "forgets those that were not late", " + (queries - k) * math.log1p(-s)", "")
wrong(
    "late_bound",
    "has one way too many to count",
    "math.lgamma(queries + 1)",
    "math.lgamma(queries + 2)",
)
wrong(
    "late_bound",
    "takes more late ones than there were",
    "not 0 <= late <= queries or",
    "not 0 <= late or",
    "late == queries",
    "late >= queries",
)
wrong("late_bound", "takes fewer than none", "not 0 <= late <= queries", "not late <= queries")
wrong("late_bound", "takes no queries", " or queries < 1", "")
wrong("late_bound", "takes any level", "not 0 < level < 1", "False")
wrong("late_bound", "takes certainty for a level", "0 < level < 1", "0 < level <= 1")
wrong("late_bound", "takes level 0", "0 < level < 1", "0 <= level < 1")
wrong("late_bound", "has no bound where all were late", "return 1.0", "return level")


@wrong("late_bound", "multiplies whole numbers by floats, which many queries overflow")
def bound_by_ways(late, queries, level=0.99):
    if not 0 <= late <= queries or queries < 1 or not 0 < level < 1:
        raise ValueError("no such share")
    if late == queries:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        s = (low + high) / 2
        chance = sum(float(math.comb(queries, k)) * s**k * (1 - s) ** (queries - k) for k in range(late + 1))
        low, high = (s, high) if chance > 1 - level else (low, s)
    return high


@wrong("late_bound", "takes the bell curve, which fails for few")
def bound_by_normal(late, queries, level=0.99):
    if not 0 <= late <= queries or queries < 1 or not 0 < level < 1:
        raise ValueError("no such share")
    from statistics import NormalDist

    share = late / queries
    return min(1.0, share + NormalDist().inv_cdf(level) * math.sqrt(share * (1 - share) / queries))


@wrong("late_bound", "tells the share that was late")
def bound_is_the_share(late, queries, level=0.99):
    if not 0 <= late <= queries or queries < 1 or not 0 < level < 1:
        raise ValueError("no such share")
    return late / queries


# -- accounting -------------------------------------------------------------------------------------------------------


@wrong("sprint_bytes", "counts four bytes for a weight")
def bytes_of_floats():
    return 4 * (64 * 128 + 128 * 64 + 64 * 10) + (128 + 64 + 10) * 8 + 24


@wrong("sprint_bytes", "forgets the scales")
def bytes_without_scales():
    return 64 * 128 + 128 * 64 + 64 * 10 + (128 + 64 + 10) * 4


@wrong("sprint_bytes", "counts one grid for the network")
def bytes_of_one_grid():
    return 64 * 128 + 128 * 64 + 64 * 10 + (128 + 64 + 10) * 8 + 8


@wrong("places_ratio", "counts tokens")
def ratio_of_tokens():
    return (10 + 8) / 8


@wrong("places_ratio", "reads the last token, too")
def ratio_with_the_last():
    return sum(10 + i for i in range(1, 9)) / (10 + 8)


@wrong("places_ratio", "computes the whole answer's length each time")
def ratio_of_whole():
    return 8 * 18 / 18


@wrong("sprint_score", "takes the lucky ends")
def score_by_luck():
    return (2.5**4 / 0.95 * 5**2 / 1.1**2) ** 0.1


@wrong("sprint_score", "forgives the mistakes")
def score_without_mistakes():
    return (2**4 * 5**2) ** 0.1


@wrong("sprint_score", "takes the weighted mean")
def score_by_mean():
    return (4 * 2 + 1 + 1 + 2 * 5 + 2 / 1.1) / 10


# -- more, of every exercise ------------------------------------------------------------------------------------------


@wrong("Gate.passes", "returns None where it should return False")
def returns_none_where_it(self, quality):
    if math.isfinite(quality):
        if self.at_least is not None and quality >= self.at_least:
            return True
        if self.at_most is not None and quality <= self.at_most:
            return True


@wrong("Gate.passes", "returns a text")
def returns_a_text(self, quality):
    if not math.isfinite(quality):
        return ""
    ok = quality >= self.at_least if self.at_least is not None else quality <= self.at_most
    return "passed" if ok else ""


wrong(
    "race",
    "the copy is made after the clock was read: its time counts",
    "given = x.copy()",
    "pass",
    "contestants[name](given)",
    "contestants[name](x.copy())",
)

wrong(
    "race",
    "answers become whole numbers",
    "np.array(contestants[name](given))",
    "np.array(contestants[name](given), dtype=np.int64)",
)

wrong(
    "race",
    "answers lose their axes",
    "np.array(contestants[name](given))",
    "np.array(contestants[name](given)).ravel()",
)

wrong(
    "gain_of",
    "refuses a value that is not finite, or not above 0",
    "if not 0 < ratio.low",
    "if not 0 < ratio.value < math.inf or not 0 < ratio.low",
)

wrong("gain_of", "caps gains at 10", "else 1 / nearest", "else min(10.0, 1 / nearest)")

wrong("gain_of", "caps losses at a tenth", "else 1 / nearest", "else max(0.1, 1 / nearest)")


@wrong("combined", "norms the weights in the caller's own mapping")
def norms_the_weights_in(gains, weights):
    if set(gains) != set(weights):
        raise ValueError("names")
    if not all(0 < g < math.inf for g in gains.values()):
        raise ValueError("gains")
    if not all(0 <= w < math.inf for w in weights.values()) or not any(weights.values()):
        raise ValueError("weights")
    whole = sum(weights.values())
    for name in weights:
        weights[name] = weights[name] / whole
    return math.exp(sum(weights[name] * math.log(g) for name, g in gains.items()))


@wrong("combined", "takes logarithms in the caller's own gains")
def takes_logarithms_in_the(gains, weights):
    if set(gains) != set(weights):
        raise ValueError("names")
    if not all(0 < g < math.inf for g in gains.values()):
        raise ValueError("gains")
    if not all(0 <= w < math.inf for w in weights.values()) or not any(weights.values()):
        raise ValueError("weights")
    whole = sum(weights.values())
    for name in gains:
        gains[name] = math.log(gains[name])
    return math.exp(sum(weights[name] * gains[name] for name in gains) / whole)


wrong(
    "combined",
    "counts names only: other names of the same number raise KeyError",
    "set(gains) != set(weights)",
    "len(gains) != len(weights)",
)


@wrong("ranking", "takes the best out of the caller's own mapping")
def takes_the_best_out(totals):
    ranks = {name: 1 + sum(other.low > own.high for other in totals.values()) for name, own in totals.items()}
    found = {}
    while totals:
        best = min(totals, key=lambda name: (ranks[name], -totals[name].value))
        found[best] = ranks[best]
        del totals[best]
    return found


@wrong("ranking", "entries of the same value are one")
def entries_of_the_same(totals):
    by_value = {own.value: name for name, own in totals.items()}
    ranks = {name: 1 + sum(other.low > own.high for other in totals.values()) for name, own in totals.items()}
    names = [by_value[value] for value in sorted(by_value, reverse=True)]
    return {name: ranks[name] for name in sorted(names, key=lambda name: ranks[name])}


@wrong("ranking", "ranks are floats")
def ranks_are_floats(totals):
    ranks = {name: 1.0 + sum(other.low > own.high for other in totals.values()) for name, own in totals.items()}
    return {name: ranks[name] for name in sorted(ranks, key=lambda name: (ranks[name], -totals[name].value))}


wrong(
    "pareto_front",
    "float32: costs that differ little are equal",
    "np.asarray(costs, np.float64)",
    "np.asarray(costs, np.float32)",
)

wrong(
    "pareto_front",
    "rounds to six decimals",
    "np.asarray(costs, np.float64)",
    "np.round(np.asarray(costs, np.float64), 6)",
)

wrong("pareto_front", "takes arrays only, no list", "costs = np.asarray(costs, np.float64)\n", "")

wrong("late_bound", "stops at a millionth of the bound", "for _ in range(60):", "while high - low > 1e-6 * high:")

wrong("late_bound", "stops at a ten-millionth of the bound", "for _ in range(60):", "while high - low > 1e-7 * high:")

wrong("late_bound", "stops at 1e-8", "for _ in range(60):", "while high - low > 1e-8:")
