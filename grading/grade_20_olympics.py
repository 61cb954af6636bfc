"""Chapter 20, olympics: a gate, a race whose answers are judged, gains, scores, ranks, and a limit that holds.

No check reads a real clock: contestants move one by hand. A bound is compared with the equation that defines it.
"""

import functools
import itertools
import math

import numpy as np
from hypothesis import strategies as st

from tito.rubrics.compare import close, holds, refuses, same
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("20", module="olympics")

rubric.exercise("Gate.passes", difficulty=1, minutes=6)
rubric.exercise("race", difficulty=2, minutes=25)
rubric.exercise("gain_of", difficulty=1, minutes=10)
rubric.exercise("combined", difficulty=2, minutes=15)
rubric.exercise("ranking", difficulty=1, minutes=10)
rubric.exercise("pareto_front", difficulty=2, minutes=12)
rubric.exercise("late_bound", difficulty=3, minutes=40)

# -- Gate.passes ------------------------------------------------------------------------------------------------------


@rubric.probe
def passed(tt, at_least, at_most, quality):
    found = tt.olympics.Gate("accuracy", at_least=at_least, at_most=at_most).passes(quality)
    return bool(found) if isinstance(found, (bool, np.bool_)) else f"{found!r}, no bool"


LIMITS = [0.0, 0.5, 0.95, 1.6, -1.0]


@rubric.check("Gate.passes", points=1)
@given(
    st.sampled_from(LIMITS),
    st.sampled_from([-1e9, -0.25, -1e-9, 0.0, 1e-9, 0.25, 1e9]),
    always=[*itertools.product(LIMITS, (-0.25, 0.0, 0.25))],
)
def the_limit_itself_is_enough(student, limit, beside):
    """At least the limit passes one gate, at most the limit the other; the limit itself passes both. 0 is a limit."""
    quality = limit + beside
    same(student.passed(limit, None, quality), quality >= limit, f"whether {quality:g} passes at least {limit:g}")
    same(student.passed(None, limit, quality), quality <= limit, f"whether {quality:g} passes at most {limit:g}")


@rubric.check("Gate.passes", points=1)
@given(st.sampled_from(LIMITS), always=LIMITS)
def what_is_no_number_passes_nothing(student, limit):
    """NaN, infinity and its negative pass no gate."""
    for quality in (math.nan, math.inf, -math.inf):
        same(student.passed(limit, None, quality), False, f"whether {quality} passes at least {limit:g}")
        same(student.passed(None, limit, quality), False, f"whether {quality} passes at most {limit:g}")


# -- race -------------------------------------------------------------------------------------------------------------


@rubric.probe
def raced(tt, lasting, seed, turns, warmup):
    """A race on a clock moved by hand. Each contestant takes longer with every call, spoils its inputs, and wraps its
    answer so that reading it takes 7 more; all answers are written over at the end. Drawing, copying and judging take
    time."""
    now, log, kept, drawn, buffers = [0.0], [], [], [], []
    seen = {name: [] for name, _ in lasting}

    class Later:
        def __init__(self, values):
            self.values = values

        def __array__(self, dtype=None, copy=None):
            now[0] += 7.0
            return np.array(self.values, dtype) if copy else self.values

    class Slow(np.ndarray):  # its copy takes time, too
        def copy(self, order="C"):
            now[0] += 50.0
            return np.array(self, order=order)

    def fresh():
        now[0] += 100.0
        log.append("fresh")
        turn = log.count("fresh")
        x = (10 * turn + np.arange(1 + turn % 3, dtype=np.int16))[:, None]
        drawn.append((x, x.tolist()))
        return tt.olympics.Examples(x.view(Slow), np.arange(1 + turn % 3) + turn / 4)

    def contestant(name, length):
        def answer(x):
            seen[name].append([x.dtype.name, x.tolist()])
            log.append(name)
            now[0] += length + len(seen[name]) + 2**-12
            buffers.append(np.array(x + (length + 1 / 3)))
            x[:] = 0
            return Later(buffers[-1])

        return answer

    def judge(answers, y):
        now[0] += 1000.0
        kept.append((answers, answers.tolist()))
        return (answers - 2 * y[:, None]).sum(axis=1)

    found = tt.olympics.race(
        {name: contestant(name, length) for name, length in lasting},
        fresh, judge, lambda: now[0], np.random.default_rng(seed), turns=turns, warmup=warmup,
    )  # fmt: skip
    names = sorted(found)
    for buffer in buffers:
        buffer[:] = -5
    own = all(array.tolist() == then for array, then in [*kept, *drawn])
    return [names, [found[name].seconds for name in names], [found[name].losses for name in names], log,
            [seen[name] for name in names], own]  # fmt: skip


