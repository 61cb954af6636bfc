"""How far a signal comes through thirty layers.

Each layer multiplies the mean square of what passes, before any training. With a relu one standard deviation of the
weights makes that factor 1: the square root of 2 / fan_in. He et al., 2015.
"""

import numpy as np
from drawing import columns, lines, plot

from tinytorch.environment import manual_seed
from tinytorch.layers import Linear, he_std
from tinytorch.tensor import no_grad, randn

WIDTH, DEPTH = 256, 30
TRIALS = (
    (0.7, "0.7 of He's", "it dies out"),
    (1.3, "1.3 of He's", "it explodes"),
    (1.0, "He's", "it arrives as it came"),
)


def through(scale: float, x):
    """The signal after each of DEPTH layers, whose weights have scale times He's standard deviation."""
    for _ in range(DEPTH):
        layer = Linear(WIDTH, WIDTH, bias=False)
        layer.weight.data[:] = randn(WIDTH, WIDTH).data * (scale * he_std(WIDTH))
        x = layer(x).relu()
        yield x.data


def frames(stage):
    manual_seed(stage.seed)
    x, curves = randn(64, WIDTH), {}
    with no_grad():
        for scale, name, fate in TRIALS:
            sizes = [float(np.sqrt(np.mean(x.data**2)))]
            for depth, signal in enumerate(through(scale, x), 1):
                sizes.append(float(np.sqrt(np.mean(signal**2))))
                curves[name] = np.arange(depth + 1), sizes
                curve = plot(curves, (0, DEPTH), (1e-5, 1e4), height=9, log=True)
                counts, _ = np.histogram(signal, bins=60, range=(0, 4))
                below = columns(counts, signal.size / 20, height=4)
                picture = lines([curve, "", *below.split(), f"0{'how many values are how large':^58}4"])
                span = f"the root mean square goes from {sizes[0]:.2f} to {sizes[-1]:.3g}"
                said = f"Weights of {name} standard deviation: {span}"
                yield picture, f"{said} in {depth} layers.", 0.07
            yield picture, f"{said} in {depth} layers: {fate}.", 1.5
