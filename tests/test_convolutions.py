"""What is true of convolutions: two kernels and PyTorch agree, and two threads compute what one does."""

import copy
import itertools
import json
import math
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import direction, numbers, pytorch

import tinytorch as tt
from tinytorch import convolutions, kernels
from tinytorch.autograd import gradcheck
from tinytorch.convolutions import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    Conv2d,
    Dropout2d,
    MaxPool2d,
    Residual,
    Window,
    adaptive_avg_pool2d,
    avg_pool2d,
    batch_norm,
    channels_first,
    channels_last,
    col2im,
    conv2d,
    conv2d_naive,
    im2col,
    input_gradient,
    max_pool2d,
    output_size,
    standardize,
    statistics,
    weight_gradient,
    window,
)
from tinytorch.kernels import blocked, wild, winograd, winograd_fits, winograd_weight_gradient
from tinytorch.layers import Dropout, Flatten, Linear, Module, ReLU, Sequential
from tinytorch.losses import cross_entropy
from tinytorch.optimizers import SGD, AdamW, CosineAnnealingLR
from tinytorch.parallel import AllReduce, ParallelTrainer
from tinytorch.tensor import Tensor
from tinytorch.training import AveragingTrainer, Batch, Batches, Trainer, accuracy

TOLERANCE = {"float32": {"rtol": 2e-4, "atol": 2e-4}, "float64": {"rtol": 1e-9, "atol": 1e-9}}


def noise(*shape, seed=0, dtype="float64"):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


def equal(yours, theirs, dtype="float64", **tolerance):
    np.testing.assert_allclose(yours, theirs, **{**TOLERANCE[str(dtype)], **tolerance})


# -- windows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_as_many_windows_fit_as_can_be_counted(kernel, stride, dilation):
    for size, padding in itertools.product(range(1, 9), range(3)):
        span = dilation * (kernel - 1) + 1
        counted = len([start for start in range(0, 20, stride) if start + span <= size + 2 * padding])
        assert max(0, output_size(size, kernel, stride, padding, dilation)) == counted


def test_a_window_is_made_of_numbers_or_pairs():
    assert window(3) == Window((3, 3)) == ((3, 3), (1, 1), (0, 0), (1, 1))
    assert window((3, 2), [2, 1], (1, 0), 2) == ((3, 2), (2, 1), (1, 0), (2, 2))
    assert window((3, 5), padding="same", dilation=(2, 1)).padding == (2, 2)
    assert window(2, 3, "valid") == ((2, 2), (3, 3), (0, 0), (1, 1))
    assert window((3, 2), padding="same", dilation=2).outputs(7, 6) == (7, 6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((2, 1, "same"), r"odd spans, got kernel \(2, 2\), stride \(1, 1\)"),
        ((3, 2, "same"), r"stride 1 .* got kernel \(3, 3\), stride \(2, 2\)"),
        ((0,), r"1 or more .* got \(0, 0\)"),
        ((2, 0), r"got \(2, 2\), \(0, 0\)"),
        ((2, 1, -1), r"padding 0 or more, got .* and \(-1, -1\)"),
        ((2, 1, 0, 0), r"1 or more"),
    ],
)  # fmt: skip
def test_an_impossible_window_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        window(*arguments)


def test_taps_tell_what_each_place_of_the_kernel_meets():
    over = window((2, 1), stride=(2, 3), dilation=(3, 1))
    assert [(i, j) for i, j, _, _ in over.taps(2, 2)] == [(0, 0), (1, 0)]
    x = np.arange(70).reshape(7, 10)
    assert [x[rows, columns].tolist() for _, _, rows, columns in over.taps(2, 2)] == [
        [[0, 3], [20, 23]],
        [[30, 33], [50, 53]],
    ]


def test_col2im_is_the_transpose_of_im2col():
    for over in (window(3), window((2, 3), 2), window(2, 3), window((3, 1), 1, 0, 2), window((2, 3), (1, 2), (1, 1))):
        x = noise(2, 7, 6, 3)
        rows = im2col(x, over)
        back = noise(*rows.shape, seed=1)
        assert (rows * back).sum() == pytest.approx((x * col2im(back, x.shape, over)).sum())


def test_im2col_of_no_images_has_rows_of_the_right_length():
    assert im2col(np.zeros((0, 4, 5, 2)), window((3, 2))).shape == (0, 3 * 2 * 2)


def test_views_of_windows_are_what_im2col_copies():
    x = noise(2, 7, 6, 3)
    for over in (window(3), window((2, 3), (2, 1)), window((3, 2), 1, 0, (2, 3))):
        view = kernels.windows(x, over.kernel, over.stride, over.dilation)
        assert np.shares_memory(view, x)
        np.testing.assert_array_equal(view.reshape(len(im2col(x, over)), -1), im2col(x, over))


# -- conv2d --------------------------------------------------------------------------------------------------------


@st.composite
def convolutions_of_any_kind(draw):
    """Shapes and options of a conv2d in which at least one window fits."""
    pairs = lambda low, high: st.tuples(st.integers(low, high), st.integers(low, high))
    kernel, dilation = draw(pairs(1, 4)), draw(pairs(1, 2))
    odd = all(d * (k - 1) % 2 == 0 for k, d in zip(kernel, dilation))
    padding = draw(st.one_of(pairs(0, 3), st.sampled_from(["valid", *(["same"] if odd else [])])))
    stride = (1, 1) if padding == "same" else draw(st.one_of(st.just((1, 1)), pairs(1, 3)))
    over = window(kernel, stride, padding, dilation)
    sides = [
        max(1, d * (k - 1) + 1 - 2 * p) + draw(st.integers(0, 5)) for k, d, p in zip(kernel, dilation, over.padding)
    ]
    groups, each = draw(st.sampled_from([(1, 1), (1, 3), (2, 1), (2, 2), (3, 1)]))
    b, k = draw(st.integers(1, 3)), groups * draw(st.integers(1, 2))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return (b, groups * each, *sides), (k, each, *kernel), options


