"""The table of every primitive over many shapes: what the tests of values, of dtypes and of gradients walk through."""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple

import numpy as np
from oracles import numbers

import tinytorch
from tinytorch import convolutions, layers
from tinytorch.tensor import Primitive, Tensor

MODULES = [import_module(f"tinytorch.{module.name}") for module in iter_modules(tinytorch.__path__)]
PRIMITIVES = {
    name: thing
    for module in MODULES
    for name, thing in vars(module).items()
    if isinstance(thing, Primitive) and thing.__module__ == module.__name__ and thing.__name__ == name
}


class Row(NamedTuple):
    """A primitive as a function of tensors; the same as a function of PyTorch and its tensors; the inputs' shapes."""

    name: str
    shapes: tuple[tuple[int, ...], ...]
    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    label: str = ""
    low: float = -2

    def __str__(self) -> str:
        return "-".join([self.name + self.label, *map(str, self.shapes)]).replace(" ", "")

    def inputs(self) -> list[np.ndarray]:
        return [numbers(shape, seed, self.low) for seed, shape in enumerate(self.shapes)]


# -- shapes --------------------------------------------------------------------------------------------------------

SINGLES = [(), (1,), (5,), (2, 3), (2, 3, 4), (0,), (0, 3), (2, 0, 3)]
PAIRS = [
    ((), ()), ((3,), ()), ((), (2, 3)), ((2, 3), (2, 3)), ((2, 3), (3,)), ((3,), (2, 3)), ((2, 1), (1, 3)),
    ((4, 1, 3), (2, 1)), ((1, 1, 1), (2,)), ((0, 3), (3,)), ((1,), (0,)), ((0, 3), (1, 3)), ((2, 0), (2, 1)),
    ((), (0,)),
]  # fmt: skip
PRODUCTS = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (6, 3, 4)), ((3,), (5, 3, 4)), ((5, 2, 3), (3,)), ((1, 1), (1, 1)),
    ((2, 0), (0, 3)), ((0, 3), (3, 4)), ((0,), (0,)), ((4, 0, 3), (3, 2)),
]  # fmt: skip
REDUCTIONS = [
    ((), None), ((), 0), ((), -1), ((1,), 0), ((4,), None), ((4,), -1), ((2, 3), 0), ((2, 3), -1), ((2, 3, 4), None),
    ((2, 3, 4), 1), ((2, 3, 4), -3), ((2, 3, 4), (0, 2)), ((2, 3, 4), (-1, 0)), ((2, 3, 4), (0, 1, 2)),
    ((2, 3, 4), [0, 1]), ((0, 3), 1), ((2, 0, 3), 2), ((1, 4, 1), (0, 2)),
]  # fmt: skip
INDICES: list[Any] = [
    0, -1, slice(1, None), slice(None, None, -2), None, ..., True, [], (0, 1), (slice(None), 2), (..., None, 0),
    (1, ..., -1), [0, 0, 1], np.array([1, -1, 1]), np.array([[0, 1], [1, 0]]), (slice(None), [2, 2, 0]),
    ([0, 1, 1], [2, 0, 0]), (0, slice(None), np.array([1, 1])), ([0, 1], slice(None), [3, 3]), (slice(0, 0), 1),
    np.array([True, False]), np.zeros((2, 3), bool), np.arange(24).reshape(2, 3, 4) % 5 == 0, np.int64(1),
    (None, np.array(1)), (slice(None), (0, 0)), (0, slice(None), (1, 1)), ([1, 1, 0], slice(None), 2), [[0, 1], [1, 1]],
    (0, True, [0, 1]), (None, [0, 1], None, 0), ([0, 1, 1], None, [0, 1, 1]), (slice(None), [[0, 1], [1, 0]]), False,
    (np.array([True, False]), slice(None), 0), ([0, 0], 1, [2, 2]), (..., [True, False, True, False]),
    (slice(None), []), (np.int64(1), ..., np.array([2, 2])), [(0, 1), (1, 1)], (np.array([1, 0], np.uint8), 1),
    [np.array([0, 0]), 1],
]  # fmt: skip

# -- rows ----------------------------------------------------------------------------------------------------------


