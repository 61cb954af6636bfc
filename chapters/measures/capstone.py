"""The capstone's worked example: the GPT that writes letters, made faster and smaller, one change after the other.

`python chapters/measures/capstone.py --record` trains for half a minute on one core, measures for two, and writes
capstone.json beside this file; the page of the capstone shows it. It needs Tiny Shakespeare.
"""

import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch import serialization
from tinytorch.compression import Pruner, sparsity_of
from tinytorch.environment import keep_freed_memory, machine
from tinytorch.memoization import KVCache
from tinytorch.olympics import (
    EVENTS,
    TASKS,
    Examples,
    draw,
    loss_ratio,
    predict,
    quality,
    race,
    score_entry,
    source_of,
    train_baseline,
)
from tinytorch.optimizers import AdamW
from tinytorch.profiling import Profile
from tinytorch.quantization import halved, int4_model, quantize_model
from tinytorch.tensor import no_grad
from tinytorch.transformers import GPT

HERE = Path(__file__)
SEED = 20
PROMPT, NEW = 16, 48  # characters that are read, and that are written
TURNS, WINDOWS = 40, 2000  # of the race; texts whose next character is predicted
SPARSITIES, AGAIN = (0.3, 0.5, 0.7), 300  # shares that are pruned, and steps of training after the second
WEIGHTS = {"latency": 2, "size": 1, "accuracy": 2}
EVENT = replace(EVENTS["language"], name="capstone", title="Letters, sooner and from less", measures=WEIGHTS)


def write(model: Any, x: np.ndarray, cached: bool) -> np.ndarray:
    """The likeliest characters after a prompt, one by one: (1, PROMPT) -> (1, NEW)."""
    caches, ids, start, chosen = caches_of(model) if cached else None, x, 0, []
    with no_grad():
        for _ in range(NEW):
            chosen.append(model(ids, caches, start=start).data[:, -1].argmax(axis=1)[:, None])
            start, ids = (
                (start + ids.shape[1], chosen[-1]) if cached else (0, np.concatenate([ids, chosen[-1]], axis=1))
            )
    return np.concatenate(chosen, axis=1)


def caches_of(model: Any) -> list[KVCache]:
    """Caches of float32, for a model whose own numbers may be of eight bits."""
    config = model.config
    sizes = 1, config.heads, config.context, config.width // config.heads
    return [KVCache(*sizes) for _ in range(config.layers)]


