"""Two distributions of timings, and what they allow to say.

Two functions take turns, in an order drawn anew each time. First a function against itself: any difference is noise.
Then the softmax of a layer against its logarithm and an exponential.
"""

import time

import numpy as np
from drawing import BLUE, ORANGE, columns, lines

from tinytorch.activations import log_softmax, softmax
from tinytorch.benchmarking import median_interval, paired_ratio, take_turns, verdict
from tinytorch.tensor import Tensor, exp

TURNS, BINS = 120, 70


def histogram(seconds: np.ndarray, low: float, high: float, ink: str):
    """How often each time was measured, between the two ends of the axis."""
    counts, _ = np.histogram(np.clip(seconds, low, high), bins=BINS, range=(low, high))
    return columns(np.sqrt(counts), np.sqrt(TURNS / 3), height=4, ink=ink).split("\n")


def frames(stage):
    rng = np.random.default_rng(stage.seed)
    x = Tensor(rng.standard_normal((64, 1000)).astype(np.float32))
    for other, name in ((lambda: softmax(x), "softmax again"), (lambda: exp(log_softmax(x)), "exp(log_softmax)")):
        pair = {"softmax": lambda: softmax(x), name: other}
        found: dict[str, list[float]] = {which: [] for which in pair}
        for turn in range(1, TURNS + 1):
            for which, seconds in take_turns(pair, time.perf_counter, rng, turns=1, warmup=int(turn == 1)).items():
                found[which].append(1000 * seconds[0])
            if turn % 4:
                continue
            every = np.concatenate(list(found.values()))
            low, high = every.min(), np.quantile(every, 0.95)
            rows = []
            for (which, seconds), ink in zip(found.items(), (BLUE, ORANGE)):
                rows += [f"{which}: median {median_interval(seconds, rng)} ms", *histogram(seconds, low, high, ink)]
            ratio = paired_ratio(found[name], found["softmax"], rng)
            axis = f"{low:<{BINS - 8}.3f}{high:8.3f} ms"
            picture = lines([*rows, axis, "", f"{name} takes {ratio} of softmax's time"])
            yield picture, f"After {turn} turns: {verdict(ratio)}.", 2 if turn == TURNS else 0.06
