"""Chapter 05, autograd: seven rules and the walk that applies them.

Rules are judged against their closed form and against nudges of the forward they belong to. x, y are inputs,
z = f(x, y), g = dL/dz.
"""

import numpy as np
from hypothesis import strategies as st
from strategies import (
    arrays,
    broadcastable_pair,
    example,
    in_dtype,
    in_each_dtype,
    logits_and_classes,
    matrix_pair,
    no_zeros,
    same_shape,
    shapes,
    whole_numbers,
)

from tito.rubrics.compare import close, holds, nudged, refuses, same
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


# -- the form of an answer --------------------------------------------------------------------------------------------


def gradient(yours, expected, what, **keywords):
    """Fail unless yours is the expected gradient, as the walk takes it: an array, or a number of NumPy's."""
    close(yours, expected, what, **keywords)
    holds(
        isinstance(yours, np.ndarray | np.generic), f"{what} is a number of Python's, which has no shape and no dtype"
    )


def both(answer, names="dx, dy"):
    """The two gradients of a rule. The walk takes anything but a tuple for a single one."""
    holds(isinstance(answer, tuple) and len(answer) == 2, f"the answer is to be a tuple of two: {names}")
    return answer


# -- add_vjp ----------------------------------------------------------------------------------------------------------


PAIR = example(2), example(2, start=3), np.array([2.0, -3.0])
STRETCHED = example(2, 1), example(3, start=3), example(2, 3, start=-2)
STRANGE = (
    np.array([1e30, 1e-30, np.inf, 1e-200]),
    np.array([-1e30, 0.0, np.nan, 1e200]),
    np.array([np.nan, -np.inf, 0.0, 1e100]),
)
NOTHING = np.zeros((0, 2)), np.zeros(2), np.zeros((0, 2))
SINGLE = np.array(1.5), np.array(-0.25), np.array(3.0)
PAIRS = [STRETCHED, STRANGE, NOTHING, SINGLE, *in_each_dtype(*PAIR)]  # x, y, g


@rubric.check("add_vjp", points=1)
@given(same_shape(3), always=PAIRS)
def what_arrives_leaves_to_both(student, x, y, g):
    """A sum hands g on to each of its inputs, unchanged, and in its own dtype."""
    dx, dy = both(student.add_vjp(g, x + y, x, y))
    gradient(dx, g, "dx", like=x)
    gradient(dy, g, "dy", like=y)


# -- mul_vjp ----------------------------------------------------------------------------------------------------------


@rubric.check("mul_vjp", points=2)
@given(broadcastable_pair(), always=PAIRS)
def product_rule(student, x, y, g):
    """Each input's gradient is g scaled by the *other* input."""
    dx, dy = both(student.mul_vjp(g, x * y, x, y))
    gradient(dx, g * y, "dx", like=x, mistakes={"this is g * x: scale by the other input": g * x})
    gradient(dy, g * x, "dy", like=y, mistakes={"this is g * y: scale by the other input": g * y})


@rubric.check("mul_vjp", points=1)
@given(same_shape(3))
def product_agrees_with_nudges(student, x, y, g):
    """Nudge an input of mul by a little: the output answers as the rule says."""
    for yours, slope, name in zip(both(student.mul_vjp(g, x * y, x, y)), nudged(student.mul, x, y, g=g), ("dx", "dy")):
        close(yours, slope, name, rtol=1e-5, atol=1e-5)


# -- unbroadcast ------------------------------------------------------------------------------------------------------


@st.composite
def broadcast_gradient(draw):
    """g, and a shape that broadcasts to the shape of g."""
    full = draw(shapes(dims=3))
    kept = full[draw(st.integers(0, len(full))) :]
    return draw(whole_numbers(full)), tuple(draw(st.sampled_from([side, 1])) for side in kept)


SEVERAL = [((2, 3, 2), (1, 1, 2)), ((2, 3, 2), (2, 1, 1)), ((2, 3, 2), (1, 3, 1)), ((2, 3, 2), (1, 1)), ((2, 3), ())]
MANY = [((2, 1, 2, 3, 2), (2, 1, 2, 1, 1)), ((2, 3, 2, 2), (2,)), ((1, 1, 2), (2,)), ((1, 1), ())]
EMPTY = [((2, 0), (2, 1)), ((0, 2), (2,)), ((0, 2), (1, 2)), ((0, 2), (0, 1)), ((0, 2), (0, 2))]
SUMS = [
    *[(example(*full), shape) for full, shape in SEVERAL + MANY + EMPTY],
    in_dtype(np.float32, example(0, 2), (2,)),
    (np.array([[1.0, np.nan], [np.inf, 2.0]]), (2, 1)),
    *in_each_dtype(example(2, 3), (2, 1)),
    *in_each_dtype(example(2, 3), (3,)),
    (np.full((300, 2), 0.1), (2,)),
]  # g, shape

