"""Chapter 21, production: two statistics of drift, an alarm with hysteresis, a run length, a gate, and a queue.

No check draws by chance what it judges, and none has a thread or a clock.
"""

import functools
import itertools
import math
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from tito.rubrics.compare import close, holds, refuses, same
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("21", module="mlops")

rubric.exercise("psi_of_counts", difficulty=1, minutes=12)
rubric.exercise("ks_statistic", difficulty=2, minutes=15)
rubric.exercise("Hysteresis.update", difficulty=2, minutes=15)
rubric.exercise("expected_run_length", difficulty=3, minutes=40)
rubric.exercise("promotion_gate", difficulty=2, minutes=15)
rubric.exercise("BatchQueue.take", difficulty=2, minutes=20)

# -- psi_of_counts ----------------------------------------------------------------------------------------------------


def is_psi(expected, found, smoothing):
    """The index, bin by bin."""
    expected, found = (list(map(float, row)) for row in (expected, found))
    k, total = len(expected), 0.0
    for one, other in zip(expected, found):
        p = (one + smoothing) / (sum(expected) + k * smoothing)
        q = (other + smoothing) / (sum(found) + k * smoothing)
        total += (q - p) * math.log(q / p)
    return total


@st.composite
def two_histograms(draw):
    """Counts in some bins, twice, and a smoothing."""
    k = draw(st.integers(1, 6))
    row = st.lists(st.integers(0, 20), min_size=k, max_size=k)
    return draw(row), draw(row), draw(st.sampled_from([0.5, 1.0, 0.01]))


rubric.doctests("psi_of_counts", points=1)


@rubric.check("psi_of_counts", points=1)
@given(
    two_histograms(),
    always=[
        ([10, 0], [0, 10], 0.5), ([3, 5, 2], [30, 50, 20], 0.5), ([0, 0], [0, 0], 1.0), ([4], [9], 0.5),
        ([200, 200, 200], [1, 0, 0], 0.5), ([10**9, 3 * 10**9], [3, 1], 0.5), ([1, 9], [9, 1], 2.5),
        (np.array([250, 250, 3], np.uint8), np.array([1, 255, 255], np.uint8), 0.5),
        ([10**4, 0], [0, 10**4], 0.5), ([10**9, 0], [0, 10**9], 0.5),
        (np.array([255, 3], np.uint8), np.array([0, 255], np.uint8), 1),
        (np.array([1, 2, 3]), np.array([3, 2, 1]), 0.5), (np.array([1.0, 2.0]), np.array([7.0, 0.0]), 0.5),
    ],
)  # fmt: skip
def every_bin_adds_its_part(student, expected, found, smoothing):
    """Each count is smoothed, each row divided by its own total, and every bin adds (q - p) ln(q / p)."""
    k, wanted = len(expected), is_psi(expected, found, smoothing)
    p, q = (
        (np.array(row, float) + smoothing) / (np.sum(row, dtype=float) + k * smoothing) for row in (expected, found)
    )
    mistakes = {
        "this is the half of it that one direction has: sum (q - p) ln(q / p)": float((q * np.log(q / p)).sum()),
        "the sign is turned: swap what the logarithm divides": -wanted,
        "the logarithm is that of base 10": wanted / math.log(10),
        "this is the mean over bins: sum them": wanted / k,
    }
    close(student.psi_of_counts(expected, found, smoothing), wanted, "the index", mistakes=mistakes)
    close(student.psi_of_counts(expected, found), is_psi(expected, found, 0.5), "with a smoothing of 0.5")


