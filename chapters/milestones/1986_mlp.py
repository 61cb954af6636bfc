"""1986: Errors that travel backwards teach networks to read.

First the 1,797 digits of the package, then MNIST: 60,000 to learn from, 10,000 to be judged on, 784-128-64-10.
Rumelhart, Hinton and Williams, 1986; the data: LeCun, Bottou, Bengio and Haffner, 1998;
the steps: Kingma and Ba, 2015, with a rate that rises and falls once: Smith and Topin, 2018.
"""

from itertools import pairwise

import numpy as np

from tinytorch import nn
from tinytorch.datasets import DataUnavailable, Split, digits, mnist
from tinytorch.environment import keep_freed_memory, manual_seed
from tinytorch.optimizers import Adam, OneCycleLR
from tinytorch.tensor import Tensor, no_grad
from tinytorch.training import Batches, Trainer, accuracy

NEEDS = ("environment", "tensor", "activations", "layers", "losses", "autograd", "optimizers", "training")
BATCH = 64


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers of these widths, with a relu between two of them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(layers[:-1])


def learn(stage, name: str, data: Split, widths: tuple[int, ...], epochs: int, rate: float):
    """Train on one part of the data, judge on the other: the curves, and what it misreads."""
    model = mlp(data.x_train[0].size, *widths, 10)
    x_train, x_test = (x.reshape(len(x), -1) for x in (data.x_train, data.x_test))
    batches = Batches(x_train, data.y_train, BATCH, seed=stage.seed)
    test = Batches(x_test, data.y_test, 1000, shuffle=False)
    optimizer = Adam(model.parameters(), lr=rate)
    cycle = OneCycleLR(
        optimizer, rate, epochs * len(batches) + 1, cycle_momentum=False
    )  # a rate after the last step, too
    trainer = Trainer(model, optimizer, schedule=cycle, metrics={"accuracy": accuracy})
    stage.fit(name, trainer, batches, epochs, test)

    right = trainer.history[-1]["val_accuracy"]
    seconds = stage.clock[name]
    stage.say(f"{name}: {right:.2%} of {len(x_test):,} new images right, after {seconds:.1f} s.")
    with no_grad():
        guess = model(Tensor(x_test)).data.argmax(axis=1)
    wrong = np.flatnonzero(guess != data.y_test)[:8]
    pixels = [(image * 255).astype(np.uint8).tobytes().hex() for image in x_test[wrong]]
    return {
        "accuracy": right,
        "weights": sum(p.numel() for p in model.parameters()),
        "images": {"train": len(x_train), "test": len(x_test)},
        "widths": [x_test.shape[1], *widths, 10],
        "epochs": epochs, "batch": BATCH, "rate": rate,
        "curves": {
            key: [epoch[key] for epoch in trainer.history]
            for key in ("loss", "val_loss", "val_accuracy")
        },
        "misread": {"labels": data.y_test[wrong], "guesses": guess[wrong], "pixels": pixels},
    }  # fmt: skip


def run(stage, epochs: int = 40, mnist_epochs: int = 10):
    keep_freed_memory()
    manual_seed(stage.seed)
    small = learn(stage, "digits", digits(seed=stage.seed), (32,), epochs, rate=1e-2)
    measured = {"accuracy": small["accuracy"], "digits": small}
    try:
        data = mnist(stage.data, stage.download)
    except DataUnavailable as error:
        stage.say(f"MNIST is left out, the digits stand alone. {error}")
        return measured
    measured["mnist"] = learn(stage, "mnist", data, (128, 64), mnist_epochs, rate=5e-3)
    return {**measured, "accuracy": measured["mnist"]["accuracy"]}
