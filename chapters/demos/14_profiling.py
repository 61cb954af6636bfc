"""Where the time of a training step goes.

A small convolutional network on digits. Every operation, and every rule on the way back, is timed; what is between them
is Python's and the optimizer's. Amdahl, 1967, says what a faster part would be worth.
"""

import math

from drawing import bars

from tinytorch.convolutions import Conv2d, MaxPool2d
from tinytorch.datasets import digits
from tinytorch.environment import manual_seed
from tinytorch.layers import Flatten, Linear, ReLU, Sequential
from tinytorch.optimizers import Adam
from tinytorch.profiling import BETWEEN, Profile, amdahl
from tinytorch.training import Batches, Trainer

SHOWN = 11


def frames(stage):
    manual_seed(stage.seed)
    data = digits(seed=stage.seed)
    filters = Conv2d(1, 16, 3, padding=1), ReLU(), Conv2d(16, 16, 3, padding=1), ReLU(), MaxPool2d(2)
    model = Sequential(*filters, Flatten(), Linear(256, 10))
    trainer = Trainer(model, Adam(model.parameters()))
    spent: dict[str, float] = {}
    for step, batch in enumerate(Batches(data.x_train.reshape(-1, 1, 8, 8), data.y_train, 32, seed=stage.seed), 1):
        with Profile() as profile:
            trainer.step([batch])
        for name, row in profile.by_operation().items():
            spent[name] = spent.get(name, 0.0) + row.own
        total, order = sum(spent.values()), sorted(spent, key=lambda name: -spent[name])
        shares = [(name, spent[name] / total) for name in order[:SHOWN]]
        shares.append(("all else", sum(spent[name] for name in order[SHOWN:]) / total))
        picture = bars([(name, share, f"{share:6.1%}") for name, share in shares], shares[0][1], 36)
        yield picture, f"{step} steps, {1000 * total / step:.2f} ms each.", 0.05
    name, share = next(row for row in shares if row[0] != BETWEEN)
    best = amdahl([share], [math.inf])
    yield picture, f"If {name} took no time at all, a step would be {best:.2f} times as fast, and no more.", 2