@rubric.check("psi_of_counts", points=1)
@given(
    st.integers(0, 99),
    st.sampled_from([((4,), (3, 4)), ((3, 4), (3, 4)), ((2, 1, 3), (4, 3)), ((3,), (0, 3)), ((2, 5), (5,))]),
    always=[(1, (4,), (3, 4)), (2, (2, 1, 3), (4, 3)), (3, (3,), (0, 3)), (4, (2, 5), (5,)), (5, (1, 4), (4,))],
)
def many_windows_at_once(student, seed, shape, other_shape):
    """The last axis has the bins. What stands before it broadcasts: many windows against one reference, in one call."""
    rng = np.random.default_rng(seed)
    expected, found = rng.integers(0, 20, shape), rng.integers(0, 20, other_shape)
    one, other = np.broadcast_arrays(expected, found)
    wanted = np.empty(one.shape[:-1])
    for place in np.ndindex(wanted.shape):
        wanted[place] = is_psi(one[place], other[place], 0.5)
    close(student.psi_of_counts(expected, found, 0.5), wanted, "the indices")


@rubric.check("psi_of_counts", points=1)
@given(two_histograms(), st.sampled_from([0.0, -0.5, math.nan]))
def without_smoothing_a_bin_may_be_empty(student, expected, found, _, smoothing):
    """A smoothing that is not above 0 leaves shares of 0, which have no logarithm: ValueError."""
    refuses("ValueError", student.psi_of_counts, expected, found, smoothing)


# -- ks_statistic -----------------------------------------------------------------------------------------------------


def is_distance(reference, window):
    """The largest difference of shares, tried at every value of both."""
    share = lambda row, x: sum(v <= x for v in row) / len(row)
    return max(abs(share(reference, x) - share(window, x)) for x in [*reference, *window])


numbers = st.lists(st.integers(-6, 6).map(float), min_size=1, max_size=8)
PAIRS = [
    ([1.0, 2.0, 3.0, 4.0], [3.0, 4.0, 5.0, 6.0]), ([3.0, 1.0, 2.0], [2.5]), ([0.0], [0.0]), ([5.0], [1.0]),
    ([1.0], [5.0]), ([0.0, 10.0], [1.0, 2.0, 3.0, 11.0]), ([1.0, 2.0, 3.0, 11.0], [0.0, 10.0]),
    ([1.0, 1.0, 1.0, 2.0], [1.0, 2.0, 2.0, 2.0]),
    ([9.0, 1.0, 5.0], [5.0, 9.0, 1.0]), (np.array([3.0, 1.0], np.float32), np.array([2.0, 7.0, 1.0], np.float32)),
    ([-1e9, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 1e9]), ([1.0], [1.0 + 1e-12]),
    (np.arange(100.0), np.arange(40.0) + 30.5), ([-1.0, -2.0, -3.0], [-2.5, 4.0]),
]  # fmt: skip

rubric.doctests("ks_statistic", points=1)


@rubric.check("ks_statistic", points=2)
@given(numbers, numbers, always=PAIRS)
def the_largest_difference_of_shares(student, reference, window):
    """At some x the two shares of values that are at most x differ most; equal values are counted together."""
    share = lambda row, x: sum(v <= x for v in row) / len(row)
    signed = [share(reference, x) - share(window, x) for x in [*reference, *window]]
    mistakes = {
        "this is the difference with a sign: a window that moved the other way counts as much": max(signed),
        "this is tried at the reference's values only": max(abs(d) for d in signed[: len(reference)]),
        "this is tried at the window's values only": max(abs(d) for d in signed[len(reference) :]),
    }
    close(student.ks_statistic(reference, window), is_distance(reference, window), "the distance", mistakes=mistakes)


@rubric.check("ks_statistic", points=1, examples=6)
@given(numbers, st.sampled_from([math.nan, math.inf]))
def what_is_no_sample_is_refused(student, values, wrong):
    """Of no values, or of values that are not finite, nothing can be said: ValueError."""
    for other in ([], [*values, wrong], [values]):
        refuses("ValueError", student.ks_statistic, values, other)
        refuses("ValueError", student.ks_statistic, other, values)


# -- Hysteresis.update ------------------------------------------------------------------------------------------------


