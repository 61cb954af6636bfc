"""Chapter 03, layers: the linear layer, who finds the parameters, how large they start, and dropout.

x is a batch (..., in), weight (in, out), bias (out,). Methods are reached by probes, on modules built beside them.
"""

import math

import numpy as np
from hypothesis import strategies as st
from strategies import arrays, filled, no_zeros, shapes, whole_numbers

from tito.rubrics.compare import close, holds, refuses, same
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("03", module="layers")

rubric.exercise("linear", difficulty=2, minutes=12)
rubric.exercise("Module.collect_parameters", difficulty=3, minutes=20)
rubric.exercise("Sequential.forward", difficulty=1, minutes=5)
rubric.exercise("xavier_std", difficulty=1, minutes=5)
rubric.exercise("he_std", difficulty=1, minutes=5)
rubric.exercise("dropout", difficulty=2, minutes=20)
rubric.exercise("Module.load_state_dict", difficulty=3, minutes=30)


# -- linear -----------------------------------------------------------------------------------------------------------


rows = st.integers(1, 3).map(lambda n: (n,))


@st.composite
def layer(draw, leading=rows):
    """x (..., in), weight (in, out) and bias (out,)."""
    inner, outer = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return (
        draw(whole_numbers((*draw(leading), inner))),
        draw(whole_numbers((inner, outer))),
        draw(whole_numbers((outer,))),
    )


rubric.doctests("linear", points=1)


def digits(x):
    """Ten digits of a float64, and of others what is usual: float32 on the way to a float64 shows."""
    return 1e-10 if x.dtype == np.float64 else None


def at(dtype, *arrays):
    return tuple(np.array(array, dtype) for array in arrays)


square = [[1, 2], [3, 4]]
batches = [
    *[at(dtype, x, square, [10, 20]) for dtype in (np.float32, np.float16) for x in (square, [[5, 6]])],
    at(np.float32, [[4097, 2]], [[1, 4099], [1, 0]], [1, 0]),
    at(np.float32, [[1, np.nan], [2, 3]], square, [0, 1]),
    at(np.float32, np.zeros((0, 2)), [[1, 2, 3], [4, 5, 6]], [0, 1, 2]),
    at(np.float64, [[0.1, 0.3]], [[0.1, 0.3, 0.7], [0.7, 0.9, -0.3]], [0.2, 0.6, 0.1]),
    (np.array([[200, 100]], np.uint8), *at(np.float32, [[0.5, 2], [1.25, -0.25]], [0, 0.5])),
    at(np.float32, [[0.5, -1.25]], square, [0, 1]),
]


@rubric.check("linear", points=1)
@given(layer(), always=batches)
def weighted_sums_and_a_bias(student, x, weight, bias):
    """Each output is a weighted sum of all inputs, plus its own bias: z = x W + b."""
    mistakes = {"this is x W: the bias is missing": x @ weight, "the bias is subtracted": x @ weight - bias}
    close(student.linear(x, weight, bias), x @ weight + bias, "z", rtol=digits(x), mistakes=mistakes)


@rubric.check("linear", points=1)
@given(
    layer(shapes(dims=3)),
    st.booleans(),
    always=[
        (*at(np.float32, x, square, [5, 7]), biased)
        for x in ([1, 2], [[[1, 2], [3, 4], [5, 6]]], np.zeros((2, 0, 2)))
        for biased in (True, False)
    ],
)
def only_the_last_axis_is_multiplied(student, x, weight, bias, with_bias):
    """One example, a batch, a batch of sequences: only x's last axis changes. The bias may be None."""
    if with_bias:
        close(student.linear(x, weight, bias), x @ weight + bias, "z")
    else:
        close(student.linear(x, weight), x @ weight, "z without a bias")