def both(x_shape, w_shape, bias, dtype, needs=(True, True, True), layout="first", **options):
    """(z, gradients) of ours, and the same of theirs."""
    torch = pytorch()
    arrays = [noise(*x_shape, dtype=dtype), noise(*w_shape, seed=1, dtype=dtype)]
    arrays += [noise(w_shape[0], seed=2, dtype=dtype)] if bias else []
    leaves = [torch.tensor(a, requires_grad=need) for a, need in zip(arrays, needs)]
    theirs = torch.nn.functional.conv2d(*leaves, **options)
    g = noise(*theirs.shape, seed=3, dtype=dtype)
    theirs.backward(torch.tensor(g))
    if layout == "last":
        arrays[0] = np.ascontiguousarray(arrays[0].transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    elif layout == "strided":
        wide = np.zeros((x_shape[0], 2 * x_shape[1], *x_shape[2:]), dtype)
        wide[:, ::2] = arrays[0]
        arrays[0], arrays[1] = wide[:, ::2], np.asfortranarray(arrays[1])
    inputs = [Tensor(a, requires_grad=need) for a, need in zip(arrays, needs)]
    z = conv2d(*inputs, **options)
    z.backward(Tensor(g))
    ours = [z.data, *(x.grad.data if x.grad is not None else None for x in inputs)]
    return ours, [theirs.detach().numpy(), *(x.grad.numpy() if x.grad is not None else None for x in leaves)]


def agree(ours, theirs, dtype, **tolerance):
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine is None) == (other is None)
        if mine is not None:
            assert mine.dtype == dtype and mine.shape == other.shape
            equal(mine, other, dtype, **tolerance)


@settings(max_examples=120, deadline=None)
@given(
    convolutions_of_any_kind(),
    st.booleans(),
    st.sampled_from(["float32", "float64"]),
    st.sampled_from(["first", "last", "strided"]),
)
def test_conv2d_and_its_gradients_agree_with_pytorch(shapes, bias, dtype, layout):
    x, weight, options = shapes
    agree(*both(x, weight, bias, dtype, layout=layout, **options), dtype)


@pytest.mark.parametrize("block", [1, 2000, 2**21])
@pytest.mark.parametrize("padding", [0, 1, 2, 3])
@pytest.mark.parametrize("sides", [(6, 7), (3, 3), (5, 4)])
def test_wide_convolutions_take_winograd_and_agree_with_pytorch(sides, padding, block, monkeypatch):
    monkeypatch.setattr(kernels, "BLOCK", block * 64)
    for channels, filters in ((64, 64), (9, 70), (64, 4)):
        assert winograd_fits(window(3, padding=padding), channels, filters) is (filters >= 8)
        for dtype in ("float32", "float64"):
            ours, theirs = both((3, channels, *sides), (filters, channels, 3, 3), True, dtype, padding=padding)
            agree(ours, theirs, dtype, **({"rtol": 2e-3, "atol": 2e-3} if dtype == "float32" else {}))


@pytest.mark.parametrize("needs", [n for n in itertools.product([False, True], repeat=3) if any(n)])
def test_gradients_are_for_those_who_need_them(needs):
    for channels in (2, 8):
        ours, theirs = both((2, channels, 4, 5), (8, channels, 3, 3), True, "float64", needs, padding=1)
        agree(ours, theirs, "float64")
    x, weight, bias, g = noise(1, 2, 3, 3), noise(4, 2, 3, 3), noise(4), noise(1, 4, 1, 1)
    found = convolutions.conv2d_vjp(g, g, x, weight, bias, exactly=[None], needs=needs)
    assert tuple(part is not None for part in found) == needs  # the others cost nothing


@pytest.mark.parametrize(
    ("change", "channels", "fits"),
    [({}, 8, True), ({}, 7, False),
     ({"stride": 2}, 8, False), ({"dilation": 2}, 8, False), ({"kernel": 5}, 8, False)],
)  # fmt: skip
def test_winograd_is_for_3_x_3_windows_of_stride_1_and_some_channels(change, channels, fits):
    assert winograd_fits(window(**{"kernel": 3, **change}), channels, 64) is fits


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.integers(1, 7)] * 2),
    st.tuples(*[st.integers(0, 3)] * 2),
    st.tuples(*[st.integers(1, 4)] * 3),
    st.booleans(),
    st.sampled_from([1, 600, 3000, 2**21]),
)
def test_every_kernel_computes_the_same(sides, padding, sizes, biased, block):
    """Loops, one product, blocks of it, Winograd's: for any number of channels."""
    sides = tuple(max(side, 3 - 2 * p) for side, p in zip(sides, padding))
    (b, c, k), over = sizes, window(3, 1, padding)
    x, weight, bias = noise(b, *sides, c), noise(3, 3, c, k), noise(k, seed=4) if biased else None
    (ph, pw), first = padding, weight.transpose(3, 2, 0, 1)
    expected = channels_last(conv2d_naive(channels_first(x), first, bias, padding=padding))
    bordered = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    product = (im2col(bordered, over) @ weight.reshape(-1, k)).reshape(expected.shape)
    equal(product if bias is None else product + bias, expected)
    g = noise(*expected.shape, seed=5)
    dw = (im2col(bordered, over).T @ g.reshape(-1, k)).reshape(weight.shape)
    dx = col2im(g.reshape(-1, k) @ weight.reshape(-1, k).T, bordered.shape, over)
    dx = dx[:, ph : ph + x.shape[1], pw : pw + x.shape[2]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "BLOCK", block)
        equal(blocked(x, weight, over, bias), expected)
        equal(winograd(x, weight, over, bias), expected)
        equal(weight_gradient(x, g, over), dw)
        equal(winograd_weight_gradient(x, g, over), dw)
        equal(input_gradient(g, weight, x.shape, over), dx)
        patch.setattr(kernels, "winograd_fits", lambda *_: True)
        equal(input_gradient(g, weight, x.shape, over), dx)


# -- what Winograd's sums would spoil ------------------------------------------------------------------------------


def tapped(height, width, at):
    """Which outputs of a 3 x 3 window, padded by 1, see the pixel."""
    seen = np.zeros((height, width), bool)
    seen[max(at[0] - 1, 0) : at[0] + 2, max(at[1] - 1, 0) : at[1] + 2] = True
    return seen