def rows(names: str, shapes: list, low: float = -2, theirs: str = "", **parameters: Any) -> list[Row]:
    """Rows of primitives that PyTorch has too, under the same name or as `theirs`, with these parameters."""

    def row(name: str, shapes: tuple) -> Row:
        def pytorch_s(torch: Any, *xs: Any) -> Any:
            home = torch.nn.functional if hasattr(torch.nn.functional, theirs or name) else torch
            options = dict(parameters)
            if "keepdim" in options and options["dim"] is None:  # not every reduction of theirs takes None
                options["dim"] = tuple(range(xs[0].ndim))
            return getattr(home, theirs or name)(*xs, **options)

        label = "".join(f"-{value}" for value in parameters.values())
        return Row(name, shapes, lambda *xs: PRIMITIVES[name](*xs, **parameters), pytorch_s, label, low)

    return [row(name, s if s and isinstance(s[0], tuple) else (s,)) for name in names.split() for s in shapes]


def elementwise() -> list[Row]:
    return [
        *rows("add sub mul maximum minimum", PAIRS),
        *rows("div pow", PAIRS, low=0.5),
        *rows("matmul", PRODUCTS),
        *rows(
            "neg exp abs clone relu leaky_relu sigmoid tanh softplus silu sin cos erf round floor ceil sign",
            SINGLES,
        ),
        *rows("log sqrt", SINGLES, low=0.5),
        *rows("clip", SINGLES, min=-1, max=1.5),
        *rows("clip", SINGLES, min=None, max=0.5),
        *rows("leaky_relu", SINGLES, negative_slope=2.0),
        *rows("gelu", SINGLES, approximate="tanh"),
    ]


def reductions() -> list[Row]:
    result = rows("sum", [(0,), (0, 3)], dim=None) + rows("sum", [(0, 3)], dim=0) + rows("mean", [(3, 0)], dim=0)
    for shape, dim in REDUCTIONS:
        for keepdim in (False, True):
            result += rows("sum mean", [shape], dim=dim, keepdim=keepdim)
            result += rows("amax", [shape], dim=dim, keepdim=keepdim)
            result += rows("amin", [shape], dim=dim, keepdim=keepdim)
            result += rows("logsumexp", [shape], dim=dim, keepdim=keepdim) if isinstance(dim, int) else []
        for correction in (0, 1):
            label = f"-{dim}-{correction}"
            if np.prod(shape) > 1 and shape != (1, 4, 1):  # one element alone varies by NaN
                result.append(spread(shape, dim, correction, label))
        result += rows("softmax log_softmax", [shape], dim=dim) if isinstance(dim, int) else []
    return result