@st.composite
def fields(draw):
    """Some contestants and how long each takes, a seed, turns, and turns to warm up."""
    names = draw(st.permutations(["ours", "theirs", "third"]))[: draw(st.integers(1, 3))]
    lasting = [[name, draw(st.integers(1, 20))] for name in names]
    return lasting, draw(st.integers(0, 99)), draw(st.integers(1, 4)), draw(st.integers(0, 2))


FIELDS = [
    ([["ours", 10], ["theirs", 30]], 0, 3, 1),
    ([["ours", 5]], 1, 1, 0),
    ([["b", 2], ["a", 1], ["c", 9]], 2, 4, 2),
]


@rubric.check("race", points=1)
@given(fields(), always=FIELDS)
def the_answer_is_timed_and_nothing_else(student, lasting, seed, turns, warmup):
    """From the call until the answers are an array: not the drawing, not the judging, not the turns that warm up."""
    names, seconds = student.raced(lasting, seed, turns, warmup)[:2]
    same(names, sorted(name for name, _ in lasting), "the names")
    calls = np.arange(warmup + 1.0, warmup + turns + 1)
    for name, length in lasting:
        mistakes = {
            "what is computed when the answers are read is left out": length + calls + 2**-12,
            "the judge's time is counted, too": length + calls + 1007 + 2**-12,
            "the turns that warm up are counted, too": length + calls + 7 + 2**-12 - warmup,
            "the time that the copy of the inputs takes is counted, too": length + calls + 57 + 2**-12,
        }
        close(seconds[names.index(name)], length + calls + 7 + 2**-12, f"the seconds of {name}", mistakes=mistakes)


@rubric.check("race", points=1)
@given(fields(), always=FIELDS)
def each_turn_is_drawn_once_for_all(student, lasting, seed, turns, warmup):
    """Inputs are drawn once a turn; then each contestant is called once, with these inputs, unspoiled by the others."""
    names, _, _, log, seen, _ = student.raced(lasting, seed, turns, warmup)
    size = 1 + len(names)
    same(len(log), (warmup + turns) * size, "the number of draws and calls")
    for start in range(0, len(log), size):
        same(log[start], "fresh", "what a turn begins with")
        same(sorted(log[start + 1 : start + size]), names, "the calls of a turn, in alphabetical order")
    drawn = [["int16", [[10 * k + i] for i in range(1 + k % 3)]] for k in range(1, warmup + turns + 1)]
    for name, inputs in zip(names, seen):
        same(inputs, drawn, f"the inputs of {name}")


@rubric.check("race", points=1)
@given(fields(), always=FIELDS)
def what_was_timed_is_judged(student, lasting, seed, turns, warmup):
    """The losses of all turns in their order, those that warm up left out, of answers that nobody can change later."""
    names, _, losses, _, _, own = student.raced(lasting, seed, turns, warmup)
    for name, length in lasting:
        turn = [
            10 * k + np.arange(1 + k % 3) + length + 1 / 3 - 2 * (np.arange(1 + k % 3) + k / 4)
            for k in range(1, warmup + turns + 1)
        ]
        flat = np.concatenate(turn[warmup:])
        mistakes = {"the turns that warm up are judged, too": np.concatenate(turn)}
        close(losses[names.index(name)], flat, f"the losses of {name}", mistakes=mistakes)
    holds(own, "the judge was given an array that a contestant could still write into")


