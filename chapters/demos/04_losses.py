"""A loss is a landscape, and training is a walk down.

A line w x + b through 40 points: each place (w, b) has a loss. Without derivatives one can only try the neighbours.
"""

import numpy as np
from drawing import beside, heat, lines, plot

from tinytorch.losses import mse_loss
from tinytorch.tensor import Tensor

W, B = np.linspace(-1, 3, 25), np.linspace(1.75, -1.75, 15)  # the places on the map: w to the right, b upwards
EDGE = np.array([-1.5, 1.5])


def neighbours(i: int, j: int) -> list[tuple[int, int]]:
    """The places above, below, to the left and to the right that are on the map."""
    every = [(i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)]
    return [(i, j) for i, j in every if 0 <= i < len(B) and 0 <= j < len(W)]


def frames(stage):
    rng = np.random.default_rng(stage.seed)
    x = rng.uniform(*EDGE, 40).astype(np.float32)
    y = (1.5 * x - 0.75 + rng.normal(0, 0.3, 40)).astype(np.float32)
    land = np.array([[mse_loss(Tensor(x * w + b), Tensor(y)).item() for w in W] for b in B])
    path, tried = [(1, 2)], 1
    while True:
        i, j = path[-1]
        chart = heat(np.log(land), marks=dict.fromkeys(path, "·") | {(i, j): "●"})
        curves = {"points": (x, y), "w x + b": (EDGE, EDGE * W[j] + B[i])}
        data = plot(curves, (-1.5, 1.5), (-4, 3), 20, 15, dots=["points"])
        picture = beside(lines([chart, f"{'w from -1 to 3, b from -1.75 to 1.75':^50}"]), data, gap=1)
        said = f"w = {W[j]:.2f}, b = {B[i]:.2f}: the loss is {land[i, j]:.3f}, after {tried} places tried."
        yield picture, said, 0.2 if len(path) > 1 else 1.0
        around = neighbours(i, j)
        tried += len(around)
        best = min(around, key=lambda place: land[place])
        if land[best] >= land[i, j]:
            break
        path.append(best)
    yield picture, f"{said} All 4 neighbours are higher. A million weights have two million neighbours.", 2
