"""A row and a column make a table; strides say what lies where.

Broadcasting copies nothing: an axis that is repeated has stride 0. A transpose moves nothing: it swaps the strides.
"""

import numpy as np
from drawing import beside, lines, numbers

from tinytorch.tensor import Tensor, arange, broadcast_to


def steps(x: Tensor) -> tuple[int, ...]:
    """The strides of x in elements: how far the next one along each axis lies in memory."""
    return tuple(step // x.data.itemsize for step in x.data.strides)


def frames(stage):
    column, row = Tensor([[0], [10], [20]]), Tensor([[1, 2, 3, 4]])
    table = column + row
    cells = list(np.ndindex(*table.shape))
    said = f"{tuple(column.shape)} + {tuple(row.shape)} = {tuple(table.shape)}"
    for k, (i, j) in enumerate(cells):
        parts = numbers(column.data, lit=[(i, 0)]), "\n+", numbers(row.data, lit=[(0, j)]), "\n="
        picture = beside(*parts, numbers(table.data, lit=[(i, j)], hidden=cells[k + 1 :]))
        yield picture, f"{said}: row {i}, column {j}.", 0.15
    yield picture, f"{said}. Each number of one meets each of the other.", 1.5

    wide = broadcast_to(column, shape=table.shape)
    about = f"strides {steps(wide)}\nin memory {column.numel()} numbers"
    caption = f"The column, as the sum saw it: {wide.shape[1]} wide, with nothing copied. To the right the stride is 0."
    yield beside(numbers(wide.data), about), caption, 2

    x = arange(12).reshape(3, 4)
    for name, view in (("x", x), ("x.T", x.T)):
        down, right = steps(view)
        for i, j in np.ndindex(*view.shape):
            place = i * down + j * right
            here = f"{name}[{i}, {j}] = {view[i, j].item()} lies at {i} × {down} + {j} × {right} = {place}"
            memory = numbers(np.arange(12), "{:2g}", lit=[(0, place)])
            shape = f"{name}: shape {tuple(view.shape)}, strides {steps(view)}"
            table = numbers(view.data, "{:2g}", lit=[(i, j)])
            picture = lines([shape, "", table, *[""] * (5 - view.shape[0]), "in memory", "", memory, "", here])
            yield picture, "Reading row by row ...", 0.15
        way = "step by step" if view is x else "in jumps: the same memory, with the strides swapped"
        yield picture, f"{name}, read row by row, is read {way}.", 1.5