@rubric.check("race", points=1, examples=2)
@given(st.integers(0, 99))
def the_order_is_drawn_for_every_turn(student, seed):
    """The generator draws another order for each turn: the same seed gives the same orders, another gives others."""
    lasting = [["a", 1], ["b", 2], ["c", 3]]
    order = lambda seed, turns=100, warmup=0: [
        entry for entry in student.raced(lasting, seed, turns, warmup)[3] if entry != "fresh"
    ]
    turns = {"".join(turn) for turn in zip(*[iter(order(seed))] * 3)}
    holds(len(turns) > 1, "the order is not the same in every turn", orders=sorted(turns))
    holds(len(turns) == 6, "in a hundred turns, each of the six orders is drawn", orders=sorted(turns))
    first = {"".join(turn) for turn in zip(*[iter(order(seed, 1, 11))] * 3)}
    holds(len(first) > 1, "the turns that warm up have orders of their own, too", orders=sorted(first))
    same(order(seed), order(seed), "the calls of a second race with the same seed")
    holds(order(seed) != order(seed + 1), "another generator draws other orders")


@rubric.check("race", points=1)
@given(st.sampled_from([0, -1]))
def there_is_somebody_to_race(student, turns):
    """Without contestants, or without turns, there is no race: ValueError."""
    refuses("ValueError", student.raced, [["a", 1], ["b", 2]], 0, turns, 2)
    refuses("ValueError", student.raced, [], 0, 3, 1)


# -- gain_of ----------------------------------------------------------------------------------------------------------


@rubric.probe
def earned(tt, value, low, high, margin):
    return float(tt.olympics.gain_of(tt.benchmarking.Estimate(value, low, high), margin))


@rubric.probe
def earned_by_default(tt, value, low, high):
    return float(tt.olympics.gain_of(tt.benchmarking.Estimate(value, low, high)))


EDGES = [0.25, 0.75, 0.8, 0.99, 1.0, 1.01, 1.1, 1.25, 3.0]
INTERVALS = [(low, high, margin) for low, high in itertools.combinations(EDGES, 2) for margin in (0.0, 0.02, 0.25)]
POINTS = [(end, end, margin) for end in (0.001, 0.25, 0.99, 1.0, 1.01, 4.0, 1000.0) for margin in (0.0, 0.02)]


def worth(low, high, margin):
    """The gain, from the ends."""
    end = 1.0 if low <= 1 <= high else high if high < 1 else low
    return 1.0 if 1 / (1 + margin) <= end <= 1 + margin else 1 / end


@rubric.check("gain_of", points=1)
@given(st.sampled_from(INTERVALS), always=[*INTERVALS, *POINTS])
def the_end_nearest_to_1_counts(student, low, high, margin):
    """A ratio wholly below 1 earns 1 over its high end, one wholly above it 1 over its low end: never the lucky end."""
    wanted = worth(low, high, margin)
    for value in (low, math.sqrt(low * high), high, *((low / 2, math.nan) if low == high else ())):
        mistakes = {
            "this is 1 over the lucky end": 1 / low if high < 1 else 1 / high,
            **(
                {}
                if value in (low, high)
                else {"this is 1 over the value: its interval may reach nearer to 1": 1 / value}
            ),
            "this is the ratio: a gain is 1 over it": 1 / wanted,
        }
        close(student.earned(value, low, high, margin), wanted, "the gain", mistakes=mistakes)


@rubric.check("gain_of", points=1)
@given(st.floats(0.05, 0.95), st.floats(1.05, 20.0), always=[(0.981, 1.3), (0.7, 1.019), (0.5, 1.0)])
def what_may_be_chance_earns_nothing(student, low, high):
    """An interval that holds 1 earns 1, and so does one that comes as near to 1 as the margin, 0.02."""
    for value in (low, high):
        close(student.earned_by_default(value, low, high), 1.0, "the gain of an interval that holds 1")
    close(student.earned_by_default(low, low / 2, 0.985), 1.0, "the gain of an interval that ends at 0.985")
    close(student.earned_by_default(high, 1.015, 2 * high), 1.0, "the gain of an interval that begins at 1.015")
    close(student.earned_by_default(low, low / 2, 0.975), 1 / 0.975, "the gain of an interval that ends at 0.975")


@rubric.check("gain_of", points=1)
@given(st.sampled_from([0.5, 1.0, 2.0]))
def what_is_no_interval_is_refused(student, end):
    """NaN, infinity, 0 and less, and ends in the wrong order: ValueError."""
    for low, high in ((math.nan, end), (end, math.nan), (math.nan, math.nan), (end, math.inf), (0.0, end), (-1.0, end)):
        refuses("ValueError", student.earned, end, low, high, 0.02)
    refuses("ValueError", student.earned, end, end, end / 2, 0.02)


# -- combined ---------------------------------------------------------------------------------------------------------


