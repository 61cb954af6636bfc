"""Wrong answers to chapter 09: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import numpy as np

from tinytorch.convolutions import (
    all_sum,
    col2im,
    conv2d_naive,
    im2col,
    padded,
    pooling,
    standardize,
    statistics,
    unpadded,
    window,
)
from tinytorch.kernels import convolve
from tito.rubrics.planted import wrong

# -- conv2d_naive -----------------------------------------------------------------------------------------------------

wrong(
    "conv2d_naive",
    "turns the filter round, as a convolution in the strict sense does",
    "weight[k]",
    "weight[k, :, ::-1, ::-1]",
)
wrong("conv2d_naive", "exchanges stride and dilation", "stride, padding, dilation", "dilation, padding, stride")
wrong("conv2d_naive", "forgets the padding", "padding, dilation", "0, dilation", "(ph, ph), (pw, pw)", "(0, 0), (0, 0)")
wrong("conv2d_naive", "forgets the dilation", "padding, dilation", "padding")
wrong("conv2d_naive", "lets every filter see the first channels only", "k // (filters // groups) * channels", "0")
wrong("conv2d_naive", "lets the groups take turns", "k // (filters // groups)", "k % groups")
wrong("conv2d_naive", "forgets the bias", " + (0 if bias is None else bias[k])", "")
wrong(
    "conv2d_naive",
    "adds the bias to every product",
    "(patch * weight[k]).sum() + (0 if bias is None else bias[k])",
    "(patch * weight[k] + (0 if bias is None else bias[k])).sum()",
)
wrong(
    "conv2d_naive",
    "ends the window a pixel early",
    "(kh - 1) + 1",
    "(kh - 1)",
    "(kw - 1) + 1",
    "(kw - 1)",
    "weight[k]",
    "weight[k, :, :-1, :-1]",
)
wrong("conv2d_naive", "fills an array of float64", "(*x.shape[2:])), x.dtype)", "(*x.shape[2:])))")
wrong("conv2d_naive", "fills an array of half precision", "x.dtype", "np.float16")
wrong("conv2d_naive", "exchanges the padding of rows and columns", "(ph, ph), (pw, pw)", "(pw, pw), (ph, ph)")
wrong("conv2d_naive", "takes the rows' stride for the columns", "j * sw, j * sw", "j * sh, j * sh")
wrong("conv2d_naive", "takes the rows' dilation for the columns", "dw * (kw - 1) + 1, dw", "dh * (kw - 1) + 1, dh")


@wrong("conv2d_naive", "convolves each group by itself, and forgets how the window moves")
def naive_recursion(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    if groups > 1:
        parts = zip(np.split(x, groups, axis=1), np.split(weight, groups))
        z = np.concatenate([conv2d_naive(*part) for part in parts], axis=1)
        return z if bias is None else z + bias[:, None, None]
    over = window(weight.shape[2:], stride, padding, dilation)
    z = np.zeros((len(x), len(weight), *over.outputs(*x.shape[2:])), x.dtype)
    x = padded(x, over.padding)
    for i, j, rows, columns in over.taps(*z.shape[2:]):
        z += np.einsum("bcij,kc->bkij", x[:, :, rows, columns], weight[:, :, i, j])
    return z if bias is None else z + bias[:, None, None]


wrong(
    "conv2d_naive",
    "takes a dilation that is a number for the rows' alone",
    "stride, padding, dilation",
    "stride, padding, (dilation, 1) if isinstance(dilation, int) else dilation",
)
wrong("conv2d_naive", "cuts the bias to a whole number", "bias[k])", "int(bias[k]))")
wrong(
    "conv2d_naive",
    "takes channels in twos, and drops the last of three",
    "first + channels",
    "first + max(channels // 2 * 2, 1)",
)


@wrong("conv2d_naive", "takes numbers for all three, or pairs for all three")
def naive_numbers_or_pairs(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    if isinstance(stride, int):
        stride, padding, dilation = (stride, stride), (padding, padding), (dilation, dilation)
    (sh, sw), (ph, pw), (dh, dw) = stride, padding, dilation
    over, (filters, channels, kh, kw) = window(weight.shape[2:], stride, padding, dilation), weight.shape
    z = np.empty((len(x), filters, *over.outputs(*x.shape[2:])), x.dtype)
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    for b, k, i, j in np.ndindex(z.shape):
        first = k // (filters // groups) * channels
        rows, columns = slice(i * sh, i * sh + dh * kh, dh), slice(j * sw, j * sw + dw * kw, dw)
        z[b, k, i, j] = (x[b, first : first + channels, rows, columns] * weight[k]).sum()
    return z if bias is None else z + bias[:, None, None]


@wrong("conv2d_naive", "gives an image of no pixels where no window fits")
def naive_of_nothing(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    over = window(weight.shape[2:], stride, padding, dilation)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = over
    filters, channels = weight.shape[:2]
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    down, across = len(range(0, x.shape[2] - dh * (kh - 1), sh)), len(range(0, x.shape[3] - dw * (kw - 1), sw))
    z = np.empty((len(x), filters, down, across), x.dtype)
    for b, k, i, j in np.ndindex(z.shape):
        first = k // (filters // groups) * channels
        rows, columns = slice(i * sh, i * sh + dh * kh, dh), slice(j * sw, j * sw + dw * kw, dw)
        z[b, k, i, j] = (x[b, first : first + channels, rows, columns] * weight[k]).sum()
    return z if bias is None else z + bias[:, None, None]


# -- im2col -----------------------------------------------------------------------------------------------------------

wrong(
    "im2col",
    "keeps each channel by itself",
    "*over.kernel, c",
    "c, *over.kernel",
    "seen[:, :, :, i, j]",
    "seen[..., i, j]",
)
wrong(
    "im2col",
    "lets the images take turns",
    "b, down, across",
    "down, across, b",
    "x[:, rows, columns]",
    "x[:, rows, columns].transpose(1, 2, 0, 3)",
)
wrong(
    "im2col",
    "makes a column of each window",
    "return seen.reshape(b * down * across, math.prod(over.kernel) * c)",
    "return seen.reshape(b * down * across, math.prod(over.kernel) * c).T",
)
wrong(
    "im2col",
    "counts the padding twice",
    "down, across = over._replace(padding=(0, 0)).outputs(h, w)",
    "(ph, pw), (down, across) = over.padding, over.outputs(h, w)\nx = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))",
)
wrong("im2col", "goes down the columns of a window", "*over.kernel", "*over.kernel[::-1]", ":, i, j]", ":, j, i]")
wrong(
    "im2col",
    "forgets the stride",
    "down, across = over._replace(padding=(0, 0)).outputs(h, w)",
    "over = over._replace(padding=(0, 0), stride=(1, 1))\ndown, across = over.outputs(h, w)",
)
wrong("im2col", "fills an array of float64", "c), x.dtype)", "c))")
wrong("im2col", "fills an array of half precision", "x.dtype", "np.float16")


@wrong("im2col", "takes x to lie in memory in the order of its axes")
def im2col_contiguous(x, over):
    (b, h, w, c), (kh, kw), (sh, sw), (dh, dw) = x.shape, over.kernel, over.stride, over.dilation
    down, across = over._replace(padding=(0, 0)).outputs(h, w)
    image, line, pixel, one = (x.itemsize * size for size in (h * w * c, w * c, c, 1))
    strides = (image, line * sh, pixel * sw, line * dh, pixel * dw, one)
    windows = np.lib.stride_tricks.as_strided(x, (b, down, across, kh, kw, c), strides)
    return windows.reshape(b * down * across, kh * kw * c)


@wrong("im2col", "flattens a window in the order of the memory")
def im2col_in_order_of_memory(x, over):
    (kh, kw), (sh, sw), (dh, dw) = over.kernel, over.stride, over.dilation
    down, across = over._replace(padding=(0, 0)).outputs(*x.shape[1:3])
    rows = []
    for b, i, j in np.ndindex(len(x), down, across):
        part = x[b, i * sh : i * sh + dh * (kh - 1) + 1 : dh, j * sw : j * sw + dw * (kw - 1) + 1 : dw]
        rows.append(part.ravel("K"))
    return np.array(rows)


@wrong("im2col", "fills the same array in every call")
def im2col_kept(x, over):
    b, h, w, c = x.shape
    down, across = over._replace(padding=(0, 0)).outputs(h, w)
    kept, shape = window.__dict__.setdefault("kept", {}), (b, down, across, *over.kernel, c)
    seen = kept.setdefault((shape, x.dtype), np.empty(shape, x.dtype))
    for i, j, rows, columns in over.taps(down, across):
        seen[:, :, :, i, j] = x[:, rows, columns]
    return seen.reshape(b * down * across, -1)


# -- col2im -----------------------------------------------------------------------------------------------------------

wrong("col2im", "overwrites what another window has sent", "+=", "=")
wrong(
    "col2im",
    "takes it that each channel is by itself",
    "*over.kernel, c",
    "c, *over.kernel",
    "seen[:, :, :, i, j]",
    "seen[..., i, j]",
)
wrong("col2im", "takes the shape for one without padding", "over._replace(padding=(0, 0)).outputs", "over.outputs")
wrong("col2im", "fills an array of float64", "np.zeros(shape, seen.dtype)", "np.zeros(shape)")
wrong("col2im", "fills an array of half precision", "seen.dtype", "np.float16")


@wrong("col2im", "gives the mean, so that it undoes im2col")
def col2im_mean(rows_of_windows, shape, over):
    b, h, w, c = shape
    down, across = over._replace(padding=(0, 0)).outputs(h, w)
    seen = rows_of_windows.reshape(b, down, across, *over.kernel, c)
    x, count = np.zeros(shape), np.zeros(shape)
    for i, j, rows, columns in over.taps(down, across):
        x[:, rows, columns] += seen[:, :, :, i, j]
        count[:, rows, columns] += 1
    return (x / np.maximum(count, 1)).astype(seen.dtype)


# -- weight_gradient --------------------------------------------------------------------------------------------------

wrong("weight_gradient", "takes the mean over the images", "return dw", "return (dw / len(x))")
wrong(
    "weight_gradient",
    "takes the axes for those of the API, (K, C, kh, kw)",
    "kernel, -1, filters)",
    "kernel, -1, filters).transpose(3, 2, 0, 1)",
)
wrong("weight_gradient", "has g where the windows should be", "return dw", "return dw.T")
wrong("weight_gradient", "turns the kernel round", "kernel, -1, filters)", "kernel, -1, filters)[::-1, ::-1]")
wrong("weight_gradient", "answers in float64", "return dw", "return np.float64(dw)")
wrong("weight_gradient", "answers in half precision", "return dw", "return np.float16(dw)")


@wrong("weight_gradient", "forgets the padding where there is room without it")
def weight_unpadded(x, g, over):
    filters = g.shape[-1]
    x = np.pad(x, ((0, 0), (0, 2 * over.padding[0]), (0, 2 * over.padding[1]), (0, 0)))
    return (im2col(x, over).T @ g.reshape(-1, filters)).reshape(*over.kernel, -1, filters)


@wrong("weight_gradient", "keeps only the last image")
def weight_last_image(x, g, over):
    (ph, pw), filters = over.padding, g.shape[-1]
    for image, part in zip(np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0))), g):
        dw = im2col(image[None], over).T @ part.reshape(-1, filters)
    return dw.reshape(*over.kernel, -1, filters)


# -- input_gradient ---------------------------------------------------------------------------------------------------

wrong(
    "input_gradient",
    "fills an array of float64 where the stride is not 1",
    "np.empty(shape, g.dtype)",
    "np.empty(shape)",
)
wrong("input_gradient", "fills an array of half precision where the stride is not 1", "g.dtype", "np.float16")
wrong("input_gradient", "forgets to turn the kernel on the short way", "weight[::-1, ::-1]", "weight")


@wrong("input_gradient", "leaves the border where it is")
def input_uncut(g, weight, shape, over):
    b, h, w, c = shape
    (ph, pw), filters = over.padding, weight.shape[-1]
    rows = g.reshape(-1, filters) @ weight.reshape(-1, filters).T
    return col2im(rows, (b, h + 2 * ph, w + 2 * pw, c), over)


@wrong("input_gradient", "cuts the border off at the end only")
def input_cut_at_the_end(g, weight, shape, over):
    b, h, w, c = shape
    (ph, pw), filters = over.padding, weight.shape[-1]
    rows = g.reshape(-1, filters) @ weight.reshape(-1, filters).T
    return col2im(rows, (b, h + 2 * ph, w + 2 * pw, c), over)[:, :h, :w]


@wrong("input_gradient", "turns the kernel round before col2im")
def input_flipped(g, weight, shape, over):
    b, h, w, c = shape
    (ph, pw), filters = over.padding, weight.shape[-1]
    rows = g.reshape(-1, filters) @ weight[::-1, ::-1].reshape(-1, filters).T
    return col2im(rows, (b, h + 2 * ph, w + 2 * pw, c), over)[:, ph : ph + h, pw : pw + w]


@wrong("input_gradient", "cuts with :-p, which is nothing where p is 0")
def input_cut_of_nothing(g, weight, shape, over):
    b, h, w, c = shape
    (ph, pw), filters = over.padding, weight.shape[-1]
    rows = g.reshape(-1, filters) @ weight.reshape(-1, filters).T
    return col2im(rows, (b, h + 2 * ph, w + 2 * pw, c), over)[:, ph:-ph, pw:-pw]


@wrong("input_gradient", "exchanges rows and columns of the padding")
def input_cut_exchanged(g, weight, shape, over):
    b, h, w, c = shape
    (pw, ph), filters = over.padding, weight.shape[-1]
    rows = g.reshape(-1, filters) @ weight.reshape(-1, filters).T
    return col2im(rows, (b, h + 2 * ph, w + 2 * pw, c), over)[:, ph : ph + h, pw : pw + w]


@wrong("input_gradient", "convolves with the turned kernel, whatever the stride")
def input_stride(g, weight, shape, over):
    b, h, w, c = shape
    (ph, pw), filters = over.padding, weight.shape[-1]
    rows = g.reshape(-1, filters) @ weight.reshape(-1, filters).T
    over = over._replace(stride=(1, 1))
    return col2im(rows, (b, h + 2 * ph, w + 2 * pw, c), over)[:, ph : ph + h, pw : pw + w]


@wrong("input_gradient", "takes the short way with a padding that knows no dilation")
def input_undilated(g, weight, shape, over):
    (b, h, w, c), (kh, kw), (ph, pw) = shape, over.kernel, over.padding
    if over.stride == (1, 1) and ph < kh and pw < kw:
        return convolve(g, weight[::-1, ::-1].swapaxes(2, 3), over._replace(padding=(kh - 1 - ph, kw - 1 - pw)))
    filters = weight.shape[-1]
    rows = g.reshape(-1, filters) @ weight.reshape(-1, filters).T
    return col2im(rows, (b, h + 2 * ph, w + 2 * pw, c), over)[:, ph : ph + h, pw : pw + w]


@wrong("input_gradient", "looks at the rows' padding only before it takes the short way")
def input_wide_across(g, weight, shape, over):
    (b, h, w, c), (ph, pw), filters = shape, over.padding, weight.shape[-1]
    down, across = (d * (k - 1) for k, d in zip(over.kernel, over.dilation))
    if over.stride == (1, 1) and ph <= down:
        turned = over._replace(padding=(down - ph, max(across - pw, 0)))
        return convolve(g, weight[::-1, ::-1].swapaxes(2, 3), turned)
    rows = g.reshape(-1, filters) @ weight.reshape(-1, filters).T
    return col2im(rows, (b, h + 2 * ph, w + 2 * pw, c), over)[:, ph : ph + h, pw : pw + w]


@wrong("input_gradient", "looks at the columns' padding only before it takes the short way")
def input_wide_down(g, weight, shape, over):
    (b, h, w, c), (ph, pw), filters = shape, over.padding, weight.shape[-1]
    down, across = (d * (k - 1) for k, d in zip(over.kernel, over.dilation))
    if over.stride == (1, 1) and pw <= across:
        turned = over._replace(padding=(max(down - ph, 0), across - pw))
        return convolve(g, weight[::-1, ::-1].swapaxes(2, 3), turned)
    rows = g.reshape(-1, filters) @ weight.reshape(-1, filters).T
    return col2im(rows, (b, h + 2 * ph, w + 2 * pw, c), over)[:, ph : ph + h, pw : pw + w]


# -- max_pool2d -------------------------------------------------------------------------------------------------------

wrong("max_pool2d", "pads with zeros", ", -np.inf", "")
wrong("max_pool2d", "moves by one pixel if no stride is given", "stride, padding)", "stride or 1, padding)")
wrong("max_pool2d", "starts from zero", "return z", "return np.maximum(z, 0)")
wrong("max_pool2d", "writes the maximum into the images", 'view.copy(order="K")', "view")
wrong(
    "max_pool2d",
    "takes the maximum of all channels",
    "return z",
    "return np.broadcast_to(z.max(axis=1, keepdims=True), z.shape).copy()",
)
wrong("max_pool2d", "answers in half precision", "padded(x,", "padded(np.float16(x),")
wrong("max_pool2d", "leaves NaN out", "np.maximum", "np.fmax")
wrong("max_pool2d", "pads with a number that pixels may lie below", "-np.inf", "-1e6")
wrong("max_pool2d", "pools the first image only", "return z", "return z[:1].repeat(len(z), axis=0)")
wrong(
    "max_pool2d",
    "moves by the rows of the kernel along both axes if no stride is given",
    "stride, padding)",
    "np.ravel(kernel_size)[0] if stride is None else stride, padding)",
)
wrong(
    "max_pool2d",
    "takes any padding, so that a window may see nothing else",
    "pooling(kernel_size, stride, padding)",
    "window(kernel_size, kernel_size if stride is None else stride, padding)",
)


@wrong("max_pool2d", "takes the mean")
def pool_mean(x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    down, across = over.outputs(*x.shape[2:])
    x = padded(x, over.padding)
    return np.mean([x[:, :, rows, columns] for _, _, rows, columns in over.taps(down, across)], axis=0)


@wrong("max_pool2d", "refuses a padding from the kernel's size on, not from half of it")
def pool_padding_of_a_kernel(x, *, kernel_size, stride=None, padding=0):
    over = window(kernel_size, kernel_size if stride is None else stride, padding)
    if any(p >= k for p, k in zip(over.padding, over.kernel)):
        raise ValueError(f"padding {over.padding} is too much for a kernel {over.kernel}")
    down, across = over.outputs(*x.shape[2:])
    x = padded(x, over.padding, -np.inf)
    return np.max([x[:, :, rows, columns] for _, _, rows, columns in over.taps(down, across)], axis=0)


@wrong("max_pool2d", "refuses a padding only where it is too wide along both axes")
def pool_padding_of_both(x, *, kernel_size, stride=None, padding=0):
    over = window(kernel_size, kernel_size if stride is None else stride, padding)
    if all(2 * p > k for p, k in zip(over.padding, over.kernel)):
        raise ValueError(f"padding {over.padding} is too much for a kernel {over.kernel}")
    down, across = over.outputs(*x.shape[2:])
    x = padded(x, over.padding, -np.inf)
    return np.max([x[:, :, rows, columns] for _, _, rows, columns in over.taps(down, across)], axis=0)


@wrong("max_pool2d", "gives an image of no pixels where no window fits")
def pool_of_nothing(x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    (kh, kw), (sh, sw) = over.kernel, over.stride
    x = padded(x, over.padding, -np.inf)
    down, across = len(range(0, x.shape[2] - kh + 1, sh)), len(range(0, x.shape[3] - kw + 1, sw))
    z = np.empty((*x.shape[:2], down, across), x.dtype)
    for i, j in np.ndindex(down, across):
        z[:, :, i, j] = x[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw].max(axis=(2, 3))
    return z


@wrong("max_pool2d", "takes x to lie in memory in the order of its axes")
def pool_contiguous(x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    (kh, kw), (sh, sw), (ph, pw), _ = over
    down, across = over.outputs(*x.shape[2:])
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=-np.inf) if ph or pw else x
    b, c, h, w = x.shape
    image, channel, line, one = (x.itemsize * size for size in (c * h * w, h * w, w, 1))
    strides = (image, channel, line * sh, one * sw, line, one)
    return np.lib.stride_tricks.as_strided(x, (b, c, down, across, kh, kw), strides).max(axis=(4, 5))


wrong(
    "max_pool2d",
    "takes a stride that is a number for the rows' alone",
    "stride, padding)",
    "(stride, 1) if isinstance(stride, int) else stride, padding)",
)

# -- max_pool2d_vjp ---------------------------------------------------------------------------------------------------

wrong("max_pool2d_vjp", "gives all of g to each of equal pixels", " & ~taken", "")
wrong(
    "max_pool2d_vjp",
    "gives g to the last of equal pixels",
    "over.taps(*z.shape[2:])",
    "reversed(list(over.taps(*z.shape[2:])))",
)
wrong(
    "max_pool2d_vjp",
    "overwrites what another window has sent",
    "dx[part, :, rows, columns] += g[part] * wins",
    "dx[part, :, rows, columns][wins] = g[part][wins]",
)
wrong("max_pool2d_vjp", "leaves the border where it is", "unpadded(dx, over.padding)", "dx")
wrong("max_pool2d_vjp", "sends g to the border, which is 0 too", ", np.nan", "")
wrong("max_pool2d_vjp", "sends g to the border where all pixels are as low as it", ", np.nan", ", -np.inf")
wrong("max_pool2d_vjp", "fills an array of float64", "np.zeros_like(x)", "np.zeros(x.shape)")
wrong("max_pool2d_vjp", "takes windows for apart that overlap along one axis", "all(s >= k", "any(s >= k")
wrong(
    "max_pool2d_vjp", "takes windows never to overlap", "all(s >= k for s, k in zip(over.stride, over.kernel))", "True"
)

wrong("max_pool2d_vjp", "moves by one pixel if no stride is given", "stride, padding)", "stride or 1, padding)")
wrong("max_pool2d_vjp", "leaves a window with NaN in it without a winner", "comparable(x, z)", "(x, z)")
wrong(
    "max_pool2d_vjp",
    "takes nearly equal for equal",
    "x[part, :, rows, columns] == z[part]",
    "np.isclose(x[part, :, rows, columns], z[part])",
)


@wrong("max_pool2d_vjp", "shares g among equal pixels")
def pool_vjp_shared(g, z, x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    x = padded(x, over.padding, -np.inf)
    dx, count = np.zeros_like(x), np.zeros_like(z)
    for _, _, rows, columns in over.taps(*z.shape[2:]):
        count += x[:, :, rows, columns] == z
    for _, _, rows, columns in over.taps(*z.shape[2:]):
        dx[:, :, rows, columns] += g / count * (x[:, :, rows, columns] == z)
    return unpadded(dx, over.padding)


@wrong("max_pool2d_vjp", "remembers a pixel that has won, not a window that has its winner")
def pool_vjp_taken_pixels(g, z, x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    x = padded(x, over.padding, -np.inf)
    dx, taken = np.zeros_like(x), np.zeros_like(x, dtype=bool)
    for _, _, rows, columns in over.taps(*z.shape[2:]):
        wins = (x[:, :, rows, columns] == z) & ~taken[:, :, rows, columns]
        taken[:, :, rows, columns] |= wins
        dx[:, :, rows, columns] += g * wins
    return unpadded(dx, over.padding)


@wrong("max_pool2d_vjp", "adds into a reshaped copy, where x does not lie in the order of its axes")
def pool_vjp_lost(g, z, x, *, kernel_size, stride=None, padding=0):
    over, dx = pooling(kernel_size, stride, padding), np.zeros_like(x)
    (kh, kw), (sh, sw), (ph, pw), _ = over
    images, slopes, found = (a.reshape(-1, *a.shape[2:]) for a in (x, g, dx))
    for n, i, j in np.ndindex(slopes.shape):
        top, left = max(i * sh - ph, 0), max(j * sw - pw, 0)
        part = images[n, top : i * sh - ph + kh, left : j * sw - pw + kw]
        row, column = divmod(int(part.argmax()), part.shape[1])
        found[n, top + row, left + column] += slopes[n, i, j]
    return dx


wrong(
    "max_pool2d_vjp",
    "takes a stride that is a number for the rows' alone",
    "stride, padding)",
    "(stride, 1) if isinstance(stride, int) else stride, padding)",
)
wrong(
    "max_pool2d_vjp",
    "takes infinity for as large as NaN",
    "comparable(x, z)",
    "(np.where(np.isnan(x), np.inf, x), np.where(np.isnan(z), np.inf, z))",
)
wrong("max_pool2d_vjp", "remembers the winners of the first image only", "taken |= wins", "taken[:1] |= wins[:1]")
wrong(
    "max_pool2d_vjp", "remembers the winners of the first channel only", "taken |= wins", "taken[:, :1] |= wins[:, :1]"
)

# -- standardize_vjp --------------------------------------------------------------------------------------------------

wrong("standardize_vjp", "takes mean and std for constants, always", "if not learned", "if True")
wrong("standardize_vjp", "takes mean and std for x's own, always", "if not learned", "if False")
wrong("standardize_vjp", "leaves the way through the mean out", "dx[part] -= shift", "")
wrong("standardize_vjp", "leaves the way through std out", "dx[part] -= deviation", "")
wrong("standardize_vjp", "divides by the part's N only", "/ sums[-1]", "/ (rows.size // len(db))")
wrong("standardize_vjp", "adds up its own part only", "all_sum(np.concatenate([db, dw, [rows.size // len(db)]]))",
      "np.concatenate([db, dw, [rows.size // len(db)]])")  # fmt: skip
wrong("standardize_vjp", "takes the slope of the variance for that of std", "scale / std * gn_mean",
      "scale / std * 2 * gn_mean")  # fmt: skip
wrong("standardize_vjp", "forgets to divide dw by std", "per_channel(dot, several) / std", "per_channel(dot, several)")

wrong("standardize_vjp", "gives the whole batch's dw and db", "return from_lines(dx, shape), dw, db",
      "return from_lines(dx, shape), sums[len(db) : -1], sums[: len(db)]")  # fmt: skip


@wrong("standardize_vjp", "gets n back from z, which a weight of 0 does not allow")
def slopes_from_z(g, z, x, weight, bias, *, mean, std, learned=False):
    form, axes = (-1, *[1] * (x.ndim - 2)), (0, *range(2, x.ndim))
    n, scale = (z - bias.reshape(form)) / weight.reshape(form), (weight / std).reshape(form)
    db, dw = g.sum(axis=axes), (g * n).sum(axis=axes)
    if not learned:
        return scale * g, dw, db
    g_mean, gn_mean = (all_sum(part).reshape(form) / all_sum(np.array(x[:, 0].size)) for part in (db, dw))
    return (scale * (g - g_mean - n * gn_mean)).astype(x.dtype), dw, db


@wrong("standardize_vjp", "takes the mean off after the sum, not before")
def slopes_late_mean(g, z, x, weight, bias, *, mean, std, learned=False):
    form, axes = (-1, *[1] * (x.ndim - 2)), (0, *range(2, x.ndim))
    n, scale = (x - mean.reshape(form)) / std.reshape(form), (weight / std).reshape(form)
    db = g.sum(axis=axes)
    dw = ((g * x).sum(axis=axes) - mean * db) / std
    if not learned:
        return scale * g, dw, db
    g_mean, gn_mean = (all_sum(part).reshape(form) / all_sum(np.array(x[:, 0].size)) for part in (db, dw))
    return (scale * (g - g_mean - n * gn_mean)).astype(x.dtype), dw, db


@wrong("standardize_vjp", "averages over the examples only, not over the places")
def slopes_axes(g, z, x, weight, bias, *, mean, std, learned=False):
    form, axes = (-1, *[1] * (x.ndim - 2)), (0, *range(2, x.ndim))
    n = (x - mean.reshape(form)) / std.reshape(form)
    dw, db = (g * n).sum(axis=axes), g.sum(axis=axes)
    centred = g - g.mean(axis=0) - n * (g * n).mean(axis=0) if learned else g
    return (weight / std).reshape(form) * centred, dw, db


@wrong("standardize_vjp", "puts the weight into the sums twice")
def slopes_weight_twice(g, z, x, weight, bias, *, mean, std, learned=False):
    form, axes = (-1, *[1] * (x.ndim - 2)), (0, *range(2, x.ndim))
    n, w = (x - mean.reshape(form)) / std.reshape(form), weight.reshape(form)
    dw, db = (g * n).sum(axis=axes), g.sum(axis=axes)
    over = lambda a: a.mean(axis=axes, keepdims=True)
    centred = g - over(g * w) - n * over(g * w * n) if learned else g
    return w / std.reshape(form) * centred, dw, db


@wrong("standardize_vjp", "knows two, three and four axes only")
def slopes_of_known_axes(g, z, x, weight, bias, *, mean, std, learned=False):
    form, axes = (-1, *[1] * (x.ndim - 2)), {2: (0,), 3: (0, 2), 4: (0, 2, 3)}[x.ndim]
    n, scale = (x - mean.reshape(form)) / std.reshape(form), (weight / std).reshape(form)
    db, dw = g.sum(axis=axes), (g * n).sum(axis=axes)
    if not learned:
        return scale * g, dw, db
    g_mean, gn_mean = (all_sum(part).reshape(form) / all_sum(np.array(x[:, 0].size)) for part in (db, dw))
    return (scale * (g - g_mean - n * gn_mean)).astype(x.dtype), dw, db


@wrong("standardize_vjp", "fills a reshaped copy, where x does not lie in the order of its axes")
def slopes_lost(g, z, x, weight, bias, *, mean, std, learned=False):
    form, axes = (-1, *[1] * (x.ndim - 2)), (0, *range(2, x.ndim))
    n, scale = (x - mean.reshape(form)) / std.reshape(form), (weight / std).reshape(form)
    db, dw = g.sum(axis=axes), (g * n).sum(axis=axes)
    if not learned:
        return scale * g, dw, db
    g_mean, gn_mean = (all_sum(part).reshape(form) / all_sum(np.array(x[:, 0].size)) for part in (db, dw))
    dx = np.zeros_like(x)
    dx.reshape(-1)[...] = (scale * (g - g_mean - n * gn_mean)).ravel()
    return dx, dw, db


@wrong("standardize_vjp", "divides x and mean by std before it subtracts them, in the sum of dx only")
def slopes_far_off(g, z, x, weight, bias, *, mean, std, learned=False):
    form, axes = (-1, *[1] * (x.ndim - 2)), (0, *range(2, x.ndim))
    n, scale = x / std.reshape(form) - (mean / std).reshape(form), (weight / std).reshape(form)
    db, dw = g.sum(axis=axes), (g * (x - mean.reshape(form))).sum(axis=axes) / std
    if not learned:
        return scale * g, dw, db
    g_mean, gn_mean = (all_sum(part).reshape(form) / all_sum(np.array(x[:, 0].size)) for part in (db, dw))
    return (scale * (g - g_mean - n * gn_mean)).astype(x.dtype), dw, db


# -- batch_norm -------------------------------------------------------------------------------------------------------

wrong(
    "batch_norm",
    "divides by the unbiased variance",
    "running_mean.data +=",
    "var = var * n / (n - 1)\n    running_mean.data +=",
    "var * n / (n - 1)",
    "var",
)
wrong("batch_norm", "keeps the biased variance", "var * n / (n - 1)", "var")
wrong(
    "batch_norm",
    "has the momentum the wrong way round",
    "+= momentum * (mean - running_mean.data)",
    "[...] = momentum * running_mean.data + (1 - momentum) * mean",
    "+= momentum * (var * n / (n - 1) - running_var.data)",
    "[...] = momentum * running_var.data + (1 - momentum) * var * n / (n - 1)",
)
wrong(
    "batch_norm",
    "gives the running statistics new arrays",
    "running_mean.data +=",
    "running_mean.data = running_mean.data +",
    "running_var.data +=",
    "running_var.data = running_var.data +",
)
wrong(
    "batch_norm",
    "adds eps outside the root",
    "np.sqrt(var + var.dtype.type(eps))",
    "np.sqrt(var) + var.dtype.type(eps)",
)
wrong("batch_norm", "takes the batch's statistics for fixed", "learned=training", "learned=False")
wrong(
    "batch_norm",
    "trains on one number a channel",
    'if n < 2:\n        raise ValueError(f"batch_norm needs more than one number a channel to train, got x {x.shape}")',
    "",
    "(n - 1)",
    "max(n - 1, 1)",
)
wrong(
    "batch_norm",
    "uses the running statistics in training",
    "if training:",
    "used = mean.copy(), var.copy()\nif training:",
    "std = np.sqrt",
    "mean, var = used\nstd = np.sqrt",
    "learned=training",
    "learned=False",
)
wrong(
    "batch_norm",
    "subtracts the square of the mean from the mean of the squares",
    "if n < 2",
    "var = (x.data**2).mean(axis=(0, *range(2, x.ndim))) - mean**2\n    if n < 2",
)
wrong(
    "batch_norm",
    "adds eps to the running variance itself",
    "std = np.sqrt(var + var.dtype.type(eps))",
    "var += var.dtype.type(eps)\nstd = np.sqrt(var)",
)
wrong(
    "batch_norm",
    "folds the deviation into the weight itself",
    "return standardize",
    "weight.data /= std\nstd = np.ones_like(std)\nreturn standardize",
)

wrong(
    "batch_norm",
    "refuses after the running mean has moved",
    "if n < 2:",
    "running_mean.data += momentum * (mean - running_mean.data)\n    if n < 2:",
    "    running_mean.data += momentum * (mean - running_mean.data)",
    "",
)
wrong(
    "batch_norm",
    "looks at the batch in evaluation too, which may be one of none",
    "if training:",
    "own = statistics(x.data)\nif training:",
    "= statistics(x.data)",
    "= own",
)
wrong("batch_norm", "lets no gradient through to the weight", "(x, weight,", "(x, weight.detach(),")


@wrong("batch_norm", "moves the running statistics in evaluation too")
def norm_moves_in_eval(x, running_mean, running_var, weight, bias, training, momentum, eps):
    mean, var, n = statistics(x.data)
    if training and n < 2:
        raise ValueError(f"batch_norm needs more than one number a channel to train, got x {x.shape}")
    used = (mean, var) if training else (running_mean.data.copy(), running_var.data.copy())
    running_mean.data += momentum * (mean - running_mean.data)
    running_var.data += momentum * (var * n / max(n - 1, 1) - running_var.data)
    return standardize(x, weight, bias, mean=used[0], std=np.sqrt(used[1] + eps), learned=training)


@wrong("batch_norm", "takes the statistics over the examples only")
def norm_axes(x, running_mean, running_var, weight, bias, training, momentum, eps):
    if not training:
        std = np.sqrt(running_var.data + eps)
        return standardize(x, weight, bias, mean=running_mean.data, std=std)
    if x.data.size // x.shape[1] < 2:
        raise ValueError("too few")
    per_pixel = (1, -1) + (1,) * (x.ndim - 2)
    mean, var = x.data.mean(axis=0), x.data.var(axis=0)
    n = len(x)
    rest = tuple(range(1, x.ndim - 1))
    running_mean.data += momentum * (mean.mean(axis=rest) - running_mean.data)
    running_var.data += momentum * (var.mean(axis=rest) * n / max(n - 1, 1) - running_var.data)
    return (x - mean) / np.sqrt(var + eps) * weight.reshape(per_pixel) + bias.reshape(per_pixel)


@wrong("batch_norm", "computes the mean and the variance itself, of its own part of the batch")
def norm_apart(x, running_mean, running_var, weight, bias, training, momentum, eps):
    mean, var = running_mean.data, running_var.data
    if training:
        axes, n = (0, *range(2, x.ndim)), x.data.size // x.shape[1]
        mean, var = x.data.mean(axis=axes), x.data.var(axis=axes)
        if n < 2:
            raise ValueError(f"batch_norm needs more than one number a channel to train, got x {x.shape}")
        running_mean.data += momentum * (mean - running_mean.data)
        running_var.data += momentum * (var * n / (n - 1) - running_var.data)
    std = np.sqrt(var + var.dtype.type(eps))
    return standardize(x, weight, bias, mean=mean, std=std, learned=training)


@wrong("batch_norm", "refuses a part of one number, though the batch has more")
def norm_refuses_a_part(x, running_mean, running_var, weight, bias, training, momentum, eps):
    mean, var = running_mean.data, running_var.data
    if training:
        mean, var, n = statistics(x.data)
        if x.data.size // x.shape[1] < 2:
            raise ValueError(f"batch_norm needs more than one number a channel to train, got x {x.shape}")
        running_mean.data += momentum * (mean - running_mean.data)
        running_var.data += momentum * (var * n / (n - 1) - running_var.data)
    return standardize(x, weight, bias, mean=mean, std=np.sqrt(var + eps), learned=training)


wrong(
    "batch_norm",
    "refuses one number only where x has two axes",
    "if n < 2:",
    "if n < 2 and x.ndim == 2:",
    "(n - 1)",
    "max(n - 1, 1)",
)
wrong("batch_norm", "takes an eps of 0 for none given", "var.dtype.type(eps)", "var.dtype.type(eps or 1e-5)")
wrong(
    "batch_norm",
    "takes a momentum of 0 for none given",
    "momentum * (mean",
    "(momentum or 0.1) * (mean",
    "momentum * (var",
    "(momentum or 0.1) * (var",
)
wrong(
    "batch_norm",
    "knows two, three and four axes only",
    "if training:",
    "if x.ndim > 4:\n    raise ValueError(f'too many axes: {x.shape}')\nif training:",
)

# -- columns_bytes ----------------------------------------------------------------------------------------------------

wrong("columns_bytes", "counts the image, not its windows", "4 * windows * 3 * 3 * 64", "4 * 56 * 56 * 64")
wrong("columns_bytes", "forgets the stride", "28 * 28", "56 * 56")
wrong("columns_bytes", "counts numbers, not bytes", "4 * windows", "windows")
wrong("columns_bytes", "forgets the channels", "3 * 3 * 64", "3 * 3")