@rubric.check("linear", points=1)
@given(
    layer(shapes()),
    st.integers(1, 3),
    always=[
        *[(*at(np.float32, x, square, [5, 7]), 1) for x in ([1, 2], [[1, 2]], [[[1, 2], [3, 4]]])],
        (*at(np.float32, [[1]], [[2, 3]], [5, 7]), 1),
    ],
)
def shapes_that_do_not_fit_are_named(student, x, weight, bias, extra):
    """A weight that does not fit is refused: x may be too wide or too narrow, of any number of axes.

    The message names the shapes of x and of weight.
    """
    wide = np.concatenate([x, np.ones((*x.shape[:-1], extra), x.dtype)], axis=-1)
    for misfit in (wide, x[..., 1:]):
        refuses("ValueError", student.linear, misfit, weight, bias, mentioning=[str(misfit.shape), str(weight.shape)])


# -- Module.collect_parameters ----------------------------------------------------------------------------------------


@rubric.probe
def collected(tt, tree, prefix):
    held = []

    class Kin(tt.layers.Parameter):
        __slots__ = ()

    def hold(parameter):
        held.append(parameter)
        return parameter

    def parameters(value):
        if isinstance(value, dict):
            return {name: parameters(part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(parameters(part) for part in value)
        return hold(tt.layers.Parameter(value))

    def build(parts):
        module = tt.layers.Module()
        for name, kind, value in parts:
            if kind == "parameters":
                value = parameters(value)
            elif kind == "frozen":
                value = hold(tt.layers.Parameter(value, requires_grad=False))
            elif kind == "kin":
                value = hold(Kin(value))
            elif kind == "buffer":
                value = tt.layers.Buffer(value)
            elif kind == "tied":
                value = getattr(module, value)
            elif kind == "named":
                value = {name: build(part) for name, part in value.items()}
            elif kind == "tensor":
                value = tt.Tensor(value)
            elif kind == "learning":
                value = tt.Tensor(value, requires_grad=True)
            elif kind == "module":
                value = build(value)
            elif kind == "list":
                value = [build(part) for part in value]
            setattr(module, name, value)
        return module

    found = build(tree).collect_parameters(prefix)
    arrays = lambda one: one.data if isinstance(one, tt.Tensor) else one
    return [[name, arrays(parameter), any(parameter is one for one in held)] for name, parameter in found]


def parameters(most=2):
    """Attributes that are parameters: [name, kind, array]."""
    names = st.lists(st.sampled_from(["weight", "bias", "scale"]), unique=True, max_size=most)
    return names.flatmap(
        lambda names: st.tuples(
            *[whole_numbers((i + 1,)).map(lambda x, name=name: [name, "parameters", x]) for i, name in enumerate(names)]
        ).map(list)
    )


@st.composite
def trees(draw, depth=2):
    """What a module holds, as [name, kind, value] for each attribute, in the order of assignment.

    The kind "parameters" is one, or a list, tuple or dict of them.
    """
    parts = draw(parameters())
    if depth:
        for name in draw(st.lists(st.sampled_from(["first", "second"]), unique=True, max_size=2)):
            parts.append([name, "module", draw(trees(depth - 1))])
        if draw(st.booleans()):
            parts.append(["blocks", "list", draw(st.lists(trees(depth - 1), max_size=2))])
    return draw(st.permutations(parts))


def expected(tree, prefix=""):
    """Own parameters, then those inside."""
    own, inside, held = [], [], {name: (kind, value) for name, kind, value in tree}
    for name, kind, value in tree:
        kind, value = held[value] if kind == "tied" else (kind, value)
        if kind in ("parameters", "frozen", "kin"):
            own += spread(prefix + name, value)
        if kind == "module":
            inside += expected(value, f"{prefix}{name}.")
        if kind in ("list", "named"):
            for key, part in numbered(value):
                inside += expected(part, f"{prefix}{name}.{key}.")
    return own + inside


def spread(name, value):
    """An array with its name; those that lists, tuples and dicts hold, under dotted names."""
    if isinstance(value, np.ndarray):
        return [[name, value]]
    return [pair for key, part in numbered(value) for pair in spread(f"{name}.{key}", part)]


def numbered(several):
    """The names and values of a dict, the numbers and values of a list."""
    return several.items() if isinstance(several, dict) else enumerate(several)


weight = ["weight", "parameters", np.array([1.0, 2.0])]
leaf = [["scale", "frozen", np.array([3.0])], weight]
NESTED = [
    ["first", "module", [["blocks", "list", [leaf, [["second", "module", leaf]]]], weight]],
    ["again", "tied", "first"],
    ["bias", "parameters", np.array([4.0])],
    ["by", "named", {"left": leaf, "right": [weight, ["again", "tied", "weight"]]}],
]


def compare(yours, wanted):
    same([name for name, *_ in yours], [name for name, _ in wanted], "the list of names")
    for (name, value, held), (_, array) in zip(yours, wanted):
        close(value, array, name)
        holds(held, f"what is found as {name} is the parameter itself, which an optimizer can move")


@rubric.check("Module.collect_parameters", points=1)
@given(
    parameters(3),
    st.sampled_from(["", "net."]),
    always=[
        ([weight, ["bias", "frozen", np.ones(1)], ["again", "tied", "weight"]], "net."),
        ([["heads", "parameters", [np.ones(1), np.zeros(2)]], weight, ["by", "parameters", {"a": np.ones(3)}]], ""),
        ([["pairs", "parameters", ([np.array(1.0)], {"a": np.zeros((0, 2))})], ["shift", "kin", np.ones(2)]], ""),
    ],
)
def a_modules_own(student, own, prefix):
    """What a module holds itself, in lists and dicts too, comes under its prefix and attribute: frozen or tied as well.

    A buffer, a number or a plain tensor, even one that asks for gradients, is no parameter.
    """
    others = [
        ["mask", "tensor", np.ones(2)],
        ["state", "learning", np.ones(2)],
        ["mean", "buffer", np.ones(2)],
        ["p", "number", 0.5],
        ["name", "text", "digits"],
        ["nothing", "none", None],
    ]
    compare(student.collected(others[:4] + own + others[4:], prefix), expected(own, prefix))


@rubric.check("Module.collect_parameters", points=2)
@given(trees(), always=[NESTED])
def those_inside_under_dotted_names(student, tree):
    """Own parameters first, then each child's, however deep: the child's name and a dot go in front of its names."""
    compare(student.collected(tree, ""), expected(tree))


@rubric.probe
def digits_network(tt):
    nn = tt.layers
    model, heads = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)), nn.ModuleDict()
    heads["left"] = nn.Linear(10, 2)
    found = [part.collect_parameters("") for part in (model, heads)]
    return [[[name, list(parameter.shape)] for name, parameter in pairs] for pairs in found]


