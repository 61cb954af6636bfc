"""Wrong answers to chapter 05: mistakes that students really make. Read, never run; see tito/planted.py."""

import numpy as np

from tinytorch.activations import softmax
from tinytorch.autograd import accumulate, expanded, input_gradients, seed, topological_order, unreduced
from tito.rubrics.planted import wrong

# -- add_vjp ----------------------------------------------------------------------------------------------------------


@wrong("add_vjp", "scales by the other input, as mul does")
def add_like_mul(g, z, x, y):
    return g * y, g * x


@wrong("add_vjp", "forgets g: the derivative of the operation alone")
def add_without_g(g, z, x, y):
    return np.ones_like(g), np.ones_like(g)


@wrong("add_vjp", "shares g out between the inputs")
def add_halves(g, z, x, y):
    return g / 2, g / 2


@wrong("add_vjp", "gives the second input a minus, as sub does")
def add_like_sub(g, z, x, y):
    return g, -g


# -- mul_vjp ----------------------------------------------------------------------------------------------------------


@wrong("mul_vjp", "scales each input's gradient by that input")
def mul_unswapped(g, z, x, y):
    return g * x, g * y


@wrong("mul_vjp", "forgets g: the derivative of the operation alone")
def mul_without_g(g, z, x, y):
    return y + 0 * g, x + 0 * g


@wrong("mul_vjp", "scales by the output")
def mul_by_output(g, z, x, y):
    return g * z, g * z


@wrong("mul_vjp", "adds where it should multiply")
def mul_adds(g, z, x, y):
    return g + y, g + x


# -- unbroadcast ------------------------------------------------------------------------------------------------------


@wrong("unbroadcast", "takes the mean for the sum")
def unbroadcast_mean(g, shape):
    g = g.mean(axis=tuple(range(g.ndim - len(shape))))
    copied = tuple(axis for axis, size in enumerate(shape) if size == 1 and g.shape[axis] != 1)
    return g.mean(axis=copied, keepdims=True)


@wrong("unbroadcast", "forgets the new axes on the left")
def unbroadcast_keeps_new_axes(g, shape):
    copied = tuple(axis for axis, size in enumerate(shape) if size == 1)
    return g.sum(axis=copied, keepdims=True)


@wrong("unbroadcast", "forgets the axes of size 1")
def unbroadcast_keeps_copies(g, shape):
    return g.sum(axis=tuple(range(g.ndim - len(shape))))


@wrong("unbroadcast", "loses the axes of size 1")
def unbroadcast_drops_axes(g, shape):
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    return g.sum(axis=tuple(axis for axis, size in enumerate(shape) if size == 1))


@wrong("unbroadcast", "takes the first copy and drops the others")
def unbroadcast_first_copy(g, shape):
    g = g[(0,) * (g.ndim - len(shape))]
    return g[tuple(slice(size) for size in shape)] + np.zeros(shape)


@wrong("unbroadcast", "reshapes instead of summing")
def unbroadcast_resizes(g, shape):
    return np.resize(g, shape)


# -- matmul_vjp -------------------------------------------------------------------------------------------------------


@wrong("matmul_vjp", "a missing transpose")
def matmul_no_transpose(g, z, x, y):
    return g @ y, x @ g


@wrong("matmul_vjp", "the factors in the wrong order")
def matmul_wrong_order(g, z, x, y):
    return y.mT @ g, g @ x.mT


@wrong("matmul_vjp", "reverses all axes of a batch instead of the last two")
def matmul_all_axes(g, z, x, y):
    if x.ndim == 1 or y.ndim == 1:
        return matmul_vector_vjp(g, x, y)  # noqa: F821
    return g @ y.T, x.T @ g


@wrong("matmul_vjp", "multiplies elements, as mul does")
def matmul_like_mul(g, z, x, y):
    return g * y, g * x


@wrong("matmul_vjp", "the two gradients in each other's place")
def matmul_exchanged(g, z, x, y):
    return x.mT @ g, g @ y.mT


# -- sum_vjp ----------------------------------------------------------------------------------------------------------


@wrong("sum_vjp", "divides by the number of elements, as mean does")
def sum_like_mean(g, z, x, *, dim=None, keepdim=False):
    g = expanded(g, x.shape, dim, keepdim)
    return np.broadcast_to(g, x.shape) * (np.size(z) / x.size)


@wrong("sum_vjp", "does not line g up with the axis that was summed")
def sum_not_lined_up(g, z, x, *, dim=None, keepdim=False):
    return np.broadcast_to(g, x.shape)


@wrong("sum_vjp", "forgets g: ones everywhere")
def sum_ones(g, z, x, *, dim=None, keepdim=False):
    return np.ones_like(x)


@wrong("sum_vjp", "lines g up, but does not copy it")
def sum_not_copied(g, z, x, *, dim=None, keepdim=False):
    return expanded(g, x.shape, dim, keepdim)


# -- relu_vjp ---------------------------------------------------------------------------------------------------------


@wrong("relu_vjp", "the gate alone, without g")
def relu_without_g(g, z, x):
    return (x > 0).astype(g.dtype)


@wrong("relu_vjp", "the gate the wrong way round")
def relu_reversed(g, z, x):
    return g * (x < 0)


@wrong("relu_vjp", "gates by the sign of g, not of x")
def relu_gates_g(g, z, x):
    return np.maximum(g, 0)


