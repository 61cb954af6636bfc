"""Right answers to chapter 03, written in other ways: none may lose a point. Read, never run."""

import math

import numpy as np

from tinytorch.layers import Parameter
from tito.rubrics.planted import right

# -- linear -----------------------------------------------------------------------------------------------------------

right(
    "linear",
    "adds into its own product",
    "return z if bias is None else z + bias",
    "if bias is not None:\n    z += bias\nreturn z",
)
right("linear", "multiplies in float64", "x @ weight", "np.float64(x) @ weight")


@right("linear", "a row for every example")
def linear_by_rows(x, weight, bias=None):
    if x.shape[-1] != len(weight):
        raise ValueError(f"x {x.shape} does not fit weight {weight.shape}")
    z = np.dot(x.reshape(math.prod(x.shape[:-1]), x.shape[-1]), weight)
    if bias is not None:
        z = z + bias
    return z.reshape(*x.shape[:-1], weight.shape[1])


@right("linear", "names the axes")
def linear_by_einsum(x, weight, bias=None):
    if x.shape[-1] != weight.shape[0]:
        raise ValueError("cannot multiply " + str(x.shape) + " by " + str(weight.shape))
    return np.einsum("...i,io->...o", x, weight) + (0 if bias is None else bias)


# -- Module.collect_parameters ----------------------------------------------------------------------------------------


@right("Module.collect_parameters", "a list, filled and handed over")
def collect_list(self, prefix):
    found = [(prefix + name, value) for name, value in self.named_members() if isinstance(value, Parameter)]
    for name, child in self.named_children():
        found.extend(child.collect_parameters(prefix + name + "."))
    return iter(found)


@right("Module.collect_parameters", "a loop for yield from")
def collect_loops(self, prefix):
    for name, member in self.named_members():
        if isinstance(member, Parameter):
            yield f"{prefix}{name}", member
    for name, module in self.named_children():
        for inner, parameter in module.collect_parameters(""):
            yield f"{prefix}{name}.{inner}", parameter


@right("Module.collect_parameters", "a stack in place of calls")
def collect_stack(self, prefix):
    waiting = [(prefix, self)]
    while waiting:
        start, module = waiting.pop()
        yield from ((start + name, value) for name, value in module.named_members() if isinstance(value, Parameter))
        waiting.extend([(f"{start}{name}.", child) for name, child in module.named_children()][::-1])


# -- Sequential.forward -----------------------------------------------------------------------------------------------


@right("Sequential.forward", "folds")
def sequential_fold(self, x):
    from functools import reduce

    return reduce(lambda z, module: module(z), self.layers, x)


@right("Sequential.forward", "counts")
def sequential_counted(self, x):
    z = x
    for i in range(len(self.layers)):
        z = self.layers[i].forward(z)
    return z


@right("Sequential.forward", "asks for the children")
def sequential_children(self, x):
    for _, module in self.named_children():
        x = module(x)
    return x


# -- xavier_std -------------------------------------------------------------------------------------------------------

right("xavier_std", "a power", "math.sqrt(2 / (fan_in + fan_out))", "(2 / (fan_in + fan_out)) ** 0.5")
right(
    "xavier_std",
    "one over the root of the average",
    "math.sqrt(2 / (fan_in + fan_out))",
    "1 / math.sqrt((fan_in + fan_out) / 2)",
)
right("xavier_std", "NumPy's root", "math.sqrt", "np.sqrt")

# -- he_std -----------------------------------------------------------------------------------------------------------

right("he_std", "a power", "math.sqrt(2 / fan_in)", "(2 / fan_in) ** 0.5")
right("he_std", "two roots", "math.sqrt(2 / fan_in)", "math.sqrt(2) / math.sqrt(fan_in)")
right("he_std", "NumPy's root", "math.sqrt", "np.sqrt")

# -- dropout ----------------------------------------------------------------------------------------------------------

right("dropout", "asks NumPy what is a float", 'x.dtype.kind != "f"', "not np.issubdtype(x.dtype, np.floating)")
right("dropout", "multiplies by the scale", "/ x.dtype.type(1 - p)", "* x.dtype.type(1 / (1 - p))")
right("dropout", "chooses, so that a NaN may be dropped", "return x * mask", "return np.where(mask, x * mask, 0)")


@right("dropout", "clears a mask of scales")
def dropout_cleared(x, *, p=0.5, rng=None):
    if p < 0 or p >= 1:
        raise ValueError(f"p is a chance from 0 to below 1, not {p}")
    if not issubclass(x.dtype.type, np.floating):
        raise TypeError(f"{x.dtype} are no floats")
    mask = np.full_like(x, 1 / (1 - p))
    mask[rng.random(x.shape, dtype=np.float32) < p] = 0
    return mask * x, {"mask": mask}


@right("dropout", "a mask of the dtype of x from the start")
def dropout_typed(x, *, p=0.5, rng=None):
    if not (p >= 0 and p < 1):
        raise ValueError("p = " + str(p))
    if x.dtype.kind in "iub":
        raise TypeError("whole numbers cannot be scaled")
    kept = (rng.random(x.shape, np.float32) >= p).astype(x.dtype)
    mask = kept / x.dtype.type(1 - p)
    z = x * mask
    return z, {"mask": mask}
