"""The first thing to see: a classifier that learns handwritten digits with the code of chapters 00 to 05."""

import time
from collections.abc import Iterator

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import tinytorch as tt
from tinytorch import nn
from tinytorch.datasets import Split, digits


def epochs(model: nn.Sequential, data: Split, count: int, seed: int, batch: int = 32, rate: float = 0.3) -> Iterator:
    """Train by steps against the gradient; after each pass over the data, yield (mean loss, accuracy held out)."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        losses = []
        for at in np.array_split(rng.permutation(len(data.x_train)), len(data.x_train) // batch):
            loss = nn.functional.cross_entropy(model(tt.Tensor(data.x_train[at])), tt.Tensor(data.y_train[at]))
            model.zero_grad()
            loss.backward()
            with tt.no_grad():
                for weight in model.parameters():
                    weight -= rate * weight.grad
            losses.append(loss.item())
        yield np.mean(losses), accuracy(model, data)


def accuracy(model: nn.Sequential, data: Split) -> float:
    """The share of held-out digits that the model reads right."""
    with tt.no_grad():
        guess = model(tt.Tensor(data.x_test)).argmax(dim=1)
    return (guess.data == data.y_test).mean()


def picture(image: np.ndarray) -> list[str]:
    """An 8x8 image in 0..1 as eight lines of text, two columns a pixel."""
    shades = " .:-=+*#%@"
    return ["".join(2 * shades[int(9 * pixel)] for pixel in row) for row in image.reshape(8, 8)]


def show(console: Console, model: nn.Sequential, data: Split, count: int = 4) -> None:
    """Draw held-out digits with what the model reads in them, a misread one last if there is one."""
    guess = model(tt.Tensor(data.x_test)).argmax(dim=1).data
    firsts = [np.flatnonzero((guess == data.y_test) & (guess == digit))[:1] for digit in range(10)]
    chosen = [*np.concatenate(firsts)[: count - 1], *np.flatnonzero(guess != data.y_test)[:1]]
    for lines in zip(*(picture(data.x_test[i]) for i in chosen)):
        console.print("   ".join(lines), highlight=False, markup=False)
    captions = (f"a {data.y_test[i]}, read as {guess[i]}" for i in chosen)
    console.print("   ".join(f"{caption:16}" for caption in captions), highlight=False)


def learn(console: Console, count: int = 30, seed: int = 0) -> float:
    """Train on the digits with a progress bar, and return the accuracy on those held out. Ctrl-C stops early."""
    tt.manual_seed(seed)
    data = digits(seed=seed)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    console.print(
        f"Training {sum(w.numel() for w in model.parameters()):,} weights on {len(data.x_train):,} digits, seed {seed}."
    )
    columns = (
        TextColumn("epoch"),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.fields[now]}"),
        TimeElapsedColumn(),
    )
    start = time.perf_counter()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=count, now="")
        try:
            for loss, right in epochs(model, data, count, seed):
                progress.update(task, advance=1, now=f"loss {loss:.3f}, {right:.1%} of held-out digits right")
        except KeyboardInterrupt:
            console.print("Stopped early, as asked; what it has learned so far counts.")
    seconds, right = time.perf_counter() - start, accuracy(model, data)
    show(console, model, data)
    console.print(f"{right:.1%} of {len(data.x_test)} digits it has never seen, after {seconds:.1f} s of training.")
    return right
