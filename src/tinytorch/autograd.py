"""Autograd: every primitive gets its derivative, and one walk backwards applies them.

Notation: z = f(x, y); L the loss, one number; g = dL/dz arrives; dx = dL/dx and dy = dL/dy leave, in the shapes of
x and y or any shape that broadcasting made of them: the walk undoes broadcasting. A rule takes g, z, the inputs, and
the parameters as keywords; it returns dx, or a tuple of one gradient for each input, None where there is none. It is
pure NumPy, and changes nothing that it is given.
"""

import builtins
import math
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

import numpy as np

from tinytorch.activations import gelu, leaky_relu, log_softmax, relu, sigmoid, silu, softmax, softplus, tanh
from tinytorch.layers import dropout, linear
from tinytorch.losses import binary_cross_entropy_with_logits, cross_entropy, l1_loss, logsumexp, mse_loss
from tinytorch.tensor import (
    InPlace,
    Origin,
    Tensor,
    abs,
    add,
    amax,
    amin,
    broadcast_to,
    cast,
    clip,
    clone,
    concatenate,
    div,
    exp,
    floor_divide,
    getitem,
    log,
    matmul,
    maximum,
    mean,
    minimum,
    mul,
    neg,
    observed,
    observers,
    permute,
    places_along,
    pow,
    remainder,
    reshape,
    setitem,
    split_index,
    sqrt,
    stack,
    std,
    sub,
    sum,
    take_along,
    transpose,
    versions,
    where,
    written,
)

# -- nudges --------------------------------------------------------------------------------------------------------


def numeric_gradient(f: Callable[[np.ndarray], Any], x: np.ndarray, eps: float = 1e-6) -> np.ndarray:
    """dL/dx of a function to one number, by central differences in float64.

    (f(x + eps) - f(x - eps)) / 2 eps, one element at a time: two evaluations for every number in x.

    >>> numeric_gradient(lambda x: (x * x).sum(), np.array([1.0, 3.0])).round(6)
    array([2., 6.])
    """
    x = np.array(x, np.float64)
    gradient = np.empty_like(x)
    for i in np.ndindex(x.shape):
        here = x[i]
        x[i] = here + eps
        above = float(f(x))
        x[i] = here - eps
        gradient[i] = (above - float(f(x))) / (2 * eps)
        x[i] = here
    return gradient


def gradcheck(function: Callable[..., Tensor], *inputs: Any, eps: float = 1e-6, tolerance: float = 1e-5) -> bool:
    """Compare backward with nudges for every input of function; True, or ValueError that says where they differ.

    >>> gradcheck(lambda x, y: x * y + x, [1.0, 2.0], [3.0, 4.0])
    True
    """
    arrays = [np.array(x, np.float64) for x in inputs]
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    z = function(*tensors)
    g = np.cos(np.arange(z.numel())).reshape(z.shape)  # any direction but all ones, which would hide a missing factor
    backward(z, Tensor(g))
    for i, x in enumerate(arrays):

        def nudged(a, i=i):
            return (function(*tensors[:i], Tensor(a), *tensors[i + 1 :]).data * g).sum()

        numeric, ours = numeric_gradient(nudged, x, eps), tensors[i].grad
        given = np.zeros_like(x) if ours is None else ours.data
        if not np.allclose(given, numeric, rtol=tolerance, atol=tolerance):
            raise ValueError(f"input {i}: backward gives\n{given}\nand nudging gives\n{numeric}")
    return True


# -- arithmetic rules ----------------------------------------------------------------------------------------------


@add.vjp(reads="")
def add_vjp(g, z, x, y):
    """z = x + y   =>   dx = g,  dy = g

    >>> add_vjp(10.0, 5.0, 2.0, 3.0)
    (10.0, 10.0)
    """
    # Nudge x by e: z moves by e, whatever y is. So what arrives at z leaves to both.
    return g, g


@sub.vjp(reads="")
def sub_vjp(g, z, x, y):
    """z = x - y   =>   dx = g,  dy = -g"""
    return g, -g


