"""Chapter 19, benchmarking: medians and percentiles, turns, intervals, what may be said, drift, and a queue.

No check reads a real clock. Where code has to draw, the ends of an interval are compared with the exact distribution of
a median, at levels that so many draws cannot miss.
"""

import itertools
import math

import numpy as np
from hypothesis import strategies as st

from tito.rubrics.compare import close, holds, refuses, same
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("19", module="benchmarking")

rubric.exercise("percentile", difficulty=1, minutes=12)
rubric.exercise("median_interval", difficulty=2, minutes=20)
rubric.exercise("take_turns", difficulty=2, minutes=20)
rubric.exercise("paired_ratio", difficulty=1, minutes=6)
rubric.exercise("verdict", difficulty=1, minutes=8)
rubric.exercise("trend", difficulty=3, minutes=40)
rubric.exercise("queue_latencies", difficulty=2, minutes=15)

seconds = st.integers(1, 20).map(float)


def samples(least=1, most=9):
    """Some times, in any order; some of them may be equal."""
    return st.lists(seconds, min_size=least, max_size=most)


# -- percentile -------------------------------------------------------------------------------------------------------


def is_told(values, q):
    """The first value in order that at least q percent of the values do not exceed."""
    return next(v for v in sorted(values) if 100 * sum(w <= v for w in values) >= q * len(values))


SHARES = [0, 1, 25, 50, 90, 99, 100]

rubric.doctests("percentile", points=1)


@rubric.check("percentile", points=1)
@given(
    samples(),
    st.sampled_from(SHARES),
    always=[
        ([7.0], 0), ([7.0], 50), ([7.0], 100), ([4.0, 1.0, 3.0, 2.0], 50), ([4.0, 1.0, 3.0, 2.0], 75),
        ([3.0, 1.0, 2.0], 34), ([3.0, 1.0, 2.0], 33), ([2.0, 2.0, 1.0, 9.0], 50),
        ([float(v) for v in range(200, 0, -1)], 99), ([float(v) for v in range(200, 0, -1)], 99.9),
        (np.array([3.0, 1.0, 2.0]), 50), (np.array([3, 1, 2], np.float32), 99), ([1.0, 2.0, 2.0], 50),
        # q / 100 n is a little more than a whole number where q n / 100 is one: 0.28 * 25 is 7.000000000000001.
        (np.arange(1.0, 26), 28), (np.arange(1.0, 101), 29), (np.arange(1.0, 101), 50.005),
    ],
)  # fmt: skip
def enough_values_are_at_or_below_it(student, values, q):
    """It is one of the values: the smallest that at least q percent of them do not exceed."""
    ordered, n = sorted(values), len(values)
    mistakes = {
        "this lies between two values: one of the values is wanted": float(np.percentile(values, q)),
        "this is one place too far": ordered[min(n - 1, math.floor(q * n / 100))],
        "the values are not in order: sort them first": values[max(1, math.ceil(q * n / 100)) - 1],
    }
    close(student.percentile(values, q), float(is_told(values, q)), "the percentile", mistakes=mistakes)


@rubric.check("percentile", points=1)
@given(samples(), st.sampled_from([-1, 100.5, 101, math.nan]))
def what_is_no_percentile_is_refused(student, values, q):
    """Less than 0 percent, more than 100, times that are none, no times at all: ValueError."""
    refuses("ValueError", student.percentile, values, q)
    for none in (math.nan, math.inf, -1.0):
        refuses("ValueError", student.percentile, [*values, none], 50)
    refuses("ValueError", student.percentile, [], 50)


# -- median_interval --------------------------------------------------------------------------------------------------


@rubric.probe
def with_its_interval(tt, values, seed, draws, level):
    rng = np.random.default_rng(seed)
    before = rng.bit_generator.state["state"]["state"]
    found = tt.benchmarking.median_interval(values, rng, draws=draws, level=level)
    drawn = rng.bit_generator.state["state"]["state"] != before
    return [float(found.value), float(found.low), float(found.high), drawn]


