"""Chapter 09, convolutions: windows that move, what is added back to the pixels, and batches that are normalised.

The oracles are loops over windows: slow, and easy to believe. Images are x (B, C, H, W) for conv2d_naive and pooling,
with weight (K, C / groups, kh, kw). Else channels come last: x (B, H, W, C), weight (kh, kw, C, K), g (B, H', W', K).
"""

from itertools import product

import numpy as np
from hypothesis import strategies as st
from strategies import example, in_dtype, in_each_dtype, mixed, shuffled

from tito.rubrics.compare import close, holds, refuses
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("09", module="convolutions")

rubric.exercise("conv2d_naive", difficulty=2, minutes=20)
rubric.exercise("im2col", difficulty=3, minutes=20)
rubric.exercise("col2im", difficulty=3, minutes=20)
rubric.exercise("weight_gradient", difficulty=2, minutes=15)
rubric.exercise("input_gradient", difficulty=3, minutes=25)
rubric.exercise("max_pool2d", difficulty=2, minutes=18)
rubric.exercise("max_pool2d_vjp", difficulty=3, minutes=25)
rubric.exercise("standardize_vjp", difficulty=3, minutes=45)
rubric.exercise("batch_norm", difficulty=2, minutes=20)

ONE, NONE = (1, 1), (0, 0)


# -- windows ----------------------------------------------------------------------------------------------------------


def starts(size, kernel, stride, dilation):
    """Where windows begin along an axis that is padded already."""
    return range(0, size - dilation * (kernel - 1), stride)


def outputs(shape, kernel, stride, dilation):
    """(H', W') for (H, W), padded already."""
    return tuple(len(starts(*along)) for along in zip(shape, kernel, stride, dilation))


def seen(kernel, stride, dilation, i, j):
    """For each place of the kernel: (a, b), and the pixel that window (i, j) meets there."""
    for a, b in product(range(kernel[0]), range(kernel[1])):
        yield a, b, i * stride[0] + a * dilation[0], j * stride[1] + b * dilation[1]


def pairs(least, most):
    """(rows, columns), each from least to most, in one draw, which is quicker than two; shrinks to the smallest."""
    return st.sampled_from(sorted(product(range(least, most + 1), repeat=2), key=sum))


ONE_TO_3, NONE_TO_2, ONE_OR_2 = pairs(1, 3), pairs(0, 2), pairs(1, 2)


@st.composite
def moving(draw, padded=True, overlapping=False):
    """A kernel, its stride, its padding, its dilation, and height and width in which it fits; shrinks to 1 x 1."""
    kernel, stride, dilation = draw(ONE_TO_3), draw(ONE_TO_3), draw(ONE_OR_2)
    stride = tuple(map(min, stride, kernel)) if overlapping else stride
    padding = draw(NONE_TO_2) if padded else NONE
    sides = []
    for k, s, p, d, more, left in zip(kernel, stride, padding, dilation, draw(NONE_TO_2), draw(NONE_TO_2)):
        fits = d * (k - 1) + 1 + more * s - 2 * p
        sides.append(max(1, fits + left % s))  # what is left over at the end is never seen
    return kernel, stride, padding, dilation, tuple(sides)


few = st.integers(1, 2)

# Height, width, and a kernel, stride, padding and dilation that differ along the two axes: down more, then across more.
DOWN = (5, 6), ((2, 3), (2, 1), (1, 0), (1, 2))
ACROSS = (6, 4), ((3, 2), (1, 3), (0, 2), (2, 1))
PLAIN = (3, 3), ((2, 2), ONE, NONE, ONE)
STRIDED = (3, 4), ((2, 2), (2, 2), NONE, ONE)
WIDE = (2, 2), ((1, 1), ONE, ONE, ONE)  # more padding than a kernel's span
SPREAD = (3, 4), ((2, 2), ONE, (1, 0), (1, 2))  # stride 1, and a dilation
EITHER = (5, 4), ((2, 2), (2, 2), (1, 0), (2, 2))  # stride and dilation are often given as numbers, the padding is not
LOW_KERNEL = (2, 3), ((1, 3), ONE, ONE, ONE)  # more padding than a kernel's span, down only; then across only
NARROW_KERNEL = (3, 2), ((3, 1), ONE, ONE, ONE)


def short(pair):
    """A pair as it is often given: one number where both are equal."""
    return pair[0] if pair[0] == pair[1] else pair


def or_nothing(oracle, *arguments):
    """What a mistake would give; nan where even that has no place."""
    try:
        return oracle(*arguments)
    except (ValueError, IndexError):
        return np.nan


# -- conv2d_naive -----------------------------------------------------------------------------------------------------


def correlated(x, weight, bias, stride, padding, dilation, groups=1):
    """The convolution, one product at a time."""
    (filters, channels, *kernel), (ph, pw) = weight.shape, padding
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    z = np.zeros((len(x), filters, *outputs(x.shape[2:], kernel, stride, dilation)), x.dtype)
    for k, i, j in np.ndindex(z.shape[1:]):
        first = k // (filters // groups) * channels
        for a, b, row, column in seen(kernel, stride, dilation, i, j):
            z[:, k, i, j] += x[:, first : first + channels, row, column] @ weight[k, :, a, b]
    return z if bias is None else z + bias[:, None, None]


@st.composite
def images_and_filters(draw):
    """Images, filters, and how they move over them."""
    kernel, stride, padding, dilation, sides = draw(moving())
    b, (c, k) = draw(few), draw(ONE_OR_2)
    return draw(mixed((b, c, *sides))), draw(mixed((k, c, *kernel))), stride, padding, dilation


@st.composite
def grouped(draw):
    """Images, filters, one bias for each of them (or None), in two or three groups; the window moves as it does if
    nothing is said."""
    groups, (c, k), kernel, more = draw(st.integers(2, 3)), draw(ONE_OR_2), draw(ONE_OR_2), draw(pairs(0, 1))
    sides = tuple(map(sum, zip(kernel, more)))
    x, weight = draw(mixed((1, groups * c, *sides))), draw(mixed((groups * k, c, *kernel)))
    return x, weight, draw(st.one_of(mixed((groups * k,)), st.none())), groups, 1, 0, 1


def filtered(over, batch=2, channels=2, filters=2):
    """Images, filters, and how they move over them: 1, 2, 3... for all numbers."""
    sides, (kernel, *how) = over
    return example(batch, channels, *sides, start=-4), example(filters, channels, *kernel, start=-3), *how


@rubric.check("conv2d_naive", points=1)
@given(
    images_and_filters(),
    always=[
        *[filtered(over) for over in (DOWN, ACROSS, WIDE)],
        filtered(EITHER, channels=3),
        filtered(PLAIN, batch=0),
        *in_each_dtype(*filtered(PLAIN, 1, 1, 1)),
        *in_each_dtype(*filtered(WIDE, 1, 1, 1)),
    ],
)
def every_window_times_the_filter(student, x, weight, stride, padding, dilation):
    """z[b, k, i, j] is the sum of filter k times the window at (i, j), whatever the stride, padding and dilation: each
    a pair, or one number for both axes. A filter that fits nowhere is refused."""
    yours = student.conv2d_naive(x, weight, stride=short(stride), padding=short(padding), dilation=short(dilation))
    wrong = lambda *arguments: or_nothing(correlated, x, *arguments)
    mistakes = {
        "the filter is turned round: the first weight meets the first pixel": wrong(
            weight[:, :, ::-1, ::-1], None, stride, padding, dilation
        ),
        "stride and dilation are exchanged": wrong(weight, None, dilation, padding, stride),
        "the padding is forgotten": wrong(weight, None, stride, NONE, dilation),
        "the dilation is forgotten": wrong(weight, None, stride, padding, ONE),
        "the stride is forgotten": wrong(weight, None, ONE, padding, dilation),
        "rows and columns have each other's stride": wrong(weight, None, stride[::-1], padding, dilation),
        "rows and columns have each other's padding": wrong(weight, None, stride, padding[::-1], dilation),
    }
    close(yours, correlated(x, weight, None, stride, padding, dilation), "z", mistakes=mistakes)
    refuses("ValueError", student.conv2d_naive, x, np.ones((1, x.shape[1], x.shape[2] + 1, 1), x.dtype))


