"""Whether the alarms of chapter 21 keep their promises: false alarms in clean windows, and how soon a shift is seen.

`python chapters/measures/drift.py --record` takes some minutes on one core and writes drift.json beside this file;
chapter 21 shows it. With names of parts, such as `clean power`, it measures these again. `counted` and what it calls
are small enough for a test.
"""

import json
import math
import platform
import sys
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.environment import machine
from tinytorch.mlops import (
    OnlineDetector,
    classifier_threshold,
    classifier_two_sample,
    expected_run_length,
    ks_statistic,
    ks_threshold,
    psi,
    psi_threshold,
)

HERE = Path(__file__)
SIZES = (50, 100, 200, 500, 1000, 2000, 5000)
LEVELS = (0.1, 0.05, 0.01)
REFERENCE, COLUMNS = 5000, 8
WINDOWS = {"psi": 10_000, "ks": 10_000, "classifier": 10_000}
SHIFTS = {
    "mean by 0.1": lambda x: x + 0.1,
    "mean by 0.3": lambda x: x + 0.3,
    "spread by 1.2": lambda x: 1.2 * x,
    "one in ten by 2": lambda x: x + 2 * (np.arange(len(x)) % 10 == 0).reshape(-1, *[1] * (x.ndim - 1)),
}
Draw = Callable[[np.random.Generator, int], np.ndarray]


