"""Wrong answers to chapter 00: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import math
import time
from statistics import median

import numpy as np

from tinytorch.environment import Timing, generator, summarize
from tito.rubrics.planted import wrong

# -- timeit -----------------------------------------------------------------------------------------------------------

wrong("timeit", "does not warm up", "function()\n\ndef run", "def run")
wrong("timeit", "forgets to divide by the number of calls", "run(calls) / calls", "run(calls)")
wrong(
    "timeit",
    "takes one run, and repeats it in words",
    "[run(calls) / calls for _ in range(repeats)]",
    "[run(calls) / calls] * repeats",
)
wrong("timeit", "makes one call a run, however short", "run(calls) < at_least", "False")
wrong("timeit", "adds a call where it should double", "calls *= 2", "calls += 1")
wrong("timeit", "stops when a run is longer, not when it is as long", "< at_least", "<= at_least")


@wrong("timeit", "reads the clock around every call")
def timeit_per_call(function, repeats=7, at_least=2e-3):
    def once():
        start = time.perf_counter()
        function()
        return time.perf_counter() - start

    function()
    calls = 1
    while sum(once() for _ in range(calls)) < at_least:
        calls *= 2
    return summarize([sum(once() for _ in range(calls)) / calls for _ in range(repeats)])


@wrong("timeit", "works the number of calls out from the first call, which is cold")
def timeit_by_the_first_call(function, repeats=7, at_least=2e-3):
    start = time.perf_counter()
    function()
    once = max(time.perf_counter() - start, 1e-3)
    calls = max(1, math.ceil(at_least / once))
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(calls):
            function()
        seconds.append((time.perf_counter() - start) / calls)
    return summarize(seconds)


@wrong("timeit", "counts the run that was tried among those that are told")
def timeit_counts_the_trial(function, repeats=7, at_least=2e-3):
    def run(calls):
        start = time.perf_counter()
        for _ in range(calls):
            function()
        return time.perf_counter() - start

    function()
    calls = 1
    while (tried := run(calls)) < at_least:
        calls *= 2
    return summarize([tried / calls, *(run(calls) / calls for _ in range(repeats - 1))])


@wrong("timeit", "divides the time of all runs by their number")
def timeit_of_all_runs(function, repeats=7, at_least=2e-3):
    def run(calls):
        start = time.perf_counter()
        for _ in range(calls):
            function()
        return time.perf_counter() - start

    function()
    calls = 1
    while run(calls) < at_least:
        calls *= 2
    mean = run(calls * repeats) / (calls * repeats)
    return Timing(mean, mean, mean)


wrong("timeit", "gives up after a thousand calls", "run(calls) < at_least", "run(calls) < at_least and calls < 1000")

# -- summarize --------------------------------------------------------------------------------------------------------

wrong("summarize", "takes the mean for the median", "median", "sum(seconds) / len")
wrong("summarize", "takes the middle of the list as it came", "median(seconds)", "seconds[len(seconds) // 2]")
wrong("summarize", "takes the upper of the middle two", "median(seconds)", "sorted(seconds)[len(seconds) // 2]")
wrong(
    "summarize", "takes the point halfway between the extremes", "median(seconds)", "(min(seconds) + max(seconds)) / 2"
)
wrong("summarize", "sorts the caller's list", "return Timing", "seconds.sort()\nreturn Timing")
wrong("summarize", "takes the lower of the middle two", "median(seconds)", "sorted(seconds)[(len(seconds) - 1) // 2]")


@wrong("summarize", "exchanges fastest and slowest: the fastest has the *fewest* seconds")
def summarize_exchanged(seconds):
    return Timing(median(seconds), max(seconds), min(seconds))


wrong(
    "summarize",
    "rounds to microseconds",
    "median(seconds), min(seconds)",
    "round(median(seconds), 6), round(min(seconds), 6)",
)
wrong("summarize", "keeps seven digits", "return", "seconds = [float(np.float32(s)) for s in seconds]\nreturn")

# -- nbytes -----------------------------------------------------------------------------------------------------------

wrong("nbytes", "counts elements, not bytes", "* np.dtype(dtype).itemsize", "")
wrong("nbytes", "adds the axes", "math.prod", "sum")
wrong("nbytes", "counts bits", "itemsize", "itemsize * 8")
wrong("nbytes", "holds that a shape of () is nothing", "itemsize", "itemsize if shape else 0")
wrong("nbytes", "multiplies in 32 bits, which wrap", "math.prod(shape)", "int(np.prod(shape, dtype=np.int32))")
wrong("nbytes", "takes np.prod, which makes the float 1.0 of ()", "math.prod", "np.prod")


@wrong("nbytes", "takes every element for four bytes")
def nbytes_four(shape, dtype=np.float32):
    return 4 * math.prod(shape)


@wrong("nbytes", "has a table of names, and takes any other dtype for a float32")
def nbytes_by_name(shape, dtype=np.float32):
    size = {"float16": 2, "float64": 8, "int8": 1, "int64": 8, "bool": 1, "complex128": 16}.get(str(dtype), 4)
    return math.prod(shape) * size


@wrong("nbytes", "reads the bits in the dtype's name")
def nbytes_by_bits(shape, dtype=np.float32):
    bits = "".join(c for c in np.dtype(dtype).name if c.isdigit())
    return math.prod(shape) * (int(bits) // 8 if bits else 4)


# -- matmul_flops -----------------------------------------------------------------------------------------------------

wrong("matmul_flops", "forgets the additions", "2 * m", "m")
wrong("matmul_flops", "forgets the inner axis", "k * n", "n")
wrong("matmul_flops", "counts the numbers that go in", "m * k * n", "(m * k + k * n)")
wrong("matmul_flops", "adds a multiplication for each axis", "2", "3")
wrong("matmul_flops", "multiplies in float32, which loses digits", "2 * m * k * n", "int(np.float32(2) * m * k * n)")

# -- forecast ---------------------------------------------------------------------------------------------------------

wrong("forecast", "takes the earlier of the two", "max", "min")
wrong("forecast", "forgets the memory", "max(flops / peak, moved / bandwidth)", "flops / peak")
wrong("forecast", "turns the fractions over", "flops / peak, moved / bandwidth", "peak / flops, bandwidth / moved")
wrong("forecast", "divides whole numbers", "flops / peak, moved / bandwidth", "flops // peak, moved // bandwidth")


@wrong("forecast", "adds the two times, as if nothing overlapped")
def forecast_sum(flops, moved, peak, bandwidth):
    return flops / peak + moved / bandwidth


wrong(
    "forecast",
    "rounds to microseconds",
    "max(flops / peak, moved / bandwidth)",
    "round(max(flops / peak, moved / bandwidth), 6)",
)

# -- manual_seed ------------------------------------------------------------------------------------------------------

wrong(
    "manual_seed",
    "seeds NumPy's own global generator, which nobody here uses",
    "generator.bit_generator.state = np.random.default_rng(seed).bit_generator.state",
    "np.random.seed(seed)",
)
wrong("manual_seed", "returns nothing", "return generator", "")
wrong(
    "manual_seed",
    "takes a negative seed for its size",
    "seed < 0",
    "False",
    "default_rng(seed)",
    "default_rng(abs(seed))",
)
wrong("manual_seed", "always starts from the same place, whatever the seed", "(seed)", "(0)")
wrong("manual_seed", "keeps 32 bits of the seed", "default_rng(seed)", "default_rng(seed % 2**32)")
wrong("manual_seed", "refuses 0", "seed < 0", "seed <= 0")
wrong(
    "manual_seed",
    "tries the generator before it hands it over",
    "return generator",
    "generator.random()\nreturn generator",
)


@wrong("manual_seed", "makes a new generator and leaves the old one to those who hold it")
def seed_new_generator(seed):
    global generator
    if seed < 0:
        raise ValueError(f"a seed is 0 or more, got {seed}")
    generator = np.random.default_rng(seed)
    return generator


@wrong("manual_seed", "leaves the half of a number that a float32 has not used")
def seed_all_but_the_half(seed):
    if seed < 0:
        raise ValueError(f"a seed is 0 or more, got {seed}")
    state = generator.bit_generator.state
    state["state"] = np.random.default_rng(seed).bit_generator.state["state"]
    generator.bit_generator.state = state
    return generator


# -- network_intensity ------------------------------------------------------------------------------------------------

wrong(
    "network_intensity",
    "counts products and no sums",
    "2 * 500 * 64 * 32 + 2 * 500 * 32 * 10",
    "500 * 64 * 32 + 500 * 32 * 10",
)
wrong("network_intensity", "divides by numbers, not by bytes", "(4 * numbers)", "numbers")
wrong(
    "network_intensity",
    "leaves out what is written",
    "500 * 64 + 64 * 32 + 500 * 32 + 500 * 32 + 32 * 10 + 500 * 10",
    "500 * 64 + 64 * 32 + 500 * 32 + 32 * 10",
)
wrong("network_intensity", "turns the ratio round", "operations / (4 * numbers)", "4 * numbers / operations")
