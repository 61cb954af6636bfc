"""Right answers to chapter 19, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import math

import numpy as np

from tinytorch.benchmarking import Estimate, Trend, as_sample, percentile
from tito.rubrics.planted import right

# -- percentile -------------------------------------------------------------------------------------------------------

right(
    "percentile", "rounds up by whole numbers", "math.ceil(q * len(ordered) / 100)", "int(-(-q * len(ordered) // 100))"
)
right("percentile", "sorts a list", "np.sort(as_sample(values))", "sorted(as_sample(values))")
right(
    "percentile", "partitions", "float(ordered[rank - 1])", "np.partition(as_sample(values), rank - 1)[rank - 1].item()"
)


@right("percentile", "compares shares")
def percentile_by_shares(values, q):
    x = np.sort(as_sample(values))
    if not 0 <= q <= 100:
        raise ValueError("between 0 and 100, please")
    return next(float(v) for k, v in enumerate(x, 1) if k / len(x) >= q / 100)


@right("percentile", "has checks of its own")
def percentile_checks(values, q):
    x = sorted(float(v) for v in values)
    if not x or not all(0 <= v < math.inf for v in x) or not 0 <= q <= 100:
        raise ValueError("no percentile")
    return x[max(0, math.ceil(q * len(x) / 100) - 1)]


@right("percentile", "counts how many do not exceed each")
def percentile_by_counting(values, q):
    if q < 0 or q > 100 or math.isnan(q):
        raise ValueError("between 0 and 100, please")
    x = as_sample(values)
    enough = [v for v in x if 100 * (x <= v).sum() >= q * len(x)]
    return min(enough)


# -- median_interval --------------------------------------------------------------------------------------------------

right(
    "median_interval",
    "chooses values",
    "sample[rng.integers(0, len(sample), (draws, len(sample)))]",
    "rng.choice(sample, (draws, len(sample)))",
)
right("median_interval", "counts the tail as a share", "50 - 50 * level", "(100 - 100 * level) / 2")


@right("median_interval", "draws one sample after the other")
def interval_in_a_loop(values, rng, draws=1000, level=0.95):
    x = as_sample(values)
    if not (level > 0 and level < 1):
        raise ValueError("the level is a share")
    medians = []
    for _ in range(draws):
        medians.append(np.median([x[rng.integers(len(x))] for _ in x]))
    low, high = (np.percentile(medians, 100 * p, method="inverted_cdf") for p in ((1 - level) / 2, (1 + level) / 2))
    return Estimate(value=np.median(x), low=low, high=high)


@right("median_interval", "draws how often each value comes")
def interval_by_counts(values, rng, draws=1000, level=0.95):
    if not 0 < level < 1:
        raise ValueError("the level is a share")
    x = np.sort(as_sample(values))
    n = len(x)
    reached = np.cumsum(rng.multinomial(n, np.full(n, 1 / n), size=draws), axis=1)
    lower, upper = (x[np.argmax(reached >= least, axis=1)] for least in ((n + 1) // 2, n // 2 + 1))
    m = (lower + upper) / 2
    return Estimate(float(np.median(x)), percentile(m, 50 - 50 * level), percentile(m, 50 + 50 * level))


@right("median_interval", "counts draws into the sample by their weights")
def interval_by_order(values, rng, draws=1000, level=0.95):
    if not 0 < level < 1:
        raise ValueError("the level is a share")
    x = np.sort(as_sample(values))
    places = np.sort(np.floor(rng.random((draws, len(x))) * len(x)).astype(int), axis=1)
    middle = (x[places[:, (len(x) - 1) // 2]] + x[places[:, len(x) // 2]]) / 2
    tail = (100 - 100 * level) / 2
    return Estimate(float(np.median(x)), percentile(middle, tail), percentile(middle, 100 - tail))


# -- take_turns -------------------------------------------------------------------------------------------------------

right(
    "take_turns",
    "shuffles places",
    "for name in rng.permutation(list(functions)):",
    "for name in [list(functions)[i] for i in rng.permutation(len(functions))]:",
)


@right("take_turns", "warms up in rounds, and fills a table")
def turns_into_a_table(functions, clock, rng, turns=20, warmup=1):
    names = list(functions)
    if len(names) == 0 or turns <= 0:
        raise ValueError("nothing to compare")
    for _ in range(warmup):
        for name in names:
            functions[name]()
    table = np.zeros((turns, len(names)))
    for turn in range(turns):
        order = np.arange(len(names))
        rng.shuffle(order)
        for place in order:
            function = functions[names[place]]
            before = clock()
            function()
            after = clock()
            table[turn, place] = after - before
    return {name: table[:, place] for place, name in enumerate(names)}


@right("take_turns", "sorts by chance, and reads the clock once between two calls")
def turns_by_keys(functions, clock, rng, turns=20, warmup=1):
    if turns < 1 or not functions:
        raise ValueError("nothing to compare")
    for name in functions:
        for _ in range(warmup):
            functions[name]()
    seconds = {name: [] for name in functions}
    for _ in range(turns):
        keys = {name: rng.random() for name in functions}
        last = clock()
        for name in sorted(functions, key=keys.get):
            functions[name]()
            now = clock()
            seconds[name].append(now - last)
            last = now
    return {name: np.asarray(each) for name, each in seconds.items()}


@right("take_turns", "draws all orders before")
def turns_drawn_before(functions, clock, rng, turns=20, warmup=1):
    if not functions or turns < 1:
        raise ValueError("nothing to compare")
    names = sorted(functions)
    for _ in range(warmup):
        for name in names:
            functions[name]()
    orders = rng.permuted(np.tile(np.arange(len(names)), (turns, 1)), axis=1)
    table = np.full((len(names), turns), np.nan)
    for turn, order in enumerate(orders):
        for i in order:
            start = clock()
            functions[names[i]]()
            end = clock()
            table[i, turn] = end - start
    return dict(zip(names, table))


@right("take_turns", "shuffles what the last turn had")
def turns_shuffled_on(functions, clock, rng, turns=20, warmup=1):
    if not functions or turns < 1:
        raise ValueError("nothing to compare")
    for function in functions.values():
        for _ in range(warmup):
            function()
    names = list(functions)
    seconds = {name: np.empty(turns) for name in names}
    for turn in range(turns):
        rng.shuffle(names)
        for name in names:
            start = clock()
            functions[name]()
            seconds[name][turn] = clock() - start
    return seconds


# -- paired_ratio -----------------------------------------------------------------------------------------------------

right(
    "paired_ratio",
    "names the arguments",
    "median_interval(x / y, rng, draws, level)",
    "median_interval(np.divide(x, y), rng, draws=draws, level=level)",
)
right("paired_ratio", "looks for a 0", "not y.all()", "y.min() == 0")
right("paired_ratio", "counts", "x.shape != y.shape", "len(x) != len(y)")


@right("paired_ratio", "does not use median_interval")
def ratio_alone(ours, theirs, rng, draws=1000, level=0.95):
    x, y = as_sample(ours), as_sample(theirs)
    if x.shape != y.shape or (y <= 0).any():
        raise ValueError("pairs, please")
    ratios = x / y
    medians = np.median(rng.choice(ratios, (draws, len(ratios))), axis=1)
    low, high = (percentile(medians, 50 + sign * 50 * level) for sign in (-1, 1))
    return Estimate(float(np.median(ratios)), low, high)


# -- verdict ----------------------------------------------------------------------------------------------------------

right("verdict", "multiplies", "1 / (1 + margin) <= ratio.low", "1 <= ratio.low * (1 + margin)")


@right("verdict", "takes the interval apart")
def verdict_of_parts(ratio, margin=0.02):
    _, low, high = ratio
    if low >= 1 / (1 + margin) and high <= 1 + margin:
        return "no difference"
    if low <= 1 <= high:
        return "undecided"
    return "faster" if high < 1 else "slower"


@right("verdict", "asks for the largest factor")
def verdict_of_factors(ratio, margin=0.02):
    if max(1 / ratio.low, ratio.high) <= 1 + margin:
        return "no difference"
    elif ratio.low > 1:
        return "slower"
    elif ratio.high < 1:
        return "faster"
    return "undecided"


# -- trend ------------------------------------------------------------------------------------------------------------

right(
    "trend",
    "adds up the variance run by run",
    "(m * (m - 1) * (2 * m + 5) / 18 for m in (n, counts))",
    "(sum((k * k - 1) / 3 for k in range(1, n + 1)), [sum((k * k - 1) / 3 for k in range(1, t + 1)) for t in counts])",
)
right(
    "trend",
    "makes tables of all pairs",
    "earlier, later = np.triu_indices(n, k=1)",
    "later, earlier = np.tril_indices(n, k=-1)",
)


@right("trend", "goes through the pairs")
def trend_by_pairs(values):
    x = as_sample(values)
    n, middle = len(x), float(np.median(x))
    if n < 3:
        raise ValueError("three runs, please")
    if middle == 0:
        raise ValueError("a median above 0, please")
    s, slopes = 0, []
    for i in range(n):
        for j in range(i + 1, n):
            s += int(x[j] > x[i]) - int(x[j] < x[i])
            slopes.append((x[j] - x[i]) / (j - i))
    variance = n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in np.unique(x, return_counts=True)[1])
    z = 0.0 if variance == 0 else s / (variance / 18) ** 0.5
    return Trend(change=np.median(slopes) * (n - 1) / middle, z=z)


@right("trend", "goes from lag to lag")
def trend_by_lags(values):
    x = as_sample(values)
    n, middle = len(x), np.median(x)
    if n < 3 or middle == 0:
        raise ValueError("three runs with a median above 0, please")
    s, slopes = 0.0, []
    for lag in range(1, n):
        rise = x[lag:] - x[:-lag]
        s += np.sign(rise).sum()
        slopes.extend(rise / lag)
    count = np.bincount(np.unique(x, return_inverse=True)[1])
    variance = (n * (n - 1) * (2 * n + 5) - np.dot(count * (count - 1), 2 * count + 5)) / 18
    return Trend(float(np.median(slopes) * (n - 1) / middle), float(s / np.sqrt(variance)) if variance > 0 else 0.0)


# -- queue_latencies --------------------------------------------------------------------------------------------------


@right("queue_latencies", "remembers the wait")
def latencies_by_waits(arrivals, service):
    arrived, taken = as_sample(arrivals), as_sample(service)
    if len(arrived) != len(taken) or np.any(arrived[1:] < arrived[:-1]):
        raise ValueError("as many service times as arrivals, in order")
    waits = [0.0]
    for i in range(1, len(arrived)):
        waits.append(max(0.0, waits[-1] + taken[i - 1] - (arrived[i] - arrived[i - 1])))
    return np.array(waits) + taken


@right("queue_latencies", "takes a running maximum")
def latencies_at_once(arrivals, service):
    arrived, taken = as_sample(arrivals), as_sample(service)
    if arrived.shape != taken.shape or (np.diff(arrived) < 0).any():
        raise ValueError("as many service times as arrivals, in order")
    work = np.cumsum(taken)
    return work + np.maximum.accumulate(arrived - work + taken) - arrived


@right("queue_latencies", "keeps the work that is left")
def latencies_by_work(arrivals, service):
    arrived, taken = as_sample(arrivals), as_sample(service)
    if arrived.shape != taken.shape or not np.all(arrived[:-1] <= arrived[1:]):
        raise ValueError("as many service times as arrivals, in order")
    out, left, last = np.zeros(len(arrived)), 0.0, arrived[0]
    for i, arrival in enumerate(arrived):
        left = max(0.0, left - (arrival - last)) + taken[i]
        last, out[i] = arrival, left
    return out


right(
    "queue_latencies",
    "asks in two steps",
    "done = max(done, arrival) + taken[i]",
    "done = done if done > arrival else arrival\n    done = done + taken[i]",
)

# -- accounting -------------------------------------------------------------------------------------------------------

right(
    "runs_to_see_the_tail",
    "takes another logarithm",
    "math.ceil(math.log(0.05) / math.log(0.99))",
    "math.ceil(math.log2(0.05) / math.log2(0.99))",
)
right(
    "runs_to_see_the_tail",
    "tries",
    "math.ceil(math.log(0.05) / math.log(0.99))",
    "next(n for n in range(1, 1000) if 0.99**n <= 0.05)",
)
right("runs_to_see_the_tail", "is the number", "math.ceil(math.log(0.05) / math.log(0.99))", "299")

right("mean_latency_ms", "adds up", "10 * (1 + load / (2 * (1 - load)))", "10 + 10 * load / (1 - load) / 2")
right("mean_latency_ms", "is the number", "10 * (1 + load / (2 * (1 - load)))", "30")
right("mean_latency_ms", "works out the load", "80 * 0.01", "80 / (1 / 0.01)")

right("image_flops", "is the number", "2 * (first + second + 400 * 120 + 120 * 84 + 84 * 10)", "833040")
right(
    "image_flops",
    "doubles each part",
    "2 * (first + second + 400 * 120 + 120 * 84 + 84 * 10)",
    "2 * first + 2 * second + 2 * (48000 + 10080 + 840)",
)
right("image_flops", "has powers", "(6 * 5 * 5)", "6 * 5**2")