rubric.doctests("unbroadcast", points=1)


@rubric.check("unbroadcast", points=1)
@given(broadcast_gradient(), always=SUMS)
def gradient_gets_its_inputs_shape(student, g, shape):
    """Whatever shape g has, the sum has the shape of the input that was broadcast."""
    yours = student.unbroadcast(g, shape)
    same(list(np.shape(yours)), list(shape), "the shape")


@rubric.check("unbroadcast", points=2)
@given(broadcast_gradient(), always=SUMS)
def transpose_of_broadcasting(student, g, shape):
    """Summing is the transpose of broadcasting: <g, broadcast(x)> = <unbroadcast(g), x>, whatever x is."""
    expected = np.zeros(shape, g.dtype)
    for index in np.ndindex(shape):
        one = np.zeros(shape, bool)
        one[index] = True
        expected[index] = g[np.broadcast_to(one, g.shape)].sum(dtype=np.float64)
    gradient(student.unbroadcast(g, shape), expected, "the sum")


# -- matmul_vjp -------------------------------------------------------------------------------------------------------


MATRICES = example(2, 3), example(3, 2, start=-2), example(2, 2, start=-1)
NO_ROWS = np.zeros((0, 3)), example(3, 2), np.zeros((0, 2))
NO_SUM = np.zeros((2, 0)), np.zeros((0, 3)), example(2, 3)
ONE_OF_EACH = example(1, 1), example(1, 1, start=2), example(1, 1, start=3)
FAR = *MATRICES[:2], np.array([[np.nan, 1.0], [1e200, 1.0]])


@rubric.check("matmul_vjp", points=1)
@given(matrix_pair(), always=[NO_ROWS, NO_SUM, ONE_OF_EACH, FAR, *in_each_dtype(*MATRICES)])
def only_one_order_fits(student, x, y, g):
    """dX = G Y^T and dY = X^T G: the only products with the shapes of X and Y."""
    dx, dy = both(student.matmul_vjp(g, x @ y, x, y), "dX, dY")
    close(dx, g @ y.T, "dX", like=x)
    close(dy, x.T @ g, "dY", like=y)


@rubric.check("matmul_vjp", points=1)
@given(
    matrix_pair(batches=True),
    always=[
        (example(2, 1, 2, 3), example(3, 3, 2, start=-9), example(2, 3, 2, 2, start=-5)),
        (example(2, 2, 3), example(3, 1, start=-1), example(2, 2, 1, start=-1)),
        (example(1, 3), example(2, 3, 2, start=-5), example(2, 1, 2, start=-1)),
        (example(2, 2, 3), example(2, 1, 3, 2, start=-5), example(2, 2, 2, 2, start=-5)),
        in_dtype(np.float32, example(2, 2, 3), example(3, 1, start=-1), example(2, 2, 1, start=-1)),
    ],
)
def a_batch_of_matrices(student, x, y, g):
    """With axes in front, only the last two are transposed: each matrix of the batch has its own product."""
    dx, dy = both(student.matmul_vjp(g, x @ y, x, y), "dX, dY")
    close(dx, g @ np.swapaxes(y, -1, -2), "dX", like=x)
    close(dy, np.swapaxes(x, -1, -2) @ g, "dY", like=y)


@st.composite
def vectors_too(draw):
    """X and Y, one of which, or both, may have lost the axis that the product does not sum over."""
    x, y, _ = draw(matrix_pair(most=3))
    x, y = x[0] if draw(st.booleans()) else x, y[:, 0] if draw(st.booleans()) else y
    return x, y, draw(whole_numbers((x @ y).shape))


VECTORS = [((3,), (3, 2)), ((2, 3), (3,)), ((3,), (3,)), ((2, 2, 3), (3,)), ((3,), (2, 3, 2))]
VECTORS_TOO = [(example(*x, start=-1), example(*y, start=-2)) for x, y in VECTORS]
SUMMED = [(x, y, np.asarray(example(*(x @ y).shape, start=2))) for x, y in VECTORS_TOO]


