"""Right answers to chapter 00, written in other ways: none may lose a point. Read, never run."""

import time
from statistics import median

import numpy as np

from tinytorch.environment import Timing, generator, summarize
from tito.rubrics.planted import right

# -- timeit -----------------------------------------------------------------------------------------------------------

right("timeit", "adds the calls to themselves", "calls *= 2", "calls += calls")


@right("timeit", "counts by halves, and collects the runs")
def timeit_collected(function, repeats=7, at_least=2e-3):
    from time import perf_counter as clock

    def seconds_for(n):
        begun = clock()
        while n:
            function()
            n -= 1
        return clock() - begun

    function()
    power = 0
    while seconds_for(2**power) < at_least:
        power += 1
    runs = []
    for _ in range(repeats):
        runs.append(seconds_for(2**power) / 2**power)
    return summarize(runs)


@right("timeit", "one loop for both stages")
def timeit_in_one_loop(function, repeats=7, at_least=2e-3):
    function()
    calls, enough, seconds = 1, False, []
    while len(seconds) < repeats:
        start = time.perf_counter()
        for _ in range(calls):
            function()
        took = time.perf_counter() - start
        if enough:
            seconds.append(took / calls)
        elif took >= at_least:
            enough = True
        else:
            calls = 2 * calls
    return Timing(median(seconds), min(seconds), max(seconds))


@right("timeit", "calls what stands in a list, which is doubled")
def timeit_of_a_list(function, repeats=7, at_least=2e-3):
    def seconds_for(calls):
        start = time.perf_counter()
        for call in calls:
            call()
        return time.perf_counter() - start

    function()
    calls = [function]
    while seconds_for(calls) < at_least:
        calls = calls * 2
    return summarize([seconds_for(calls) / len(calls) for _ in range(repeats)])


# -- summarize --------------------------------------------------------------------------------------------------------

right("summarize", "NumPy's median", "median(seconds)", "float(np.median(seconds))")


@right("summarize", "sorts a copy")
def summarize_sorted(seconds):
    ordered = sorted(seconds)
    n = len(ordered)
    middle = ordered[n // 2] if n % 2 else (ordered[n // 2 - 1] + ordered[n // 2]) / 2
    return Timing(middle, ordered[0], ordered[-1])


@right("summarize", "the mean of the two middle ones, which may be one and the same")
def summarize_two_middles(seconds):
    ordered = sorted(seconds)
    lower, upper = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return Timing(median=0.5 * (lower + upper), fastest=min(ordered), slowest=max(ordered))


right(
    "summarize",
    "NumPy's numbers",
    "median(seconds), min(seconds), max(seconds)",
    "np.quantile(seconds, 0.5), np.min(seconds), np.max(seconds)",
)

# -- nbytes -----------------------------------------------------------------------------------------------------------

right("nbytes", "NumPy's product, as an integer", "math.prod(shape)", "int(np.prod(shape))")
right("nbytes", "NumPy's integers all the way", "math.prod(shape)", "np.prod(shape, dtype=np.int64)")


@right("nbytes", "axis by axis")
def nbytes_by_axes(shape, dtype=np.float32):
    size = np.dtype(dtype).itemsize
    for axis in shape:
        size *= axis
    return size


right("nbytes", "asks an array of one", "np.dtype(dtype).itemsize", "np.zeros((), dtype).nbytes")

# -- matmul_flops -----------------------------------------------------------------------------------------------------

right("matmul_flops", "products and sums apart", "2 * m * k * n", "m * n * k + m * n * k")
right("matmul_flops", "another order", "2 * m * k * n", "m * n * (2 * k)")
right("matmul_flops", "a product of a list", "2 * m * k * n", "math.prod([2, m, k, n])")

# -- forecast ---------------------------------------------------------------------------------------------------------

right(
    "forecast",
    "the later one named",
    "max(flops / peak, moved / bandwidth)",
    "sorted([flops / peak, moved / bandwidth])[1]",
)
right(
    "forecast",
    "NumPy's maximum",
    "max(flops / peak, moved / bandwidth)",
    "float(np.maximum(flops / peak, moved / bandwidth))",
)


@right("forecast", "by the intensity at which the roofline bends")
def forecast_by_intensity(flops, moved, peak, bandwidth):
    if flops / moved > peak / bandwidth:
        return flops / peak
    return moved / bandwidth


@right("forecast", "half of the sum and of the difference")
def forecast_by_halves(flops, moved, peak, bandwidth):
    computing, moving = flops / peak, moved / bandwidth
    return (computing + moving + abs(computing - moving)) / 2


# -- manual_seed ------------------------------------------------------------------------------------------------------

right("manual_seed", "turned round", "seed < 0", "not seed >= 0")


@right("manual_seed", "makes the state from a new bit generator")
def seed_by_bit_generator(seed):
    if seed < 0:
        raise ValueError(f"seeds start at 0, got {seed}")
    generator.bit_generator.state = np.random.PCG64(seed).state
    return generator


@right("manual_seed", "names both")
def seed_by_steps(seed):
    if seed < 0:
        raise ValueError("a negative seed: " + str(seed))
    fresh = np.random.default_rng(seed)
    ours = generator.bit_generator
    ours.state = fresh.bit_generator.state
    return generator


@right("manual_seed", "begins the bit generator again, in place")
def seed_by_beginning_again(seed):
    if seed < 0:
        raise ValueError(f"no seed: {seed}")
    generator.bit_generator.__init__(seed)
    return generator


# -- network_intensity ------------------------------------------------------------------------------------------------

right("network_intensity", "bytes first", "operations / (4 * numbers)", "operations / 4 / numbers")


@right("network_intensity", "product by product")
def intensity_by_products():
    operations = moved = 0
    for m, k, n in ((500, 64, 32), (500, 32, 10)):
        operations += 2 * m * k * n
        moved += 4 * (m * k + k * n + m * n)
    return operations / moved


@right("network_intensity", "by the arrays themselves")
def intensity_by_arrays():
    shapes = [(500, 64), (64, 32), (500, 32), (500, 32), (32, 10), (500, 10)]
    return 2 * 500 * 32 * (64 + 10) / sum(np.zeros(shape, np.float32).nbytes for shape in shapes)
