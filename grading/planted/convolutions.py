"""Wrong answers to chapter 09: mistakes that students really make. Read, never run; see tito/planted.py."""

import numpy as np

from tinytorch.convolutions import (
    col2im,
    im2col,
    padded,
    pooling,
    standardize,
    statistics,
    unpadded,
    window,
)
from tito.planted import wrong

# -- conv2d_naive -----------------------------------------------------------------------------------------------------


@wrong("conv2d_naive", "turns the filter round, as a convolution in the strict sense does")
def naive_flipped(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    over = window(weight.shape[2:], stride, padding, dilation)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = over
    filters, channels = weight.shape[:2]
    z = np.empty((len(x), filters, *over.outputs(*x.shape[2:])), x.dtype)
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    for b, k, i, j in np.ndindex(z.shape):
        first = k // (filters // groups) * channels
        rows = slice(i * sh, i * sh + dh * (kh - 1) + 1, dh)
        columns = slice(j * sw, j * sw + dw * (kw - 1) + 1, dw)
        patch = x[b, first : first + channels, rows, columns]
        z[b, k, i, j] = (patch * weight[k, :, ::-1, ::-1]).sum() + (0 if bias is None else bias[k])
    return z


@wrong("conv2d_naive", "exchanges stride and dilation")
def naive_exchanged(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    over = window(weight.shape[2:], dilation, padding, stride)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = over
    filters, channels = weight.shape[:2]
    z = np.empty((len(x), filters, *over.outputs(*x.shape[2:])), x.dtype)
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    for b, k, i, j in np.ndindex(z.shape):
        first = k // (filters // groups) * channels
        rows = slice(i * sh, i * sh + dh * (kh - 1) + 1, dh)
        columns = slice(j * sw, j * sw + dw * (kw - 1) + 1, dw)
        patch = x[b, first : first + channels, rows, columns]
        z[b, k, i, j] = (patch * weight[k]).sum() + (0 if bias is None else bias[k])
    return z


@wrong("conv2d_naive", "forgets the padding")
def naive_unpadded(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    over = window(weight.shape[2:], stride, 0, dilation)
    (kh, kw), (sh, sw), _, (dh, dw) = over
    filters, channels = weight.shape[:2]
    z = np.empty((len(x), filters, *over.outputs(*x.shape[2:])), x.dtype)
    for b, k, i, j in np.ndindex(z.shape):
        first = k // (filters // groups) * channels
        rows = slice(i * sh, i * sh + dh * (kh - 1) + 1, dh)
        columns = slice(j * sw, j * sw + dw * (kw - 1) + 1, dw)
        patch = x[b, first : first + channels, rows, columns]
        z[b, k, i, j] = (patch * weight[k]).sum() + (0 if bias is None else bias[k])
    return z


@wrong("conv2d_naive", "forgets the dilation")
def naive_undilated(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    over = window(weight.shape[2:], stride, padding)
    (kh, kw), (sh, sw), (ph, pw), _ = over
    filters, channels = weight.shape[:2]
    z = np.empty((len(x), filters, *over.outputs(*x.shape[2:])), x.dtype)
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    for b, k, i, j in np.ndindex(z.shape):
        first = k // (filters // groups) * channels
        patch = x[b, first : first + channels, i * sh : i * sh + kh, j * sw : j * sw + kw]
        z[b, k, i, j] = (patch * weight[k]).sum() + (0 if bias is None else bias[k])
    return z


@wrong("conv2d_naive", "lets every filter see the first channels only")
def naive_first_group(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    over = window(weight.shape[2:], stride, padding, dilation)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = over
    filters, channels = weight.shape[:2]
    z = np.empty((len(x), filters, *over.outputs(*x.shape[2:])), x.dtype)
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    for b, k, i, j in np.ndindex(z.shape):
        rows = slice(i * sh, i * sh + dh * (kh - 1) + 1, dh)
        columns = slice(j * sw, j * sw + dw * (kw - 1) + 1, dw)
        z[b, k, i, j] = (x[b, :channels, rows, columns] * weight[k]).sum() + (0 if bias is None else bias[k])
    return z


@wrong("conv2d_naive", "lets the groups take turns")
def naive_groups_in_turn(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    over = window(weight.shape[2:], stride, padding, dilation)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = over
    filters, channels = weight.shape[:2]
    z = np.empty((len(x), filters, *over.outputs(*x.shape[2:])), x.dtype)
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    for b, k, i, j in np.ndindex(z.shape):
        first = k % groups * channels
        rows = slice(i * sh, i * sh + dh * (kh - 1) + 1, dh)
        columns = slice(j * sw, j * sw + dw * (kw - 1) + 1, dw)
        patch = x[b, first : first + channels, rows, columns]
        z[b, k, i, j] = (patch * weight[k]).sum() + (0 if bias is None else bias[k])
    return z


@wrong("conv2d_naive", "forgets the bias")
def naive_unbiased(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    over = window(weight.shape[2:], stride, padding, dilation)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = over
    filters, channels = weight.shape[:2]
    z = np.empty((len(x), filters, *over.outputs(*x.shape[2:])), x.dtype)
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    for b, k, i, j in np.ndindex(z.shape):
        first = k // (filters // groups) * channels
        rows = slice(i * sh, i * sh + dh * (kh - 1) + 1, dh)
        columns = slice(j * sw, j * sw + dw * (kw - 1) + 1, dw)
        z[b, k, i, j] = (x[b, first : first + channels, rows, columns] * weight[k]).sum()
    return z


@wrong("conv2d_naive", "adds the bias to every product")
def naive_bias_inside(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    over = window(weight.shape[2:], stride, padding, dilation)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = over
    filters, channels = weight.shape[:2]
    z = np.empty((len(x), filters, *over.outputs(*x.shape[2:])), x.dtype)
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    for b, k, i, j in np.ndindex(z.shape):
        first = k // (filters // groups) * channels
        rows = slice(i * sh, i * sh + dh * (kh - 1) + 1, dh)
        columns = slice(j * sw, j * sw + dw * (kw - 1) + 1, dw)
        patch = x[b, first : first + channels, rows, columns]
        z[b, k, i, j] = (patch * weight[k] + (0 if bias is None else bias[k])).sum()
    return z


@wrong("conv2d_naive", "ends the window a pixel early")
def naive_short_window(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    over = window(weight.shape[2:], stride, padding, dilation)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = over
    filters, channels = weight.shape[:2]
    z = np.empty((len(x), filters, *over.outputs(*x.shape[2:])), x.dtype)
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    for b, k, i, j in np.ndindex(z.shape):
        first = k // (filters // groups) * channels
        rows = slice(i * sh, i * sh + dh * (kh - 1), dh)
        columns = slice(j * sw, j * sw + dw * (kw - 1), dw)
        patch = x[b, first : first + channels, rows, columns]
        z[b, k, i, j] = (patch * weight[k, :, :-1, :-1]).sum() + (0 if bias is None else bias[k])
    return z


# -- im2col -----------------------------------------------------------------------------------------------------------


@wrong("im2col", "keeps each channel by itself")
def im2col_channels_first(x, over):
    b, h, w, c = x.shape
    down, across = over._replace(padding=(0, 0)).outputs(h, w)
    seen = np.empty((b, down, across, c, *over.kernel), x.dtype)
    for i, j, rows, columns in over.taps(down, across):
        seen[..., i, j] = x[:, rows, columns]
    return seen.reshape(b * down * across, -1)


@wrong("im2col", "lets the images take turns")
def im2col_images_last(x, over):
    b, h, w, c = x.shape
    down, across = over._replace(padding=(0, 0)).outputs(h, w)
    seen = np.empty((down, across, b, *over.kernel, c), x.dtype)
    for i, j, rows, columns in over.taps(down, across):
        seen[:, :, :, i, j] = x[:, rows, columns].transpose(1, 2, 0, 3)
    return seen.reshape(b * down * across, -1)


@wrong("im2col", "makes a column of each window")
def im2col_columns(x, over):
    b, h, w, c = x.shape
    down, across = over._replace(padding=(0, 0)).outputs(h, w)
    seen = np.empty((b, down, across, *over.kernel, c), x.dtype)
    for i, j, rows, columns in over.taps(down, across):
        seen[:, :, :, i, j] = x[:, rows, columns]
    return seen.reshape(b * down * across, -1).T


@wrong("im2col", "counts the padding twice")
def im2col_padded_twice(x, over):
    b, h, w, c = x.shape
    (ph, pw), (down, across) = over.padding, over.outputs(h, w)
    x = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    seen = np.empty((b, down, across, *over.kernel, c), x.dtype)
    for i, j, rows, columns in over.taps(down, across):
        seen[:, :, :, i, j] = x[:, rows, columns]
    return seen.reshape(b * down * across, -1)


@wrong("im2col", "goes down the columns of a window")
def im2col_down_first(x, over):
    b, h, w, c = x.shape
    (kh, kw), (down, across) = over.kernel, over._replace(padding=(0, 0)).outputs(h, w)
    seen = np.empty((b, down, across, kw, kh, c), x.dtype)
    for i, j, rows, columns in over.taps(down, across):
        seen[:, :, :, j, i] = x[:, rows, columns]
    return seen.reshape(b * down * across, -1)


@wrong("im2col", "forgets the stride")
def im2col_stride(x, over):
    b, h, w, c = x.shape
    over = over._replace(padding=(0, 0), stride=(1, 1))
    down, across = over.outputs(h, w)
    seen = np.empty((b, down, across, *over.kernel, c), x.dtype)
    for i, j, rows, columns in over.taps(down, across):
        seen[:, :, :, i, j] = x[:, rows, columns]
    return seen.reshape(b * down * across, -1)


# -- col2im -----------------------------------------------------------------------------------------------------------


@wrong("col2im", "overwrites what another window has sent")
def col2im_overwrites(rows_of_windows, shape, over):
    b, h, w, c = shape
    down, across = over._replace(padding=(0, 0)).outputs(h, w)
    seen = rows_of_windows.reshape(b, down, across, *over.kernel, c)
    x = np.zeros(shape, seen.dtype)
    for i, j, rows, columns in over.taps(down, across):
        x[:, rows, columns] = seen[:, :, :, i, j]
    return x


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


@wrong("col2im", "takes it that each channel is by itself")
def col2im_channels_first(rows_of_windows, shape, over):
    b, h, w, c = shape
    down, across = over._replace(padding=(0, 0)).outputs(h, w)
    seen = rows_of_windows.reshape(b, down, across, c, *over.kernel)
    x = np.zeros(shape, seen.dtype)
    for i, j, rows, columns in over.taps(down, across):
        x[:, rows, columns] += seen[..., i, j]
    return x


@wrong("col2im", "takes the shape for one without padding")
def col2im_padded_twice(rows_of_windows, shape, over):
    b, h, w, c = shape
    down, across = over.outputs(h, w)
    seen = rows_of_windows.reshape(b, down, across, *over.kernel, c)
    x = np.zeros(shape, seen.dtype)
    for i, j, rows, columns in over.taps(down, across):
        x[:, rows, columns] += seen[:, :, :, i, j]
    return x


# -- weight_gradient --------------------------------------------------------------------------------------------------


@wrong("weight_gradient", "takes the mean over the images")
def weight_mean(x, g, over):
    (ph, pw), filters = over.padding, g.shape[-1]
    x = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    dw = im2col(x, over).T @ g.reshape(-1, filters) / len(x)
    return dw.reshape(*over.kernel, -1, filters)


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


@wrong("weight_gradient", "takes the axes for those of the API, (K, C, kh, kw)")
def weight_api(x, g, over):
    (ph, pw), filters = over.padding, g.shape[-1]
    x = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    dw = im2col(x, over).T @ g.reshape(-1, filters)
    return dw.reshape(*over.kernel, -1, filters).transpose(3, 2, 0, 1)


@wrong("weight_gradient", "has g where the windows should be")
def weight_transposed(x, g, over):
    (ph, pw), filters = over.padding, g.shape[-1]
    x = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    return (g.reshape(-1, filters).T @ im2col(x, over)).reshape(*over.kernel, -1, filters)


@wrong("weight_gradient", "turns the kernel round")
def weight_flipped(x, g, over):
    (ph, pw), filters = over.padding, g.shape[-1]
    x = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    dw = im2col(x, over).T @ g.reshape(-1, filters)
    return dw.reshape(*over.kernel, -1, filters)[::-1, ::-1]


# -- input_gradient ---------------------------------------------------------------------------------------------------


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


# -- max_pool2d -------------------------------------------------------------------------------------------------------


@wrong("max_pool2d", "pads with zeros")
def pool_zeros(x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    down, across = over.outputs(*x.shape[2:])
    x = padded(x, over.padding)
    return np.max([x[:, :, rows, columns] for _, _, rows, columns in over.taps(down, across)], axis=0)


@wrong("max_pool2d", "moves by one pixel if no stride is given")
def pool_stride(x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride or 1, padding)
    down, across = over.outputs(*x.shape[2:])
    x = padded(x, over.padding, -np.inf)
    return np.max([x[:, :, rows, columns] for _, _, rows, columns in over.taps(down, across)], axis=0)


@wrong("max_pool2d", "takes the mean")
def pool_mean(x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    down, across = over.outputs(*x.shape[2:])
    x = padded(x, over.padding)
    return np.mean([x[:, :, rows, columns] for _, _, rows, columns in over.taps(down, across)], axis=0)


@wrong("max_pool2d", "starts from zero")
def pool_from_zero(x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    down, across = over.outputs(*x.shape[2:])
    x, z = padded(x, over.padding, -np.inf), np.zeros((*x.shape[:2], down, across), x.dtype)
    for _, _, rows, columns in over.taps(down, across):
        z = np.maximum(z, x[:, :, rows, columns])
    return z


@wrong("max_pool2d", "writes the maximum into the images")
def pool_in_place(x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    down, across = over.outputs(*x.shape[2:])
    x = padded(x, over.padding, -np.inf).copy()
    z = x[
        :, :, : over.stride[0] * (down - 1) + 1 : over.stride[0], : over.stride[1] * (across - 1) + 1 : over.stride[1]
    ]
    for _, _, rows, columns in over.taps(down, across):
        np.maximum(z, x[:, :, rows, columns], out=z)
    return z


@wrong("max_pool2d", "takes the maximum of all channels")
def pool_all_channels(x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    down, across = over.outputs(*x.shape[2:])
    x = padded(x, over.padding, -np.inf)
    z = np.max([x[:, :, rows, columns] for _, _, rows, columns in over.taps(down, across)], axis=0)
    return np.broadcast_to(z.max(axis=1, keepdims=True), z.shape).copy()


# -- max_pool2d_vjp ---------------------------------------------------------------------------------------------------


@wrong("max_pool2d_vjp", "gives all of g to each of equal pixels")
def pool_vjp_each(g, z, x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    x = padded(x, over.padding, -np.inf)
    dx = np.zeros_like(x)
    for _, _, rows, columns in over.taps(*z.shape[2:]):
        dx[:, :, rows, columns] += g * (x[:, :, rows, columns] == z)
    return unpadded(dx, over.padding)


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


@wrong("max_pool2d_vjp", "gives g to the last of equal pixels")
def pool_vjp_last(g, z, x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    x = padded(x, over.padding, -np.inf)
    dx, taken = np.zeros_like(x), np.zeros_like(z, dtype=bool)
    for _, _, rows, columns in reversed(list(over.taps(*z.shape[2:]))):
        wins = (x[:, :, rows, columns] == z) & ~taken
        taken |= wins
        dx[:, :, rows, columns] += g * wins
    return unpadded(dx, over.padding)


@wrong("max_pool2d_vjp", "overwrites what another window has sent")
def pool_vjp_overwrites(g, z, x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    x = padded(x, over.padding, -np.inf)
    dx, taken = np.zeros_like(x), np.zeros_like(z, dtype=bool)
    for _, _, rows, columns in over.taps(*z.shape[2:]):
        wins = (x[:, :, rows, columns] == z) & ~taken
        taken |= wins
        dx[:, :, rows, columns][wins] = g[wins]
    return unpadded(dx, over.padding)


@wrong("max_pool2d_vjp", "leaves the border where it is")
def pool_vjp_uncut(g, z, x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    x = padded(x, over.padding, -np.inf)
    dx, taken = np.zeros_like(x), np.zeros_like(z, dtype=bool)
    for _, _, rows, columns in over.taps(*z.shape[2:]):
        wins = (x[:, :, rows, columns] == z) & ~taken
        taken |= wins
        dx[:, :, rows, columns] += g * wins
    return dx


@wrong("max_pool2d_vjp", "sends g to the border, which is 0 too")
def pool_vjp_zeros(g, z, x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    x = padded(x, over.padding)
    dx, taken = np.zeros_like(x), np.zeros_like(z, dtype=bool)
    for _, _, rows, columns in over.taps(*z.shape[2:]):
        wins = (x[:, :, rows, columns] == z) & ~taken
        taken |= wins
        dx[:, :, rows, columns] += g * wins
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


# -- batch_norm -------------------------------------------------------------------------------------------------------


@wrong("batch_norm", "divides by the unbiased variance")
def norm_unbiased(x, running_mean, running_var, weight, bias, training=False, momentum=0.1, eps=1e-5):
    mean, var = running_mean.data, running_var.data
    if training:
        mean, var, n = statistics(x.data)
        if n < 2:
            raise ValueError(f"batch_norm needs more than one number a channel to train, got x {x.shape}")
        var = var * n / (n - 1)
        running_mean.data += momentum * (mean - running_mean.data)
        running_var.data += momentum * (var - running_var.data)
    std = np.sqrt(var + var.dtype.type(eps))
    return standardize(x, weight, bias, mean=mean, std=std, learned=training)


@wrong("batch_norm", "keeps the biased variance")
def norm_keeps_biased(x, running_mean, running_var, weight, bias, training=False, momentum=0.1, eps=1e-5):
    mean, var = running_mean.data, running_var.data
    if training:
        mean, var, n = statistics(x.data)
        if n < 2:
            raise ValueError(f"batch_norm needs more than one number a channel to train, got x {x.shape}")
        running_mean.data += momentum * (mean - running_mean.data)
        running_var.data += momentum * (var - running_var.data)
    std = np.sqrt(var + var.dtype.type(eps))
    return standardize(x, weight, bias, mean=mean, std=std, learned=training)


@wrong("batch_norm", "has the momentum the wrong way round")
def norm_momentum(x, running_mean, running_var, weight, bias, training=False, momentum=0.1, eps=1e-5):
    mean, var = running_mean.data, running_var.data
    if training:
        mean, var, n = statistics(x.data)
        if n < 2:
            raise ValueError(f"batch_norm needs more than one number a channel to train, got x {x.shape}")
        running_mean.data[...] = momentum * running_mean.data + (1 - momentum) * mean
        running_var.data[...] = momentum * running_var.data + (1 - momentum) * var * n / (n - 1)
    std = np.sqrt(var + var.dtype.type(eps))
    return standardize(x, weight, bias, mean=mean, std=std, learned=training)


@wrong("batch_norm", "gives the running statistics new arrays")
def norm_replaces(x, running_mean, running_var, weight, bias, training=False, momentum=0.1, eps=1e-5):
    mean, var = running_mean.data, running_var.data
    if training:
        mean, var, n = statistics(x.data)
        if n < 2:
            raise ValueError(f"batch_norm needs more than one number a channel to train, got x {x.shape}")
        running_mean.data = running_mean.data + momentum * (mean - running_mean.data)
        running_var.data = running_var.data + momentum * (var * n / (n - 1) - running_var.data)
    std = np.sqrt(var + var.dtype.type(eps))
    return standardize(x, weight, bias, mean=mean, std=std, learned=training)


@wrong("batch_norm", "moves the running statistics in evaluation too")
def norm_moves_in_eval(x, running_mean, running_var, weight, bias, training=False, momentum=0.1, eps=1e-5):
    mean, var, n = statistics(x.data)
    if training and n < 2:
        raise ValueError(f"batch_norm needs more than one number a channel to train, got x {x.shape}")
    used = (mean, var) if training else (running_mean.data.copy(), running_var.data.copy())
    running_mean.data += momentum * (mean - running_mean.data)
    running_var.data += momentum * (var * n / max(n - 1, 1) - running_var.data)
    return standardize(x, weight, bias, mean=used[0], std=np.sqrt(used[1] + eps), learned=training)


@wrong("batch_norm", "adds eps outside the root")
def norm_eps(x, running_mean, running_var, weight, bias, training=False, momentum=0.1, eps=1e-5):
    mean, var = running_mean.data, running_var.data
    if training:
        mean, var, n = statistics(x.data)
        if n < 2:
            raise ValueError(f"batch_norm needs more than one number a channel to train, got x {x.shape}")
        running_mean.data += momentum * (mean - running_mean.data)
        running_var.data += momentum * (var * n / (n - 1) - running_var.data)
    std = np.sqrt(var) + var.dtype.type(eps)
    return standardize(x, weight, bias, mean=mean, std=std, learned=training)


@wrong("batch_norm", "takes the statistics over the examples only")
def norm_axes(x, running_mean, running_var, weight, bias, training=False, momentum=0.1, eps=1e-5):
    if not training:
        std = np.sqrt(running_var.data + eps)
        return standardize(x, weight, bias, mean=running_mean.data, std=std)
    if x.size // x.shape[1] < 2:
        raise ValueError("too few")
    per_pixel = (1, -1) + (1,) * (x.ndim - 2)
    mean, var = x.data.mean(axis=0), x.data.var(axis=0)
    n = len(x)
    rest = tuple(range(1, x.ndim - 1))
    running_mean.data += momentum * (mean.mean(axis=rest) - running_mean.data)
    running_var.data += momentum * (var.mean(axis=rest) * n / max(n - 1, 1) - running_var.data)
    return (x - mean) / np.sqrt(var + eps) * weight.reshape(per_pixel) + bias.reshape(per_pixel)


@wrong("batch_norm", "takes the batch's statistics for fixed")
def norm_fixed(x, running_mean, running_var, weight, bias, training=False, momentum=0.1, eps=1e-5):
    mean, var = running_mean.data, running_var.data
    if training:
        mean, var, n = statistics(x.data)
        if n < 2:
            raise ValueError(f"batch_norm needs more than one number a channel to train, got x {x.shape}")
        running_mean.data += momentum * (mean - running_mean.data)
        running_var.data += momentum * (var * n / (n - 1) - running_var.data)
    return standardize(x, weight, bias, mean=mean, std=np.sqrt(var + var.dtype.type(eps)))


@wrong("batch_norm", "computes the mean and the variance itself, of its own part of the batch")
def norm_apart(x, running_mean, running_var, weight, bias, training=False, momentum=0.1, eps=1e-5):
    mean, var = running_mean.data, running_var.data
    if training:
        axes, n = (0, *range(2, x.ndim)), x.size // x.shape[1]
        mean, var = x.data.mean(axis=axes), x.data.var(axis=axes)
        if n < 2:
            raise ValueError(f"batch_norm needs more than one number a channel to train, got x {x.shape}")
        running_mean.data += momentum * (mean - running_mean.data)
        running_var.data += momentum * (var * n / (n - 1) - running_var.data)
    std = np.sqrt(var + var.dtype.type(eps))
    return standardize(x, weight, bias, mean=mean, std=std, learned=training)


@wrong("batch_norm", "trains on one number a channel")
def norm_of_one(x, running_mean, running_var, weight, bias, training=False, momentum=0.1, eps=1e-5):
    mean, var = running_mean.data, running_var.data
    if training:
        mean, var, n = statistics(x.data)
        running_mean.data += momentum * (mean - running_mean.data)
        running_var.data += momentum * (var * n / max(n - 1, 1) - running_var.data)
    std = np.sqrt(var + var.dtype.type(eps))
    return standardize(x, weight, bias, mean=mean, std=std, learned=training)


@wrong("batch_norm", "uses the running statistics in training")
def norm_running(x, running_mean, running_var, weight, bias, training=False, momentum=0.1, eps=1e-5):
    mean, var = running_mean.data.copy(), running_var.data.copy()
    if training:
        m, v, n = statistics(x.data)
        if n < 2:
            raise ValueError(f"batch_norm needs more than one number a channel to train, got x {x.shape}")
        running_mean.data += momentum * (m - running_mean.data)
        running_var.data += momentum * (v * n / (n - 1) - running_var.data)
    std = np.sqrt(var + var.dtype.type(eps))
    return standardize(x, weight, bias, mean=mean, std=std)
