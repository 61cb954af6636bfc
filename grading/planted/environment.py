"""Wrong answers to chapter 00: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import math
import re
from statistics import median

import numpy as np

from tinytorch.environment import Timing
from tito.rubrics.planted import wrong

# -- parse_cpu --------------------------------------------------------------------------------------------------------

wrong(
    "parse_cpu",
    "keeps only what stands between the first two colons",
    'key, _, value = line.partition(":")',
    'key, value, *_ = f"{line}:".split(":")',
)
wrong(
    "parse_cpu",
    "counts every line that mentions a processor",
    'elif key.strip() == "processor":\n        cores += 1',
    'cores += "processor" in line',
)
wrong("parse_cpu", "takes the number of the last core for the number of cores", "cores += 1", "cores = int(value)")
wrong("parse_cpu", "leaves the spaces around the name", "value.strip()", "value")


@wrong("parse_cpu", "needs a model name, and counts cores by it")
def cpu_counts_names(text):
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0], len(names)


# -- parse_memory -----------------------------------------------------------------------------------------------------

wrong("parse_memory", "takes kB at its word: 1000 bytes", "* 1024", "* 1000")
wrong("parse_memory", "forgets to turn kB into bytes", " * 1024", "")
wrong("parse_memory", "looks in the first line only", ", re.MULTILINE", "")
wrong("parse_memory", "reads the memory that is free", "^MemTotal", "^MemFree")
wrong("parse_memory", "answers with a float", "int(found[1]) * 1024", "float(found[1]) * 1024")
wrong(
    "parse_memory",
    "multiplies in 32 bits, which wrap",
    "int(found[1]) * 1024",
    "int(np.int32(found[1]) * np.int32(1024))",
)


@wrong("parse_memory", "returns 0 where there is no answer")
def memory_zero(text):
    found = re.search(r"^MemTotal:\s*(\d+)\s*kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


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