@mul.vjp(reads="y | x")
def mul_vjp(g, z, x, y):
    """z = x * y   =>   dx = g * y,  dy = g * x

    >>> mul_vjp(10.0, 6.0, 2.0, 3.0)
    (30.0, 20.0)
    """
    # Nudge x by e: z moves by e * y. Each input's gradient is g scaled by the other input.
    return g * y, g * x


@div.vjp(reads="y | z y")
def div_vjp(g, z, x, y):
    """z = x / y   =>   dx = g / y,  dy = -g * z / y"""
    return g / y, -g * z / y


@floor_divide.vjp(reads="")
def floor_divide_vjp(g, z, x, y):
    """z = floor(x / y)   =>   dx = 0,  dy = 0: it is made of steps"""
    return np.zeros_like(g), np.zeros_like(g)


@remainder.vjp(reads="x y")
def remainder_vjp(g, z, x, y):
    """z = x - y floor(x / y)   =>   dx = g,  dy = -g floor(x / y)"""
    return g, -g * np.floor_divide(x, y)


@neg.vjp(reads="")
def neg_vjp(g, z, x):
    """z = -x   =>   dx = -g"""
    return -g


@pow.vjp(reads="x y | z x y")
def pow_vjp(g, z, x, y, *, needs):
    """z = x^y   =>   dx = g * y * x^(y-1),  dy = g * z * ln x

    As in PyTorch, dx is 0 where y is 0, whatever x is, and dy is 0 where x is 0 and y is not negative.
    """
    dx = dy = None
    if needs[0]:
        power = np.where(np.equal(y, 0), 1.0, y - 1).astype(z.dtype)
        dx = g * np.where(np.equal(y, 0), 0, y * x**power)
    if needs[1]:
        flat = np.equal(x, 0) & np.greater_equal(y, 0)
        dy = g * np.where(flat, 0, z * np.log(np.where(flat, 1, x)))
    return dx, dy


@maximum.vjp(reads="x y")
def maximum_vjp(g, z, x, y):
    """z = max(x, y)   =>   g goes to the larger; equals share it"""
    left, right = (1 - (x < y) - 0.5 * (x == y)), (1 - (x > y) - 0.5 * (x == y))  # to a NaN and its partner all of g
    return g * left.astype(g.dtype), g * right.astype(g.dtype)


@minimum.vjp(reads="x y")
def minimum_vjp(g, z, x, y):
    """z = min(x, y)   =>   g goes to the smaller; equals share it"""
    left, right = (1 - (x > y) - 0.5 * (x == y)), (1 - (x < y) - 0.5 * (x == y))  # to a NaN and its partner all of g
    return g * left.astype(g.dtype), g * right.astype(g.dtype)


@where.vjp(reads="condition")
def where_vjp(g, z, condition, x, y):
    """z = x where condition, else y   =>   g goes to the one that was chosen"""
    chosen = np.asarray(condition, bool)
    return None, g * chosen, g * ~chosen


# -- element rules -------------------------------------------------------------------------------------------------


@exp.vjp(reads="z")
def exp_vjp(g, z, x):
    """z = e^x   =>   dx = g * z"""
    return g * z


@log.vjp(reads="x")
def log_vjp(g, z, x):
    """z = ln x   =>   dx = g / x"""
    return g / x


@sqrt.vjp(reads="z")
def sqrt_vjp(g, z, x):
    """z = sqrt(x)   =>   dx = g / 2z"""
    return g / (2 * z)


@abs.vjp(reads="x")
def abs_vjp(g, z, x):
    """z = |x|   =>   dx = g * sign(x), and 0 at 0"""
    return g * np.sign(x)


@clip.vjp(reads="x")
def clip_vjp(g, z, x, *, min=None, max=None):
    """z = x limited to min..max   =>   dx = g inside, 0 outside"""
    inside = np.ones(x.shape, bool) if min is None else x >= min
    return g * (inside if max is None else inside & (x <= max))


@clone.vjp(reads="")
def clone_vjp(g, z, x):
    """z = x   =>   dx = g"""
    return g


@cast.vjp(reads="")
def cast_vjp(g, z, x, *, dtype):
    """z = x in another dtype   =>   dx = g in the dtype of x"""
    return g.astype(x.dtype)


# -- broadcasting --------------------------------------------------------------------------------------------------


