"""Chapter 01, tensors: views, what they hold and where there is one, broadcasting, two reductions, and the product.

Oracles are NumPy's own functions, on small arrays of whole numbers.
"""

import operator

import numpy as np
from hypothesis import strategies as st
from strategies import dtyped, matrix_pair, shapes, whole_numbers

from tito.rubrics.compare import close, holds, refuses, same
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("01", module="tensor")

rubric.exercise("transpose", difficulty=1, minutes=5)
rubric.exercise("footprint", difficulty=2, minutes=15)
rubric.exercise("view_strides", difficulty=3, minutes=40)
rubric.exercise("broadcast_shape", difficulty=3, minutes=20)
rubric.exercise("broadcast_to", difficulty=3, minutes=20)
rubric.exercise("mean", difficulty=1, minutes=5)
rubric.exercise("var", difficulty=2, minutes=10)
rubric.exercise("matmul", difficulty=2, minutes=15)

BLOCK = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
FEWER_DIGITS = "float64 was made float32 on the way, and lost digits"


# -- transpose --------------------------------------------------------------------------------------------------------


@st.composite
def two_axes(draw):
    """x with two to four axes, and two of them, counted from either end."""
    x = draw(shapes(dims=4, least=2).flatmap(whole_numbers))
    return x, draw(st.integers(-x.ndim, x.ndim - 1)), draw(st.integers(-x.ndim, x.ndim - 1))


@rubric.check("transpose", points=1)
@given(
    two_axes(),
    always=[
        *[(BLOCK.astype(dtype), 0, -1) for dtype in ("float32", "float16", "int8", "bool")],
        (BLOCK, 1, 0), (BLOCK, 0, 2), (BLOCK, -2, -2), (BLOCK, 1, -2), (BLOCK[:, :0], 0, 1),
        (BLOCK.reshape(2, 1, 3, 2, 2), 0, -2),
    ],
)  # fmt: skip
def two_axes_change_places(student, x, dim0, dim1):
    """Two axes are exchanged, the last two if none are named; all others stay where they are."""
    reversed_axes = {"all axes are reversed, not two exchanged": x.T}
    close(student.transpose(x), np.swapaxes(x, -2, -1), "transpose(x)", mistakes=reversed_axes)
    close(
        student.transpose(x, dim0, dim1), np.swapaxes(x, dim0, dim1), "transpose(x, dim0, dim1)", mistakes=reversed_axes
    )


@rubric.probe
def transpose_of(tt, x, dim0, dim1, turned):
    turned = np.stack([x.T, x.T], axis=-1)[..., 0].T if turned else np.array(x)  # in another order, and with gaps
    x = tt.Tensor(turned)
    z = tt.transpose(x, dim0, dim1)
    return z, np.shares_memory(x.data, z.data), z.data.flags.writeable


@rubric.check("transpose", points=1, examples=10)
@given(two_axes(), always=[(BLOCK, 0, 2), (BLOCK, -1, 1)])
def a_transpose_is_a_view(student, x, dim0, dim1):
    """Nothing is copied, however x lies in memory: the transpose reads and writes there, with two strides exchanged."""
    for turned in (False, True):
        z, shared, unlocked = student.transpose_of(x, dim0, dim1, turned)
        close(z, np.array(np.swapaxes(x, dim0, dim1)), "transpose(x, dim0, dim1)")
        holds(shared, "the result lies in the memory of x")
        holds(unlocked, "the result can be written to, as x can")


# -- footprint --------------------------------------------------------------------------------------------------------

rubric.doctests("footprint", points=1)


@rubric.probe
def footprints(tt, x, y):
    from tinytorch.tensor import footprint

    x, y = tt.Tensor(x), tt.Tensor(y)
    views = [footprint(x, x.T, x[:1]), footprint(x[:1]), footprint(x[:1], x[1:]), footprint(x.T, x, y, y[1:], x)]
    return [footprint(), footprint(x), footprint(x, y), *views]