def ordered() -> list[Row]:
    """Primitives that take from x along an axis, or up to a place in it."""

    def taken(shape: tuple, index: list, dim: int) -> Row:
        at = np.array(index, np.int64)
        ours = lambda x: PRIMITIVES["take_along"](x, at, dim=dim)
        return Row("take_along", (shape,), ours, lambda torch, x: x.gather(dim, torch.tensor(at)), f"-{dim}-{index}")

    def replaced(shape: tuple, part: tuple, index: Any) -> Row:
        def theirs(torch: Any, x: Any, y: Any) -> Any:
            z = x.clone()
            z[index] = y
            return z

        return Row("setitem", (shape, part), lambda x, y: PRIMITIVES["setitem"](x, y, index=index), theirs, f"-{index}")

    def bordered(shape: tuple, pad: tuple, before: tuple, after: tuple) -> Row:
        ours = lambda x: PRIMITIVES["padded"](x, before=before, after=after, value=1.5)
        return Row("padded", (shape,), ours, lambda torch, x: torch.nn.functional.pad(x, pad, value=1.5), f"-{pad}")

    def measured(shape: tuple, dim: Any, keepdim: bool) -> Row:
        ours = lambda x: PRIMITIVES["euclidean"](x, dim=dim, keepdim=keepdim)
        theirs = lambda torch, x: torch.linalg.vector_norm(x, dim=dim, keepdim=keepdim)
        return Row("euclidean", (shape,), ours, theirs, f"-{dim}-{keepdim}")

    def surprised(shape: tuple) -> Row:
        squashed = lambda x: x * 0.2 + 0.5  # from -2..2 to probabilities
        loss = lambda torch: torch.nn.functional.binary_cross_entropy
        theirs = lambda torch, x, y: loss(torch)(squashed(x), squashed(y), reduction="none")
        inside = lambda x: PRIMITIVES["add"](PRIMITIVES["mul"](x, 0.2), 0.5)
        ours = lambda x, y: PRIMITIVES["binary_surprise"](inside(x), inside(y))
        return Row("binary_surprise", (shape, shape), ours, theirs)

    def divided(name: str, theirs: Callable, pair: tuple) -> Row:  # by 0.53 more: never a whole number of times
        ours = lambda x, y: PRIMITIVES[name](x, y + 0.53)
        return Row(name, pair, ours, lambda torch, x, y: theirs(torch, x, y + 0.53), low=0.5)

    sums = [((), 0), ((), -1), ((4,), 0), ((2, 3), 1), ((2, 3), -2), ((2, 3, 4), 1), ((0, 3), 0), ((2, 0), 1)]
    planes = [((3, 3), 0), ((2, 4), 1), ((4, 2), -1), ((2, 3, 3), 0), ((3, 3), 5), ((0, 3), 0)]
    return [
        *[row for shape, dim in sums for row in rows("cumsum", [shape], dim=dim)],
        *[row for shape, diagonal in planes for row in rows("tril triu", [shape], diagonal=diagonal)],
        *[measured(shape, dim, keepdim) for shape, dim in REDUCTIONS if shape for keepdim in (False, True)],
        taken((3, 4), [[0, 2], [1, 1]], 0), taken((3, 4), [[0, 3, 0]], 1), taken((3, 4), [[0], [3], [1]], -1),
        taken((2, 3, 2), [[[1, 0]]], -2), taken((3, 0), [[], []], 0), taken((3,), [], 0), taken((3,), [2, 2, 0, 2], 0),
        replaced((2, 3), (3,), 1), replaced((2, 3), (), (slice(None), 0)), replaced((4,), (2,), [2, 0]),
        replaced((2, 3), (1, 2), (slice(None), [0, 2])), replaced((0, 3), (3,), slice(None)),
        bordered((2, 3), (1, 2), (0, 1), (0, 2)), bordered((2, 3), (1, 0, 2, 1), (2, 1), (1, 0)),
        bordered((0, 3), (0, 0, 1, 1), (1, 0), (1, 0)), bordered((2, 2, 3), (0, 2), (0, 0, 0), (0, 0, 2)),
        *[surprised(shape) for shape in SINGLES],
        *[divided("remainder", lambda torch, x, y: torch.remainder(x, y), pair) for pair in PAIRS],
        *[divided("floor_divide", lambda torch, x, y: torch.floor(x / y), pair) for pair in PAIRS],
    ]  # fmt: skip


def spread(shape: tuple, dim: Any, correction: int, label: str) -> Row:
    options = {"dim": tuple(dim) if isinstance(dim, list) else dim, "correction": correction}
    return Row("std", (shape,), lambda x: PRIMITIVES["std"](x, **options), lambda _, x: x.std(**options), label)


def chosen() -> list[Row]:
    """where takes the odd elements of its first input, the even ones of its second."""

    def odd(x: Any, y: Any) -> np.ndarray:
        shape = np.broadcast_shapes(x.shape, y.shape)
        return np.arange(np.prod(shape)).reshape(shape) % 2 == 1

    def ours(x: Any, y: Any) -> Any:
        return PRIMITIVES["where"](odd(x, y), x, y)

    return [Row("where", pair, ours, lambda torch, x, y: torch.where(torch.tensor(odd(x, y)), x, y)) for pair in PAIRS]