@rubric.check("Module.collect_parameters", points=1)
def a_child_says_its_own_name(student):
    """A Sequential keeps its modules in a list and calls them "0", "1"...: ask named_children() for names.

    A ModuleDict calls them by its keys.
    """
    digits_found, heads_found = student.digits_network()
    wanted = [["0.weight", [64, 32]], ["0.bias", [32]], ["2.weight", [32, 10]], ["2.bias", [10]]]
    same([list(pair) for pair in digits_found], wanted, "what is found in the digits network")
    wanted = [["left.weight", [10, 2]], ["left.bias", [2]]]
    same([list(pair) for pair in heads_found], wanted, "what is found in a ModuleDict")


# -- Sequential.forward -----------------------------------------------------------------------------------------------


@rubric.probe
def one_after_another(tt, x, factors, shifts, times):
    """What two calls answer, and a chain with names; whether modules got the very tensors; whether x is remembered."""

    class Affine(tt.layers.Module):
        def __init__(self, factor, shift):
            self.factor, self.shift = factor, shift

        def forward(self, x):
            handed.append(x)
            returned.append(x * self.factor + self.shift)
            return returned[-1]

    modules = [Affine(factor, shift) for factor, shift in zip(factors.tolist(), shifts.tolist())]
    model = tt.layers.Sequential(modules * times)
    named = tt.layers.Sequential({"zyxwvuts"[i]: module for i, module in enumerate(modules * times)})
    answers, themselves = [], True
    for chain, start in ((model, tt.Tensor(x, requires_grad=True)), (model, tt.Tensor(x + 1)), (named, tt.Tensor(x))):
        handed, returned = [], [start]
        answers.append(chain.forward(start))
        handed.append(answers[-1])
        themselves = themselves and all(a is b for a, b in zip(handed, returned))
    return [*answers, themselves, getattr(answers[0], "requires_grad", False)]