@rubric.check("footprint", points=1)
@given(
    shapes(least=1).flatmap(whole_numbers),
    shapes(least=1).flatmap(whole_numbers),
    always=[(BLOCK[0], BLOCK[1]), (BLOCK[0], BLOCK[0]), (BLOCK.astype(np.float64), BLOCK.astype(np.float16))],
)
def each_block_counts_once(student, x, y):
    """Every block of memory counts once, whole, however many views of it there are: a small view keeps all of it."""
    names = ("nothing", "x alone", "x and y", "x and two views of it", "a part of x alone", "both parts of x")
    held = [0, x.nbytes, x.nbytes + y.nbytes, x.nbytes, x.nbytes, x.nbytes, x.nbytes + y.nbytes]
    for yours, expected, name in zip(student.footprints(x, y), held, [*names, "views of both, and x"]):
        same(yours, expected, f"the footprint of {name}")


@rubric.probe
def footprint_of_stretched(tt, x, times):
    from tinytorch.tensor import footprint

    x = tt.Tensor(x)
    stretched = x.expand(times, *x.shape)
    return [footprint(stretched), footprint(x, stretched[1:])]


@rubric.check("footprint", points=1)
@given(shapes(least=1).flatmap(whole_numbers), st.integers(1, 4), always=[(BLOCK, 3), (BLOCK[0], 1)])
def follow_every_base(student, x, times):
    """A view may have a view for its base: the owner is the one whose own base is None, however far."""
    alone, together = student.footprint_of_stretched(x, times)
    same(alone, x.nbytes, "the footprint of x.expand(...)")
    same(together, x.nbytes, "the footprint of x and a part of x.expand(...)")


# -- view_strides -----------------------------------------------------------------------------------------------------


def walk(shape, strides):
    """Where each element lies, in bytes from the first one."""
    steps = [np.arange(size) * stride for size, stride in zip(shape, strides)]
    places = np.zeros((), int)
    for step in steps:
        places = places[..., None] + step
    return places


def by_places(shape, strides, new):
    """The strides of the new shape's axes that are longer than 1, by the places of all elements; None if none fit."""
    places = walk(shape, strides).reshape(new)
    first = [tuple(int(i == axis) for i in range(len(new))) for axis, size in enumerate(new) if size > 1]
    steps = [int(places[at] - places.flat[0]) for at in first]
    filled_in = iter(steps)
    guess = walk(new, [next(filled_in) if size > 1 else 0 for size in new])
    return steps if np.array_equal(guess + places.flat[0], places) else None


PRIMES = {1: [], 2: [2], 3: [3], 4: [2, 2]}


@st.composite
def looks(draw):
    """The shape and strides of some view, and a new shape of as many elements."""
    sizes = draw(st.lists(st.sampled_from([2, 3, 4, 1]), min_size=1, max_size=3))
    cuts = [slice(None), slice(None, None, 2), slice(None, None, -1)]
    x = np.zeros(sizes, np.float32)[tuple(draw(st.sampled_from(cuts)) for _ in sizes)]
    x = x.transpose(draw(st.permutations(range(x.ndim))))
    primes = [prime for size in x.shape for prime in PRIMES[size]]
    new = []
    for prime in draw(st.one_of(st.just(primes), st.permutations(primes))):
        if new and draw(st.booleans()):
            new[-1] *= prime
        else:
            new.append(prime)
    at = draw(st.integers(0, len(new)))
    return x.shape, x.strides, (*new[:at], *draw(st.sampled_from([(), (1,)])), *new[at:])


def strides_of(yours, new):
    """What a student's strides say along the axes that are longer than 1."""
    if yours is None:
        return None
    same(len(yours), len(new), "the number of strides")
    return [operator.index(stride) for stride, size in zip(yours, new) if size > 1]


