"""1969: No single layer can say "one or the other, but not both"; two layers can.

Notation: x (4, 2) the four cases, y (4, 1) what is true of them. A network gives one logit; its loss is the binary
cross-entropy. Who always says "half and half" has a loss of ln 2: that is chance. Minsky and Papert, 1969.
"""

import math

import numpy as np

from tinytorch import nn
from tinytorch.environment import manual_seed
from tinytorch.losses import binary_cross_entropy_with_logits
from tinytorch.tensor import Tensor, no_grad

NEEDS = ("environment", "tensor", "activations", "layers", "losses", "autograd")

CASES = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
XOR = np.array([[0], [1], [1], [0]], np.float32)
CHANCE = math.log(2)
SEEDS, RATES, STEPS, HIDDEN = 10, (0.1, 0.3, 1.0, 3.0), 500, 8


def one_layer() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 1))


def two_layers() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 1))


def train(make, seed: int, rate: float, steps: int) -> tuple[nn.Sequential, list[float]]:
    """A network from this seed after `steps` steps, and its loss before each and at the end."""
    manual_seed(seed)
    network, x, y = make(), Tensor(CASES), Tensor(XOR)
    losses = []
    for _ in range(steps):
        network.zero_grad()
        loss = binary_cross_entropy_with_logits(network(x), y)
        loss.backward()
        with no_grad():
            for weight in network.parameters():
                weight -= rate * weight.grad
        losses.append(loss.item())
    with no_grad():
        losses.append(binary_cross_entropy_with_logits(network(x), y).item())
    return network, losses


def right(network: nn.Sequential) -> int:
    """How many of the four cases it gets right."""
    with no_grad():
        return int(((network(Tensor(CASES)).data > 0) == (XOR > 0.5)).sum())


def most_right(reach: float = 2.0, grid: int = 41) -> int:
    """The most cases that any line of a fine grid of lines gets right: no training, every direction and place."""
    axis = np.linspace(-reach, reach, grid)
    a, b, c = np.meshgrid(axis, axis, axis, indexing="ij")
    sides = [(a * x1 + b * x2 + c > 0) == bool(y) for (x1, x2), [y] in zip(CASES, XOR)]
    return int(np.sum(sides, axis=0).max())


def says(network: nn.Sequential, axis: np.ndarray) -> np.ndarray:
    """The probability of "true" over the square axis x axis."""
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2).astype(np.float32)
    with no_grad():
        return nn.Sequential(network, nn.Sigmoid())(Tensor(points)).data.reshape(len(axis), len(axis))


def run(stage, seeds: int = SEEDS, rates=RATES, steps: int = STEPS):
    """Each kind of network from every seed at every rate; the losses of all, and what one of each says."""
    kinds = {"one layer": one_layer, "two layers": two_layers}
    plan = [(kind, seed, rate) for kind in kinds for rate in rates for seed in range(seeds)]
    done = stage.load("runs")
    rows = done.get("rows", np.zeros((0, 2))).tolist()  # for each run: the last loss, how many of four are right
    curves = done.get("curves", np.zeros((0, steps + 1))).tolist()

    def note() -> str:
        return f"{plan[len(rows) - 1][0]}: loss {rows[-1][0]:.3f}, {rows[-1][1]:.0f} of 4 right"

    for i in stage.steps("networks", len(plan), start=len(rows), note=note):
        kind, seed, rate = plan[i]
        network, losses = train(kinds[kind], stage.seed + seed, rate, steps)
        rows.append([losses[-1], right(network)])
        curves.append(losses)
        if stage.stopping or i % 10 == 9:
            stage.save("runs", {"rows": np.array(rows), "curves": np.array(curves)})

    axis, found, results = np.linspace(-0.5, 1.5, 41), np.array(rows), {}
    for kind, make in kinds.items():
        mine = np.array([i for i, row in enumerate(plan) if row[0] == kind])
        lowest = int(mine[found[mine, 0].argmin()])
        network, _ = train(make, stage.seed + plan[lowest][1], plan[lowest][2], steps)
        solves = (found[mine, 1] == 4).reshape(len(rates), seeds).sum(axis=1)
        stage.say(f"{kind}: {solves.sum()} of {len(mine)} solve it; the lowest loss is {found[mine, 0].min():.4f}.")
        results[kind] = {
            "runs": len(mine), "solves": solves, "lowest": found[mine, 0].min(), "highest": found[mine, 0].max(),
            "most_right": int(found[mine, 1].max()), "curves": np.array(curves)[mine[::seeds], ::5],
            "says": says(network, axis).round(3).astype(float),
        }  # fmt: skip
    stage.say(f"Chance is {CHANCE:.4f}. No line of {41**3:,} gets more than {most_right()} of the 4 cases right.")
    return {
        "accuracy": results["two layers"]["most_right"] / 4, "chance": CHANCE,
        "lines": 41**3, "most_right": most_right(),
        "rates": rates, "seeds": seeds, "steps": steps, "axis": axis, "kinds": results,
    }  # fmt: skip
