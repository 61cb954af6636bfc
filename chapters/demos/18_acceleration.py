"""Loops become kernels: one matrix product, four programs.

The product is the same, number for number. What changes is how much of it one step of Python computes: a number, a row,
a block, all of it.
"""

from functools import partial

import numpy as np
from drawing import GREEN, bars, beside, lines
from rich.console import Group
from rich.text import Text

from tinytorch.acceleration import matmul_blocked, matmul_loops, matmul_vectors
from tinytorch.environment import matmul_flops, timeit

SIZE, CELLS, BLOCK = 72, 12, 24
PROGRAMS = {
    "numbers": (matmul_loops, 1, 1, "for i, for j, for k:  c[i, j] += a[i, k] b[k, j]"),
    "rows": (matmul_vectors, 1, CELLS, "for i, for k:  c[i] += a[i, k] b[k]"),
    "blocks": (lambda a, b: matmul_blocked(a, b, BLOCK), 3, 3, "for I, for J, for K:  C[I, J] += A[I, K] B[K, J]"),
    "all at once": (np.matmul, CELLS, CELLS, "C = A B"),
}


def board(done: int, tall: int, wide: int) -> Text:
    """The product, as CELLS x CELLS cells, of which `done` tiles of tall x wide are computed."""
    across = CELLS // wide
    tile = lambda i, j: (i // tall) * across + j // wide
    row = lambda i: "".join("██" if tile(i, j) < done else "· " for j in range(CELLS))
    return lines(Text(row(i), GREEN) for i in range(CELLS))


def frames(stage):
    a, b = np.random.default_rng(stage.seed).standard_normal((2, SIZE, SIZE)).astype(np.float32)
    rates: dict[str, float] = {}
    for name, (program, tall, wide, code) in PROGRAMS.items():
        tiles = (CELLS // tall) * (CELLS // wide)
        rates[name] = 1e-6 * matmul_flops(SIZE, SIZE, SIZE) / timeit(partial(program, a, b), repeats=3).fastest
        error = np.abs(program(a, b) - a.astype(np.float64) @ b).max()
        rows = [(f"{which:11}", 1 + np.log10(rate), f"{rate:9.1f} MFLOP/s") for which, rate in rates.items()]
        speeds = lines([bars(rows, 7, 14), "", "bars: powers of ten"])
        for done in range(tiles + 1):
            picture = Group(Text(code), "", beside(board(done, tall, wide), speeds))
            yield picture, f"{name} ...", min(0.3, 1.2 / tiles)
        times = rates[name] / rates["numbers"]
        yield picture, f"{name}: {times:.0f} times as fast as numbers, off by {error:.0e} at the most.", 1.3