ONE_RUN = [
    ((3, 4), (16, 4), (12,)), ((3, 4), (16, 4), (2, 6)), ((3, 4), (16, 4), (3, 2, 2)), ((3, 4), (16, 4), (1, 12, 1)),
    ((2, 3, 4), (48, 16, 4), (4, 6)), ((12,), (8,), (3, 4)), ((3, 2), (16, 8), (6,)), ((4, 3), (-12, -4), (2, 6)),
    ((3, 4), (0, 0), (6, 2)), ((3, 1, 4), (16, 999, 4), (12,)), ((1, 1), (7, 9), ()), ((), (), (1, 1)),
]  # fmt: skip
SEVERAL = [
    ((4, 3), (4, 16), (2, 2, 3)), ((3, 3), (16, 4), (3, 1, 3)), ((2, 6), (100, 4), (2, 3, 2)),
    ((3, 4), (0, 4), (3, 2, 2)), ((2, 3, 4), (16, 32, 4), (2, 3, 2, 2)), ((2, 3, 4), (4, 32, 8), (2, 12)),
    ((4, 2, 3), (100, 12, 4), (2, 2, 6)),
]  # fmt: skip
NO_VIEW = [
    ((4, 3), (4, 16), (12,)), ((3, 3), (16, 4), (9,)), ((2, 3), (100, 4), (3, 2)), ((2, 6), (100, 4), (3, 4)),
    ((4, 6), (100, 4), (12, 2)), ((3, 4), (0, 4), (12,)), ((4, 3), (12, -4), (12,)), ((3, 2), (8, 16), (6,)),
    ((2, 3, 4), (16, 32, 4), (6, 4)), ((4, 6), (100, 4), (3, 4, 2)),
]  # fmt: skip


@rubric.check("view_strides", points=2)
@given(looks(), always=[*ONE_RUN, *SEVERAL])
def the_same_walk(student, shape, strides, new):
    """The new strides come by the same places in the same order: where the old axes lie end to end, and where not."""
    wanted = by_places(shape, strides, new)
    same(strides_of(student.view_strides(shape, strides, new), new), wanted, "the strides (of axes longer than 1)")


@rubric.check("view_strides", points=1)
@given(looks(), always=NO_VIEW)
def none_where_no_stride_fits(student, shape, strides, new):
    """None where a new axis would have to step now this far, now that far; an error if elements are missing or left."""
    wanted = by_places(shape, strides, new)
    same(strides_of(student.view_strides(shape, strides, new), new), wanted, "the strides (of axes longer than 1)")
    refuses("ValueError", student.view_strides, shape, strides, (*new, 2), mentioning=[str(shape), str((*new, 2))])
    more, far = (2, *shape), (100, *strides)
    refuses("ValueError", student.view_strides, more, far, new, mentioning=[str(more), str(new)])


# -- broadcast_shape --------------------------------------------------------------------------------------------------


@st.composite
def fitting_shapes(draw):
    """Two or three shapes that broadcast, in a list; sizes may be 0."""
    full = draw(st.lists(st.sampled_from([2, 3, 4, 1, 0]), min_size=1, max_size=4))
    parts = st.integers(0, len(full)).flatmap(lambda n: st.tuples(*(st.sampled_from([side, 1]) for side in full[n:])))
    return draw(st.permutations([draw(parts), tuple(full), *draw(st.lists(parts, max_size=1))]))


@st.composite
def misfits(draw):
    """Two shapes that do not broadcast: 2 or more against another number of 2 or more, along one axis."""
    left, right = draw(st.sampled_from([(2, 3), (3, 2), (4, 2)]))
    rest, front = draw(shapes()), draw(shapes(dims=1, least=0))
    x, y = (left, *rest), (right, *(draw(st.sampled_from([side, 1])) for side in rest))
    return draw(st.sampled_from([(x, y), ((2, *front, *x), y), (x, (1, *y))]))


rubric.doctests("broadcast_shape", points=1)


@rubric.check("broadcast_shape", points=2)
@given(
    fitting_shapes(),
    always=[
        [(), ()], [(), (1,)], [(4,)], [(0,), (1,)], [(3, 1), (1, 0)], [(1,), (1,), (), (3,)], [(2, 1, 5), (3, 1), ()],
        [(2, 3), (1, 1, 1)], [(2**25, 1), (2**25,)],  # an array of the last shape fits in no memory
    ],
)  # fmt: skip
def line_up_and_stretch(student, several):
    """Shapes line up at their right ends, missing axes count as 1, and a 1 takes the size of its partner, even 0."""
    same(list(student.broadcast_shape(*several)), list(np.broadcast_shapes(*several)), "the shape")


