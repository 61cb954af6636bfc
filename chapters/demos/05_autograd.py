"""Gradients flow back the way that the values came.

Each operation knows one thing: what it makes, for each of its inputs, of the gradient that arrives. One walk in reverse
does the rest.
"""

import numpy as np
from drawing import BLUE, ORANGE, lines
from rich.text import Text

from tinytorch.autograd import Graph, input_gradients, seed, topological_order
from tinytorch.tensor import Tensor


def places(graph) -> list[tuple[int, int]]:
    """Each node's row and column: an operation's is its depth, a leaf stands right before the first that takes it."""
    found: list[tuple[int, int]] = []
    for i, depth in enumerate(graph.depths):
        column = depth or min(graph.depths[target] for source, target in graph.edges if source == i) - 1
        found.append((int(not depth and (column > 0 or (0, 0) in found)), column))
    return found


def drawn(graph, values: list[float], gradients: dict[int, float], lit: int = -1) -> Text:
    """Operations above, below them the leaves that they take: a name, a value and dL/d of it for each."""
    at = places(graph)
    cells = [[Text(" " * 11) for _ in range(1 + max(column for _, column in at))] for _ in range(7)]
    for i, value in enumerate(values):
        row, column = at[i]
        forth, back = ("→←", "↗↙")[row] if i + 1 < len(at) else "  "
        name = f"[{graph.labels[i]}]" if i == lit else graph.labels[i]
        cells[4 * row][column] = Text(f"{name:11}", "bold")
        cells[4 * row + 1][column] = Text(f"{value:<9.3f}{back if i in gradients else forth} ", BLUE)
        if i in gradients:
            cells[4 * row + 2][column] = Text(f"{gradients[i]:<+11.3f}", ORANGE)
    return lines(Text().join(row) for row in cells)


def frames(stage):
    w, x, b, v, y = (Tensor(n, requires_grad=True) for n in np.float32([0.5, 1.5, -0.25, 2.0, 0.5]))
    error = v * (w * x + b).tanh() - y
    loss = error * error
    order, graph = topological_order(loss), Graph(loss, w=w, x=x, b=b, v=v, y=y)
    values, gradients, arrived = [node.item() for node in order], {}, {id(loss): seed(loss, None)}
    for i, value in enumerate(values):
        yield drawn(graph, values[: i + 1], {}, i), f"Forwards: {graph.labels[i]} is {value:.3f}.", 0.3
    yield drawn(graph, values, {}), f"L = (v tanh(w x + b) - y)², and it is {loss.item():.3f}. Now back.", 1.2
    for i, node in reversed(list(enumerate(order))):
        g = arrived[id(node)]
        gradients[i] = g.item()
        yield drawn(graph, values, gradients, i), f"Back: {g.item():+.3f} has arrived at {graph.labels[i]}.", 0.45
        for source, share in input_gradients(node.origin, g, node.data) if node.origin else ():
            arrived[id(source)] = arrived.get(id(source), 0) + share
    slope = arrived[id(w)].item()
    said = f"dL/dw is {slope:+.3f}: if w grows by 0.01, L changes by about {0.01 * slope:+.4f}."
    yield drawn(graph, values, gradients), said, 2