@pytest.mark.parametrize("value", [1e3, -1e6, 1e30, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("at", [(0, 0), (3, 5), (4, 0), (8, 8)])
def test_a_pixel_out_of_range_spoils_no_output_that_does_not_see_it(value, at):
    x, weight = noise(3, 9, 9, 8, dtype="float32"), noise(3, 3, 8, 16, dtype="float32")
    over, seen = window(3, padding=1), tapped(9, 9, at)
    exact = blocked(x.astype(np.float64), weight.astype(np.float64), over)
    x[1, *at, 2] = value
    assert wild(x).tolist() == [False, True, False]
    z = kernels.convolve(x, weight, over)
    scale = np.sqrt((exact**2).mean())
    assert abs(z[1][~seen] - exact[1][~seen]).max() < 1e-5 * scale
    assert abs(z[[0, 2]] - exact[[0, 2]]).max() < 1e-5 * scale
    np.testing.assert_array_equal(z[1], blocked(x, weight, over)[1])
    np.testing.assert_array_equal(np.isfinite(z[1]).all(axis=-1), np.isfinite(value) | ~seen)


def test_winograd_by_itself_spoils_the_strips_that_see_the_pixel_and_no_others():
    x, weight, over = noise(1, 16, 9, 8, dtype="float32"), noise(3, 3, 8, 16, dtype="float32"), window(3, padding=1)
    clean = winograd(x, weight, over)
    x[0, 5, 4, 0] = np.nan  # line 5 is seen by the strips of outputs 4 to 7 alone
    with np.errstate(invalid="ignore"):
        z = winograd(x, weight, over)
    spoiled = np.isnan(z).any(axis=-1)[0]
    assert spoiled[4:8, 3:6].all() and spoiled.sum() == 12
    np.testing.assert_array_equal(z[0][~spoiled], clean[0][~spoiled])


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("channels", [8, 128])
def test_within_the_range_winograds_error_is_less_than_a_ten_thousandth(channels, positive):
    worst = 0.0
    for seed in range(5):
        x, weight = noise(1, 12, 12, channels, seed=seed), noise(3, 3, channels, 8, seed=9)
        x = np.maximum(x, 0) if positive else x
        others = np.sort(abs(np.delete(x, 6, axis=1)).reshape(11, -1).max(axis=1))
        x[0, 6, 6, 0] = 0.999 * kernels.SPREAD * others[5]  # the median of the 12 lines, this one's the largest
        assert not wild(x).any() and wild(x * np.where(x > 10, 1.1, 1)).all()
        exact = blocked(x, weight, window(3, padding=1))
        z = winograd(x.astype(np.float32), weight.astype(np.float32), window(3, padding=1))
        unseen = ~tapped(12, 12, (6, 6))
        worst = max(worst, abs(z - exact)[0][unseen].max() / np.sqrt((exact[0][unseen] ** 2).mean()))
    assert worst < 1e-4


@pytest.mark.parametrize("where", ["x", "g"])
@pytest.mark.parametrize("value", [1e6, np.inf, np.nan])
def test_gradients_are_as_exact_as_pytorchs_beside_a_pixel_out_of_range(value, where):
    torch = pytest.importorskip("torch")
    x, weight = noise(2, 8, 9, 9, dtype="float32"), noise(16, 8, 3, 3, seed=1, dtype="float32")
    g = noise(2, 16, 9, 9, seed=2, dtype="float32")
    (x if where == "x" else g)[1, 0, 0, 4] = value
    ours = [Tensor(a, requires_grad=True) for a in (x, weight)]
    with np.errstate(invalid="ignore"):  # infinity times a border of zeros
        conv2d(*ours, padding=1).backward(Tensor(g))
    theirs = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (x, weight)]
    torch.nn.functional.conv2d(*theirs, padding=1).backward(torch.tensor(g, dtype=torch.float64))
    for mine, other in zip(ours, theirs):
        np.testing.assert_allclose(mine.grad.data, other.grad.numpy(), rtol=1e-4, atol=1e-3)


def test_a_wild_image_does_not_change_its_neighbours_and_whole_numbers_stay_whole():
    x, weight, over = noise(4, 6, 6, 8, dtype="float32"), noise(3, 3, 8, 8, dtype="float32"), window(3)
    alone = kernels.convolve(x, weight, over)
    x[2, 0, 0, 0] = 1e9
    np.testing.assert_array_equal(kernels.convolve(x, weight, over)[[0, 1, 3]], alone[[0, 1, 3]])
    whole = (
        np.random.default_rng(0).integers(-5, 6, (2, 6, 6, 8)),
        np.random.default_rng(1).integers(-5, 6, (3, 3, 8, 8)),
    )
    np.testing.assert_array_equal(kernels.convolve(*whole, over), blocked(*whole, over))
    assert wild(np.zeros((2, 4, 4, 8))).tolist() == [False, False]
    assert wild(np.zeros((0, 4, 4, 8), np.float32)).shape == (0,)


@pytest.mark.parametrize("images", [1, 2, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [2, 64])
def test_a_last_block_may_be_smaller(images, stride, channels, monkeypatch):
    options = {"stride": stride, "padding": 1}
    whole, _ = both((images, channels, 5, 6), (64, channels, 3, 3), True, "float64", **options)
    for each in (1, 2, 3):
        image = 9 * channels * 30 * 8 // stride**2
        monkeypatch.setattr(kernels, "BLOCK", each * max(image, 6 * 2 * 7 * (channels + 64) * 8))
        agree(whole, both((images, channels, 5, 6), (64, channels, 3, 3), True, "float64", **options)[0], "float64")


@pytest.mark.parametrize("channels", [3, 64])
def test_integers_and_mixed_dtypes_are_convolved_in_the_wider_one(channels):
    whole = np.random.default_rng(0).integers(0, 256, (2, channels, 5, 5))
    weight = noise(64, channels, 3, 3, dtype="float32")

    def gradient(x, weight):
        weight = Tensor(weight, requires_grad=True)
        z = conv2d(x, weight, padding=1)
        z.backward(Tensor(direction(z.shape).astype(z.dtype)))
        return z.data, weight.grad.data

    expected = gradient(whole.astype(np.float32), weight)
    for kind in ("uint8", "int64"):
        for mine, other in zip(gradient(whole.astype(kind), weight), expected):
            assert mine.dtype == np.float32
            np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-1)
    z, dw = gradient(whole.astype(np.float64), weight)
    assert z.dtype == np.float64 and dw.dtype == np.float32


@pytest.mark.parametrize("channels", [3, 64])
def test_float16_comes_back_as_float16_with_gradients(channels):
    x, weight = noise(2, channels, 5, 5, dtype="float16"), noise(64, channels, 3, 3, dtype="float16")

    def found(x, weight):
        x, weight = Tensor(x, requires_grad=True), Tensor(weight, requires_grad=True)
        z = conv2d(x, weight, padding=1)
        z.backward(Tensor(direction(z.shape).astype(z.dtype)))
        return z.data, x.grad.data, weight.grad.data

    for half, single in zip(found(x, weight), found(x.astype(np.float32), weight.astype(np.float32))):
        assert half.dtype == np.float16
        np.testing.assert_allclose(half, single, atol=5e-3 * np.abs(single).max())


@pytest.mark.parametrize("channels", [2, 64])
def test_no_images_are_convolved_to_none(channels):
    x = Tensor(np.zeros((0, channels, 5, 5), np.float32), requires_grad=True)
    weight = Tensor(noise(64, channels, 3, 3, dtype="float32"), requires_grad=True)
    for stride in (1, 2):
        z = conv2d(x, weight, Tensor(np.zeros(64, np.float32)), stride=stride, padding=1)
        z.sum().backward()
        assert z.shape[:2] == (0, 64) and x.grad.shape == x.shape
        assert weight.grad.shape == weight.shape and not weight.grad.data.any()


@pytest.mark.parametrize(
    ("x", "weight", "options", "message"),
    [
        ((3, 5, 5), (2, 3, 2, 2), {}, r"images \(B, C, H, W\), got shape \(3, 5, 5\)"),
        ((1, 3, 5, 5), (2, 4, 2, 2), {}, r"x \(1, 3, 5, 5\), weight \(2, 4, 2, 2\)"),
        ((1, 3, 5, 5), (2, 3, 2), {}, r"weight \(2, 3, 2\)"),
        ((1, 4, 5, 5), (3, 2, 2, 2), {"groups": 2}, r"weight \(3, 2, 2, 2\), groups 2"),
        ((1, 4, 5, 5), (2, 4, 2, 2), {"groups": 2}, r"x \(1, 4, 5, 5\), .* groups 2"),
        ((1, 3, 5, 4), (2, 3, 3, 3), {"dilation": 2}, r"kernel \(3, 3\) .* dilation \(2, 2\) .* 5 x 4 pixels"),
        ((1, 3, 2, 2), (2, 3, 3, 3), {}, r"does not fit into 2 x 2 pixels"),
        ((1, 2, 3, 4), (2, 2, 1, 1), {"bias": np.zeros(4)}, r"bias \(4,\)"),
        ((1, 2, 3, 4), (2, 2, 1, 1), {"bias": np.zeros((2, 1))}, r"bias \(2, 1\)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(x, weight, options, message):
    with pytest.raises(ValueError, match=message):
        conv2d(np.zeros(x), np.zeros(weight), **options)


CHECKED = {
    "conv2d": (
        lambda x, w, b: conv2d(x, w, b, stride=(2, 1), padding=1, dilation=(1, 2)), [(2, 2, 5, 5), (3, 2, 3, 2), (3,)],
    ),
    "conv2d in groups": (lambda x, w: conv2d(x, w, groups=2), [(1, 4, 3, 3), (2, 2, 2, 2)]),
    "max_pool2d": (lambda x: max_pool2d(x, kernel_size=3, stride=2, padding=1), [(2, 2, 5, 4)]),
    "avg_pool2d": (lambda x: avg_pool2d(x, kernel_size=(2, 3), stride=1, padding=1), [(2, 2, 4, 5)]),
    "adaptive_avg_pool2d": (lambda x: adaptive_avg_pool2d(x, output_size=(2, 3)), [(2, 2, 5, 4)]),
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKED)
def test_gradients_agree_with_nudges(name):
    f, shapes = CHECKED[name]
    assert gradcheck(f, *(numbers(shape, seed) for seed, shape in enumerate(shapes)))


@pytest.mark.parametrize("shape", [(5, 3), (3, 3, 2), (2, 3, 2, 2)])
@pytest.mark.parametrize("training", [True, False])
def test_normalisation_agrees_with_nudges(shape, training):
    running = [Tensor(np.array([0.5, -1.0, 2.0])), Tensor(np.array([1.0, 4.0, 0.5]))]
    tensor = lambda x: x if isinstance(x, Tensor) else Tensor(x)
    f = lambda x, w, b: batch_norm(tensor(x), *running, w, b, training=training, momentum=0.0)
    assert gradcheck(f, *(numbers(s, i) for i, s in enumerate((shape, (3,), (3,)))))


def test_a_convolution_as_a_module():
    layer = Conv2d(4, 6, (3, 2), stride=(2, 1), padding=1, groups=2, rng=np.random.default_rng(0))
    assert repr(layer) == "Conv2d(4, 6, kernel_size=(3, 2), stride=(2, 1), padding=(1, 1), groups=2)"
    assert (
        repr(Conv2d(1, 2, 3, dilation=2, bias=False)) == "Conv2d(1, 2, kernel_size=(3, 3), dilation=(2, 2), bias=False)"
    )
    assert sum(p.numel() for p in layer.parameters()) == 6 * 2 * 3 * 2 + 6
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    bound = 1 / math.sqrt(2 * 3 * 2)
    assert bound * 0.9 < abs(layer.weight.data).max() <= bound and not layer.bias.data.any()
    assert layer.weight.dtype == layer.bias.dtype == np.float32 and layer.weight.shape == (6, 2, 3, 2)
    x = noise(2, 4, 5, 5, dtype="float32")
    expected = conv2d(x, layer.weight, layer.bias, stride=(2, 1), padding=1, groups=2)
    np.testing.assert_array_equal(layer(x).data, expected.data)
    assert Conv2d(3, 4, 5, padding="same")(noise(1, 3, 6, 7, dtype="float32")).shape == (1, 4, 6, 7)
    again = Conv2d(4, 6, (3, 2), groups=2, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(layer.weight.data, again.weight.data)
    for channels in ((3, 4), (4, 3)):
        with pytest.raises(ValueError, match=f"{channels[0]}, {channels[1]} in 2 groups"):
            Conv2d(*channels, 3, groups=2)


# -- pooling -------------------------------------------------------------------------------------------------------

POOLINGS = [
    {"kernel_size": 2}, {"kernel_size": (3, 2)}, {"kernel_size": 3, "stride": 1},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": (2, 3), "stride": (3, 1), "padding": (1, 0)}, {"kernel_size": 1, "stride": 2},
    {"kernel_size": (4, 5), "stride": (1, 2), "padding": (2, 2)}, {"kernel_size": (1, 3), "padding": (0, 1)},
]  # fmt: skip


def pooled_by_both(name, x, **options):
    torch = pytorch()
    leaf, mine = torch.tensor(x, requires_grad=True), Tensor(x, requires_grad=True)
    theirs = getattr(torch.nn.functional, name)(leaf, **options)
    z = getattr(convolutions, name)(mine, **options)
    g = noise(*theirs.shape, seed=3, dtype=x.dtype)
    theirs.backward(torch.tensor(g))
    z.backward(Tensor(g))
    return [z.data, mine.grad.data], [theirs.detach().numpy(), leaf.grad.numpy()]


@pytest.mark.parametrize("options", POOLINGS, ids=str)
@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pooling_agrees_with_pytorch(name, options, dtype, monkeypatch):
    for seed, sides in enumerate(((7, 6), (5, 5), (4, 9))):
        for x in (
            noise(3, 2, *sides, seed=seed, dtype=dtype),
            -1 - abs(noise(3, 2, *sides, seed=seed, dtype=dtype)),  # a border of zeros would win
            np.random.default_rng(seed).integers(0, 3, (3, 2, *sides)).astype(dtype),  # ties
            channels_first(noise(3, *sides, 2, seed=seed, dtype=dtype)),
        ):
            agree(*pooled_by_both(name, x, **options), dtype, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(kernels, "BLOCK", 1)
    agree(*pooled_by_both(name, noise(3, 2, 7, 6, dtype=dtype), **options), dtype, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"stride": 1}, {"padding": 1}, {"stride": 1, "padding": 1}], ids=str)
@pytest.mark.parametrize("value", [-np.inf, np.inf, np.nan])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 1.0])
def test_max_pooling_of_what_is_not_finite_is_pytorchs(options, value, share):
    x = noise(2, 3, 5, 6, dtype="float32")
    x[np.random.default_rng(3).random(x.shape) < share] = value
    torch = pytest.importorskip("torch")
    mine, other = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    z, w = (
        tt.convolutions.max_pool2d(mine, kernel_size=2, **options),
        torch.nn.functional.max_pool2d(other, 2, **options),
    )
    np.testing.assert_array_equal(z.data, w.detach().numpy())
    z.sum().backward()
    w.sum().backward()
    assert mine.grad.data.sum() == z.numel()  # every window sends its 1 to one pixel
    if not np.isnan(value):  # of several NaN the last gets it there, the first here
        np.testing.assert_array_equal(mine.grad.data, other.grad.numpy())


def test_a_lone_nan_gets_the_gradient_of_every_window_that_it_spoils():
    x = noise(1, 1, 4, 4, dtype="float32")
    x[0, 0, 1, 1] = np.nan
    mine = Tensor(x, requires_grad=True)
    z = max_pool2d(mine, kernel_size=2, stride=1)
    z.sum().backward()
    assert np.isnan(z.data).sum() == 4 and mine.grad.data[0, 0, 1, 1] == 4 and mine.grad.data.sum() == 9


def test_nan_is_larger_than_infinity_to_a_maximum_and_its_rule():
    x = Tensor(np.array([np.inf, np.nan, 1, np.inf], np.float32).reshape(1, 1, 2, 2), requires_grad=True)
    max_pool2d(x, kernel_size=2).backward(Tensor(np.ones((1, 1, 1, 1), np.float32)))
    np.testing.assert_array_equal(x.grad.data.ravel(), [0, 1, 0, 0])


@pytest.mark.parametrize("size", [1, 2, 3, (2, 5), (5, 4), (7, 6)])
def test_adaptive_pooling_agrees_with_pytorch(size):
    for dtype, sides in itertools.product(("float32", "float64"), ((5, 4), (7, 6), (1, 1))):
        x = noise(2, 3, *sides, dtype=dtype)
        agree(*pooled_by_both("adaptive_avg_pool2d", x, output_size=size), dtype, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("f", [max_pool2d, avg_pool2d], ids=lambda f: f.name)
def test_pooling_names_what_does_not_fit(f):
    with pytest.raises(ValueError, match=r"padding \(2, 2\) is more than half of the kernel \(3, 3\)"):
        f(np.zeros((1, 1, 9, 9)), kernel_size=3, padding=2)
    with pytest.raises(ValueError, match=r"images \(B, C, H, W\), got shape \(9, 9\)"):
        f(np.zeros((9, 9)), kernel_size=3)
    with pytest.raises(ValueError, match="does not fit into 2 x 9 pixels"):
        f(np.zeros((1, 1, 2, 9)), kernel_size=3)
    with pytest.raises(ValueError, match=f"{f.name} needs images"):
        f(np.zeros((3, 9, 9)), kernel_size=3)


def test_whole_numbers_have_no_border_that_never_wins():
    pixels = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4)
    assert (max_pool2d(pixels, kernel_size=2).data == [[[[5, 7], [13, 15]]]]).all()
    with pytest.raises(TypeError, match="a border of -inf needs images of floats, got uint8"):
        max_pool2d(pixels, kernel_size=2, padding=1)


def test_adaptive_pooling_needs_images():
    with pytest.raises(ValueError, match=r"adaptive_avg_pool2d needs images .* \(9, 9\)"):
        adaptive_avg_pool2d(np.zeros((9, 9)), output_size=1)


def test_pooling_as_modules():
    x = noise(2, 3, 7, 6, dtype="float32")
    for module, expected in [
        (MaxPool2d(2), max_pool2d(x, kernel_size=2)),
        (MaxPool2d(3, 2, 1), max_pool2d(x, kernel_size=3, stride=2, padding=1)),
        (AvgPool2d((2, 3), stride=1), avg_pool2d(x, kernel_size=(2, 3), stride=1)),
        (AdaptiveAvgPool2d(1), x.mean(axis=(2, 3), keepdims=True)),
        (AdaptiveAvgPool2d((2, 1)), adaptive_avg_pool2d(x, output_size=(2, 1))),
    ]:
        np.testing.assert_allclose(module(x).data, np.asarray(expected), rtol=1e-6)
        assert not list(module.parameters())
    assert repr(MaxPool2d(2)) == "MaxPool2d(kernel_size=(2, 2), stride=(2, 2))"
    assert repr(AvgPool2d(3, 1, 1)) == "AvgPool2d(kernel_size=(3, 3), padding=(1, 1))"
    assert repr(AdaptiveAvgPool2d(1)) == "AdaptiveAvgPool2d(output_size=1)"
    with pytest.raises(ValueError, match="more than half"):
        MaxPool2d(2, padding=2)


# -- batch normalisation -------------------------------------------------------------------------------------------

NORMS = [
    ("BatchNorm1d", (6, 3)),
    ("BatchNorm1d", (4, 3, 5)),
    ("BatchNorm2d", (3, 5, 4, 7)),
    ("BatchNorm2d", (1, 2, 1, 2)),
]


@pytest.mark.parametrize(("name", "shape"), NORMS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [{}, {"eps": 0.1, "momentum": 0.3}], ids=str)
def test_batch_norm_agrees_with_pytorch_through_training_and_evaluation(name, shape, dtype, options, monkeypatch):
    torch = pytorch()
    ours, theirs = getattr(convolutions, name)(shape[1], **options), getattr(torch.nn, name)(shape[1], **options)
    theirs = theirs.to(getattr(torch, dtype))
    state = {"weight": noise(shape[1], seed=1), "bias": noise(shape[1], seed=2)}
    for key, value in state.items():
        getattr(ours, key).data = value.astype(dtype)
        getattr(theirs, key).data = torch.tensor(value.astype(dtype))
    for buffer in ours.buffers():
        buffer.data = buffer.data.astype(dtype)

    def step(seed):
        x = (3 * noise(*shape, seed=seed) + 2).astype(dtype)
        mine, other = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        z, w = ours(mine), theirs(other)
        g = noise(*shape, seed=seed + 9, dtype=dtype)
        z.backward(Tensor(g))
        w.backward(torch.tensor(g))
        tensors = [(z, w.detach()), (mine.grad, other.grad)]
        tensors += [(getattr(ours, key).grad, getattr(theirs, key).grad) for key in state]
        tensors += [(buffer, getattr(theirs, key)) for key, buffer in ours.named_buffers()]
        for yours, wanted in tensors:
            assert yours.dtype == dtype and yours.shape == tuple(wanted.shape)
            equal(yours.data, wanted.numpy(), dtype)

    for seed in range(4):
        step(seed)
        monkeypatch.setattr(kernels, "BLOCK", [2**21, 1, 100, 5000][seed])
    ours.eval()
    theirs.eval()
    step(7)


def test_a_mean_far_larger_than_the_deviation_costs_no_digits():
    x = 1000 + noise(64, 3, 16, 16)
    layer = BatchNorm2d(3)
    z = layer(Tensor(x.astype(np.float32))).data
    assert z.dtype == np.float32
    seen = x.astype(np.float32).astype(np.float64)
    mean, std = seen.mean((0, 2, 3), keepdims=True), seen.std((0, 2, 3), keepdims=True)
    np.testing.assert_allclose(z, (seen - mean) / std, rtol=0, atol=1e-3)
    np.testing.assert_allclose(layer.running_var.data, 0.9 + 0.1 * seen.var((0, 2, 3), ddof=1), rtol=1e-4)
    mean, var, n = statistics(x.astype(np.float32))
    np.testing.assert_allclose(var, seen.var((0, 2, 3)), rtol=1e-4)
    assert n == 64 * 16 * 16 and mean.dtype == var.dtype == np.float32


def test_float64_images_through_a_float32_layer():
    x, layer = Tensor(noise(4, 3, 2, 2), requires_grad=True), BatchNorm2d(3)
    z = layer(x)
    z.sum().backward()
    assert z.dtype == x.grad.dtype == np.float64 and layer.weight.grad.dtype == np.float32
    assert layer.running_mean.dtype == layer.running_var.dtype == np.float32


def test_running_statistics_are_saved_and_restored():
    net = Sequential(Conv2d(1, 2, 3), BatchNorm2d(2), Flatten())
    net(Tensor(noise(4, 1, 5, 5, dtype="float32") + 3))
    state = {name: array.copy() for name, array in net.state_dict().items()}
    assert list(state) == ["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"]
    assert state["1.running_mean"].any()
    other = Sequential(Conv2d(1, 2, 3), BatchNorm2d(2), Flatten())
    other.load_state_dict(state)
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
    x = Tensor(noise(1, 1, 5, 5, dtype="float32"))
    np.testing.assert_array_equal(net.eval()(x).data, other.eval()(x).data)
    with pytest.raises(ValueError, match=r"missing \['1.running_mean'\]"):
        other.load_state_dict({name: array for name, array in state.items() if name != "1.running_mean"})


def test_a_buffer_is_kept_and_not_learned():
    net = Sequential(BatchNorm1d(3), Linear(3, 2))
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert [name for name, _ in net.named_buffers()] == ["0.running_mean", "0.running_var"]
    assert [id(b) for b in net.buffers()] == [id(net[0].running_mean), id(net[0].running_var)]
    assert not any(buffer.requires_grad for buffer in net.buffers())
    optimizer = SGD(net.parameters(), lr=0.1, weight_decay=0.5)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert not held & {id(b) for b in net.buffers()}
    net(Tensor(noise(4, 3))).sum().backward()
    before = [b.data.copy() for b in net.buffers()]
    optimizer.step()
    assert all((b.data == was).all() for b, was in zip(net.buffers(), before))
    assert all(b.grad is None for b in net.buffers())


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (BatchNorm1d(3), (4, 2), r"BatchNorm1d\(3\) needs 2 axes or 3 axes, the second of 3: got \(4, 2\)"),
        (BatchNorm1d(3), (4, 3, 2, 2), r"BatchNorm1d\(3\) .* got \(4, 3, 2, 2\)"),
        (BatchNorm2d(3), (4, 3), r"BatchNorm2d\(3\) needs 4 axes, the second of 3: got \(4, 3\)"),
        (BatchNorm2d(3), (4, 2, 3, 3), r"BatchNorm2d\(3\) .* got \(4, 2, 3, 3\)"),
        (BatchNorm1d(3), (1, 3), r"more than one number a channel to train, got x \(1, 3\)"),
        (BatchNorm2d(2), (1, 2, 1, 1), r"more than one number a channel to train, got x \(1, 2, 1, 1\)"),
    ],
)  # fmt: skip
def test_what_cannot_be_normalised_is_named(layer, shape, message):
    before = [b.data.copy() for b in layer.buffers()]
    with pytest.raises(ValueError, match=message):
        layer(Tensor(noise(*shape)))
    assert all((b.data == was).all() for b, was in zip(layer.buffers(), before))