def normal(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.standard_normal(count)


def small_counts(rng: np.random.Generator, count: int) -> np.ndarray:
    """Whole numbers about 3: equal ones everywhere."""
    return rng.poisson(3, count).astype(np.float64)


def rows(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.standard_normal((count, COLUMNS))


def interval(hits: int, of: int) -> list[float]:
    """The share of hits, and its interval of 95 %. Wilson, 1927."""
    p, z = hits / of, 1.96
    middle, half = p + z * z / (2 * of), z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return [p, (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)]


def statistic(name: str, reference: np.ndarray, window: np.ndarray, rng: np.random.Generator) -> float:
    if name == "classifier":
        return classifier_two_sample(reference, window, rng)
    return {"psi": psi, "ks": ks_statistic}[name](reference, window)


def threshold(name: str, reference: np.ndarray, n: int, level: float) -> float:
    if name == "classifier":
        return classifier_threshold(len(reference), n, level)
    return {"psi": psi_threshold, "ks": ks_threshold}[name](reference, n, level)


@cache
def drawn(
    name: str, draw: Draw, m: int, n: int, windows: int, seed: int, change: Callable = np.copy
) -> tuple[np.ndarray, np.ndarray]:
    """A statistic of many windows, each with a reference of its own, and the last of these references."""
    rng = np.random.default_rng([seed, n])
    found = np.empty(windows)
    for i in range(windows):
        reference = draw(rng, m)
        found[i] = statistic(name, reference, change(draw(rng, n)), rng)
    return found, reference


def counted(name: str, draw: Draw, m: int, n: int, windows: int, levels: tuple = LEVELS) -> dict[str, list[float]]:
    """The share of clean windows above the threshold of each level, with its interval.

    Without equal values all references of a size have the same thresholds.
    """
    found, reference = drawn(name, draw, m, n, windows, seed=21)
    limits = {level: threshold(name, reference, n, level) for level in levels}
    return {str(level): interval(int((found > limit).sum()), windows) for level, limit in limits.items()}


def with_ties(name: str, n: int, windows: int, draws: int = 4000) -> dict[str, list[float]]:
    """The same where values repeat, and each reference has its own thresholds."""
    rng, hits = np.random.default_rng([22, n]), dict.fromkeys((0.1, 0.05), 0)
    for _ in range(windows):
        reference, window = small_counts(rng, 1000), small_counts(rng, n)
        for level in hits:
            limit = {"psi": psi_threshold, "ks": ks_threshold}[name](reference, n, level, draws=draws)
            hits[level] += statistic(name, reference, window, rng) > limit
    return {str(level): interval(int(count), windows) for level, count in hits.items()}


def folklore(m: int, n: int, windows: int = 10_000) -> dict[str, float]:
    """The share of clean windows that two usual rules call drift."""
    found, _ = drawn("psi", normal, m, n, windows, seed=21)
    return {"psi above 0.1": float((found > 0.1).mean()), "psi above 0.25": float((found > 0.25).mean())}


def power(name: str, n: int, windows: int) -> dict[str, float]:
    """The share of windows after each shift that exceed the threshold of 0.01."""
    draw = rows if name == "classifier" else normal
    found = {}
    for words, change in SHIFTS.items():
        values, reference = drawn(name, draw, REFERENCE, n, windows, 24, change)
        found[words] = float((values > threshold(name, reference, n, 0.01)).mean())
    return found


def one_reference(m: int, n: int = 1000, references: int = 20, windows: int = 500) -> list[float]:
    """For each of some references, the share of clean windows above the KS threshold of 0.05: sorted."""
    rng, shares = np.random.default_rng([25, m]), []
    for _ in range(references):
        reference = np.sort(normal(rng, m))
        limit = ks_threshold(reference, n, 0.05)
        shares.append(float(np.mean([ks_statistic(reference, normal(rng, n)) > limit for _ in range(windows)])))
    return sorted(shares)


def online(run_length: float, shift: float, alarms: int = 300) -> dict[str, Any]:
    """Values until an alarm: clean ones by many references, and after shifts, beside what the equations say."""
    rng = np.random.default_rng([26, int(run_length)])
    lengths, detector = [], OnlineDetector(normal(rng, REFERENCE), run_length, shift)
    for _ in range(alarms):
        detector = OnlineDetector(normal(rng, REFERENCE), run_length, shift)
        lengths.append(until_alarm(detector, rng, 0.0))
    half = 1.96 * np.std(lengths) / math.sqrt(alarms)
    after = {}
    for moved in (0.5, 1.0, 2.0):
        steps, counts = np.unique(detector.steps(normal(rng, 100_000) + moved)[0], return_counts=True)
        said = expected_run_length(steps, counts / counts.sum(), detector.limits[0])
        after[str(moved)] = {
            "seen": float(np.mean([until_alarm(detector, rng, moved) for _ in range(200)])),
            "said": said,
        }
    mean = float(np.mean(lengths))
    return {"asked": run_length, "clean": [mean, mean - half, mean + half], "after": after}


def until_alarm(detector: OnlineDetector, rng: np.random.Generator, moved: float) -> int:
    """How many values the detector takes, from rest; those of 1,000 are turned into steps at once."""
    places, seen = [0, 0], 0
    while True:
        for up, down in detector.steps(normal(rng, 1000) + moved).T.tolist():
            places = [max(0, places[0] + up), max(0, places[1] + down)]
            seen += 1
            if places[0] >= detector.limits[0] or places[1] >= detector.limits[1]:
                return seen


DRAWS = {"psi": normal, "ks": normal, "classifier": rows}
PARTS: dict[str, Callable[[], Any]] = {
    "clean": lambda: {x: {n: counted(x, draw, REFERENCE, n, WINDOWS[x]) for n in SIZES} for x, draw in DRAWS.items()},
    "ties": lambda: {name: {n: with_ties(name, n, 2000) for n in (50, 500)} for name in ("psi", "ks")},
    "folklore": lambda: {n: folklore(REFERENCE, n) for n in SIZES},
    "one against the other": lambda: {n: folklore(n, n) for n in SIZES},
    "power": lambda: {name: {n: power(name, n, 300) for n in SIZES} for name in DRAWS},
    "one reference": lambda: {m: one_reference(m) for m in (1000, 10_000, 50_000)},
    "online": lambda: [online(1000, 1.0), online(10_000, 1.0)],
}


def measure(parts: list[str]) -> dict[str, Any]:
    found = {name: PARTS[name]() for name in parts}
    return {
        "reference": REFERENCE, "columns": COLUMNS, "sizes": SIZES, "windows": WINDOWS, **found,
        "cpu": machine().cpu, "python": platform.python_version(), "numpy": np.__version__,
        "when": date.today().isoformat(),
    }  # fmt: skip


if __name__ == "__main__":
    parts = [name for name in PARTS if name in sys.argv]
    kept = json.loads(HERE.with_suffix(".json").read_text()) if parts else {}
    result = json.dumps({**kept, **measure(parts or list(PARTS))}, indent=1)
    print(result)
    if "--record" in sys.argv:
        HERE.with_suffix(".json").write_text(result + "\n")
