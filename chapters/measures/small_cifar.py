"""A network for CIFAR-10 of at most 96 KB in int8, trained for at most two hours of one core.

`python chapters/measures/small_cifar.py FOLDER` trains, or goes on from the checkpoint in FOLDER, as long as the budget
of CPU seconds lasts. The rate follows the budget, not the epochs: whatever the machine, and whoever else uses it, it
has come to nothing when the last second is spent.

`python chapters/measures/small_cifar.py FOLDER --record [NOTE]` takes the checkpoint that is there, puts its mean
weights into int8, judges both on the test images, and writes small_cifar.json beside this file; chapter 15 shows it.
"""

import copy
import json
import platform
import sys
import tempfile
import time
import tracemalloc
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch import nn, serialization
from tinytorch.convolutions import Residual
from tinytorch.dataloader import Compose, DataLoader, TensorDataset, crop, flip, normalize
from tinytorch.datasets import Split, cifar10
from tinytorch.environment import keep_freed_memory, machine, manual_seed
from tinytorch.losses import cross_entropy
from tinytorch.optimizers import SGD, LRScheduler
from tinytorch.quantization import ROWS, QuantizedConv2d, exchange, quantize_model, save_quantized, stored_bytes
from tinytorch.tensor import Tensor, no_grad
from tinytorch.training import AveragingTrainer, accuracy, within

SEED, BATCH, RATE, DECAY, SMOOTHING = 15, 128, 0.25, 5e-4, 0.05
FIRST, BUDGET = 5400, 7200  # CPU seconds until the rate is nothing for the first time, and in all
AGAIN = 0.25  # of the rate, from which it then falls once more
EVERY = 8  # epochs between two looks at the test images


class GlobalMean(nn.Module):
    """(B, C, H, W) -> (B, C)"""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


def block(inputs: int, outputs: int, *pool: nn.Module) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return [conv, *pool, nn.BatchNorm2d(outputs), nn.ReLU()]


def network() -> nn.Sequential:
    """Halve the image early: most products are then made at 16 x 16 pixels."""
    half = nn.MaxPool2d(2)
    return nn.Sequential(
        *block(3, 24, half), *block(24, 40), Residual(*block(40, 40)), Residual(*block(40, 40)),
        *block(40, 56, half), Residual(*block(56, 56)), GlobalMean(), nn.Linear(56, 10),
    )  # fmt: skip


def moved(images: np.ndarray, rng: np.random.Generator, by: int = 2) -> np.ndarray:
    """As crop does, but what comes in at an edge is the image in its mirror, instead of black."""
    wider = np.pad(images, [(0, 0), (0, 0), (by, by), (by, by)], mode="reflect")
    return crop(wider, rng, by)[..., by:-by, by:-by]


def scaling(data: Split) -> Any:
    """A transform after which each colour has mean 0 and variance 1, about."""
    mean, std = (f(data.x_train[::50], axis=(0, 2, 3)) / 255 for f in (np.mean, np.std))
    return partial(normalize, mean=mean, std=std)


class Budget:
    """What was used of the seconds of a processor, and of those on the wall, also by processes before this one."""

    def __init__(self, path: Path):
        self.path, self.began = path, time.perf_counter()
        self.before = json.loads(path.read_text()) if path.is_file() else {"cpu": 0.0, "wall": 0.0}

    def used(self) -> dict[str, float]:
        wall = time.perf_counter() - self.began
        return {"cpu": self.before["cpu"] + time.process_time(), "wall": self.before["wall"] + wall}

    def rate(self, t: int, base: float) -> float:
        """Up in a straight line for a tenth of FIRST, and down to nothing (Smith and Topin, 2017).

        Then once more down from a part of it, which finds a better place (Loshchilov and Hutter, 2017).
        """
        spent = self.used()["cpu"]
        share = spent / FIRST
        if share < 1:
            return base * max(0.001, min(share / 0.1, (1 - share) / 0.9))
        return base * max(0.001, AGAIN * (BUDGET - spent) / (BUDGET - FIRST))

    def keep(self) -> None:
        self.path.write_text(json.dumps(self.used()))


