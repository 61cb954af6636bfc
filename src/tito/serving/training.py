"""What there is to serve before anything was trained: the course's two networks for the small digits."""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass

from tinytorch import nn
from tinytorch.dataloader import DataLoader, TensorDataset
from tinytorch.datasets import Split, digits
from tinytorch.environment import manual_seed
from tinytorch.mlops import Registry, lineage
from tinytorch.optimizers import Adam
from tinytorch.training import Trainer, accuracy
from tito.serving.models import DIGITS, PIXELS, cnn, mlp


@dataclass(frozen=True)
class Course:
    """A network that can be trained in a moment, and how long that takes."""

    network: Callable[[], nn.Module]
    shape: tuple[int, ...]  # of an image
    epochs: int
    rate: float
    seconds: str


COURSES = {
    "digits": Course(lambda: mlp(PIXELS, 32, DIGITS), (PIXELS,), 30, 0.005, "in a few seconds"),
    "digits-cnn": Course(cnn, (1, 8, 8), 20, 0.01, "in about ten seconds"),
}


def trained(name: str, seed: int = 0) -> tuple[nn.Module, Split, float]:
    """A network of COURSES, the digits it was trained and judged on, and the share of those held out that it reads."""
    course, data = COURSES[name], digits(seed=seed)
    x_train, x_test = (x.reshape(-1, *course.shape) for x in (data.x_train, data.x_test))
    data = Split(x_train, data.y_train, x_test, data.y_test)
    manual_seed(seed)
    network = course.network()
    trainer = Trainer(network, Adam(network.parameters(), course.rate), metrics={"accuracy": accuracy})
    trainer.fit(DataLoader(TensorDataset(data.x_train, data.y_train), 32, shuffle=True, seed=seed), course.epochs)
    right = trainer.evaluate(DataLoader(TensorDataset(data.x_test, data.y_test), 360))["accuracy"]
    return network.eval(), data, right


def train(registry: Registry, name: str, say: Callable[[str], None], seed: int = 0) -> int:
    """Train a network of COURSES, register it, and make it live: its version."""
    say(f"Training {name} {COURSES[name].seconds}: {COURSES[name].epochs} epochs of 1,437 digits, seed {seed}.")
    network, data, right = trained(name, seed)
    say(f"{right:.1%} of {len(data.x_test)} digits it has never seen.")
    code = inspect.getsource(sys.modules[__name__])
    origin = lineage({"x": data.x_train, "y": data.y_train}, code, {"epochs": COURSES[name].epochs, "seed": seed})
    version = registry.register(name, network.state_dict(), {"accuracy": right}, origin)
    registry.promote(name, version, reason="the first one")
    return version