@rubric.probe
def alarmed(tt, on, off, after, values):
    """What the alarm answered to each value, and what stood in `raised` then."""
    alarm, told = tt.mlops.Hysteresis(on, off, after), []
    for value in values:
        answer = alarm.update(value)
        told.append(
            [bool(each) if isinstance(each, (bool, np.bool_)) else repr(each) for each in (answer, alarm.raised)]
        )
    return told


@rubric.probe
def two_alarms(tt, values):
    """Two alarms with the same limits that are told values by turns: the first one those given, the other 0."""
    first, second = (tt.mlops.Hysteresis(1.0, 0.5, 2) for _ in range(2))
    return [[bool(first.update(value)), bool(second.update(0.0))] for value in values]


def is_alarmed(on, off, after, values):
    """The states: after each value, look back at those since the last change."""
    states, state, since = [], False, []
    for value in values:
        since.append(value)
        last = since[-after:]
        if len(last) == after and (all(v < off for v in last) if state else all(v > on for v in last)):
            state, since = not state, []
        states.append(state)
    return states


LEVELS = st.sampled_from([-5.0, 0.0, 1.0, 1.5, 2.0, 3.0, 3.5, 4.0, math.nan, math.inf, -math.inf])
SEQUENCES = [
    (3.0, 1.0, 1, [4.0, 2.0, 0.0, 2.0, 4.0]),
    (3.0, 1.0, 2, [4.0, 4.0, 4.0, 0.0, 0.0, 0.0, 4.0, 4.0]),
    (3.0, 1.0, 2, [4.0, 0.0, 4.0, 0.0, 4.0, 4.0, 0.0, 4.0, 0.0, 0.0]),
    (3.0, 1.0, 3, [4.0, 4.0, 3.0, 4.0, 4.0, 4.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]),
    (3.0, 1.0, 2, [4.0, 2.0, 4.0, 4.0, 0.0, 2.0, 0.0, 0.0]),
    (2.0, 2.0, 1, [3.0, 2.0, 1.0, 2.0, 3.0]),
    (3.0, 1.0, 2, [math.inf, math.inf, -math.inf, -math.inf, -5.0, -5.0, 3.5, 3.5]),
    (1.0, 0.0, 5, [2.0] * 5 + [0.5, -1.0] + [-1.0] * 4),
    (3.0, 1.0, 2, [4.0, math.nan, 4.0, 4.0, 0.0, math.nan, 0.0, 0.0]),
    (3.0, 1.0, 3, [4.0] * 3 + [0.0] * 3 + [4.0] * 3 + [0.0] * 3),
    (3.0, 1.0, 2, [4.0, 4.0, 4.0, 0.0, 4.0, 4.0, 4.0, 0.0, 0.0, 4.0, 4.0]),
]


@rubric.check("Hysteresis.update", points=2)
@given(
    st.just(3.0), st.sampled_from([1.0, 2.0, 3.0]), st.integers(1, 3), st.lists(LEVELS, min_size=4, max_size=14),
    always=SEQUENCES,
)  # fmt: skip
def so_many_in_a_row_change_its_mind(student, on, off, after, values):
    """On with the after-th value in a row above `on`, off with the after-th below `off`; in between it stays."""
    wanted = is_alarmed(on, off, after, values)
    told = student.alarmed(on, off, after, values)
    same([answer for answer, _ in told], wanted, "the answers")
    same([raised for _, raised in told], wanted, "what stands in `raised`")


@rubric.check("Hysteresis.update", points=1)
@given(st.lists(st.sampled_from([0.0, 2.0]), min_size=2, max_size=8), always=[([2.0, 2.0, 0.0, 0.0],)])
def each_alarm_has_its_own_state(student, values):
    """What one alarm was told is nothing to another."""
    wanted = is_alarmed(1.0, 0.5, 2, values)
    same(student.two_alarms(values), [[state, False] for state in wanted], "the answers of both")


