"""Right answers to chapter 03, written in other ways: none may lose a point. Read, never run."""

import math

import numpy as np

from tinytorch.layers import Parameter, Unfitting
from tinytorch.tensor import versions
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


@right("linear", "one product of x and the weight, with a row of ones for the bias")
def linear_with_ones(x, weight, bias=None):
    if x.shape[-1:] != weight.shape[:1]:
        raise ValueError(f"{x.shape} does not fit {weight.shape}")
    if bias is None:
        return np.tensordot(x, weight, axes=(-1, 0))
    ones = np.ones((*x.shape[:-1], 1), x.dtype)
    return np.concatenate([x, ones], axis=-1) @ np.concatenate([weight, bias[None]])


@right("linear", "output by output")
def linear_by_outputs(x, weight, bias=None):
    if np.shape(x)[-1] != np.shape(weight)[0]:
        raise ValueError(" and ".join([str(x.shape), str(weight.shape)]))
    z = np.stack([(x * column).sum(axis=-1) for column in weight.T], axis=-1)
    if bias is not None:
        return z + bias
    return z


@right("linear", "input by input")
def linear_by_inputs(x, weight, bias=None):
    inputs, outputs = weight.shape
    if x.shape[-1] != inputs:
        raise ValueError(f"shapes {x.shape} and {weight.shape} do not fit")
    z = np.zeros((*x.shape[:-1], outputs), np.result_type(x, weight))
    for i in range(inputs):
        z = z + x[..., i, None] * weight[i]
    return z if bias is None else np.add(z, bias)


@right("linear", "the transposed weight times columns, from a bias of zeros if there is none")
def linear_by_columns(x, weight, bias=None):
    if not x.shape[-1] == weight.shape[0]:
        raise ValueError(f"{x.shape} @ {weight.shape}")
    if bias is None:
        bias = np.zeros(weight.shape[1], weight.dtype)
    return (weight.T @ x[..., None])[..., 0] + bias


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


@right("Module.collect_parameters", "an inner function with a path")
def collect_path(self, prefix):
    found = []

    def walk(module, path):
        found.extend((".".join([*path, name]), p) for name, p in module.named_members() if isinstance(p, Parameter))
        for name, child in module.named_children():
            walk(child, [*path, name])

    walk(self, [])
    return [(prefix + name, value) for name, value in found]


@right("Module.collect_parameters", "over all modules inside")
def collect_modules(self, prefix):
    for path, module in self.named_modules():
        for name, value in module.named_members():
            if isinstance(value, Parameter):
                yield prefix + (path + "." if path else "") + name, value


@right("Module.collect_parameters", "the pairs of a dict")
def collect_dict(self, prefix):
    found = {prefix + name: value for name, value in self.named_members() if isinstance(value, Parameter)}
    for name, child in self.named_children():
        found.update(child.collect_parameters(f"{prefix}{name}."))
    return found.items()


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


@right("Sequential.forward", "the rest of the chain, again and again")
def sequential_recursive(self, x):
    def rest(i, x):
        return x if i == len(self.layers) else rest(i + 1, self.layers[i](x))

    return rest(0, x)


@right("Sequential.forward", "keeps all results")
def sequential_results(self, x):
    if not self.layers:
        return x
    results = [self.layers[0](x)]
    for module in self.layers[1:]:
        results.append(module(results[-1]))
    return results[-1]


@right("Sequential.forward", "asks for the next one until there is none")
def sequential_next(self, x):
    modules = iter(self.layers)
    while True:
        try:
            module = next(modules)
        except StopIteration:
            return x
        x = module(x)


# -- xavier_std -------------------------------------------------------------------------------------------------------

right("xavier_std", "a power", "math.sqrt(2 / (fan_in + fan_out))", "(2 / (fan_in + fan_out)) ** 0.5")
right(
    "xavier_std",
    "one over the root of the average",
    "math.sqrt(2 / (fan_in + fan_out))",
    "1 / math.sqrt((fan_in + fan_out) / 2)",
)
right("xavier_std", "NumPy's root", "math.sqrt", "np.sqrt")
right(
    "xavier_std",
    "by logarithms",
    "math.sqrt(2 / (fan_in + fan_out))",
    "math.exp((math.log(2) - math.log(fan_in + fan_out)) / 2)",
)