@rubric.check("conv2d_naive", points=1)
@given(
    grouped(),
    always=[
        (example(1, 4, 2, 2), example(4, 2, 2, 2, start=-5), example(4, start=7), 2, 1, 0, 1),
        (example(1, 3, 2, 2), example(6, 1, 1, 2, start=-5), None, 3, 1, 0, 1),
        (example(1, 1, 1, 2), example(2, 1, 1, 1), example(2, start=7), 1, 1, 0, 1),
        (example(2, 2, 2, 3), example(2, 1, 2, 2, start=-4.5), example(2, start=-7.5), 2, (2, 1), (1, 0), (1, 2)),
        (*in_dtype(np.float32, example(1, 2, 2, 2), example(2, 1, 2, 2, start=-5), example(2, start=7)), 2, 1, 0, 1),
    ],
)
def each_group_sees_its_own_channels(student, x, weight, bias, groups, stride, padding, dilation):
    """The first K / groups filters see the first C / groups channels, and so on. A window gets its bias once."""
    moves, channels = [n if isinstance(n, tuple) else (n, n) for n in (stride, padding, dilation)], weight.shape[1]
    plain = correlated(x, weight, None, *moves, groups)
    mistakes = {
        "the filter is turned round: the first weight meets the first pixel": correlated(
            x, weight[:, :, ::-1, ::-1], bias, *moves, groups
        ),
        "every filter sees the first group's channels": correlated(x[:, :channels], weight, bias, *moves),
        "the groups take turns: neighbouring filters belong together": correlated(
            x, turns(weight, groups), bias, *moves, groups
        )[:, np.argsort(turns(np.arange(len(weight)), groups))],
        "stride, padding and dilation are forgotten where there are groups": or_nothing(
            correlated, x, weight, bias, ONE, NONE, ONE, groups
        ),
        "the dilation is forgotten where there are groups": or_nothing(
            correlated, x, weight, bias, *moves[:2], ONE, groups
        ),
    }
    if bias is not None:
        mistakes["the bias is forgotten"] = plain
        mistakes["the bias is added once for every product"] = plain + weight[0].size * bias[:, None, None]
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    expected = correlated(x, weight, bias, *moves, groups)
    close(student.conv2d_naive(x, weight, bias, **options), expected, "z", mistakes=mistakes)


def turns(filters, groups):
    """Filters 0, groups, 2 groups... first, then 1, groups + 1...: as if k % groups were the group of k."""
    return np.concatenate([filters[group::groups] for group in range(groups)])


# -- im2col and col2im ------------------------------------------------------------------------------------------------


def window_rows(x, kernel, stride, dilation):
    """The windows of x (B, H, W, C) as (B, H', W', kh, kw, C)."""
    b, *sides, c = x.shape
    down, across = outputs(sides, kernel, stride, dilation)
    z = np.zeros((b, down, across, *kernel, c), x.dtype)
    for i, j in np.ndindex(down, across):
        for a, n, row, column in seen(kernel, stride, dilation, i, j):
            z[:, i, j, a, n] = x[:, row, column]
    return z


@rubric.probe
def unfold(tt, x, kernel, stride, padding, dilation):
    window = tt.convolutions.window(kernel, stride, padding, dilation)
    rows = tt.convolutions.im2col(x, window)
    tt.convolutions.im2col(np.ones_like(x), window)  # leaves the rows that are there alone
    return rows


@rubric.probe
def unfold_a_view(tt, x, kernel, stride, padding, dilation):
    x = np.ascontiguousarray(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)  # as channels_last gives it
    return tt.convolutions.im2col(x, tt.convolutions.window(kernel, stride, padding, dilation))


@st.composite
def padded_images(draw):
    """Images (B, H, W, C) that are padded already, and the window that moves over them."""
    kernel, stride, padding, dilation, (h, w) = draw(moving())
    (b, c), (ph, pw) = draw(ONE_OR_2), padding
    x = np.pad(draw(mixed((b, h, w, c))), ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    return x, kernel, stride, padding, dilation


def pixels(over, batch=2, channels=2):
    """Images (B, H, W, C) that are padded already, 1, 2, 3..., and the window that moves over them."""
    sides, (kernel, stride, padding, dilation) = over
    shape = (batch, *[size + 2 * p for size, p in zip(sides, padding)], channels)
    return example(*shape), kernel, stride, padding, dilation


OVERS = [DOWN, ACROSS, PLAIN, STRIDED, WIDE, SPREAD]

rubric.doctests("im2col", points=1)


@rubric.check("im2col", points=1)
@given(
    moving(padded=False).flatmap(lambda over: st.tuples(mixed((2, *over[-1], 2)), *map(st.just, over[:-1]))),
    always=[pixels(PLAIN), pixels(STRIDED), *in_each_dtype(*pixels(PLAIN, 1, 1))],
)
def a_row_for_every_window(student, x, kernel, stride, padding, dilation):
    """Row (b, i, j) is the window at (i, j) of image b: its pixels line by line, all channels of a pixel together."""
    windows = window_rows(x, kernel, stride, dilation)
    rows = lambda *order: windows.transpose(order).reshape(-1, windows[0, 0, 0].size)
    mistakes = {
        "each channel is by itself: all channels of a pixel stand together": rows(0, 1, 2, 5, 3, 4),
        "the images take turns: all windows of the first image come first": rows(1, 2, 0, 3, 4, 5),
        "the windows go down the columns: go along the rows": rows(0, 2, 1, 3, 4, 5),
        "the pixels of a window go down its columns: go along its lines": rows(0, 1, 2, 4, 3, 5),
        "this is transposed: windows are rows": rows(0, 1, 2, 3, 4, 5).T,
        "the stride is forgotten": window_rows(x, kernel, ONE, dilation).reshape(-1, windows[0, 0, 0].size),
        "the dilation is forgotten": window_rows(x, kernel, stride, ONE).reshape(-1, windows[0, 0, 0].size),
        "these are the windows of the next call: make a new array in each": np.ones_like(rows(0, 1, 2, 3, 4, 5)),
    }
    yours = student.unfold(x, kernel, stride, padding, dilation)
    close(yours, rows(0, 1, 2, 3, 4, 5), "the matrix", mistakes=mistakes)


@rubric.check("im2col", points=1)
@given(padded_images(), always=[pixels(over) for over in (DOWN, ACROSS, WIDE)])
def x_is_padded_already(student, x, kernel, stride, padding, dilation):
    """x comes with its border: what the window says of padding must not count twice. And x may be a view, as
    channels_last gives it: it need not lie in memory in the order of its axes."""
    windows, (ph, pw) = window_rows(x, kernel, stride, dilation), padding
    twice = window_rows(np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0))), kernel, stride, dilation)
    misread = window_rows(x.transpose(0, 3, 1, 2).reshape(x.shape), kernel, stride, dilation)
    mistakes = {
        "another border was put around it": twice.reshape(-1, windows[0, 0, 0].size),
        "x is read in the order of its memory, not of its axes": misread.reshape(-1, windows[0, 0, 0].size),
        "the windows are read in the order of the memory, not of their axes": windows.transpose(
            0, 1, 2, 5, 3, 4
        ).reshape(-1, windows[0, 0, 0].size),
    }
    yours = student.unfold_a_view(x, kernel, stride, padding, dilation)
    close(yours, windows.reshape(-1, windows[0, 0, 0].size), "the matrix", mistakes=mistakes)


