"""Activations bend a line; enough bends follow any curve.

Two linear layers with nothing between them are one line. A relu bends it; a sum of relus bends it once for each.
"""

import numpy as np
from drawing import plot

from tinytorch.activations import gelu, relu, sigmoid, tanh
from tinytorch.tensor import Tensor

GRID = np.linspace(-3, 3, 193).astype(np.float32)


def bent(knots: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """The line through these points, as a sum of relus: each begins at a knot, and adds how the slope changes there."""
    slopes = np.diff(heights) / np.diff(knots)
    changes = np.diff(slopes, prepend=0).astype(np.float32)
    rises = relu(Tensor(GRID[:, None] - knots[:-1].astype(np.float32)))  # (grid, relus)
    return (rises @ Tensor(changes)).data + heights[0]


def frames(stage):
    x = Tensor(GRID)
    for activation in (relu, sigmoid, tanh, gelu):
        name, z = activation.name, activation(x)
        for share in np.linspace(0, 1, 15):
            curves = {"z = x": (GRID, GRID), f"z = {name}(x)": (GRID, ((1 - share) * x + share * z).data)}
            picture = plot(curves, (-3, 3), (-1.5, 3))
            yield picture, f"{name} bends the line ...", 0.06
        yield picture, ", ".join(f"{name}({v}) = {activation(Tensor(float(v))).item():.3f}" for v in (-2, 0, 2)), 1
    wave = np.sin(2 * GRID)
    for relus in (1, 2, 4, 8, 16, 32):
        knots = np.linspace(-3, 3, relus + 1)
        line = bent(knots, np.sin(2 * knots))
        curves = {"sin(2x)": (GRID, wave), f"a sum of {relus} relus": (GRID, line)}
        caption = f"{relus} relus follow sin(2x), nowhere further off than {np.abs(line - wave).max():.3f}."
        yield plot(curves, (-3, 3), (-1.5, 1.5)), caption, 1.2