@rubric.probe
def many_intervals(tt, values, seeds, draws, level):
    found = [
        tt.benchmarking.median_interval(values, np.random.default_rng(seed), draws=draws, level=level)
        for seed in range(seeds)
    ]
    return np.array([[one.low, one.high] for one in found], np.float64)


def at_most(n):
    """The chance that the median of n draws from 1..n is at most k, for k from 0 to n. n is odd."""
    half = (n + 1) // 2
    chance = lambda p: sum(math.comb(n, m) * p**m * (1 - p) ** (n - m) for m in range(half, n + 1))
    return [chance(k / n) for k in range(n + 1)]


def ends(n, level):
    """Which of the n values, from 1 on, the ends of the interval are."""
    exact, shares = at_most(n), ((1 - level) / 2, (1 + level) / 2)
    return [next(k for k in range(n + 1) if exact[k] >= share) for share in shares]


def clear(n, level):
    """Whether 2,000 draws find these ends: no chance of a median lies near the shares that are left over."""
    slack = 5 * math.sqrt((1 - level**2) / 4 / 2000)
    return all(abs(chance - share) > slack for chance in at_most(n) for share in ((1 - level) / 2, (1 + level) / 2))


CLEAR = [(n, level) for n in (3, 5, 7, 9, 11, 13) for level in (0.5, 0.6, 0.8, 0.9, 0.95) if clear(n, level)]


@st.composite
def clear_cases(draw):
    """An odd number of different times, a seed, and a level whose ends so many draws find."""
    n, level = draw(st.sampled_from(CLEAR))
    values = np.cumsum(draw(st.lists(seconds, min_size=n, max_size=n)))
    return [float(values[i]) for i in draw(st.permutations(range(n)))], draw(st.integers(0, 99)), level


@rubric.check("median_interval", points=2)
@given(clear_cases(), st.just(2000), always=[(np.array([5.0, 3.0, 8.0, 1.0, 13.0, 2.0, 21.0]), 0, 0.99, 10_000)])
def most_medians_of_redrawn_samples_lie_inside(student, values, seed, level, draws):
    """The ends are percentiles of the medians of many samples, each as large as the first and drawn from it."""
    value, low, high, _ = student.with_its_interval(values, seed, draws, level)
    ordered, (first, last) = sorted(values), ends(len(values), level)
    spread = "this is where the runs themselves lie: the medians of new samples spread less"
    close(value, float(np.median(values)), "the value")
    close(low, ordered[first - 1], "the low end", mistakes={spread: is_told(values, 50 - 50 * level)})
    close(high, ordered[last - 1], "the high end", mistakes={spread: is_told(values, 50 + 50 * level)})


@rubric.check("median_interval", points=1, examples=4)
@given(st.integers(0, 99))
def the_generator_draws(student, seed):
    """All chance comes from the generator that is given; the ends are two of `draws` medians, and not between two.

    Two draws of 1 and 2 have the median 1 or 2 once in four times each. So of four such medians the smallest is 1 in 68
    of 100 intervals, and the third one is 2 in 26 of 100.
    """
    values = [float(2**k) for k in range(8)]
    first, again = (student.with_its_interval(values, seed, 3, 0.9) for _ in range(2))
    same(first, again, "a second interval from the same seed")
    holds(first[3], "the generator that is given has been asked for numbers")
    others = [student.with_its_interval(values, seed + more, 3, 0.9) for more in range(1, 9)]
    holds(any(other[1:3] != first[1:3] for other in others), "other seeds give other intervals of few draws")
    value, low, high, _ = student.with_its_interval(values, seed, 1, 0.9)
    close(value, 12.0, "the median of an even number of values")
    close(low, high, "the low end of a single draw")
    low, high = student.many_intervals([1.0, 2.0], 200, 4, 0.5).T
    often = {"low_is_1": float(np.mean(low == 1)), "high_is_2": float(np.mean(high == 2))}
    holds(0.5 < often["low_is_1"] < 0.85, "of 4 medians of [1, 2], the 25th percentile is 1 in 68 of 100", **often)
    holds(0.1 < often["high_is_2"] < 0.42, "of 4 medians of [1, 2], the 75th percentile is 2 in 26 of 100", **often)