@rubric.probe
def fold(tt, rows, shape, kernel, stride, padding, dilation):
    window = tt.convolutions.window(kernel, stride, padding, dilation)
    return tt.convolutions.col2im(rows, tuple(shape), window)


def added_back(rows, shape, kernel, stride, dilation, winner=None):
    """Every number of every window added to its pixel; or, the mistake, only that of the first or the last window."""
    x = np.zeros(shape, rows.dtype)
    windows = rows.reshape(len(x), *outputs(shape[1:3], kernel, stride, dilation), *kernel, -1)
    for i, j in list(np.ndindex(windows.shape[1:3]))[:: -1 if winner == "first" else 1]:
        for a, n, row, column in seen(kernel, stride, dilation, i, j):
            x[:, row, column] = windows[:, i, j, a, n] + (0 if winner else x[:, row, column])
    return x


@st.composite
def rows_to_add(draw):
    """The rows of windows that overlap, and the shape (padded) of the images that they came from."""
    kernel, stride, padding, dilation, sides = draw(moving(overlapping=True))
    b, c = draw(ONE_OR_2)
    shape = (b, *[size + 2 * p for size, p in zip(sides, padding)], c)
    down, across = outputs(shape[1:3], kernel, stride, dilation)
    rows = draw(mixed((b * down * across, kernel[0] * kernel[1] * c)))
    return rows, shape, kernel, stride, padding, dilation


def sent_back(over, batch=2, channels=2):
    """The rows of the windows of such images, 1, 2, 3..., and the images' shape."""
    x, kernel, stride, padding, dilation = pixels(over, batch, channels)
    down, across = outputs(x.shape[1:3], kernel, stride, dilation)
    rows = example(batch * down * across, kernel[0] * kernel[1] * channels, start=-3)
    return rows, x.shape, kernel, stride, padding, dilation


rubric.doctests("col2im", points=1)


@rubric.check("col2im", points=1)
@given(
    rows_to_add(),
    always=[*[sent_back(over) for over in OVERS], *in_each_dtype(*sent_back(PLAIN, 1, 1))],
)
def pixels_get_the_sum_of_their_windows(student, rows, shape, kernel, stride, padding, dilation):
    """im2col copies a pixel into several windows; its transpose adds up what they send back. `shape` is padded."""
    counts = added_back(np.ones_like(rows), shape, kernel, stride, dilation)
    expected = added_back(rows, shape, kernel, stride, dilation)
    mistakes = {
        "windows overwrite each other: add": added_back(rows, shape, kernel, stride, dilation, "first"),
        "the last window overwrites the others: add": added_back(rows, shape, kernel, stride, dilation, "last"),
        "this is the mean of what the windows send back, not the sum": expected / np.maximum(counts, 1),
    }
    close(student.fold(rows, shape, kernel, stride, padding, dilation), expected, "x", mistakes=mistakes)


# -- weight_gradient and input_gradient -------------------------------------------------------------------------------


@rubric.probe
def for_the_weight(tt, x, g, kernel, stride, padding, dilation):
    window = tt.convolutions.window(kernel, stride, padding, dilation)
    return tt.convolutions.weight_gradient(x, g, window)


@rubric.probe
def for_the_input(tt, g, weight, shape, kernel, stride, padding, dilation):
    window = tt.convolutions.window(kernel, stride, padding, dilation)
    return tt.convolutions.input_gradient(g, weight, tuple(shape), window)


@rubric.probe
def convolved(tt, x, weight, stride, padding, dilation, groups):
    x, weight = np.asarray(x, np.float64), np.asarray(weight, np.float64)
    return tt.convolutions.conv2d(x, weight, stride=stride, padding=padding, dilation=dilation, groups=groups)


@rubric.probe
def walked_back(tt, x, weight, g, stride, padding, dilation, groups):
    x, weight = tt.Tensor(x, requires_grad=True), tt.Tensor(weight, requires_grad=True)
    usual, tt.kernels.BLOCK = tt.kernels.BLOCK, 1  # one image at a time, where the work is done in blocks
    try:
        z = tt.convolutions.conv2d(x, weight, stride=stride, padding=padding, dilation=dilation, groups=groups)
        z.backward(tt.Tensor(g))
    finally:
        tt.kernels.BLOCK = usual
    return x.grad, weight.grad


def border(x, padding):
    (ph, pw) = padding
    return np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))


def weight_slopes(x, g, kernel, stride, padding, dilation):
    """dW, one pixel of one window at a time."""
    x, dw = border(x, padding), np.zeros((*kernel, x.shape[-1], g.shape[-1]), g.dtype)
    for i, j in np.ndindex(g.shape[1:3]):
        for a, b, row, column in seen(kernel, stride, dilation, i, j):
            dw[a, b] += x[:, row, column].T @ g[:, i, j]
    return dw


def input_slopes(g, weight, shape, stride, padding, dilation, cut=True):
    """dx, one pixel of one window at a time."""
    (b, h, w, c), (ph, pw), kernel = shape, padding, weight.shape[:2]
    dx = np.zeros((b, h + 2 * ph, w + 2 * pw, c), g.dtype)
    for i, j in np.ndindex(g.shape[1:3]):
        for a, n, row, column in seen(kernel, stride, dilation, i, j):
            dx[:, row, column] += g[:, i, j] @ weight[a, n].T
    return dx[:, ph : ph + h, pw : pw + w] if cut else dx


@st.composite
def images_and_gradients(draw):
    """x (B, H, W, C), weight (kh, kw, C, K), g (B, H', W', K), and how the window moves."""
    kernel, stride, padding, dilation, (h, w) = draw(moving())
    b, (c, k) = draw(st.integers(1, 3)), draw(ONE_OR_2)
    sides = [size + 2 * p for size, p in zip((h, w), padding)]
    g = draw(mixed((b, *outputs(sides, kernel, stride, dilation), k)))
    return draw(mixed((b, h, w, c))), draw(mixed((*kernel, c, k))), g, stride, padding, dilation


@st.composite
def layers(draw):
    """Small images, filters and gradients for all of conv2d: channels first, in one group or two."""
    kernel, stride, padding, dilation, sides = draw(moving())
    groups = draw(few)
    x, weight = draw(mixed((2, groups, *sides))), draw(mixed((2, 1, *kernel)))
    padded = [size + 2 * p for size, p in zip(sides, padding)]
    g = draw(mixed((2, 2, *outputs(padded, kernel, stride, dilation))))
    return x, weight, g, stride, padding, dilation, groups


def walked(over, batch=2, channels=2, filters=3):
    """x, weight, g, and how the window moves: small numbers of both signs for all."""
    (h, w), (kernel, stride, padding, dilation) = over
    padded = [size + 2 * p for size, p in zip((h, w), padding)]
    small = lambda *shape: example(*shape) * 3 % 7 - 2
    g = small(batch, *outputs(padded, kernel, stride, dilation), filters)
    return small(batch, h, w, channels), small(*kernel, channels, filters), g, stride, padding, dilation