@st.composite
def pipeline(draw, least=1):
    """x, the factors and the shifts of modules that compute factor * x + shift, and how often all of them stand."""
    count = draw(st.integers(least, 3))
    numbers = st.lists(st.integers(1, 3), min_size=count, max_size=count)
    x = draw(arrays(least=1))
    return x, *(np.array(draw(numbers), np.float64) for _ in range(2)), 1


@rubric.check("Sequential.forward", points=1)
@given(
    pipeline(),
    always=[
        (np.array([1, -2], dtype), np.array([2.0, 3.0]), np.array([1.0, 5.0]), 2) for dtype in ("float32", "float64")
    ],
)
def each_output_is_the_next_input(student, x, factors, shifts, times):
    """The first module gets x; each later one gets what the module before it returned. So it is at every call.

    They get the tensors themselves, not copies: a copy has forgotten where it came from.
    """
    steps = list(zip(factors.tolist(), shifts.tolist())) * times
    forwards, backwards, again = x, x, x + 1
    for factor, shift in steps:
        forwards, again = forwards * factor + shift, again * factor + shift
    for factor, shift in steps[::-1]:
        backwards = backwards * factor + shift
    mistakes = {
        "the last module was given x, not what the module before it returned": x * steps[-1][0] + steps[-1][1],
        "only the first module has run": x * steps[0][0] + steps[0][1],
        "the modules ran from the last to the first": backwards,
        "the answers of the modules are added up": sum(x * factor + shift for factor, shift in steps),
    }
    first, second, named, themselves, remembered = student.one_after_another(x, factors, shifts, times)
    close(first, forwards, "z", mistakes=mistakes)
    close(second, again, "z of a second call, of x + 1")
    close(named, forwards, "z of a chain whose modules have names")
    holds(themselves, "x, and what each module returned, are handed on as they are")
    holds(remembered, "z asks for gradients where x does")


@rubric.check("Sequential.forward", points=1, examples=5)
@given(arrays(least=1), always=[np.array([1, 2], np.float32)])
def nothing_changes_nothing(student, x):
    """A Sequential without modules returns its input."""
    z, _, _, itself, _ = student.one_after_another(x, np.zeros(0), np.zeros(0), 1)
    close(z, x, "z")
    holds(itself, "z is x itself")


# -- xavier_std -------------------------------------------------------------------------------------------------------

fans = st.integers(3, 1000)

rubric.doctests("xavier_std", points=1)


@rubric.check("xavier_std", points=1)
@given(fans, fans, always=[(1, 1), (784, 10), (10, 784), (10**9, 1)])
def between_forwards_and_backwards(student, fan_in, fan_out):
    """The variance is 2 / (fan_in + fan_out), between 1 / fan_in and 1 / fan_out; its square root is the deviation."""
    variance = 2 / (fan_in + fan_out)
    mistakes = {
        "this is the variance: take its square root": variance,
        "this is the bound of a uniform distribution: it is larger than its deviation": math.sqrt(3 * variance),
        "the variance should be 2 over the sum, this is 1 over it": math.sqrt(variance / 2),
    }
    close(student.xavier_std(fan_in, fan_out), math.sqrt(variance), "the standard deviation", mistakes=mistakes)


