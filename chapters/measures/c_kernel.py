"""A matrix product in C: loops, loops that vectors can follow, tiles in registers, and BLAS.

`python chapters/measures/c_kernel.py --record` compiles matmul.c, calls it by ctypes, and writes c_kernel.json beside
this file; chapter 18 shows it. Without a C compiler it says so, and what is recorded stays.
"""

import ctypes
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from tinytorch.acceleration import matmul_loops, matmul_vectors
from tinytorch.environment import machine

HERE = Path(__file__)
SIZES, ROUNDS = [48, 96, 192, 384, 768], 5
PLAIN, VECTORS = ["-O1", "-fno-tree-vectorize"], ["-O3", "-march=native"]
WAYS = [("columns", PLAIN), ("rows", PLAIN), ("rows", VECTORS), ("tiles", VECTORS)]


def compiler() -> str | None:
    """The C compiler that $CC names, or the first that is there; None without one."""
    names = [os.environ["CC"]] if "CC" in os.environ else ["cc", "gcc", "clang"]
    return next((name for name in names if shutil.which(name)), None)


@contextmanager
def compiled(flags: list[str]) -> Iterator[ctypes.CDLL]:
    """matmul.c as a library, compiled with these flags."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "matmul.so"
        source = str(HERE.with_name("matmul.c"))
        subprocess.run([compiler() or "cc", *flags, "-shared", "-fPIC", "-o", str(library), source], check=True)
        yield ctypes.CDLL(str(library))


def in_c(library: ctypes.CDLL, name: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """One of the library's functions, of two square matrices of float32."""
    pointer = np.ctypeslib.ndpointer(np.float32, ndim=2, flags="C_CONTIGUOUS")
    function = getattr(library, name)
    function.argtypes, function.restype = [pointer, pointer, pointer, ctypes.c_int], None

    def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        c = np.empty_like(a)
        function(a, b, c, len(a))
        return c

    return product


def rate(product: Callable, n: int, rounds: int = ROUNDS) -> float:
    """Operations a second in products of n x n, by CPU time: the median of a few rounds, checked against BLAS."""
    a, b = np.random.default_rng(n).standard_normal((2, n, n), np.float32)
    np.testing.assert_allclose(product(a, b), a @ b, rtol=1e-3, atol=1e-3)
    taken = []
    for _ in range(rounds):
        start, calls = time.process_time(), 0
        while not calls or time.process_time() - start < 0.02:
            product(a, b)
            calls += 1
        taken.append((time.process_time() - start) / calls)
    return 2 * n**3 / median(taken)


def measured() -> dict[str, Any]:
    """The rates of all ways at all sizes; Python's own loops at the smallest only."""
    rates = {
        "Python, loops": [rate(matmul_loops, SIZES[0], 1)],
        "NumPy, rows": [rate(matmul_vectors, n, 2) for n in SIZES[:4]],
        "BLAS": [rate(np.matmul, n) for n in SIZES],
    }
    for name, flags in WAYS:
        with compiled(flags) as library:
            rates[f"C, {name}, {flags[0]}"] = [rate(in_c(library, name), n) for n in SIZES]
    version = subprocess.run([compiler() or "cc", "--version"], capture_output=True, text=True, check=True)
    facts = {"date": date.today().isoformat(), "python": platform.python_version(), "machine": str(machine())}
    return {**facts, "compiler": version.stdout.splitlines()[0], "sizes": SIZES, "rates": rates}


if __name__ == "__main__":
    if compiler() is None:
        sys.exit("there is no C compiler here: nothing was measured, c_kernel.json stays as it is")
    found = measured()
    for name, rates in found["rates"].items():
        print(f"{name:18}", "  ".join(f"{r / 1e9:7.3f}" for r in rates), "GFLOP/s")
    if "--record" in sys.argv:
        HERE.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
