"""Wrong answers to chapter 03: mistakes that students really make. Read, never run; see tito/planted.py."""

import math

import numpy as np

from tinytorch.environment import generator
from tinytorch.layers import Parameter
from tinytorch.tensor import Tensor
from tito.rubrics.planted import wrong

# -- linear -----------------------------------------------------------------------------------------------------------


@wrong("linear", "forgets the bias")
def linear_without_bias(x, weight, bias=None):
    if x.shape[-1] != weight.shape[0]:
        raise ValueError(f"linear needs x (..., {weight.shape[0]}) for a weight {weight.shape}, got {x.shape}")
    return x @ weight


@wrong("linear", "transposes the weight, as PyTorch stores it")
def linear_transposed(x, weight, bias=None):
    if x.shape[-1] != weight.shape[0]:
        raise ValueError(f"linear needs x (..., {weight.shape[0]}) for a weight {weight.shape}, got {x.shape}")
    z = x @ weight.T
    return z if bias is None else z + bias


@wrong("linear", "takes it that there is always a bias")
def linear_with_bias(x, weight, bias=None):
    if x.shape[-1] != weight.shape[0]:
        raise ValueError(f"linear needs x (..., {weight.shape[0]}) for a weight {weight.shape}, got {x.shape}")
    return x @ weight + bias


@wrong("linear", "leaves it to NumPy to complain")
def linear_without_check(x, weight, bias=None):
    z = x @ weight
    return z if bias is None else z + bias


@wrong("linear", "takes x for a matrix: the features for axis 1")
def linear_of_matrices(x, weight, bias=None):
    if x.shape[1] != weight.shape[0]:
        raise ValueError(f"linear needs x (..., {weight.shape[0]}) for a weight {weight.shape}, got {x.shape}")
    z = x @ weight
    return z if bias is None else z + bias


@wrong("linear", "adds the bias to x")
def linear_early_bias(x, weight, bias=None):
    if x.shape[-1] != weight.shape[0]:
        raise ValueError(f"linear needs x (..., {weight.shape[0]}) for a weight {weight.shape}, got {x.shape}")
    return (x if bias is None else x + bias.sum()) @ weight


# -- Module.collect_parameters ----------------------------------------------------------------------------------------


@wrong("Module.collect_parameters", "stops at its own parameters")
def collect_own(self, prefix):
    for name, value in vars(self).items():
        if isinstance(value, Parameter):
            yield prefix + name, value


@wrong("Module.collect_parameters", "looks only into its children, not into theirs")
def collect_two_levels(self, prefix):
    for name, value in vars(self).items():
        if isinstance(value, Parameter):
            yield prefix + name, value
    for name, child in self.named_children():
        for inner, value in vars(child).items():
            if isinstance(value, Parameter):
                yield f"{prefix}{name}.{inner}", value


@wrong("Module.collect_parameters", "forgets the prefix on the way down")
def collect_last_name(self, prefix):
    for name, value in vars(self).items():
        if isinstance(value, Parameter):
            yield prefix + name, value
    for name, child in self.named_children():
        yield from child.collect_parameters(f"{name}.")


@wrong("Module.collect_parameters", "forgets the dot")
def collect_without_dot(self, prefix):
    for name, value in vars(self).items():
        if isinstance(value, Parameter):
            yield prefix + name, value
    for name, child in self.named_children():
        yield from child.collect_parameters(f"{prefix}{name}")


@wrong("Module.collect_parameters", "calls the children and throws away what they find")
def collect_dropped(self, prefix):
    for name, value in vars(self).items():
        if isinstance(value, Parameter):
            yield prefix + name, value
    for name, child in self.named_children():
        child.collect_parameters(f"{prefix}{name}.")


@wrong("Module.collect_parameters", "takes every tensor for a parameter")
def collect_tensors(self, prefix):
    for name, value in vars(self).items():
        if isinstance(value, Tensor):
            yield prefix + name, value
    for name, child in self.named_children():
        yield from child.collect_parameters(f"{prefix}{name}.")


@wrong("Module.collect_parameters", "puts the children first")
def collect_children_first(self, prefix):
    for name, child in self.named_children():
        yield from child.collect_parameters(f"{prefix}{name}.")
    for name, value in vars(self).items():
        if isinstance(value, Parameter):
            yield prefix + name, value


@wrong("Module.collect_parameters", "looks through the attributes for modules, and names them so")
def collect_by_attribute(self, prefix):
    for name, value in vars(self).items():
        if isinstance(value, Parameter):
            yield prefix + name, value
    for name, value in vars(self).items():
        for i, member in enumerate(value if isinstance(value, list) else []):
            yield from member.collect_parameters(f"{prefix}{name}.{i}.")
        if hasattr(value, "collect_parameters"):
            yield from value.collect_parameters(f"{prefix}{name}.")


# -- Sequential.forward -----------------------------------------------------------------------------------------------