@rubric.check("matmul_vjp", points=1)
@given(vectors_too(), always=[*SUMMED, *(in_dtype(np.float32, *case) for case in SUMMED)])
def matmul_agrees_with_nudges(student, x, y, g):
    """Nudge one element of X or Y, be it a matrix or a vector: the output answers as the rule says."""
    slopes = nudged(student.matmul, x, y, g=g)
    for yours, slope, name, like in zip(both(student.matmul_vjp(g, x @ y, x, y)), slopes, ("dX", "dY"), (x, y)):
        close(yours, slope.astype(like.dtype), name, rtol=1e-5, atol=1e-5, like=like)


# -- sum_vjp ----------------------------------------------------------------------------------------------------------


@st.composite
def reduced(draw):
    """x, the axis that is summed (or None for all), whether it is kept, and g in the shape of the sum."""
    x = draw(arrays(dims=3, least=1))
    dim, keepdim = draw(st.one_of(st.none(), st.integers(0, x.ndim - 1))), draw(st.booleans())
    return x, dim, keepdim, draw(whole_numbers(np.sum(x, axis=dim, keepdims=keepdim).shape))


rubric.doctests("sum_vjp", points=1)


@rubric.check("sum_vjp", points=1)
@given(
    reduced(),
    always=[
        (example(2, 3), -1, False, example(2, start=5)),
        (example(2, 3), -1, True, example(2, 1, start=5)),
        (example(2, 3), 0, True, example(1, 3, start=5)),
        (example(2, 3, 2), 1, False, example(2, 2, start=5)),
        (example(2, 3, 2), -2, False, example(2, 2, start=5)),
        (example(2, 3, 2), (0, 2), False, example(3, start=5)),
        (example(2, 3, 2), (2, 0), False, example(3, start=5)),
        (example(2, 3, 2), (-3, -1), False, example(3, start=5)),
        (example(2, 3, 2), (0, 1), True, example(1, 1, 2, start=5)),
        (example(2, 2), (), False, example(2, 2, start=5)),
        (example(2, 2), 0, False, example(2, start=5)),
        (example(2, 2), 1, False, example(2, start=5)),
        (example(2, 3), None, False, np.array(5.0)),
        (example(2, 3), None, True, np.array([[5.0]])),
        (np.array(2.0), None, False, np.array(5.0)),
        (np.array([np.inf, np.nan, 1.0]), 0, False, np.array(1e200)),
        (np.zeros((0, 3)), 0, False, example(3, start=5)),
        (np.zeros((0, 3)), 1, False, np.zeros(0)),
        (example(2), 0, False, np.array(np.nan)),
        in_dtype(np.float32, example(2, 3, 2), (0, 2), False, example(3, start=5)),
        *in_each_dtype(example(2, 3), 1, False, example(2, start=5)),
        *in_each_dtype(example(2, 3), None, False, np.array(5.0)),
    ],
)
def every_summed_element_gets_g(student, x, dim, keepdim, g):
    """Whatever was summed into one number gets that number's gradient: g is copied back over the summed axis."""
    z = np.sum(x, axis=dim, keepdims=keepdim)
    lined_up = g if keepdim or dim is None else np.expand_dims(g, dim)
    yours = student.sum_vjp(g, z, x, dim=dim, keepdim=keepdim)
    gradient(yours, np.broadcast_to(lined_up, x.shape), "dx")


# -- relu_vjp ---------------------------------------------------------------------------------------------------------

rubric.doctests("relu_vjp", points=1)


@rubric.probe
def relu_of_columns(tt, g, z, x):
    return tt.autograd.relu_vjp(g.T, z.T, x.T)


