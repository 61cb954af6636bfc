"""Chapter 00, environment: a stopwatch that can be trusted, and the arithmetic behind every measurement."""

import math
import statistics

import numpy as np
from hypothesis import strategies as st
from strategies import shapes

from tito.rubrics.compare import close, holds, refuses, same
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("00", module="environment")

rubric.exercise("timeit", difficulty=3, minutes=25)
rubric.exercise("summarize", difficulty=1, minutes=5)
rubric.exercise("nbytes", difficulty=1, minutes=3)
rubric.exercise("matmul_flops", difficulty=2, minutes=5)
rubric.exercise("forecast", difficulty=2, minutes=7)
rubric.exercise("manual_seed", difficulty=1, minutes=8)


def plain(number):
    """A NumPy integer as Python's own: either will do as an answer."""
    return int(number) if isinstance(number, np.integer) else number


# -- timeit -----------------------------------------------------------------------------------------------------------


@rubric.probe
def timed(tt, first, later, reading, tick, repeats, at_least):
    """What timeit finds by a clock of our own, how often it called, and how often it read the clock.

    The first call takes `first` seconds, each other one takes the next of `later`, over and over; a reading of the
    clock takes `reading` seconds, and the clock tells whole ticks only. After 20,000 calls the clock runs away, so
    that no loop goes on for ever.
    """
    import time

    now, calls, readings = 0.0, 0, 0

    def clock():
        nonlocal now, readings
        told, readings = now, readings + 1
        now += reading
        return told // tick * tick if tick else told

    def function():
        nonlocal now, calls
        now += first if not calls else later[(calls - 1) % len(later)]
        calls += 1
        if calls > 20_000:
            raise RuntimeError("timeit has called the function 20,000 times and goes on")

    kept, time.perf_counter = time.perf_counter, clock
    try:
        timing = tt.environment.timeit(function, repeats=repeats, at_least=at_least)
    finally:
        time.perf_counter = kept
    return np.array([timing.median, timing.fastest, timing.slowest]), calls, readings


def doubled(seconds, at_least):
    """The first of 1, 2, 4, 8... calls of so many seconds that take at_least."""
    calls = 1
    while calls * seconds < at_least:
        calls *= 2
    return calls


powers = st.integers(-3, 3).map(lambda n: 2.0**n)  # so that sums of seconds are exact


@rubric.check("timeit", points=1)
@given(powers, st.integers(1, 4), always=[(0.5, 1), (2.0, 3)])
def the_first_call_is_left_out(student, seconds, repeats):
    """A first call loads what later ones find loaded: it is made before the clock starts, and counts for nothing."""
    (median, fastest, slowest), calls, _ = student.timed(1000.0 * seconds, [seconds], 0.0, 0.0, repeats, 0.0)
    mistakes = {"the first call has been timed": 1000.0 * seconds}
    close(slowest, seconds, "the slowest", mistakes=mistakes)
    close(np.array([median, fastest]), np.full(2, seconds), "median and fastest")
    same(calls, 1 + 1 + repeats, "the number of calls: one to warm up, one to try, one a run")


@rubric.check("timeit", points=1)
@given(
    powers,
    st.integers(1, 4),
    st.sampled_from([0.0, 1.0, 3.0, 8.0]),
    always=[(0.125, 2, 8.0), (0.5, 1, 4.0), (2**-11, 1, 1.0)],
)
def calls_are_doubled_until_they_fill_the_time(student, seconds, repeats, at_least):
    """Runs of 1, 2, 4... calls are tried until one takes at_least; as many calls are in each run that counts."""
    (median, *_), calls, readings = student.timed(seconds, [seconds], 0.0, 0.0, repeats, at_least)
    enough = doubled(seconds, at_least)
    tried = 2 * enough - 1  # 1 + 2 + 4 + ... + enough
    mistakes = {"this is what a run took, and not what a call took": seconds * enough}
    close(median, seconds, "the median", mistakes=mistakes if enough > 1 else {})
    same(calls, 1 + tried + repeats * enough, "the number of calls")
    same(readings, 2 * (enough.bit_length() + repeats), "the number of readings: two a run, and none in between")


@rubric.check("timeit", points=1)
@given(powers, st.integers(1, 3), always=[(0.125, 3)])
def reading_the_clock_is_paid_once_a_run(student, seconds, repeats):
    """A reading that takes as long as a call hardly shows, because a run has many calls and two readings."""
    timing, *_ = student.timed(seconds, [seconds], seconds, 0.0, repeats, 256 * seconds)
    close(timing, np.full(3, seconds * 257 / 256), "median, fastest and slowest", rtol=1e-6)