@rubric.check("median_interval", points=1)
@given(st.sampled_from([0, 1, 1.5, -0.5, 95, math.nan]))
def a_level_is_a_share(student, level):
    """A level is a share between 0 and 1, ends excluded: ValueError for any other."""
    refuses("ValueError", student.with_its_interval, [1.0, 2.0, 3.0], 0, 10, level)


# -- take_turns -------------------------------------------------------------------------------------------------------


@rubric.probe
def taken(tt, lasting, first, seed, turns, warmup):
    """Who was called in which order, and what was measured, on a clock that only the functions move."""
    now, log, readings, calls = [0.0], [], [], {name: 0 for name, _ in lasting}

    def task(name, length):
        def run():
            log.append(name)
            calls[name] += 1
            now[0] += length * (1 + calls[name] / 16 + (first if calls[name] == 1 else 0.0))

        return run

    def clock():
        readings.append(len(log))
        return now[0]

    tasks = {name: task(name, length) for name, length in lasting}
    rng = np.random.default_rng(seed)
    found = tt.benchmarking.take_turns(tasks, clock, rng, turns=turns, warmup=warmup)
    return [log, list(found), list(found.values()), min(readings, default=0)]


@rubric.probe
def called(tt, names, seed, turns):
    """Who was called in which order, after one call of each to warm up."""
    log = []
    tasks = {name: lambda name=name: log.append(name) for name in names}
    tt.benchmarking.take_turns(tasks, lambda: float(len(log)), np.random.default_rng(seed), turns=turns, warmup=1)
    return "".join(log[len(names) :])


@st.composite
def contests(draw):
    """Two to four functions with what each takes, a seed, turns, and calls to warm up."""
    lengths = draw(st.lists(st.integers(1, 9), min_size=2, max_size=4))
    return (
        [[name, 10 * length] for name, length in zip("abcd", lengths)],
        draw(st.integers(0, 99)),
        draw(st.integers(1, 5)),
        draw(st.integers(0, 3)),
    )


@rubric.check("take_turns", points=1)
@given(contests(), always=[([["a", 1e-7], ["b", 3e-7], ["c", 2e-7], ["d", 1e-7]], 0, 4, 1)])
def each_call_is_timed_alone(student, lasting, seed, turns, warmup):
    """The k-th time of a function is what its k-th call took after those that warm up, and nothing else.

    Each function has an array of its times. No clock is read for the calls that warm up.
    """
    _, names, found, before = student.taken(lasting, 100.0, seed, turns, warmup)
    same(sorted(names), [name for name, _ in lasting], "the names")
    first = "these are the first calls of all: those that warm up come before, and are not counted"
    for name, length in lasting:
        calls = np.arange(warmup + 1, warmup + turns + 1)
        took = lambda calls: length * (1 + calls / 16 + 100.0 * (calls == 1))  # noqa: B023
        expected, mistakes = took(calls), {first: took(calls - warmup)}
        close(found[names.index(name)], expected, f"the times of {name}", mistakes=mistakes)
    holds(before >= warmup * len(lasting), "the clock is not read before all have warmed up", calls_before=before)


@rubric.check("take_turns", points=1)
@given(contests())
def every_turn_has_all_of_them(student, lasting, seed, turns, warmup):
    """After the calls that warm up, each turn calls each function once before the next turn begins."""
    log = student.taken(lasting, 0.0, seed, turns, warmup)[0]
    names, before = [name for name, _ in lasting], warmup * len(lasting)
    same(sorted(log[:before]), sorted(names * warmup), "the calls that warm up")
    same(len(log), before + turns * len(names), "the number of calls")
    for start in range(before, len(log), len(names)):
        same(sorted(log[start : start + len(names)]), names, "the calls of a turn, in alphabetical order")


