"""Wrong answers to chapter 03: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import numpy as np

from tinytorch.layers import Module, Parameter, Sequential, Unfitting
from tinytorch.tensor import versions
from tito.rubrics.planted import wrong

# -- linear -----------------------------------------------------------------------------------------------------------

wrong("linear", "forgets the bias", "z = x @ weight\nreturn z if bias is None else z + bias", "return x @ weight")
wrong("linear", "transposes the weight, as PyTorch stores it", "x @ weight", "x @ weight.T")
wrong(
    "linear",
    "takes it that there is always a bias",
    "z = x @ weight\nreturn z if bias is None else z + bias",
    "return x @ weight + bias",
)
wrong("linear", "leaves it to NumPy to complain", "x.shape[-1] != weight.shape[0]", "False")
wrong("linear", "takes x for a matrix: the features for axis 1", "-1", "1")
wrong(
    "linear",
    "adds the bias to x",
    "z = x @ weight\nreturn z if bias is None else z + bias",
    "return (x if bias is None else x + bias.sum()) @ weight",
)
wrong(
    "linear",
    "overwrites x where the product fits",
    "return z if",
    "if z.shape == x.shape:\n    x[...] = z\nreturn z if",
)
wrong(
    "linear",
    "adds into the bias where there is one row",
    "z + bias",
    "np.add(z, bias, out=bias if bias.shape == z.shape else None)",
)
wrong(
    "linear",
    "answers in half precision",
    "x @ weight",
    "np.float16(x) @ np.float16(weight)",
    "z + bias",
    "z + np.float16(bias)",
)
wrong("linear", "refuses what is too wide, not what is too narrow", "x.shape[-1] != weight", "x.shape[-1] > weight")
wrong("linear", "looks at matrices only", "x.shape[-1] != weight", "x.ndim == 2 and x.shape[-1] != weight")
wrong(
    "linear",
    "turns a weight that fits the other way round",
    "if x.shape[-1] != weight.shape[0]:",
    "if x.shape[-1] == weight.shape[1] != weight.shape[0]:\n    weight = weight.T\nif x.shape[-1] != weight.shape[0]:",
)
wrong("linear", "takes the weight in the dtype of x", "x @ weight", "x @ weight.astype(x.dtype)")

wrong("linear", "computes in float32", "x @ weight", "np.float32(x) @ np.float32(weight)")
wrong("linear", "rounds the bias to float32", "z + bias", "z + np.float32(bias)")
wrong("linear", "answers with x where it has no numbers", "z = x @ weight", "z = x @ weight if x.size else x")

# -- Module.collect_parameters ----------------------------------------------------------------------------------------

wrong(
    "Module.collect_parameters",
    "stops at its own parameters",
    'for name, child in self.named_children():\n    yield from child.collect_parameters(f"{prefix}{name}.")',
    "",
)
wrong("Module.collect_parameters", "forgets the prefix on the way down", 'f"{prefix}{name}."', 'f"{name}."')
wrong("Module.collect_parameters", "forgets the dot", 'f"{prefix}{name}."', 'f"{prefix}{name}"')
wrong("Module.collect_parameters", "calls the children and throws away what they find", "yield from", "")
wrong("Module.collect_parameters", "takes every tensor for a parameter", "Parameter", "Tensor")
wrong(
    "Module.collect_parameters",
    "leaves a frozen parameter out",
    "isinstance(value, Parameter)",
    "isinstance(value, Parameter) and value.requires_grad",
)


@wrong("Module.collect_parameters", "looks only into its children, not into theirs")
def collect_two_levels(self, prefix):
    for name, value in vars(self).items():
        if isinstance(value, Parameter):
            yield prefix + name, value
    for name, child in self.named_children():
        for inner, value in vars(child).items():
            if isinstance(value, Parameter):
                yield f"{prefix}{name}.{inner}", value


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


wrong(
    "Module.collect_parameters",
    "asks the children for named_parameters, which have tied ones once",
    "child.collect_parameters(",
    "child.named_parameters(",
)
wrong(
    "Module.collect_parameters",
    "takes buffers for parameters",
    "isinstance(value, Parameter)",
    "isinstance(value, Parameter | Buffer)",
)
wrong(
    "Module.collect_parameters",
    "does not know kinds of parameters",
    "isinstance(value, Parameter)",
    "type(value) is Parameter",
)
wrong("Module.collect_parameters", "hands out new parameters", "+ name, value", "+ name, Parameter(value.data)")


@wrong("Module.collect_parameters", "looks into lists, not into tuples or what lists hold")
def collect_one_level(self, prefix):
    for name, value in vars(self).items():
        found = {name: value}
        if isinstance(value, list | dict):
            several = value.items() if isinstance(value, dict) else enumerate(value)
            found = {f"{name}.{key}": part for key, part in several}
        for inner, part in found.items():
            if isinstance(part, Parameter):
                yield prefix + inner, part
    for name, child in self.named_children():
        yield from child.collect_parameters(f"{prefix}{name}.")


wrong(
    "Module.collect_parameters",
    "takes what asks for gradients",
    "isinstance(value, Parameter)",
    'isinstance(value, Parameter) or getattr(value, "requires_grad", False)',
)


@wrong("Module.collect_parameters", "asks a Sequential for its children's names, and no other kind")
def collect_sequential(self, prefix):
    for name, value in self.named_members():
        if isinstance(value, Parameter):
            yield prefix + name, value
    for name, child in self.named_children() if isinstance(self, Sequential) else Module.named_children(self):
        yield from child.collect_parameters(f"{prefix}{name}.")


# -- Sequential.forward -----------------------------------------------------------------------------------------------

wrong("Sequential.forward", "gives every module the same input", "x = module(x)\nreturn x", "z = module(x)\nreturn z")
wrong("Sequential.forward", "returns inside the loop", "(x)", "(x)\n    return x")
wrong("Sequential.forward", "goes from the last module to the first", "self.layers", "reversed(self.layers)")
wrong("Sequential.forward", "forgets to return", "return x", "")
wrong(
    "Sequential.forward",
    "uses its modules up",
    "for module in self.layers:\n    x = module(x)",
    "while self.layers:\n    x = self.layers.pop(0)(x)",
)
wrong("Sequential.forward", "calls a module that stands in it twice once", "self.layers", "dict.fromkeys(self.layers)")
wrong("Sequential.forward", "answers nothing where it has no modules", "return x", "return x if self.layers else None")


@wrong("Sequential.forward", "adds what the modules say")
def sequential_summed(self, x):
    return sum(module(x) for module in self.layers)


wrong("Sequential.forward", "cuts the graph after each module", "module(x)", "Tensor(module(x).data)")
wrong("Sequential.forward", "makes a new tensor of x", "for module", "x = Tensor(x)\nfor module")
wrong("Sequential.forward", "answers with an array", "return x", "return x.data")

wrong(
    "Sequential.forward",
    "takes numbers for the names",
    "for module in self.layers:",
    "for module in [getattr(self, str(i)) for i in range(len(self.layers))]:",
)
wrong(
    "Sequential.forward",
    "goes by the alphabet",
    "module in self.layers",
    "_, module in sorted(zip(self.names, self.layers), key=lambda pair: pair[0])",
)

# -- xavier_std -------------------------------------------------------------------------------------------------------

wrong("xavier_std", "returns the variance", "math.sqrt(2 / (fan_in + fan_out))", "2 / (fan_in + fan_out)")
wrong("xavier_std", "returns the bound of the uniform distribution", "2", "6")
wrong("xavier_std", "forgets the two of the average", "2", "1")
wrong("xavier_std", "looks forwards only", "2 / (fan_in + fan_out)", "1 / fan_in")
wrong("xavier_std", "divides whole numbers", "2 / (fan_in", "2 // (fan_in")
wrong("xavier_std", "computes in half precision", "return math.sqrt", "return np.float16(1) * math.sqrt")

# -- he_std -----------------------------------------------------------------------------------------------------------

wrong("he_std", "returns the variance", "math.sqrt(2 / fan_in)", "2 / fan_in")
wrong("he_std", "forgets what relu cuts away", "2", "1")
wrong("he_std", "doubles the deviation, not the variance", "math", "2 * math", "2", "1")
wrong("he_std", "returns the bound of the uniform distribution", "2", "6")
wrong("he_std", "divides whole numbers", "2 / fan_in", "2 // fan_in")
wrong("he_std", "computes in half precision", "return math.sqrt", "return np.float16(1) * math.sqrt")

# -- dropout ----------------------------------------------------------------------------------------------------------

wrong("dropout", "does not scale what is kept", "/ x.dtype.type(1 - p)", ".astype(x.dtype)")
wrong("dropout", "scales by p, not by 1 - p", "1 - p", "p or 1")
wrong("dropout", "takes p for the probability to be kept", ">= p", "< p")
wrong("dropout", "ignores the generator it is given", "rng", "np.random.default_rng()")
wrong(
    "dropout",
    "drops whole rows at once",
    "(rng.random(x.shape, np.float32) >= p)",
    "np.broadcast_to(rng.random(x.shape[:1], np.float32) >= p, x.T.shape).T",
)
wrong("dropout", "saves the mask before scaling it", '{"mask": mask}', '{"mask": mask * x.dtype.type(1 - p)}')
wrong("dropout", "does not save the mask", 'x * mask, {"mask": mask}', "x * mask")
wrong("dropout", "accepts any p", "not 0 <= p < 1", "False", "(1 - p)", "(1 - p or 1)")
wrong("dropout", "overwrites x", "return x * mask", "x *= mask\nreturn x")
wrong("dropout", "makes a mask of float64", "x.dtype.type(1 - p)", "np.float64(1 - p)")
wrong("dropout", "makes a mask of half precision", "x.dtype.type(1 - p)", "np.float16(1 - p)")
wrong("dropout", "accepts that all is dropped", "not 0 <= p < 1", "not 0 <= p <= 1", "(1 - p)", "(1 - p or 1)")
wrong("dropout", "scales integers, which become zeros", 'x.dtype.kind != "f"', "False")
wrong("dropout", "drops a u of exactly p", ">= p", "> p")
wrong("dropout", "accepts unsigned bytes", 'x.dtype.kind != "f"', 'x.dtype.kind in "ib"')
wrong("dropout", "makes a mask of float32 for any x", "x.dtype.type(1 - p)", "np.float32(1 - p)")
wrong("dropout", "takes NaN for 0", "return x * mask", "return np.nan_to_num(x * mask)")
wrong("dropout", "draws from a copy of the generator", "mask = (rng", "import copy\nmask = (copy.deepcopy(rng)")
wrong(
    "dropout",
    "returns x where p is 0",
    "mask = (rng",
    'if p == 0:\n    return x, {"mask": np.ones_like(x)}\nmask = (rng',
)
wrong("dropout", "reads the mask off z", '{"mask": mask}', '{"mask": (x * mask != 0) / x.dtype.type(1 - p)}')

wrong("dropout", "computes in float32", "return x * mask", "return np.float32(x) * mask")
wrong(
    "dropout",
    "compares in the dtype of x",
    "rng.random(x.shape, np.float32)",
    "rng.random(x.shape, np.float32).astype(x.dtype)",
)
wrong(
    "dropout",
    "fills a flat copy: of a transposed x it is no view",
    "mask = (rng.random(x.shape, np.float32) >= p)",
    "u = np.zeros_like(x, np.float32)\nu.ravel()[:] = rng.random(x.size, np.float32)\nmask = (u >= p)",
)

# -- Module.load_state_dict -------------------------------------------------------------------------------------------

wrong("Module.load_state_dict", "does not look at the names", "strict and (missing or unknown)", "False")
wrong("Module.load_state_dict", "refuses what is missing only", "(missing or unknown)", "missing")
wrong("Module.load_state_dict", "refuses what is unknown only", "(missing or unknown)", "unknown")
wrong("Module.load_state_dict", "is always strict", "strict and (missing or unknown)", "missing or unknown")
wrong("Module.load_state_dict", "lets NumPy broadcast", "np.shape(state[name]) != kept.shape", "False")
wrong(
    "Module.load_state_dict",
    "compares sizes, not shapes",
    "np.shape(state[name]) != kept.shape",
    "np.size(state[name]) != kept.numel()",
)
wrong("Module.load_state_dict", "forgets the buffers", "**dict(self.named_buffers())", "")
wrong(
    "Module.load_state_dict",
    "does not tell that the memory has changed",
    "versions.increment(*(kept.data for kept in own.values()))",
    "",
)
wrong("Module.load_state_dict", "makes float32 of what it reads", ", dtype=kept.dtype", "")
wrong("Module.load_state_dict", "uses the state up", "Tensor(state[name]", "Tensor(state.pop(name)")
wrong("Module.load_state_dict", "answers nothing", "return Unfitting(sorted(missing), sorted(unknown))", "")
wrong(
    "Module.load_state_dict",
    "exchanges missing and unknown",
    "Unfitting(sorted(missing), sorted(unknown))",
    "Unfitting(sorted(unknown), sorted(missing))",
)
wrong(
    "Module.load_state_dict",
    "takes the arrays of the state for its own",
    "kept.data[...] = arrays[name]",
    "kept.data = arrays[name]",
)
wrong(
    "Module.load_state_dict",
    "does not say what does not fit",
    'f"state does not fit: missing {sorted(missing)}, unknown {sorted(unknown)}"',
    '"state does not fit"',
)


@wrong("Module.load_state_dict", "copies while it checks, and stops half way")
def load_as_it_goes(self, state, strict=True):
    own = {**dict(self.named_parameters()), **dict(self.named_buffers())}
    missing, unknown = own.keys() - state.keys(), state.keys() - own.keys()
    if strict and (missing or unknown):
        raise ValueError(f"state does not fit: missing {missing}, unknown {unknown}")
    for name in own.keys() & state.keys():
        if np.shape(state[name]) != own[name].shape:
            raise ValueError(f"{name} needs {own[name].shape}, got {np.shape(state[name])}")
        own[name].data[...] = state[name]
        versions.increment(own[name].data)
    return Unfitting(sorted(missing), sorted(unknown))


@wrong("Module.load_state_dict", "puts new parameters in the place of the old ones")
def load_new_parameters(self, state, strict=True):
    own = {**dict(self.named_parameters()), **dict(self.named_buffers())}
    missing, unknown = own.keys() - state.keys(), state.keys() - own.keys()
    if strict and (missing or unknown):
        raise ValueError(f"state does not fit: missing {missing}, unknown {unknown}")
    for name in own.keys() & state.keys():
        if np.shape(state[name]) != own[name].shape:
            raise ValueError(f"{name} needs {own[name].shape}, got {np.shape(state[name])}")
    for name in own.keys() & state.keys():
        *path, last = name.split(".")
        module = self
        for part in path:
            module = getattr(module, part)
        setattr(module, last, type(own[name])(np.array(state[name], own[name].dtype)))
    return Unfitting(sorted(missing), sorted(unknown))


wrong(
    "Module.load_state_dict",
    "counts as changed what was passed over, too",
    "kept.data for kept in own.values()",
    "kept.data for kept in [*self.parameters(), *self.buffers()]",
)
wrong("Module.load_state_dict", "answers with sets", "sorted(missing), sorted(unknown))", "missing, unknown)")
wrong(
    "Module.load_state_dict",
    "freezes what it writes into",
    "kept.data[...] = arrays[name]",
    "kept.requires_grad = False\n    kept.data[...] = arrays[name]",
)
wrong(
    "Module.load_state_dict",
    "lets what was frozen learn again",
    "kept.data[...] = arrays[name]",
    'kept.requires_grad = kept.dtype.kind == "f"\n    kept.data[...] = arrays[name]',
)
wrong("Module.load_state_dict", "looks at shapes only where it is strict", "if np.shape", "if strict and np.shape")
wrong(
    "Module.load_state_dict",
    "takes what is unknown out of the caller's state",
    "own = {name",
    "for name in unknown:\n    state.pop(name)\nown = {name",
)

wrong(
    "Module.load_state_dict",
    "fills a flat copy: of a transposed weight it is no view",
    "kept.data[...] = arrays[name]",
    "kept.data.reshape(-1)[:] = arrays[name].reshape(-1)",
)
wrong(
    "Module.load_state_dict",
    "fills column by column",
    "kept.data[...] = arrays[name]",
    "kept.data.T.flat = arrays[name].ravel()",
)
wrong(
    "Module.load_state_dict",
    "copies only what has another dtype",
    "kept.data[...] = arrays[name]",
    'if kept.dtype == getattr(state[name], "dtype", None):\n'
    "        kept.data = state[name]\n"
    "    else:\n"
    "        kept.data[...] = arrays[name]",
)

# -- forward_bytes ----------------------------------------------------------------------------------------------------

wrong("forward_bytes", "counts numbers, not bytes", "4 * (", "(")
wrong("forward_bytes", "forgets that relu makes a result of its own", "2 * 256 + 2 * 128", "256 + 128")
wrong("forward_bytes", "counts the digits, too", "(2 * 256", "(64 + 2 * 256")
wrong(
    "forward_bytes",
    "forgets the biases",
    "64 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10",
    "64 * 256 + 256 * 128 + 128 * 10",
)