@rubric.check("timeit", points=1)
@given(st.integers(1, 3), always=[3])
def a_coarse_clock_is_no_matter(student, repeats):
    """A clock that ticks once in 64 calls says 0 of most single calls, and the truth of runs that fill 16 ticks."""
    timing, *_ = student.timed(1.0, [1.0], 0.0, 64.0, repeats, 16 * 64.0)
    close(timing, np.ones(3), "median, fastest and slowest", rtol=0.07)


UNEVEN = [[1.0, 3.0, 8.0], [2.0, 2.0, 32.0, 4.0, 1.0]]


@rubric.check("timeit", points=1)
@given(st.integers(1, 5), always=[(repeats, later) for repeats in (3, 4) for later in UNEVEN])
def each_run_is_told(student, repeats, later=UNEVEN[0]):
    """What the runs took differs: the answer has their median, their fastest and their slowest."""
    timing, *_ = student.timed(1.0, later, 0.0, 0.0, repeats, 0.0)
    runs = [later[(1 + i) % len(later)] for i in range(repeats)]  # after one call to try
    close(timing, np.array([statistics.median(runs), min(runs), max(runs)]), "median, fastest and slowest")


# -- summarize --------------------------------------------------------------------------------------------------------


@rubric.probe
def summarized(tt, seconds):
    timing = tt.environment.summarize(seconds)
    return [timing.median, timing.fastest, timing.slowest]


def timings(counts):
    """Some timings, in any order."""
    seconds = st.integers(1, 9).map(float)
    return st.sampled_from(counts).flatmap(lambda n: st.lists(seconds, min_size=n, max_size=n))


NANOSECONDS = [3.1e-9, 1.2e-9, 7.3e-9, 4.4e-9]

rubric.doctests("summarize", points=1)