@rubric.check("relu_vjp", points=1)
@given(
    shapes().flatmap(lambda shape: st.tuples(no_zeros(shape), whole_numbers(shape))),
    always=[
        (np.array([-1.0, 0.0, 1.0]), example(3)),
        (np.array([-0.0, 1e-30, -1e-30, 1e30, -1e30]), example(5)),
        (np.zeros((0, 2)), np.zeros((0, 2))),
        (np.array(2.0), np.array(3.0)),
        (example(2, 2, 2, start=-2), example(2, 2, 2)),
        (example(2, 3, start=-2), example(2, 3)),
        (np.array([1.0, 2.0, 3.0]), np.array([np.nan, -np.inf, 1e200])),
        *in_each_dtype(np.array([-2.0, 0.0, 3.0]), example(3)),
    ],
)
def the_gate_is_open_or_shut(student, x, g):
    """Where x > 0 the output moves as x does, and g passes; where x < 0 it does not move at all, nor at the kink, 0.

    So it is where x and g are transposed, and lie in memory column by column.
    """
    z, dx = np.maximum(x, 0), np.where(x > 0, g, g.dtype.type(0))
    gradient(student.relu_vjp(g, z, x), dx, "dx")
    if x.ndim == 2:
        gradient(student.relu_of_columns(g.T, z.T, x.T), dx, "dx of an x that was transposed")


# -- cross_entropy_vjp ------------------------------------------------------------------------------------------------


