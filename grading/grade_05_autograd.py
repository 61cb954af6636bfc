"""Chapter 05, autograd: seven rules and the walk that applies them.

Rules are judged against their closed form and against nudges of the forward they belong to. x, y are inputs,
z = f(x, y), g = dL/dz.
"""

import numpy as np
from hypothesis import strategies as st
from strategies import (
    arrays,
    broadcastable_pair,
    logits_and_classes,
    matrix_pair,
    no_zeros,
    same_shape,
    shapes,
    whole_numbers,
)

from tito.rubrics.compare import close, nudged, same
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("05", module="autograd")

rubric.exercise("add_vjp", difficulty=1, minutes=3)
rubric.exercise("mul_vjp", difficulty=1, minutes=5)
rubric.exercise("unbroadcast", difficulty=2, minutes=15)
rubric.exercise("matmul_vjp", difficulty=2, minutes=15)
rubric.exercise("sum_vjp", difficulty=2, minutes=8)
rubric.exercise("relu_vjp", difficulty=1, minutes=4)
rubric.exercise("cross_entropy_vjp", difficulty=3, minutes=20)
rubric.exercise("backward", difficulty=3, minutes=40)


# -- add_vjp ----------------------------------------------------------------------------------------------------------


@rubric.check("add_vjp", points=1)
@given(same_shape(3))
def what_arrives_leaves_to_both(student, x, y, g):
    """A sum hands g on to each of its inputs, unchanged."""
    dx, dy = student.add_vjp(g, x + y, x, y)
    close(dx, g, "dx")
    close(dy, g, "dy")


# -- mul_vjp ----------------------------------------------------------------------------------------------------------


@rubric.check("mul_vjp", points=2)
@given(broadcastable_pair())
def product_rule(student, x, y, g):
    """Each input's gradient is g scaled by the *other* input."""
    dx, dy = student.mul_vjp(g, x * y, x, y)
    close(dx, g * y, "dx", like=x, mistakes={"this is g * x: scale by the other input": g * x})
    close(dy, g * x, "dy", like=y, mistakes={"this is g * y: scale by the other input": g * y})


@rubric.check("mul_vjp", points=1)
@given(same_shape(3))
def product_agrees_with_nudges(student, x, y, g):
    """Nudge an input of mul by a little: the output answers as the rule says."""
    for yours, slope, name in zip(student.mul_vjp(g, x * y, x, y), nudged(student.mul, x, y, g=g), ("dx", "dy")):
        close(yours, slope, name, rtol=1e-5, atol=1e-5)


# -- unbroadcast ------------------------------------------------------------------------------------------------------


@st.composite
def broadcast_gradient(draw):
    """g, and a shape that broadcasts to the shape of g."""
    full = draw(shapes(dims=3))
    kept = full[draw(st.integers(0, len(full))) :]
    return draw(whole_numbers(full)), tuple(draw(st.sampled_from([side, 1])) for side in kept)


rubric.doctests("unbroadcast", points=1)


@rubric.check("unbroadcast", points=1)
@given(broadcast_gradient())
def gradient_gets_its_inputs_shape(student, g, shape):
    """Whatever shape g has, the sum has the shape of the input that was broadcast."""
    yours = student.unbroadcast(g, shape)
    same(list(np.shape(yours)), list(shape), "the shape")


@rubric.check("unbroadcast", points=2)
@given(broadcast_gradient())
def transpose_of_broadcasting(student, g, shape):
    """Summing is the transpose of broadcasting: <g, broadcast(x)> = <unbroadcast(g), x>, whatever x is."""
    expected = np.zeros(shape)
    for index in np.ndindex(shape):
        one = np.zeros(shape)
        one[index] = 1
        expected[index] = (g * np.broadcast_to(one, g.shape)).sum()
    close(student.unbroadcast(g, shape), expected, "the sum")


# -- matmul_vjp -------------------------------------------------------------------------------------------------------


@rubric.check("matmul_vjp", points=1)
@given(matrix_pair())
def only_one_order_fits(student, x, y, g):
    """dX = G Y^T and dY = X^T G: the only products with the shapes of X and Y."""
    dx, dy = student.matmul_vjp(g, x @ y, x, y)
    close(dx, g @ y.T, "dX")
    close(dy, x.T @ g, "dY")


@rubric.check("matmul_vjp", points=1)
@given(matrix_pair(batches=True))
def a_batch_of_matrices(student, x, y, g):
    """With axes in front, only the last two are transposed: each matrix of the batch has its own product."""
    dx, dy = student.matmul_vjp(g, x @ y, x, y)
    close(dx, g @ np.swapaxes(y, -1, -2), "dX", like=x)
    close(dy, np.swapaxes(x, -1, -2) @ g, "dY", like=y)