NEVER = [
    ((2,), (2, 3)),
    ((3, 2), (3, 4)),
    ((2, 3), (2, 1, 4)),
    ((0,), (2,)),
    ((2, 3), (0, 3)),
    ((2, 3), (4, 3)),
    ((3, 2, 3), (3, 4, 3)),
]
NEVER_ALL = [[(2,), (1,), (3,)], [(1,), (2,), (3,)], [(2, 1), (1, 3), (4, 3)], [(2,), (3,), (4,)]]


@rubric.check("broadcast_shape", points=1)
@given(misfits().map(list), always=[*map(list, NEVER), *NEVER_ALL])
def what_does_not_fit_is_refused(student, several):
    """Two different sizes along an axis, neither of them 1, do not broadcast: a ValueError names all the shapes."""
    refuses("ValueError", student.broadcast_shape, *several, mentioning=[str(shape) for shape in several])


# -- broadcast_to -----------------------------------------------------------------------------------------------------


@st.composite
def stretchable(draw):
    """x, and a shape that it can be stretched to."""
    full = tuple(draw(st.lists(st.integers(2, 4), min_size=2, max_size=3)))
    kept = full[draw(st.sampled_from([0, 0, 1, 2])) :]
    return draw(whole_numbers(tuple(draw(st.sampled_from([side, side, 1])) for side in kept))), full


@rubric.probe
def stretched(tt, x, shape, transposed):
    x = tt.Tensor(np.stack([x.T, x.T], axis=-1)[..., 0].T if transposed else np.array(x))  # in another order, with gaps
    z = tt.broadcast_to(x, shape=shape)
    new = z.ndim - x.ndim
    locked = not z.data.flags.writeable
    still = [z.data.strides[i] == 0 for i in range(z.ndim) if z.shape[i] > 1 and (i < new or x.shape[i - new] == 1)]
    return z, np.shares_memory(x.data, z.data), all(still), locked, x.data.flags.writeable


STRETCHED = [
    (BLOCK[:, :1, :1], (2, 3, 4)), (BLOCK[:1, :, :1], (5, 2, 3, 4)), (BLOCK, (2, 3, 4)), (BLOCK[0, :1], (2, 3, 4)),
    (BLOCK[0, :1], (1, 1, 4)), (BLOCK[0, 0, 1:2], (3,)), (BLOCK[0, 0, 1:2], (2, 3)),
    *[(BLOCK[0, :, :1].astype(dtype), (2, 3, 4)) for dtype in ("float32", "float16", "int8", "float64")],
    (np.array(7, np.float32), (2, 3)), (np.array(7, np.float32), ()),
]  # fmt: skip
TO_NOTHING = [
    (BLOCK[0, :, :1], (3, 0)),
    (BLOCK[0, :1, :1], (0, 2)),
    (BLOCK[:0, 0, :1], (2, 0, 3)),
    (BLOCK[0, 0, :1], (0,)),
]


@rubric.check("broadcast_to", points=1)
@given(stretchable(), always=[*STRETCHED, *TO_NOTHING])
def every_copy_shows_the_same_numbers(student, x, shape):
    """z has the shape that was asked for, and along a new or stretched axis it repeats x, however x lies in memory."""
    for transposed in (False, True):
        z, *_ = student.stretched(x, shape, transposed)
        close(z, np.array(np.broadcast_to(x, shape)), "broadcast_to(x, shape=shape)")


@rubric.check("broadcast_to", points=1)
@given(stretchable(), st.booleans(), always=[(*case, True) for case in STRETCHED if case[0].dtype.kind == "f"])
def no_copy_is_made(student, x, shape, transposed):
    """The copies are one and the same memory, read-only: a step along a stretched axis moves by no bytes."""
    _, shared, still, locked, unlocked = student.stretched(x, shape, transposed)
    holds(shared, "the result lies in the memory of x")
    holds(still, "the stride of every new or stretched axis is 0")
    holds(locked, "the result is read-only: what is written into one copy would show in all")
    holds(unlocked, "x itself can be written to, as before")


