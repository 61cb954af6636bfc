"""Numbers grow.

A demo of the toy course.
"""

import numpy as np
from tinytorch.scaling import double


def frames(stage):
    x = np.array([1.0 + stage.seed])
    for _ in range(3):
        yield str(x), "Growing ...", 0.05
        x = double(x)
    yield str(x), f"Three times doubled. You said: {stage.ask('Say something.', 'nothing')}", 1
