"""Drift and repair: the digits change, and the model with them.

From day 8 on all digits are shifted by a pixel. The monitor sees no labels. At its alarm a candidate learns from fresh
digits, and takes over if it beats the live model on others. McNemar, 1947.
"""

import numpy as np
from drawing import beside, heat, lines, plot

from tinytorch.datasets import digits
from tinytorch.environment import manual_seed
from tinytorch.layers import Linear, ReLU, Sequential
from tinytorch.mlops import Monitor, promotion_gate
from tinytorch.optimizers import Adam
from tinytorch.tensor import Tensor
from tinytorch.training import Batches, Trainer

DAYS, DRIFT, SIZE = 20, 8, 200
answers = lambda model, x: model(Tensor(x)).softmax(dim=-1).data  # (n, 64) -> (n, 10), probabilities


def arrive(rng, day: int, x: np.ndarray, y: np.ndarray, count: int = SIZE):
    """So many of these digits, as they come on a day."""
    at = rng.integers(0, len(x), count)
    moved = np.roll(x[at].reshape(-1, 8, 8), int(day >= DRIFT), axis=2).reshape(-1, 64)
    return (moved + rng.normal(0, 0.02, moved.shape)).astype(np.float32), y[at]


def deployed(rng, day: int, data, seed: int):
    """A model trained on the digits of a day, and a monitor that knows how they are answered."""
    model = Sequential(Linear(64, 32), ReLU(), Linear(32, 10))
    learned = Batches(*arrive(rng, day, data.x_train, data.y_train, 1197), 32, seed=seed)
    Trainer(model, Adam(model.parameters(), lr=5e-3)).fit(learned, 10)
    x, _ = arrive(rng, day, data.x_test, data.y_test, 600)
    return model, Monitor(x, answers(model, x), SIZE, seed=seed)


def frames(stage):
    manual_seed(stage.seed)
    data, rng = digits(test=600, seed=stage.seed), np.random.default_rng(stage.seed)
    (model, monitor), right, drift, news = deployed(rng, 0, data, stage.seed), [], [], "Version 1 is live."
    for day in range(1, DAYS + 1):
        x, y = arrive(rng, day, data.x_test, data.y_test)
        p = answers(model, x)
        right.append((p.argmax(axis=1) == y).mean())
        alarm = monitor.observe(x, p, seconds=0.001)
        drift.append(max(finding.severity for finding in monitor.findings))
        if alarm:
            candidate, its_monitor = deployed(rng, day, data, stage.seed)
            decision = promotion_gate(answers(candidate, x).argmax(axis=1) == y, p.argmax(axis=1) == y)
            fate = "live" if decision.promote else "refused"
            news = f"Alarm on day {day}; a candidate was {decision}, and is {fate}."
            if decision.promote:
                model, monitor = candidate, its_monitor
        curves = {"share right": (range(day), right), "drift, in thresholds / 3": (range(day), np.divide(drift, 3))}
        card = lines([heat(x[0].reshape(8, 8), 0, 1), f"{'came today':^16}"])
        picture = beside(card, plot(curves, (0, DAYS), (0, 1.1), 48, 8))
        said = f"Day {day}: {right[-1]:.1%} right, drift {drift[-1]:.1f} times the threshold. {news}"
        yield picture, said, 1.2 if alarm or day in (DRIFT - 1, DRIFT, DAYS) else 0.25