def train(folder: Path) -> None:
    """Train until the budget is spent, with a checkpoint after each epoch; print a line for each."""
    keep_freed_memory()
    manual_seed(SEED)
    folder.mkdir(parents=True, exist_ok=True)
    budget, data, model = Budget(folder / "budget.json"), cifar10(), network()
    scaled = scaling(data)
    options: dict[str, Any] = {"transform": Compose([flip, moved, scaled]), "seed": SEED, "prefetch": 2}
    loader = DataLoader(TensorDataset(data.x_train, data.y_train), BATCH, shuffle=True, drop_last=True, **options)
    test = DataLoader(TensorDataset(data.x_test, data.y_test), 500, transform=scaled)
    optimizer = SGD(model.parameters(), RATE, 0.9, DECAY, nesterov=True)
    schedule = LRScheduler(optimizer, budget.rate)
    trainer = AveragingTrainer(
        model, optimizer, partial(cross_entropy, label_smoothing=SMOOTHING), schedule=schedule,
        metrics={"accuracy": accuracy}, share=BATCH / 25_600,
    )  # fmt: skip
    checkpoint = folder / "checkpoint.safetensors"
    if checkpoint.is_file():
        trainer.load(checkpoint)
        optimizer.param_groups[0]["lr"] = schedule.last[0]  # that of now: the budget's rates are not those of steps
    last = 100.0  # CPU seconds of an epoch, before one is measured
    while (began := budget.used()["cpu"]) + 0.9 * last < BUDGET:
        final = began + 2 * last > BUDGET
        trainer.fit(loader, trainer.epoch + 1, test if final or trainer.epoch % EVERY == EVERY - 1 else None)
        trainer.save(checkpoint)
        budget.keep()
        last = budget.used()["cpu"] - began
        print(trainer.epoch, budget.used(), trainer.history[-1], flush=True)


# -- in int8 -------------------------------------------------------------------------------------------------------


def share_right(model: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
    model.eval()
    with no_grad():
        guesses = [model(Tensor(x[start : start + 500])).data.argmax(axis=1) for start in range(0, len(x), 500)]
    return float((np.concatenate(guesses) == y).mean())


class Sized(nn.Module):
    """A layer, and what it holds at the most while it computes one image, by formula."""

    def __init__(self, layer: QuantizedConv2d, found: list[int]):
        self.layer, self.found = layer, found

    def forward(self, x: Tensor) -> Tensor:
        z = self.layer(x)
        (_, c, h, w), (_, k, down, across) = x.shape, z.shape
        (kh, kw), _, (ph, pw), _ = self.layer.over
        inputs, wide = kh * kw * c, down * across
        row = 4 * inputs + 32 * k  # what a row takes on its way, of those that are widened at a time
        whole = (4 + 8) * c * h * w + c * (h + 2 * ph) * (w + 2 * pw) + wide * inputs + 4 * wide * k
        block = min(wide, ROWS // row) * row + 4 * inputs * k
        self.found.append(whole + block)
        return z


def memory(model: nn.Module, image: np.ndarray) -> dict[str, int]:
    """Bytes for one image: the weights, and what layers hold beside them, by formula and as it was measured."""
    found: list[int] = []
    rule = lambda module: Sized(module, found) if type(module) is QuantizedConv2d else module
    with no_grad():
        exchange(copy.deepcopy(model), rule)(Tensor(image))
        tracemalloc.start()
        model(Tensor(image))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return {"weights": stored_bytes(model), "formula": max(found), "measured": peak}


def record(folder: Path, note: str) -> None:
    """Judge the mean weights of the checkpoint, in float32 and in int8; write what was found."""
    arrays, notes = serialization.read(folder / "checkpoint.safetensors")
    trained, data, model = json.loads(notes["trainer"]), cifar10(), network()
    model.load_state_dict(within(arrays, "mean"))
    model.eval()
    scaled = scaling(data)
    x, y = scaled(data.x_test), data.y_test
    small = quantize_model(model, [Tensor(part) for part in np.split(scaled(data.x_train[:1024]), 8)])
    with tempfile.TemporaryDirectory() as temporary:
        save_quantized(small, Path(temporary, "small.safetensors"))
        file = Path(temporary, "small.safetensors").stat().st_size
    about, used = machine(), json.loads((folder / "budget.json").read_text())
    found = {
        "float32": share_right(model, x, y), "int8": share_right(small, x, y), "images": len(x),
        "parameters": sum(p.numel() for p in model.parameters()), "file": file, "bytes": memory(small, x[:1]),
        "epochs": trained["epoch"], "losses": [round(epoch["loss"], 4) for epoch in trained["history"]],
        "cpu_seconds": round(used["cpu"]), "budget": BUDGET, "rate": trained["history"][-1]["lr"],
        "wall_seconds": round(used["wall"]),
        "settings": {"seed": SEED, "batch": BATCH, "rate": RATE, "decay": DECAY, "smoothing": SMOOTHING},
        "cpu": about.cpu, "python": platform.python_version(), "numpy": np.__version__,
        "when": date.today().isoformat(), "note": note,
    }  # fmt: skip
    text = json.dumps(found, indent=1)
    print(text)
    Path(__file__).with_suffix(".json").write_text(text + "\n")


if __name__ == "__main__":
    if "--record" in sys.argv:
        record(Path(sys.argv[1]), " ".join(sys.argv[3:]))
    else:
        train(Path(sys.argv[1]))