def moved() -> list[Row]:
    def row(name: str, input_shape: tuple, theirs: Callable, **parameters: Any) -> Row:
        label = "".join(f"-{value}" for value in parameters.values())
        return Row(name, (input_shape,), lambda x: PRIMITIVES[name](x, **parameters), lambda torch, x: theirs(x), label)

    def indexed(index: Any) -> Row:
        if isinstance(index, slice) and index.step == -2:  # PyTorch has no steps backwards
            return row("getitem", (2, 3, 4), lambda x: x.flip(0)[::2], index=index)
        return row("getitem", (2, 3, 4), lambda x: x[index], index=index)

    shapes = [((2, 3), (3, 2)), ((2, 3), (-1,)), ((), (1, 1)), ((4,), (2, -1)), ((0, 3), (3, 0)), ((1,), ())]
    orders: list[tuple] = [(), (0,), (1, 0), (2, 0, 1), (-1, 0, 1), (0, -1, -2)]
    copies = [((), (2, 3)), ((1,), (0,)), ((2, 1), (2, 3)), ((3,), (4, 2, 3)), ((1, 3), (1, 3)), ((0, 1), (2, 0, 3))]
    swaps = [((2, 3), 0, 1), ((2, 3, 4), -2, -1), ((2, 3, 4), 0, -1), ((0, 3), 1, 0), ((3,), 0, 0)]
    return [
        *[row("reshape", x, lambda x, z=z: x.reshape(z), shape=z) for x, z in shapes],
        *[row("permute", (2, 3, 4)[: len(dims)], lambda x, dims=dims: x.permute(dims), dims=dims) for dims in orders],
        *[row("broadcast_to", x, lambda x, z=z: x.broadcast_to(z), shape=z) for x, z in copies],
        *[row("transpose", x, lambda x, i=i, j=j: x.transpose(i, j), dim0=i, dim1=j) for x, i, j in swaps],
        *[row("cast", shape, lambda x: x.double(), dtype=np.float64) for shape in SINGLES],
        *[indexed(index) for index in INDICES],
    ]


def joined() -> list[Row]:
    def row(name: str, shapes: tuple, dim: int) -> Row:
        return Row(
            name,
            shapes,
            lambda *xs: PRIMITIVES[name](xs, dim=dim),
            lambda torch, *xs: getattr(torch, name)(xs, dim=dim),
            f"-{dim}",
        )

    ends = [(((2, 3), (1, 3)), 0), (((2, 3), (2, 0), (2, 2)), -1), (((0,), (2,)), 0), (((2, 1, 3),), 1)]
    sides = [(((), ()), 0), (((2, 3), (2, 3)), -1), (((2,), (2,), (2,)), 1), (((0, 2), (0, 2)), 0), (((3,),), 0)]
    return [row("concatenate", *end) for end in ends] + [row("stack", *side) for side in sides]


def layered() -> list[Row]:
    def theirs(torch: Any, x: Any, weight: Any, bias: Any = None) -> Any:
        return torch.nn.functional.linear(x, weight.T, bias)

    def mask(x: Any) -> np.ndarray:
        return (np.random.default_rng(3).random(x.shape, np.float32) >= 0.25) / 0.75

    def dropped(x: Any) -> Any:
        return PRIMITIVES["dropout"](x, p=0.25, rng=np.random.default_rng(3))

    inputs = [(2, 3), (3,), (2, 5, 3), (0, 3), (1, 3)]
    return [
        *[Row("linear", (x, (3, 4)), PRIMITIVES["linear"], theirs) for x in inputs],
        *[Row("linear", (x, (3, 4), (4,)), PRIMITIVES["linear"], theirs) for x in inputs],
        *[Row("dropout", (x,), dropped, lambda torch, x: x * torch.tensor(mask(x))) for x in SINGLES],
    ]


def lost() -> list[Row]:
    def classified(shape: tuple, reduction: str, smoothing: float) -> Row:
        target = np.arange(shape[0]) % shape[1]
        options: dict[str, Any] = {"reduction": reduction, "label_smoothing": smoothing}
        return Row(
            "cross_entropy",
            (shape,),
            lambda x: PRIMITIVES["cross_entropy"](x, target, **options),
            lambda torch, x: torch.nn.functional.cross_entropy(x, torch.tensor(target), **options),
            f"-{reduction}-{smoothing}",
        )

    result = []
    for reduction in ("mean", "sum", "none"):
        filled = [shape for shape in SINGLES if np.prod(shape) or reduction != "mean"]  # the mean of nothing is nan
        pairs = [(shape, shape) for shape in filled]
        result += rows("mse_loss l1_loss binary_cross_entropy_with_logits", pairs, reduction=reduction)
        for shape in [(1, 1), (2, 3), (5, 4), *([(0, 3)] if reduction != "mean" else [])]:
            result += [classified(shape, reduction, smoothing) for smoothing in (0.0, 0.1, 1.0)]
    return result


