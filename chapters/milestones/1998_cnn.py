"""1998: Filters that look everywhere learn to see.

LeNet-5 on the digits of the package and on MNIST: LeCun, Bottou, Bengio and Haffner, 1998. Then CIFAR-10, small
photographs: Krizhevsky, 2009; by a residual network: He et al., 2016; and by what was there before.
"""

from functools import partial
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinytorch import nn
from tinytorch.convolutions import Residual
from tinytorch.dataloader import Compose, DataLoader, TensorDataset, crop, cutout, flip, normalize
from tinytorch.datasets import DataUnavailable, Split, cifar10, digits, mnist
from tinytorch.environment import keep_freed_memory, manual_seed
from tinytorch.losses import cross_entropy
from tinytorch.optimizers import SGD, Adam, LRScheduler
from tinytorch.parallel import ParallelTrainer
from tinytorch.tensor import no_grad
from tinytorch.training import AveragingTrainer, accuracy

NEEDS = (
    "environment", "tensor", "activations", "layers", "losses",
    "autograd", "optimizers", "training", "dataloader", "convolutions",
)  # fmt: skip
PRESETS = ("standard", "long")


def moved(images: np.ndarray, rng: np.random.Generator, by: int) -> np.ndarray:
    """As crop does, but what comes in at an edge is the image in its mirror, instead of black."""
    wider = np.pad(images, [(0, 0), (0, 0), (by, by), (by, by)], mode="reflect")
    return crop(wider, rng, by)[..., by:-by, by:-by]


SHIFTED = [partial(crop, padding=2)]
MIRRORED = [flip, partial(moved, by=2)]
MORE_OF_IT = [flip, partial(moved, by=4), cutout]


def mlp(*widths: int) -> nn.Sequential:
    layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers[:-1])


def lenet(maps: tuple, kernel: int, padding: tuple, widths: tuple) -> nn.Sequential:
    """Two convolutions, each with tanh and a mean of 2 x 2, then linear layers."""
    layers: list[nn.Module] = []
    for (a, b), p in zip(pairwise(maps), padding):
        layers += [nn.Conv2d(a, b, kernel, padding=p), nn.Tanh(), nn.AvgPool2d(2)]
    layers.append(nn.Flatten())
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.Tanh()]
    return nn.Sequential(layers[:-1])


def block(inputs: int, outputs: int, *pool: nn.Module) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return [conv, *pool, nn.BatchNorm2d(outputs), nn.ReLU()]


class GlobalMax(nn.Module):
    """(B, C, H, W) -> (B, C), an eighth of the largest: so the next layer stays calm at a high rate. Page, 2019."""

    def forward(self, x):
        return x.amax(dim=(2, 3)) / 8


def residual(data: Split) -> nn.Sequential:
    """Halve the image and double the channels, again and again; a shortcut on the way."""
    half = nn.MaxPool2d(2)
    return nn.Sequential(
        whitening(data), half, nn.ReLU(), *block(24, 64), *block(64, 64, half), *block(64, 128),
        Residual(*block(128, 128)), half, *block(128, 256), GlobalMax(), nn.Linear(256, 10),
    )  # fmt: skip


def larger(data: Split) -> nn.Sequential:
    """Wider, with a shortcut at every size."""
    layers: list[nn.Module] = [whitening(data), nn.ReLU()]
    for inputs, outputs in pairwise((24, 64, 192, 256)):
        layers += [*block(inputs, outputs, nn.MaxPool2d(2)), Residual(*block(outputs, outputs))]
    return nn.Sequential(*layers, GlobalMax(), nn.Linear(256, 10))


def whitening(data: Split) -> nn.Conv2d:
    """The 12 ways in which patches of 3 x 3 differ most, and their negatives. Page, 2019."""
    images = scaling(data)(data.x_train[::50])
    patches = sliding_window_view(images, (3, 3), axis=(2, 3))  # (B, C, H, W, 3, 3)
    patches = patches.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 27)
    variances, ways = np.linalg.eigh(patches.T @ patches / len(patches))  # the least comes first
    filters = ways / np.sqrt(variances + 1e-3)  # to variance 1
    filters = filters[:, -12:].T.reshape(12, 3, 3, 3)
    conv = nn.Conv2d(3, 24, 3, padding=1, bias=False)
    conv.weight.data[...] = np.concatenate([filters, -filters])
    conv.weight.requires_grad = False
    return conv


def triangles(steps: int, *again: int, up: float = 0.15):
    """A rate that goes up in a straight line, and down in another one to nothing. Then again, half as high.

    Smith and Topin, 2017; Loshchilov and Hutter, 2017.
    """
    top = up * steps

    def rate(t: int, base: float) -> float:
        if t >= steps and again:
            return triangles(*again)(t - steps, base / 2)
        return base * min((t + 1) / top, max(steps - t, 0) / (steps - top))

    return rate


class Averaging(AveragingTrainer, ParallelTrainer):
    """Two threads, and the mean of their weights."""


def scaling(data: Split):
    """A transform after which each colour has mean 0 and variance 1, about."""
    unit = 255 if data.x_train.dtype == np.uint8 else 1
    mean, std = (f(data.x_train[::50], axis=(0, 2, 3)) / unit for f in (np.mean, np.std))
    return partial(normalize, mean=mean, std=std)