def test_one_number_a_channel_is_enough_in_evaluation():
    z = BatchNorm1d(2, eps=0.0).eval()(Tensor([[3.0, -1.0]]))
    np.testing.assert_array_equal(z.data, [[3, -1]])


def test_standardize_with_statistics_that_are_given_and_with_its_own():
    x = np.array([[1.0, 10.0], [3.0, 30.0]])
    mean, var, n = statistics(x)
    assert mean.tolist() == [2, 20] and var.tolist() == [1, 100] and n == 2
    z = standardize(x, np.array([1.0, 2.0]), np.array([0.0, 5.0]), mean=mean, std=np.sqrt(var))
    assert z.data.tolist() == [[-1, 3], [1, 7]]


# -- dropout of channels, shortcuts --------------------------------------------------------------------------------


def test_dropout2d_drops_whole_channels():
    x = np.ones((20, 30, 3, 2), np.float32)
    z = Dropout2d(0.25, rng=np.random.default_rng(0))(Tensor(x)).data
    assert z.dtype == np.float32
    assert (z == z[:, :, :1, :1]).all() and set(np.unique(z)) == {0, np.float32(4 / 3)}
    assert 0.18 < (z == 0).mean() < 0.32
    again = Dropout2d(0.25, rng=np.random.default_rng(0))(Tensor(x)).data
    np.testing.assert_array_equal(z, again)
    tt.manual_seed(3)
    first = Dropout2d(0.5)(Tensor(x)).data
    tt.manual_seed(3)
    np.testing.assert_array_equal(first, Dropout2d(0.5)(Tensor(x)).data)
    x = Tensor(x, requires_grad=True)
    z = Dropout2d(0.5)(x)
    z.sum().backward()
    np.testing.assert_array_equal(x.grad.data, z.data)
    assert Dropout2d(0.5).eval()(x) is x and Dropout2d(0)(x) is x and repr(Dropout2d(0.3)) == "Dropout2d(p=0.3)"
    with pytest.raises(ValueError, match="0 <= p < 1, got 1"):
        Dropout2d(1)(x)


