"""Right answers to chapter 09, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import numpy as np

from tinytorch.convolutions import (
    Window,
    all_sum,
    col2im,
    comparable,
    conv2d_naive,
    im2col,
    output_size,
    padded,
    pooling,
    standardize,
    statistics,
    unpadded,
    window,
)
from tinytorch.tensor import Tensor
from tito.rubrics.planted import right

# -- conv2d_naive -----------------------------------------------------------------------------------------------------


@right("conv2d_naive", "one product at a time")
def naive_products(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    over = window(weight.shape[2:], stride, padding, dilation)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = over
    down, across = over.outputs(*x.shape[2:])
    filters, channels = weight.shape[0], weight.shape[1]
    z = np.zeros((x.shape[0], filters, down, across), x.dtype)
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    for k in range(filters):
        group = k * groups // filters
        for i in range(down):
            for j in range(across):
                for c in range(channels):
                    for a in range(kh):
                        for n in range(kw):
                            pixel = x[:, group * channels + c, i * sh + a * dh, j * sw + n * dw]
                            z[:, k, i, j] += pixel * weight[k, c, a, n]
        if bias is not None:
            z[:, k] += bias[k]
    return z


@right("conv2d_naive", "a product of matrices for each place of the kernel")
def naive_places(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    over = window(weight.shape[2:], stride, padding, dilation)
    (ph, pw), each, channels = over.padding, len(weight) // groups, weight.shape[1]
    down, across = over.outputs(*x.shape[2:])
    x, parts = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw))), []
    for group in range(groups):
        xs, ws = x[:, group * channels : (group + 1) * channels], weight[group * each : (group + 1) * each]
        places = over.taps(down, across)
        parts.append(sum(np.einsum("bcij,kc->bkij", xs[:, :, r, c], ws[:, :, i, j]) for i, j, r, c in places))
    z = np.concatenate(parts, axis=1)
    return (z if bias is None else z + np.reshape(bias, (-1, 1, 1))).astype(x.dtype)


@right("conv2d_naive", "lets sliding windows do the windows")
def naive_windows(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    over = window(weight.shape[2:], stride, padding, dilation)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = over
    filters, channels, dtype = len(weight), weight.shape[1], x.dtype
    x = np.pad(x, [(0, 0), (0, 0), (ph, ph), (pw, pw)])
    spans = (dh * (kh - 1) + 1, dw * (kw - 1) + 1)
    windows = np.lib.stride_tricks.sliding_window_view(x, spans, axis=(2, 3))[:, :, ::sh, ::sw, ::dh, ::dw]
    z = np.empty((len(x), filters, *windows.shape[2:4]), dtype)
    for k in range(filters):
        first = k // (filters // groups) * channels
        z[:, k] = np.einsum("bcijan,can->bij", windows[:, first : first + channels], weight[k])
    return z if bias is None else z + np.asarray(bias)[None, :, None, None]


@right("conv2d_naive", "by groups, by recursion")
def naive_groups(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    if groups > 1:
        how = {"stride": stride, "padding": padding, "dilation": dilation}
        parts = zip(np.split(x, groups, axis=1), np.split(weight, groups))
        z = np.concatenate([conv2d_naive(*part, **how) for part in parts], axis=1)
        return z if bias is None else z + bias[:, None, None]
    over = window(weight.shape[2:], stride, padding, dilation)
    z = np.zeros((len(x), len(weight), *over.outputs(*x.shape[2:])), x.dtype)
    x = padded(x, over.padding)
    for i, j, rows, columns in over.taps(*z.shape[2:]):
        z += np.tensordot(x[:, :, rows, columns], weight[:, :, i, j], (1, 1)).transpose(0, 3, 1, 2)
    if bias is not None:
        z += bias[:, None, None]
    return z


@right("conv2d_naive", "works out the sizes itself, and looks at tuples")
def naive_own_sizes(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    sh, sw = stride if isinstance(stride, tuple) else (stride, stride)
    ph, pw = padding if isinstance(padding, tuple) else (padding, padding)
    dh, dw = dilation if isinstance(dilation, tuple) else (dilation, dilation)
    B, C, H, W = x.shape
    K, c, kh, kw = weight.shape
    oh = (H + 2 * ph - dh * (kh - 1) - 1) // sh + 1
    ow = (W + 2 * pw - dw * (kw - 1) - 1) // sw + 1
    if oh <= 0 or ow <= 0:
        raise ValueError(f"filters {weight.shape} do not fit into images {x.shape}")
    big = np.zeros((B, C, H + 2 * ph, W + 2 * pw), dtype=x.dtype)
    big[:, :, ph : ph + H, pw : pw + W] = x
    out = np.zeros((B, K, oh, ow), dtype=x.dtype)
    for n in range(B):
        for k in range(K):
            g = k // (K // groups)
            for i in range(oh):
                for j in range(ow):
                    total = 0.0
                    for ch in range(c):
                        for u in range(kh):
                            for v in range(kw):
                                total += float(big[n, g * c + ch, i * sh + u * dh, j * sw + v * dw]) * float(
                                    weight[k, ch, u, v]
                                )
                    out[n, k, i, j] = total + (bias[k] if bias is not None else 0)
    return out


@right("conv2d_naive", "skips what lies outside, and pads nothing")
def naive_inside(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    over = window(weight.shape[2:], stride, padding, dilation)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = over
    filters, channels = weight.shape[:2]
    height, width = x.shape[2:]
    down, across = over.outputs(height, width)
    z = np.zeros((len(x), filters, down, across), x.dtype)
    if bias is not None:
        z += bias.reshape(1, -1, 1, 1)
    for i in range(down):
        for j in range(across):
            for a in range(kh):
                for n in range(kw):
                    row, column = i * sh + a * dh - ph, j * sw + n * dw - pw
                    if not (0 <= row < height and 0 <= column < width):
                        continue
                    for group in range(groups):
                        seen = x[:, group * channels : (group + 1) * channels, row, column]
                        own = slice(group * (filters // groups), (group + 1) * (filters // groups))
                        z[:, own, i, j] += seen @ weight[own, :, a, n].T
    return z


# -- im2col -----------------------------------------------------------------------------------------------------------


@right("im2col", "lets sliding windows do the windows")
def im2col_sliding(x, over):
    (kh, kw), (sh, sw), (dh, dw) = over.kernel, over.stride, over.dilation
    windows = np.lib.stride_tricks.sliding_window_view(x, (dh * (kh - 1) + 1, dw * (kw - 1) + 1), axis=(1, 2))
    windows = windows[:, ::sh, ::sw, :, ::dh, ::dw]  # (B, H', W', C, kh, kw)
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, kh * kw * x.shape[3])


@right("im2col", "one row at a time")
def im2col_rows(x, over):
    (kh, kw), (sh, sw), (dh, dw) = over.kernel, over.stride, over.dilation
    down, across = over._replace(padding=(0, 0)).outputs(*x.shape[1:3])
    rows = []
    for image in x:
        for i in range(down):
            for j in range(across):
                part = image[i * sh : i * sh + dh * (kh - 1) + 1 : dh, j * sw : j * sw + dw * (kw - 1) + 1 : dw]
                rows.append(part.ravel())
    return np.array(rows)


@right("im2col", "stacks what each place of the kernel sees")
def im2col_stacked(x, over):
    b, h, w, c = x.shape
    down, across = over._replace(padding=(0, 0)).outputs(h, w)
    views = [x[:, rows, columns] for _, _, rows, columns in over.taps(down, across)]
    return np.stack(views, axis=3).reshape(b * down * across, len(views) * c)


@right("im2col", "by indices")
def im2col_indices(x, over):
    b, h, w, c = x.shape
    (kh, kw), (sh, sw), (dh, dw) = over.kernel, over.stride, over.dilation
    down, across = over._replace(padding=(0, 0)).outputs(h, w)
    rows = (np.arange(down) * sh)[:, None, None, None] + (np.arange(kh) * dh)[:, None]
    columns = (np.arange(across) * sw)[:, None, None] + np.arange(kw) * dw
    return x[:, rows, columns].reshape(b * down * across, kh * kw * c)


@right("im2col", "as_strided, with the array's own strides")
def im2col_strided(x, over):
    (kh, kw), (sh, sw), _, (dh, dw) = over
    b, h, w, c = x.shape
    down = output_size(h, kh, sh, 0, dh)
    across = output_size(w, kw, sw, 0, dw)
    s0, s1, s2, s3 = x.strides
    v = np.lib.stride_tricks.as_strided(
        x, (b, down, across, kh, kw, c), (s0, s1 * sh, s2 * sw, s1 * dh, s2 * dw, s3), writeable=False
    )
    return np.ascontiguousarray(v).reshape(b * down * across, -1)


# -- col2im -----------------------------------------------------------------------------------------------------------


@right("col2im", "one window at a time")
def col2im_windows(rows_of_windows, shape, over):
    (kh, kw), (sh, sw), (dh, dw) = over.kernel, over.stride, over.dilation
    down, across = over._replace(padding=(0, 0)).outputs(*shape[1:3])
    parts = iter(rows_of_windows.reshape(-1, kh, kw, shape[3]))
    x = np.zeros(shape, rows_of_windows.dtype)
    for b, i, j in np.ndindex(shape[0], down, across):
        rows = slice(i * sh, i * sh + dh * (kh - 1) + 1, dh)
        x[b, rows, j * sw : j * sw + dw * (kw - 1) + 1 : dw] += next(parts)
    return x


@right("col2im", "asks im2col where each number came from")
def col2im_numbers(rows_of_windows, shape, over):
    came_from = im2col(np.arange(np.prod(shape)).reshape(shape), over)
    x = np.zeros(np.prod(shape), rows_of_windows.dtype)
    np.add.at(x, came_from.ravel(), rows_of_windows.ravel())
    return x.reshape(shape)


@right("col2im", "moves the places of the kernel to the front")
def col2im_places(rows_of_windows, shape, over):
    b, h, w, c = shape
    down, across = over._replace(padding=(0, 0)).outputs(h, w)
    places = rows_of_windows.reshape(b, down, across, -1, c).transpose(3, 0, 1, 2, 4)
    x = np.zeros_like(rows_of_windows, shape=shape)
    for place, (_, _, rows, columns) in zip(places, over.taps(down, across)):
        x[:, rows, columns] = x[:, rows, columns] + place
    return x


@right("col2im", "pixel by pixel: who saw it")
def col2im_pixels(rows_of_windows, shape, over):
    b, h, w, c = shape
    (kh, kw), (sh, sw), (dh, dw) = over.kernel, over.stride, over.dilation
    down, across = over._replace(padding=(0, 0)).outputs(h, w)
    seen = rows_of_windows.reshape(b, down, across, kh, kw, c)
    x = np.zeros(shape, seen.dtype)
    for r in range(h):
        for q in range(w):
            for u in range(kh):
                for v in range(kw):
                    i, ri = divmod(r - u * dh, sh)
                    j, rj = divmod(q - v * dw, sw)
                    if ri == rj == 0 and 0 <= i < down and 0 <= j < across:
                        x[:, r, q] += seen[:, i, j, u, v]
    return x


# -- weight_gradient --------------------------------------------------------------------------------------------------


@right("weight_gradient", "pads, unfolds all, and multiplies once")
def weight_at_once(x, g, over):
    (ph, pw), filters = over.padding, g.shape[-1]
    columns = im2col(np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0))), over)
    return (columns.T @ g.reshape(-1, filters)).reshape(*over.kernel, x.shape[-1], filters)


@right("weight_gradient", "one place of the kernel at a time")
def weight_places(x, g, over):
    (ph, pw), c, k = over.padding, x.shape[-1], g.shape[-1]
    x = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    dw = np.empty((*over.kernel, c, k), g.dtype)
    for i, j, rows, columns in over.taps(*g.shape[1:3]):
        dw[i, j] = x[:, rows, columns].reshape(-1, c).T @ g.reshape(-1, k)
    return dw


@right("weight_gradient", "adds up the images")
def weight_images(x, g, over):
    (ph, pw), (_, h, w, c), k = over.padding, x.shape, g.shape[-1]
    dw = np.zeros((*over.kernel, c, k), x.dtype)
    for image, slope in zip(x, g):
        whole = np.zeros((1, h + 2 * ph, w + 2 * pw, c), x.dtype)
        whole[0, ph : ph + h, pw : pw + w] = image
        dw += np.tensordot(im2col(whole, over), slope.reshape(-1, k), (0, 0)).reshape(dw.shape)
    return dw


@right("weight_gradient", "einsum over sliding windows")
def weight_einsum(x, g, over):
    (ph, pw), (dh, dw), (kh, kw), (sh, sw) = over.padding, over.dilation, over.kernel, over.stride
    x = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    v = np.lib.stride_tricks.sliding_window_view(x, (dh * (kh - 1) + 1, dw * (kw - 1) + 1), axis=(1, 2))[
        :, ::sh, ::sw, :, ::dh, ::dw
    ]
    return np.einsum("bijcuv,bijk->uvck", v, g)


@right("weight_gradient", "convolves x with g, spread by the stride")
def weight_spread(x, g, over):
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = over
    b, down, across, k = g.shape
    xp = np.pad(x, [(0, 0), (ph, ph), (pw, pw), (0, 0)])
    spread = np.zeros((b, sh * (down - 1) + 1, sw * (across - 1) + 1, k), g.dtype)
    spread[:, ::sh, ::sw, :] = g
    out = [
        [
            np.einsum(
                "bijc,bijk->ck", xp[:, u * dh : u * dh + spread.shape[1], v * dw : v * dw + spread.shape[2]], spread
            )
            for v in range(kw)
        ]
        for u in range(kh)
    ]
    return np.array(out, dtype=g.dtype)


# -- input_gradient ---------------------------------------------------------------------------------------------------


@right("input_gradient", "by col2im, whatever the stride")
def input_col2im(g, weight, shape, over):
    b, h, w, c = shape
    (ph, pw), filters = over.padding, weight.shape[-1]
    rows = g.reshape(-1, filters) @ weight.reshape(-1, filters).T
    return col2im(rows, (b, h + 2 * ph, w + 2 * pw, c), over)[:, ph : ph + h, pw : pw + w]


@right("input_gradient", "one place of the kernel at a time")
def input_places(g, weight, shape, over):
    b, h, w, c = shape
    ph, pw = over.padding
    dx = np.zeros((b, h + 2 * ph, w + 2 * pw, c), g.dtype)
    for i, j, rows, columns in over.taps(*g.shape[1:3]):
        dx[:, rows, columns] += g @ weight[i, j].T
    return unpadded(dx.transpose(0, 3, 1, 2), (ph, pw)).transpose(0, 2, 3, 1)


@right("input_gradient", "image by image")
def input_images(g, weight, shape, over):
    _, h, w, c = shape
    (ph, pw), filters = over.padding, weight.shape[-1]
    matrix = np.ascontiguousarray(weight.reshape(-1, filters).T)
    found = [col2im(one.reshape(-1, filters) @ matrix, (1, h + 2 * ph, w + 2 * pw, c), over)[0] for one in g]
    return np.array(found)[:, ph : h + ph, pw : w + pw]


@right("input_gradient", "spreads g by the stride and convolves with the kernel turned")
def input_spread(g, weight, shape, over):
    b, h, w, c = shape
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = over
    down, across, k = g.shape[1:]
    spread = np.zeros((b, h + 2 * ph + dh * (kh - 1), w + 2 * pw + dw * (kw - 1), k), g.dtype)
    spread[:, dh * (kh - 1) :: sh, dw * (kw - 1) :: sw][:, :down, :across] = g
    turned = Window((kh, kw), (1, 1), (0, 0), (dh, dw))
    columns = im2col(spread, turned)
    matrix = weight[::-1, ::-1].swapaxes(2, 3).reshape(-1, c)
    return (columns @ matrix).reshape(b, h + 2 * ph, w + 2 * pw, c)[:, ph : ph + h, pw : pw + w]


@right("input_gradient", "one output pixel at a time, outside left out")
def input_inside(g, weight, shape, over):
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = over
    dx = np.zeros(shape, dtype=g.dtype)
    for i in range(g.shape[1]):
        for j in range(g.shape[2]):
            for u in range(kh):
                for v in range(kw):
                    r, q = i * sh - ph + u * dh, j * sw - pw + v * dw
                    if 0 <= r < shape[1] and 0 <= q < shape[2]:
                        dx[:, r, q, :] += np.dot(g[:, i, j, :], weight[u, v].T)
    return dx


# -- max_pool2d -------------------------------------------------------------------------------------------------------


@right("max_pool2d", "one window at a time")
def pool_windows(x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    (kh, kw), (sh, sw), down_across = over.kernel, over.stride, over.outputs(*x.shape[2:])
    x = padded(x, over.padding, -np.inf)
    z = np.empty((*x.shape[:2], *down_across), x.dtype)
    for i, j in np.ndindex(*down_across):
        z[:, :, i, j] = x[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw].max(axis=(2, 3))
    return z


@right("max_pool2d", "stacks the views")
def pool_stacked(x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    down, across = over.outputs(*x.shape[2:])
    x = padded(x, over.padding, -np.inf)
    return np.max([x[:, :, rows, columns] for _, _, rows, columns in over.taps(down, across)], axis=0)


@right("max_pool2d", "starts from minus infinity")
def pool_from_below(x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    down, across = over.outputs(*x.shape[2:])
    z = np.full((*x.shape[:2], down, across), -np.inf, x.dtype)
    (ph, pw) = over.padding
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=-np.inf)
    for _, _, rows, columns in over.taps(down, across):
        z = np.maximum(z, x[:, :, rows, columns])
    return z


@right("max_pool2d", "rows first, then columns")
def pool_rows(x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    (kh, kw), (sh, sw) = over.kernel, over.stride
    down, across = over.outputs(*x.shape[2:])
    x = padded(x, over.padding, -np.inf)
    tall = np.stack([x[:, :, i * sh : i * sh + kh].max(axis=2) for i in range(down)], axis=2)
    return np.stack([tall[..., j * sw : j * sw + kw].max(axis=3) for j in range(across)], axis=3)


@right("max_pool2d", "im2col, one channel at a time")
def pool_im2col(x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    down, across = over.outputs(*x.shape[2:])
    b, c = x.shape[:2]
    x = padded(x, over.padding, float("-inf"))
    lines_ = im2col(x.reshape(b * c, *x.shape[2:], 1), over)
    return lines_.max(axis=1).reshape(b, c, down, across)


@right("max_pool2d", "cuts each window to what lies inside")
def pool_inside(x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    (kh, kw), (sh, sw), (ph, pw) = over[:3]
    z = np.zeros(x.shape[:2] + over.outputs(x.shape[2], x.shape[3]), dtype=x.dtype)
    for i in range(z.shape[2]):
        for j in range(z.shape[3]):
            top, left = i * sh - ph, j * sw - pw
            z[:, :, i, j] = np.amax(x[:, :, max(top, 0) : top + kh, max(left, 0) : left + kw], axis=(-2, -1))
    return z


# -- max_pool2d_vjp ---------------------------------------------------------------------------------------------------


@right("max_pool2d_vjp", "adds, whether windows overlap or not")
def pool_vjp_adds(g, z, x, *, kernel_size, stride=None, padding=0):
    over, (x, z) = pooling(kernel_size, stride, padding), comparable(x, z)
    x = padded(x, over.padding, np.nan)
    dx, taken = np.zeros_like(x), np.zeros(z.shape, bool)
    for _, _, rows, columns in over.taps(*z.shape[2:]):
        wins = (x[:, :, rows, columns] == z) & ~taken
        dx[:, :, rows, columns] += np.where(wins, g, 0)
        taken |= wins
    return unpadded(dx, over.padding)


@right("max_pool2d_vjp", "asks argmax in every window, after the part that lies outside is cut off")
def pool_vjp_argmax(g, z, x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    (kh, kw), (sh, sw), (ph, pw), _ = over
    dx = np.zeros_like(x)
    for b, c, i, j in np.ndindex(z.shape):
        top, left = max(i * sh - ph, 0), max(j * sw - pw, 0)
        part = x[b, c, top : i * sh - ph + kh, left : j * sw - pw + kw]
        row, column = divmod(int(part.argmax()), part.shape[1])
        dx[b, c, top + row, left + column] += g[b, c, i, j]
    return dx


@right("max_pool2d_vjp", "remembers the first place that wins, and sends g there afterwards")
def pool_vjp_first(g, z, x, *, kernel_size, stride=None, padding=0):
    over, (x, z) = pooling(kernel_size, stride, padding), comparable(x, z)
    x = padded(x, over.padding, np.nan)
    taps = list(over.taps(*z.shape[2:]))
    equal = np.stack([x[:, :, rows, columns] == z for _, _, rows, columns in taps])
    first, dx = equal.argmax(axis=0), np.zeros_like(x)
    for number, (_, _, rows, columns) in enumerate(taps):
        dx[:, :, rows, columns] += g * (first == number)
    return unpadded(dx, over.padding)


@right("max_pool2d_vjp", "a search in every window, > and nan by hand")
def pool_vjp_search(g, z, x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    (kh, kw), (sh, sw), (ph, pw), _ = over
    dx = np.zeros_like(x)
    for b, c, i, j in np.ndindex(g.shape):
        best, value = None, None
        for r in range(max(0, i * sh - ph), min(x.shape[2], i * sh - ph + kh)):
            for q in range(max(0, j * sw - pw), min(x.shape[3], j * sw - pw + kw)):
                pixel = x[b, c, r, q]
                if best is None or pixel > value or (np.isnan(pixel) and not np.isnan(value)):
                    best, value = (r, q), pixel
        dx[(b, c, *best)] += g[b, c, i, j]
    return dx


@right("max_pool2d_vjp", "im2col and col2im, one channel at a time")
def pool_vjp_im2col(g, z, x, *, kernel_size, stride=None, padding=0):
    over = pooling(kernel_size, stride, padding)
    b, c = x.shape[:2]
    xp = padded(x, over.padding, -np.inf)
    inside = padded(np.ones_like(x), over.padding).reshape(b * c, *xp.shape[2:], 1)
    rows = im2col(xp.reshape(b * c, *xp.shape[2:], 1), over)
    real = im2col(inside, over) > 0
    nan = np.isnan(rows)
    wins = np.where(nan.any(axis=1, keepdims=True), nan, rows == np.max(rows, axis=1, keepdims=True)) & real
    first = wins & (np.cumsum(wins, axis=1) == 1)
    dx = col2im(first * g.reshape(-1, 1), (b * c, *xp.shape[2:], 1), over).reshape(xp.shape)
    return unpadded(dx, over.padding).astype(x.dtype)


# -- standardize_vjp --------------------------------------------------------------------------------------------------


@right("standardize_vjp", "adds up the three ways, with sums over axes")
def slopes_three_ways(g, z, x, weight, bias, *, mean, std, learned=False):
    form, axes = (1, -1, *[1] * (x.ndim - 2)), (0, *range(2, x.ndim))
    n, scale = (x - mean.reshape(form)) / std.reshape(form), (weight / std).reshape(form)
    db, dw = g.sum(axis=axes), (g * n).sum(axis=axes)
    if not learned:
        return scale * g, dw, db
    count = all_sum(np.array(x.size // x.shape[1]))
    g_mean, gn_mean = (all_sum(part).reshape(form) / count for part in (db, dw))
    return (scale * (g - g_mean - n * gn_mean)).astype(x.dtype), dw, db


@right("standardize_vjp", "follows each way by itself")
def slopes_each_way(g, z, x, weight, bias, *, mean, std, learned=False):
    last = lambda a: np.moveaxis(a, 1, -1)
    deviation, slopes = last(x) - mean, last(g)
    flat = tuple(range(x.ndim - 1))
    db, dw = slopes.sum(axis=flat), (slopes * deviation).sum(axis=flat) / std
    dn = slopes * weight
    dx = dn / std
    if learned:
        n = all_sum(np.float64(deviation.size // len(mean)))
        d_mean = -all_sum(dn.sum(axis=flat)) / std
        d_std = -all_sum((dn * deviation).sum(axis=flat)) / std**2
        dx = dx + d_mean / n + d_std * deviation / (n * std)
    return np.moveaxis(dx, -1, 1).astype(x.dtype), dw, db


@right("standardize_vjp", "goes channel by channel")
def slopes_by_channel(g, z, x, weight, bias, *, mean, std, learned=False):
    dx, dw, db = np.empty_like(x), np.empty_like(weight), np.empty_like(bias)
    for c in range(x.shape[1]):
        own, n = g[:, c], (x[:, c] - mean[c]) / std[c]
        db[c], dw[c] = own.sum(), (own * n).sum()
        dx[:, c] = own * weight[c] / std[c]
    if learned:
        total, pulled, count = (all_sum(a) for a in (db, dw, np.array(x[:, 0].size)))
        for c in range(x.shape[1]):
            n = (x[:, c] - mean[c]) / std[c]
            dx[:, c] -= weight[c] / std[c] * (total[c] + n * pulled[c]) / count
    return dx, dw, db


@right("standardize_vjp", "with one all_sum for all")
def slopes_stacked(g, z, x, weight, bias, *, mean, std, learned=False):
    c = x.shape[1]
    n = (x.swapaxes(0, 1).reshape(c, -1) - mean[:, None]) / std[:, None]
    gs = g.swapaxes(0, 1).reshape(c, -1)
    db, dw = gs.sum(1), (gs * n).sum(1)
    back = lambda a: a.reshape(c, len(x), *x.shape[2:]).swapaxes(0, 1)
    if not learned:
        return back(gs * (weight / std)[:, None]), dw, db
    total = all_sum(np.stack([db, dw, np.full(c, gs.shape[1], x.dtype)]))
    a, b, count = total[:, :, None]
    return back(((gs - a / count - n * b / count) * (weight / std)[:, None]).astype(x.dtype)), dw, db


@right("standardize_vjp", "by way of the variance")
def slopes_variance(g, z, x, weight, bias, *, mean, std, learned=False):
    shape = [1] * x.ndim
    shape[1] = -1
    axes = tuple(a for a in range(x.ndim) if a != 1)
    mu, sd, w = (np.reshape(a, shape) for a in (mean, std, weight))
    away = x - mu
    dw = np.sum(g * away / sd, axis=axes)
    db = np.sum(g, axis=axes)
    if not learned:
        return g * w / sd, dw, db
    N = all_sum(np.array([x.size / x.shape[1]]))[0]
    dn = g * w
    dvar = all_sum(np.sum(dn * away, axis=axes)).reshape(shape) * -0.5 * sd**-3
    dmu = all_sum(np.sum(dn, axis=axes)).reshape(shape) * -1 / sd
    dx = dn / sd + dvar * 2 * away / N + dmu / N
    return np.asarray(dx, dtype=x.dtype), dw, db


# -- batch_norm -------------------------------------------------------------------------------------------------------


@right("batch_norm", "writes the running ones as a weighted mean")
def norm_weighted(x, running_mean, running_var, weight, bias, training=False, momentum=0.1, eps=1e-5):
    if not training:
        mean, var = running_mean.data, running_var.data
        return standardize(x, weight, bias, mean=mean, std=(var + eps) ** 0.5)
    mean, var, n = statistics(x.data)
    if n == 1:
        raise ValueError(f"one number a channel has no variance: {x.shape}")
    unbiased = var * (n / (n - 1))
    running_mean.data[...] = (1 - momentum) * running_mean.data + momentum * mean
    running_var.data[...] = (1 - momentum) * running_var.data + momentum * unbiased
    return standardize(x, weight, bias, mean=mean, std=np.sqrt(var + eps), learned=True)


@right("batch_norm", "takes both branches apart")
def norm_branches(x, running_mean, running_var, weight, bias, training=False, momentum=0.1, eps=1e-5):
    if training:
        mean, var, n = statistics(x.data)
        if n <= 1:
            raise ValueError(f"needs two numbers a channel, got {x.shape}")
        for running, own in ((running_mean, mean), (running_var, n * var / (n - 1))):
            running.data *= 1 - momentum
            running.data += momentum * own
    else:
        mean, var = running_mean.data, running_var.data
    std = np.sqrt(var + np.asarray(eps, var.dtype))
    return standardize(x, weight, bias, mean=mean, std=std, learned=bool(training))


@right("batch_norm", "works with NumPy's out=")
def norm_out(x, running_mean, running_var, weight, bias, training=False, momentum=0.1, eps=1e-5):
    mean, var = running_mean.data.copy(), running_var.data.copy()
    if training:
        mean, var, n = statistics(x.data)
        if not n > 1:
            raise ValueError(f"one number a channel: {x.shape}")
        np.add(running_mean.data, momentum * (mean - running_mean.data), out=running_mean.data)
        np.add(running_var.data, momentum * (n / (n - 1) * var - running_var.data), out=running_var.data)
    return standardize(x, weight, bias, mean=mean, std=np.sqrt(var + eps), learned=training)


@right("batch_norm", "Tensor operations in evaluation")
def norm_tensors(x, running_mean, running_var, weight, bias, training=False, momentum=0.1, eps=1e-5):
    if not training:
        form = (1, -1, *[1] * (x.ndim - 2))
        scale = weight / Tensor(np.sqrt(running_var.data + eps))
        shift = bias - Tensor(running_mean.data.copy()) * scale
        return x * scale.reshape(form) + shift.reshape(form)
    mean, var, n = statistics(x.data)
    if n < 2:
        raise ValueError(f"one number: {x.shape}")
    running_mean.data[...] += momentum * (mean - running_mean.data)
    running_var.data[...] += momentum * (var * n / (n - 1) - running_var.data)
    return standardize(x, weight, bias, mean=mean, std=np.sqrt(var + eps), learned=True)


@right("batch_norm", "subtracts in place what is too much")
def norm_afterwards(x, running_mean, running_var, weight, bias, training=False, momentum=0.1, eps=1e-5):
    source = statistics(x.data) if training else (running_mean.data, running_var.data, 2)
    mean, var, n = source
    if n < 2:
        raise ValueError("one number a channel")
    std = np.power(var + eps, 0.5)
    z = standardize(x, weight, bias, mean=mean, std=std, learned=training)
    if training:
        running_mean.data -= momentum * (running_mean.data - mean)
        running_var.data -= momentum * (running_var.data - var / (1 - 1 / n))
    return z


# -- columns_bytes ----------------------------------------------------------------------------------------------------

right("columns_bytes", "works out the windows", "28 * 28", "((56 + 2 - 3) // 2 + 1) ** 2")
right("columns_bytes", "answers with a float", "4 * windows", "4.0 * windows")


@right("columns_bytes", "begins with a row")
def columns_by_row():
    row = 3 * 3 * 64 * 4
    return row * 28**2
