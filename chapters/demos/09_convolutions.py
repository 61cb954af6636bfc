"""A filter slides over a digit, and answers where it fits.

The answer at each place is the sum of nine products: the window times the filter. Two filters: one that fits edges from
dark to bright to the right, one that fits them downwards. Sobel, 1968.
"""

import numpy as np
from drawing import beside, heat, lines, signed
from rich.text import Text

from tinytorch.convolutions import conv2d
from tinytorch.datasets import digits
from tinytorch.tensor import Tensor

RIGHT = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
FILTERS = {"bright to the right": RIGHT, "bright below": RIGHT.T.copy()}


def framed(image: np.ndarray, i: int, j: int) -> Text:
    """The image with a frame of brackets around the window at i, j."""
    marks = {(i + a, j): "[" for a in range(3)} | {(i + a, j + 2): "]" for a in range(3)}
    return heat(image, 0, 1, marks)


def frames(stage):
    data = digits(seed=stage.seed)
    image, label = data.x_test[0].reshape(8, 8), data.y_test[0]
    found = []
    for name, weight in FILTERS.items():
        whole = conv2d(Tensor(image[None, None]), Tensor(weight[None, None])).data[0, 0]
        seen = np.full_like(whole, np.nan)
        for i, j in np.ndindex(*whole.shape):
            seen[i, j] = whole[i, j]
            window = image[i : i + 3, j : j + 3]
            said = " ".join(f"{w:+g}×{x:.2g}" for x, w in zip(window.ravel(), weight.ravel()) if w)
            middle = lines(["", signed(weight, 4), "", "", f"{whole[i, j]:+.2f}"])
            picture = beside(framed(image, i, j), middle, lines([signed(seen, 4), "", name]), *found)
            yield picture, f"The sum of {said} is {whole[i, j]:+.2f}.", 0.12
        found = [lines([signed(whole, 4), "", name])]
        i, j = np.unravel_index(np.abs(whole).argmax(), whole.shape)
        fits = "best" if whole[i, j] > 0 else "least"
        caption = f"{image.size} pixels of a {label}, {whole.size} answers."
        yield picture, f"{caption} The strongest is {whole[i, j]:+.2f}, where '{name}' fits {fits}.", 1.5