def bytes_of(arrays: dict[str, np.ndarray]) -> int:
    """The size of a file of these arrays."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        serialization.save(arrays, path)
        return path.stat().st_size


def losses_of(model: Any, texts: Examples) -> np.ndarray:
    """The nats of the character after each text."""
    rows = range(0, len(texts.x), 100)
    return np.concatenate(
        [TASKS[EVENT.task].losses(predict(EVENT, model, texts.x[i : i + 100]), texts.y[i : i + 100]) for i in rows]
    )


def profiled(model: Any, x: np.ndarray) -> dict[str, Any]:
    """Where the time of one text goes: the share of each operation, and how many places went through the table."""
    places = sum(range(PROMPT, PROMPT + NEW))
    with Profile() as profile:
        write(model, x, cached=False)
    rows = sorted(profile.by_operation().values(), key=lambda row: -row.own)
    whole = sum(row.own for row in rows)
    return {"places": places, "needed": PROMPT + NEW - 1, "shares": {row.name: row.own / whole for row in rows[:7]}}


def pruned(
    model: Any, learn: np.ndarray, texts: Examples, base: np.ndarray, rng: np.random.Generator
) -> dict[str, Any]:
    """The nats without a share of the weights, and after some steps of training with the rest."""
    found: dict[str, Any] = {}
    for share in SPARSITIES:
        network = copy_of(model)
        Pruner(network, lambda step, share=share: share)()
        found[f"{share:.0%}"] = judged(network, texts, base, rng)
    network = copy_of(model)
    pruner, optimizer = Pruner(network, lambda step: SPARSITIES[1], every=AGAIN), AdamW(network.parameters(), 1e-3)
    pruner()
    for _ in range(AGAIN):
        optimizer.zero_grad()
        TASKS[EVENT.task].loss(network, draw(EVENT, learn, rng, EVENT.recipe.batch)).backward()
        optimizer.step()
        pruner.hold()
    found["trained"] = {**judged(network, texts, base, rng), "sparsity": sparsity_of(network)}
    return found


def judged(network: Any, texts: Examples, base: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """Nats, and the ratio of perplexities with its interval."""
    losses = losses_of(network, texts)
    return {"nats": quality(EVENT, losses), "perplexity": loss_ratio(losses, base, "nats", rng)}


def copy_of(model: Any) -> GPT:
    """Another GPT with the same weights."""
    new = GPT(model.config)
    new.load_state_dict(model.state_dict())
    return new


def entries_of(model: Any, learn: np.ndarray) -> dict[str, tuple[Callable[[np.ndarray], np.ndarray], Any, int]]:
    """What is raced, step by step: how it writes, the network that is judged, and its file's bytes."""
    batches = [learn[at : at + 64 * 16].reshape(16, 64) for at in range(0, 200_000, 20_000)]
    whole, four = quantize_model(model, batches), int4_model(model)
    half = copy_of(model)
    half.load_state_dict(halved(model.state_dict()))
    plain = bytes_of(model.state_dict())
    return {
        "baseline": (lambda x: write(model, x, False), model, plain),
        "cache": (lambda x: write(model, x, True), model, plain),
        "cache, float16 file": (lambda x: write(half, x, True), half, bytes_of(halved(model.state_dict()))),
        "cache, int8": (lambda x: write(whole, x, True), whole, bytes_of(whole.state_dict())),
        "cache, int4": (lambda x: write(four, x, True), four, bytes_of(four.state_dict())),
    }


def measure() -> dict[str, Any]:
    keep_freed_memory()
    started, rng = time.process_time(), np.random.default_rng(SEED)
    learn, held = source_of(EVENT)
    model: Any = train_baseline(EVENT, learn, seed=SEED)
    texts, entries = draw(EVENT, held, rng, WINDOWS), entries_of(model, learn)

    def fresh() -> Examples:
        x = draw(EVENT, held, rng, 1).x[:, :PROMPT]
        return Examples(x, write(model, x, False))

    differs = lambda answers, y: (answers != y).any(axis=1).astype(float)
    contestants = {name: answer for name, (answer, *_) in entries.items()}
    heats = race(contestants, fresh, differs, time.process_time, rng, turns=TURNS, warmup=2)
    rows = {
        name: {"latency": heats[name].seconds, "size": size, "losses": losses_of(network, texts)}
        for name, (_, network, size) in entries.items()
    }
    found = {name: score_entry(EVENT, row, rows["baseline"], rng) for name, row in rows.items()}
    about = machine()
    return {
        "parameters": sum(p.numel() for p in model.parameters()), "turns": TURNS, "windows": WINDOWS,
        "profile": profiled(model, fresh().x),
        "rows": {
            name: {
                "milliseconds": 1e3 * float(np.median(row["latency"])), "bytes": row["size"],
                "same": 1 - float(heats[name].losses.mean()), "nats": found[name].quality, "passed": found[name].passed,
                "ratios": found[name].ratios, "gains": found[name].gains, "total": found[name].total,
                "interval": found[name].interval,
            }
            for name, row in rows.items()
        },
        "pruning": pruned(model, learn, texts, rows["baseline"]["losses"], rng),
        "cpu_seconds": time.process_time() - started, "cpu": about.cpu, "python": platform.python_version(),
        "numpy": np.__version__, "when": date.today().isoformat(),
    }  # fmt: skip


if __name__ == "__main__":
    result = json.dumps(measure(), indent=1)
    print(result)
    if "--record" in sys.argv:
        HERE.with_suffix(".json").write_text(result + "\n")