@rubric.probe
def refusal(tt, x, shape):
    try:
        tt.broadcast_to(tt.zeros(x), shape=shape)
    except ValueError as error:
        return str(error)


@rubric.check("broadcast_to", points=1)
@given(misfits(), always=NEVER)
def only_a_one_is_stretched(student, x, shape):
    """What does not broadcast is refused, by the names of both shapes; so is a shape that x would have to shrink to."""
    refuses("ValueError", student.broadcast_to, np.zeros(x), shape=shape)
    refuses("ValueError", student.broadcast_to, np.zeros(x), shape=(1, *x[1:]))
    refuses("ValueError", student.broadcast_to, np.zeros(x), shape=x[1:])
    refuses("ValueError", student.broadcast_to, np.zeros((1, *x)), shape=x)
    refuses("ValueError", student.broadcast_to, np.zeros((1,) * (len(x) + 1)), shape=x)
    if len(x) <= len(shape):  # of too many axes NumPy's own message names no shape, and of others it writes (2,3)
        said = student.refusal(x, shape)
        named = [str(sizes).replace(" ", "") in said.replace(" ", "") for sizes in (x, shape)]
        holds(named, "the message names the shape of x and the one that was asked for", message=said)


@st.composite
def reduced(draw, sides=(1, 3)):
    """x, the axis or axes to reduce (None for all), and whether they are kept."""
    shape = tuple(draw(st.lists(st.integers(*sides), min_size=1, max_size=3)))
    axes = st.integers(-len(shape), len(shape) - 1)
    several = st.sets(st.integers(0, len(shape) - 1), min_size=1).map(lambda found: tuple(sorted(found)))
    return draw(whole_numbers(shape)), draw(st.one_of(st.none(), axes, several)), draw(st.booleans())


# -- mean -------------------------------------------------------------------------------------------------------------

rubric.doctests("mean", points=1)


FAR = np.array([[10_000, 10_001, 10_002], [-3, 0, 4]], np.float32)
HOLED = np.array([[1, np.nan, 3], [4, 5, 9]], np.float32)
ENDLESS = np.array([[1, np.inf], [2, 5]], np.float32)
NO_AXES = np.array(3, np.float32)


@rubric.check("mean", points=2)
@given(
    reduced(),
    always=[
        *[(x, dim, keepdim) for x in dtyped([[1, 2, 6], [4, 5, 9]])[:2] for dim, keepdim in [(1, True), (0, False)]],
        (np.array([[100, 100], [100, 28]], np.int8), 1, False), (np.array([1, 2, 2]), None, False), (FAR, -1, False),
        (HOLED, 0, False), (HOLED, None, False), (BLOCK, (0, 2), False), (BLOCK, (0, 2), True), (BLOCK, 1, True),
        (BLOCK[:0, 0], 0, False), (BLOCK[:, :0], 1, True), (BLOCK, None, True), (BLOCK, (0, -1), True),
        (BLOCK, (2, 0), False), (np.array([2.0**25 + 1, -(2.0**25)]), None, False),  # more digits than float32 has
        (ENDLESS, 0, False), (NO_AXES, None, False),
    ],
)  # fmt: skip
def the_sum_over_the_count(student, x, dim, keepdim):
    """The mean is the sum divided by how many numbers went into it: of one axis, of several, or of all."""
    total = np.sum(x, axis=dim, keepdims=keepdim)
    expected = np.asarray(total / (x.size / total.size)).astype(x.dtype if x.dtype.kind == "f" else np.float32)
    mistakes = {} if x.size else {"no numbers have no mean: 0 / 0 is NaN": total}
    mistakes |= {
        "this is the sum: it is not divided": total,
        "divided by the number of all elements, whatever dim says": total / x.size,
        "divided by the length of the first axis": total / (len(x) if x.ndim else 1),
        FEWER_DIGITS: np.sum(np.float32(x), axis=dim, keepdims=keepdim) / (x.size / total.size),
    }
    close(student.mean(x, dim=dim, keepdim=keepdim), expected, "the mean", mistakes=mistakes)


