"""Chapter 00, environment: reading what a machine says of itself, and the arithmetic behind every measurement."""

import math
import statistics

import numpy as np
from hypothesis import strategies as st
from strategies import shapes

from tito.rubrics.compare import close, holds, refuses, same
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("00", module="environment")

rubric.exercise("parse_cpu", difficulty=2, minutes=12)
rubric.exercise("parse_memory", difficulty=1, minutes=8)
rubric.exercise("summarize", difficulty=1, minutes=5)
rubric.exercise("nbytes", difficulty=1, minutes=3)
rubric.exercise("matmul_flops", difficulty=2, minutes=5)
rubric.exercise("forecast", difficulty=2, minutes=7)
rubric.exercise("manual_seed", difficulty=1, minutes=8)


def plain(number):
    """A NumPy integer as Python's own: either will do as an answer."""
    return int(number) if isinstance(number, np.integer) else number


# -- parse_cpu --------------------------------------------------------------------------------------------------------

MODELS = ["Z80", "Z80 @ 4 MHz", "Chip: model 7", "Cortex-A76: 8 cores"]


def cpuinfo(name, cores):
    """A text like /proc/cpuinfo: one paragraph a core; other lines mention processors and models too."""
    named = "" if name is None else f"model name\t: {name}\n"
    return "".join(
        f"processor\t: {core}\nvendor_id\t: GenuineChips\nmodel\t\t: 167\n{named}siblings\t: {cores + 2}\n"
        f"cpu cores\t: {cores + 1}\nflags\t\t: fpu processor model name\n\n"
        for core in range(cores)
    )


rubric.doctests("parse_cpu", points=1)


@rubric.check("parse_cpu", points=1)
@given(st.sampled_from(MODELS), st.integers(1, 3))
def the_name_is_all_that_follows_the_colon(student, name, cores):
    """The model's name is what follows the first colon of its line, without the spaces around it."""
    yours, _ = student.parse_cpu(cpuinfo(name, cores))
    same(yours, name, "the name")


@rubric.check("parse_cpu", points=1)
@given(st.sampled_from(MODELS), st.integers(1, 12))
def one_paragraph_a_core(student, name, cores):
    """There are as many cores as lines `processor : ...`; other lines that mention cores count something else."""
    _, yours = student.parse_cpu(cpuinfo(name, cores))
    same(yours, cores, "the number of cores")


@rubric.check("parse_cpu", points=1)
@given(st.integers(1, 3), always=[0])
def some_machines_have_no_name(student, cores):
    """Without a line `model name`, the name is "unknown", and the cores still count."""
    same(list(student.parse_cpu(cpuinfo(None, cores))), ["unknown", cores], "name and cores")


# -- parse_memory -----------------------------------------------------------------------------------------------------


def meminfo(total, free, before=""):
    return f"{before}MemTotal:   {total:8} kB\nMemFree:    {free:8} kB\nSwapTotal:  {0:8} kB\n"


rubric.doctests("parse_memory", points=1)


@rubric.check("parse_memory", points=1)
@given(
    st.integers(1, 50).map(lambda n: 4 * n),
    st.integers(0, 3),
    st.sampled_from(["", "OldMemTotal:  12 kB\n"]),
    always=[(65_829_484, 1024, ""), (7, 0, "Old MemTotal:  12 kB\n")],
)
def a_kb_is_1024_bytes(student, total, free, before):
    """Bytes are 1024 times the number on the line that starts with MemTotal."""
    yours = plain(student.parse_memory(meminfo(total, free, before)))
    if isinstance(yours, int):
        holds(yours != 1000 * total, "the file says kB and means 1024 bytes", yours=yours, expected=1024 * total)
        holds(yours != total, "the answer is in bytes, not in kB", yours=yours, expected=1024 * total)
    same(yours, 1024 * total, "the memory")


@rubric.check("parse_memory", points=1)
def a_text_without_it_is_refused(student):
    """A text without such a line has no answer: ValueError."""
    refuses("ValueError", student.parse_memory, "MemFree: 1024 kB\n")
    refuses("ValueError", student.parse_memory, "")


# -- summarize --------------------------------------------------------------------------------------------------------


@rubric.probe
def summarized(tt, seconds):
    timing = tt.environment.summarize(seconds)
    return [timing.median, timing.fastest, timing.slowest]


def timings(counts):
    """Some timings, in any order."""
    seconds = st.integers(1, 9).map(float)
    return st.sampled_from(counts).flatmap(lambda n: st.lists(seconds, min_size=n, max_size=n))


rubric.doctests("summarize", points=1)


@rubric.check("summarize", points=1)
@given(timings([1, 3, 5, 2, 4]), always=[[9.0, 1.0, 2.0], [9.0, 1.0, 4.0, 2.0], [1, 2], [0.5, 0.5]])
def half_are_faster_and_half_are_slower(student, seconds):
    """The median is the middle one in order; of an even number of timings, the point halfway between the middle two."""
    mistakes = {
        "this is the mean: one slow run moves it": statistics.fmean(seconds),
        "this is the middle of the list as it came: put it in order first": seconds[len(seconds) // 2],
        "an even number has two in the middle: take the point halfway between": sorted(seconds)[len(seconds) // 2],
    }
    close(student.summarized(seconds)[0], statistics.median(seconds), "the median", mistakes=mistakes)


@rubric.check("summarize", points=1)
@given(timings([1, 2, 3, 4]), always=[[2.0, 9.0, 1.0, 4.0], [3, 1, 2]])
def extremes_have_their_places(student, seconds):
    """The fastest run took the fewest seconds, the slowest the most."""
    _, fastest, slowest = student.summarized(seconds)
    close(fastest, min(seconds), "fastest")
    close(slowest, max(seconds), "slowest")


# -- nbytes -----------------------------------------------------------------------------------------------------------

DTYPES = ["int8", "float16", "float32", "float64", "int64"]

rubric.doctests("nbytes", points=1)


@rubric.check("nbytes", points=1)
@given(
    st.tuples(shapes(dims=4, sides=4), st.sampled_from(DTYPES)),
    always=[((50_000, 50_000, 3), "float32"), ((2, 3), "int8"), ((2, 3), "float16"), ((2, 3), "int64")],
)
def elements_times_the_size_of_one(student, shape, dtype):
    """An array's bytes are the product of its axes, times the bytes of one element, however many there are."""
    same(plain(student.nbytes(shape, dtype)), math.prod(shape) * np.dtype(dtype).itemsize, "the bytes")


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
    always=[(7, 1, 2, 1), (1, 7, 1, 2), (4.0, 6.0, 2.0, 3.0), (2e12, 1e9, 1e11, 2e10), (3e8, 5e9, 1e11, 2e10)],
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
    close(student.forecast(flops, moved, peak, bandwidth), max(computing, moving), "the time", mistakes=mistakes)


# -- manual_seed ------------------------------------------------------------------------------------------------------


@rubric.probe
def draw_after_seeding(tt, seed, before):
    held = tt.environment.generator
    held.bit_generator.state = np.random.default_rng(99).bit_generator.state
    held.random(before)
    tt.environment.manual_seed(seed)
    tt.environment.generator = held
    return held.random(3)


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
    close(yours, np.random.default_rng(seed).random(3), "the next three numbers")


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
