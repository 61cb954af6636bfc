"""The machine: what the numbers in this book run on.

Every measurement needs a yardstick. This module names the machine, counts bytes, holds the one random
generator, and times a function so that the answer means something.
"""

import ctypes
import math
import os
import platform
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

# -- what machine this is ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Machine:
    """One machine, as a measurement must name it. Memory in bytes; threads are those BLAS was told to use."""

    cpu: str
    cores: int
    memory: int
    python: str
    numpy: str
    blas: str
    threads: int

    def __str__(self) -> str:
        """
        >>> print(Machine("EPYC", cores=2, memory=24 * 2**30, python="3.11", numpy="2.4", blas="openblas", threads=1))
        EPYC, 2 cores, 24.0 GiB; Python 3.11, NumPy 2.4, openblas on 1 thread
        """
        plural = "" if self.threads == 1 else "s"
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory / 2**30:.1f} GiB; "
            f"Python {self.python}, NumPy {self.numpy}, {self.blas} on {self.threads} thread{plural}"
        )


def parse_cpu(text: str) -> tuple[str, int]:
    """The model name and the number of logical cores in the text of Linux's /proc/cpuinfo.

    The file has one paragraph a core, each with the lines `processor : 0` and, on most machines, `model name : ...`.
    A text without a model name gives "unknown".

    >>> parse_cpu("processor : 0\\nmodel name : Z80 @ 4 MHz\\n\\nprocessor : 1\\nmodel name : Z80 @ 4 MHz\\n")
    ('Z80 @ 4 MHz', 2)
    """
    name, cores = "unknown", 0
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        elif key.strip() == "processor":
            cores += 1
    return name, cores


def parse_memory(text: str) -> int:
    """The installed memory, in bytes, in the text of Linux's /proc/meminfo.

    The file counts kibibytes and calls them kB. Raises ValueError if there is no line that starts with MemTotal.

    >>> parse_memory("MemTotal:       24576 kB\\nMemFree:         1024 kB\\n")
    25165824
    """
    found = re.search(r"^MemTotal:\s*(\d+)\s*kB", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"needs a line such as 'MemTotal: 1024 kB', got {text[:60]!r}")
    return int(found[1]) * 1024


def machine() -> Machine:
    """Describe the machine that this Python runs on. What a system does not tell is "unknown" or 0."""
    cpu, cores = platform.processor() or platform.machine() or "unknown", os.cpu_count() or 1
    memory = 0
    if Path("/proc/cpuinfo").exists():
        cpu, listed = parse_cpu(Path("/proc/cpuinfo").read_text())
        cores = listed or cores  # some processors are listed in another form
        memory = parse_memory(Path("/proc/meminfo").read_text())
    elif hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    config: Any = np.show_config(mode="dicts")
    blas = config["Build Dependencies"]["blas"]["name"]
    return Machine(cpu, cores, memory, platform.python_version(), np.__version__, blas, blas_threads())


def blas_threads() -> int:
    """How many threads the matrix library may use: the setting that stood when NumPy was imported, else every core."""
    for setting in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(setting, "").isdigit():
            return int(os.environ[setting])
    return os.cpu_count() or 1


# -- bytes ---------------------------------------------------------------------------------------------------------


def nbytes(shape: tuple[int, ...], dtype: Any = np.float32) -> int:
    """The bytes that an array of this shape and dtype holds: the product of its axes, times the size of an element.

    >>> nbytes((3, 4)), nbytes((3, 4), "float64"), nbytes(())
    (48, 96, 4)
    """
    # np.dtype(dtype).itemsize is the size of one element. How many are there? A shape of () holds one, not none.
    return math.prod(shape) * np.dtype(dtype).itemsize


def keep_freed_memory() -> bool:
    """Ask the C library to keep freed memory for reuse; False where it cannot be asked.

    glibc hands large freed blocks (from 128 KiB up) back to the operating system, which must find and clear each page
    again at the next allocation: thousands of page faults in one training step. It holds until this process ends.
    """
    trim_threshold, mmap_threshold, arena_max = -1, -3, -8  # malloc.h: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((mmap_threshold, 2**30), (trim_threshold, 2**31 - 1), (arena_max, 1))
    answers = [mallopt(name, value) for name, value in settings]
    return all(answers)