WALKED = [
    *[walked(over) for over in (*OVERS, LOW_KERNEL, NARROW_KERNEL)],
    *[case for over in (PLAIN, STRIDED, WIDE) for case in in_each_dtype(*walked(over, 2, 1, 2))],
]


@rubric.check("weight_gradient", points=1)
@given(images_and_gradients(), always=WALKED)
def a_weight_is_used_in_every_window(student, x, weight, g, stride, padding, dilation):
    """dW is the sum over all windows of all images of what a place saw, times g there; as (kh, kw, C, K)."""
    kernel = weight.shape[:2]
    expected = weight_slopes(x, g, kernel, stride, padding, dilation)
    mistakes = {
        "this is the mean over the images, not the sum": expected / len(x),
        "this is the mean over the windows, not the sum": expected / g[..., 0].size,
        "this is the first image's gradient: all images count": weight_slopes(
            x[:1], g[:1], kernel, stride, padding, dilation
        ),
        "this is the last image's gradient: all images count": weight_slopes(
            x[-1:], g[-1:], kernel, stride, padding, dilation
        ),
        "the kernel is turned round": expected[::-1, ::-1],
        "this is (kh, kw, K, C)": expected.swapaxes(2, 3),
        "this is (K, C, kh, kw)": expected.transpose(3, 2, 0, 1),
        "this is dW as a matrix: give it its four axes": expected.reshape(-1, g.shape[-1]),
    }
    yours = student.for_the_weight(x, g, kernel, stride, padding, dilation)
    close(yours, expected, "dW", mistakes=mistakes)


@rubric.check("weight_gradient", points=1, examples=10)
@given(layers())
def filters_agree_with_nudges(student, x, weight, g, stride, padding, dilation, groups):
    """Nudge one weight of conv2d: the output answers as the gradient that a walk back finds says."""
    _, yours = student.walked_back(x, weight, g, stride, padding, dilation, groups)
    # conv2d is linear: what a nudge of one weight does is what a filter of that weight alone gives.
    alone = np.tile(np.eye(weight[0].size).reshape(-1, *weight.shape[1:]), (groups, 1, 1, 1))
    answers = student.convolved(x, alone, stride, padding, dilation, groups)
    answers, slopes = (
        answers.reshape(len(x), groups, 1, weight[0].size, -1),
        g.reshape(len(x), groups, -1, 1, g[0, 0].size),
    )
    slope = (answers * slopes).sum(axis=(0, -1)).reshape(weight.shape)
    close(yours, slope, "weight.grad", rtol=1e-6, atol=1e-6)


@rubric.check("input_gradient", points=1)
@given(images_and_gradients(), always=WALKED)
def pixels_get_g_from_every_window(student, x, weight, g, stride, padding, dilation):
    """A pixel gets g W^T from every place of every window that saw it. x was padded: its border is cut off again."""
    kernel = weight.shape[:2]
    expected = input_slopes(g, weight, x.shape, stride, padding, dilation)
    whole = input_slopes(g, weight, x.shape, stride, padding, dilation, cut=False)
    rows = (g @ weight.reshape(-1, g.shape[-1]).T).reshape(-1, kernel[0] * kernel[1] * x.shape[-1])
    overwritten = added_back(rows, whole.shape, kernel, stride, dilation, "last")
    (ph, pw), (h, w) = padding, x.shape[1:3]
    mistakes = {
        "the border is still there: cut the padding off": whole,
        "the padding is cut off at the end only, not at the start": whole[:, :h, :w],
        "the kernel is turned round": input_slopes(g, weight[::-1, ::-1], x.shape, stride, padding, dilation),
        "a later window overwrites an earlier one": overwritten[:, ph : ph + h, pw : pw + w],
    }
    yours = student.for_the_input(g, weight, x.shape, kernel, stride, padding, dilation)
    close(yours, expected, "dx", mistakes=mistakes)


@rubric.check("input_gradient", points=1, examples=10)
@given(layers())
def images_agree_with_nudges(student, x, weight, g, stride, padding, dilation, groups):
    """Nudge one pixel under conv2d: the output answers as the gradient that a walk back finds says."""
    yours, _ = student.walked_back(x, weight, g, stride, padding, dilation, groups)
    # conv2d is linear: what a nudge of one pixel does is what an image of that pixel alone gives.
    alone = np.eye(x[0].size).reshape(-1, *x.shape[1:])
    answers = student.convolved(alone, weight, stride, padding, dilation, groups)
    slope = (g.reshape(len(g), -1) @ answers.reshape(len(alone), -1).T).reshape(x.shape)
    close(yours, slope, "x.grad", rtol=1e-6, atol=1e-6)


# -- max_pool2d and its rule ------------------------------------------------------------------------------------------


def pooled(x, kernel, stride, padding, border=-np.inf, choose=np.max):
    """One number of each window; `border` stands around the images."""
    (ph, pw) = padding
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=border)
    z = np.zeros((*x.shape[:2], *outputs(x.shape[2:], kernel, stride, ONE)), x.dtype)
    for i, j in np.ndindex(z.shape[2:]):
        top, left = i * stride[0], j * stride[1]
        z[:, :, i, j] = choose(x[:, :, top : top + kernel[0], left : left + kernel[1]], axis=(2, 3))
    return z