# -- he_std -----------------------------------------------------------------------------------------------------------

rubric.doctests("he_std", points=1)


@rubric.check("he_std", points=1)
@given(fans, always=[1, 7, 10**9])
def twice_for_the_half_that_relu_cuts(student, fan_in):
    """n products of variance v sum to n v; relu lets half through: n v / 2 = 1, and the deviation is the root of v."""
    mistakes = {
        "this is the variance: take its square root": 2 / fan_in,
        "this keeps the variance without a relu: it must be twice as large": math.sqrt(1 / fan_in),
        "this is the bound of a uniform distribution: it is larger than its deviation": math.sqrt(6 / fan_in),
    }
    close(student.he_std(fan_in), math.sqrt(2 / fan_in), "the standard deviation", mistakes=mistakes)


# -- dropout ----------------------------------------------------------------------------------------------------------


@rubric.probe
def dropped(tt, x, p, seed):
    return tt.layers.dropout(tt.Tensor(x), p=float(p), rng=np.random.default_rng(int(seed)))


@rubric.probe
def dropped_and_its_mask(tt, x, p, seed):
    x = tt.Tensor(x, requires_grad=True)
    z = tt.layers.dropout(x, p=float(p), rng=np.random.default_rng(int(seed)))
    return z, z.origin.saved["mask"], np.shares_memory(z.data, x.data)


@rubric.probe
def dropped_twice(tt, x, p, seed, start):
    rng = np.random.default_rng(int(seed))
    rng.bit_generator.advance(int(start))
    columns = np.array(x, order="F")  # stored column by column, as a transpose is
    return [tt.layers.dropout(tt.Tensor(given), p=float(p), rng=rng) for given in (x, columns)]