def test_a_residual_adds_what_came_in():
    x = Tensor(noise(2, 4, 6, 6, dtype="float32"), requires_grad=True)
    body, shortcut = Conv2d(4, 8, 3, stride=2, padding=1), Conv2d(4, 8, 1, stride=2)
    net = Residual(body, ReLU(), shortcut=shortcut)
    expected = np.maximum(body(x).data, 0) + shortcut(x).data
    np.testing.assert_allclose(net(x).data, expected, rtol=1e-6)
    assert [name for name, _ in net.named_parameters()] == [
        "body.0.weight", "body.0.bias", "shortcut.weight", "shortcut.bias",
    ]  # fmt: skip
    plain = Residual(Conv2d(4, 4, 3, padding=1))
    np.testing.assert_allclose(plain(x).data, plain.body(x).data + x.data)
    for p in plain.parameters():
        p.data[...] = 0
    plain(x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, np.ones(x.shape))
    with pytest.raises(ValueError, match="add"):
        Residual(Conv2d(4, 8, 3, padding=1))(x)


# -- two threads ---------------------------------------------------------------------------------------------------

X = noise(22, 2, 6, 6, dtype="float32")
Y = np.random.default_rng(5).integers(0, 3, 22)


def network(norm=True, p=0.0, rng=None):
    return Sequential(
        Conv2d(2, 4, 3, padding=1), *([BatchNorm2d(4)] if norm else []), ReLU(), MaxPool2d(2), Dropout2d(p, rng),
        Residual(Conv2d(4, 4, 3, padding=1), *([BatchNorm2d(4)] if norm else []), ReLU()),
        Flatten(), Dropout(p), Linear(36, 3),
    )  # fmt: skip


