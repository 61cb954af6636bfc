"""Transformers: attention and feed-forward layers in turn, and what is made of them: a GPT, an encoder, a classifier.

Notation: ids (B, T) are tokens of a vocabulary of V; x (B, T, C) a vector for each, C the width; L blocks, each with
H heads of d = C / H numbers. A row is the last axis of x: the numbers of one place. g = dL/dz.
"""

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from tinytorch.activations import silu, tanh
from tinytorch.attention import Cache, MultiHeadAttention, affine, unobserved
from tinytorch.embeddings import Embedding, LearnedPositions, SinusoidalPositions, check_ids, rotate, tied_logits
from tinytorch.environment import generator
from tinytorch.layers import Dropout, Linear, Module, Parameter
from tinytorch.losses import cross_entropy
from tinytorch.serialization import load_mapped
from tinytorch.tensor import Tensor, concatenate, is_grad_enabled, no_grad, primitive

# -- normalisation -------------------------------------------------------------------------------------------------

BLOCK = 2**19  # bytes of rows at a time: several operations of NumPy should find them in the cache


def row_blocks(rows: np.ndarray, width: int = 0) -> Iterator[slice]:
    """Slices of rows (N, C) that stay in the cache, also where what is made of each row has `width` numbers."""
    count = max(1, BLOCK // max(1, max(width, rows.shape[1]) * rows.itemsize))
    if 0 < len(rows) <= count:
        return iter((slice(None),))
    return (slice(start, start + count) for start in range(0, len(rows), count))


def trailing(x: Any, normalized_shape: Any, *learned: Any) -> int:
    """How many of x's last axes normalized_shape is. Raises ValueError, naming the shapes, if x does not end in it."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or np.shape(x)[-len(shape) :] != shape:
        raise ValueError(f"normalisation over {shape} needs x (..., {', '.join(map(str, shape))}), got {np.shape(x)}")
    for parameter in learned:
        if parameter is not None and np.shape(parameter) != shape:
            raise ValueError(f"normalisation over {shape} needs a weight of that shape, got {np.shape(parameter)}")
    return len(shape)


def rows_of(x: np.ndarray, axes: int) -> np.ndarray:
    """x with its last axes as one, and all others as one: (N, C)."""
    outer = x.ndim - axes
    return x.reshape(math.prod(x.shape[:outer]), math.prod(x.shape[outer:]))


@cache
def mean_column(width: int, dtype: Any) -> np.ndarray:
    """A column (width, 1): rows (N, width) times it are their means, (N, 1)."""
    return np.full((width, 1), 1 / max(1, width), dtype)


def one_row(row: np.ndarray, weight: Any, bias: Any, eps: float) -> tuple[np.ndarray, np.ndarray, float]:
    """standardized_rows of a single row (C,), as z, n and scale: plain numbers instead of columns of length 1."""
    n = row - np.add.reduce(row) / max(1, len(row))
    scale = 1 / math.sqrt(n.dot(n) / max(1, len(row)) + eps)
    n *= scale
    z = n.copy() if weight is None else n * weight.ravel()
    if bias is not None:
        z += bias.ravel()
    return z, n, scale


@primitive
def standardized_rows(x, weight=None, bias=None, *, axes=1, eps=1e-5):
    """z = weight (x - mean) / sqrt(var + eps) + bias, with the mean and the variance (biased) of each row.

    A row is the last `axes` axes of x; weight and bias have their shape, or are None. Returns z and, for the rule,
    {"n": (x - mean) scale, (N, C), "scale": 1 / sqrt(var + eps), (N, 1)}.

    >>> standardized_rows([[1, 3], [10, 30]], eps=0.0)
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """
    # rows_of(x, axes) is (N, C): mean and variance along its axis 1, kept as columns. weight.ravel() is a row.
    # Four lines do it; the reference goes block by block, and takes means by products, which are faster.
    rows = rows_of(x, axes)
    if len(rows) == 1:
        alone, row, factor = one_row(rows[0], weight, bias, eps)
        return alone.reshape(x.shape), {"n": row[None], "scale": np.array([[factor]], row.dtype)}
    z, n, scale = np.empty_like(rows), np.empty_like(rows), np.empty_like(rows[:, :1])
    average = mean_column(rows.shape[1], rows.dtype)
    for part in row_blocks(rows):
        deviation = np.subtract(rows[part], rows[part] @ average, out=n[part])
        var = np.vecdot(deviation, deviation)[:, None] / rows.shape[1]
        scale[part] = 1 / np.sqrt(var + eps)
        deviation *= scale[part]
        np.multiply(deviation, 1 if weight is None else weight.ravel(), out=z[part])
        if bias is not None:
            z[part] += bias.ravel()
    return z.reshape(x.shape), {"n": n, "scale": scale}


@standardized_rows.vjp
def standardized_rows_vjp(g, z, x, weight=None, bias=None, *, n, scale, axes=1, eps=1e-5):
    """z = w n + b, n = (x - mean) s, s = 1 / sqrt(var + eps)   =>   dw = sum g n,  db = sum g,  dx is yours to derive

    x enters a row of n three times: by itself, by the row's mean, and by its deviation. n is (N, C), scale, which is s,
    (N, 1). dx has the shape of x, dw that of weight, db that of bias, and None where there is no weight or bias.

    >>> n, scale = np.array([[-1.0, 1.0]]), np.array([[2.0]])
    >>> standardized_rows_vjp(np.array([[3.0, 8.0]]), n, n / 2, np.ones(2), np.zeros(2), n=n, scale=scale)[1:]
    (array([-3.,  8.]), array([3., 8.]))
    """
    # Let h = w g, the gradient of n. Of h, dx keeps what a change of x in this direction would really move: nothing of
    # what all numbers of a row share, since the mean takes it away, and nothing along n, since the deviation does. Both
    # are means over a row, of h and of h n. dw and db are sums over all rows.
    g = rows_of(g, axes)
    dx, sums = np.empty_like(n), np.zeros((2, n.shape[1]), n.dtype)
    average = mean_column(n.shape[1], n.dtype)
    for part in row_blocks(n):
        ones = np.ones(len(g[part]), n.dtype)
        product = g[part] * n[part]
        sums += np.stack([ones @ product, ones @ g[part]])
        h = np.multiply(g[part], 1 if weight is None else weight.ravel(), out=dx[part])
        along = np.vecdot(h, n[part])[:, None] / n.shape[1]
        h -= h @ average
        h -= np.multiply(n[part], along, out=product)
        h *= scale[part]
    dw, db = (None if p is None else total.reshape(p.shape) for p, total in zip((weight, bias), sums))
    return dx.reshape(x.shape), dw, db


def layer_norm(x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """z = weight (x - mean) / sqrt(var + eps) + bias over the last axes, whose shape is normalized_shape.

    Mean and variance (biased) are those of each place alone, whatever the batch. Ba, Kiros and Hinton, 2016.
    Raises ValueError, naming the shapes, if x does not end in normalized_shape.

    >>> layer_norm(Tensor([[1, 3], [10, 30]]), 2, eps=0.0)
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """
    axes = trailing(x, normalized_shape, weight, bias)
    return standardized_rows(x, weight, bias, axes=axes, eps=eps)


@primitive
def scaled_rows(x, weight=None, *, axes=1, eps=1e-6):
    """z = weight x / sqrt(mean(x^2) + eps), with the mean of each row."""
    rows = rows_of(x, axes)
    z, scale = np.empty_like(rows), np.empty_like(rows[:, :1])
    for part in row_blocks(rows):
        square = np.vecdot(rows[part], rows[part])[:, None] / rows.shape[1]
        scale[part] = 1 / np.sqrt(square + eps)
        np.multiply(rows[part], scale[part], out=z[part])
        if weight is not None:
            z[part] *= weight.ravel()
    return z.reshape(x.shape), {"scale": scale}


@scaled_rows.vjp
def scaled_rows_vjp(g, z, x, weight=None, *, scale, axes=1, eps=1e-6):
    """With n = x s, s = 1 / sqrt(mean(x^2) + eps): z = w n   =>   dw = sum g n,  dx = s (h - n mean(h n)), h = w g"""
    rows, g = rows_of(x, axes), rows_of(g, axes)
    dx, dw = np.empty_like(rows), np.zeros(rows.shape[1], rows.dtype)
    for part in row_blocks(rows):
        n = rows[part] * scale[part]
        h = np.multiply(g[part], n, out=dx[part])
        dw += np.ones(len(n), rows.dtype) @ h
        h = np.multiply(g[part], 1 if weight is None else weight.ravel(), out=h)
        n *= np.vecdot(h, n)[:, None] / rows.shape[1]
        h -= n
        h *= scale[part]
    return dx.reshape(x.shape), None if weight is None else dw.reshape(weight.shape)


def rms_norm(x: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Tensor:
    """z = weight x / sqrt(mean(x^2) + eps) over the last axes: layer_norm without its mean. Zhang and Sennrich, 2019.

    Without an eps it is the distance from 1 to the next number of x's dtype, as in PyTorch. Raises ValueError as
    layer_norm does.

    >>> rms_norm(Tensor([[3, 4], [30, 40]]), 2, eps=0.0)
    tensor([[0.8485, 1.1314],
            [0.8485, 1.1314]])
    """
    axes = trailing(x, normalized_shape, weight)
    dtype = x.dtype if isinstance(x, Tensor | np.ndarray) and x.dtype.kind == "f" else np.float32
    return scaled_rows(x, weight, axes=axes, eps=float(np.finfo(dtype).eps) if eps is None else eps)


class LayerNorm(Module):
    """layer_norm with a weight, ones at first, and a bias, zeros at first; either can be left out.

    >>> LayerNorm(4)(Tensor([[1, 2, 3, 4]])).shape
    (1, 4)
    """

    def __init__(self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True):
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.weight = Parameter(np.ones(self.normalized_shape, np.float32)) if elementwise_affine else None
        learned = elementwise_affine and bias
        self.bias = Parameter(np.zeros(self.normalized_shape, np.float32)) if learned else None

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1:] == self.normalized_shape:  # what layer_norm would find out
            return standardized_rows(x, self.weight, self.bias, eps=self.eps)
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def next_place(self, x: np.ndarray) -> np.ndarray:
        """forward of one row (C,), on plain arrays."""
        weight = None if self.weight is None else self.weight.data
        bias = None if self.bias is None else self.bias.data
        return one_row(x, weight, bias, self.eps)[0]

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


class RMSNorm(Module):
    """rms_norm with a weight, ones at first.

    >>> RMSNorm(4)(Tensor([[2, 2, 2, 2]]))
    tensor([[1., 1., 1., 1.]], origin=scaled_rows)
    """

    def __init__(self, normalized_shape: Any, eps: float | None = None, elementwise_affine: bool = True):
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.weight = Parameter(np.ones(self.normalized_shape, np.float32)) if elementwise_affine else None

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


# -- feed-forward --------------------------------------------------------------------------------------------------


Kernel = Callable[[np.ndarray, np.ndarray, np.ndarray | None], None]


def gelu_and_slope(x: np.ndarray, value: np.ndarray, slope: np.ndarray | None) -> None:
    """value = gelu(x), by its tanh approximation, and slope, unless it is None, = its derivative, much of it the same.

    With s = (1 + tanh(c (x + a x^3))) / 2 the value is x s, and the slope s + 2 x s (1 - s) c (1 + 3 a x^2). Written
    into two arrays, and x is overwritten: no operation makes a new array, which would take time.

    >>> value, slope = np.empty(2), np.empty(2)
    >>> gelu_and_slope(np.array([0.0, 100.0]), value, slope)
    >>> value, slope
    (array([  0., 100.]), array([0.5, 1. ]))
    """
    a, c = 0.044715, math.sqrt(2 / math.pi)
    square = np.multiply(x, x, out=slope)
    s = np.multiply(square, a * c, out=value)
    s += c
    s *= x
    np.tanh(s, out=s)
    s *= 0.5
    s += 0.5
    if slope is None:
        s *= x
        return
    x *= s
    square *= 6 * a * c
    square += 2 * c
    square *= x
    s -= 1
    square *= s
    np.subtract(s, square, out=slope)
    slope += 1
    value[...] = x


def squared_relu_and_slope(x: np.ndarray, value: np.ndarray, slope: np.ndarray | None) -> None:
    """value = max(x, 0)^2 and slope, unless it is None, = 2 max(x, 0). So et al., 2021.

    >>> value, slope = np.empty(2), np.empty(2)
    >>> squared_relu_and_slope(np.array([-2.0, 3.0]), value, slope)
    >>> value, slope
    (array([0., 9.]), array([0., 6.]))
    """
    positive = np.maximum(x, 0, out=slope)
    np.multiply(positive, positive, out=value)
    positive *= 2


ACTIVATIONS: dict[str, Kernel] = {"gelu": gelu_and_slope, "squared_relu": squared_relu_and_slope}


@primitive
def feed_forward(x, up, up_bias, down, down_bias, *, activation="gelu"):
    """z = f(x up + up_bias) down + down_bias: (..., C) -> (..., C), with up (C, n) and down (n, C).

    f is one of ACTIVATIONS; either bias may be None. A block of rows goes through both products while it is in the
    cache. Raises ValueError, naming the shapes, if they do not fit.

    >>> eye = np.eye(2, dtype=np.float32)
    >>> feed_forward([[-1, 3]], eye, None, eye, [10, 10], activation="squared_relu")
    tensor([[10., 19.]])
    """
    if x.shape[-1] != up.shape[0] or up.shape[1] != down.shape[0]:
        shapes = f"{x.shape}, {up.shape} and {down.shape}"
        raise ValueError(f"feed_forward needs x (..., C), up (C, n) and down (n, C), got {shapes}")
    rows = rows_of(x, 1)
    z, value = (np.empty((len(rows), size), x.dtype) for size in (down.shape[1], up.shape[1]))
    slope = np.empty_like(value) if is_grad_enabled() else None  # for the rule alone
    for part in row_blocks(rows, up.shape[1]):
        hidden = rows[part] @ up
        if up_bias is not None:
            hidden += up_bias
        ACTIVATIONS[activation](hidden, value[part], None if slope is None else slope[part])
        np.matmul(value[part], down, out=z[part])
        if down_bias is not None:
            z[part] += down_bias
    return z.reshape(*x.shape[:-1], down.shape[1]), {"value": value, "slope": slope}


@feed_forward.vjp
def feed_forward_vjp(g, z, x, up, up_bias, down, down_bias, *, value, slope, activation="gelu"):
    """z = f(h) D, h = x U   =>   dD = f(h)^T g,  dh = g D^T f'(h),  dU = x^T dh,  dx = dh U^T"""
    rows, g_rows = rows_of(x, 1), rows_of(g, 1)
    dx, dup, ddown = np.empty_like(rows), np.zeros_like(up), np.zeros_like(down)
    dup_bias = np.zeros(up.shape[1], g.dtype)
    for part in row_blocks(rows, up.shape[1]):
        dh = g_rows[part] @ down.T
        dh *= slope[part]
        dup += rows[part].T @ dh
        dup_bias += np.ones(len(dh), dh.dtype) @ dh
        ddown += value[part].T @ g_rows[part]
        np.matmul(dh, up.T, out=dx[part])
    return dx.reshape(x.shape), dup, dup_bias, ddown, np.ones(len(g_rows), g.dtype) @ g_rows


class FeedForward(Module):
    """Each place by itself, in a wider space: down(f(up(x))), f a gelu or a squared relu. Vaswani et al., 2017.

    >>> FeedForward(4, 16)(Tensor(np.zeros((1, 3, 4), np.float32))).shape
    (1, 3, 4)
    """

    def __init__(
        self, width: int, hidden: int, activation: str = "gelu", bias: bool = True, rng: np.random.Generator = generator
    ):
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation is one of {', '.join(ACTIVATIONS)}; got {activation!r}")
        self.activation = activation
        self.up = Linear(width, hidden, bias, rng)
        self.down = Linear(hidden, width, bias, rng)

    def forward(self, x: Tensor) -> Tensor:
        up, down = self.up, self.down
        return feed_forward(x, up.weight, up.bias, down.weight, down.bias, activation=self.activation)

    def next_place(self, x: np.ndarray) -> np.ndarray:
        """forward of one place (C,), on plain arrays."""
        hidden = affine(x, self.up)
        value = np.empty_like(hidden)
        ACTIVATIONS[self.activation](hidden, value, None)
        return affine(value, self.down)


class SwiGLU(Module):
    """down(silu(gate(x)) * up(x)): one product decides how much of the other passes. Shazeer, 2020.

    >>> SwiGLU(4, 8)(Tensor(np.zeros((1, 3, 4), np.float32))).shape
    (1, 3, 4)
    """

    def __init__(self, width: int, hidden: int, bias: bool = True, rng: np.random.Generator = generator):
        self.gate = Linear(width, hidden, bias, rng)
        self.up = Linear(width, hidden, bias, rng)
        self.down = Linear(hidden, width, bias, rng)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(silu(self.gate(x)) * self.up(x))


# -- a block -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TransformerConfig:
    """The sizes of a transformer, and its parts: GPT-2's, unless told otherwise; `modern` names today's.

    Raises ValueError for what does not fit together.

    >>> TransformerConfig(65).width, TransformerConfig.modern(65).norm
    (128, 'rms')
    """

    vocabulary: int
    context: int = 128  # the most places at once
    width: int = 128
    layers: int = 4
    heads: int = 4
    kv_heads: int | None = None  # fewer heads of keys and values, if given
    hidden: int | None = None  # of the feed-forward layer; 4 widths, if not given
    dropout: float = 0.0
    bias: bool = True
    positions: str = "learned"  # or "sinusoidal", or "rotary"
    norm: str = "layer"  # or "rms"
    activation: str = "gelu"  # or "squared_relu", or "swiglu"
    normalized_qk: bool = False  # queries and keys of length sqrt(d). Henry et al., 2020
    zero_outputs: bool = False  # at first, each block adds nothing
    tied: bool = True  # the head is the table of tokens
    soft_cap: float | None = None  # logits within +-soft_cap. Gemma Team, 2024
    eps: float | None = 1e-5  # of the normalisations

    def __post_init__(self) -> None:
        sizes = (self.vocabulary, self.context, self.width, self.heads, self.feed_forward_width)
        if min(*sizes, self.layers + 1) < 1:
            raise ValueError(f"sizes are 1 or more, got {self}")
        allowed = {
            "positions": ("learned", "sinusoidal", "rotary"),
            "norm": ("layer", "rms"),
            "activation": (*ACTIVATIONS, "swiglu"),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ValueError(f"{name} is one of {', '.join(values)}; got {getattr(self, name)!r}")
        if self.soft_cap is not None and not self.soft_cap > 0:
            raise ValueError(f"soft_cap is above 0, got {self.soft_cap}")

    @property
    def feed_forward_width(self) -> int:
        """The numbers of a place inside the feed-forward layer."""
        return 4 * self.width if self.hidden is None else self.hidden

    @property
    def kv_width(self) -> int:
        """The numbers of a place's keys, or values, in all heads together."""
        return self.width // self.heads * (self.heads if self.kv_heads is None else self.kv_heads)

    @classmethod
    def modern(cls, vocabulary: int, **changes: Any) -> "TransformerConfig":
        """What a small GPT of 2025 is made of: without biases, and with every other option taken."""
        options: dict[str, Any] = {
            "bias": False,
            "positions": "rotary",
            "norm": "rms",
            "activation": "squared_relu",
            "normalized_qk": True,
            "zero_outputs": True,
            "tied": False,
            "soft_cap": 15.0,
            "eps": None,
        }
        return cls(vocabulary, **{**options, **changes})


def normalisation(config: TransformerConfig) -> Module:
    """A LayerNorm or an RMSNorm, as the configuration says."""
    if config.norm == "rms":
        return RMSNorm(config.width, config.eps)
    return LayerNorm(config.width, 1e-5 if config.eps is None else config.eps, bias=config.bias)


class Block(Module):
    """x + attention(norm1(x)), and then x + feed_forward(norm2(x)) of that sum.

    Vaswani et al., 2017; with the normalisation before each part, Radford et al., 2019.

    >>> Block(TransformerConfig(10, width=8, heads=2))(Tensor(np.zeros((1, 3, 8), np.float32))).shape
    (1, 3, 8)
    """

    def __init__(self, config: TransformerConfig, rng: np.random.Generator = generator):
        self.config = config
        width, hidden = config.width, config.feed_forward_width
        self.norm1 = normalisation(config)
        self.attention = MultiHeadAttention(width, config.heads, config.kv_heads, config.bias, config.dropout, rng)
        self.norm2 = normalisation(config)
        if config.activation == "swiglu":
            self.feed_forward: Module = SwiGLU(width, hidden, config.bias, rng)
        else:
            self.feed_forward = FeedForward(width, hidden, config.activation, config.bias, rng)
        self.dropout = Dropout(config.dropout)

    def forward(
        self, x: Tensor, mask: Any = None, is_causal: bool = False, cache: Cache | None = None, start: Any = 0
    ) -> Tensor:
        """x (B, T, C), of the places from `start` on, with a mask and a cache as for MultiHeadAttention.

        What each part adds goes through self.dropout first. Queries and keys go through self.prepare with this start.
        """
        # The attention takes what norm1 makes of x, and norm2 sees what has been added by then. MultiHeadAttention
        # calls its `prepare` with queries or keys alone: what in functools gives an argument of a function beforehand?
        prepare = partial(self.prepare, start=start)
        attended = self.attention(self.norm1(x), None, mask, is_causal, cache, prepare)
        x = x + self.dropout(attended)
        return x + self.dropout(self.feed_forward(self.norm2(x)))

    def takes_one(self) -> bool:
        """Whether next_place does what forward does: parts as __init__ made them, GPT-2's, and nothing dropped."""
        parts = type(self.norm1), type(self.norm2), type(self.feed_forward), type(self.attention)
        if parts != (LayerNorm, LayerNorm, FeedForward, MultiHeadAttention) or (self.training and self.dropout.p):
            return False
        feed: Any = self.feed_forward
        return self.attention.takes_one() and type(feed.up) is type(feed.down) is Linear

    def next_place(self, x: np.ndarray, cache: Cache, start: int) -> np.ndarray:
        """forward of one place (C,) of one text, on plain arrays: see MultiHeadAttention.next_place."""
        one, two, feed = cast(LayerNorm, self.norm1), cast(LayerNorm, self.norm2), cast(FeedForward, self.feed_forward)
        turned = self.config.positions == "rotary" or self.config.normalized_qk
        prepare = partial(self.prepare, start=start) if turned else None
        x = x + self.attention.next_place(one.next_place(x), cache, prepare)
        x += feed.next_place(two.next_place(x))
        return x

    def prepare(self, x: Tensor, start: Any) -> Tensor:
        """Queries or keys (B, heads, T, d): turned by their places, and made equally long, if so configured."""
        if self.config.positions == "rotary":
            x = rotate(x, start=start[:, None] if isinstance(start, np.ndarray) else start)
        return rms_norm(x, x.shape[-1]) if self.config.normalized_qk else x


class Transformer(Module):
    """Positions, blocks one after another, and a last normalisation: x (B, T, C) -> (B, T, C).

    >>> Transformer(TransformerConfig(10, width=8, heads=2, layers=1))(Tensor(np.zeros((1, 3, 8), np.float32))).shape
    (1, 3, 8)
    """

    def __init__(self, config: TransformerConfig, rng: np.random.Generator = generator):
        self.config = config
        self.positions: Module | None = None
        if config.positions == "learned":
            self.positions = LearnedPositions(config.context, config.width, rng)
        elif config.positions == "sinusoidal":
            self.positions = SinusoidalPositions(config.context, config.width)
        self.dropout = Dropout(config.dropout)
        self.blocks = [Block(config, rng) for _ in range(config.layers)]
        self.norm = normalisation(config)
        initialise(self, config, rng)

    def forward(
        self,
        x: Tensor,
        mask: Any = None,
        is_causal: bool = False,
        caches: Sequence[Cache] | None = None,
        start: Any = 0,
    ) -> Tensor:
        """x of the places from `start` on, one number or an array (B,); caches, if given, are one for each block.

        Raises ValueError for more places than the context has, for none, and for a wrong number of caches.
        """
        length, context = x.shape[-2], self.config.context
        last = start.max() if isinstance(start, np.ndarray) else start
        if not length or last + length > context:
            raise ValueError(f"a context of {context} takes 1 to {context} places, got {length} from place {start} on")
        if caches is not None and len(caches) != len(self.blocks):
            raise ValueError(f"{len(self.blocks)} blocks need a cache each, got {len(caches)}")
        if caches is not None and mask is None and self.takes_one(x):
            row = x.data[0, 0]
            if self.positions is not None:
                row = cast(LearnedPositions, self.positions).next_place(row, start)
            for block, cache in zip(self.blocks, caches):
                row = block.next_place(row, cache, start)
            return Tensor(cast(LayerNorm, self.norm).next_place(row)[None, None])
        if self.positions is not None:
            x = self.positions(x, start)
        x = self.dropout(x)
        for i, block in enumerate(self.blocks):
            x = block(x, mask, is_causal, None if caches is None else caches[i], start)
        return self.norm(x)

    def takes_one(self, x: Tensor) -> bool:
        """Whether x is one place of one text, and all parts have a short way for it."""
        if x.shape[:-1] != (1, 1) or type(self.norm) is not LayerNorm or not unobserved():
            return False
        if type(self.positions) not in (LearnedPositions, type(None)) or (self.training and self.dropout.p):
            return False
        return all(type(block) is Block and block.takes_one() for block in self.blocks)


def initialise(model: Module, config: TransformerConfig, rng: np.random.Generator) -> None:
    """Fill every weight of linear layers, and the positions', in place; biases are zero already.

    GPT-2's numbers: normal with deviation 0.02, and 0.02 / sqrt(2 L) where a block adds to x, so that 2 L additions
    have the variance of one (Radford et al., 2019). With zero_outputs: 1 / sqrt(in), and 0 where a block adds to x.
    """
    for name, module in model.named_modules():
        if isinstance(module, Linear):
            adds = name.endswith(("attention.out", "feed_forward.down"))
            std = 0.02 / (math.sqrt(2 * config.layers) if adds else 1)
            if config.zero_outputs:
                std = 0.0 if adds else 1 / math.sqrt(module.weight.shape[0])
            module.weight.data[...] = rng.normal(0, std, module.weight.shape)


# -- the GPT -------------------------------------------------------------------------------------------------------


def as_ids(ids: Any) -> np.ndarray:
    """Tokens from a tensor, an array or a list: (B, T), or (T,) as one sequence. Raises ValueError for other shapes.

    >>> as_ids([1, 2]).shape
    (1, 2)
    """
    array = ids.data if isinstance(ids, Tensor) else np.asarray(ids)
    if array.ndim not in (1, 2) or not array.shape[-1]:
        raise ValueError(f"ids are (B, T) or (T,), with one token or more, got shape {array.shape}")
    return array.reshape(-1, array.shape[-1])


class LanguageModel(Module):
    """What GPT and Encoder share: a table of tokens, a transformer, and a head that scores all tokens."""

    def __init__(self, config: TransformerConfig, rng: np.random.Generator = generator):
        self.config = config
        self.tokens = Embedding(config.vocabulary, config.width, rng=rng)
        self.transformer = Transformer(config, rng)
        self.head = None if config.tied else Linear(config.width, config.vocabulary, bias=False, rng=rng)
        self.tokens.weight.data *= 1.0 if config.zero_outputs else 0.02
        if self.head is not None:
            self.head.weight.data[...] = rng.normal(0, 0.001 if config.zero_outputs else 0.02, self.head.weight.shape)

    def logits(self, x: Tensor) -> Tensor:
        """Scores of all tokens, (B, T, C) -> (B, T, V): by the table of tokens, if tied, and within the soft cap."""
        z = tied_logits(x, self.tokens.weight) if self.head is None else self.head(x)
        cap = self.config.soft_cap
        return z if cap is None else tanh(z * (1 / cap)) * cap

    def matrices(self) -> list[Parameter]:
        """The weights of the blocks' linear layers: what Muon is for."""
        return [p for block in self.transformer.blocks for p in block.parameters() if p.ndim == 2]

    def others(self) -> list[Parameter]:
        """All parameters but the matrices: what is left to AdamW."""
        matrices = {id(p) for p in self.matrices()}
        return [p for p in self.parameters() if id(p) not in matrices]


class GPT(LanguageModel):
    """Predicts, at each place, the token that follows: ids (B, T) -> logits (B, T, V). Radford et al., 2018 and 2019.

    >>> GPT(TransformerConfig(10, context=4, width=8, layers=1, heads=2))([[1, 2, 3]]).shape
    (1, 3, 10)
    """

    def forward(self, ids: Any, caches: Sequence[Cache] | None = None, start: Any = 0, mask: Any = None) -> Tensor:
        """Logits of what follows ids, the places from `start` on; caches, one a block, hold what came before.

        Sequences that stand at places of their own have an array of starts (B,). A mask is as for MultiHeadAttention,
        beside the causal one.

        Raises IndexError, naming the id, for one outside of the vocabulary; ValueError for no ids, or more than the
        context has places.
        """
        x = self.transformer(self.tokens(as_ids(ids)), mask, is_causal=True, caches=caches, start=start)
        return self.logits(x)

    @classmethod
    def from_gpt2(cls, folder: str | os.PathLike) -> "GPT":
        """GPT-2 from a folder with config.json and model.safetensors, as Hugging Face writes it; in evaluation mode.

        The weights stay in the file until they are used. There is no dropout. Raises ValueError, naming the tensor and
        both shapes, for files that do not fit, and FileNotFoundError for one that is not there.
        """
        return read_gpt2(cls, Path(folder))


def next_token_loss(logits: Tensor, targets: Any, ignore_index: int = -100) -> Tensor:
    """The mean of -ln p[target] over all places whose target is not ignore_index: logits (B, T, V), targets (B, T).

    Without ignored places it is the cross entropy of B T rows. Raises ValueError if there is nothing but them, and
    IndexError for another target that is no token, 0..V-1.

    >>> next_token_loss(Tensor([[[0, 0], [100, 0]]]), np.array([[1, -100]]))
    tensor(0.6931)
    """
    # Rows first: cross_entropy takes (N, V) and (N,). Of rows and of targets, an array of True and False picks those
    # that are kept, rows[kept], with their gradient: their mean is wanted.
    targets = targets.data if isinstance(targets, Tensor) else np.asarray(targets)
    rows, classes = logits.reshape(-1, logits.shape[-1]), targets.ravel()
    kept = classes != ignore_index
    if not kept.any():
        raise ValueError(f"every target is {ignore_index}, which is ignored: there is nothing to predict")
    if kept.all():
        return cross_entropy(rows, classes)
    return cross_entropy(rows[kept], classes[kept])


# -- choosing a token ----------------------------------------------------------------------------------------------


def keep_top_k(logits: np.ndarray, k: int) -> np.ndarray:
    """The k largest logits (V,), and those equal to the k-th; all others become -inf. Fan, Lewis and Dauphin, 2018.

    >>> keep_top_k(np.array([1.0, 4.0, 3.0]), 2)
    array([-inf,   4.,   3.])
    """
    # np.sort puts the k-th largest at index -k. A k beyond V keeps all.
    kth = np.sort(logits)[-min(k, len(logits))]
    return np.where(logits >= kth, logits, -math.inf)


def keep_top_p(logits: np.ndarray, p: float) -> np.ndarray:
    """The fewest, most probable tokens whose probabilities sum to p or more; the others' logits become -inf.

    Holtzman, Buys, Du, Forbes and Choi, 2020.

    >>> keep_top_p(np.log([0.1, 0.6, 0.3]), 0.8).round(2)
    array([ -inf, -0.51, -1.2 ])
    """
    # A token is needed if those before it, in the order of their probabilities, sum to less than p: the first always
    # is. np.argsort(-logits, kind="stable") is that order.
    order = np.argsort(-logits, kind="stable")
    probabilities = distribution(logits[order])
    needed = order[np.cumsum(probabilities) - probabilities < p]
    kept = np.full_like(logits, -math.inf)
    kept[needed] = logits[needed]
    return kept


def distribution(logits: np.ndarray) -> np.ndarray:
    """softmax(logits) (V,), in float64: a sum of many float32 numbers would miss 1."""
    e = np.exp(logits.astype(np.float64) - logits.max())
    return e / e.sum()


def choose_token(probabilities: np.ndarray, u: float) -> int:
    """The token in whose share of 0..1 the number u lies: shares stand side by side, in the order of the ids.

    >>> [choose_token(np.array([0.2, 0.0, 0.8]), u) for u in (0.0, 0.19, 0.2, 0.99)]
    [0, 0, 2, 2]
    """
    # np.cumsum gives where each share ends; the token is the first whose end lies beyond u. Sums are rounded: scale u
    # by the last end, so that it lies before it.
    ends = np.cumsum(probabilities)
    return int(np.searchsorted(ends, u * ends[-1], side="right"))


def check_sampling(temperature: float, top_k: int | None, top_p: float | None) -> None:
    """Raise ValueError, saying what is allowed, for numbers by which no token could be chosen."""
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature is 0, for the most probable token, or above; got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k is 1 or more, or None to keep all; got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p is above 0 and at most 1, or None to keep all; got {top_p}")


def sample(
    logits: np.ndarray, u: float, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> int:
    """A token, chosen by u in [0, 1) from softmax(logits / temperature): of the top_k, then of their top_p, if given.

    Temperature 0 takes the most probable. Raises ValueError as check_sampling does.

    >>> logits = np.log([0.1, 0.6, 0.3])
    >>> sample(logits, u=0.99), sample(logits, u=0.99, top_k=1), sample(logits, u=0.5, temperature=0)
    (2, 1, 1)
    """
    # Temperature first, then top_k, then top_p, then the distribution of what is left.
    check_sampling(temperature, top_k, top_p)
    if temperature == 0:
        return int(logits.argmax())
    logits = logits / temperature
    if top_k is not None:
        logits = keep_top_k(logits, top_k)
    if top_p is not None:
        logits = keep_top_p(logits, top_p)
    return choose_token(distribution(logits), u)


def generate(
    model: GPT,
    prompt: Any,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop: Iterable[int] = (),
    seed: int | None = None,
    caches: Sequence[Cache] | None = None,
) -> Iterator[int]:
    """The tokens that follow a prompt (T,), one by one, as they are chosen; it ends before the first one in `stop`.

    With new caches, one a block, each new token takes one place, and prompt and new tokens must fit into the context
    together. Without, each takes all of the last `context` tokens again. A seed gives the same tokens again.
    Raises ValueError, before the first token, for an empty prompt or one longer than the context, and as
    check_sampling does.

    >>> model = GPT(TransformerConfig(10, context=4, width=8, layers=1, heads=2)).eval()
    >>> len(list(generate(model, [1, 2, 3], max_new_tokens=5)))
    5
    """
    check_sampling(temperature, top_k, top_p)
    ids, context = as_ids(prompt), model.config.context
    if len(ids) != 1 or ids.shape[1] > context:
        raise ValueError(f"a prompt is one sequence of 1 to {context} tokens, got shape {ids.shape}")
    if caches is not None and ids.shape[1] + max_new_tokens > context + 1:  # the last token is not read again
        raise ValueError(
            f"with caches, {ids.shape[1]} tokens and {max_new_tokens} new ones must fit into {context} places"
        )
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens is 0 or more, got {max_new_tokens}")
    check_ids(ids, model.config.vocabulary)
    rng = generator if seed is None else np.random.default_rng(seed)
    options = (temperature, top_k, top_p)
    return _generated(model, ids[0].tolist(), max_new_tokens, options, frozenset(stop), rng, caches)


def _generated(model, tokens, count, options, stop, rng, caches) -> Iterator[int]:
    start = 0
    for _ in range(count):
        some = tokens[start:] if caches is not None else tokens[-model.config.context :]
        with no_grad():
            logits = model([some], caches, start).data[0, -1]
        start = len(tokens) if caches is not None else 0
        token = sample(logits, rng.random(), *options)
        if token in stop:
            return
        tokens.append(token)
        yield token


# -- GPT-2's weights -----------------------------------------------------------------------------------------------

# Hugging Face stores a layer as (in, out), as we do, and queries, keys and values side by side, in one matrix.
GPT2_NAMES = {
    "norm1.weight": "ln_1.weight",
    "norm1.bias": "ln_1.bias",
    "attention.out.weight": "attn.c_proj.weight",
    "attention.out.bias": "attn.c_proj.bias",
    "norm2.weight": "ln_2.weight",
    "norm2.bias": "ln_2.bias",
    "feed_forward.up.weight": "mlp.c_fc.weight",
    "feed_forward.up.bias": "mlp.c_fc.bias",
    "feed_forward.down.weight": "mlp.c_proj.weight",
    "feed_forward.down.bias": "mlp.c_proj.bias",
}


class Blank:
    """Stands in for a random generator where every number will be replaced: it draws zeros."""

    def standard_normal(self, shape: Any, dtype: Any = np.float64) -> np.ndarray:
        return np.zeros(shape, dtype)

    def normal(self, mean: float, std: float, shape: Any) -> np.ndarray:
        return np.zeros(shape)

    def uniform(self, low: float, high: float, shape: Any) -> np.ndarray:
        return np.zeros(shape)


def read_gpt2(cls: type[GPT], folder: Path) -> GPT:
    """GPT.from_gpt2: a GPT of no blocks and one token grows part by part, so that no weights are ever held twice."""
    facts = json_object(folder / "config.json")
    config = gpt2_config(facts, folder / "config.json")
    blank: Any = Blank()
    stored = Stored(folder / "model.safetensors")
    model: Any = cls(replace(config, layers=0, vocabulary=1, context=1), blank)
    model.config = model.transformer.config = config
    model.tokens.weight.data = stored.take("wte.weight", (config.vocabulary, config.width))
    model.transformer.positions.weight.data = stored.take("wpe.weight", (config.context, config.width))
    for i in range(config.layers):
        block: Any = Block(config, blank)
        parameters = dict(block.named_parameters())
        for ours, theirs in GPT2_NAMES.items():
            stored.give(parameters[ours], f"h.{i}.{theirs}")
        layers = (block.attention.query, block.attention.key, block.attention.value)
        stored.give_parts([layer.weight for layer in layers], f"h.{i}.attn.c_attn.weight")
        stored.give_parts([layer.bias for layer in layers], f"h.{i}.attn.c_attn.bias")
        model.transformer.blocks.append(block)
    stored.give(model.transformer.norm.weight, "ln_f.weight")
    stored.give(model.transformer.norm.bias, "ln_f.bias")
    if model.head is not None:
        model.head.weight.data = stored.take("lm_head.weight", (config.vocabulary, config.width)).T
    stored.check_all_given({"lm_head.weight"} if config.tied else set())
    return model.eval()


class Stored:
    """The tensors of a file, given to parameters one by one. Every error names the file and the tensor."""

    def __init__(self, path: Path):
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not there: it holds the weights, in the format safetensors")
        self.path, self.given = path, set[str]()
        self.arrays = {name.removeprefix("transformer."): array for name, array in load_mapped(path).items()}

    def take(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """The tensor of this name, float32. Raises ValueError unless it is there and has this shape."""
        if name not in self.arrays:
            raise ValueError(f"{self.path}: {name} of shape {shape} is missing")
        array = self.arrays[name]
        if array.shape != shape or array.dtype.kind != "f":
            raise ValueError(f"{self.path}: {name} needs shape {shape}, got {array.shape} {array.dtype}")
        self.given.add(name)
        return array.astype(np.float32, copy=False)

    def give(self, parameter: Tensor, name: str) -> None:
        """Let a parameter be this tensor."""
        parameter.data = self.take(name, parameter.shape)

    def give_parts(self, parameters: list[Tensor], name: str) -> None:
        """Let parameters be the columns of this tensor, side by side: views of it."""
        *outer, last = parameters[0].shape
        whole = self.take(name, (*outer, last * len(parameters)))
        for i, parameter in enumerate(parameters):
            parameter.data = whole[..., i * last : (i + 1) * last]

    def check_all_given(self, known: set[str]) -> None:
        """Raise ValueError for a tensor that nobody took; the masks that old files hold count as known."""
        masks = (".attn.bias", ".attn.masked_bias")
        left = sorted(name for name in self.arrays.keys() - self.given - known if not name.endswith(masks))
        if left:
            raise ValueError(
                f"{self.path}: GPT-2 of this config.json has no tensor {left[0]} {self.arrays[left[0]].shape}"
            )


def json_object(path: Path) -> dict[str, Any]:
    """A JSON file's one object. Raises ValueError, naming the file, for anything else."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: it tells the sizes of the model")
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(facts, dict):
        raise ValueError(f"{path} holds no JSON object, but {type(facts).__name__}")
    return facts


def gpt2_config(facts: dict[str, Any], path: Path) -> TransformerConfig:
    """What config.json says of the sizes. Raises ValueError for a missing one, and for what is not GPT-2's way."""
    needed = {
        "model_type": ("gpt2",),
        "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
        "scale_attn_weights": (True,),
        "scale_attn_by_inverse_layer_idx": (False,),
        "add_cross_attention": (False,),
    }
    for name, allowed in needed.items():
        if facts.get(name, allowed[0]) not in allowed:
            raise ValueError(f"{path}: {name} needs to be {' or '.join(map(str, allowed))}, got {facts[name]!r}")
    names = {
        "vocabulary": "vocab_size",
        "context": "n_positions",
        "width": "n_embd",
        "layers": "n_layer",
        "heads": "n_head",
    }
    sizes = {ours: facts.get(theirs) for ours, theirs in names.items()}
    for ours, size in sizes.items():
        if type(size) is not int:
            raise ValueError(f"{path}: {names[ours]} needs to be a whole number, got {size!r}")
    eps, hidden = facts.get("layer_norm_epsilon", 1e-5), facts.get("n_inner")
    if not isinstance(eps, float) or not isinstance(hidden, int | None):
        raise ValueError(f"{path}: layer_norm_epsilon and n_inner need to be numbers, got {eps!r} and {hidden!r}")
    tied = facts.get("tie_word_embeddings") is not False
    return TransformerConfig(**sizes, hidden=hidden, eps=eps, tied=tied)  # type: ignore[arg-type]


# -- what it takes -------------------------------------------------------------------------------------------------


def parameter_count(config: TransformerConfig) -> int:
    """How many numbers a GPT of this configuration learns, by formula; a tied head costs nothing.

    >>> gpt2 = TransformerConfig(50257, context=1024, width=768, layers=12, heads=12)
    >>> parameter_count(gpt2)
    124439808
    """
    # V C for the tokens, and again for an untied head; context C for learned positions. Each of L blocks: C C for
    # queries and for the output, C kv for keys and for values, 2 C n for the feed-forward layer (3 C n for swiglu);
    # where there are biases, as many as each layer has outputs. A layer norm is 2 C, or C without bias, an RMS norm C:
    # two a block, and one at the end.
    c, kv, n = config.width, config.kv_width, config.feed_forward_width
    norm = c * (2 if config.norm == "layer" and config.bias else 1)
    layers = 3 if config.activation == "swiglu" else 2
    weights = 2 * c * c + 2 * c * kv + layers * c * n
    biases = 2 * c + 2 * kv + (layers - 1) * n + c if config.bias else 0
    outside = config.vocabulary * c * (1 if config.tied else 2) + (
        config.context * c if config.positions == "learned" else 0
    )
    return outside + config.layers * (weights + biases + 2 * norm) + norm


def parameter_bytes(config: TransformerConfig, dtype: Any = np.float32) -> int:
    """The memory of these numbers.

    >>> parameter_bytes(TransformerConfig(65))
    3272192
    """
    return parameter_count(config) * np.dtype(dtype).itemsize


def flops_per_token(config: TransformerConfig, length: int, training: bool = False) -> int:
    """Operations in matrix products for one token of a sequence of this length: 2 a weight, and 4 C a key and block.

    Every query meets every key, masked or not. A training step takes three times as many: each product has two in its
    rule. Kaplan et al., 2020.

    >>> flops_per_token(TransformerConfig(65), length=128)
    1851648
    """
    # The weights of the blocks, and those of the head, tied or not. Each query is multiplied with `length` keys, and
    # as many weights with values: C products each.
    c, kv, n = config.width, config.kv_width, config.feed_forward_width
    weights = 2 * c * c + 2 * c * kv + (3 if config.activation == "swiglu" else 2) * c * n
    forward = 2 * (config.layers * weights + config.vocabulary * c) + 4 * length * c * config.layers
    return 3 * forward if training else forward


# -- from the same block -------------------------------------------------------------------------------------------


def mask_tokens(
    ids: np.ndarray, mask_id: int, vocabulary: int, u: np.ndarray, rate: float = 0.15, ignore_index: int = -100
) -> tuple[np.ndarray, np.ndarray]:
    """Ids (B, T) with some hidden, and the targets (B, T): what was hidden, and ignore_index elsewhere.

    u holds two uniform numbers in [0, 1) for each place, (2, B, T). A place is hidden if its first is below `rate`;
    of these places, 80 % become mask_id, 10 % a token that the second number draws, and 10 % stay as they are.
    Devlin, Chang, Lee and Toutanova, 2019.

    >>> u = np.array([[[0.5, 0.01, 0.125, 0.14]], [[0.0, 0.0, 0.75, 0.0]]])
    >>> mask_tokens(np.array([[5, 6, 7, 8]]), mask_id=9, vocabulary=4, u=u)
    (array([[5, 9, 3, 8]]), array([[-100,    6,    7,    8]]))
    """
    hidden = u[0] < rate
    random = (u[1] * vocabulary).astype(ids.dtype)
    replaced = np.where(u[0] < 0.8 * rate, mask_id, np.where(u[0] < 0.9 * rate, random, ids))
    return np.where(hidden, replaced, ids), np.where(hidden, ids, ignore_index)


class Encoder(LanguageModel):
    """Reads in both directions: ids (B, T) -> logits (B, T, V) of what stands at each place. Devlin et al., 2019.

    Trained with mask_tokens and next_token_loss, which ignores the places that were not hidden.

    >>> Encoder(TransformerConfig(10, width=8, layers=1, heads=2))([[1, 2, 3]]).shape
    (1, 3, 10)
    """

    def forward(self, ids: Any, mask: Any = None) -> Tensor:
        """A mask, such as a padding_mask, says which places may be looked at."""
        return self.logits(self.transformer(self.tokens(as_ids(ids)), mask))


def cut_patches(images: Tensor, size: int) -> Tensor:
    """Images (B, C, H, W), cut into squares, as rows: (B, H W / size^2, C size^2), left to right and top to bottom.

    Raises ValueError unless squares fill the image.

    >>> cut_patches(Tensor(np.arange(16.0).reshape(1, 1, 4, 4)), 2)[0, 1].tolist()
    [2.0, 3.0, 6.0, 7.0]
    """
    b, c, h, w = images.shape
    if h % size or w % size:
        raise ValueError(f"squares of {size} x {size} do not fill {h} x {w} pixels")
    cut = images.reshape(b, c, h // size, size, w // size, size)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(b, h // size * (w // size), c * size * size)


class VisionTransformer(Module):
    """Patches of an image, read as a sentence: (B, channels, H, W) -> logits (B, classes). Dosovitskiy et al., 2021.

    A learned vector stands before the patches; the head reads what the blocks make of it.

    >>> model = VisionTransformer((8, 8), patch=4, channels=1, classes=10, width=16, layers=1, heads=2)
    >>> model(Tensor(np.zeros((2, 1, 8, 8), np.float32))).shape
    (2, 10)
    """

    def __init__(
        self,
        size: tuple[int, int],
        patch: int,
        channels: int,
        classes: int,
        rng: np.random.Generator = generator,
        **options: Any,
    ):
        if meaningless := sorted(options.keys() & {"vocabulary", "context", "tied", "soft_cap"}):
            raise TypeError(f"an image has no text: VisionTransformer takes no {', '.join(meaningless)}")
        places = size[0] // patch * (size[1] // patch) + 1
        self.patch = patch
        self.config = TransformerConfig(classes, context=places, **options)
        width = self.config.width
        self.enter = Linear(channels * patch * patch, width, rng=rng)
        self.summary = Parameter(rng.normal(0, 0.02, (1, 1, width)).astype(np.float32))
        self.transformer = Transformer(self.config, rng)
        self.head = Linear(width, classes, rng=rng)

    def forward(self, images: Tensor) -> Tensor:
        x = self.enter(cut_patches(images, self.patch))  # (B, N, C)
        summary = self.summary.expand(len(x), 1, x.shape[-1])
        x = self.transformer(concatenate([summary, x], dim=1))
        return self.head(x[:, 0])
