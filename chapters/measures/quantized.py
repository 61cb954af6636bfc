"""What int8 costs: networks for MNIST and a GPT for Tiny Shakespeare, trained in float32, and then in fewer bits.

`python chapters/measures/quantized.py --record` trains for some minutes on one core and writes quantized.json beside
this file; chapter 15 shows it.
"""

import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch import nn
from tinytorch.datasets import mnist, tiny_shakespeare
from tinytorch.environment import keep_freed_memory, machine, manual_seed
from tinytorch.optimizers import Adam, AdamW, LRScheduler
from tinytorch.quantization import (
    calibrate,
    convert,
    halved,
    int4_model,
    quantize_model,
    save_quantized,
    stored_bytes,
)
from tinytorch.tensor import Tensor, no_grad
from tinytorch.training import Batches, Trainer
from tinytorch.transformers import GPT, TransformerConfig, next_token_loss

HERE = Path(__file__)
SEED = 15
EPOCHS, AGAIN, RATE = 3, 1, 2e-3  # for MNIST, and for training again through rounding
STEPS, LENGTH, BATCH = 700, 64, 16  # for the GPT


def bytes_of(model: Any, original: Any) -> dict[str, float]:
    """What a model takes in a file: its weights, and all, as shares of the original's float32 numbers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        save_quantized(model, path)
        file = path.stat().st_size
    whole = sum(a.nbytes for a in model.state_dict().values() if a.dtype == np.int8)
    weights = sum(a.nbytes for a in original.state_dict().values() if a.ndim > 1)
    return {"weights": whole / weights, "file": file / stored_bytes(original), "bytes": file}


def downwards(steps: int) -> Callable[[int, float], float]:
    """A rate that falls in a straight line."""
    return lambda t, base: base * (1 - t / steps)


# -- MNIST ---------------------------------------------------------------------------------------------------------


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))


def cnn() -> nn.Sequential:
    half = nn.MaxPool2d(2)
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2), half, nn.ReLU(), nn.Conv2d(8, 32, 5, padding=2), half, nn.ReLU(),
        nn.Flatten(), nn.Linear(32 * 49, 10),
    )  # fmt: skip


def fit(model: Any, x: np.ndarray, y: np.ndarray, epochs: int, rate: float) -> None:
    data, optimizer = Batches(x, y, size=64), Adam(model.parameters(), rate)
    Trainer(model, optimizer, schedule=LRScheduler(optimizer, downwards(epochs * len(data)))).fit(data, epochs)


def images(model: Any, data: Any) -> dict[str, Any]:
    """Train, and judge: in float32, in int8 by several calibrations, and with fewer bits for each weight."""
    x, y = data.x_train[:, None], data.y_train
    fit(model, x, y, EPOCHS, RATE)
    seen = [Tensor(x[start : start + 256]) for start in range(0, 2048, 256)]
    judge = lambda net: share_right(net, data.x_test[:, None], data.y_test)
    whole = quantize_model(model, seen)
    found: dict[str, Any] = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "float32": judge(model), "int8": judge(whole),
        "per_tensor": judge(quantize_model(model, seen, per_channel=False)),
        "percentile": judge(quantize_model(model, seen, percentile=99.9)),
        **bytes_of(whole, model),
    }  # fmt: skip
    for bits in (4, 3, 2):
        fake = calibrate(model, seen, weight_bits=bits)
        found[f"{bits}_bits"] = judge(convert(fake))
        if bits == 2:
            fit(fake.train(), x, y, AGAIN, RATE / 2)
            found["2_bits_trained"] = judge(convert(fake))
    return found


def share_right(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    model.eval()
    with no_grad():
        guesses = [model(Tensor(x[start : start + 500])).data.argmax(axis=1) for start in range(0, len(x), 500)]
    return float((np.concatenate(guesses) == y).mean())


# -- the GPT -------------------------------------------------------------------------------------------------------


def text() -> dict[str, Any]:
    """Train a GPT of today's parts, and judge it on text that it has not seen: nats for each character."""
    characters = tiny_shakespeare()
    alphabet = sorted(set(characters))
    number = {character: i for i, character in enumerate(alphabet)}
    ids = np.array([number[character] for character in characters])
    learn, judged = ids[: len(ids) * 9 // 10], ids[len(ids) * 9 // 10 :][: 400 * LENGTH + 1]
    model, rng = GPT(TransformerConfig.modern(len(alphabet), context=LENGTH)), np.random.default_rng(SEED)
    optimizer = AdamW(model.parameters(), 3e-3, weight_decay=0.1)
    schedule = LRScheduler(optimizer, lambda t, base: base * min((t + 1) / 50, 2 * (1 - t / STEPS), 1))
    for _ in range(STEPS):
        at = rng.integers(0, len(learn) - LENGTH, BATCH)[:, None] + np.arange(LENGTH + 1)
        optimizer.zero_grad()
        next_token_loss(model(learn[at][:, :-1]), learn[at][:, 1:]).backward()
        optimizer.step()
        schedule.step()
    rows = judged[:-1].reshape(-1, LENGTH), judged[1:].reshape(-1, LENGTH)

    def nats(network: Any) -> float:
        network.eval()
        with no_grad():
            parts = zip(*(np.split(part, 8) for part in rows))
            return float(np.mean([next_token_loss(network(x), y).item() for x, y in parts]))

    seen = [learn[at : at + 16 * LENGTH].reshape(16, LENGTH) for at in range(0, 200_000, 20_000)]
    whole, half = quantize_model(model, seen), GPT(model.config)
    half.load_state_dict(halved(model.state_dict()))
    return {
        "parameters": sum(p.numel() for p in model.parameters()), "characters": len(judged) - 1,
        "float32": nats(model), "int8": nats(whole), "float16": nats(half),
        "per_tensor": nats(quantize_model(model, seen, per_channel=False)),
        "percentile": nats(quantize_model(model, seen, percentile=99.9)),
        "int4": nats(int4_model(model, 32)), "int4_bytes": stored_bytes(int4_model(model, 32)) / stored_bytes(model),
        "int4_one_group": nats(int4_model(model, 128)), **bytes_of(whole, model),
    }  # fmt: skip


def measure() -> dict[str, Any]:
    keep_freed_memory()
    manual_seed(SEED)
    data, started = mnist(), time.process_time()
    found = {"mlp": images(mlp(), data), "cnn": images(cnn(), data), "gpt": text()}
    about = machine()
    return {
        **found, "cpu_seconds": time.process_time() - started, "cpu": about.cpu, "python": platform.python_version(),
        "numpy": np.__version__, "when": date.today().isoformat(),
    }  # fmt: skip


if __name__ == "__main__":
    result = json.dumps(measure(), indent=1)
    print(result)
    if "--record" in sys.argv:
        HERE.with_suffix(".json").write_text(result + "\n")