@st.composite
def poolings(draw, border=False):
    """A kernel, its stride, a padding of at most half of it, and height and width; with `border`, not without."""
    kernel, stride, wanted = draw(pairs(1 + border, 3)), draw(ONE_TO_3), ONE if border else draw(pairs(0, 1))
    padding = tuple(min(p, k // 2) for p, k in zip(wanted, kernel))
    sides = tuple(max(1, k - 2 * p) + more for k, p, more in zip(kernel, padding, draw(pairs(0, 3))))
    return kernel, stride, padding, sides


NO_BORDER = example(2, 2, 4, 5)
BY_TWO = (2, 2), (2, 2), NONE
LOW = np.array([-np.inf, -np.inf, -1e30, -np.inf, -np.inf, -1e9, -2e9, -1e9, -np.inf]).reshape(1, 1, 3, 3)
UNKNOWN = np.array([1.0, np.nan, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, np.inf]).reshape(1, 1, 3, 3)

rubric.doctests("max_pool2d", points=1)


@rubric.check("max_pool2d", points=1)
@given(
    poolings().flatmap(lambda over: st.tuples(shuffled((1, 2, *over[-1])), *map(st.just, over[:-1]))),
    st.booleans(),
    always=[
        (NO_BORDER, (2, 3), (2, 1), (1, 0), True),
        (NO_BORDER, (3, 2), (1, 3), (0, 1), True),
        (NO_BORDER, (3, 2), ONE, NONE, False),
        (UNKNOWN, (2, 2), ONE, ONE, True),
        (NO_BORDER[:0], *BY_TWO, True),
        *in_each_dtype(NO_BORDER, *BY_TWO, True),
        *in_each_dtype(NO_BORDER, (2, 2), ONE, ONE, True),
    ],
)
def largest_of_each_window(student, x, kernel, stride, padding, given_stride):
    """Each output is the largest of its window, channel by channel: NaN, if one is in it. Kernel, stride and padding
    are pairs, or one number for both axes; without a stride, windows lie side by side. x may be a view, as conv2d gives
    it: it need not lie in memory in the order of its axes."""
    x, step, options = x - x.size // 2, stride if given_stride else kernel, (short(kernel), short(padding))
    if given_stride:
        yours = student.pool(x, options[0], short(stride), options[1])
    else:
        yours = student.max_pool2d(x, kernel_size=options[0], padding=options[1])
    (ph, pw) = padding
    whole = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=-np.inf)
    mistakes = {
        "these are the smallest": pooled(x, kernel, step, padding, np.inf, np.min),
        "these are the means": pooled(x, kernel, step, padding, 0, np.mean),
        "0 wins where all pixels are below it": np.maximum(pooled(x, kernel, step, padding), 0),
        "the border is 0, which is more than some pixels": pooled(x, kernel, step, padding, 0),
        "the windows move by one pixel": pooled(x, kernel, ONE, padding),
        "the windows move by their own size, whatever the stride": pooled(x, kernel, kernel, padding),
        "the padding is forgotten": or_nothing(pooled, x, kernel, step, NONE),
        "x is read in the order of its memory, not of its axes": pooled(
            whole.transpose(0, 2, 3, 1).reshape(whole.shape), kernel, step, NONE
        ),
    }
    close(yours, pooled(x, kernel, step, padding), "z", mistakes=mistakes)


@rubric.check("max_pool2d", points=1)
@given(
    poolings(border=True).flatmap(lambda over: st.tuples(mixed((1, 1, *over[-1])), *map(st.just, over[:-1]))),
    always=[(LOW, (2, 2), ONE, ONE), (LOW, (2, 2), (2, 2), ONE), *in_each_dtype(example(1, 1, 2, 2), (2, 2), ONE, ONE)],
)
def a_border_never_wins(student, x, kernel, stride, padding):
    """Where all pixels are below 0, a border of zeros would be the largest. What is outside does not count; and a
    padding of more than half of a kernel, along either axis, is refused, as is a kernel that fits nowhere."""
    x = -np.abs(x)
    yours = student.max_pool2d(x, kernel_size=kernel, stride=stride, padding=padding)
    mistakes = {
        "0 wins where all pixels are below it": np.zeros_like(pooled(x, kernel, stride, padding)),
        "the border is 0, which is more than any pixel": pooled(x, kernel, stride, padding, 0),
    }
    close(yours, pooled(x, kernel, stride, padding), "z", mistakes=mistakes)
    for wide in ((kernel[0] // 2 + 1, 0), (0, kernel[1] // 2 + 1)):
        refuses("ValueError", student.max_pool2d, x, kernel_size=kernel, stride=stride, padding=wide)
    refuses("ValueError", student.max_pool2d, x, kernel_size=(1, x.shape[3] + 1), stride=1)


def winners(x, g, kernel, stride, padding, how="first", border=None):
    """dx by a search in each window: g goes to the first of the largest; or, the mistakes, elsewhere.

    A border with a value takes part; None is no pixel, and gets nothing. NaN is the largest.
    """
    (ph, pw), (h, w) = padding, x.shape[2:]
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=border or 0)
    dx, inside = np.zeros(x.shape, g.dtype), lambda row, column: ph <= row < ph + h and pw <= column < pw + w
    for b, c, i, j in list(np.ndindex(g.shape))[:: -1 if how == "kept" else 1]:
        met = [(row, column) for _, _, row, column in seen(kernel, stride, ONE, i, j)]
        places = [place for place in met if border is not None or inside(*place)]
        values = np.array([x[b, c, row, column] for row, column in places])
        wins = np.isnan(values) if np.isnan(values).any() else values == values.max()
        largest = [place for place, won in zip(places, wins) if won]
        ours = {"last": largest[-1:], "each": largest, "shared": largest}.get(how, largest[:1])
        for row, column in ours:
            share = g[b, c, i, j] / (len(largest) if how == "shared" else 1)
            dx[b, c, row, column] = share + (0 if how in ("overwritten", "kept") else dx[b, c, row, column])
    return dx[:, :, ph : ph + h, pw : pw + w]


@st.composite
def ties(draw):
    """Images of 0 and 1, side by side windows or not, and g."""
    kernel, stride, padding, sides = draw(poolings())
    x = (draw(mixed((1, 2, *sides))) > 0).astype(np.float64)
    return x, draw(mixed(pooled(x, kernel, stride, padding).shape)), kernel, stride, padding


@st.composite
def overlapping(draw):
    """Images without ties, windows that overlap, and g."""
    kernel, padding = draw(pairs(2, 3)), draw(pairs(0, 1))
    stride = tuple(min(s, k - 1) for s, k in zip(draw(ONE_OR_2), kernel))
    x = draw(shuffled((2, 1, *map(sum, zip(kernel, draw(NONE_TO_2))))))
    return x, draw(mixed(pooled(x, kernel, stride, padding).shape)), kernel, stride, padding


def tied(x, kernel, stride, padding):
    """An image, g of both signs, and how the window moves."""
    g = example(*pooled(x, kernel, stride, padding).shape) * 3 % 7 - 2
    return x, g.astype(x.dtype), kernel, stride, padding


LEVEL = np.array([0, 1, 1, 0, 1, 1, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0.0]).reshape(1, 1, 4, 4)
SEVERAL = np.array(example(2, 2, 3, 4) ** 2 % 5 > 2, np.float64)  # images of 0 and 1, in two channels
NOT_FINITE = np.array([np.inf, np.nan, 1, 2]).reshape(1, 1, 2, 2)
BESIDE = (3, 2), (3, 2), NONE
MOVES = [BY_TWO, ((2, 2), (2, 1), NONE), ((2, 2), (1, 2), NONE), ((3, 2), ONE, ONE), ((2, 2), (2, 2), ONE)]


@rubric.check("max_pool2d_vjp", points=1)
@given(
    ties(),
    always=[
        *[tied(LEVEL, *how) for how in MOVES],
        *[tied(LEVEL - 1, *how) for how in MOVES],
        *[tied(LOW, *how) for how in MOVES],
        *[tied(1 + 1e-9 * LEVEL, *how) for how in (BY_TWO, BESIDE)],  # nearly equal is not equal
        *[tied(UNKNOWN, *how) for how in (BY_TWO, ((2, 2), ONE, ONE))],
        tied(NOT_FINITE, *BY_TWO),
        *[tied(SEVERAL, *how) for how in (MOVES[3], ((3, 2), (2, 2), ONE))],
        *[tied(LEVEL.astype(kind), *how) for kind in (np.float32, np.float16) for how in MOVES[:2]],
    ],
)
def the_first_of_equals_gets_it_all(student, x, g, kernel, stride, padding):
    """g goes to the largest pixel of its window, and to no other; among equals to the first, line by line. NaN is the
    largest. Kernel, stride and padding are pairs, or one number for both axes; without a stride, windows lie side by
    side."""
    z, moves = pooled(x, kernel, stride, padding), {} if stride == kernel else {"stride": short(stride)}
    wrong = lambda how: winners(x, g, kernel, stride, padding, how)
    mistakes = {
        "a border of 0 wins as well: it gets what a pixel should": winners(x, g, kernel, stride, padding, border=0),
        "equal pixels share g: the first gets it all": wrong("shared"),
        "the last of equal pixels gets g: give it to the first": wrong("last"),
        "every one of the equal pixels gets all of g": wrong("each"),
        "a window overwrites what another has sent: add": wrong("overwritten"),
        "windows overwrite what others have sent: add": wrong("kept"),
    }
    yours = student.max_pool2d_vjp(g, z, x, kernel_size=short(kernel), padding=short(padding), **moves)
    close(yours, wrong("first"), "dx", mistakes=mistakes)


@rubric.check("max_pool2d_vjp", points=1, examples=10)
@given(
    overlapping(),
    always=[tied(example(2, 2, 3, 3), (2, 2), (2, 1), NONE), tied(example(1, 1, 3, 4), (2, 3), ONE, ONE)],
)
def a_pixel_may_win_several_windows(student, x, g, kernel, stride, padding):
    """Windows overlap: a pixel that wins two gets both their g. Nudge a pixel: max_pool2d answers as dx says. x, z and
    g may be views, as conv2d gives them: they need not lie in memory in the order of their axes."""
    yours = student.pooled_back(g, pooled(x, kernel, stride, padding), x, kernel, stride, padding)
    mistakes = {
        "a window overwrites what another has sent: add": winners(x, g, kernel, stride, padding, "overwritten"),
        "windows overwrite what others have sent: add": winners(x, g, kernel, stride, padding, "kept"),
    }
    close(yours, winners(x, g, kernel, stride, padding), "dx", mistakes=mistakes)
    step, alone = 1e-3, np.eye(x[0].size).reshape(-1, *x.shape[1:])
    moved = np.stack([image + sign * step * alone for sign in (1, -1) for image in x])  # one batch of all nudges
    more, less = student.pool(moved.reshape(-1, *x.shape[1:]), kernel, stride, padding).reshape(
        2, len(x), len(alone), -1
    )
    slope = ((more - less) @ g.reshape(len(g), -1, 1) / (2 * step)).reshape(x.shape)
    close(yours, slope, "dx", rtol=1e-6, atol=1e-6)


@rubric.probe
def pool(tt, x, kernel, stride, padding):
    x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)  # as conv2d gives it
    return tt.convolutions.max_pool2d(x, kernel_size=kernel, stride=stride, padding=padding)


@rubric.probe
def pooled_back(tt, g, z, x, kernel, stride, padding):
    g, z, x = (np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) for a in (g, z, x))
    return tt.convolutions.max_pool2d_vjp(g, z, x, kernel_size=kernel, stride=stride, padding=padding)