# -- expected_run_length ----------------------------------------------------------------------------------------------


def is_run_length(steps, chances, limit):
    """Gauss's elimination on fractions: the mean number of values from place 0."""
    rows = []
    for place in range(limit):
        row = [Fraction(int(place == other)) for other in range(limit)] + [Fraction(1)]
        for step, chance in zip(steps, chances):
            target = max(0, place + step)
            if target < limit:
                row[target] -= Fraction(chance)
        rows.append(row)
    for i in range(limit - 1, -1, -1):  # from the last place down to 0
        pivot = next(r for r in range(i, -1, -1) if rows[r][i] != 0)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(i):
            if share := rows[r][i] / rows[i][i]:
                rows[r] = [a - share * b for a, b in zip(rows[r], rows[i])]
    return float(rows[0][-1] / rows[0][0])


@st.composite
def walks(draw):
    """Some steps, at least one of them upwards, with chances in sixteenths, and a limit."""
    steps = [draw(st.integers(1, 3)), *draw(st.lists(st.integers(-3, 3), min_size=1, max_size=3))]
    parts = [draw(st.integers(1, 5)) for _ in steps[1:]]
    return steps, [(16 - sum(parts)) / 16, *(part / 16 for part in parts)], draw(st.integers(1, 6))


WALKS = [
    ([1, -1], [0.5, 0.5], 1), ([1, -1], [0.5, 0.5], 4), ([2, -1], [0.25, 0.75], 3), ([5, -1], [0.125, 0.875], 3),
    ([1], [1.0], 5), ([1, 0], [0.25, 0.75], 3), ([3, -2, 0], [0.25, 0.5, 0.25], 5), ([1, 1, -3], [0.25, 0.25, 0.5], 4),
    ([1, -1, 2], [0.5, 0.5, 0.0], 3), ([2, 0, -1, -3], [0.25, 0.25, 0.25, 0.25], 6), ([-1, 3], [0.75, 0.25], 3),
    (np.array([1, -2]), np.array([0.5, 0.5]), 4), ([1, -1, 0], [0.7, 0.2, 0.1], 3),
    (np.array([1, -1, 0]), np.array([0.7, 0.2, 0.1]), 4),
    ([1, -2], [0.0625, 0.9375], 5), ([1, 0], [0.25, 0.75], 100), ([7, -9], [0.5, 0.5], 20),
]  # fmt: skip


@rubric.check("expected_run_length", points=3)
@given(walks(), always=WALKS)
def one_value_and_then_from_where_it_came_to(student, steps, chances, limit):
    """From each place: one value, and on average as many more as from the place that it leads to."""
    wanted = is_run_length([int(step) for step in steps], [float(chance) for chance in chances], limit)
    mistakes = {
        "the value that raises the alarm counts, too": wanted - 1,
        "it alarms at the limit, not only above it": is_run_length(
            [int(step) for step in steps], [float(chance) for chance in chances], limit + 1
        ),
    }
    close(student.expected_run_length(steps, chances, limit), wanted, "the mean length", mistakes=mistakes)


@rubric.check("expected_run_length", points=1)
@given(st.integers(1, 4), always=[(1,), (3,)])
def a_walk_that_never_rises_goes_on_for_ever(student, limit):
    """Without a step upwards that has a chance there is never an alarm: inf."""
    for steps, chances in (
        ([0, -1], [0.5, 0.5]),
        ([-1], [1.0]),
        ([2, -1], [0.0, 1.0]),
        ([0], [1.0]),
        ([0, -1, -2], [0.7, 0.2, 0.1]),
    ):
        close(student.expected_run_length(steps, chances, limit), math.inf, "the length")