# -- he_std -----------------------------------------------------------------------------------------------------------

right("he_std", "a power", "math.sqrt(2 / fan_in)", "(2 / fan_in) ** 0.5")
right("he_std", "two roots", "math.sqrt(2 / fan_in)", "math.sqrt(2) / math.sqrt(fan_in)")
right("he_std", "NumPy's root", "math.sqrt", "np.sqrt")
right("he_std", "times the gain of relu", "math.sqrt(2 / fan_in)", 'calculate_gain("relu") * fan_in**-0.5')
right("he_std", "as Xavier's, of a square", "math.sqrt(2 / fan_in)", "math.sqrt(2) * xavier_std(fan_in, fan_in)")

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


@right("dropout", "a copy where p is 0, and numbers drawn flat")
def dropout_flat(x, *, p=0.5, rng=None):
    if not 0 <= p < 1:
        raise ValueError(f"p={p} is not in [0, 1)")
    if not np.issubdtype(x.dtype, np.floating):
        raise TypeError(f"floats are needed, got {x.dtype}")
    if p == 0:
        return x.copy(), {"mask": np.ones_like(x)}
    u = rng.random(size=x.size, dtype=np.float32).reshape(x.shape)
    mask = np.where(u >= p, x.dtype.type(1) / x.dtype.type(1 - p), x.dtype.type(0))
    return x * mask, {"mask": mask}


@right("dropout", "divides where it keeps")
def dropout_divided(x, *, p=0.5, rng=None):
    if 1 - p <= 0 or 1 - p > 1:
        raise ValueError(f"dropout of {p}")
    if x.dtype not in (np.float16, np.float32, np.float64):
        raise TypeError(f"dropout of {x.dtype}")
    kept, z = np.logical_not(rng.random(x.shape, np.float32) < p), np.zeros_like(x)
    np.divide(x, x.dtype.type(1 - p), out=z, where=kept)
    return z, {"mask": kept / np.array(1 - p, x.dtype)}


@right("dropout", "element by element, drawn one by one")
def dropout_by_elements(x, *, p=0.5, rng=None):
    if p < 0 or p >= 1:
        raise ValueError(f"p must be from 0 to below 1: {p}")
    if x.dtype.kind != "f":
        raise TypeError(x.dtype)
    mask = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        if rng.random(dtype=np.float32) >= p:
            mask[index] = 1 / (1 - p)
    return mask * x, {"mask": mask}


# -- Module.load_state_dict -------------------------------------------------------------------------------------------


@right("Module.load_state_dict", "looks first, and then writes, name by name")
def load_by_names(self, state, strict=True):
    mine = dict(self.named_parameters())
    mine.update(self.named_buffers())
    missing = [name for name in mine if name not in state]
    unknown = [name for name in state if name not in mine]
    if strict and missing + unknown:
        raise ValueError("missing: " + ", ".join(missing) + "; unknown: " + ", ".join(unknown))
    common = [name for name in mine if name in state]
    for name in common:
        given, needed = np.shape(state[name]), mine[name].shape
        if given != needed:
            raise ValueError(f"{name} has shape {needed}, the state has {given}")
    for name in common:
        mine[name].data[...] = np.asarray(state[name])
        versions.increment(mine[name].data)
    return Unfitting(missing, unknown)


@right("Module.load_state_dict", "a set of names, and tensors changed in place")
def load_in_place(self, state, strict=True):
    from tinytorch.tensor import no_grad

    own = dict([*self.named_parameters(), *self.named_buffers()])
    if strict and set(own) != set(state):
        raise ValueError(f"these names are on one side only: {set(own) ^ set(state)}")
    both = set(own) & set(state)
    wrong_shapes = [f"{n}: {own[n].shape} and {np.shape(state[n])}" for n in both if own[n].shape != np.shape(state[n])]
    if wrong_shapes:
        raise ValueError("; ".join(wrong_shapes))
    with no_grad():
        for name in both:
            own[name][...] = np.asarray(state[name])
    return Unfitting(sorted(set(own) - both), sorted(set(state) - both))


