"""Right answers to chapter 00, written in other ways: none may lose a point. Read, never run."""

import re

import numpy as np

from tinytorch.environment import Timing, generator
from tito.rubrics.planted import right

# -- parse_cpu --------------------------------------------------------------------------------------------------------

right("parse_cpu", "cuts the text itself", "text.splitlines()", 'text.split("\\n")')


@right("parse_cpu", "two patterns")
def cpu_by_patterns(text):
    names = re.findall(r"^model name\s*:[ \t]*(.*?)[ \t]*$", text, re.MULTILINE)
    return (names[-1] if names else "unknown"), len(re.findall(r"^processor\s*:", text, re.MULTILINE))


@right("parse_cpu", "counts the lines that begin with processor")
def cpu_by_beginnings(text):
    lines = text.split("\n")
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return next(iter(named), "unknown"), sum(line.startswith("processor") for line in lines)


# -- parse_memory -----------------------------------------------------------------------------------------------------

right("parse_memory", "shifts by ten bits", "int(found[1]) * 1024", "int(found[1]) << 10")


@right("parse_memory", "line by line")
def memory_by_lines(text):
    for line in text.splitlines():
        if line.startswith("MemTotal"):
            return 1024 * int(line.split()[1])
    raise ValueError("there is no MemTotal in it")


@right("parse_memory", "with NumPy's integers")
def memory_by_numpy(text):
    sizes = [line.split(":")[1].split()[0] for line in text.split("\n") if line.startswith("MemTotal:")]
    if not sizes:
        raise ValueError(f"no MemTotal in {text!r}")
    return np.int64(sizes[0]) * 1024


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


# -- nbytes -----------------------------------------------------------------------------------------------------------

right("nbytes", "NumPy's product, as an integer", "math.prod(shape)", "int(np.prod(shape))")
right("nbytes", "NumPy's integers all the way", "math.prod(shape)", "np.prod(shape, dtype=np.int64)")


@right("nbytes", "axis by axis")
def nbytes_by_axes(shape, dtype=np.float32):
    size = np.dtype(dtype).itemsize
    for axis in shape:
        size *= axis
    return size


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