# -- chance --------------------------------------------------------------------------------------------------------

generator = np.random.default_rng(0)


def manual_seed(seed: int) -> np.random.Generator:
    """Restart the one random generator of this package, in place, and return it. Raises ValueError if seed < 0.

    In place, because others already hold it: a new generator would leave them with the old numbers.

    >>> manual_seed(1).random() == manual_seed(1).random()
    True
    """
    # A generator's place is the state of its .bit_generator, which can be read and set. Whose state do you want?
    if seed < 0:
        raise ValueError(f"a seed is 0 or more, got {seed}")
    generator.bit_generator.state = np.random.default_rng(seed).bit_generator.state
    return generator


# -- time ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Timing:
    """Seconds of one call: the median of the runs, the fastest and the slowest."""

    median: float
    fastest: float
    slowest: float


def summarize(seconds: list[float]) -> Timing:
    """The median of some timings, with their extremes. The mean would follow every delay.

    >>> summarize([3.0, 1.0, 100.0])
    Timing(median=3.0, fastest=1.0, slowest=100.0)
    """
    # Which of the functions imported above is the middle one in order, or halfway between the middle two?
    return Timing(median(seconds), min(seconds), max(seconds))


def timeit(function: Callable[[], Any], repeats: int = 7, at_least: float = 2e-3) -> Timing:
    """Seconds that one call of function() takes, from `repeats` runs of many calls each, by time.perf_counter().

    The first call is not timed. Then the number of calls is doubled, from 1 on, until a run of them takes `at_least`
    seconds; `repeats` further runs of that many calls are timed, and `summarize` tells what one call of each took.
    """
    # A run of n calls has one reading of the clock before it and one after it, and none in between.
    # Write that down once, as a function of n inside this one: both stages need it.
    function()

    def run(calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            function()
        return time.perf_counter() - start

    calls = 1
    while run(calls) < at_least:
        calls *= 2
    return summarize([run(calls) / calls for _ in range(repeats)])


# -- yardsticks ----------------------------------------------------------------------------------------------------


def matmul_flops(m: int, k: int, n: int) -> int:
    """Floating-point operations of an (m, k) @ (k, n) product: a multiplication and an addition for each m, k and n.

    >>> matmul_flops(2, 3, 4)
    48
    """
    # How many numbers does the product hold, and how many terms does each of them sum?
    return 2 * m * k * n


def bandwidth(size: int = 2**26) -> float:
    """Bytes a second that one core reads and writes in copying an array of `size` bytes, at its best.

    The default, 64 MiB, is too large for the caches of most machines: it measures memory itself.
    """
    source = np.ones(size // 4, np.float32)
    target = np.empty_like(source)
    return 2 * source.nbytes / timeit(lambda: np.copyto(target, source)).fastest


def peak_matmul(size: int = 512) -> float:
    """Floating-point operations a second in a float32 product of two square matrices, at its best."""
    x = np.ones((size, size), np.float32)
    z = np.empty_like(x)
    return matmul_flops(size, size, size) / timeit(lambda: np.matmul(x, x, out=z)).fastest


def forecast(flops: float, moved: float, peak: float, bandwidth: float) -> float:
    """Seconds that work takes at best: those of its operations or those of its bytes, whichever are more.

    flops / peak if arithmetic is what it waits for, moved / bandwidth if memory is; the processor does both at once.
    The roofline model: Williams, Waterman and Patterson, 2009.

    >>> forecast(flops=600, moved=20, peak=100, bandwidth=10)
    6.0
    >>> forecast(flops=600, moved=80, peak=100, bandwidth=10)
    8.0
    """
    # Two times, side by side, not one after the other: which of them ends last?
    return max(flops / peak, moved / bandwidth)