@wrong("Sequential.forward", "gives every module the same input")
def sequential_parallel(self, x):
    for module in self.layers:
        z = module(x)
    return z


@wrong("Sequential.forward", "returns inside the loop")
def sequential_returns_early(self, x):
    for module in self.layers:
        x = module(x)
        return x
    return x


@wrong("Sequential.forward", "goes from the last module to the first")
def sequential_reversed(self, x):
    for module in reversed(self.layers):
        x = module(x)
    return x


@wrong("Sequential.forward", "adds what the modules say")
def sequential_summed(self, x):
    return sum(module(x) for module in self.layers)


@wrong("Sequential.forward", "forgets to return")
def sequential_silent(self, x):
    for module in self.layers:
        x = module(x)


# -- xavier_std -------------------------------------------------------------------------------------------------------


@wrong("xavier_std", "returns the variance")
def xavier_variance(fan_in, fan_out):
    return 2 / (fan_in + fan_out)


@wrong("xavier_std", "returns the bound of the uniform distribution")
def xavier_bound(fan_in, fan_out):
    return math.sqrt(6 / (fan_in + fan_out))


@wrong("xavier_std", "forgets the two of the average")
def xavier_sum(fan_in, fan_out):
    return math.sqrt(1 / (fan_in + fan_out))


@wrong("xavier_std", "looks forwards only")
def xavier_forwards(fan_in, fan_out):
    return math.sqrt(1 / fan_in)


# -- he_std -----------------------------------------------------------------------------------------------------------


@wrong("he_std", "returns the variance")
def he_variance(fan_in):
    return 2 / fan_in


@wrong("he_std", "forgets what relu cuts away")
def he_without_relu(fan_in):
    return math.sqrt(1 / fan_in)


@wrong("he_std", "doubles the deviation, not the variance")
def he_doubled(fan_in):
    return 2 * math.sqrt(1 / fan_in)


@wrong("he_std", "returns the bound of the uniform distribution")
def he_bound(fan_in):
    return math.sqrt(6 / fan_in)


# -- dropout ----------------------------------------------------------------------------------------------------------


@wrong("dropout", "does not scale what is kept")
def dropout_unscaled(x, *, p=0.5, rng=generator):
    if not 0 <= p < 1:
        raise ValueError(f"dropout needs 0 <= p < 1, got {p}")
    mask = (rng.random(x.shape, np.float32) >= p).astype(x.dtype)
    return x * mask, {"mask": mask}


@wrong("dropout", "scales by p, not by 1 - p")
def dropout_by_p(x, *, p=0.5, rng=generator):
    if not 0 <= p < 1:
        raise ValueError(f"dropout needs 0 <= p < 1, got {p}")
    mask = (rng.random(x.shape, np.float32) >= p) / x.dtype.type(p or 1)
    return x * mask, {"mask": mask}


@wrong("dropout", "takes p for the probability to be kept")
def dropout_keeps_p(x, *, p=0.5, rng=generator):
    if not 0 <= p < 1:
        raise ValueError(f"dropout needs 0 <= p < 1, got {p}")
    mask = (rng.random(x.shape, np.float32) < p) / x.dtype.type(1 - p)
    return x * mask, {"mask": mask}


@wrong("dropout", "ignores the generator it is given")
def dropout_own_generator(x, *, p=0.5, rng=generator):
    if not 0 <= p < 1:
        raise ValueError(f"dropout needs 0 <= p < 1, got {p}")
    mask = (np.random.default_rng().random(x.shape, np.float32) >= p) / x.dtype.type(1 - p)
    return x * mask, {"mask": mask}


@wrong("dropout", "drops whole rows at once")
def dropout_rows(x, *, p=0.5, rng=generator):
    if not 0 <= p < 1:
        raise ValueError(f"dropout needs 0 <= p < 1, got {p}")
    mask = np.broadcast_to(rng.random(x.shape[:1], np.float32) >= p, x.T.shape).T / x.dtype.type(1 - p)
    return x * mask, {"mask": mask}


@wrong("dropout", "saves the mask before scaling it")
def dropout_saves_keep(x, *, p=0.5, rng=generator):
    if not 0 <= p < 1:
        raise ValueError(f"dropout needs 0 <= p < 1, got {p}")
    keep = (rng.random(x.shape, np.float32) >= p).astype(x.dtype)
    return x * keep / x.dtype.type(1 - p), {"mask": keep}


@wrong("dropout", "does not save the mask")
def dropout_saves_nothing(x, *, p=0.5, rng=generator):
    if not 0 <= p < 1:
        raise ValueError(f"dropout needs 0 <= p < 1, got {p}")
    return x * ((rng.random(x.shape, np.float32) >= p) / x.dtype.type(1 - p))


@wrong("dropout", "accepts any p")
def dropout_any_p(x, *, p=0.5, rng=generator):
    mask = (rng.random(x.shape, np.float32) >= p) / x.dtype.type(1 - p or 1)
    return x * mask, {"mask": mask}