@st.composite
def vectors_too(draw):
    """X and Y, one of which, or both, may have lost the axis that the product does not sum over."""
    x, y, _ = draw(matrix_pair(most=3))
    x, y = x[0] if draw(st.booleans()) else x, y[:, 0] if draw(st.booleans()) else y
    return x, y, draw(whole_numbers((x @ y).shape))


@rubric.check("matmul_vjp", points=1)
@given(vectors_too())
def matmul_agrees_with_nudges(student, x, y, g):
    """Nudge one element of X or Y, be it a matrix or a vector: the output answers as the rule says."""
    for yours, slope, name in zip(student.matmul_vjp(g, x @ y, x, y), nudged(student.matmul, x, y, g=g), ("dX", "dY")):
        close(yours, slope, name, rtol=1e-5, atol=1e-5)


# -- sum_vjp ----------------------------------------------------------------------------------------------------------


@st.composite
def reduced(draw):
    """x, the axis that is summed (or None for all), whether it is kept, and g in the shape of the sum."""
    x = draw(arrays(dims=3, least=1))
    dim, keepdim = draw(st.one_of(st.none(), st.integers(0, x.ndim - 1))), draw(st.booleans())
    return x, dim, keepdim, draw(whole_numbers(np.sum(x, axis=dim, keepdims=keepdim).shape))


rubric.doctests("sum_vjp", points=1)


@rubric.check("sum_vjp", points=1)
@given(reduced())
def every_summed_element_gets_g(student, x, dim, keepdim, g):
    """Whatever was summed into one number gets that number's gradient: g is copied back over the summed axis."""
    z = np.sum(x, axis=dim, keepdims=keepdim)
    lined_up = g if keepdim or dim is None else np.expand_dims(g, dim)
    yours = student.sum_vjp(g, z, x, dim=dim, keepdim=keepdim)
    close(yours, np.broadcast_to(lined_up, x.shape), "dx")


# -- relu_vjp ---------------------------------------------------------------------------------------------------------

rubric.doctests("relu_vjp", points=1)


@rubric.check("relu_vjp", points=1)
@given(shapes().flatmap(lambda shape: st.tuples(no_zeros(shape), whole_numbers(shape))))
def the_gate_is_open_or_shut(student, x, g):
    """Where x > 0 the output moves as x does, and g passes; where x < 0 it does not move at all."""
    close(student.relu_vjp(g, np.maximum(x, 0), x), np.where(x > 0, g, 0.0), "dx")


# -- cross_entropy_vjp ------------------------------------------------------------------------------------------------