# -- batch_norm -------------------------------------------------------------------------------------------------------


@rubric.probe
def normalised(tt, x, mean, var, weight, bias, training, momentum, eps):
    x, weight, bias = (tt.Tensor(a, requires_grad=True) for a in (x, weight, bias))
    running = tt.layers.Buffer(np.array(mean)), tt.layers.Buffer(np.array(var))
    held = [r.data for r in running]
    z = tt.convolutions.batch_norm(x, *running, weight, bias, training=training, momentum=momentum, eps=eps)
    return z, held, [r.data for r in running]


@rubric.probe
def left_by_a_refusal(tt, x, mean, var, weight, bias):
    running = tt.layers.Buffer(np.array(mean)), tt.layers.Buffer(np.array(var))
    try:
        tt.convolutions.batch_norm(tt.Tensor(x), *running, tt.Tensor(weight), tt.Tensor(bias), training=True)
    except ValueError:
        return [r.data for r in running]
    raise AssertionError("this should be refused")


@rubric.in_place("mean", "var")
def normalised_slopes(tt, x, g, mean, var, weight, training):
    x, weight, bias = (tt.Tensor(a, requires_grad=True) for a in (x, weight, weight))
    z = tt.convolutions.batch_norm(x, tt.Tensor(mean), tt.Tensor(var), weight, bias, training=training, eps=1.0)
    z.backward(tt.Tensor(g))
    return x.grad, weight.grad, bias.grad


@rubric.probe
def normalised_alone(tt, x, mean, var, weight, training):
    mean, var, weight = (tt.Tensor(np.array(a, np.float64)) for a in (mean, var, weight))
    return tt.convolutions.batch_norm(tt.Tensor(x), mean, var, weight, weight, training=training, eps=1.0)


@rubric.probe
def normalised_in_parts(tt, x, g, weight, at, eps):
    import threading

    from tinytorch.parallel import AllReduce

    sums, parts = AllReduce(2), [slice(None, at), slice(at, None)]
    found, errors = [None, None], []

    def work(number):
        try:
            mine = tt.Tensor(np.array(x[parts[number]]), requires_grad=True)
            running = tt.Tensor(np.zeros(len(weight))), tt.Tensor(np.ones(len(weight)))
            scale, shift = (tt.Tensor(np.array(weight), requires_grad=True) for _ in range(2))
            share = lambda part: sums(number, part)
            with tt.convolutions.sharing(share):
                z = tt.convolutions.batch_norm(mine, *running, scale, shift, training=True, eps=eps) * 1.0
                z.backward(tt.Tensor(np.array(g[parts[number]])))
            found[number] = [z.data, mine.grad.data, running[1].data, scale.grad, shift.grad]
        except BaseException as error:
            errors.append(error)
            sums.barrier.abort()

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise min(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError))
    whole = [np.concatenate([found[0][i], found[1][i]]) for i in (0, 1)]
    return whole + [[found[0][i], found[1][i]] for i in (2, 3, 4)]


def along(channels, x):
    """(C,) beside x (B, C, ...)."""
    return channels.reshape(-1, *[1] * (x.ndim - 2))


def moments(x, **options):
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    return x.mean(axis=axes), x.var(axis=axes, **options)


def standardized(x, mean, var, weight, bias, eps):
    return along(weight, x) * (x - along(mean, x)) / np.sqrt(along(var, x) + eps) + along(bias, x)


PLACES = st.sampled_from([(), (1,), (2,), (1, 1), (1, 2), (2, 1), (2, 2)])


@st.composite
def channels_of(draw):
    """A batch (B, C), (B, C, T) or (B, C, H, W) of two or more numbers a channel, and four numbers of each channel."""
    (b, c), rest = draw(pairs(1, 3)), draw(PLACES)
    x = draw(mixed((b + 1, c, *rest)))
    means, variances, weight, bias = draw(mixed((4, c)))
    return x, means, np.abs(variances), weight, bias


def numbered(*shape):
    """Small numbers in a shape (B, C, ...), and four numbers of each channel."""
    x, channels = example(*shape) ** 2 % 11 - 4, shape[1]
    means, variances, weight, bias = (example(channels, start=start) for start in (-1, 2, 3, -3))
    return x, means, variances, weight, bias


epsilons = st.sampled_from([1.0, 0.25])
FORMS = [numbered(*shape) for shape in [(2, 2), (1, 2, 3), (3, 2, 2), (2, 3, 2, 1), (2, 1, 2, 3), (2, 2, 1, 2, 2)]]
SINGLE = in_dtype(np.float32, *FORMS[2])
FAR_OFF = 1e8 + example(3, 1, start=0), *FORMS[4][1:]
FAR_SINGLE = in_dtype(np.float32, 2**22 + np.array([[4.0, 1], [0, 3], [1, 5], [3, 6], [2, 5]]), *numbered(5, 2)[1:])
DEAD = *FORMS[2][:3], np.array([0.0, 3.0]), FORMS[2][4]  # a weight is 0, so that z says nothing of x


# -- standardize_vjp --------------------------------------------------------------------------------------------------