# -- var --------------------------------------------------------------------------------------------------------------


@rubric.probe
def variance(tt, x, dim, keepdim, correction):
    return tt.var(tt.Tensor(x), dim, keepdim, correction)


@rubric.check("var", points=2)
@given(
    reduced(sides=(2, 3)),
    st.integers(0, 1),
    always=[
        *[(FAR, -1, False, correction) for correction in (0, 1, 2)],
        (np.array([[1, 2, 6], [4, 5, 9]], np.float16), 0, True, 0), (np.array([100, -100, 0], np.int8), None, False, 1),
        (np.array([[5], [7]], np.float32), 1, False, 1), (HOLED, 1, False, 0), (BLOCK, (0, 2), True, 1),
        (BLOCK, (0, -1), True, 0), (np.array([1e8, 1e8 + 1, 1e8 + 2]), None, False, 1),  # more digits than float32 has
        (NO_AXES, None, False, 0),
    ],
)  # fmt: skip
def the_mean_square_of_deviations(student, x, dim, keepdim, correction):
    """Deviations from the mean *along dim*, squared and summed, over the count less the correction."""
    given, x = x, x.astype(np.float64)
    squares = np.asarray(np.sum((x - x.mean(axis=dim, keepdims=True)) ** 2, axis=dim, keepdims=keepdim))
    n = x.size / squares.size
    expected = np.asarray(squares / (n - correction)).astype(given.dtype if given.dtype.kind == "f" else np.float32)
    other = np.asarray(squares / (n - 1 + correction))
    mistakes = {} if n > correction else {"where n - correction is 0 there is no variance: 0 / 0 is NaN": 0 * squares}
    mistakes |= {
        "divided by n where the correction is 1, or by n - 1 where it is 0": other,
        "this is the standard deviation": np.sqrt(expected),
        "the deviations are from the mean of everything, not along dim": np.asarray(
            np.sum((x - x.mean()) ** 2, axis=dim, keepdims=keepdim) / (n - correction)
        ),
    }
    close(student.variance(given, dim, keepdim, correction), expected, "the variance", atol=1e-8, mistakes=mistakes)


@rubric.probe
def variance_remembers(tt, x):
    x = tt.Tensor(x, requires_grad=True)
    z = tt.var(x, -1)
    waiting = [z]
    while waiting and waiting[-1] is not x:
        t = waiting.pop()
        waiting += [i for i in t.origin.inputs if isinstance(i, tt.Tensor)] if t.origin else []
    return bool(waiting), z


@rubric.check("var", points=1, examples=5)
@given(shapes().flatmap(lambda shape: whole_numbers((*shape, 2))), always=[BLOCK[0, :, :2] * BLOCK[0, :, :2]])
def composed_of_primitives(student, x):
    """What is composed of tensors' functions remembers: from the variance, origins lead back to x."""
    remembered, z = student.variance_remembers(x)
    holds(remembered, "following the origins of var(x) you come to x")
    close(z, np.var(x, axis=-1, ddof=1), "the variance of an x that requires gradients")


# -- matmul -----------------------------------------------------------------------------------------------------------


