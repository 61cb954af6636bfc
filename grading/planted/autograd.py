"""Wrong answers to chapter 05: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import numpy as np

from tinytorch.autograd import accumulate, expanded, input_gradients, seed
from tito.rubrics.planted import wrong

# -- add_vjp ----------------------------------------------------------------------------------------------------------

wrong("add_vjp", "scales by the other input, as mul does", "g, g", "g * y, g * x")
wrong("add_vjp", "forgets g: the derivative of the operation alone", "g, g", "np.ones_like(g), np.ones_like(g)")
wrong("add_vjp", "shares g out between the inputs", "g, g", "g / 2, g / 2")
wrong("add_vjp", "gives the second input a minus, as sub does", "g, g", "g, -g")
wrong("add_vjp", "answers in float64", "g, g", "g * np.float64(1), g * np.float64(1)")
wrong("add_vjp", "answers in half precision", "g, g", "np.float16(g), np.float16(g)")
wrong("add_vjp", "adds g to x itself", "return g, g", "x += g\nreturn g, g")

# -- mul_vjp ----------------------------------------------------------------------------------------------------------

wrong("mul_vjp", "scales each input's gradient by that input", "g * y, g * x", "g * x, g * y")
wrong("mul_vjp", "forgets g: the derivative of the operation alone", "g * y, g * x", "y + 0 * g, x + 0 * g")
wrong("mul_vjp", "scales by the output", "g * y, g * x", "g * z, g * z")
wrong("mul_vjp", "adds where it should multiply", "g * y, g * x", "g + y, g + x")
wrong("mul_vjp", "overwrites g", "return g * y, g * x", "dx = g * y\ng *= x\nreturn dx, g")
wrong("mul_vjp", "answers in float64", "g * y, g * x", "g * y * np.float64(1), g * x * np.float64(1)")
wrong("mul_vjp", "answers in half precision", "g * y, g * x", "np.float16(g * y), np.float16(g * x)")

# -- unbroadcast ------------------------------------------------------------------------------------------------------

wrong("unbroadcast", "takes the mean for the sum", "g = g.sum", "g = g.mean", "return g.sum", "return g.mean")
wrong("unbroadcast", "forgets the new axes on the left", "g = g.sum(axis=tuple(range(g.ndim - len(shape))))", "")
wrong("unbroadcast", "forgets the axes of size 1", "g.sum(axis=copied, keepdims=True)", "g")
wrong("unbroadcast", "loses the axes of size 1", ", keepdims=True", "")
wrong("unbroadcast", "sums the first of several stretched axes", "axis=copied", "axis=copied[:1]")
wrong(
    "unbroadcast",
    "sums the first of several new axes",
    "range(g.ndim - len(shape))",
    "range(builtins.min(1, g.ndim - len(shape)))",
)
wrong("unbroadcast", "leaves an axis that was stretched to size 0", "g.shape[axis] != 1", "g.shape[axis] > 1")
wrong("unbroadcast", "answers in float64", "return g", "return np.float64(g)")
wrong("unbroadcast", "answers in half precision", "return g", "return np.float16(g)")
wrong("unbroadcast", "takes NaN for 0", "return g.sum(", "return np.nansum(g, ")


@wrong("unbroadcast", "takes the first copy and drops the others")
def unbroadcast_first_copy(g, shape):
    g = g[(0,) * (g.ndim - len(shape))]
    return g[tuple(slice(size) for size in shape)] + np.zeros(shape)


@wrong("unbroadcast", "reshapes instead of summing")
def unbroadcast_resizes(g, shape):
    return np.resize(g, shape)


# -- matmul_vjp -------------------------------------------------------------------------------------------------------

wrong("matmul_vjp", "a missing transpose", "g @ y.mT, x.mT @ g", "g @ y, x @ g")
wrong("matmul_vjp", "the factors in the wrong order", "g @ y.mT, x.mT @ g", "y.mT @ g, g @ x.mT")
wrong("matmul_vjp", "reverses all axes of a batch instead of the last two", "y.mT, x.mT", "y.T, x.T")
wrong("matmul_vjp", "multiplies elements, as mul does", "g @ y.mT, x.mT @ g", "g * y, g * x")
wrong("matmul_vjp", "the two gradients in each other's place", "g @ y.mT, x.mT @ g", "x.mT @ g, g @ y.mT")
wrong(
    "matmul_vjp",
    "writes dx into x where it fits",
    "return g @ y.mT, x.mT @ g",
    "dx, dy = g @ y.mT, x.mT @ g\nif dx.shape == x.shape:\n    x[...] = dx\nreturn dx, dy",
)
wrong("matmul_vjp", "answers in float64", "g @ y.mT, x.mT @ g", "g @ np.float64(y.mT), np.float64(x.mT) @ g")
wrong("matmul_vjp", "answers in half precision", "g @ y.mT, x.mT @ g", "np.float16(g @ y.mT), np.float16(x.mT @ g)")
wrong("matmul_vjp", "knows no vector on the right", "x.ndim == 1 or y.ndim == 1", "x.ndim == 1")
wrong("matmul_vjp", "knows no vector on the left", "x.ndim == 1 or y.ndim == 1", "y.ndim == 1")

# -- sum_vjp ----------------------------------------------------------------------------------------------------------

wrong("sum_vjp", "does not line g up with the axis that was summed", "expanded(g, x.shape, dim, keepdim)", "g")
wrong("sum_vjp", "fills x with the answer", "return np", "x[...] = expanded(g, x.shape, dim, keepdim)\nreturn np")
wrong("sum_vjp", "answers in float64", "return np", "g = np.float64(g)\nreturn np")
wrong("sum_vjp", "answers in half precision", "return np", "g = np.float16(g)\nreturn np")
wrong("sum_vjp", "ignores keepdim", "dim, keepdim", "dim, False")


@wrong("sum_vjp", "divides by the number of elements, as mean does")
def sum_like_mean(g, z, x, *, dim=None, keepdim=False):
    g = expanded(g, x.shape, dim, keepdim)
    return np.broadcast_to(g, x.shape) * (np.size(z) / x.size)


@wrong("sum_vjp", "forgets g: ones everywhere")
def sum_ones(g, z, x, *, dim=None, keepdim=False):
    return np.ones_like(x)


@wrong("sum_vjp", "lines g up, but does not copy it")
def sum_not_copied(g, z, x, *, dim=None, keepdim=False):
    return expanded(g, x.shape, dim, keepdim)


# -- relu_vjp ---------------------------------------------------------------------------------------------------------

wrong("relu_vjp", "the gate alone, without g", "g * ~(x <= 0)", "(x > 0).astype(g.dtype)")
wrong("relu_vjp", "the gate the wrong way round", "~(x <= 0)", "(x < 0)")
wrong("relu_vjp", "gates by the sign of g, not of x", "g * ~(x <= 0)", "np.maximum(g, 0)")
wrong("relu_vjp", "scales by the output instead of by 1", "~(x <= 0)", "z")
wrong("relu_vjp", "overwrites g", "return g * ~(x <= 0)", "g *= ~(x <= 0)\nreturn g")
wrong("relu_vjp", "makes float64 of the gate", "~(x <= 0)", "(~(x <= 0)).astype(float)")
wrong("relu_vjp", "answers in half precision", "g * ~(x <= 0)", "np.float16(g * ~(x <= 0))")
wrong("relu_vjp", "opens the gate at 0", "~(x <= 0)", "(x >= 0)")

# -- cross_entropy_vjp ------------------------------------------------------------------------------------------------

wrong(
    "cross_entropy_vjp", "forgets to subtract the truth", "(softmax.function(logits) - y)", "softmax.function(logits)"
)
wrong("cross_entropy_vjp", "the truth minus the prediction: the sign flipped", "softmax", "y - softmax", "- y", "")
wrong("cross_entropy_vjp", "the sum over the rows for their mean", "unreduced(g, n, reduction)", "g")
wrong("cross_entropy_vjp", "divides by the number of elements, not of rows", "g, n", "g, logits.size")
wrong("cross_entropy_vjp", "`=` for `+=` where the truth is smoothed", "+= 1", "= 1")
wrong("cross_entropy_vjp", "marks whole columns: y[:, target] for y[arange(n), target]", "np.arange(n)", ":")
wrong("cross_entropy_vjp", "softmax without the sum over classes", "softmax.function", "np.exp")
wrong(
    "cross_entropy_vjp",
    "writes softmax down as it is, which overflows",
    "softmax.function(logits)",
    "np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)",
)
wrong(
    "cross_entropy_vjp",
    "overwrites the logits",
    "softmax.function(logits) - y",
    "np.subtract(softmax.function(logits), y, out=logits)",
)
wrong(
    "cross_entropy_vjp",
    "makes float64 of the truth",
    "np.full_like(logits, label_smoothing / classes)",
    "np.full(logits.shape, label_smoothing / classes)",
)
wrong(
    "cross_entropy_vjp",
    "computes in half precision",
    "y = np.full_like",
    "g, logits = np.float16(g), np.float16(logits)\ny = np.full_like",
)
wrong("cross_entropy_vjp", "ignores the reduction", "unreduced(g, n, reduction)", "g / n")
wrong(
    "cross_entropy_vjp",
    "spreads the smoothing over the other classes only",
    "label_smoothing / classes",
    "label_smoothing / (classes - 1)",
)

# -- backward ---------------------------------------------------------------------------------------------------------

wrong(
    "backward", "overwrites a share that is already there", "gradients[id(x)] + dx if id(x) in gradients else dx", "dx"
)
wrong("backward", "sets a leaf's grad instead of adding to it", "accumulate(node, g)", "node.grad = type(z)(g)")
wrong("backward", "starts from ones, whatever gradient is given", "seed(z, gradient)", "np.ones_like(z.data)")
wrong("backward", "never frees the graph", "if not retain_graph:\n        node.origin.free()", "")
wrong(
    "backward",
    "adds a share in place, to an array that others hold",
    "gradients[id(x)] + dx",
    "np.add(gradients[id(x)], dx, out=gradients[id(x)])",
)
wrong("backward", "frees the graph also when told to keep it", "if not retain_graph", "if True")
wrong(
    "backward",
    "leaves a gradient standing that is already there",
    "accumulate(node, g)",
    "if node.grad is None:\n            accumulate(node, g)",
)
wrong("backward", "walks in float64", "gradients.pop(id(node))", "np.float64(gradients.pop(id(node)))")


@wrong("backward", "visits paths instead of nodes")
def backward_walks_paths(z, gradient=None, retain_graph=False):
    waiting = [(z, seed(z, gradient))]
    while waiting:
        node, g = waiting.pop()
        if node.origin is None:
            accumulate(node, g)
            continue
        for x, dx in input_gradients(node.origin, g, node.data):
            waiting.append((x, dx))


@wrong("backward", "passes on before everyone has added a share")
def backward_impatient(z, gradient=None, retain_graph=False):
    gradients, waiting, done = {id(z): seed(z, gradient)}, [z], set()
    while waiting:
        node = waiting.pop(0)
        if id(node) in done:
            continue
        done.add(id(node))
        g = gradients[id(node)]
        if node.origin is None:
            accumulate(node, g)
            continue
        for x, dx in input_gradients(node.origin, g, node.data):
            gradients[id(x)] = gradients[id(x)] + dx if id(x) in gradients else dx
            waiting.append(x)


# -- graph_bytes ------------------------------------------------------------------------------------------------------

wrong("graph_bytes", "counts numbers, not bytes", "4 * 60", "60")
wrong("graph_bytes", "forgets that relu makes a result of its own", "4 * 128", "2 * 128")
wrong("graph_bytes", "counts the digits, too", "(4 * 128", "(64 + 4 * 128")


@wrong("graph_bytes", "counts the weights, not the results")
def graph_of_weights():
    return 4 * (64 * 128 + 128 * 128 + 128 * 10)
