"""Most weights can go, the smallest first.

Each column is a pixel, each row a hidden unit; a cell is as bright as its weight is large, and dark if it was pruned.
What is left is then trained on. Han, Pool, Tran and Dally, 2015.
"""

import numpy as np
from drawing import heat

from tinytorch.compression import Pruner, magnitude_mask, sparsity_of
from tinytorch.datasets import digits
from tinytorch.environment import manual_seed
from tinytorch.layers import Linear, ReLU, Sequential
from tinytorch.optimizers import Adam
from tinytorch.tensor import Tensor, no_grad
from tinytorch.training import Batches, Trainer, accuracy

FINAL = 0.8


def frames(stage):
    manual_seed(stage.seed)
    data = digits(seed=stage.seed)
    model = Sequential(Linear(64, 16), ReLU(), Linear(16, 10))
    trainer = Trainer(model, Adam(model.parameters(), lr=5e-3))
    batches = Batches(data.x_train, data.y_train, 32, seed=stage.seed)
    trainer.fit(batches, 8)
    layers = [model[0], model[2]]
    trained = [layer.weight.data.copy() for layer in layers]

    def look(what: str):
        with no_grad():
            right = accuracy(model(Tensor(data.x_test)), Tensor(data.y_test))
        size = np.abs(model[0].weight.data.T)
        said = f"{what}: {sparsity_of(model):.0%} of the weights are zero, {right:.1%} of new digits right."
        return heat(np.sqrt(size), 0, np.sqrt(np.abs(trained[0]).max()), wide=1), said

    yield *look("As trained"), 1.5
    for sparsity in np.linspace(0, FINAL, 17)[1:]:
        for layer, weight in zip(layers, trained):
            layer.weight.data[...] = weight * magnitude_mask(weight, sparsity)
        yield *look("Pruned at once"), 1.2 if round(100 * sparsity) in (50, 70, 80) else 0.12
    trainer.callbacks.append(Pruner(model, lambda step: FINAL))
    for epoch in range(8, 13):
        trainer.fit(batches, epoch + 1)
        yield *look(f"Trained on, epoch {epoch - 7}"), 0.4
    yield *look("Trained on"), 2
