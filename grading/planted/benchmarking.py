"""Wrong answers to chapter 19: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import math

import numpy as np

from tinytorch.benchmarking import Estimate, Trend, as_sample, median_interval, percentile
from tito.rubrics.planted import wrong

# -- percentile -------------------------------------------------------------------------------------------------------

wrong("percentile", "takes the values as they came", "np.sort(as_sample(values))", "as_sample(values)")
wrong("percentile", "counts places from 0", "[rank - 1]", "[min(rank, len(ordered) - 1)]")
wrong("percentile", "rounds down", "math.ceil", "math.floor")
wrong("percentile", "lies between two values", "float(ordered[rank - 1])", "float(np.percentile(ordered, q))")
wrong(
    "percentile",
    "has a 0-th place, which is the last",
    "max(1, math.ceil(q * len(ordered) / 100))",
    "math.ceil(q * len(ordered) / 100)",
)
wrong("percentile", "asks for a share", "q * len(ordered) / 100", "q * len(ordered)", "<= 100", "<= 1")
wrong(
    "percentile",
    "takes what is no percentage",
    "if not 0 <= q <= 100:",
    "if False:",
    "[rank - 1]",
    "[min(rank, len(ordered)) - 1]",
)
wrong("percentile", "asks nothing of the times", "as_sample(values)", "np.asarray(values)")


wrong(
    "percentile",
    "divides first, so that 0.28 times 25 is more than 7",
    "q * len(ordered) / 100",
    "q / 100 * len(ordered)",
)
wrong(
    "percentile", "lets NumPy find it, which divides first",
    "float(ordered[rank - 1])", 'float(np.percentile(ordered, q, method="inverted_cdf"))',
)  # fmt: skip
wrong("percentile", "takes a little off before it rounds up", "/ 100)", "/ 100 - 0.01)")
wrong("percentile", "counts equal values once", "np.sort(as_sample(values))", "np.unique(as_sample(values))")
wrong(
    "percentile", "refuses nan alone", "as_sample(values)", "as_sample(np.where(np.isnan(values), values, 1)) * values"
)


@wrong("percentile", "sorts the caller's own list")
def percentile_sorts(values, q):
    if not 0 <= q <= 100:
        raise ValueError(f"a percentile is of 0 to 100 percent, got {q}")
    as_sample(values)
    values.sort()
    return float(values[max(1, math.ceil(q * len(values) / 100)) - 1])


# -- median_interval --------------------------------------------------------------------------------------------------

wrong(
    "median_interval",
    "tells where the runs lie, not their median",
    "medians, tail)",
    "sample, tail)",
    "medians, 100 - tail)",
    "sample, 100 - tail)",
)
wrong("median_interval", "leaves both tails out on each side", "50 - 50 * level", "100 - 100 * level")
wrong("median_interval", "takes means", "np.median(drawn, axis=1)", "drawn.mean(axis=1)")
wrong("median_interval", "tells the mean", "np.median(sample)", "sample.mean()")
wrong("median_interval", "draws with a generator of its own", "rng.integers", "np.random.default_rng(0).integers")
wrong(
    "median_interval",
    "exchanges the ends",
    "percentile(medians, tail), percentile(medians, 100 - tail)",
    "percentile(medians, 100 - tail), percentile(medians, tail)",
)
wrong("median_interval", "draws a fixed number of times", "(draws, len(sample))", "(1000, len(sample))")
wrong(
    "median_interval",
    "takes the extremes",
    "percentile(medians, tail)",
    "medians.min()",
    "percentile(medians, 100 - tail)",
    "medians.max()",
)
wrong("median_interval", "draws samples of twice the size", "(draws, len(sample))", "(draws, 2 * len(sample))")
wrong("median_interval", "takes any level", "not 0 < level < 1", "not 0 <= level <= 1")


wrong(
    "median_interval", "has ends between two medians",
    "percentile(medians, tail)", "float(np.percentile(medians, tail))",
    "percentile(medians, 100 - tail)", "float(np.percentile(medians, 100 - tail))",
)  # fmt: skip
wrong("median_interval", "takes the upper of two middle values", "np.median(drawn, axis=1)",
      "np.sort(drawn, axis=1)[:, len(sample) // 2]")  # fmt: skip
wrong("median_interval", "takes the lower of two middle values", "np.median(drawn, axis=1)",
      "np.sort(drawn, axis=1)[:, (len(sample) - 1) // 2]")  # fmt: skip
wrong("median_interval", "is a tuple without names", "return Estimate(", "return (")


@wrong("median_interval", "sorts the caller's own array")
def interval_sorts(values, rng, draws=1000, level=0.95):
    as_sample(values)
    sample = np.asarray(values, np.float64)
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, got {level}")
    sample.sort()
    medians = np.median(sample[rng.integers(0, len(sample), (draws, len(sample)))], axis=1)
    tail = 50 - 50 * level
    return Estimate(float(np.median(sample)), percentile(medians, tail), percentile(medians, 100 - tail))


@wrong("median_interval", "draws without putting back")
def interval_without_replacement(values, rng, draws=1000, level=0.95):
    sample = as_sample(values)
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, got {level}")
    medians = [np.median(rng.permutation(sample)) for _ in range(draws)]
    tail = (100 - 100 * level) / 2
    return Estimate(float(np.median(sample)), percentile(medians, tail), percentile(medians, 100 - tail))


@wrong("median_interval", "is the normal distribution's interval of a mean")
def interval_of_a_mean(values, rng, draws=1000, level=0.95):
    sample = as_sample(values)
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, got {level}")
    middle, half = float(np.median(sample)), 1.96 * float(sample.std()) / math.sqrt(len(sample))
    rng.random()
    return Estimate(middle, middle - half, middle + half)


# -- take_turns -------------------------------------------------------------------------------------------------------

wrong("take_turns", "never warms up", "for _ in range(warmup):", "for _ in range(0):")
wrong("take_turns", "warms up once", "range(warmup)", "range(1)")
wrong("take_turns", "keeps the order", "rng.permutation(list(functions))", "list(functions)")
wrong(
    "take_turns",
    "starts the clock once a turn",
    "for name in rng",
    "start = clock()\n    for name in rng",
    "        start = clock()\n",
    "",
)
wrong(
    "take_turns",
    "times the later calls of one turn with the earlier ones",
    "seconds[name].append(clock() - start)",
    "seconds[name].append(clock())",
)
wrong("take_turns", "has one turn too many", "in range(turns)", "in range(turns + 1)")
wrong("take_turns", "measures nothing without a word", "raise ValueError", "return {}  # ")
wrong("take_turns", "asks for functions only", "not functions or turns < 1", "not functions")
wrong("take_turns", "asks for turns only", "not functions or turns < 1", "turns < 1")


wrong("take_turns", "has lists", "np.array(each, np.float64)", "each")
wrong("take_turns", "rounds to milliseconds", "clock() - start", "round(clock() - start, 3)")
wrong(
    "take_turns",
    "begins somewhere, and keeps the order otherwise",
    "rng.permutation(list(functions))",
    "np.roll(list(functions), rng.integers(len(functions)))",
)


@wrong("take_turns", "turns every second order round")
def turns_there_and_back(functions, clock, rng, turns=20, warmup=1):
    if not functions or turns < 1:
        raise ValueError("there is nothing to compare")
    for function in functions.values():
        for _ in range(warmup):
            function()
    seconds, order = {name: [] for name in functions}, []
    for turn in range(turns):
        order = order[::-1] if turn % 2 else rng.permutation(list(functions))
        for name in order:
            start = clock()
            functions[name]()
            seconds[name].append(clock() - start)
    return {name: np.array(each, np.float64) for name, each in seconds.items()}


@wrong("take_turns", "shuffles after each turn, so that the first one has the given order")
def turns_shuffled_after(functions, clock, rng, turns=20, warmup=1):
    if not functions or turns < 1:
        raise ValueError("there is nothing to compare")
    for function in functions.values():
        for _ in range(warmup):
            function()
    seconds, names = {name: [] for name in functions}, list(functions)
    for _ in range(turns):
        for name in names:
            start = clock()
            functions[name]()
            seconds[name].append(clock() - start)
        rng.shuffle(names)
    return {name: np.array(each, np.float64) for name, each in seconds.items()}


@wrong("take_turns", "times the calls that warm up, and leaves them out")
def turns_cut(functions, clock, rng, turns=20, warmup=1):
    if not functions or turns < 1:
        raise ValueError("there is nothing to compare")
    seconds = {name: [] for name in functions}
    for _ in range(warmup + turns):
        for name in rng.permutation(list(functions)):
            start = clock()
            functions[name]()
            seconds[name].append(clock() - start)
    return {name: np.array(each[warmup:], np.float64) for name, each in seconds.items()}


@wrong("take_turns", "has all turns of one function first")
def turns_in_blocks(functions, clock, rng, turns=20, warmup=1):
    if not functions or turns < 1:
        raise ValueError("there is nothing to compare")
    seconds = {name: [] for name in functions}
    for name in rng.permutation(list(functions)):
        for _ in range(warmup):
            functions[name]()
        for _ in range(turns):
            start = clock()
            functions[name]()
            seconds[name].append(clock() - start)
    return {name: np.array(each, np.float64) for name, each in seconds.items()}


@wrong("take_turns", "draws one order for all turns")
def turns_in_one_order(functions, clock, rng, turns=20, warmup=1):
    if not functions or turns < 1:
        raise ValueError("there is nothing to compare")
    for function in functions.values():
        for _ in range(warmup):
            function()
    seconds, order = {name: [] for name in functions}, rng.permutation(list(functions))
    for _ in range(turns):
        for name in order:
            start = clock()
            functions[name]()
            seconds[name].append(clock() - start)
    return {name: np.array(each, np.float64) for name, each in seconds.items()}


@wrong("take_turns", "draws whom to call, and may leave one out")
def turns_by_chance(functions, clock, rng, turns=20, warmup=1):
    if not functions or turns < 1:
        raise ValueError("there is nothing to compare")
    for function in functions.values():
        for _ in range(warmup):
            function()
    seconds = {name: [] for name in functions}
    for _ in range(turns * len(functions)):
        name = rng.choice(list(functions))
        start = clock()
        functions[name]()
        seconds[name].append(clock() - start)
    return {name: np.array(each, np.float64) for name, each in seconds.items()}


# -- paired_ratio -----------------------------------------------------------------------------------------------------

wrong("paired_ratio", "is theirs over ours", "x / y", "y / x")
wrong("paired_ratio", "is a difference", "x / y", "abs(x - y)")
wrong("paired_ratio", "divides by the median of theirs", "x / y", "x / np.median(y)")
wrong(
    "paired_ratio",
    "takes pairs of different lengths",
    "x.shape != y.shape",
    "False",
    "x / y",
    "x[: len(y)] / y[: len(x)]",
)
wrong("paired_ratio", "refuses a 0 of ours", "not y.all()", "not (x.all() and y.all())")
wrong("paired_ratio", "forgets what it was told of the interval", ", draws, level)", ")")


wrong("paired_ratio", "draws with a generator of its own", "rng, draws", "np.random.default_rng(0), draws")
wrong("paired_ratio", "is a tuple without names", "median_interval(x / y, rng, draws, level)",
      "tuple(median_interval(x / y, rng, draws, level))")  # fmt: skip


@wrong("paired_ratio", "divides the medians")
def ratio_of_medians(ours, theirs, rng, draws=1000, level=0.95):
    x, y = as_sample(ours), as_sample(theirs)
    if x.shape != y.shape or not y.all():
        raise ValueError("a pair is two times of one turn")
    mine, other = median_interval(x, rng, draws, level), median_interval(y, rng, draws, level)
    return Estimate(mine.value / other.value, mine.low / other.high, mine.high / other.low)


# -- verdict ----------------------------------------------------------------------------------------------------------

wrong(
    "verdict",
    "asks for faster first",
    "1 / (1 + margin) <= ratio.low and",
    "ratio.low <= 1 <= ratio.high and 1 / (1 + margin) <= ratio.low and",
)
wrong("verdict", "looks at the value", "ratio.high < 1", "ratio.value < 1", "ratio.low > 1", "ratio.value > 1")
wrong("verdict", "calls everything about 1 no difference", '"undecided"', '"no difference"')
wrong("verdict", "exchanges faster and slower", '"faster"', '"slower"', 'return "slower"', 'return "faster"')
wrong("verdict", "has no margin below", "1 / (1 + margin) <= ratio.low", "1 <= ratio.low")
wrong("verdict", "leaves the ends out", "<= ratio.low and ratio.high <=", "< ratio.low and ratio.high <")
wrong("verdict", "takes the margin from 1", "1 / (1 + margin)", "1 - margin")
wrong("verdict", "takes 1 for faster", "ratio.high < 1", "ratio.high <= 1")
wrong(
    "verdict",
    "has a margin of its own",
    "1 / (1 + margin)",
    "1 / 1.02",
    "ratio.high <= 1 + margin",
    "ratio.high <= 1.02",
)

wrong("verdict", "takes a margin of 0 for none", "if 1 / (1", "margin = margin or 0.02\nif 1 / (1")
wrong(
    "verdict",
    "has another margin by default",
    "if 1 / (1 + margin)",
    "margin = 0.05 if margin == 0.02 else margin\nif 1 / (1 + margin)",
)
wrong(
    "verdict",
    "measures the margin in logarithms",
    "1 / (1 + margin) <= ratio.low and ratio.high <= 1 + margin",
    "max(-math.log(ratio.low), math.log(ratio.high)) <= margin",
)

# -- trend ------------------------------------------------------------------------------------------------------------

wrong("trend", "divides by the variance", "math.sqrt(variance)", "variance")
wrong("trend", "forgets equal times", "different - np.sum(equal)", "different")
wrong("trend", "adds what equal times take away", "different - np.sum(equal)", "different + np.sum(equal)")
wrong("trend", "turns time round", "sample[later] - sample[earlier]", "sample[earlier] - sample[later]")
wrong("trend", "sums the rises themselves", "np.sign(rises).sum()", "rises.sum()")
wrong("trend", "divides by 0 where nothing changes", " if variance else 0.0", "")
wrong("trend", "tells the change of one run", "(n - 1) * slope", "slope")
wrong("trend", "goes one run too far", "(n - 1) * slope", "n * slope")
wrong("trend", "tells the change in seconds", "slope / middle", "slope")
wrong("trend", "takes the mean slope", "np.median(rises", "np.mean(rises")
wrong("trend", "divides by the mean", "slope / middle", "slope / sample.mean()")
wrong("trend", "takes two runs", "n < 3", "n < 2")
wrong("trend", "tells of a median of 0", " or middle == 0", "")
wrong("trend", "has the variance of something else", "(2 * m + 5)", "(2 * m + 1)")


wrong("trend", "is a tuple without names", "return Trend(", "return (")
wrong(
    "trend", "takes small differences for none", "np.sign(rises)", "np.sign(np.where(np.isclose(rises, 0), 0, rises))"
)
wrong("trend", "adds a little to what it divides by", "slope / middle", "slope / (middle + 1e-9)")
wrong("trend", "refuses a small median", "middle == 0", "middle <= 1e-9")
wrong("trend", "reckons in float32", "as_sample(values)", "as_sample(values).astype(np.float32)")


@wrong("trend", "divides the caller's own array")
def trend_divides(values):
    as_sample(values)
    sample = np.asarray(values, np.float64)
    middle, n = np.median(sample), len(sample)
    if n < 3 or middle == 0:
        raise ValueError("a trend needs three runs and a median above 0")
    sample /= middle
    earlier, later = np.triu_indices(n, k=1)
    rises = sample[later] - sample[earlier]
    counts = np.unique(sample, return_counts=True)[1]
    different, equal = (m * (m - 1) * (2 * m + 5) / 18 for m in (n, counts))
    variance = different - np.sum(equal)
    z = np.sign(rises).sum() / math.sqrt(variance) if variance else 0.0
    return Trend(float((n - 1) * np.median(rises / (later - earlier))), float(z))


@wrong("trend", "compares neighbours only")
def trend_of_neighbours(values):
    sample = as_sample(values)
    middle, n = np.median(sample), len(sample)
    if n < 3 or middle == 0:
        raise ValueError("a trend needs three runs")
    rises = np.diff(sample)
    z = np.sign(rises).sum() / math.sqrt(n - 1)
    return Trend(float((n - 1) * np.median(rises) / middle), float(z))


# -- queue_latencies --------------------------------------------------------------------------------------------------

wrong("queue_latencies", "forgets the queue", "max(done, arrival)", "arrival")
wrong("queue_latencies", "lets the server be busy all the time", "max(done, arrival)", "done")
wrong("queue_latencies", "tells when each is done", "done - arrival", "done")
wrong("queue_latencies", "tells the wait alone", "done - arrival", "done - taken[i] - arrival")
wrong("queue_latencies", "begins before the query arrives", "max(done, arrival)", "min(done, arrival)")
wrong("queue_latencies", "takes arrivals in any order", "(np.diff(arrived) < 0).any()", "False")
wrong(
    "queue_latencies",
    "leaves out what has no partner",
    "arrived.shape != taken.shape",
    "False",
    "enumerate(arrived)",
    "enumerate(arrived[: len(taken)])",
)
wrong("queue_latencies", "asks for different arrivals", "np.diff(arrived) < 0", "np.diff(arrived) <= 0")


wrong(
    "queue_latencies", "takes arrays only", "as_sample(arrivals), as_sample(service)", "arrivals * 1.0, service * 1.0"
)
wrong("queue_latencies", "looks at the last two arrivals", "(np.diff(arrived) < 0).any()",
      "(np.diff(arrived) < 0)[-1:].any()")  # fmt: skip
wrong("queue_latencies", "looks at the first and the last", "(np.diff(arrived) < 0).any()", "arrived[-1] < arrived[0]")
wrong("queue_latencies", "rounds", "= done - arrival", "= round(done - arrival)")
wrong("queue_latencies", "reckons in float32", "as_sample(arrivals)", "as_sample(arrivals).astype(np.float32)")


@wrong("queue_latencies", "knows the one in front, and not who was before it")
def latencies_of_neighbours(arrivals, service):
    arrived, taken = as_sample(arrivals), as_sample(service)
    if arrived.shape != taken.shape or (np.diff(arrived) < 0).any():
        raise ValueError("queries arrive in order")
    begun = arrived.copy()
    begun[1:] = np.maximum(arrived[1:], arrived[:-1] + taken[:-1])
    return begun + taken - arrived


# -- runs_to_see_the_tail ---------------------------------------------------------------------------------------------

wrong(
    "runs_to_see_the_tail", "thinks that 100 runs have one of them", "math.ceil(math.log(0.05) / math.log(0.99))", "100"
)
wrong("runs_to_see_the_tail", "rounds down", "math.ceil", "math.floor")
wrong("runs_to_see_the_tail", "takes 95 percent for what may fail", "0.05", "0.95")

# -- mean_latency_ms --------------------------------------------------------------------------------------------------

wrong("mean_latency_ms", "forgets the service", "1 + load", "load")
wrong("mean_latency_ms", "has service times by chance", "(2 * (1 - load))", "(1 - load)")
wrong("mean_latency_ms", "forgets the wait", "10 * (1 + load / (2 * (1 - load)))", "10")
wrong("mean_latency_ms", "is in seconds", "10 * (1", "0.01 * (1")

# -- image_flops ------------------------------------------------------------------------------------------------------

wrong("image_flops", "counts products alone", "2 * (first", "(first")
wrong("image_flops", "forgets the channels", "(6 * 5 * 5)", "(5 * 5)")
wrong("image_flops", "does not shrink the maps", "10 * 10 * 16", "28 * 28 * 16")
wrong("image_flops", "counts weights, not how often each is used", "28 * 28 * 6", "6", "10 * 10 * 16", "16")
