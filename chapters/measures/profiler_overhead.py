"""What a profile costs while it watches: the same training step with it and without, in turn.

`python chapters/measures/profiler_overhead.py` writes profiler_overhead.json beside itself. CPU time on one thread;
the two ways take turns, and the medians of their seconds are compared, pair by pair.
"""

import contextlib
import json
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import benchmarks
import numpy as np

import tinytorch as tt
from tinytorch.environment import keep_freed_memory, machine
from tinytorch.profiling import Profile
from tinytorch.transformers import GPT, TransformerConfig, next_token_loss

Step = Callable[[], Any]


def gpt() -> Step:
    """A training step of a GPT of four blocks, 128 wide, by AdamW: 16 sequences of 128 tokens out of 65."""
    model = GPT(TransformerConfig(65, context=128))
    optimizer = tt.optim.AdamW(model.parameters(), lr=1e-3)
    ids = np.random.default_rng(0).integers(0, 65, (16, 129))

    def step() -> None:
        optimizer.zero_grad()
        next_token_loss(model(ids[:, :-1]), ids[:, 1:]).backward()
        optimizer.step()

    return step


STEPS: dict[str, tuple[Callable[[], Step], int]] = {  # each with how often the two ways take turns
    "mlp": (lambda: benchmarks.mlp(tt)[0], 400),
    "cnn": (lambda: benchmarks.cnn(tt)[0], 24),
    "gpt": (gpt, 24),
}


def overhead(step: Step, pairs: int) -> dict[str, float]:
    """The seconds of a step, without and with a profile, and the median of what it added in each pair."""
    for _ in range(3):
        step()
    without, watched, operations = [], [], 0
    for turn in range(pairs):
        order = [False, True] if turn % 2 else [True, False]
        for on in order:
            profile = Profile() if on else None
            start = time.process_time()
            with profile or contextlib.nullcontext():
                step()
            (watched if on else without).append(time.process_time() - start)
            operations = len(profile.operations) if profile else operations
    added = median(on / off - 1 for on, off in zip(watched, without))
    return {
        "seconds": median(without),
        "watched": median(watched),
        "added": added,
        "operations": operations,
        "pairs": pairs,
    }


def main() -> None:
    """Measure the three networks, and write what was found."""
    keep_freed_memory()
    tt.manual_seed(0)
    found = {name: overhead(build(), pairs) for name, (build, pairs) in STEPS.items()}
    facts = {"machine": str(machine()), "date": str(date.today()), "found": found}
    Path(__file__).with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    for name, measured in found.items():
        print(f"{name}: {1e3 * measured['seconds']:.2f} ms, {measured['added']:+.1%} with a profile")


if __name__ == "__main__":
    main()