@rubric.probe
def mean_of(tt, gains, weights):
    return float(tt.olympics.combined(dict(gains), dict(weights)))


@rubric.probe
def kept(tt, gains, weights):
    """What a caller's gains and weights are afterwards."""
    gains, weights = dict(gains), dict(weights)
    tt.olympics.combined(gains, weights)
    return [[[name, g] for name, g in gains.items()], [[name, w] for name, w in weights.items()]]


NAMES = ["latency", "throughput", "memory", "size", "accuracy"]


@st.composite
def events(draw):
    """Gains and weights of some measures, in orders of their own."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(1, 5))]
    gains = [[name, draw(st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.0, 10.0]))] for name in names]
    weights = [[name, draw(st.integers(1, 5))] for name in draw(st.permutations(names))]
    return gains, weights


MIXED = [
    ([["latency", 4.0], ["size", 1.0]], [["size", 1], ["latency", 1]]),
    ([["latency", 2.0], ["size", 0.5]], [["latency", 1], ["size", 1]]),
    ([["latency", 8.0], ["size", 1.0], ["memory", 0.5]], [["memory", 0], ["size", 1], ["latency", 2]]),
    ([["size", 5.0]], [["size", 0.125]]),
    ([["latency", 3], ["size", 7]], [["latency", 2.5], ["size", 0.5]]),
    ([["latency", 3.0], ["size", 7.0]], [["latency", 3e-12], ["size", 1e-12]]),
]
EXTREMES = [
    ([[name, 1e200] for name in NAMES], [[name, 1] for name in NAMES]),
    ([[name, 1e-200] for name in NAMES], [[name, 3] for name in NAMES]),
    ([["latency", 1e300], ["size", 1e-300]], [["latency", 2], ["size", 1]]),
]


def geometric(gains, weights):
    """The weighted geometric mean, by powers of ten."""
    weights = dict(weights)
    return 10 ** (sum(weights[name] * math.log10(g) for name, g in gains) / sum(weights.values()))


@rubric.check("combined", points=1)
@given(events(), always=[*MIXED, *EXTREMES])
def each_gain_counts_by_its_weight(student, gains, weights):
    """The product of g^(w / W), of very large gains and very small ones, too."""
    mistakes = {
        "this is the product: take w / W of each": math.prod(min(g, 1e30) ** dict(weights)[name] for name, g in gains),
        "this is the weighted mean of the gains: a product is wanted": float(
            np.average([g for _, g in gains], weights=[dict(weights)[name] for name, _ in gains])
        ),
        "the weights make no difference": geometric(gains, [[name, 1] for name, _ in gains]),
    }
    close(student.mean_of(gains, weights), geometric(gains, weights), "the mean", mistakes=mistakes)


@rubric.check("combined", points=1)
@given(events(), always=MIXED)
def only_the_shares_of_the_weights_matter(student, gains, weights):
    """Twice the weights change nothing, half the gains halve the mean, and 1 over each gain gives 1 over the mean."""
    mean = geometric(gains, weights)
    same(student.kept(gains, weights), [gains, weights], "what the caller has afterwards")
    close(student.mean_of(gains, [[name, 2 * w] for name, w in weights]), mean, "the mean with twice the weights")
    close(student.mean_of([[name, g / 2] for name, g in gains], weights), mean / 2, "the mean of half the gains")
    close(student.mean_of([[name, 1 / g] for name, g in gains], weights), 1 / mean, "the mean of 1 over each gain")


@rubric.check("combined", points=1, examples=6)
@given(events())
def what_has_no_mean_is_refused(student, gains, weights):
    """Names that differ; gains of 0 or less, NaN, infinity; weights below 0, or all of them 0: ValueError."""
    refuses("ValueError", student.mean_of, [*gains, ["more", 2.0]], weights)
    refuses("ValueError", student.mean_of, gains, [*weights, ["more", 1]])
    refuses("ValueError", student.mean_of, [*gains, ["more", 2.0]], [*weights, ["other", 1]])
    for wrong in (0.0, -2.0, math.nan, math.inf):
        for weight in (1, 0):
            refuses("ValueError", student.mean_of, [*gains, ["more", wrong]], [*weights, ["more", weight]])
    for wrong in (-1, math.nan, math.inf):
        refuses("ValueError", student.mean_of, [*gains, ["more", 2.0]], [*weights, ["more", wrong]])
    refuses("ValueError", student.mean_of, gains, [[name, 0] for name, _ in weights])
    refuses("ValueError", student.mean_of, [], [])


# -- ranking ----------------------------------------------------------------------------------------------------------


@rubric.probe
def ranked(tt, totals):
    given = {name: tt.benchmarking.Estimate(*numbers) for name, *numbers in totals}
    found = tt.olympics.ranking(given)
    whole = lambda rank: int(rank) if isinstance(rank, (int, np.integer)) else f"{rank!r}, no whole number"
    left = [[name, *numbers] for name, numbers in given.items()]
    return [[[str(name), whole(rank)] for name, rank in found.items()], left]


@st.composite
def tables(draw):
    """Entries whose intervals often meet, no two of the same value."""
    values = draw(st.lists(st.integers(5, 20), min_size=1, max_size=6, unique=True))
    reach = st.integers(0, 4)
    return [[name, float(v), float(v - draw(reach)), float(v + draw(reach))] for name, v in zip("abcdef", values)]


TABLES = [
    [["a", 10.0, 9.0, 11.0], ["b", 12.0, 11.0, 13.0], ["c", 14.0, 12.5, 15.0], ["d", 5.0, 5.0, 5.0]],
    [["a", 3.0, 1.0, 9.0], ["b", 4.0, 4.0, 4.0], ["c", 2.0, 2.0, 2.0]],
    [["a", 1.0, 0.0, 2.0], ["b", 5.0, 4.0, 6.0], ["c", 7.0, 2.5, 8.0], ["d", 6.0, 6.5, 6.75]],
    [["a", 3.0, 1.0, 9.0], ["b", 4.0, 4.0, 4.0], ["c", 5.0, 5.0, 5.0]],
    [["a", 1.0, 0.0, 2.0]],
    [["a", 1.001, 1.0, 1.001], ["b", 1.0, 0.9995, 1.0005], ["c", 1.002, 1.0015, 1.003], ["d", 0.0, 0.0, 0.0]],
    [[name, float(v), float(v), float(v)] for v, name in enumerate("abcdefghijkl", start=-3)],
    [],
]
LEVEL = [["a", 2.0, 1.0, 3.0], ["b", 2.0, 1.5, 2.5], ["c", 2.0, 2.0, 2.0], ["d", 1.0, 0.5, 1.25]]


def rank_of(entry, totals):
    return 1 + sum(low > entry[3] for _, _, low, _ in totals)


@rubric.check("ranking", points=1)
@given(tables(), always=[(table,) for table in [*TABLES, LEVEL]])
def those_that_are_surely_better_come_before(student, totals):
    """The rank is 1, and one more for each entry whose interval lies wholly above: where two meet, nobody is ahead."""
    found, left = student.ranked(totals)
    ranks = dict(map(tuple, found))
    same(left, totals, "what the caller has afterwards")
    same(sorted(ranks), sorted(entry[0] for entry in totals), "the names")
    for entry in totals:
        same(ranks[entry[0]], rank_of(entry, totals), f"the rank of {entry[0]}")


@rubric.check("ranking", points=1)
@given(tables(), always=[(table,) for table in TABLES])
def the_best_ranks_come_first(student, totals):
    """In the order of the ranks; of equal ranks, the higher value comes first."""
    wanted = sorted(totals, key=lambda entry: (rank_of(entry, totals), -entry[1]))
    same([name for name, _ in student.ranked(totals)[0]], [entry[0] for entry in wanted], "the order")


# -- pareto_front -----------------------------------------------------------------------------------------------------


@st.composite
def costs(draw):
    """Costs in whole numbers from 0 to 3, so that many are equal."""
    n, m = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    return np.array(draw(st.lists(st.integers(0, 3), min_size=n * m, max_size=n * m)), np.float64).reshape(n, m)


COSTS = [
    np.array([[1.0, 9.0], [5.0, 5.0], [6.0, 5.0], [9.0, 1.0]]),
    np.array([[1.0, 1.0], [1.0, 1.0]]),
    np.array([[2.0], [1.0], [1.0]]),
    np.array([[1.0, 2.0], [1.0, 3.0], [0.0, 4.0]]),
    np.array([[0, 5, 1], [1, 5, 0], [1, 5, 1]], np.int64),
    np.array([[1.0, np.inf], [2.0, np.inf], [0.5, 3.0]], np.float32),
    np.zeros((0, 2)),
    np.array([[1.0, np.inf], [2.0, np.inf], [3.0, 0.0]]),
    np.array([[1.0, 2.0], [1.0 + 1e-9, 2.0]]),
    np.array([[-3.0, 1.0], [-1.0, 1.0], [-2.0, 0.5]]),
    np.array([[200, 3], [100, 3], [90, 4]], np.uint8),
    [[1, 9], [5, 5], [6, 5], [9, 1]],
]


@rubric.check("pareto_front", points=1)
@given(costs(), always=[(table,) for table in COSTS])
def nobody_beats_those_in_front(student, table):
    """True where no other entry costs no more in anything and less in something: of equal ones, both."""
    rows = np.asarray(table).tolist()
    beats = lambda a, b: all(x <= y for x, y in zip(a, b)) and a != b
    front = np.array([not any(beats(other, row) for other in rows) for row in rows], bool)
    close(
        student.pareto_front(table),
        front,
        "the front",
        mistakes={"this tells who is beaten": ~front},
    )


@rubric.check("pareto_front", points=1)
@given(costs(), always=[(table,) for table in COSTS[:4]])
def what_is_no_table_of_numbers_is_refused(student, table):
    """A NaN beats nobody and nobody beats it: ValueError, as for a single row."""
    hidden = table.copy()
    hidden[-1, 0] = np.nan
    refuses("ValueError", student.pareto_front, hidden)
    refuses("ValueError", student.pareto_front, table[0])
    refuses("ValueError", student.pareto_front, table[None])


# -- late_bound -------------------------------------------------------------------------------------------------------


def so_few(late, queries, share):
    """The chance that so many or fewer are late, by whole numbers of ways."""
    return sum(math.comb(queries, k) * share**k * (1 - share) ** (queries - k) for k in range(late + 1))


@functools.cache
def border(late, queries, level):
    """The share at which that chance is 1 - level."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if so_few(late, queries, middle) > 1 - level else (low, middle)
    return high