def learn(stage, name: str, data: Split, model, cycles: list, rate: float, augment=(), adam=True, batch=128):
    """Train on one part of the data, for so many epochs in each cycle, judge on the other: the curves."""
    scaled = scaling(data)
    options = {"transform": Compose([*augment, scaled]), "seed": stage.seed, "prefetch": 2}
    train = DataLoader(TensorDataset(data.x_train, data.y_train), batch, shuffle=True, drop_last=True, **options)
    test = DataLoader(TensorDataset(data.x_test, data.y_test), 500, transform=scaled)
    weights = [w for w in model.parameters() if w.requires_grad]
    optimizer = Adam(weights, rate) if adam else SGD(weights, rate, 0.9, 5e-4, nesterov=True)
    schedule = LRScheduler(optimizer, triangles(*(n * len(train) for n in cycles)))
    loss = cross_entropy if adam else partial(cross_entropy, label_smoothing=0.1)
    trainer = Averaging(model, optimizer, loss, schedule=schedule, metrics={"accuracy": accuracy}, share=batch / 25_600)
    stage.fit(name, trainer, train, sum(cycles), test)
    model.load_state_dict(trainer.mean.state_dict())
    right, seconds = trainer.history[-1]["val_accuracy"], stage.clock[name]
    stage.say(f"{name}: {right:.2%} of {len(data.x_test):,} new images right, after {seconds:.0f} s.")
    return {
        "accuracy": right, "weights": sum(w.numel() for w in weights), "epochs": sum(cycles), "cycles": cycles,
        "images": {"train": len(data.x_train), "test": len(data.x_test)}, "seconds": stage.marks[name],
        "curves": {key: [epoch[key] for epoch in trainer.history] for key in ("loss", "val_loss", "val_accuracy")},
    }, test  # fmt: skip


def look(model, data: Split, test: DataLoader, image: int = 1) -> dict:
    """What it takes for what, its surest mistakes, its first filters and what they find."""
    model.eval()
    with no_grad():
        scores = np.concatenate([model(x).data for x, _ in test])
        mirrored = np.concatenate([model(x.data[..., ::-1]).data for x, _ in test])
        found = model[:3](test.load(0, [image], 0).x).data[0]
    guess, truth = scores.argmax(axis=1), data.y_test
    margin = scores.max(axis=1) - scores[np.arange(len(truth)), truth]
    surest = np.argsort(-margin)[:12]
    return {
        "with_mirror": ((scores + mirrored).argmax(axis=1) == truth).mean(),
        "confusion": np.histogram2d(truth, guess, 10, ((0, 10), (0, 10)))[0].astype(int),
        "mistakes": {
            "labels": truth[surest], "guesses": guess[surest],
            "pixels": [x.tobytes().hex() for x in data.x_test[surest]],
        },
        "filters": [as_bytes(one) for one in model[0].weight.data],
        "seen": {"pixels": data.x_test[image].tobytes().hex(), "maps": [as_bytes(z) for z in found[:16]]},
    }  # fmt: skip


def as_bytes(x: np.ndarray) -> str:
    """x as 0..255, in hexadecimal digits: 0 becomes 127, and what is farthest from it 0 or 255."""
    return (127.5 + 127.5 * x / (np.abs(x).max() + 1e-9)).astype(np.uint8).tobytes().hex()


def run(stage, preset: str = "standard", epochs: int | None = None):
    keep_freed_memory()
    manual_seed(stage.seed)
    if preset == "long":
        data = cifar10(stage.data, stage.download)
        net, cycles = larger(data), [epochs] if epochs else [32, 14]
        curves, test = learn(stage, "residual", data, net, cycles, 0.2, MORE_OF_IT, adam=False)
        return {"accuracy": curves["accuracy"], "residual": curves | look(net, data, test)}
    d = digits(seed=stage.seed)
    d = Split(d.x_train.reshape(-1, 1, 8, 8), d.y_train, d.x_test.reshape(-1, 1, 8, 8), d.y_test)
    small = lenet((1, 6, 16), 3, (1, 1), (64, 32, 10))
    measured: dict = {"digits": learn(stage, "digits", d, small, [epochs or 60], 1e-2)[0]}
    try:
        data = cifar10(stage.data, stage.download)
        net = residual(data)
        curves, test = learn(stage, "residual", data, net, [epochs or 10], 0.3, MIRRORED, False, 256)
        measured["residual"] = curves | look(net, data, test)
        before = {
            "mlp": mlp(3072, 512, 256, 10),
            "lenet1": lenet((3, 4, 12), 5, (0, 0), (300, 10)),
            "lenet5": lenet((3, 6, 16), 5, (0, 0), (400, 120, 84, 10)),
        }
        for name, net in before.items():
            rate = 1e-3 if name == "mlp" else 4e-3
            measured[name], _ = learn(stage, name, data, net, [epochs or 5], rate)
        measured["lenet5"]["filters"] = [as_bytes(one) for one in net[0].weight.data]
        d = mnist(stage.data, stage.download)
        d = Split(d.x_train[:, None], d.y_train, d.x_test[:, None], d.y_test)
        net = lenet((1, 6, 16), 5, (2, 0), (400, 120, 84, 10))
        measured["mnist"], _ = learn(stage, "mnist", d, net, [epochs or 10], 4e-3, SHIFTED)
    except DataUnavailable as error:
        stage.say(f"The rest is left out. {error}")
    return {**measured, "accuracy": measured.get("residual", measured["digits"])["accuracy"]}