@rubric.check("take_turns", points=1, examples=8)
@given(st.integers(0, 99))
def the_order_is_drawn_for_every_turn(student, seed):
    """The generator draws another order for each turn, each of all orders being as likely, whatever came before.

    The same seed gives the same orders, another one gives others. Of three functions there are 6 orders, so that two
    turns, one after the other, have 36: of 1,200 turns, all of these are among them. The first turn's is drawn, too.
    """
    order = lambda seed, turns=12: student.called("abc", seed, turns)
    turns = ["".join(turn) for turn in zip(*[iter(order(seed, 1200))] * 3)]
    holds(len(set(turns)) > 1, "the order is not the same in every turn", orders=sorted(set(turns)))
    holds(len(set(turns)) == 6, "all six orders of three functions are drawn", orders=sorted(set(turns)))
    pairs = set(zip(turns[::2], turns[1::2]))
    holds(len(pairs) == 36, "each order is drawn without regard to the one before", orders_of_two_turns=len(pairs))
    begun = {order(seed + more, 1) for more in range(20)}
    holds(len(begun) > 1, "the order of the first turn is drawn, too", first=sorted(begun))
    same(order(seed), order(seed), "the calls of a second run with the same seed")
    holds(order(seed) != order(seed + 1), "another generator draws other orders")


@rubric.check("take_turns", points=1)
@given(st.sampled_from([0, -1]))
def there_is_something_to_compare(student, turns):
    """Without functions, or without turns, there is nothing to measure: ValueError."""
    refuses("ValueError", student.taken, [["a", 10], ["b", 20]], 0.0, 0, turns, 1)
    refuses("ValueError", student.taken, [], 0.0, 0, 3, 1)


# -- paired_ratio -----------------------------------------------------------------------------------------------------


@rubric.probe
def compared(tt, ours, theirs, draws, level):
    rng = np.random.default_rng(3)
    before = rng.bit_generator.state["state"]["state"]
    found = tt.benchmarking.paired_ratio(ours, theirs, rng, draws=draws, level=level)
    drawn = rng.bit_generator.state["state"]["state"] != before
    return [float(found.value), float(found.low), float(found.high), drawn]


