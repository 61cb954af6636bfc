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
    if (np.abs(z) > 2147483647).any():
        raise OverflowError("beyond int32")
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