@rubric.check("expected_run_length", points=1)
@given(st.integers(1, 4))
def what_are_no_chances_is_refused(student, limit):
    """Chances are not negative and 1 together, and a limit is 1 or more: ValueError."""
    for chances in ([0.5, 0.25], [0.75, 0.75], [1.5, -0.5], [0.0, 0.0], [0.5, 0.499], [math.nan, 0.5]):
        refuses("ValueError", student.expected_run_length, [1, -1], chances, limit)
    for wrong in (0, -1):
        refuses("ValueError", student.expected_run_length, [1, -1], [0.5, 0.5], wrong)


# -- promotion_gate ---------------------------------------------------------------------------------------------------


@rubric.probe
def decided(tt, candidate, live, level):
    found = tt.mlops.promotion_gate(candidate, live, level)
    return [bool(found.promote), int(found.better), int(found.worse), float(found.chance)]


@rubric.probe
def decided_by_default(tt, candidate, live):
    return bool(tt.mlops.promotion_gate(candidate, live).promote)


@functools.cache
def coins(better, worse):
    """The chance of so many heads or more, as a fraction."""
    differ = better + worse
    return Fraction(sum(math.comb(differ, k) for k in range(better, differ + 1)), 2**differ)


def answers(better, worse, both, neither):
    """Whether the candidate and the live model were right, for so many examples of each kind."""
    kinds = [(1, 0)] * better + [(0, 1)] * worse + [(1, 1)] * both + [(0, 0)] * neither
    return [ours for ours, _ in kinds], [theirs for _, theirs in kinds]


OUTCOMES = [
    (5, 0, 3, 2), (4, 0, 3, 2), (9, 1, 100, 0), (1, 9, 0, 0), (0, 0, 5, 5), (0, 0, 0, 0), (3, 3, 0, 0), (8, 2, 0, 40),
    (60, 0, 0, 0), (1, 1, 3, 0), (0, 6, 2, 0), (12, 4, 1, 1), (7, 0, 0, 0), (1, 0, 0, 0),
]  # fmt: skip


@rubric.check("promotion_gate", points=2)
@given(
    st.tuples(*[st.integers(0, 8)] * 4), st.sampled_from([0.05, 0.01, 0.5, 1 / 32]), st.booleans(),
    always=[*((*outcome, level, True) for outcome in OUTCOMES for level in (0.05, 1 / 32, 0.8)),
            (700, 600, 200, 100, 0.05, False), (600, 700, 0, 0, 0.05, True), (1, 0, 2, 0, 0.5, False)],
)  # fmt: skip
def those_on_which_they_differ_are_coins(student, better, worse, both, neither, level, as_booleans):
    """Where one is right and the other wrong, equal models are right equally often; the chance of so many is exact."""
    candidate, live = (np.array(row, bool) if as_booleans else row for row in answers(better, worse, both, neither))
    chance, differ = coins(better, worse), better + worse
    promote, mine, theirs, yours = student.decided(candidate, live, level)
    same([mine, theirs], [better, worse], "better and worse")
    mistakes = {
        "this is the chance of more than these: those themselves belong to it": float(
            chance - Fraction(math.comb(differ, better), 2**differ)
        ),
        "this is the chance of exactly these: more of them count, too": float(
            Fraction(math.comb(differ, better), 2**differ)
        ),
        "this asks whether the live model is better": float(coins(worse, better)),
        "this is for both directions: the gate asks in one": float(min(Fraction(1), 2 * chance)),
    }
    close(yours, float(chance), "the chance", atol=0, mistakes=mistakes)
    if chance < 0.99 and differ <= 100:
        edge = float(chance)
        same(
            student.decided(candidate, live, edge * (1 + 1e-6))[0],
            True,
            "whether a chance just below the level is enough",
        )
        same(
            student.decided(candidate, live, edge * (1 - 1e-6))[0],
            False,
            "whether a chance just above the level is enough",
        )
    same(promote, chance <= Fraction(level), "whether it is promoted")
    same(student.decided_by_default(candidate, live), float(chance) <= 0.05, "whether it is promoted at 0.05")