LEVELS = [0.01, 0.5, 0.9, 0.99, 0.999999]
COUNTS = [(0, 1), (1, 2), (0, 10), (1, 10), (3, 20), (19, 20), (0, 40)]


@st.composite
def counts(draw):
    queries = draw(st.integers(1, 40))
    return draw(st.integers(0, queries - 1)), queries, draw(st.sampled_from(LEVELS))


@rubric.check("late_bound", points=2)
@given(counts(), always=[(*count, level) for count in COUNTS for level in LEVELS])
def so_few_late_ones_would_be_rare(student, late, queries, level):
    """At the bound, the chance that so many or fewer are late is 1 - level."""
    mistakes = {
        "this is the share that was late: how large may the true one be?": late / queries,
        "this bound is for fewer late ones: count k = late, too": border(late - 1, queries, level) if late else -1.0,
        "here that chance is the level itself": border(late, queries, 1 - level),
        "this is as if both sides had been asked for": border(late, queries, (1 + level) / 2),
    }
    wanted = border(late, queries, level)
    close(student.late_bound(late, queries, level), wanted, "the bound", rtol=0, atol=1e-9, mistakes=mistakes)
    close(student.late_bound(late, queries), border(late, queries, 0.99), "the bound at the level 0.99")


MANY = [
    (1000, 100000, 0.99, 0.010756594114118648),
    (0, 100000, 0.99, 4.6050641496536055e-05),
    (0, 1000, 0.99, -math.expm1(math.log1p(-0.99) / 1000)),
    (37, 5000, 0.95, 0.009723719811206347),
    (20000, 1000000, 0.9, 0.02018060570943477),
]