@wrong("relu_vjp", "scales by the output instead of by 1")
def relu_times_output(g, z, x):
    return g * z


# -- cross_entropy_vjp ------------------------------------------------------------------------------------------------


@wrong("cross_entropy_vjp", "forgets to subtract the truth")
def cross_entropy_probabilities(g, z, logits, target, *, label_smoothing=0.0, reduction="mean"):
    g = np.reshape(unreduced(g, len(logits), reduction), (-1, 1))
    return g * softmax.function(logits), None


@wrong("cross_entropy_vjp", "the truth minus the prediction: the sign flipped")
def cross_entropy_flipped(g, z, logits, target, *, label_smoothing=0.0, reduction="mean"):
    n, classes = logits.shape
    g = np.reshape(unreduced(g, n, reduction), (-1, 1))
    y = np.full_like(logits, label_smoothing / classes)
    y[np.arange(n), target] += 1 - label_smoothing
    return g * (y - softmax.function(logits)), None


@wrong("cross_entropy_vjp", "the sum over the rows for their mean")
def cross_entropy_sum(g, z, logits, target, *, label_smoothing=0.0, reduction="mean"):
    n, classes = logits.shape
    y = np.full_like(logits, label_smoothing / classes)
    y[np.arange(n), target] += 1 - label_smoothing
    return np.reshape(g, (-1, 1)) * (softmax.function(logits) - y), None


@wrong("cross_entropy_vjp", "divides by the number of elements, not of rows")
def cross_entropy_by_size(g, z, logits, target, *, label_smoothing=0.0, reduction="mean"):
    n, classes = logits.shape
    g = np.reshape(unreduced(g, logits.size, reduction), (-1, 1))
    y = np.full_like(logits, label_smoothing / classes)
    y[np.arange(n), target] += 1 - label_smoothing
    return g * (softmax.function(logits) - y), None


@wrong("cross_entropy_vjp", "`=` for `+=` where the truth is smoothed")
def cross_entropy_overwrites(g, z, logits, target, *, label_smoothing=0.0, reduction="mean"):
    n, classes = logits.shape
    g = np.reshape(unreduced(g, n, reduction), (-1, 1))
    y = np.full_like(logits, label_smoothing / classes)
    y[np.arange(n), target] = 1 - label_smoothing
    return g * (softmax.function(logits) - y), None


@wrong("cross_entropy_vjp", "marks whole columns: y[:, target] for y[arange(n), target]")
def cross_entropy_columns(g, z, logits, target, *, label_smoothing=0.0, reduction="mean"):
    n, classes = logits.shape
    g = np.reshape(unreduced(g, n, reduction), (-1, 1))
    y = np.full_like(logits, label_smoothing / classes)
    y[:, target] += 1 - label_smoothing
    return g * (softmax.function(logits) - y), None


@wrong("cross_entropy_vjp", "softmax without the sum over classes")
def cross_entropy_unnormalised(g, z, logits, target, *, label_smoothing=0.0, reduction="mean"):
    n, classes = logits.shape
    g = np.reshape(unreduced(g, n, reduction), (-1, 1))
    y = np.full_like(logits, label_smoothing / classes)
    y[np.arange(n), target] += 1 - label_smoothing
    return g * (np.exp(logits) - y), None


# -- backward ---------------------------------------------------------------------------------------------------------


@wrong("backward", "overwrites a share that is already there")
def backward_overwrites(z, gradient=None, retain_graph=False):
    gradients = {id(z): seed(z, gradient)}
    order = topological_order(z)
    while order:
        node = order.pop()
        g = gradients.pop(id(node))
        if node.origin is None:
            accumulate(node, g)
            continue
        for x, dx in input_gradients(node.origin, g, node.data):
            gradients[id(x)] = dx
        if not retain_graph:
            node.origin.free()


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


@wrong("backward", "sets a leaf's grad instead of adding to it")
def backward_sets_grad(z, gradient=None, retain_graph=False):
    gradients = {id(z): seed(z, gradient)}
    order = topological_order(z)
    while order:
        node = order.pop()
        g = gradients.pop(id(node))
        if node.origin is None:
            node.grad = type(z)(g)
            continue
        for x, dx in input_gradients(node.origin, g, node.data):
            gradients[id(x)] = gradients[id(x)] + dx if id(x) in gradients else dx
        if not retain_graph:
            node.origin.free()


@wrong("backward", "starts from ones, whatever gradient is given")
def backward_starts_from_ones(z, gradient=None, retain_graph=False):
    gradients = {id(z): np.ones_like(z.data)}
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


@wrong("backward", "never frees the graph")
def backward_never_frees(z, gradient=None, retain_graph=False):
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


# -- graph_bytes ------------------------------------------------------------------------------------------------------


@wrong("graph_bytes", "counts numbers, not bytes")
def graph_numbers():
    return 60 * (4 * 128 + 10)


@wrong("graph_bytes", "forgets that relu makes a result of its own")
def graph_of_layers():
    return 4 * 60 * (2 * 128 + 10)


@wrong("graph_bytes", "counts the digits, too")
def graph_and_input():
    return 4 * 60 * (64 + 4 * 128 + 10)


@wrong("graph_bytes", "counts the weights, not the results")
def graph_of_weights():
    return 4 * (64 * 128 + 128 * 128 + 128 * 10)