@rubric.check("promotion_gate", points=1, examples=8)
@given(st.lists(st.integers(0, 1), min_size=1, max_size=6), st.sampled_from([0.0, 1.0, -0.1, 5.0, math.nan]))
def pairs_and_a_level_are_asked_for(student, right, level):
    """Each example has an answer of both, and a level lies between 0 and 1: ValueError."""
    refuses("ValueError", student.decided, right, [*right, 1], 0.05)
    refuses("ValueError", student.decided, [*right, 0], right, 0.05)
    refuses("ValueError", student.decided, right[:1], [*right, 1, 1], 0.05)
    refuses("ValueError", student.decided, [right], [right], 0.05)
    refuses("ValueError", student.decided, right, right, level)


# -- BatchQueue.take --------------------------------------------------------------------------------------------------


@rubric.probe
def taken(tt, most, wait, requests, times):
    """At each time: which requests were taken together, which were too late, which still stand; and in what lists.

    Last, whether anybody was told early.
    """
    queue = tt.mlops.BatchQueue(most, wait, waiting=max(most, len(requests)))
    for arrived, deadline in requests:
        queue.put(tt.mlops.Request("the same", arrived, deadline))
    told, kinds, every = [], [], [*queue.requests]
    numbers = {id(each): number for number, each in enumerate(every)}
    for now in times:
        batch, late = queue.take(now)
        told.append([[numbers[id(each)] for each in part] for part in (batch, late, queue.requests)])
        kinds.append([type(part).__name__ for part in (batch, late)])
    told_early = any(each.answer.done() or each.answer.running() for each in every)
    return [told, kinds, told_early]


def is_taken(most, wait, requests, times):
    """The same, by numbers alone."""
    standing, told = list(range(len(requests))), []
    for now in times:
        late = [i for i in standing if requests[i][1] <= now]
        standing = [i for i in standing if i not in late]
        ready = len(standing) >= most or (standing and now - requests[standing[0]][0] >= wait)
        batch = standing[:most] if ready else []
        standing = standing[len(batch) :]
        told.append([batch, late, standing])
    return told


@st.composite
def queues(draw):
    """How many at most, how long to wait, requests in order with their deadlines, and when the queue is asked."""
    quarter = lambda least, most: draw(st.integers(least, most)) / 4
    count, requests, now = draw(st.integers(0, 6)), [], 0.0
    for _ in range(count):
        now += quarter(0, 4)
        requests.append([now, now + quarter(0, 8) if draw(st.booleans()) else math.inf])
    times = [now + later / 4 for later in sorted(draw(st.lists(st.integers(0, 12), min_size=1, max_size=4)))]
    return draw(st.integers(1, 4)), quarter(0, 6), requests, times


NEVER = math.inf
QUEUES = [
    (2, 1.0, [[0.0, NEVER], [0.25, NEVER], [0.5, NEVER]], [0.5, 0.75, 1.5, 2.0]),
    (4, 1.0, [[0.0, NEVER], [0.25, NEVER]], [0.75, 1.0, 1.25]),
    (2, 4.0, [[0.0, 1.0], [0.5, NEVER]], [0.75, 1.0, 4.25, 4.5]),
    (2, 4.0, [[0.0, 1.0], [0.5, NEVER], [0.75, NEVER], [0.75, NEVER]], [1.0, 1.0]),
    (3, 0.0, [[0.0, NEVER]] * 5, [0.0, 0.0, 0.0]),
    (2, 1.0, [[0.0, 0.5], [0.0, 0.5], [0.25, NEVER]], [1.0, 1.25]),
    (3, 1.0, [[0.0, 2.0], [0.5, 2.0], [0.5, 1.0]], [1.0]),
    (1, 9.0, [[0.0, NEVER], [0.0, 0.25], [0.0, NEVER]], [0.0, 0.0, 0.5, 1.0]),
    (2, 1.0, [], [0.0, 5.0]),
    (4, 1.0, [[0.0, 0.5], [0.75, NEVER]], [1.0, 1.5, 1.75]),
]