def unbroadcast(g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum g down to shape: the transpose of broadcasting.

    >>> unbroadcast(np.ones((3, 4)), (3, 1))
    array([[4.],
           [4.],
           [4.]])
    >>> unbroadcast(np.ones((3, 4)), (4,))
    array([3., 3., 3., 3.])
    """
    # Broadcasting copied along new axes on the left, and along those that had size 1.
    # A copy's gradients add up: sum the new axes away, then the others, kept as size 1.
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    copied = tuple(axis for axis, size in enumerate(shape) if size == 1 and g.shape[axis] != 1)
    return g.sum(axis=copied, keepdims=True)


# -- matrix rules --------------------------------------------------------------------------------------------------


@matmul.vjp(reads="y | x")
def matmul_vjp(g, z, x, y):
    """Z = X Y   =>   dX = G Y^T,  dY = X^T G

    >>> matmul_vjp(np.array([[1.0]]), None, np.array([[2.0, 3.0]]), np.array([[4.0], [5.0]]))
    (array([[4., 5.]]), array([[2.],
           [3.]]))
    """
    # Shapes alone decide: only one product of G and the other factor has the shape of X.
    # x.mT swaps the last two axes. Where x or y is a vector, matmul_vector_vjp(g, x, y) is the answer.
    if x.ndim == 1 or y.ndim == 1:
        return matmul_vector_vjp(g, x, y)
    return g @ y.mT, x.mT @ g


def matmul_vector_vjp(g, x, y):
    """matmul's rule where x is one row or y one column: lend them an axis, and take it back."""
    rows = x[None, :] if x.ndim == 1 else x
    columns = y[:, None] if y.ndim == 1 else y
    g = g[..., None, :] if x.ndim == 1 and y.ndim > 1 else g[..., None]
    g = g[..., None] if x.ndim == 1 and y.ndim == 1 else g
    dx, dy = g @ columns.mT, rows.mT @ g
    return (dx[..., 0, :] if x.ndim == 1 else dx), (dy[..., 0] if y.ndim == 1 else dy)


@linear.vjp(reads="weight | x |")
def linear_vjp(g, z, x, weight, bias=None, *, needs):
    """z = x W + b   =>   dx = g W^T,  dW = x^T g,  db = g summed over the batch"""
    rows, g_rows = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    dx = (g_rows @ weight.T).reshape(x.shape) if needs[0] else None
    return dx, rows.T @ g_rows, np.ones(len(g_rows), g.dtype) @ g_rows


# -- reduction rules -----------------------------------------------------------------------------------------------


def expanded(g, shape, dim, keepdim):
    """g, the gradient of a reduction over dim, with its lost axes back as size 1."""
    if dim is None or not shape:
        return np.reshape(g, (1,) * len(shape))
    return g if keepdim else np.expand_dims(g, dim)


@sum.vjp(reads="")
def sum_vjp(g, z, x, *, dim=None, keepdim=False):
    """z = sum of x over dim   =>   dx = g, copied to every x that was summed

    >>> sum_vjp(np.array([10.0, 20.0]), None, np.zeros((2, 3)), dim=1)
    array([[10., 10., 10.],
           [20., 20., 20.]])
    """
    # expanded(g, x.shape, dim, keepdim) lines g up with x; np.broadcast_to copies it
    # along the summed axes.
    return np.broadcast_to(expanded(g, x.shape, dim, keepdim), x.shape)


@mean.vjp(reads="")
def mean_vjp(g, z, x, *, dim=None, keepdim=False):
    """z = mean of x over dim   =>   dx = g / n, copied to each of the n"""
    return sum_vjp(g * (z.size / x.size if x.size else 0), z, x, dim=dim, keepdim=keepdim)


@std.vjp(reads="z x")
def std_vjp(g, z, x, *, dim=None, keepdim=False, correction=1):
    """z = sqrt(sum (x - m)^2 / (n - correction))   =>   dx = g (x - m) / ((n - correction) z), and 0 where z is 0"""
    deviation = x - x.mean(axis=dim, keepdims=True)
    n = x.size / builtins.max(z.size, 1) - correction
    z = np.where(z == 0, 1, z)  # all deviations are 0 there
    return deviation * expanded(g / (n * z) if n > 0 else g * np.nan, x.shape, dim, keepdim)


@amax.vjp(reads="z x")
def amax_vjp(g, z, x, *, dim=None, keepdim=False):
    """z = the largest of x over dim   =>   g goes to the largest; equals share it"""
    largest = (x == expanded(z, x.shape, dim, keepdim)) | (x != x)  # where there is a NaN, it is the largest
    share = largest / largest.sum(axis=dim, keepdims=True)
    return expanded(g, x.shape, dim, keepdim) * share.astype(g.dtype)


@amin.vjp(reads="z x")
def amin_vjp(g, z, x, *, dim=None, keepdim=False):
    """z = the smallest of x over dim   =>   g goes to the smallest; equals share it"""
    return amax_vjp(g, -z, -x, dim=dim, keepdim=keepdim)


# -- moving rules: a moved element takes its gradient back ---------------------------------------------------------


@reshape.vjp(reads="")
def reshape_vjp(g, z, x, *, shape):
    """z = x in another shape   =>   dx = g in the shape of x"""
    return g.reshape(x.shape)


@transpose.vjp(reads="")
def transpose_vjp(g, z, x, *, dim0=-2, dim1=-1):
    """z = x with two axes exchanged   =>   exchange them again"""
    return g.swapaxes(dim0, dim1)


@permute.vjp(reads="")
def permute_vjp(g, z, x, *, dims):
    """z = x with axes in the order dims   =>   the inverse order, which is argsort(dims)"""
    return g.transpose(np.argsort([dim % x.ndim for dim in dims]))


@broadcast_to.vjp(reads="")
def broadcast_to_vjp(g, z, x, *, shape):
    """z = x, copied   =>   dx = g; the walk sums over the copies"""
    return g


@getitem.vjp(reads="")
def getitem_vjp(g, z, x, *, index):
    """z = x[index]   =>   dx = 0, but g at index; an element taken twice gets both"""
    dx = np.zeros(x.shape, g.dtype)
    basic, arrays = split_index(index, x.ndim)
    if arrays:
        np.add.at(dx[basic], arrays, g)
    else:
        dx[basic] = g
    return dx


@setitem.vjp(reads="")
def setitem_vjp(g, z, x, y, *, index):
    """z = x with y at the index   =>   dx = g but 0 there,  dy = g there"""
    basic, arrays = split_index(index, g.ndim)
    return written(g, index, 0), g[basic][arrays] if arrays else g[basic]


@take_along.vjp(reads="index")
def take_along_vjp(g, z, x, index, *, dim):
    """z = x at the index along dim   =>   dx = 0, but g at the index; an element taken twice gets both"""
    dx = np.zeros(x.shape, g.dtype)
    np.add.at(dx, places_along(x, index, dim), g)
    return dx, None


@concatenate.vjp(reads="")
def concatenate_vjp(g, z, *xs, dim=0):
    """z = xs one after the other   =>   cut g where they met"""
    ends = np.cumsum([x.shape[dim] for x in xs])
    return tuple(np.split(g, ends[:-1], axis=dim))


@stack.vjp(reads="")
def stack_vjp(g, z, *xs, dim=0):
    """z = xs side by side along dim   =>   each takes its slice of g"""
    return tuple(np.moveaxis(g, dim, 0))


# -- activation rules ----------------------------------------------------------------------------------------------


@relu.vjp(reads="x")
def relu_vjp(g, z, x):
    """z = max(x, 0)   =>   dx = g where x > 0, else 0

    >>> relu_vjp(np.array([10.0, 10.0]), np.array([0.0, 3.0]), np.array([-2.0, 3.0]))
    array([ 0., 10.])
    """
    # (x > 0) is an array of True and False; multiplied, they count as 1 and 0. (The reference
    # asks where x is not (x <= 0): that lets g pass where x is a NaN, as in PyTorch.)
    return g * ~(x <= 0)


@leaky_relu.vjp(reads="x")
def leaky_relu_vjp(g, z, x, *, negative_slope=0.01):
    """z = x or slope * x   =>   dx = g or slope * g"""
    return np.where(x > 0, g, negative_slope * g)


@sigmoid.vjp(reads="z")
def sigmoid_vjp(g, z, x):
    """z = 1 / (1 + e^-x)   =>   dx = g * z (1 - z)"""
    return g * z * (1 - z)


@tanh.vjp(reads="z")
def tanh_vjp(g, z, x):
    """z = tanh x   =>   dx = g (1 - z^2)"""
    return g * (1 - z * z)


@softplus.vjp(reads="x")
def softplus_vjp(g, z, x):
    """z = ln(1 + e^x)   =>   dx = g * sigmoid(x)"""
    return g * sigmoid.function(x)


@silu.vjp(reads="z x")
def silu_vjp(g, z, x):
    """z = x s with s = sigmoid(x)   =>   dx = g (s + z (1 - s))"""
    s = sigmoid.function(x)
    return g * (s + z * (1 - s))


@gelu.vjp(reads="x")
def gelu_vjp(g, z, x, *, approximate="tanh"):
    """z = x/2 (1 + t), t = tanh(c (x + a x^3))

    =>   dx = g/2 ((1 + t) + x (1 - t^2) c (1 + 3 a x^2))
    """
    a, c = 0.044715, math.sqrt(2 / math.pi)
    t = np.tanh(c * (x + a * x * x * x))
    return 0.5 * g * ((1 + t) + x * (1 - t * t) * (c * (1 + 3 * a * x * x)))


@softmax.vjp(reads="z")
def softmax_vjp(g, z, x, *, dim=-1):
    """z = softmax(x)   =>   dx = z (g - sum(g z)): what all share cancels"""
    return z * (g - (g * z).sum(axis=dim, keepdims=True))


@log_softmax.vjp(reads="z")
def log_softmax_vjp(g, z, x, *, dim=-1):
    """z = x - logsumexp(x)   =>   dx = g - softmax(x) sum(g)"""
    return g - np.exp(z) * g.sum(axis=dim, keepdims=True)


@dropout.vjp(reads="")
def dropout_vjp(g, z, x, *, mask, **_):
    """z = x * mask   =>   dx = g * mask"""
    return g * mask


# -- loss rules ----------------------------------------------------------------------------------------------------


def unreduced(g, size, reduction):
    """The gradient of every example's loss, from that of the reduced one."""
    return g / size if reduction == "mean" else g


@mse_loss.vjp(reads="x y")
def mse_loss_vjp(g, z, x, y, *, reduction="mean"):
    """z = (x - y)^2   =>   dx = 2 g (x - y),  dy = -dx"""
    dx = 2 * unreduced(g, x.size, reduction) * (x - y)
    return dx, -dx


@l1_loss.vjp(reads="x y")
def l1_loss_vjp(g, z, x, y, *, reduction="mean"):
    """z = |x - y|   =>   dx = g * sign(x - y),  dy = -dx"""
    dx = unreduced(g, x.size, reduction) * np.sign(x - y)
    return dx, -dx


@logsumexp.vjp(reads="z x")
def logsumexp_vjp(g, z, x, *, dim=-1, keepdim=False):
    """z = ln sum e^x   =>   dx = g * softmax(x)"""
    return expanded(g, x.shape, dim, keepdim) * np.exp(x - expanded(z, x.shape, dim, keepdim))


@binary_cross_entropy_with_logits.vjp(reads="x y | x")
def binary_cross_entropy_with_logits_vjp(g, z, x, y, *, reduction="mean"):
    """z = -y ln p - (1 - y) ln(1 - p), p = sigmoid(x)   =>   dx = g (p - y),  dy = -g x"""
    g = unreduced(g, x.size, reduction)
    return g * (sigmoid.function(x) - y), -g * x


@cross_entropy.vjp(reads="logits target")
def cross_entropy_vjp(g, z, logits, target, *, label_smoothing=0.0, reduction="mean"):
    """z = -ln p[target], p = softmax(logits)   =>   dlogits = g (p - y)

    y is the target as a distribution: one-hot, or smoothed as in the loss. The target has no gradient.

    >>> logits, target = np.zeros((2, 2)), np.array([0, 1])
    >>> cross_entropy_vjp(np.array([1.0, 1.0]), None, logits, target, reduction="none")[0]
    array([[-0.5,  0.5],
           [ 0.5, -0.5]])
    """
    # unreduced(g, n, reduction) is each row's g: make it a column, to line up with the logits.
    # With s = label_smoothing, y is s / classes everywhere and (1 - s) more at the target.
    # softmax.function works on arrays. The target's gradient is None.
    n, classes = logits.shape
    g = np.reshape(unreduced(g, n, reduction), (-1, 1))
    y = np.full_like(logits, label_smoothing / classes)
    y[np.arange(n), target] += 1 - label_smoothing
    return g * (softmax.function(logits) - y), None


# -- the walk ------------------------------------------------------------------------------------------------------


def topological_order(z: Tensor) -> list[Tensor]:
    """Every tensor behind z that needs a gradient, each once, after all it was made from; z last.

    Iterative, so that a graph may be deeper than Python's stack. Raises RuntimeError at a freed origin.
    """
    order: list[Tensor] = []
    visited, path = {id(z)}, list[tuple[Tensor, Iterator[Any]]]()
    node, inputs = z, _inputs_of(z)
    while True:
        for x in inputs:
            # The slot _requires_grad: a property would be 2 % of a walk over tiny arrays.
            if isinstance(x, Tensor) and x._requires_grad and id(x) not in visited:
                visited.add(id(x))
                if x.origin is not None:
                    path.append((node, inputs))  # to go on with, once x and all behind it are in the order
                    node, inputs = x, _inputs_of(x)
                    break
                order.append(x)  # a leaf was made from nothing
        else:  # all of its inputs are in the order
            order.append(node)
            if not path:
                return order
            node, inputs = path.pop()


def _inputs_of(z: Tensor) -> Iterator[Any]:
    origin = z.origin
    if origin is None:
        return iter(())
    if origin.inputs is None:
        raise RuntimeError(
            f"this graph was freed by an earlier backward (at {origin.primitive.name}): "
            "compute it again, or pass retain_graph=True the first time"
        )
    return iter(origin.inputs if origin.version == versions.now else inputs_then(origin))


def inputs_then(origin: Origin) -> tuple:
    """The inputs of an origin as they were when it was made, although something was changed in place since."""
    return tuple(as_of(x, origin.version) for x in origin.inputs or ())


def as_of(x: Any, version: int) -> Any:
    """An input as it was at a version: a tensor that was changed in place since, `x += y`, was another one then."""
    while isinstance(x, Tensor) and isinstance(x.origin, InPlace) and x.origin.version > version:
        x = x.origin.before
    return x


def input_gradients(origin: Origin, g: np.ndarray, z: np.ndarray) -> list[tuple[Tensor, np.ndarray]]:
    """Apply the rule of one origin: each input that needs a gradient, and that gradient, in its shape."""
    primitive, inputs, arrays = origin.primitive, origin.inputs or (), origin.arrays or []
    if primitive.rule is None:
        raise NotImplementedError(f"{primitive.name} has no derivative yet")
    if origin.version != versions.now:  # something was changed in place since
        inputs = inputs_then(origin)
        refuse_changed(origin, z, needed(inputs))
    keywords = {**origin.parameters, **origin.saved} if origin.saved else origin.parameters
    if primitive.rule_takes_needs:
        keywords = {**keywords, "needs": needed(inputs)}
    if observers:
        gradients = observed(f"{primitive.name}_vjp", primitive.rule, [g, z, *arrays], keywords)
    else:
        gradients = primitive.rule(g, z, *arrays, **keywords)
    gradients = gradients if type(gradients) is tuple else (gradients,)
    pairs = []
    for x, array, dx in zip(inputs, arrays, gradients):
        if isinstance(x, Tensor) and x._requires_grad:
            dx = dx if dx.shape == array.shape else unbroadcast(dx, array.shape)
            dx = dx if dx.dtype is array.dtype else dx.astype(array.dtype)
            if x.origin is None:
                dx = owned(dx, [g, z, *arrays, *keywords.values(), *gradients])
            pairs.append((x, dx))
    return pairs


def needed(inputs: tuple) -> list[bool]:
    """Which inputs ask for a gradient."""
    return [isinstance(x, Tensor) and x.requires_grad for x in inputs]


def owned(dx: np.ndarray, seen: list) -> np.ndarray:
    """dx for a leaf to keep and to add to: a copy, unless dx is new and nobody else's.

    `seen` is all that the rule was given and all that it returned. A rule may hand on what it was given (add returns
    g), a view (reshape), or one array for two inputs; whatever else it returns must be new. So dx is the leaf's own
    if it is no view, and in `seen` no more than once: where the rule returned it.
    """
    return dx.copy() if dx.base is not None or list(map(id, seen)).count(id(dx)) > 1 else dx


def refuse_changed(origin: Origin, z: np.ndarray, needs: list[bool]) -> None:
    """Raise RuntimeError, naming the operation, if what its rule reads was changed in place since it ran."""
    primitive, arrays = origin.primitive, origin.arrays or []
    names = primitive.inputs or [f"input {i}" for i in range(len(arrays))]
    reads = primitive.read_for(needs) if primitive.reads is not None else {"z", *names}
    read = [(name, x) for name, x in zip(["z", *names], [z, *arrays]) if name in reads]
    kept = {**origin.parameters, **(origin.saved or {})}
    for name, value in [*read, *kept.items()]:
        parts = value if isinstance(value, tuple | list) else (value,)
        held = [part.data if isinstance(part, Tensor) else part for part in parts]
        if any(isinstance(a, np.ndarray) and versions.of(a) > origin.version for a in held):
            what = f"its result {z.shape}" if name == "z" else f"its {name}"
            raise RuntimeError(
                f"{primitive.name} cannot be differentiated: {what} was changed in place after it ran; "
                "call backward before you change it, or change a clone"
            )


def backward(z: Tensor, gradient: Tensor | None = None, retain_graph: bool = False) -> None:
    """Add dz/dx to x.grad for every leaf x behind z, or z itself: one walk back, through each tensor once.

    x.grad is a tensor that needs no gradient itself; no other tensor's is set. `gradient` is
    dL/dz; a z of one element needs none. The graph is freed on the way unless it is to be
    retained. Raises RuntimeError if z needs no gradient, if it has several elements and none is
    given, or if part of the graph was freed before; ValueError if shapes differ.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> backward(x * x + x)
    >>> x.grad
    tensor(7.)
    """
    # `gradients` holds what has arrived so far, by id(tensor); begin with seed(z, gradient) at z.
    # Take tensors from the end of topological_order(z): whoever used one has then added its share.
    # A leaf keeps what arrived: accumulate(leaf, g). Any other passes it on to its inputs:
    # input_gradients(origin, g, data) yields (x, dx), and shares of the same x add up.
    # At last free the origin, unless the graph is to be retained.
    gradients = {id(z): seed(z, gradient)}
    order = topological_order(z)
    while order:
        node = order.pop()
        g = gradients.pop(id(node))
        if node.origin is None:
            accumulate(node, g)
            continue
        for x, dx in input_gradients(node.origin, g, node.data):
            gradients[id(x)] = gradients[id(x)] + dx if id(x) in gradients else dx
        if not retain_graph:
            node.origin.free()


def seed(z: Tensor, gradient: Tensor | None) -> np.ndarray:
    """dL/dz, where the walk starts: the given one, or 1 for a z of one element."""
    if not z.requires_grad:
        raise RuntimeError("backward needs a tensor made from one with requires_grad=True")
    if gradient is None:
        if z.numel() != 1:
            raise RuntimeError(
                f"backward needs a gradient of shape {z.shape}: only a single element has one of its own"
            )
        return np.ones(z.shape, z.dtype)
    g = np.array(gradient.data if isinstance(gradient, Tensor) else gradient, z.dtype)
    if g.shape != z.shape:
        raise ValueError(f"the gradient needs the tensor's shape {z.shape}, got {g.shape}")
    return g


def accumulate(leaf: Tensor, g: np.ndarray) -> None:
    """Add g to leaf.grad; the first g, which is the leaf's alone, becomes it."""
    if leaf.grad is None:
        leaf.grad = Tensor(np.asarray(g))
    else:
        leaf.grad._data += g
        versions.increment(leaf.grad._data)


def grad(z: Tensor, inputs: Tensor | list[Tensor]) -> list[Tensor]:
    """dz/dx for each x in inputs, leaves or not, without touching any .grad; 0 for an x that z did not come from.

    The graph is freed, as backward does. Raises RuntimeError for an x that needs no gradient.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> y = x * x
    >>> grad(y * 2, [x, y])
    [tensor(12.), tensor(2.)]
    """
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if not all(x.requires_grad for x in inputs):
        raise RuntimeError("grad needs inputs with requires_grad=True")
    found = {id(x): np.zeros_like(x.data) for x in inputs}
    gradients = {id(z): seed(z, None)}
    for node in reversed(topological_order(z)):
        g = gradients.pop(id(node))
        if id(node) in found:
            found[id(node)] = g
        if node.origin is not None:
            for x, dx in input_gradients(node.origin, g, node.data):
                gradients[id(x)] = gradients[id(x)] + dx if id(x) in gradients else dx
            node.origin.free()
    return [Tensor(found[id(x)].copy()) for x in inputs]


# -- drawing -------------------------------------------------------------------------------------------------------


class Graph:
    """The graph that a tensor came from: `labels` and `shapes` of its nodes, `edges` as pairs of node numbers.

    A notebook, and this book, draw it: leaves on the left, each operation to the right of what it used.

    >>> x = Tensor([1, 2], requires_grad=True)
    >>> Graph(x * x, x=x).labels, Graph(x * x).edges
    (['x', 'mul'], [(0, 1), (0, 1)])
    """

    def __init__(self, z: Tensor, **names: Tensor):
        order = topological_order(z)
        number = {id(x): i for i, x in enumerate(order)}
        named = {id(x): name for name, x in names.items()}
        self.shapes = [x.shape for x in order]
        self.labels = [x.origin.primitive.name if x.origin else named.get(id(x), "leaf") for x in order]
        self.edges = [(number[id(x)], i) for i, node in enumerate(order) for x in _inputs_of(node) if id(x) in number]
        self.depths = [0] * len(order)
        for source, target in self.edges:  # in topological order, so one pass settles every depth
            self.depths[target] = builtins.max(self.depths[target], self.depths[source] + 1)

    def positions(self) -> list[tuple[float, float]]:
        """The centre of each node in pixels: a column for each depth, centred on one line."""
        rows = [self.depths[:i].count(depth) for i, depth in enumerate(self.depths)]
        tallest = builtins.max(self.depths.count(depth) for depth in self.depths)
        offsets = [(tallest - self.depths.count(depth)) / 2 for depth in self.depths]
        return [(60 + 130 * d, 70 + 60 * (row + off)) for d, row, off in zip(self.depths, rows, offsets)]

    def _repr_svg_(self) -> str:
        at, lines = self.positions(), []
        for i, (source, target) in enumerate(self.edges):
            (x0, y0), (x1, y1) = at[source], at[target]
            x0, x1 = x0 + 45, x1 - 45
            # An edge over several columns, or a second one between the same two, bows upwards.
            bow = 55 * (self.depths[target] - self.depths[source] - 1) + 24 * self.edges[:i].count((source, target))
            curve = f"M{x0} {y0} C{x0 + 20} {y0 - bow} {x1 - 20} {y1 - bow} {x1} {y1}"
            lines.append(f'<path d="{curve} m-7 -4 l7 4 l-7 4" fill="none" stroke="currentColor"/>')
        for (x, y), label, shape, depth in zip(at, self.labels, self.shapes, self.depths):
            box = f'<rect x="{x - 45}" y="{y - 18}" width="90" height="36" rx="{4 if depth == 0 else 18}"'
            lines.append(f'{box} fill="none" stroke="currentColor"/>')
            lines.append(f'<text x="{x}" y="{y - 2}">{escape(label)}</text><text x="{x}" y="{y + 12}">{shape}</text>')
        width, height = (builtins.max(xy[axis] for xy in at) + (60, 40)[axis] for axis in (0, 1))
        style = 'fill="currentColor" font-family="sans-serif" font-size="12" text-anchor="middle"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" {style}>'
        return head + "".join(lines) + "</svg>"