def trainer(kind=Trainer, norm=True, p=0.0, seed=0, own=False, optimizer=AdamW, model=None, dtype=None, **options):
    tt.manual_seed(seed)
    model = model or network(norm, p, np.random.default_rng(seed) if own else None)
    for tensor in [*model.parameters(), *model.buffers()] if dtype else []:
        tensor.data = tensor.data.astype(dtype)
    optimizer = optimizer(model.parameters(), lr=0.01)
    return kind(model, optimizer, schedule=CosineAnnealingLR(optimizer, T_max=20), **options)


def data(size=4):
    return Batches(X, Y, size=size, seed=1)


def everything(trainer):
    arrays, rest = trainer.state_dict()
    return {name: (a.dtype, a.shape, a.tobytes()) for name, a in arrays.items()}, json.dumps(rest, sort_keys=True)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"accumulate": 2}, {"clip": 0.3}, {"threads": 3, "clip": 0.5, "accumulate": 3}], ids=str
)
def test_threads_compute_what_one_alone_does(norm, options):
    """In float64, the batch of 22 in parts of 5, the last of 2: loss, norm, weights, running statistics."""
    one, many = (
        trainer(kind, norm, dtype="float64", optimizer=lambda ps, lr: SGD(ps, lr=lr, momentum=0.9), **given)
        for kind, given in (
            (Trainer, {name: value for name, value in options.items() if name != "threads"}),
            (ParallelTrainer, options),
        )
    )
    losses = [[], []]
    for t, found in zip((one, many), losses):
        batches = Batches(X.astype(np.float64), Y, size=5, seed=1)
        t.callbacks.append(lambda t, found=found: found.append([t.step_loss, t.step_norm]))
        t.fit(batches, 2, batches)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-6)
    mine, theirs = many.state_dict()[0], one.state_dict()[0]
    assert list(mine) == list(theirs)
    for name, array in mine.items():
        np.testing.assert_allclose(array, theirs[name], rtol=1e-6, atol=1e-9, err_msg=name)
    assert many.history == [pytest.approx(epoch, rel=1e-6) for epoch in one.history]