chances = st.sampled_from([0.5, 0.25, 0.1, 0.75, 0.0])
seeds = st.integers(0, 99)
nowhere_zero = shapes(least=1).flatmap(no_zeros)
many = [
    (np.arange(1, 25, dtype=dtype).reshape(6, 4), p, seed)
    for seed, (dtype, p) in enumerate(
        [("float32", 0.5), ("float32", 0.1), ("float32", 0.0), ("float16", 0.25), ("float64", 0.1)]
    )
]
ones = np.ones(4, np.float32)
edges = [
    *[(ones, 0.5, 0, 2015671 // 2), (ones, 0.0, 0, 8909829 // 2)],  # a u of exactly 0.5, of exactly 0
    (ones.astype(np.float16), 0.5, 0, 149 // 2),  # a u below 0.5 that is none in float16
    (np.array([np.nan, np.inf, -1], np.float32), 0.0, 0, 0),
    (np.array([0.1, 0.3, 0.7]), 0.25, 0, 0),
]

rubric.doctests("dropout", points=1)


@rubric.check("dropout", points=1)
@given(nowhere_zero, chances, seeds, always=[*many, (np.zeros((0, 3), np.float32), 0.5, 0)])
def what_is_kept_grows(student, x, p, seed):
    """Each element becomes 0 or x / (1 - p): what is kept makes up for what is not, so the expectation stays x."""
    z = student.dropped(x, p, seed)
    holds(np.shape(z) == x.shape, "the output has the shape of x", shape=list(np.shape(z)))
    nothing = x.dtype.type(0)
    mistakes = {"what is kept is not scaled": np.where(z == 0, nothing, x)}
    close(z, np.where(z == 0, nothing, x / (1 - p)), "z", mistakes=mistakes)


@rubric.check("dropout", points=1)
@given(always=[(0.5, 0), (0.25, 1), (0.1, 2), (0.75, 3), (0.9, 4)])
def a_share_of_p_is_dropped(student, p, seed):
    """Of 10,000 elements, about 10,000 p are zero: p is the probability to be dropped, not to be kept."""
    zeros = int((student.dropped(np.ones(10_000), p, seed) == 0).sum())
    holds(
        abs(zeros - 10_000 * p) < 6 * math.sqrt(10_000 * p * (1 - p)),
        f"about {10_000 * p:.0f} of them should be zero",
        zeros=zeros,
    )


@rubric.check("dropout", points=1)
@given(nowhere_zero, chances, seeds, st.just(0), always=[*[(*case, 0) for case in many], *edges])
def the_generator_decides_which(student, x, p, seed, start):
    """An element is kept where its number in rng.random(x.shape, np.float32) is p or more: one seed, one mask.

    The next call goes on where this one has stopped: its numbers are the next ones, however x is stored.
    """
    rng, same_rng = np.random.default_rng(seed), np.random.default_rng(seed)
    for generator in (rng, same_rng):
        generator.bit_generator.advance(start)
    u, wide = rng.random(x.shape, np.float32), same_rng.random(x.shape)
    mistakes = {
        "kept and dropped are exchanged": x * (u < p) / (1 - p),
        "the numbers were drawn in float64: rng.random(x.shape, np.float32)": x * (wide >= p) / (1 - p),
    }
    z, following = student.dropped_twice(x, p, seed, start)
    close(z, x * (u >= p) / (1 - p), "z", rtol=digits(x), mistakes=mistakes)
    kept = rng.random(x.shape, np.float32) >= p
    close(following, x * kept / (1 - p), "z of a second call with the same generator")


@rubric.check("dropout", points=1)
@given(shapes(least=1).flatmap(lambda shape: filled(shape, st.integers(1, 5), np.float32)), chances, seeds, always=many)
def the_mask_is_saved(student, x, p, seed):
    """Besides z, the function returns {"mask": mask}, scaled, with z = x * mask: the derivative needs it.

    z is a new array, and the mask is not read off it: an x of zeros has one, too.
    """
    z, mask, shared = student.dropped_and_its_mask(x, p, seed)
    close(mask, z / x, "the saved mask")
    holds(not shared, "z does not share its memory with x")
    holds(student.dropped_and_its_mask(0 * x, 0.0, seed)[1] == 1, "with p = 0 and an x of zeros, the mask is 1")


refused = [(np.ones(3), p) for p in (1.0, 1.5, -0.1, 2.0, 50.0)]
refused += [(np.array([1, 2, 3]), 0.5), (np.array([True, False]), 0.25), (np.array([1, 2], np.uint8), 0.25)]


@rubric.check("dropout", points=1)
@given(always=refused)
def chances_from_zero_to_below_one_and_floats(student, x, p):
    """p = 1 would divide by zero, p = 50 is no chance: ValueErrors that say what p was; x of integers: a TypeError."""
    if x.dtype.kind == "f":
        refuses("ValueError", student.dropped, x, p, 0, mentioning=[str(p)])
    else:
        refuses("TypeError", student.dropped, x, p, 0)


# -- Module.load_state_dict -------------------------------------------------------------------------------------------


@rubric.probe
def loaded(tt, kept, state, options):
    """What a module holds after it was given a state, what it answered, and whether its tensors are still its own.

    kept is [name, kind, array] for each parameter, buffer or tied parameter of a module and of one inside it.
    """
    module, inner = tt.layers.Module(), tt.layers.Module()
    for name, kind, value in kept:
        owner = inner if name.startswith("inner.") else module
        if kind == "tied":
            value = getattr(module, value)
        else:
            value = np.array(value, order="F")  # column by column, as a transposed weight is stored
            value = tt.layers.Buffer(value) if kind == "buffer" else tt.layers.Parameter(value, kind == "parameter")
        setattr(owner, name.split(".")[-1], value)
    module.inner = inner

    def held():
        return {name: getattr(inner if "." in name else module, name.split(".")[-1]) for name, _, _ in kept}

    before = held()
    arrays = {name: tensor.data for name, tensor in before.items()}
    versions = {name: tensor._version for name, tensor in before.items()}
    answer, refused = None, ""
    given = {name: array.copy() for name, array in state.items()}
    try:
        answer = module.load_state_dict(given, **options)
    except ValueError as error:
        refused = str(error)
    after = held()
    unharmed = given.keys() == state.keys() and all(np.array_equal(given[name], state[name]) for name in state)
    for array in given.values():  # a state is its caller's, who may write into it later
        array += 1
    return {
        "unharmed": unharmed,
        "answer": None if answer is None else [list(answer.missing_keys), list(answer.unexpected_keys)],
        "lists": answer is None or all(isinstance(names, list) for names in answer),
        "refused": refused,
        "values": {name: tensor.data for name, tensor in after.items()},
        "own": all(after[name] is before[name] and after[name].data is arrays[name] for name in before),
        "counted": [name for name in before if after[name]._version > versions[name]],
        "learnt": [name for name in before if after[name].requires_grad],
    }


@rubric.probe
def loaded_from_a_list(tt, numbers):
    module = tt.layers.Module()
    module.count = tt.layers.Buffer(np.zeros(len(numbers), np.int64))
    module.load_state_dict({"count": numbers})
    return module.count.data


KEPT = [
    ["weight", "parameter", np.array([[1, 2, 3], [4, 5, 6]], np.float32)],
    ["scale", "parameter", np.array(7, np.float32)],
    ["mean", "buffer", np.array([8, 9, 10], np.float32)],
    ["inner.weight", "frozen", np.array([[1, 0], [0, 1]], np.float16)],
    ["inner.count", "buffer", np.array([3], np.int64)],
    ["inner.tied", "tied", "weight"],
]
SHAPES = {name: value.shape for name, kind, value in KEPT if kind != "tied"}


def state_of(start, leave=(), **changed):
    """A state for KEPT: numbers from `start` down, without the names to leave out, with other arrays for some."""
    state = {
        name: (start - np.arange(math.prod(shape), dtype=np.float32)).reshape(shape) for name, shape in SHAPES.items()
    }
    state = {name: array for name, array in state.items() if name not in leave}
    return state | {name.replace("_", "."): array for name, array in changed.items()}


def filled_by(state):
    """What KEPT holds after the state: its numbers, in the dtypes of KEPT; what it lacks is as it was."""
    held = {name: value if name not in state else state[name].astype(value.dtype) for name, _, value in KEPT[:-1]}
    return held | {"inner.tied": held["weight"]}


def keeps(yours, wanted):
    before = {name: value for name, _, value in KEPT[:-1]}
    before["inner.tied"] = before["weight"]
    for name, array in wanted.items():
        mistakes = {"it is as it was before": before[name]}
        close(yours["values"][name], array, f"{name} afterwards", mistakes=mistakes)


@rubric.check("Module.load_state_dict", points=1, examples=5)
@given(st.integers(-9, 9), always=[11])
def every_array_is_filled(student, start):
    """Each parameter and buffer, however deep, holds what the state has under its name; nothing is missing or unknown.

    They stay the same tensors with the same arrays and dtypes, and later changes of the state do not reach them.
    """
    state = state_of(start)
    yours = student.loaded(KEPT, state, {})
    holds(not yours["refused"], "this state fits", refused=yours["refused"])
    same(yours["answer"], [[], []], "the answer: what is missing, what is unknown")
    keeps(yours, filled_by(state))
    holds(yours["unharmed"], "the state is as it was: its caller may load it again")
    holds(yours["own"], "every parameter and buffer is the tensor that it was, with the array that it had")
    same(yours["learnt"], ["weight", "scale", "inner.tied"], "the list of what requires gradients")
    same(yours["counted"], [name for name, _, _ in KEPT], "the list of what counts as changed")
    whole = [2**24 + 1, -(2**24) - 1]  # a float32 has no such numbers
    same(student.loaded_from_a_list(whole).tolist(), whole, "an int64 buffer, of a list")


MISFITS = [
    (state_of(1, leave=["mean"]), ["mean"]),
    (state_of(1, leave=["inner.count"]), ["inner.count"]),
    (state_of(1, head=np.ones(2)), ["head"]),
    (state_of(1, leave=["weight"], inner_bias=np.ones(2)), ["weight", "inner.bias"]),
    (state_of(1, inner_count=np.ones(2)), ["inner.count", "(1,)", "(2,)"]),
    (state_of(1, scale=np.ones(1)), ["scale", "()", "(1,)"]),
    (state_of(1, weight=np.ones((3, 2))), ["weight", "(2, 3)", "(3, 2)"]),
    (state_of(1, mean=np.ones(1)), ["mean", "(3,)", "(1,)"]),
]


@rubric.check("Module.load_state_dict", points=1)
@given(always=MISFITS)
def all_or_nothing(student, state, named):
    """A name too few or too many, or another shape, is a ValueError that names it; then nothing has changed at all."""
    yours = student.loaded(KEPT, state, {})
    holds(yours["refused"], f"this state does not fit, because of {named[0]}")
    for words in named:
        holds(words in yours["refused"], f"the error names {words}", error=yours["refused"])
    keeps(yours, filled_by({}))
    same(yours["counted"], [], "the list of what counts as changed")


PARTS = [
    (state_of(20, leave=["mean", "inner.weight"]), [["inner.weight", "mean"], []]),
    (state_of(20, tail=np.ones(2), head=np.ones(3)), [[], ["head", "tail"]]),
    (state_of(20, leave=["scale"], inner_bias=np.ones(2)), [["scale"], ["inner.bias"]]),
]


@rubric.check("Module.load_state_dict", points=1)
@given(always=PARTS)
def a_part_on_request(student, state, passed_over):
    """With strict=False, what both sides know is loaded, and the answer lists the rest; another shape is refused.

    What was passed over does not count as changed.
    """
    yours = student.loaded(KEPT, state, {"strict": False})
    holds(not yours["refused"], "names that only one side has are passed over", refused=yours["refused"])
    same([sorted(names) for names in yours["answer"]], passed_over, "the answer: what is missing, what is unknown")
    holds(yours["lists"], "the answer holds two lists")
    holds(yours["unharmed"], "the state is as it was: its caller may load it again")
    keeps(yours, filled_by(state))
    loaded = [name for name, kind, value in KEPT if (value if kind == "tied" else name) in state]
    same(yours["counted"], loaded, "the list of what counts as changed")
    refused = student.loaded(KEPT, state | {"mean": np.ones(1)}, {"strict": False})
    holds(refused["refused"], "(1,) does not fit into (3,)")
    keeps(refused, filled_by({}))


# -- accounting -------------------------------------------------------------------------------------------------------


def bytes_of_a_forward_pass():
    """What the parameters of a network and its results for sixteen digits take, added up as they are made."""
    import numpy as np

    import tinytorch as tt
    from tinytorch import nn

    rng, x = np.random.default_rng(0), tt.zeros(16, 64)
    network = [nn.Linear(64, 256, rng=rng), nn.ReLU(), nn.Linear(256, 128, rng=rng), nn.ReLU()]
    network.append(nn.Linear(128, 10, rng=rng))
    total = 0
    for module in network:
        x = module(x)
        total += x.nbytes + sum(p.nbytes for p in module.parameters())
    return total


@rubric.accounting(points=1, unit="bytes", counted=bytes_of_a_forward_pass, tolerance=0, difficulty=2, minutes=10)
def forward_bytes():
    """How many bytes do a network's parameters and its results for 16 digits take together, all of them float32?

    It goes from 64 to 256 to 128 to 10, with biases, and a relu after the first two layers. A relu makes a result of
    its own; the digits themselves are no result.
    """
    # Count the parameters of three layers, and the numbers of five results for one digit.
    parameters = 64 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10
    return 4 * (parameters + 16 * (2 * 256 + 2 * 128 + 10))