def slopes_of(x, g, weight, std):
    """n, and by name what dx is where mean and std move with x, and where a way to the loss was left out."""
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    over = lambda a: a.mean(axis=axes, keepdims=True)
    n, scale, size = (x - over(x)) / along(std, x), along(weight / std, x), x.size // x.shape[1]
    straight, through_mean, through_std = g, -over(g), -n * over(g * n)
    return n, {
        "all": scale * (straight + through_mean + through_std),
        "mean and std are taken for constants": scale * straight,
        "the way through the mean is missing": scale * (straight + through_std),
        "the way through std is missing": scale * (straight + through_mean),
        "the straight way is missing": scale * (through_mean + through_std),
        "these are sums over the channel: divide by N": scale * (g - size * (over(g) + n * over(g * n))),
        "what comes through mean and std has the other sign": scale * (g + over(g) + n * over(g * n)),
        "this is the slope of the variance, and std is its root": scale * (g - over(g) - 2 * n * over(g * n)),
        "the weight is missing": (straight + through_mean + through_std) / along(std, x),
    }


def uneven(x, start):
    """A g in x's shape, that is not the same for any two numbers in a row."""
    return start + np.arange(x.size).reshape(x.shape) ** 2 % 7


@rubric.probe
def standardized_back(tt, g, z, x, weight, bias, mean, std):
    g, z, x = (np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) for a in (g, z, x))
    return tt.convolutions.standardize_vjp(g, z, x, weight, bias, mean=mean, std=std, learned=True)


@rubric.check("standardize_vjp", points=1)
@given(
    channels_of(),
    epsilons,
    always=[*[(*form, 0.25) for form in (*FORMS, DEAD, FAR_SINGLE)], (*in_dtype(np.float32, *FORMS[4]), 0.25)],
)
def mean_and_std_move_with_x(student, x, running_mean, running_var, weight, bias, eps):
    """Statistics that are x's own: nudge one number, and mean, std and all z of its channel move. dx counts it all,
    for any number of axes. x, z and g may be views: they need not lie in memory in the order of their axes."""
    dtype, whole = x.dtype, x.astype(np.float64)
    (mean, var), g = moments(whole), uneven(whole, bias[0])
    n, dx = slopes_of(whole, g, weight.astype(np.float64), np.sqrt(var + eps))
    z = along(weight, x) * n + along(bias, x)
    mean, std, z, g = (a.astype(dtype) for a in (mean, np.sqrt(var + eps), z, g))
    yours, _, _ = student.standardized_back(g, z, x, weight, bias, mean, std)
    close(yours, dx.pop("all").astype(dtype), "dx", rtol=1e-4, atol=1e-4, mistakes=dx)


@rubric.check("standardize_vjp", points=1)
@given(
    channels_of(),
    epsilons,
    st.booleans(),
    always=[
        *[(*form, 0.25, learned) for form in (FORMS[2], DEAD) for learned in (True, False)],
        (*FAR_SINGLE, 0.25, True),
        (*FORMS[4], 1.0, False),
        (*SINGLE, 0.25, False),
    ],
)
def weight_and_bias_and_constants(student, x, running_mean, running_var, weight, bias, eps, learned):
    """db is the sum of g and dw that of g n, channel by channel. Where mean and std are constants, dx is w g / std."""
    dtype, whole = x.dtype, x.astype(np.float64)
    mean, var = moments(whole) if learned else (running_mean.astype(np.float64), running_var.astype(np.float64))
    std, g = np.sqrt(var + eps), uneven(whole, bias[0])
    n, axes = (whole - along(mean, x)) / along(std, x), tuple(axis for axis in range(x.ndim) if axis != 1)
    z, given_g = (along(weight, x) * n + along(bias, x)).astype(dtype), g.astype(dtype)
    options = {"mean": mean.astype(dtype), "std": std.astype(dtype), "learned": learned}
    dx, dw, db = student.standardize_vjp(given_g, z, x, weight, bias, **options)
    wrong = {
        "x itself is in it, not n": (g * whole).sum(axis=axes),
        "these are means, not sums": (g * n).mean(axis=axes),
    }
    close(dw, (g * n).sum(axis=axes).astype(dtype), "dw", rtol=1e-4, atol=1e-4, mistakes=wrong)
    wrong = {"this is a mean, not a sum": g.mean(axis=axes), "the weight is no part of db": (g.sum(axis=axes) * weight)}
    close(db, g.sum(axis=axes).astype(dtype), "db", rtol=1e-4, atol=1e-4, mistakes=wrong)
    if not learned:
        mistakes = slopes_of(whole, g, weight, std)[1]
        moving = {"mean and std are constants here: nothing moves through them": mistakes["all"]}
        close(dx, (along(weight / std, x) * g).astype(dtype), "dx", rtol=1e-4, atol=1e-4, mistakes=moving)


@rubric.check("standardize_vjp", points=1, examples=10)
@given(channels_of(), st.integers(1, 3), always=[(*FORMS[2], 1), (*FORMS[2], 2)])
def parts_of_a_batch_move_together(student, x, running_mean, running_var, weight, bias, at):
    """Two threads have a part of the batch each: a number moves the mean and the std of both parts. Use all_sum. dw and
    db are those of a thread's own part."""
    g, at = uneven(x, bias[0]), min(at, len(x) - 1)
    _, dx, _, dws, dbs = student.normalised_in_parts(x, g, weight, at, 1.0)
    n, right = slopes_of(x, g, weight, np.sqrt(moments(x)[1] + 1))
    close(dx, right.pop("all"), "x.grad", mistakes=right)
    for name, found, each in (("weight.grad", dws, g * n), ("bias.grad", dbs, g)):
        over = lambda part: part.sum(axis=tuple(axis for axis in range(x.ndim) if axis != 1))
        mistakes = {"this is the whole batch's: a thread answers for its own part": over(each)}
        for mine, part in zip(found, (each[:at], each[at:])):
            close(mine, over(part), f"{name} of a part", mistakes=mistakes)


# -- batch_norm, on top of it -----------------------------------------------------------------------------------------


@rubric.check("batch_norm", points=1)
@given(
    channels_of(),
    epsilons,
    always=[*[(*form, 0.25) for form in FORMS], (*FORMS[0], 0.0), (*SINGLE, 0.25), (*FAR_OFF, 0.0625)],
)
def mean_0_and_variance_1_per_channel(student, x, running_mean, running_var, weight, bias, eps):
    """In training each channel is shifted and scaled by its own mean and its biased variance, over all other axes."""
    z, _, _ = student.normalised(x, running_mean, running_var, weight, bias, True, 0.1, eps)
    dtype, x = x.dtype, x.astype(np.float64)
    mean, var = moments(x)
    wrong = lambda *moments, eps=eps: standardized(x, *moments, weight, bias, eps)
    over = lambda *axes: (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)
    outside = along(weight, x) * (x - along(mean, x)) / (np.sqrt(along(var, x)) + eps) + along(bias, x)
    scaled = lambda n: along(weight, x) * n + along(bias, x)
    mistakes = {
        "this divides by the unbiased variance, over n - 1": wrong(mean, moments(x, ddof=1)[1]),
        "these are the running statistics: a batch in training has its own": wrong(running_mean, running_var),
        "this divides by the variance, not by its root": wrong(mean, (var + eps) ** 2, eps=0),
        "eps stands outside the root": outside,
        "eps is missing": wrong(mean, var, eps=0) if var.all() else np.nan,
        "this is the usual eps, 1e-5, not the given one": wrong(mean, var, eps=1e-5),
        "the statistics are over the examples only: go over all axes but the channels": scaled(over(0)),
        "each example has statistics of its own": scaled(over(*range(1, x.ndim))),
        "weight and bias are missing": standardized(x, mean, var, np.ones_like(weight), np.zeros_like(bias), eps),
    }
    close(z, wrong(mean, var).astype(dtype), "z", mistakes=mistakes)


