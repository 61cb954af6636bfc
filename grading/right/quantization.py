"""Right answers to chapter 15, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import numpy as np

from tinytorch.quantization import Grid, limits
from tito.rubrics.planted import right

# -- affine_grid ------------------------------------------------------------------------------------------------------

right("affine_grid", "begins at the other end", "least - low / step", "most - high / step")
right(
    "affine_grid",
    "counts the steps by the bits",
    "high / (most - least) - low / (most - least)",
    "(high - low) / (2**bits - 1)",
)


@right("affine_grid", "checks one thing after the other")
def step_by_step(low, high, bits=8):
    least, most = limits(bits)
    low, high = np.float64(low), np.float64(high)
    if np.any(np.isnan(low)) or np.any(np.isnan(high)) or np.any(np.isinf(low)) or np.any(np.isinf(high)):
        raise ValueError(f"not finite: {low}, {high}")
    if np.any(low > high):
        raise ValueError(f"{low} is above {high}")
    low, high = np.where(low < 0, low, 0.0), np.where(high > 0, high, 0.0)
    scale = ((high - low) / (most - least)).astype(np.float32)
    if np.any(scale == 0):
        raise ValueError(f"too narrow: {low}, {high}")
    zero = np.round(least - low / scale).astype(np.int32)
    return Grid(scale, np.minimum(np.maximum(zero, least), most).astype(np.int32), bits)


@right("affine_grid", "takes zero from the scale in float32")
def from_the_rounded_scale(low, high, bits=8):
    least, most = limits(bits)
    low, high = np.array(low, dtype=np.float64), np.array(high, dtype=np.float64)
    if (~(np.isfinite(low) & np.isfinite(high)) | (low > high)).any():
        raise ValueError(f"low and high make no interval: {low} to {high}")
    low[low > 0] = 0
    high[high < 0] = 0
    scale = np.float32((high - low) / (2**bits - 1))
    if (scale < np.finfo(np.float32).tiny).any():
        raise ValueError(f"nothing but 0, or too narrow: {low} to {high}")
    zero = np.clip(np.rint(least - low / np.float64(scale)), least, most)
    return Grid(np.asarray(scale), np.asarray(zero, dtype=np.int32), bits)


# -- quantize ---------------------------------------------------------------------------------------------------------

right("quantize", "asks for a NaN otherwise", "np.isnan(x).any()", "(x != x).any()")
right("quantize", "rounds by another name", "np.rint(x / grid.scale)", "np.round(x / grid.scale)")


@right("quantize", "takes the ends one by one")
def by_ends(x, grid):
    if np.isnan(x).any():
        raise ValueError("a NaN")
    least, most = limits(grid.bits)
    q = np.rint(np.divide(x, grid.scale)) + grid.zero
    return np.minimum(np.maximum(q, least), most).astype("int8")


@right("quantize", "goes number by number, in Python")
def by_number(x, grid):
    least, most = limits(grid.bits)
    scale, zero = np.broadcast_to(grid.scale, x.shape), np.broadcast_to(grid.zero, x.shape)
    q = np.empty(x.shape, np.int8)
    for at in np.ndindex(x.shape):
        place = float(x[at]) / float(scale[at])
        if place != place:
            raise ValueError("NaN")
        q[at] = max(least, min(most, round(max(-1e6, min(1e6, place))) + int(zero[at])))
    return q


# -- dequantize -------------------------------------------------------------------------------------------------------

right(
    "dequantize",
    "takes the difference of floats",
    "(q.astype(np.int32) - grid.zero).astype(np.float32)",
    "(q.astype(np.float32) - np.float32(grid.zero))",
)
right("dequantize", "takes sixteen bits", "q.astype(np.int32)", "q.astype(np.int16)")


@right("dequantize", "multiplies in float64")
def wide(q, grid):
    return ((np.float64(q) - grid.zero) * np.float64(grid.scale)).astype(np.float32)


@right("dequantize", "looks every difference up")
def looked_up(q, grid):
    table = np.arange(-256, 257).astype(np.float32)
    return table[q.astype(np.int64) - grid.zero + 256] * np.asarray(grid.scale, np.float32)


# -- symmetric_grid ---------------------------------------------------------------------------------------------------

right(
    "symmetric_grid",
    "takes the larger of both ends",
    "np.abs(x.astype(np.float64)).max(axis=others, keepdims=True)",
    "np.maximum(x.max(axis=others, keepdims=True), -x.min(axis=others, keepdims=True)).astype(np.float64)",
)
right("symmetric_grid", "counts by bits", "limits(bits)[1]", "(2 ** (bits - 1) - 1)")


@right("symmetric_grid", "moves the axes to the front")
def moved(x, axis=None, bits=8):
    if x.size == 0 or not np.all(np.isfinite(x)):
        raise ValueError("finite numbers are needed")
    axes = [] if axis is None else [a % x.ndim for a in ([axis] if isinstance(axis, int) else axis)]
    shape = [n if i in axes else 1 for i, n in enumerate(x.shape)]
    front = np.moveaxis(np.abs(x), axes, range(len(axes)))
    rows = front.reshape(*front.shape[: len(axes)], -1)
    order = sorted(range(len(axes)), key=lambda i: axes[i])
    scale = np.transpose(rows.max(axis=-1), order).reshape(shape).astype(np.float64) / (2 ** (bits - 1) - 1)
    for i, value in enumerate(scale.ravel()):
        if value == 0:
            raise ValueError(f"channel {i} is zero")
    return Grid(scale.astype(np.float32), np.zeros(shape, np.int32), bits)


@right("symmetric_grid", "goes axis by axis")
def axis_by_axis(x, axis=None, bits=8):
    if not x.size or np.isnan(x).any() or np.isinf(x).any():
        raise ValueError("finite numbers are needed")
    axes = {axis} if isinstance(axis, int) else set(axis or ())
    axes = {a + x.ndim if a < 0 else a for a in axes}
    largest = np.abs(x).astype(np.float64)
    for i in range(x.ndim):
        if i not in axes:
            largest = np.max(largest, axis=i, keepdims=True)
    if not largest.all():
        raise ValueError(f"all of channel {np.argmin(largest)} is zero")
    return Grid((largest / limits(bits)[1]).astype(np.float32), np.zeros(largest.shape, np.int32), bits)


# -- integer_matmul ---------------------------------------------------------------------------------------------------


@right("integer_matmul", "takes the differences, and int64")
def differences(a, b, a_zero=0, b_zero=0):
    if not a.dtype == b.dtype == np.int8:
        raise TypeError("int8 is needed")
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"shapes {a.shape} and {b.shape}")
    z = (a.astype(np.int64) - a_zero) @ (b.astype(np.int64) - b_zero)
    if np.any(z > 2**31 - 1) or np.any(z < -(2**31)):
        raise OverflowError("beyond int32")
    return z.astype(np.int32)


@right("integer_matmul", "takes the differences, and float64")
def doubles(a, b, a_zero=0, b_zero=0):
    if a.dtype != np.int8 or b.dtype != np.int8:
        raise TypeError("int8 is needed")
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"shapes {a.shape} and {b.shape}")
    z = (a.astype(np.float64) - a_zero) @ (b.astype(np.float64) - b_zero)
    if (np.abs(z + 0.5) > 2**31).any():
        raise OverflowError("beyond int32")
    return z.astype(np.int32)


@right("integer_matmul", "takes the zeros away first, and blocks that have room for that")
def narrow_blocks(a, b, a_zero=0, b_zero=0):
    if (a.dtype, b.dtype) != (np.int8, np.int8):
        raise TypeError("int8 is needed")
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"got {a.shape}, {b.shape}")
    x, y, z = np.float32(a) - np.float32(a_zero), np.float32(b) - np.float32(b_zero), np.zeros((len(a), b.shape[1]))
    for i in range(0, len(b), 256):
        z += x[:, i : i + 256] @ y[i : i + 256]
    if not ((z >= -(2**31)) & (z < 2**31)).all():
        raise OverflowError("beyond int32")
    return z.astype(np.int32)


@right("integer_matmul", "narrows, and looks whether anything changed")
def narrowed(a, b, a_zero=0, b_zero=0):
    if a.dtype.name != "int8" or b.dtype.name != "int8":
        raise TypeError(a.dtype.name + b.dtype.name)
    if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[1] != len(b):
        raise ValueError(f"{a.shape} {b.shape}")
    z = np.rint(a.astype(float) @ b.astype(float)).astype(np.int64) - np.int64(a_zero) * b.sum(0, dtype=np.int64)
    z = z - (a.sum(1, dtype=np.int64)[:, None] - a.shape[1] * np.int64(a_zero)) * np.asarray(b_zero, np.int64)
    if (z.astype(np.int32) != z).any():
        raise OverflowError("more than int32 holds")
    return z.astype(np.int32)


right(
    "integer_matmul",
    "takes smaller blocks",
    "range(0, a.shape[1], EXACT)",
    "range(0, a.shape[1], 512)",
    "start + EXACT",
    "start + 512",
)

# -- value_range ------------------------------------------------------------------------------------------------------

right(
    "value_range",
    "takes two percentiles",
    "np.percentile(x.astype(np.float64), [100 - percentile, percentile])",
    "np.percentile(x, 100 - percentile), np.percentile(x, percentile)",
)
right(
    "value_range",
    "names the method",
    "[100 - percentile, percentile])",
    "(100 - percentile, percentile), method='linear')",
)
right(
    "value_range",
    "takes quantiles",
    "np.percentile(x.astype(np.float64), [100 - percentile, percentile])",
    "np.quantile(x, 1 - percentile / 100), np.quantile(x, percentile / 100)",
)


@right("value_range", "sorts, and goes between neighbours")
def sorted_range(x, percentile=100.0):
    if not 50 < percentile <= 100:
        raise ValueError(f"{percentile} is no percentile above 50")
    if x.size == 0 or not np.isfinite(x).all():
        raise ValueError("finite numbers are needed")
    ordered = np.sort(x, axis=None).astype(np.float64)
    places = np.array([100 - percentile, percentile]) / 100 * (len(ordered) - 1)
    low, high = np.interp(places, np.arange(len(ordered)), ordered)
    if not low < high:
        raise ValueError("no width")
    return float(low), float(high)


right("value_range", "asks for a width", "low == high", "not high > low")

# -- fake_quantize_vjp ------------------------------------------------------------------------------------------------

right(
    "fake_quantize_vjp", "clips, and looks for a change", "(least <= q) & (q <= most)", "np.clip(q, least, most) == q"
)
right(
    "fake_quantize_vjp",
    "chooses",
    "g * ((least <= q) & (q <= most))",
    "np.where((q < least) | (q > most), 0, g).astype(g.dtype)",
)
right(
    "fake_quantize_vjp",
    "moves the limits by zero",
    "np.rint(x / scale) + zero",
    "np.rint(x / scale)",
    "(least <= q) & (q <= most)",
    "(least - np.asarray(zero) <= q) & (q <= most - np.asarray(zero))",
)
right("fake_quantize_vjp", "multiplies two masks", "g * ((least <= q) & (q <= most))", "g * (q >= least) * (q <= most)")

# -- accounting -------------------------------------------------------------------------------------------------------

right(
    "quantized_bytes",
    "counts layer by layer",
    "784 * 128 + 128 * 10 + (128 + 10) * (4 + 4) + 2 * (4 + 4)",
    "128 * (784 + 8) + 8 + 10 * (128 + 8) + 8",
)
right("quantized_bytes", "is the number", "784 * 128 + 128 * 10 + (128 + 10) * (4 + 4) + 2 * (4 + 4)", "102752")
right("quantized_bytes", "is a float", "784 * 128 + 128 * 10", "784.0 * 128 + 128 * 10")
right("most_products", "shifts", "(2**31 - 1) // (128 * 128)", "2**17 - 1")
right("most_products", "is the number", "(2**31 - 1) // (128 * 128)", "131071")
right("most_products", "rounds down", "(2**31 - 1) // (128 * 128)", "int((2**31 - 1) / 2**14)")
right(
    "int4_bytes",
    "counts output by output",
    "768 * 3072 // 2 + 768 // 64 * 3072 * 2 + 3072 * 4",
    "3072 * (384 + 12 * 2 + 4)",
)
right("int4_bytes", "counts bits", "768 * 3072 // 2", "768 * 3072 * 4 // 8")
right("int4_bytes", "is the number", "768 * 3072 // 2 + 768 // 64 * 3072 * 2 + 3072 * 4", "1265664")