def test_a_float32_epoch_in_threads_stays_near_that_of_one():
    one, many = trainer(optimizer=SGD), trainer(ParallelTrainer, optimizer=SGD)
    for t in (one, many):
        t.fit(data(), 2)
    for name, array in many.state_dict()[0].items():
        np.testing.assert_allclose(array, one.state_dict()[0][name], rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("own", [False, True])
def test_the_same_seed_gives_the_same_bits(own):
    def run(seed):
        t = trainer(ParallelTrainer, p=0.3, seed=seed, own=own)
        t.fit(data(), 2)
        return everything(t)

    assert run(0) == run(0) != run(1)


def test_threads_drop_different_channels():
    t = trainer(ParallelTrainer, p=0.5)
    t.step([Batch(Tensor(X), Tensor(Y))])
    first, second = ([m.rng.bit_generator.state["state"] for m in r.modules() if hasattr(m, "rng")] for r in t.replicas)
    assert all(mine != other for mine, other in zip(first, second))


@pytest.mark.parametrize("kind", [Trainer, ParallelTrainer])
@pytest.mark.parametrize("own", [False, True])
def test_a_training_that_was_stopped_goes_on_to_the_same_bits(kind, own, tmp_path):
    whole = trainer(kind, p=0.3, own=own, accumulate=2)
    whole.fit(data(), 3)
    first = trainer(kind, p=0.3, own=own, accumulate=2, callbacks=[lambda t: t.steps == 4 and t.stop()])
    first.fit(data(), 3, checkpoint=tmp_path / "run.safetensors")
    assert first.batch and first.steps == 4
    second = trainer(kind, p=0.3, seed=5, own=own, accumulate=2)
    second.load(tmp_path / "run.safetensors")
    second.fit(data(), 3)
    assert everything(second) == everything(whole)


class Fuse(Module):
    """Blows on images whose first pixel is 99."""

    def __init__(self, error):
        self.error = error

    def forward(self, x):
        if (x.data[:, 0, 0, 0] == 99).any():
            raise self.error("blown")
        return x


class Blown(Exception):
    pass


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("at", [0, 10, 21])
@pytest.mark.parametrize("error", [Blown, KeyboardInterrupt])
def test_an_error_in_one_thread_reaches_the_caller_and_training_goes_on(norm, at, error):
    t = trainer(ParallelTrainer, norm=norm, threads=3)
    t = trainer(ParallelTrainer, model=Sequential(Fuse(error), t.model), threads=3)
    x, before = X.copy(), threading.active_count()
    x[at, 0, 0, 0] = 99
    for _ in range(2):
        with pytest.raises(error, match="blown"):
            t.step([Batch(Tensor(x), Tensor(Y))])
        assert threading.active_count() == before
    fresh = copy.deepcopy(t.model)
    assert math.isfinite(t.step([Batch(Tensor(X), Tensor(Y))])) and threading.active_count() == before
    assert any((p.data != q.data).any() for p, q in zip(t.model.parameters(), fresh.parameters()))


def test_batches_smaller_than_the_threads_are_not_shared():
    t = trainer(ParallelTrainer, norm=False, threads=3)
    one = trainer(norm=False)
    for i in range(3):
        batch = [Batch(Tensor(X[:i]), Tensor(Y[:i])) for i in (1, 2, 3, 4)[: i + 1]]
        assert t.step(batch) == pytest.approx(one.step(batch), rel=1e-5)
    for mine, other in zip(t.model.parameters(), one.model.parameters()):
        np.testing.assert_allclose(mine.data, other.data, rtol=1e-3, atol=1e-5)


def test_what_is_frozen_stays_frozen_and_evaluation_mode_is_every_threads():
    one, many = trainer(optimizer=SGD), trainer(ParallelTrainer, optimizer=SGD)
    for t in (one, many):
        t.step([Batch(Tensor(X), Tensor(Y))])
        t.model[0].weight.requires_grad = False
        t.model.eval()
        before = [b.data.copy() for b in t.model.buffers()]
        t.step([Batch(Tensor(X), Tensor(Y))])
        assert t.model[0].weight.grad is None
        assert all((b.data == was).all() for b, was in zip(t.model.buffers(), before))
    for name, array in many.state_dict()[0].items():
        np.testing.assert_allclose(array, one.state_dict()[0][name], rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("mode", [False, True])
def test_threads_evaluate_as_one_alone_does(mode):
    """Batches of 5, the last of 2, with three threads: the running statistics are used, and nothing is changed."""
    one: dict = {}
    for kind, options in ((Trainer, {}), (ParallelTrainer, {"threads": 3})):
        t = trainer(kind, p=0.5, dtype="float64", metrics={"accuracy": accuracy}, **options)
        t.model.train(mode)
        model, before = t.model, everything(t)
        found = t.evaluate(Batches(X.astype(np.float64), Y, size=5, seed=1))
        assert t.model is model and everything(t) == before
        assert all(module.training is mode for module in model.modules())
        one = one or found
        assert found.keys() == one.keys() and np.allclose([*found.values()], [*one.values()], rtol=1e-12)
        with pytest.raises(ValueError, match="evaluate needs one example or more"):
            t.evaluate([])
        assert t.model is model


def test_a_mean_of_weights_is_judged_by_threads_too():
    """Two kinds of trainers in one: what is judged is the one's, who judges it the other's."""
    averaging = type("Averaging", (AveragingTrainer, ParallelTrainer), {})
    t = trainer(averaging, dtype="float64", share=0.3, metrics={"accuracy": accuracy})
    t.fit(data(), 1)
    found, model = t.evaluate(data()), t.model
    t.model = t.mean
    wanted = Trainer.evaluate(t, data())
    assert [*found.values()] == pytest.approx([*wanted.values()], rel=1e-6)
    t.model = model
    assert Trainer.evaluate(t, data())["loss"] != pytest.approx(wanted["loss"], rel=1e-3)


def test_sums_over_threads_are_the_same_for_all():
    all_reduce, found = AllReduce(3), [None] * 3

    def work(number):
        parts = [np.float32(10.0**power) * np.arange(3, dtype=np.float32) for power in (number, -number, 7 - number)]
        found[number] = [all_reduce(number, part).tobytes() for part in parts]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1] == found[2]
    assert np.frombuffer(found[0][0], np.float32).tolist() == [0, 111, 222]


def test_the_model_and_its_loss_learn_images():
    """Bright above or bright below: a few steps of either trainer tell them apart."""
    y = np.arange(40) % 2
    x = 0.3 * noise(40, 1, 6, 6, dtype="float32")
    x[y == 0, :, :3] += 1
    x[y == 1, :, 3:] += 1
    for kind in (Trainer, ParallelTrainer):
        tt.manual_seed(0)
        model = Sequential(Conv2d(1, 4, 3, padding=1), BatchNorm2d(4), ReLU(), MaxPool2d(2), Flatten(), Linear(36, 2))
        t = kind(model, SGD(model.parameters(), lr=0.1, momentum=0.9), cross_entropy)
        t.fit(Batches(x, y, size=10), 8)
        assert (model.eval()(Tensor(x)).data.argmax(1) == y).mean() == 1


def test_no_groups_are_refused():
    with pytest.raises(ValueError, match="groups 0"):
        conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), groups=0)
    with pytest.raises(ValueError, match="in 0 groups"):
        Conv2d(4, 4, 3, groups=0)