@rubric.check("summarize", points=1)
@given(timings([1, 3, 5, 2, 4]), always=[[9.0, 1.0, 2.0], [9.0, 1.0, 4.0, 2.0], [1, 2], [0.5, 0.5], NANOSECONDS])
def half_are_faster_and_half_are_slower(student, seconds):
    """The median is the middle one in order; of an even number of timings, the point halfway between the middle two."""
    mistakes = {
        "this is the mean: one slow run moves it": statistics.fmean(seconds),
        "this is the middle of the list as it came: put it in order first": seconds[len(seconds) // 2],
        "an even number has two in the middle: take the point halfway between": sorted(seconds)[len(seconds) // 2],
        "an even number has two in the middle, this is the lower": sorted(seconds)[(len(seconds) - 1) // 2],
    }
    yours, expected = student.summarized(seconds)[0], statistics.median(seconds)
    close(yours, expected, "the median", rtol=1e-9, atol=0, mistakes=mistakes)


@rubric.check("summarize", points=1)
@given(timings([1, 2, 3, 4]), always=[[2.0, 9.0, 1.0, 4.0], [3, 1, 2], NANOSECONDS])
def extremes_have_their_places(student, seconds):
    """The fastest run took the fewest seconds, the slowest the most."""
    _, fastest, slowest = student.summarized(seconds)
    close(fastest, min(seconds), "fastest", rtol=1e-9, atol=0)
    close(slowest, max(seconds), "slowest", rtol=1e-9, atol=0)


# -- nbytes -----------------------------------------------------------------------------------------------------------

DTYPES = ["int8", "float16", "float32", "float64", "int64", "bool", "complex128"]


@rubric.probe
def said_otherwise(tt, shape, dtype):
    """nbytes of a dtype that is given as np.dtype("int8"), and of one that is given as np.int8."""
    kind = np.dtype(dtype)
    return [int(tt.environment.nbytes(shape, dtype)) for dtype in (kind, kind.type)]


rubric.doctests("nbytes", points=1)


@rubric.check("nbytes", points=1)
@given(
    st.tuples(shapes(dims=4, sides=4), st.sampled_from(DTYPES)),
    always=[((50_000, 50_000, 3), "float32"), *[((2, 3), name) for name in DTYPES if name != "float32"]],
)
def elements_times_the_size_of_one(student, shape, dtype):
    """An array's bytes are the product of its axes, times the bytes of one element, however many there are."""
    expected = math.prod(shape) * np.dtype(dtype).itemsize
    same(plain(student.nbytes(shape, dtype)), expected, "the bytes")
    same(student.said_otherwise(shape, dtype), [expected] * 2, "the number of bytes by np.dtype(name) and by its type")


@rubric.check("nbytes", points=1)
@given(st.sampled_from(DTYPES))
def corners_of_shapes(student, dtype):
    """A shape of () is one element; an axis of 0 leaves none."""
    size = np.dtype(dtype).itemsize
    same(plain(student.nbytes((), dtype)), size, "the bytes of a scalar")
    same(plain(student.nbytes((3, 0, 2), dtype)), 0, "the bytes of an empty array")


# -- matmul_flops -----------------------------------------------------------------------------------------------------

rubric.doctests("matmul_flops", points=1)


@rubric.check("matmul_flops", points=1)
@given(st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6)), always=[(2, 3, 5), (10_001, 10_003, 10_007)])
def a_multiplication_and_an_addition_each(student, m, k, n):
    """Each of the m n sums has k terms, and each term is multiplied once and added once: an exact count."""
    close(student.matmul_flops(m, k, n), 2 * m * k * n, "the operations", rtol=0, atol=0)


# -- forecast ---------------------------------------------------------------------------------------------------------

whole = st.integers(1, 50).map(float)

rubric.doctests("forecast", points=1)


@rubric.check("forecast", points=1)
@given(
    st.tuples(whole, whole, whole, whole),
    always=[
        (7, 1, 2, 1),
        (1, 7, 1, 2),
        (4.0, 6.0, 2.0, 3.0),
        (2e12, 1e9, 1e11, 2e10),
        (3e8, 5e9, 1e11, 2e10),
        (2e3, 60, 1e11, 2e10),
    ],
)
def the_later_of_two(student, flops, moved, peak, bandwidth):
    """Arithmetic takes flops / peak, memory takes moved / bandwidth; they go on at once, and the later one counts."""
    computing, moving = flops / peak, moved / bandwidth
    mistakes = {
        "this is the sum: the processor computes while the next bytes arrive": computing + moving,
        "this is the earlier of the two: the work is not done until both are": min(computing, moving),
        "this counts the operations alone": computing,
        "this counts the bytes alone": moving,
    }
    close(
        student.forecast(flops, moved, peak, bandwidth), max(computing, moving), "the time", atol=0, mistakes=mistakes
    )


# -- manual_seed ------------------------------------------------------------------------------------------------------


@rubric.probe
def draw_after_seeding(tt, seed, before):
    held = tt.environment.generator
    held.bit_generator.state = np.random.default_rng(99).bit_generator.state
    held.random(before, np.float32)  # takes half a number of the generator's, which keeps the other half
    tt.environment.manual_seed(seed)
    tt.environment.generator = held
    return held.random(3, np.float32)


@rubric.probe
def returned_and_held(tt, seed):
    held = tt.environment.generator
    returned = tt.environment.manual_seed(seed)
    tt.environment.generator = held
    return returned is held


rubric.doctests("manual_seed", points=1)


@rubric.check("manual_seed", points=1)
@given(st.integers(0, 9), st.integers(0, 3), always=[(0, 1), (7, 0), (2**40 + 1, 2)])
def those_who_hold_the_generator_see_it_restart(student, seed, before):
    """Whatever was drawn before, a generator held since the import continues as default_rng(seed) begins."""
    yours = student.draw_after_seeding(seed, before)
    close(yours, np.random.default_rng(seed).random(3, np.float32), "the next three numbers")


@rubric.check("manual_seed", points=1)
def the_shared_one_comes_back(student):
    """The generator that is returned is the shared one itself, not another in the same state."""
    held = student.returned_and_held(3)
    holds(held, "manual_seed returns the shared generator itself")


@rubric.check("manual_seed", points=1)
@given(st.integers(-9, -1), always=[-1, -(2**40)])
def seeds_start_at_zero(student, seed):
    """A negative seed is refused, and the error says which it was."""
    refuses("ValueError", student.manual_seed, seed, mentioning=[str(seed)])


# -- accounting -------------------------------------------------------------------------------------------------------


def intensity_of_two_products():
    """Operations over bytes of two products in a row, by our own counters."""
    from tinytorch.environment import matmul_flops, nbytes

    flops = moved = 0
    for m, k, n in ((500, 64, 32), (500, 32, 10)):
        flops += matmul_flops(m, k, n)
        moved += nbytes((m, k)) + nbytes((k, n)) + nbytes((m, n))
    return flops / moved


@rubric.accounting(
    points=1, unit="operations a byte", counted=intensity_of_two_products, tolerance=1e-6, difficulty=2, minutes=10
)
def network_intensity():
    """What is the intensity of the digits network on 500 images, in operations a byte?

    It is two matrix products in float32, (500, 64) @ (64, 32) and (500, 32) @ (32, 10). Each reads its two matrices
    and writes its result. Divide all operations by all bytes.
    """
    # Count the operations of both products, then the bytes of six matrices.
    operations = 2 * 500 * 64 * 32 + 2 * 500 * 32 * 10
    numbers = 500 * 64 + 64 * 32 + 500 * 32 + 500 * 32 + 32 * 10 + 500 * 10
    return operations / (4 * numbers)