@st.composite
def turns_of_two(draw):
    """Times of pairs whose ratios all differ, on a machine that changes from turn to turn; and a level."""
    n, level = draw(st.sampled_from(CLEAR))
    ratios = np.array(draw(st.permutations([2.0 ** (k - n // 2) for k in range(n)])))
    speeds = np.array(draw(st.lists(seconds, min_size=n, max_size=n)))
    return speeds * ratios, speeds, level


@rubric.check("paired_ratio", points=1)
@given(turns_of_two(), always=[(np.array([0.5, 1.0, 8.0]), np.array([1.0, 1.0, 4.0]), 0.6)])
def each_turn_has_its_ratio(student, ours, theirs, level):
    """It is the median of ours / theirs over turns, with the interval that such a median has, drawn by rng."""
    n, ratios = len(ours), np.sort(ours / theirs)
    value, low, high, drawn = student.compared(ours, theirs, 2000, level)
    first, last = ends(n, level)
    mistakes = {
        "this is theirs over ours": float(np.median(theirs / ours)),
        "this is the ratio of the medians: take the ratio of each turn": float(np.median(ours) / np.median(theirs)),
    }
    close(value, float(np.median(ratios)), "the ratio", mistakes=mistakes)
    close(low, float(ratios[first - 1]), "the low end")
    close(high, float(ratios[last - 1]), "the high end")
    holds(drawn, "the generator that is given has been asked for numbers")
    _, low, high, _ = student.compared(ours, theirs, 1, level)
    close(low, high, "the low end of a single draw")


@rubric.check("paired_ratio", points=1)
@given(samples(2), st.integers(0, 8))
def what_is_no_pair_is_refused(student, theirs, place):
    """Each of ours has one of theirs, and a time of 0 divides nothing: ValueError."""
    stopped = [0.0 if i == place % len(theirs) else value for i, value in enumerate(theirs)]
    close(student.compared(stopped, theirs, 1, 0.9)[0], float(np.median(np.divide(stopped, theirs))), "with 0 of ours")
    refuses("ValueError", student.compared, theirs, stopped, 10, 0.9)
    refuses("ValueError", student.compared, theirs, [*theirs, 1.0], 10, 0.9)
    refuses("ValueError", student.compared, theirs[:1], theirs, 10, 0.9)
    refuses("ValueError", student.compared, theirs, theirs[:1], 10, 0.9)


# -- verdict ----------------------------------------------------------------------------------------------------------


@rubric.probe
def said(tt, value, low, high, margin):
    return str(tt.benchmarking.verdict(tt.benchmarking.Estimate(value, low, high), margin))


@rubric.probe
def said_by_default(tt, low, high):
    return str(tt.benchmarking.verdict(tt.benchmarking.Estimate(1.0, low, high)))


def sentence(low, high, margin):
    """The verdict, from the ends."""
    alike = all(1 / (1 + margin) <= end <= 1 + margin for end in (low, high))
    return "no difference" if alike else "faster" if high < 1 else "slower" if low > 1 else "undecided"


EDGES = [0.25, 0.5, 0.75, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0]
INTERVALS = [(low, high, margin) for low, high in itertools.combinations(EDGES, 2) for margin in (0.0, 0.25, 1.0)]
NEAR = [(low, high, 0.0) for low, high in itertools.combinations([0.97, 0.99, 1.0, 1.01, 1.03], 2)]

rubric.doctests("verdict", points=1)


@rubric.check("verdict", points=1)
@given(st.sampled_from(INTERVALS), always=[*INTERVALS, *NEAR, (1.0, 1.0, 0.0), (0.7, 0.7, 0.0), (0.79, 1.0, 0.25)])
def the_ends_decide(student, low, high, margin):
    """Within the margin on both sides, it is no difference; else below 1, above 1, or undecided."""
    for value in (low, high, 1.0):
        same(student.said(value, low, high, margin), sentence(low, high, margin), "the verdict")
    same(student.said_by_default(low, high), sentence(low, high, 0.02), "the verdict with a margin of 0.02")


# -- trend ------------------------------------------------------------------------------------------------------------


@rubric.probe
def looked(tt, values):
    found = tt.benchmarking.trend(values)
    return [float(found.change), float(found.z)]


def pairs(values):
    """Every pair of runs: how many runs lie between, and by how much the later one took longer."""
    found = itertools.combinations(enumerate(values), 2)
    return [(j - i, later - earlier) for (i, earlier), (j, later) in found]


def kendall(values, ties=True):
    """S, and its variance over all orders of these values: worked out from the numbers of equal ones."""
    s = sum(math.copysign(1, rise) for _, rise in pairs(values) if rise)
    groups = [list(values).count(v) for v in set(values)] if ties else []
    v = lambda m: m * (m - 1) * (2 * m + 5) / 18
    return s, v(len(values)) - sum(map(v, groups))


def score(values, ties=True):
    s, variance = kendall(values, ties)
    return s / math.sqrt(variance) if variance else 0.0


def slopes(values):
    return (len(values) - 1) * float(np.median([rise / apart for apart, rise in pairs(values)])) / np.median(values)


SAMPLES = [
    [1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [10.0, 12.0, 11.0, 14.0, 13.0, 16.0], [5.0, 5.0, 6.0, 6.0, 6.0, 9.0],
    [1.0, 2.0, 4.0, 8.0, 900.0], [4.0, 4.0, 4.0], [1.0, 1.0, 1.0, 7.0], np.array([3.0, 1.0, 2.0], np.float32),
    np.array([3.0, 1.0, 2.0]), [2.0**24, 2.0**24 + 1, 2.0**24 + 2],  # float32 has no 2^24 + 1
    [1e-10, 2e-10, 3e-10], [1e-9, 1.1e-9, 1.2e-9, 1.4e-9, 1.3e-9],  # no difference is too small to count
]  # fmt: skip

rubric.doctests("trend", points=1)


@rubric.check("trend", points=2)
@given(samples(3, 9), always=SAMPLES)
def as_far_from_chance_as_z_says(student, values):
    """z is S over its standard deviation in a random order; equal times take their part from the variance."""
    s, variance = kendall(values)
    mistakes = {
        "equal times leave fewer orders: their groups take a part of the variance": score(values, ties=False),
        "S is divided by its variance: by the root of it": s / variance if variance else 0.0,
        "this is S alone": s,
    }
    close(student.looked(values)[1], score(values), "z", mistakes=mistakes)


@rubric.check("trend", points=1)
@given(samples(3, 9), always=SAMPLES)
def the_change_is_the_median_slope_times_the_way(student, values):
    """The change is the median slope of all pairs, from the first run to the last, over the median run."""
    wanted, n = slopes(values), len(values)
    mistakes = {
        "this is from the first run to one after the last": wanted * n / (n - 1),
        "this is the change from one run to the next": wanted / (n - 1),
        "this is in seconds: divide by the median": wanted * np.median(values),
        "this takes the first run and the last alone": (values[-1] - values[0]) / np.median(values),
    }
    close(student.looked(values)[0], float(wanted), "the change", mistakes=mistakes)


@rubric.check("trend", points=1)
@given(st.lists(seconds, min_size=1, max_size=2))
def too_little_is_refused(student, values):
    """Two runs have no trend, no share of a median of 0 can be told, and NaN is no time: ValueError."""
    refuses("ValueError", student.looked, values)
    refuses("ValueError", student.looked, [0.0, *values, 0.0, 0.0, 0.0])
    refuses("ValueError", student.looked, [*values, math.nan, 1.0, 1.0])


# -- queue_latencies --------------------------------------------------------------------------------------------------


@st.composite
def queries(draw):
    """When queries arrive, in order, some at once; and what each takes, some nothing."""
    n = draw(st.integers(1, 7))
    gaps, service = (draw(st.lists(st.integers(0, 5), min_size=n, max_size=n)) for _ in range(2))
    return np.cumsum(gaps).astype(np.float64), np.array(service, np.float64)


QUEUES = [
    (np.array([0.0, 1.0, 2.0, 50.0]), np.array([10.0, 1.0, 1.0, 3.0])),
    (np.array([2.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0])),
    (np.array([5.0, 9.0], np.float32), np.array([2.0, 2.0], np.float32)),
    ([0, 1, 9], [4, 2, 1]),
    ([0.0, 0.25], [0.5, 0.5]),
    ([2.0**24, 2.0**24 + 1], [0.5, 0.5]),  # float32 has no 2^24 + 1
]


def waited(arrivals, service):
    """What each query waits and takes: the work that is left of all before it, then its own."""
    found = []
    for i, arrival in enumerate(arrivals):
        # The queue was empty for the last time when some query j arrived: then all since then stand before this one.
        busy = [arrivals[j] + sum(service[j:i]) for j in range(i)]
        found.append(max([arrival, *busy]) + service[i] - arrival)
    return np.array(found, np.float64)


@rubric.check("queue_latencies", points=1)
@given(queries(), always=QUEUES)
def each_waits_for_those_in_front(student, arrivals, service):
    """Begun when it has arrived and the one in front is done; counted from its arrival to its answer."""
    wanted = waited(arrivals, service)
    mistakes = {
        "this counts the service alone: a query waits, too": np.array(service, np.float64),
        "this is when each is done: count from its arrival": wanted + arrivals,
        "this is the wait alone: the answer comes after the service": wanted - service,
        "this is as if all had arrived at the start": np.cumsum(service) - arrivals,
    }
    close(student.queue_latencies(arrivals, service), wanted, "the latencies", mistakes=mistakes)


@rubric.check("queue_latencies", points=1)
@given(queries())
def what_is_no_queue_is_refused(student, arrivals, service):
    """As many service times as arrivals, and these in order: ValueError."""
    refuses("ValueError", student.queue_latencies, arrivals, np.append(service, 1.0))
    refuses("ValueError", student.queue_latencies, np.append(arrivals, [9e9, 9e9]), service)
    refuses("ValueError", student.queue_latencies, np.append(arrivals + 1, 0.5), np.append(service, 1.0))
    for unordered in ([0.0, 5.0, 3.0, 9.0], [5.0, 3.0, 9.0]):
        refuses("ValueError", student.queue_latencies, unordered, [1.0] * len(unordered))


# -- accounting -------------------------------------------------------------------------------------------------------


def runs_counted():
    """The first number of runs of which all too few are without one of the slowest hundredth."""
    return next(n for n in itertools.count(1) if 0.99**n <= 0.05)


@rubric.accounting(points=1, unit="runs", counted=runs_counted, tolerance=0, difficulty=2, minutes=10)
def runs_to_see_the_tail():
    """How many runs must you make, at least, to see one of the slowest hundredth with a chance of 95 percent or more?

    Runs do not depend on one another, and each is one of the slowest hundredth with a chance of 1 percent.
    """
    # What is the chance that a single run is none of them? That n runs are none of them? Take logarithms, and round up.
    return math.ceil(math.log(0.05) / math.log(0.99))


def waits_in_our_queue():
    """The mean latency, in milliseconds, of very many queries in our queue."""
    from tinytorch.benchmarking import poisson_arrivals, queue_latencies

    arrivals = poisson_arrivals(80.0, 200_000, np.random.default_rng(19))
    return round(1000 * float(queue_latencies(arrivals, np.full(len(arrivals), 0.01)).mean()), 1)


@rubric.accounting(points=1, unit="ms", counted=waits_in_our_queue, tolerance=0.02, difficulty=2, minutes=8)
def mean_latency_ms():
    """What is the mean latency, in milliseconds, of queries that arrive by chance, 80 a second, where each takes 10 ms?

    One server, first come, first served. Latency is the wait and the service.
    """
    # Which share of the time is the server busy? The mean wait at a load r is r / (2 (1 - r)) service times.
    load = 80 * 0.01
    return 10 * (1 + load / (2 * (1 - load)))


def operations_of_an_image():
    """What the convolutions and linear layers of one image multiply and add, by the shapes that pass the seam."""
    import tinytorch as tt
    from tinytorch.nn import functional
    from tinytorch.tensor import observers

    total = [0]

    def count(name, _, arrays, result):
        if name in ("conv2d", "linear"):
            weight = arrays[1]
            total[0] += 2 * result.size * (math.prod(weight.shape[1:]) if name == "conv2d" else weight.shape[0])

    observers.append(count)
    try:
        with tt.no_grad():
            x = functional.avg_pool2d(functional.conv2d(tt.zeros(1, 1, 28, 28), tt.zeros(6, 1, 5, 5), padding=2), 2)
            x = functional.avg_pool2d(functional.conv2d(x, tt.zeros(16, 6, 5, 5)), 2).reshape(1, 400)
            for inputs, outputs in ((400, 120), (120, 84), (84, 10)):
                x = functional.linear(x, tt.zeros(outputs, inputs).T)
    finally:
        observers.remove(count)
    return total[0]


@rubric.accounting(points=1, unit="FLOPs", counted=operations_of_an_image, tolerance=0, difficulty=2, minutes=12)
def image_flops():
    """How many operations in products does LeNet-5 need for one image of 28 x 28: multiplications and additions?

    A convolution of 6 filters of 5 x 5 on one channel, padded so that its maps are 28 x 28; means of 2 x 2; 16 filters
    of 5 x 5 on 6 channels, not padded; means of 2 x 2; then linear layers of 400 to 120, to 84, to 10.
    """
    # Each number of a map is a sum of products: how many? The second maps are 10 x 10. Count two operations a product.
    first = 28 * 28 * 6 * (5 * 5)
    second = 10 * 10 * 16 * (6 * 5 * 5)
    return 2 * (first + second + 400 * 120 + 120 * 84 + 84 * 10)