@rubric.check("late_bound", points=1)
@given(st.sampled_from(MANY), always=MANY)
def many_queries_are_no_harder(student, late, queries, level, wanted):
    """With a hundred thousand queries, or a million, the numbers of ways fit into no float."""
    close(student.late_bound(late, queries, level), wanted, "the bound", rtol=0, atol=1e-9)


@rubric.check("late_bound", points=1, examples=6)
@given(counts(), always=[(0, 1, 0.99), (0, 5, 0.5)])
def the_ends_are_known(student, late, queries, level):
    """If all were late, the bound is 1. Of none, of more than all, of fewer than 0, at no level: ValueError."""
    close(student.late_bound(queries, queries, level), 1.0, "the bound if all were late")
    for wrong, of in ((-1, queries), (queries + 1, queries), (0, 0), (1, 0), (0, -1)):
        refuses("ValueError", student.late_bound, wrong, of, level)
    for nothing in (0.0, 1.0, -0.5, 1.5, math.nan):
        refuses("ValueError", student.late_bound, late, queries, nothing)
        refuses("ValueError", student.late_bound, queries, queries, nothing)


# -- accounting -------------------------------------------------------------------------------------------------------


def bytes_in_whole_numbers():
    """What the baseline of the sprint takes after chapter 15, by its own arrays."""
    from tinytorch.olympics import sprint_mlp
    from tinytorch.quantization import quantize_model, stored_bytes

    rng = np.random.default_rng(20)
    return stored_bytes(quantize_model(sprint_mlp(rng), [rng.random((16, 64), np.float32)]))