def softmax(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


LARGE = [[[1000, 0], [0, 1000]], [[-1000, 0], [-1000, -2000]], [[1e6, 1e6], [100, -100]], [[0, -np.inf], [-np.inf, 3]]]
CLASSES = np.array([0, 0])
LOGITS_ALONE = "dlogits, and None for the target"
ROWS = np.array([[2.0, 0.0, -1.0], [0.0, 1.0, 3.0]])


@rubric.probe
def cross_entropy_of_columns(tt, g, z, logits, target):
    return tt.autograd.cross_entropy_vjp(g, z, logits.T, target)


@rubric.check("cross_entropy_vjp", points=2)
@given(
    logits_and_classes(),
    st.integers(1, 3).map(float),
    always=[
        *[(np.array(logits, float), np.array([0, 1]), 2.0) for logits in LARGE],
        (ROWS, CLASSES.astype(np.int32), 2.0),
        (np.array([[3.0], [1.0]]), CLASSES, 2.0),
        *in_each_dtype(ROWS, CLASSES, 2.0),
        in_dtype(np.float32, np.array([[1000.0, 0.0]]), CLASSES[:1], 2.0),
    ],
)
def probability_minus_truth(student, logits, target, g):
    """The gradient of the mean loss is p - y, divided by the number of rows: what was predicted minus what was true.

    So it is where the logits were transposed, and lie in memory column by column.
    """
    truth, p, g = np.eye(logits.shape[1], dtype=logits.dtype)[target], softmax(logits), np.array(g, logits.dtype)
    dlogits, _ = both(student.cross_entropy_vjp(g, 0 * g, logits, target), LOGITS_ALONE)
    mistakes = {
        "these are the probabilities: the truth is not subtracted": g * p / len(p),
        "this is the sum over the rows, not their mean": g * (p - truth),
        "g is not in it": (p - truth) / len(p),
    }
    close(dlogits, g * (p - truth) / len(p), "dlogits", mistakes=mistakes)
    dlogits, _ = both(student.cross_entropy_of_columns(g, 0 * g, logits.T, target), LOGITS_ALONE)
    close(dlogits, g * (p - truth) / len(p), "dlogits of logits that were transposed")


@rubric.check("cross_entropy_vjp", points=1)
@given(
    logits_and_classes(),
    st.sampled_from(["sum", "none"]),
    st.sampled_from([0.0, 0.1, 0.5]),
    always=[
        (ROWS, CLASSES, "none", 0.5),
        (ROWS, CLASSES, "sum", 1.0),
        (ROWS, CLASSES, "mean", 0.5),
        (np.zeros((0, 3)), CLASSES[:0], "sum", 0.0),
        *in_each_dtype(ROWS, CLASSES, "none", 0.5),
        *in_each_dtype(ROWS, CLASSES, "sum", 0.0),
    ],
)
def smoothed_and_unreduced(student, logits, target, reduction, label_smoothing):
    """With label smoothing, the truth is spread a little over all classes; without a mean, nothing is divided."""
    number = logits.dtype.type
    g = example(len(logits), dtype=number) if reduction == "none" else np.array(2, number)
    truth = (1 - label_smoothing) * np.eye(logits.shape[1])[target] + label_smoothing / logits.shape[1]
    keywords = {"reduction": reduction, "label_smoothing": label_smoothing}
    dlogits, _ = both(student.cross_entropy_vjp(g, 0 * g, logits, target, **keywords), LOGITS_ALONE)
    each = np.reshape(g / len(logits) if reduction == "mean" else g, (-1, 1))
    close(dlogits, (each * (softmax(logits) - truth)).astype(number), "dlogits")


@rubric.check("cross_entropy_vjp", points=1)
@given(logits_and_classes(most=2))
def loss_agrees_with_nudges(student, logits, target):
    """Nudge a logit: the loss answers as the rule says. A target is a whole number, and cannot be nudged: None."""
    dlogits, dtarget = both(student.cross_entropy_vjp(np.array(1.0), np.array(0.0), logits, target), LOGITS_ALONE)
    same(dtarget, None, "the target's gradient")
    [slope] = nudged(student.cross_entropy, logits, target)
    close(dlogits, slope, "dlogits", rtol=1e-4, atol=1e-6)


# -- backward ---------------------------------------------------------------------------------------------------------


@rubric.probe
def used_twice(tt, x):
    x = tt.Tensor(x, requires_grad=True)
    y = x * x + x
    z = y.sum()
    tt.autograd.backward(z)
    return x.grad, y.grad, z.grad, isinstance(x.grad, tt.Tensor) and not x.grad.requires_grad


@rubric.check("backward", points=1)
@given(arrays(least=1), always=[np.zeros(0), *in_each_dtype(example(2))])
def shares_add_up(student, x):
    """A tensor that is used twice gets both shares: the gradient of x * x + x is 2x + 1. Only leaves keep theirs, as a
    tensor that needs no gradient itself."""
    mistakes = {
        "only one of the shares is there: add them, do not overwrite": 2 * x,
        "only x's own share": np.ones_like(x),
    }
    dx, dy, dz, plain = student.used_twice(x)
    close(dx, 2 * x + 1, "x.grad", mistakes=mistakes)
    holds(plain, "x.grad is to be a Tensor that needs no gradient itself")
    same(dy, None, "y.grad of y = x * x + x, which is no leaf,")
    same(dz, None, "z.grad of z = y.sum(), where the walk begins and which is no leaf,")


@rubric.probe
def diamond(tt, x, w):
    x, w = tt.Tensor(x, requires_grad=True), tt.Tensor(w, requires_grad=True)
    y = x * w
    tt.autograd.backward((y * (y * x)).sum())
    return x.grad, w.grad


@rubric.probe
def once_and_twice(tt, x, turned):
    x = tt.Tensor(x, requires_grad=True)
    y = x * 2.0
    once, twice = -y, y * y
    tt.autograd.backward((twice + once if turned else once + twice).sum())
    return x.grad


@rubric.probe
def frozen(tt, x, w):
    x, w = tt.Tensor(x, requires_grad=True), tt.Tensor(w)
    tt.autograd.backward(((x * w + w) * w).sum())
    return x.grad, w.grad


@rubric.probe
def changed_on_the_way(tt, x, used):
    x = tt.Tensor(x, requires_grad=True)
    y = x * 3.0
    z = y * 2.0
    y += x
    tt.autograd.backward((z + y if used else z).sum())
    return x.grad


@rubric.check("backward", points=1)
@given(same_shape(2, least=1, most=3), always=in_each_dtype(*PAIR[:2]))
def wait_for_everyone(student, x, w):
    """A tensor passes its gradient on when all who used it have added theirs: y = x w, then y (y x). What asks for no
    gradient gets none, and is passed over, however often it is used; what was changed in place counts as it was."""
    dx, dw = student.diamond(x, w)
    close(dx, 3 * x**2 * w**2, "x.grad")
    close(dw, 2 * x**3 * w, "w.grad")
    for turned, z in ((False, "-y + y y"), (True, "y y + -y")):
        close(student.once_and_twice(x, turned), 8 * x - 2, f"x.grad of {z}, where y = 2 x,")
    close(student.changed_on_the_way(x, False), np.full_like(x, 6), "x.grad of z, where y = 3 x, z = 2 y, y += x,")
    close(student.changed_on_the_way(x, True), np.full_like(x, 10), "x.grad of z + y, where y = 3 x, z = 2 y, y += x,")
    dx, dw = student.frozen(x, w)
    close(dx, w * w, "x.grad of (x w + w) w, where w asks for none")
    same(dw, None, "w.grad there")


@rubric.probe
def two_walks(tt, x, g):
    x = tt.Tensor(x, requires_grad=True)
    tt.autograd.backward(x * 3.0, tt.Tensor(g))
    tt.autograd.backward(x * 2.0, tt.Tensor(g))
    return x.grad


@rubric.probe
def two_walks_of_no_step(tt, x, g):
    x, given = tt.Tensor(x, requires_grad=True), tt.Tensor(g)
    tt.autograd.backward(x, given)
    tt.autograd.backward(x, given)
    return x.grad, given


@rubric.probe
def from_one_element(tt, x):
    x = tt.Tensor(x, requires_grad=True)
    tt.autograd.backward(x)
    tt.autograd.backward(x * 3.0)
    return x.grad


@rubric.probe
def one_walk(tt, x, requires_grad, g):
    x = tt.Tensor(x, requires_grad=bool(requires_grad))
    tt.autograd.backward(x * 3.0, None if g is None else tt.Tensor(g))


@rubric.check("backward", points=1)
@given(same_shape(2, least=1), always=[(example(2), np.array([np.nan, -np.inf])), *in_each_dtype(*PAIR[:2])])
def grads_accumulate_between_walks(student, x, g):
    """A second walk adds to .grad: nobody has asked to forget the first. Each starts from the gradient it is given,
    in z's dtype, also where z is a leaf itself, or from 1 in z's shape; what no walk can start from is refused."""
    mistakes = {
        "only the second walk is in it": 2 * g,
        "the walk starts from ones, not from the given gradient": 5 + 0 * g,
    }
    close(student.two_walks(x, g), 5 * g, "x.grad", mistakes=mistakes)
    wide = g.astype(np.float64)
    dx, after = student.two_walks_of_no_step(x, wide)
    close(dx, 2 * g, "x.grad of x itself")
    close(after, wide, "the gradient that was given, after two walks,")
    single = np.full((1, 1), 2, x.dtype)
    close(student.from_one_element(single), 2 * single, "x.grad of x and then of 3 x, where x has shape (1, 1),")
    refuses("RuntimeError", student.one_walk, example(1), False, None)
    refuses("RuntimeError", student.one_walk, example(1), False, example(1))
    refuses("RuntimeError", student.one_walk, example(2), True, None)
    refuses("ValueError", student.one_walk, example(2), True, example(1))
    refuses("ValueError", student.one_walk, example(2), True, example(2, 1))


@rubric.probe
def doublings(tt, x, times):
    leaf = y = tt.Tensor(x, requires_grad=True)
    for _ in range(int(times)):
        y = y + y
    tt.autograd.backward(y.sum())
    return leaf.grad


@rubric.check("backward", points=1, examples=5)
@given(arrays(least=1), st.integers(1, 40), always=[(example(2), 40), (example(2), 1010)])
def one_visit_each(student, x, times):
    """y = y + y, forty times over, is forty steps back: a walk visits tensors, not the 2^40 paths between them. A
    thousand times over, it is deeper than Python's stack, which need not be used."""
    close(student.doublings(x, times), np.full(x.shape, 2.0**times), "x.grad")


@rubric.probe
def walk_again(tt, x, retain_graph, given, again):
    x = tt.Tensor(x, requires_grad=True)
    y = x * x
    z = -x if again == "-x" else y.sum()
    ones = tt.Tensor(np.ones_like(z.data)) if given else None
    for _ in range(2 if retain_graph else 1):
        tt.autograd.backward(z, ones, retain_graph=bool(retain_graph))
    end = {"y": y, "-y": -y}.get(again, z)
    try:
        tt.autograd.backward(end, tt.Tensor(np.ones_like(end.data)))
    except RuntimeError:
        return "refused"
    return x.grad


@rubric.check("backward", points=1, examples=10)
@given(arrays(least=1))
def the_graph_is_freed_on_the_way(student, x):
    """A walked graph is freed, all of it, and a second walk is refused, also one that only ends there, unless it was
    to be retained; then the shares add up."""
    for given_too in (False, True):
        same(student.walk_again(x, False, given_too, "z"), "refused", "a second backward on the same graph")
    same(student.walk_again(x, False, True, "-x"), "refused", "a second backward on a graph of one step")
    same(student.walk_again(x, False, False, "y"), "refused", "a second backward, from the middle of the same graph")
    same(student.walk_again(x, False, False, "-y"), "refused", "backward of -y, made after the graph of y was freed,")
    close(student.walk_again(x, True, False, "z"), 6 * x, "x.grad after three walks, two of which retain the graph,")


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