def softmax(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@rubric.check("cross_entropy_vjp", points=2)
@given(logits_and_classes(), st.integers(1, 3).map(float))
def probability_minus_truth(student, logits, target, g):
    """The gradient of the mean loss is p - y, divided by the number of rows: what was predicted minus what was true."""
    truth = np.eye(logits.shape[1])[target]
    p = softmax(logits)
    dlogits, *_ = student.cross_entropy_vjp(np.float64(g), np.float64(0), logits, target)
    mistakes = {
        "these are the probabilities: the truth is not subtracted": g * p / len(p),
        "this is the sum over the rows, not their mean": g * (p - truth),
        "g is not in it": (p - truth) / len(p),
    }
    close(dlogits, g * (p - truth) / len(p), "dlogits", mistakes=mistakes)


@rubric.check("cross_entropy_vjp", points=1)
@given(logits_and_classes(), st.sampled_from(["sum", "none"]), st.sampled_from([0.0, 0.1, 0.5]))
def smoothed_and_unreduced(student, logits, target, reduction, label_smoothing):
    """With label smoothing, the truth is spread a little over all classes; without a mean, nothing is divided."""
    g = np.arange(1.0, len(logits) + 1) if reduction == "none" else np.float64(2.0)
    truth = (1 - label_smoothing) * np.eye(logits.shape[1])[target] + label_smoothing / logits.shape[1]
    keywords = {"reduction": reduction, "label_smoothing": label_smoothing}
    dlogits, *_ = student.cross_entropy_vjp(g, np.float64(0), logits, target, **keywords)
    close(dlogits, np.reshape(g, (-1, 1)) * (softmax(logits) - truth), "dlogits")


@rubric.check("cross_entropy_vjp", points=1)
@given(logits_and_classes(most=2))
def loss_agrees_with_nudges(student, logits, target):
    """Nudge a logit: the loss answers as the rule says."""
    dlogits, *_ = student.cross_entropy_vjp(np.float64(1), np.float64(0), logits, target)
    [slope] = nudged(student.cross_entropy, logits, target)
    close(dlogits, slope, "dlogits", rtol=1e-4, atol=1e-6)


# -- backward ---------------------------------------------------------------------------------------------------------


@rubric.probe
def used_twice(tt, x):
    x = tt.Tensor(x, requires_grad=True)
    tt.autograd.backward((x * x + x).sum())
    return x.grad


@rubric.check("backward", points=1)
@given(arrays(least=1))
def shares_add_up(student, x):
    """A tensor that is used twice gets both shares: the gradient of x * x + x is 2x + 1."""
    mistakes = {
        "only one of the shares is there: add them, do not overwrite": 2 * x,
        "only x's own share": np.ones_like(x),
    }
    close(student.used_twice(x), 2 * x + 1, "x.grad", mistakes=mistakes)


@rubric.probe
def diamond(tt, x, w):
    x, w = tt.Tensor(x, requires_grad=True), tt.Tensor(w, requires_grad=True)
    y = x * w
    tt.autograd.backward((y * (y * x)).sum())
    return x.grad, w.grad


@rubric.check("backward", points=1)
@given(same_shape(2, least=1, most=3))
def wait_for_everyone(student, x, w):
    """A tensor passes its gradient on when all who used it have added theirs: y = x w, then y (y x)."""
    dx, dw = student.diamond(x, w)
    close(dx, 3 * x**2 * w**2, "x.grad")
    close(dw, 2 * x**3 * w, "w.grad")


@rubric.probe
def two_walks(tt, x, g):
    x = tt.Tensor(x, requires_grad=True)
    tt.autograd.backward(x * 3.0, tt.Tensor(g))
    tt.autograd.backward(x * 2.0, tt.Tensor(g))
    return x.grad


@rubric.check("backward", points=1)
@given(same_shape(2, least=1))
def grads_accumulate_between_walks(student, x, g):
    """A second walk adds to .grad: nobody has asked to forget the first. Each starts from the gradient it is given."""
    mistakes = {
        "only the second walk is in it": 2 * g,
        "the walk starts from ones, not from the given gradient": 5 + 0 * g,
    }
    close(student.two_walks(x, g), 5 * g, "x.grad", mistakes=mistakes)


@rubric.probe
def doublings(tt, x, times):
    leaf = y = tt.Tensor(x, requires_grad=True)
    for _ in range(int(times)):
        y = y + y
    tt.autograd.backward(y.sum())
    return leaf.grad


@rubric.check("backward", points=1, examples=5)
@given(arrays(least=1), st.integers(1, 40))
def one_visit_each(student, x, times):
    """y = y + y, forty times over, is forty steps back: a walk visits tensors, not the 2^40 paths between them."""
    close(student.doublings(x, times), np.full(x.shape, 2.0**times), "x.grad")


@rubric.probe
def walk_again(tt, x, retain_graph):
    x = tt.Tensor(x, requires_grad=True)
    y = (x * x).sum()
    tt.autograd.backward(y, retain_graph=bool(retain_graph))
    try:
        tt.autograd.backward(y)
    except RuntimeError:
        return "refused"
    return x.grad


@rubric.check("backward", points=1, examples=10)
@given(arrays(least=1))
def the_graph_is_freed_on_the_way(student, x):
    """A walked graph is freed, and a second walk is refused, unless it was to be retained; then the shares add up."""
    same(student.walk_again(x, False), "refused", "a second backward on the same graph")
    close(student.walk_again(x, True), 4 * x, "x.grad after two walks")


# -- accounting -------------------------------------------------------------------------------------------------------


def bytes_of_results():
    """What the results of a forward pass take, by the graph's own nodes."""
    import tinytorch as tt
    from tinytorch.autograd import topological_order
    from tinytorch.nn import functional

    hidden = tt.zeros(60, 64)
    for width in (128, 128):
        weight = tt.zeros(hidden.shape[1], width, requires_grad=True)
        hidden = functional.relu(functional.linear(hidden, weight))
    scores = functional.linear(hidden, tt.zeros(128, 10, requires_grad=True))
    loss = functional.cross_entropy(scores, tt.Tensor(np.zeros(60, int)))
    return sum(node.nbytes for node in topological_order(loss) if node.origin)


@rubric.accounting(points=1, unit="bytes", counted=bytes_of_results, difficulty=2, minutes=10)
def graph_bytes():
    """How many bytes do the results hold that a graph keeps for the walk back?

    60 digits, shape (60, 64), float32, go through Linear(64, 128), ReLU, Linear(128, 128), ReLU, Linear(128, 10) and
    cross_entropy. Count what each operation made; neither the digits nor the weights. One per cent off is right.
    """
    # Six operations, six results. What is the shape of each, and how many bytes has a float32?
    return 4 * 60 * (4 * 128 + 10)