@rubric.check("batch_norm", points=1, examples=10)
@given(channels_of(), st.booleans(), always=[(*form, training) for form in FORMS[1:4:2] for training in (True, False)])
def statistics_of_x_move_with_x(student, x, running_mean, running_var, weight, bias, training):
    """Nudge a number: in training mean and variance move too, and dx knows; the running ones stay where they are. The
    weight and the bias get gradients, too."""
    g, step, form = bias[0] + np.arange(x.size).reshape(x.shape) % 5, 1e-4, (len(x), 2, x.size, *x.shape[1:])
    yours, dw, db = student.normalised_slopes(x, g, running_mean, running_var, weight, training)
    # Channels do not see each other: all nudged copies of x, side by side as channels, are one batch.
    alone = step * np.eye(x.size).reshape(-1, *x.shape)
    copies = np.moveaxis(np.concatenate([x + alone, x - alone]), 0, 1).reshape(len(x), -1, *x.shape[2:])
    channels = [np.tile(a, 2 * x.size) for a in (running_mean, running_var, weight)]
    z = student.normalised_alone(copies, *channels, training).reshape(form)
    slope = ((z[:, 0] - z[:, 1]) * g[:, None]).sum(axis=(0, *range(2, x.ndim + 1))).reshape(x.shape) / (2 * step)
    mean, var = moments(x) if training else (running_mean, running_var)
    mistakes = {"mean and variance are taken as fixed": g * along(weight, x) / np.sqrt(along(var, x) + 1)}
    close(yours, slope, "x.grad", rtol=1e-5, atol=1e-5, mistakes=mistakes)
    n, axes = (x - along(mean, x)) / np.sqrt(along(var, x) + 1), tuple(axis for axis in range(x.ndim) if axis != 1)
    close(dw, (g * n).sum(axis=axes), "weight.grad")
    close(db, g.sum(axis=axes), "bias.grad")


@rubric.check("batch_norm", points=1)
@given(
    channels_of(),
    st.sampled_from([0.25, 0.1, 1.0]),
    always=[(*FORMS[1], 0.1), (*FORMS[4], 0.25), (*FORMS[0], 0.0), (*SINGLE, 0.25)],
)
def running_statistics_follow_in_place(student, x, running_mean, running_var, weight, bias, momentum):
    """In training r += momentum * (the batch's - r), in place, with the unbiased variance; of one number, refuse,
    before anything moves."""
    _, held, now = student.normalised(x, running_mean, running_var, weight, bias, True, momentum, 1.0)
    (mean, var), (_, biased) = moments(x, ddof=1), moments(x)
    for name, mine, kept, before, own in zip(
        ("running_mean", "running_var"), now, held, (running_mean, running_var), (mean, var)
    ):
        expected = before + momentum * (own - before)
        mistakes = {
            "it has not moved": before,
            "the momentum is the wrong way round": own + momentum * (before - own),
            "this is the batch's own": own,
            "this is the usual momentum, 0.1, not the given one": before + 0.1 * (own - before),
            "it is added to, not moved towards": before + momentum * own,
        }
        if name == "running_var":
            mistakes["this keeps the biased variance: n / (n - 1) of it is wanted"] = before + momentum * (
                biased - before
            )
            mistakes["the deviation is kept, not the variance"] = before + momentum * (np.sqrt(var) - before)
        close(mine, expected, name, mistakes=mistakes)
        holds(
            np.array_equal(kept, mine),
            f"{name}.data is another array now: change the numbers of the one that is there",
            the_array_that_was_there=kept,
        )
    one = x[(slice(1), slice(None), *[slice(1)] * (x.ndim - 2))]
    refuses("ValueError", student.normalised, one, running_mean, running_var, weight, bias, True, momentum, 1.0)
    left = student.left_by_a_refusal(one, running_mean, running_var, weight, bias)
    for name, mine, before in zip(("running_mean", "running_var"), left, (running_mean, running_var)):
        close(mine, before, f"{name} after a refusal")


@rubric.check("batch_norm", points=1)
@given(channels_of(), epsilons, always=[*[(*form, 0.25) for form in FORMS[:2]], (*FORMS[4], 1.0), (*SINGLE, 0.25)])
def running_statistics_serve_afterwards(student, x, running_mean, running_var, weight, bias, eps):
    """Out of training the running statistics are used, and stay as they are: one example is treated as in a batch, and
    of none nothing is asked."""
    z, _, now = student.normalised(x, running_mean, running_var, weight, bias, False, 0.5, eps)
    expected = standardized(x, running_mean, running_var, weight, bias, eps)
    mistakes = {"these are the batch's own statistics": standardized(x, *moments(x), weight, bias, eps)}
    close(z, expected, "z", mistakes=mistakes)
    for name, mine, before in zip(("running_mean", "running_var"), now, (running_mean, running_var)):
        close(mine, before, f"{name} after evaluation")
    one, _, _ = student.normalised(x[:1], running_mean, running_var, weight, bias, False, 0.5, eps)
    close(one, expected[:1], "z of the first example alone", mistakes=mistakes)
    none, _, _ = student.normalised(x[:0], running_mean, running_var, weight, bias, False, 0.5, eps)
    close(none, expected[:0], "z of no example")


@rubric.check("batch_norm", points=1, examples=10)
@given(channels_of(), st.integers(1, 3), always=[(*FORMS[2], 1), (*FORMS[2], 2), (*FORMS[0], 1)])
def parts_of_a_batch_share_their_sums(student, x, running_mean, running_var, weight, bias, at):
    """Two threads with a part each, whose sums `statistics` adds up, find what one finds with the whole batch."""
    g, at = bias[0] + np.arange(x.size).reshape(x.shape) % 5, min(at, len(x) - 1)
    z, dx, variances, _, _ = student.normalised_in_parts(x, g, weight, at, 1.0)
    mean, var = moments(x)
    both = lambda part: standardized(part, *moments(part), weight, weight, 1.0)
    mistakes = {"each part has statistics of its own": np.concatenate([both(x[:at]), both(x[at:])])}
    close(z, standardized(x, mean, var, weight, weight, 1.0), "z", mistakes=mistakes)
    for mine in variances:
        close(mine, 1 + 0.1 * (moments(x, ddof=1)[1] - 1), "running_var")
    close(dx, slopes_of(x, g, weight, np.sqrt(var + 1))[1]["all"], "x.grad")


# -- accounting -------------------------------------------------------------------------------------------------------


def bytes_of_columns():
    """What im2col makes of one padded image."""
    import tinytorch as tt

    x = np.zeros((1, 58, 58, 64), np.float32)
    return tt.convolutions.im2col(x, tt.convolutions.window(3, stride=2)).nbytes


@rubric.accounting(points=1, unit="bytes", counted=bytes_of_columns, tolerance=0, difficulty=1, minutes=6)
def columns_bytes():
    """How many bytes does the matrix of windows take that `im2col` makes of one image in float32? It has 64 channels of
    56 x 56 pixels and gets a padding of 1; the filters have 3 x 3 weights for each channel, the stride is 2."""
    # How many windows fit along an axis (output_size)? A window is a row: how many numbers has it?
    windows = 28 * 28
    return 4 * windows * 3 * 3 * 64