@right("Module.load_state_dict", "keeps what was, and gives it back where something fails")
def load_and_undo(self, state, strict=True):
    own = {name: kept for names in (self.named_parameters(), self.named_buffers()) for name, kept in names}
    missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    if strict and (missing or unknown):
        raise ValueError(f"missing {missing}, unknown {unknown}")
    before, problem = {}, None
    for name in own.keys() & state.keys():
        if np.shape(state[name]) != own[name].shape:
            problem = ValueError(f"{name}: {own[name].shape}, {np.shape(state[name])}")
            break
        before[name] = own[name].data.copy()
        np.copyto(own[name].data, np.asarray(state[name]), casting="unsafe")
    if problem:
        for name, array in before.items():
            own[name].data[...] = array
        raise problem
    versions.increment(*[own[name].data for name in before])
    return Unfitting(missing, unknown)


@right("Module.load_state_dict", "by the state_dict, whose arrays are views")
def load_views(self, state, strict=True):
    views = self.state_dict()
    missing, unknown = sorted(set(views) - set(state)), sorted(set(state) - set(views))
    if strict and missing + unknown:
        raise ValueError("missing and unknown: " + repr([missing, unknown]))
    common = set(views) & set(state)
    for name in common:
        if views[name].shape != np.shape(state[name]):
            raise ValueError(f"{name}: {np.shape(state[name])} is not {views[name].shape}")
    for name in common:
        views[name].flat = np.ravel(np.asarray(state[name]))
        versions.increment(views[name])
    return Unfitting(missing, unknown)


@right("Module.load_state_dict", "all that is wrong in one message")
def load_problems(self, state, strict=True):
    own = dict(self.named_parameters()) | dict(self.named_buffers())
    missing = [name for name in own if name not in state]
    unknown = [name for name in state if name not in own]
    problems = [f"missing {n}" for n in missing] + [f"unknown {n}" for n in unknown] if strict else []
    for name, kept in own.items():
        if name in state and (given := np.shape(state[name])) != kept.shape:
            problems.append(f"{name} is {kept.shape}, not {given}")
    if problems:
        raise ValueError("; ".join(problems))
    for name, value in state.items():
        if name in own:
            np.copyto(own[name].data, np.array(value), casting="unsafe")
            versions.increment(own[name].data)
    return Unfitting(missing, unknown)


@right("Module.load_state_dict", "number by number")
def load_by_numbers(self, state, strict=True):
    own = {**dict(self.named_buffers()), **dict(self.named_parameters())}
    extra, lacking = [name for name in state if name not in own], [name for name in own if name not in state]
    if strict and (extra or lacking):
        raise ValueError("missing " + ", ".join(lacking) + ", unexpected " + ", ".join(extra))
    arrays = {name: np.array(state[name]) for name in own if name in state}
    for name, array in arrays.items():
        if array.shape != own[name].shape:
            raise ValueError(f"{name} has shape {own[name].shape}, given {array.shape}")
    for name, array in arrays.items():
        for index in np.ndindex(array.shape):
            own[name].data[index] = array[index]
        versions.increment(own[name].data)
    return Unfitting(lacking, extra)


# -- forward_bytes ----------------------------------------------------------------------------------------------------

right("forward_bytes", "answers with a float", "4 * (", "4.0 * (")
right(
    "forward_bytes",
    "a bias is one more input",
    "64 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10",
    "65 * 256 + 257 * 128 + 129 * 10",
)


@right("forward_bytes", "layer by layer")
def bytes_by_layers():
    numbers = 0
    for inputs, outputs, results in ((64, 256, 2), (256, 128, 2), (128, 10, 1)):
        numbers += (inputs + 1) * outputs + 16 * outputs * results
    return numbers * np.dtype(np.float32).itemsize
