"""Writing with a cache and without: the same text, and the CPU time of each token.

`python chapters/measures/generation.py --record` takes about two minutes of one core and writes generation.json beside
this file; chapter 17 shows it. The model is a small GPT with random weights: what it writes does not matter here, only
that both ways write the same.
"""

import json
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.environment import keep_freed_memory, machine, manual_seed
from tinytorch.memoization import caches_for
from tinytorch.transformers import GPT, TransformerConfig, generate

HERE = Path(__file__)
LENGTH, MARKS = 1024, [2**i for i in range(4, 11)]
SIZES: dict[str, int] = {"context": LENGTH, "width": 128, "layers": 4, "heads": 4}


def timed(model: GPT, cached: bool) -> tuple[list[int], list[float]]:
    """LENGTH tokens, and the CPU seconds that had passed after each."""
    tokens, seconds, start = [], [], time.process_time()
    for token in generate(model, [0], LENGTH, seed=17, caches=caches_for(model) if cached else None):
        tokens.append(token)
        seconds.append(time.process_time() - start)
    return tokens, seconds


def at_marks(seconds: list[float]) -> dict[str, list[float]]:
    """The seconds for so many tokens, and for the last one: the median of the 9 up to it."""
    each = np.diff([0.0, *seconds])
    return {
        "total": [round(seconds[mark - 1], 4) for mark in MARKS],
        "token": [round(float(np.median(each[mark - 9 : mark])), 6) for mark in MARKS],
    }


def measured() -> dict[str, Any]:
    """Both ways, and whether they wrote the same."""
    keep_freed_memory()
    manual_seed(0)
    model = GPT(TransformerConfig(65, **SIZES)).eval()
    timed(model, cached=True)
    with_cache, fast = timed(model, cached=True)
    without, slow = timed(model, cached=False)
    facts = {"date": date.today().isoformat(), "machine": str(machine()), "sizes": SIZES, "marks": MARKS}
    return {**facts, "same": with_cache == without, "cached": at_marks(fast), "recomputed": at_marks(slow)}


if __name__ == "__main__":
    found = measured()
    print(json.dumps(found, indent=1))
    if sys.argv[1:] == ["--record"]:
        HERE.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