@rubric.accounting(points=1, unit="bytes", counted=bytes_in_whole_numbers, tolerance=0, difficulty=2, minutes=10)
def sprint_bytes():
    """How many bytes do the numbers of the MLP sprint's baseline take after chapter 15: linear layers 64-128-64-10?

    A weight has one byte. Each output has a float32 scale and a float32 bias, and each layer a float32 scale and an
    int32 zero point for what enters.
    """
    # How many weights does a layer have, how many outputs? How many layers are there?
    weights = 64 * 128 + 128 * 64 + 64 * 10
    outputs = 128 + 64 + 10
    return weights + outputs * (4 + 4) + 3 * (4 + 4)


def places_saved():
    """Places that the blocks compute for one answer without caches, over those with, by the shapes at the seam."""
    from tinytorch.memoization import caches_for
    from tinytorch.olympics import EVENTS, MARK, baseline, predict
    from tinytorch.tensor import observers
    from tinytorch.transformers import generate

    event, prompt, places = EVENTS["transformer_decathlon"], [10, *range(8), MARK], [0]
    model = baseline(event).eval()

    def count(name, _, arrays, result):
        places[0] += result.size // result.shape[-1] if name == "embedding" and len(result) == 1 else 0

    observers.append(count)
    try:
        predict(event, model, np.array([prompt]))
        without, places[0] = places[0], 0
        list(generate(model, prompt, 8, seed=0, caches=caches_for(model)))
    finally:
        observers.remove(count)
    return without / places[0]


@rubric.accounting(points=1, unit="times", counted=places_saved, tolerance=0.01, difficulty=2, minutes=10)
def places_ratio():
    """How many times as many places does the decathlon's baseline compute for one answer as it would with chapter 17's
    caches? A prompt has 10 tokens, an answer 8, chosen one after the other.

    Without caches, each token that is chosen needs all places before it anew. With them, the first needs those of the
    prompt, and each later one the place of the token before it.
    """
    # Without: 10 places for the first token, 11 for the second, and so on. Is the eighth token itself ever read?
    without = sum(10 + i for i in range(8))
    return without / (10 + 7)


def scored():
    """The total, by the module's own functions."""
    from tinytorch.benchmarking import Estimate
    from tinytorch.olympics import EVENTS, combined, gain_of

    ends = {"latency": (0.4, 0.5), "throughput": (0.95, 1.1), "memory": (1.0, 1.0), "size": (0.2, 0.2)}
    found = {name: Estimate(low, low, high) for name, (low, high) in {**ends, "accuracy": (1.1, 1.3)}.items()}
    return combined({name: gain_of(ratio) for name, ratio in found.items()}, EVENTS["mlp_sprint"].measures)


@rubric.accounting(points=1, unit="points", counted=scored, tolerance=0.005, difficulty=2, minutes=12)
def sprint_score():
    """What is the total of an entry to the MLP sprint whose ratios to the baseline lie in these intervals?

    Latency 0.4 to 0.5, throughput 0.95 to 1.1, memory 1, size 0.2, mistakes 1.1 to 1.3. The weights are 4, 1, 1, 2
    and 2, in this order.
    """
    # Which end counts, or none? A gain is 1 over it; then the tenth root of a product of ten factors.
    return (2**4 * 5**2 / 1.1**2) ** 0.1