def convolved() -> list[Row]:
    def normalised(x: Any, weight: Any, bias: Any, learned: bool) -> Any:
        mean, var, _ = convolutions.statistics(x.data if isinstance(x, Tensor) else x)
        if not learned:
            mean, var = np.full_like(mean, 0.25), np.full_like(var, 1.5)
        std = np.sqrt(var + var.dtype.type(0.125))
        return PRIMITIVES["standardize"](x, weight, bias, mean=mean, std=std, learned=learned)

    def theirs(torch: Any, x: Any, weight: Any, bias: Any, learned: bool) -> Any:
        mean, var = (torch.full((x.shape[1],), value, dtype=x.dtype) for value in (0.25, 1.5))
        return torch.nn.functional.batch_norm(x, mean, var, weight, bias, training=learned, eps=0.125)

    def standardized(shape: tuple, learned: bool) -> Row:
        per_channel = shape[1:2]
        return Row(
            "standardize",
            (shape, per_channel, per_channel),
            lambda *xs: normalised(*xs, learned),
            lambda torch, *xs: theirs(torch, *xs, learned),
            f"-{learned}",
        )

    filters = [((2, 2, 5, 4), (3, 2, 3, 2)), ((2, 2, 5, 4), (3, 2, 3, 2), (3,))]
    return [
        *rows("conv2d", filters),
        *rows("conv2d", filters, stride=(2, 1), padding=(1, 2)),
        *rows("conv2d", [((1, 2, 7, 6), (4, 1, 2, 3), (4,))], padding=2, dilation=(1, 2), groups=2),
        *rows("max_pool2d avg_pool2d", [(2, 2, 4, 5)], kernel_size=2),
        *rows("max_pool2d avg_pool2d", [(2, 2, 5, 6)], kernel_size=(3, 2), stride=(1, 2), padding=(1, 0)),
        *rows("adaptive_avg_pool2d", [(2, 2, 5, 4), (1, 3, 2, 2)], output_size=(3, 2)),
        *rows("adaptive_avg_pool2d", [(2, 2, 5, 4)], output_size=1),
        *[standardized(shape, learned) for shape in ((5, 3), (2, 3, 4), (2, 3, 2, 3)) for learned in (True, False)],
    ]


def embedded() -> list[Row]:
    def looked_up(ids: list, padding_idx: int | None) -> Row:
        return Row(
            "embedding",
            ((5, 3),),
            lambda weight: PRIMITIVES["embedding"](np.array(ids, np.int64), weight, padding_idx=padding_idx),
            lambda torch, weight: torch.nn.functional.embedding(
                torch.tensor(ids, dtype=torch.int64), weight, padding_idx
            ),
            f"-{ids}-{padding_idx}",
        )

    def turned(torch: Any, x: Any, start: int) -> Any:  # a pair is a complex number, an angle its factor
        half = x.shape[-1] // 2
        hands = 100.0 ** (-torch.arange(half, dtype=torch.float64) / half)
        places = torch.arange(start, start + x.shape[-2], dtype=torch.float64)
        angles = torch.outer(places, hands)
        z = torch.complex(x[..., :half], x[..., half:]) * torch.polar(torch.ones_like(angles), angles).to(
            torch.complex128 if x.dtype == torch.float64 else torch.complex64
        )
        return torch.cat([z.real, z.imag], dim=-1)

    def rotated(shape: tuple, start: int) -> Row:
        return Row(
            "rotate",
            (shape,),
            lambda x: PRIMITIVES["rotate"](x, start=start, base=100.0),
            lambda torch, x: turned(torch, x, start),
            f"-{start}",
        )

    lists: list[list] = [[2, 0, 2], [[1, 1, 1], [4, 0, 1]], [], [[3]]]
    return [
        *[
            looked_up(ids, padding_idx)
            for ids in lists
            for padding_idx in (None, 1)
            if padding_idx not in np.ravel(ids)
        ],
        *[rotated(shape, start) for shape in [(3, 4), (1, 2), (2, 3, 5, 6), (0, 4)] for start in (0, 7)],
    ]


def attended() -> list[Row]:
    qkv = [((2, 3, 4), (2, 5, 4), (2, 5, 2)), ((3, 4), (3, 4), (3, 4)), ((2, 2, 1, 4), (2, 2, 3, 4), (2, 2, 3, 4))]
    shared = [((2, 4, 3, 2), (2, 2, 3, 2), (2, 2, 3, 2))]
    name = "scaled_dot_product_attention"
    return [
        *rows(name, [*qkv, (*qkv[0], (3, 5)), (*qkv[2], (2, 1, 1, 3))]),
        *rows(name, qkv, is_causal=True, scale=0.5),
        *rows(name, shared, is_causal=True, enable_gqa=True),
        *rows("blockwise_attention", qkv, theirs=name, is_causal=True),
        *rows("blockwise_attention", qkv, theirs=name, scale=0.25),
    ]