@rubric.check("BatchQueue.take", points=3)
@given(queues(), always=QUEUES)
def full_or_waited_long_enough(student, most, wait, requests, times):
    """The late leave; of the others the first `most` go together once there are so many or the first has waited."""
    told, kinds, told_early = student.taken(most, wait, requests, times)
    same(kinds, [["list", "list"]] * len(times), "what is returned")
    holds(not told_early, "`take` answers nobody: that is for whoever called it")
    for now, yours, wanted in zip(times, told, is_taken(most, wait, requests, times)):
        for words, mine, right in zip(("the batch", "the late ones", "those that stay"), yours, wanted):
            same(mine, right, f"{words} at {now}")
    every = itertools.chain.from_iterable([*batch, *late] for batch, late, _ in told)
    holds(sorted([*every, *told[-1][2]]) == list(range(len(requests))), "no request is lost, and none is there twice")


# -- accounting -------------------------------------------------------------------------------------------------------


def lead_counted():
    """The first number of examples that gets a candidate through our gate."""
    from tinytorch.mlops import promotion_gate

    return next(n for n in itertools.count(1) if promotion_gate([1] * n, [0] * n, level=0.01).promote)


@rubric.accounting(points=1, unit="examples", counted=lead_counted, tolerance=0, difficulty=1, minutes=6)
def smallest_lead():
    """On how many examples must the candidate be right and the live model wrong, at least, to be promoted at 0.01?

    On all other examples the two agree.
    """
    # Each such example is a coin that fell for the candidate. How likely are n of n?
    return math.ceil(math.log2(1 / 0.01))


def waits_counted():
    """The mean wait in our queue, in milliseconds: it is asked whenever something is due."""
    from tinytorch.mlops import BatchQueue, Request

    queue, waits = BatchQueue(most=8, wait=10.0), []
    for number in range(4000):
        while queue.due() < 3.0 * number:
            now = queue.due()
            waits += [now - request.arrived for request in queue.take(now)[0]]
        queue.put(Request(number, 3.0 * number))
    return float(np.mean(waits))


@rubric.accounting(points=1, unit="ms", counted=waits_counted, tolerance=0.01, difficulty=2, minutes=8)
def mean_wait_ms():
    """How long does a request wait on average, in milliseconds, until its batch is taken?

    One arrives every 3 ms. A batch is taken when 8 are there, or when the first has waited for 10 ms.
    """
    # Put the first one at 0. Who has arrived until 10 ms? How long has each of these waited then? When does the next
    # batch begin?
    return (10 + 7 + 4 + 1) / 4


def bytes_kept():
    """What our registry has on the disk for six versions, of which one has the weights of another."""
    import tempfile
    from pathlib import Path

    from tinytorch import serialization
    from tinytorch.mlops import Registry

    shapes = [(784, 128), (128,), (128, 64), (64,), (64, 10), (10,)]
    state = lambda number: {str(i): np.full(shape, number, np.float32) for i, shape in enumerate(shapes)}
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(folder)
        for number in (1, 2, 3, 4, 2, 5):
            registry.register("digits", state(number))
        kept = [serialization.load(file) for file in Path(folder, "weights").iterdir()]
        return sum(array.nbytes for arrays in kept for array in arrays.values())


@rubric.accounting(points=1, unit="bytes", counted=bytes_kept, tolerance=0, difficulty=2, minutes=8)
def weights_on_disk():
    """How many bytes of weights are on the disk after six versions of one network have been registered?

    Linear layers of 784 to 128, to 64, to 10, with biases, in float32. The fifth version is trained from the same data
    with the same seed as the second, and has the same weights, bit for bit. The headers of files do not count.
    """
    # Weights and biases of each layer, four bytes each. What is a file's name made from?
    numbers = 784 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10
    return 5 * 4 * numbers