def test_means_of_whole_numbers_are_not_cut():
    assert adaptive_avg_pool2d(np.array([[[[1, 2]]]]), output_size=1).item() == 1.5


def test_batch_norm_takes_a_bare_array_as_other_modules_do():
    x = noise(4, 3, 2, 2)
    assert np.array_equal(BatchNorm2d(3)(x).data, BatchNorm2d(3)(Tensor(x)).data)


# -- edges ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 2), (3, 4)])
def test_a_border_never_wins_a_maximum_not_even_of_infinities(shape):
    torch = pytorch()
    x = np.full((1, 1, *shape), -np.inf, np.float32)
    x[0, 0, 0, 1] = 1.0
    leaf, theirs = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    for kernel, stride in ((3, 1), (2, 1), (2, 2)):
        leaf.grad = theirs.grad = None
        options = {"kernel_size": kernel, "stride": stride, "padding": 1}
        max_pool2d(leaf, **options).sum().backward()
        torch.nn.functional.max_pool2d(theirs, **options).sum().backward()
        np.testing.assert_array_equal(leaf.grad.data, theirs.grad)


def test_batch_norm_of_nothing_is_refused_in_training_and_nothing_in_evaluation():
    for norm, shape in ((BatchNorm1d(2), (0, 2)), (BatchNorm1d(2), (3, 2, 0)), (BatchNorm2d(2), (0, 2, 3, 3))):
        with pytest.raises(ValueError, match="more than one number a channel to train, got x"):
            norm(tt.zeros(*shape))
        assert norm.running_mean.tolist() == [0, 0]
        assert norm.eval()(tt.zeros(*shape)).shape == shape


def test_bytes_do_not_wrap_and_float16_does_not_overflow():
    images = np.full((4, 1, 4, 4), 200, np.uint8)
    images[::2] = 100
    for layer in (tt.nn.AvgPool2d(2), tt.nn.AdaptiveAvgPool2d(1), BatchNorm2d(1), BatchNorm2d(1).eval()):
        expected = layer(Tensor(images.astype(np.float32)))
        np.testing.assert_allclose(layer(Tensor(images)).data, expected.data, rtol=1e-5)
    weight = np.full((1, 1, 3, 3), 2, np.uint8)
    assert conv2d(Tensor(images), Tensor(weight)).data.max() == 3600
    large = tt.full((64, 1, 32, 32), 40000.0, dtype=np.float16)
    assert tt.nn.AvgPool2d(2)(large).data.max() == 40000
    norm = BatchNorm2d(1)
    norm(large)
    assert norm.running_mean.item() == pytest.approx(4000)