@rubric.check("matmul", points=1)
@given(
    matrix_pair().map(lambda case: case[:2]),
    always=[
        *[(x, x) for x in dtyped([[1, 2], [3, 4]])[:2]],
        (np.array([[4097, 2]], np.float32), np.array([[1, 4099], [1, 0]], np.float32)),
        (np.array([[1, np.nan], [2, 0]], np.float32), np.array([[1, 2], [np.nan, 4]], np.float32)),
        (np.zeros((2, 0), np.float32), np.zeros((0, 3), np.float32)),
        (np.zeros((0, 2), np.float32), np.ones((2, 3), np.float32)),
        (np.array([[0.25, 1]], np.float32), np.array([[1, 3], [2, 0]], np.float32)),
        (np.array([[2.0**25 + 1, 1]]), np.array([[1], [-(2.0**25)]])),  # more digits than float32 has
        (np.array([[1, -1]], np.float32), np.array([[2.0**25 + 1], [2.0**25]])),  # the wider dtype counts
    ],
)
def rows_times_columns(student, x, y):
    """Element (i, j) is row i of x times column j of y, summed."""
    mistakes = {"these are elementwise products": x * y} if x.shape == y.shape else {}
    mistakes[FEWER_DIGITS] = np.float32(x) @ np.float32(y)
    close(student.matmul(x, y), x @ y, "x @ y", mistakes=mistakes)


@rubric.check("matmul", points=1)
@given(
    matrix_pair(batches=True).map(lambda case: case[:2]),
    always=[
        (BLOCK, BLOCK.reshape(2, 4, 3)),
        (BLOCK, BLOCK[:1].reshape(4, 3)),
        (BLOCK[:, None], BLOCK.reshape(2, 4, 3)),
    ],
)
def stacks_and_vectors(student, x, y):
    """Axes in front are a stack of matrices, which broadcasts; a vector is one row or one column."""
    close(student.matmul(x, y), x @ y, "x @ y")
    row, column = x[..., 0, :].reshape(-1, x.shape[-1])[0], y[..., 0].reshape(-1, y.shape[-2])[0]
    close(student.matmul(row, y), row @ y, "a vector @ y")
    close(student.matmul(x, column), x @ column, "x @ a vector")
    close(student.matmul(row, column), np.asarray(row @ column), "a vector @ a vector")


@st.composite
def unequal_inner_axes(draw):
    """Two shapes, of matrices, stacks or vectors, whose inner axes differ; or one without any axis."""
    n, m, (k, other) = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.sampled_from([(2, 3), (3, 2), (4, 1)]))
    pairs = [((n, k), (other, m)), ((k,), (other, m)), ((n, k), (other,)), ((k,), (other,)), ((2, n, k), (2, other, m))]
    return draw(st.sampled_from([*pairs, ((), (k, m)), ((n, k), ()), ((n, k), (other, k))]))


@rubric.check("matmul", points=1)
@given(
    unequal_inner_axes(),
    always=[
        ((2, 3), (2, 3)),
        ((3,), (2, 3)),
        ((2, 3), (2,)),
        ((), (2, 3)),
        ((2, 3), ()),
        ((2, 1), (3, 2)),
        ((2, 3), (1, 2)),
        ((2, 2, 3), (3, 3, 2)),
    ],
)
def inner_axes_must_agree(student, x, y):
    """The last axis of x meets the last but one of y, or its only one; stacks broadcast; else an error names both."""
    refuses("ValueError", student.matmul, np.zeros(x), np.zeros(y), mentioning=[str(x), str(y)])


# -- accounting -------------------------------------------------------------------------------------------------------


def bytes_of_results():
    """What an observer at the seam sees of the distances between 50 rows and 200, as the differences make them."""
    import tinytorch as tt
    from tinytorch.tensor import observers

    made = []
    rows, references = tt.zeros(50, 64), tt.zeros(200, 64)
    observers.append(lambda name, seconds, arrays, result: made.append(result.nbytes))
    differences = rows.reshape(50, 1, 64) - references
    (differences * differences).sum(dim=2)
    observers.clear()
    return sum(made[1:])  # the reshape is a view


@rubric.accounting(points=1, unit="bytes", counted=bytes_of_results, tolerance=0, difficulty=2, minutes=8)
def temporary_bytes():
    """How many bytes do the three operations write that compare 50 pictures with 200 others by differences?

    A picture has 64 float32. The first operation subtracts all pairs, the second squares the differences, the third
    sums the squares of each pair.
    """
    # What is the shape of each result? Two of them have the same.
    return 4 * (2 * 50 * 200 * 64 + 50 * 200)
