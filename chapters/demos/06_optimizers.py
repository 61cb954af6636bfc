"""Four optimizers walk down the same valley.

The valley is Rosenbrock's, (1 - x)^2 + 10 (y - x^2)^2: steep across and nearly flat along. Rosenbrock, 1960.
"""

import numpy as np
from drawing import INKS, bars, beside, heat, lines

from tinytorch.optimizers import SGD, Adam, RMSprop
from tinytorch.tensor import Tensor

X, Y, STEPS = np.linspace(-2, 2, 25), np.linspace(3, -1, 17), 240
WALKERS = {
    "SGD": lambda place: SGD(place, lr=0.005),
    "Momentum": lambda place: SGD(place, lr=0.002, momentum=0.9),
    "RMSprop": lambda place: RMSprop(place, lr=0.02),
    "Adam": lambda place: Adam(place, lr=0.1),
}


def height(x, y):
    return (1 - x) ** 2 + 10 * (y - x**2) ** 2


def cell(place) -> tuple[int, int]:
    """Where a place is on the map."""
    return int(np.abs(Y - place.data[1]).argmin()), int(np.abs(X - place.data[0]).argmin())


def frames(stage):
    land = np.log(height(X[None, :], Y[:, None]) + 0.05)
    places = {name: Tensor([-1.5, 2.5], requires_grad=True) for name in WALKERS}
    optimizers = {name: make([places[name]]) for name, make in WALKERS.items()}
    trail: dict = {}
    for step in range(STEPS + 1):
        losses = {name: height(place[0], place[1]) for name, place in places.items()}
        now = {cell(place): name[0] for name, place in places.items()}
        trail |= {at: name.lower() for at, name in now.items()}
        if step % 4 == 0:
            rows = [(name, 6 + np.log10(loss.item() + 1e-9), f"{loss.item():.2g}") for name, loss in losses.items()]
            heights = lines(["the height (bars: powers of ten)", "", bars(rows, 7, 7, INKS)])
            picture = beside(heat(land, marks={(8, 18): "*"} | trail | now), heights)
            yield picture, f"Step {step} of {STEPS}; the lowest place is at *.", 0.06 if step not in (0, 80) else 1.0
        for name, loss in losses.items():
            optimizers[name].zero_grad()
            loss.backward()
            optimizers[name].step()
    best = min(losses, key=lambda name: losses[name].item())
    yield picture, f"After {STEPS} steps {best} stands lowest, at {losses[best].item():.2g}.", 2