def transformed() -> list[Row]:
    def normalised(name: str, theirs: str, shape: tuple, *learned: tuple) -> Row:
        return Row(
            name,
            (shape, *learned),
            lambda *xs: PRIMITIVES[name](*xs, eps=0.125),
            lambda torch, x, *xs: getattr(torch.nn.functional, theirs)(x, x.shape[-1:], *xs, eps=0.125),
        )

    def fed(shape: tuple, activation: str) -> Row:
        def theirs(torch: Any, x: Any, up: Any, a: Any, down: Any, b: Any) -> Any:
            functional, hidden = torch.nn.functional, x @ up + a
            gelu = activation == "gelu"
            return (functional.gelu(hidden, approximate="tanh") if gelu else functional.relu(hidden) ** 2) @ down + b

        shapes = (shape, (3, 5), (5,), (5, 3), (3,))
        call = lambda *xs: PRIMITIVES["feed_forward"](*xs, activation=activation)
        return Row("feed_forward", shapes, call, theirs, f"-{activation}")

    shapes = [(2, 3), (3,), (2, 4, 3), (0, 3)]
    return [
        *[normalised("standardized_rows", "layer_norm", x, *[(3,)] * n) for x in shapes for n in range(3)],
        *[normalised("scaled_rows", "rms_norm", x, *[(3,)] * n) for x in shapes for n in range(2)],
        *[fed(x, activation) for x in shapes for activation in ("gelu", "squared_relu")],
    ]


def accelerated() -> list[Row]:
    def classified(b: int, c: int, v: int, rows: int) -> Row:
        target = lambda: np.arange(b) % v  # one each time: a test overwrites what the rule does not read
        ours = lambda x, weight: PRIMITIVES["fused_cross_entropy"](x, weight, target(), rows=rows)
        theirs = lambda torch, x, weight: torch.nn.functional.cross_entropy(x @ weight, torch.tensor(target()))
        return Row("fused_cross_entropy", ((b, c), (c, v)), ours, theirs, f"-{rows}")

    def again(shape: tuple) -> Row:
        def theirs(torch: Any, x: Any, weight: Any, bias: Any) -> Any:
            return torch.tanh(x @ weight + bias)

        def ours(x: Any, weight: Any, bias: Any) -> Any:
            layer = layers.Linear(3, 2)
            layer.weight.data, layer.bias.data = (p.data if isinstance(p, Tensor) else p for p in (weight, bias))
            module = layers.Sequential(layer, layers.Tanh())
            return PRIMITIVES["checkpointed"](x, weight, bias, module=module, inputs=1, options={})

        return Row("checkpointed", (shape, (3, 2), (2,)), ours, theirs)

    return [
        *[classified(*sizes) for sizes in [(1, 1, 1, 1), (5, 2, 3, 2), (4, 3, 2, 9), (2, 0, 3, 1)]],
        *[again(shape) for shape in [(2, 3), (2, 4, 3), (0, 3)]],
    ]


STRAIGHT = ("fake_quantize", "through_half")  # their rules pass over steps that central differences would see


def rounded() -> list[Row]:
    def faked(shape: tuple, scale: float, zero: int) -> Row:
        ours = lambda x: PRIMITIVES["fake_quantize"](x, scale=scale, zero=zero, bits=4)
        theirs = lambda torch, x: torch.fake_quantize_per_tensor_affine(x, scale, zero, -8, 7)
        return Row("fake_quantize", (shape,), ours, theirs, f"-{scale}-{zero}")

    def halved(shape: tuple) -> Row:
        return Row("through_half", (shape,), PRIMITIVES["through_half"], lambda torch, x: x.half().to(x.dtype))

    settings = [(0.5, 0), (0.125, 0), (0.125, -6), (0.0625, 5)]
    return [*[faked(shape, *each) for shape in SINGLES for each in settings], *map(halved, SINGLES)]


ROWS = [
    *elementwise(), *reductions(), *ordered(), *chosen(), *moved(), *joined(), *layered(), *lost(), *convolved(),
    *embedded(), *attended(), *transformed(), *rounded(), *accelerated(),
]  # fmt: skip
