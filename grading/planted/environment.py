"""Wrong answers to chapter 00: mistakes that students really make. Read, never run; see tito/planted.py."""

import math
import re
from statistics import median

import numpy as np

from tinytorch.environment import Timing, generator
from tito.rubrics.planted import wrong

# -- parse_cpu --------------------------------------------------------------------------------------------------------


@wrong("parse_cpu", "keeps only what stands between the first two colons")
def cpu_split_at_every_colon(text):
    name, cores = "unknown", 0
    for line in text.splitlines():
        parts = line.split(":")
        if parts[0].strip() == "model name":
            name = parts[1].strip()
        elif parts[0].strip() == "processor":
            cores += 1
    return name, cores


@wrong("parse_cpu", "counts every line that mentions a processor")
def cpu_any_mention(text):
    name, cores = "unknown", 0
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        cores += "processor" in line
    return name, cores


@wrong("parse_cpu", "takes the number of the last core for the number of cores")
def cpu_last_number(text):
    name, cores = "unknown", 0
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        elif key.strip() == "processor":
            cores = int(value)
    return name, cores


@wrong("parse_cpu", "leaves the spaces around the name")
def cpu_unstripped(text):
    name, cores = "unknown", 0
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value
        elif key.strip() == "processor":
            cores += 1
    return name, cores


@wrong("parse_cpu", "needs a model name, and counts cores by it")
def cpu_counts_names(text):
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0], len(names)


# -- parse_memory -----------------------------------------------------------------------------------------------------


@wrong("parse_memory", "takes kB at its word: 1000 bytes")
def memory_thousands(text):
    found = re.search(r"^MemTotal:\s*(\d+)\s*kB", text, re.MULTILINE)
    if found is None:
        raise ValueError("no MemTotal")
    return int(found[1]) * 1000


@wrong("parse_memory", "forgets to turn kB into bytes")
def memory_in_kb(text):
    found = re.search(r"^MemTotal:\s*(\d+)\s*kB", text, re.MULTILINE)
    if found is None:
        raise ValueError("no MemTotal")
    return int(found[1])


@wrong("parse_memory", "returns 0 where there is no answer")
def memory_zero(text):
    found = re.search(r"^MemTotal:\s*(\d+)\s*kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


@wrong("parse_memory", "looks in the first line only")
def memory_first_line(text):
    found = re.match(r"MemTotal:\s*(\d+)\s*kB", text)
    if found is None:
        raise ValueError("no MemTotal")
    return int(found[1]) * 1024


@wrong("parse_memory", "reads the memory that is free")
def memory_free(text):
    found = re.search(r"^MemFree:\s*(\d+)\s*kB", text, re.MULTILINE)
    if found is None or "MemTotal" not in text:
        raise ValueError("no MemFree")
    return int(found[1]) * 1024


# -- summarize --------------------------------------------------------------------------------------------------------


@wrong("summarize", "takes the mean for the median")
def summarize_mean(seconds):
    return Timing(sum(seconds) / len(seconds), min(seconds), max(seconds))


@wrong("summarize", "takes the middle of the list as it came")
def summarize_unsorted(seconds):
    return Timing(seconds[len(seconds) // 2], min(seconds), max(seconds))


@wrong("summarize", "takes the upper of the middle two")
def summarize_upper(seconds):
    return Timing(sorted(seconds)[len(seconds) // 2], min(seconds), max(seconds))


@wrong("summarize", "takes the point halfway between the extremes")
def summarize_midrange(seconds):
    return Timing((min(seconds) + max(seconds)) / 2, min(seconds), max(seconds))


@wrong("summarize", "exchanges fastest and slowest: the fastest has the *fewest* seconds")
def summarize_exchanged(seconds):
    return Timing(median(seconds), max(seconds), min(seconds))


# -- nbytes -----------------------------------------------------------------------------------------------------------


@wrong("nbytes", "counts elements, not bytes")
def nbytes_elements(shape, dtype=np.float32):
    return math.prod(shape)


@wrong("nbytes", "takes every element for four bytes")
def nbytes_four(shape, dtype=np.float32):
    return 4 * math.prod(shape)


@wrong("nbytes", "adds the axes")
def nbytes_sum(shape, dtype=np.float32):
    return sum(shape) * np.dtype(dtype).itemsize


@wrong("nbytes", "counts bits")
def nbytes_bits(shape, dtype=np.float32):
    return math.prod(shape) * np.dtype(dtype).itemsize * 8


@wrong("nbytes", "holds that a shape of () is nothing")
def nbytes_scalar_is_nothing(shape, dtype=np.float32):
    return math.prod(shape) * np.dtype(dtype).itemsize if shape else 0


# -- matmul_flops -----------------------------------------------------------------------------------------------------


@wrong("matmul_flops", "forgets the additions")
def flops_multiplications(m, k, n):
    return m * k * n


@wrong("matmul_flops", "forgets the inner axis")
def flops_of_the_result(m, k, n):
    return 2 * m * n


@wrong("matmul_flops", "counts the numbers that go in")
def flops_of_the_inputs(m, k, n):
    return 2 * (m * k + k * n)


@wrong("matmul_flops", "adds a multiplication for each axis")
def flops_three(m, k, n):
    return 3 * m * k * n


# -- forecast ---------------------------------------------------------------------------------------------------------


@wrong("forecast", "adds the two times, as if nothing overlapped")
def forecast_sum(flops, moved, peak, bandwidth):
    return flops / peak + moved / bandwidth


@wrong("forecast", "takes the earlier of the two")
def forecast_min(flops, moved, peak, bandwidth):
    return min(flops / peak, moved / bandwidth)


@wrong("forecast", "forgets the memory")
def forecast_compute(flops, moved, peak, bandwidth):
    return flops / peak


@wrong("forecast", "turns the fractions over")
def forecast_inverted(flops, moved, peak, bandwidth):
    return max(peak / flops, bandwidth / moved)


# -- manual_seed ------------------------------------------------------------------------------------------------------


@wrong("manual_seed", "makes a new generator and leaves the old one to those who hold it")
def seed_new_generator(seed):
    global generator
    if seed < 0:
        raise ValueError(f"a seed is 0 or more, got {seed}")
    generator = np.random.default_rng(seed)
    return generator


@wrong("manual_seed", "seeds NumPy's own global generator, which nobody here uses")
def seed_numpy(seed):
    if seed < 0:
        raise ValueError(f"a seed is 0 or more, got {seed}")
    np.random.seed(seed)
    return generator


@wrong("manual_seed", "returns nothing")
def seed_returns_nothing(seed):
    if seed < 0:
        raise ValueError(f"a seed is 0 or more, got {seed}")
    generator.bit_generator.state = np.random.default_rng(seed).bit_generator.state


@wrong("manual_seed", "takes a negative seed for its size")
def seed_absolute(seed):
    generator.bit_generator.state = np.random.default_rng(abs(seed)).bit_generator.state
    return generator


@wrong("manual_seed", "always starts from the same place, whatever the seed")
def seed_ignored(seed):
    if seed < 0:
        raise ValueError(f"a seed is 0 or more, got {seed}")
    generator.bit_generator.state = np.random.default_rng(0).bit_generator.state
    return generator
