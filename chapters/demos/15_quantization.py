"""Weights are rounded to ever fewer values.

b bits have 2^b - 1 values around 0. The weights of each layer are put on such a grid; the histogram shows where those
of the first one lie.
"""

import numpy as np
from drawing import columns, lines

from tinytorch.datasets import digits
from tinytorch.environment import manual_seed
from tinytorch.layers import Linear, ReLU, Sequential
from tinytorch.optimizers import Adam
from tinytorch.quantization import dequantize, quantize, symmetric_grid
from tinytorch.tensor import Tensor, no_grad
from tinytorch.training import Batches, Trainer, accuracy


def frames(stage):
    manual_seed(stage.seed)
    data = digits(seed=stage.seed)
    model = Sequential(Linear(64, 32), ReLU(), Linear(32, 10))
    Trainer(model, Adam(model.parameters(), lr=5e-3)).fit(Batches(data.x_train, data.y_train, 32, seed=stage.seed), 8)
    layers = [model[0], model[2]]
    trained = [layer.weight.data.copy() for layer in layers]
    reach, count = np.abs(trained[0]).max(), sum(weight.size for weight in trained)

    def look():
        """The histogram of the first layer's weights, and the share of new digits that are right."""
        counts, _ = np.histogram(layers[0].weight.data, bins=75, range=(-reach, reach))
        scale = f"{-reach:<37.2f}0{reach:>37.2f}"
        with no_grad():
            right = accuracy(model(Tensor(data.x_test)), Tensor(data.y_test))
        return lines([*columns(np.sqrt(counts), np.sqrt(400), height=12).split("\n"), scale]), right

    picture, right = look()
    yield picture, f"As trained: {count} weights in {4 * count} bytes, {right:.1%} of new digits right.", 1.5
    for bits in (8, 6, 5, 4, 3, 2):
        grids = [symmetric_grid(weight, bits=bits) for weight in trained]
        rounded = [dequantize(quantize(weight, grid), grid) for weight, grid in zip(trained, grids)]
        for share in np.linspace(0, 1, 9):
            for layer, weight, to in zip(layers, trained, rounded):
                layer.weight.data[...] = weight + np.float32(share) * (to - weight)
            picture, right = look()
            yield picture, f"Rounding to {bits} bits ...", 0.05
        size, values = count * bits // 8, 2**bits - 1
        yield picture, f"{bits} bits, {values} values: {size} bytes, {right:.1%} of new digits right.", 1.2
