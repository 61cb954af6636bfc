"""Wrong answers to chapter 15: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import numpy as np

from tinytorch.quantization import Grid, limits
from tito.rubrics.planted import wrong

# -- affine_grid ------------------------------------------------------------------------------------------------------

wrong("affine_grid", "does not stretch the interval to 0", "np.minimum(low, 0), np.maximum(high, 0)", "low, high")
wrong("affine_grid", "stretches the upper end alone", "np.minimum(low, 0)", "low")
wrong(
    "affine_grid", "counts 2^b steps, one too many",
    "high / (most - least) - low / (most - least)", "(high - low) / (most - least + 1)",
)  # fmt: skip
wrong("affine_grid", "rounds zero down", "np.rint(", "np.floor(")
wrong("affine_grid", "turns the sign of zero", "least - low / step", "least + low / step")
wrong("affine_grid", "lets low be 0", "least - low / step", "-low / step")
wrong("affine_grid", "keeps float64", "np.asarray(step, np.float32)", "np.asarray(step)")
wrong("affine_grid", "keeps zero as a float", "np.asarray(zero, np.int32)", "np.asarray(zero)")
wrong("affine_grid", "has eight bits always", "np.int32), bits)", "np.int32), 8)")
wrong("affine_grid", "takes infinity for an end", " & (step <= float32.max)", "")
wrong("affine_grid", "does not name low and high", '{low} to {high}")\nlow', '{high - low}")\nlow')
wrong("affine_grid", "does not name them if they are close", " that float32 can tell, got {low} to {high}", "")
wrong("affine_grid", "refuses a point", "(low <= high)", "(low < high)")
wrong(
    "affine_grid",
    "has no scale below 1e-8",
    "np.asarray(step, np.float32)",
    "np.maximum(step, 1e-8).astype(np.float32)",
)
wrong(
    "affine_grid", "subtracts in float32",
    "high / (most - least) - low / (most - least)", "(np.float32(high) - np.float32(low)) / np.float32(most - least)",
)  # fmt: skip
wrong("affine_grid", "lets low be above high", "not (low <= high).all()", "np.isnan(low + high).any()")


@wrong("affine_grid", "divides by 0 where there is nothing but 0")
def unguarded(low, high, bits=8):
    least, most = limits(bits)
    if not (np.isfinite(low) & np.isfinite(high) & (low <= high)).all():
        raise ValueError("no interval")
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    with np.errstate(all="ignore"):
        step = (high - low) / (most - least)
        zero = np.rint(least - low / step)
        return Grid(np.asarray(step, np.float32), np.asarray(zero).astype(np.int32), bits)


# -- quantize ---------------------------------------------------------------------------------------------------------

wrong("quantize", "cuts off what is behind the point", "np.rint(x / grid.scale)", "np.trunc(x / grid.scale)")
wrong("quantize", "rounds halves up", "np.rint(x / grid.scale)", "np.floor(x / grid.scale + 0.5)")
wrong(
    "quantize", "has scales along the last axis alone",
    "x / grid.scale) + grid.zero", "x / np.ravel(grid.scale)) + np.ravel(grid.zero)",
)  # fmt: skip
wrong("quantize", "divides in float32", "x / grid.scale", "x.astype(np.float32) / grid.scale")
wrong("quantize", "takes two axes or fewer", "return np.clip", "assert x.ndim < 3\nreturn np.clip")
wrong("quantize", "multiplies by the scale", "x / grid.scale", "x * grid.scale")
wrong("quantize", "takes zero away", "+ grid.zero", "- grid.zero")
wrong("quantize", "forgets zero", " + grid.zero", "")
wrong("quantize", "lets numbers wrap around", "np.clip(", "(lambda q, *_: q.astype(np.int64))(")
wrong("quantize", "has eight bits always", "limits(grid.bits)", "limits(8)")
wrong("quantize", "returns int32", "np.int8", "np.int32")
wrong("quantize", "makes something of a NaN", "np.isnan(x).any()", "False")
wrong(
    "quantize", "clips before zero is added",
    "np.clip(np.rint(x / grid.scale) + grid.zero, *limits(grid.bits)).astype(np.int8)",
    "(np.clip(np.rint(x / grid.scale), *limits(grid.bits)).astype(np.int64) + grid.zero).astype(np.int8)",
)  # fmt: skip


@wrong("quantize", "changes the numbers that it is given")
def in_place(x, grid):
    if np.isnan(x).any():
        raise ValueError("NaN")
    x /= grid.scale
    return np.clip(np.rint(x) + grid.zero, *limits(grid.bits)).astype(np.int8)


# -- dequantize -------------------------------------------------------------------------------------------------------

wrong("dequantize", "takes the difference in eight bits", "q.astype(np.int32) - grid.zero", "q - grid.zero")
wrong("dequantize", "adds zero", "- grid.zero", "+ grid.zero")
wrong("dequantize", "forgets zero", " - grid.zero", "")
wrong("dequantize", "divides by the scale", "* grid.scale", "/ grid.scale")
wrong(
    "dequantize",
    "scales first",
    "(q.astype(np.int32) - grid.zero).astype(np.float32) * grid.scale",
    "q * grid.scale - grid.zero",
)
wrong(
    "dequantize", "has scales along the last axis alone",
    "grid.zero).astype(np.float32) * grid.scale", "np.ravel(grid.zero)).astype(np.float32) * np.ravel(grid.scale)",
)  # fmt: skip
wrong("dequantize", "takes two axes or fewer", "return (", "assert q.ndim < 3\nreturn (")
wrong("dequantize", "returns float64", "np.float32", "np.float64")

# -- symmetric_grid ---------------------------------------------------------------------------------------------------

wrong(
    "symmetric_grid", "takes the largest x, not the largest |x|", "np.abs(x.astype(np.float64))", "x.astype(np.float64)"
)
wrong("symmetric_grid", "lets the largest become 2^(b - 1)", "limits(bits)[1]", "-limits(bits)[0]")
wrong("symmetric_grid", "goes along the axis, not across it", "i not in kept", "i in kept")
wrong("symmetric_grid", "does not know negative axes", "np.atleast_1d(axis) % x.ndim", "np.atleast_1d(axis)")
wrong(
    "symmetric_grid", "does not know negative axes among several",
    "np.atleast_1d(axis) % x.ndim", "axis if isinstance(axis, tuple) else (axis % x.ndim,)",
)  # fmt: skip
wrong("symmetric_grid", "takes no axis to look along for all of them", "axis=others,", "axis=others or None,")
wrong(
    "symmetric_grid",
    "names the last channel of zeros",
    "np.flatnonzero(scale == 0)[0]",
    "np.flatnonzero(scale == 0)[-1]",
)
wrong("symmetric_grid", "takes a small scale for none", "(scale > 0).all()", "(scale > 1e-8).all()")
wrong(
    "symmetric_grid",
    "has no scale below 1e-8",
    "return Grid(scale,",
    "return Grid(np.maximum(scale, np.float32(1e-8)),",
)
wrong("symmetric_grid", "takes a large sum for infinity", "np.isfinite(x)", "np.isfinite(x.sum())")
wrong(
    "symmetric_grid", "squares, which overflows",
    "np.abs(x.astype(np.float64)).max(axis=others, keepdims=True)",
    "np.sqrt((x * x).max(axis=others, keepdims=True)).astype(np.float64)",
)  # fmt: skip
wrong("symmetric_grid", "takes two axes or three", "others = tuple", "assert x.ndim > 1\nothers = tuple")
wrong("symmetric_grid", "drops axes", "keepdims=True", "keepdims=False")
wrong("symmetric_grid", "has one scale for all channels", "() if axis is None else", "() if True else")
wrong("symmetric_grid", "keeps float64", ".astype(np.float32)", "")
wrong("symmetric_grid", "makes zero a float", ", np.int32), bits", "), bits")
wrong("symmetric_grid", "has eight bits always", "np.int32), bits)", "np.int32), 8)")
wrong("symmetric_grid", "makes up a scale for zeros", "if not (scale > 0).all():", "if False:")
wrong("symmetric_grid", "names the first channel always", "int(np.flatnonzero(scale == 0)[0])", "0")
wrong("symmetric_grid", "takes infinity", "np.isfinite(x)", "~np.isnan(x)")
wrong("symmetric_grid", "does not see that there is nothing", "not x.size or ", "")

# -- integer_matmul ---------------------------------------------------------------------------------------------------

wrong(
    "integer_matmul",
    "takes blocks that float32 cannot add up",
    "range(0, a.shape[1], EXACT)",
    "range(0, a.shape[1], 4 * EXACT)",
    "start + EXACT",
    "start + 4 * EXACT",
)
wrong(
    "integer_matmul",
    "adds up in float32",
    "np.zeros((a.shape[0], b.shape[1]), np.int64)",
    "np.zeros((a.shape[0], b.shape[1]), np.float32)",
    ".astype(np.float32) @ b[part].astype(np.float32)).astype(np.int64)",
    ".astype(np.float32) @ b[part].astype(np.float32))",
    "return total.astype(np.int32)",
    "return total.astype(np.int64).astype(np.int32)",
    "total += a.shape[1] * a_zero * b_zero - a_zero * columns - rows * b_zero",
    "total = total + a.shape[1] * a_zero * b_zero - a_zero * columns - rows * b_zero",
)
wrong(
    "integer_matmul", "forgets the last block", "range(0, a.shape[1], EXACT)", "range(0, a.shape[1] - EXACT + 1, EXACT)"
)
wrong("integer_matmul", "counts the zeros' product once", "a.shape[1] * a_zero * b_zero", "a_zero * b_zero")
wrong("integer_matmul", "forgets the zeros' product", "a.shape[1] * a_zero * b_zero - ", "-")
wrong(
    "integer_matmul",
    "takes the zeros' product away",
    "a.shape[1] * a_zero * b_zero -",
    "-a.shape[1] * a_zero * b_zero -",
)
wrong("integer_matmul", "exchanges the zeros", "a_zero * columns - rows * b_zero", "b_zero * columns - rows * a_zero")
wrong("integer_matmul", "adds what the zeros take away", "- a_zero * columns - rows", "+ a_zero * columns + rows")
wrong("integer_matmul", "sums columns in eight bits", "b.sum(axis=0)", "b.sum(axis=0, dtype=np.int8)")
wrong("integer_matmul", "lets sums wrap around", "low < int32.min or high > int32.max", "False")
wrong("integer_matmul", "looks at the upper end alone", "low < int32.min or ", "")
wrong("integer_matmul", "takes the least for as large as the largest", "low < int32.min", "low < -int32.max")
wrong(
    "integer_matmul",
    "looks at the range before the zeros are taken away, too",
    "rows, columns =",
    "if (np.abs(total) > np.iinfo(np.int32).max).any():\n    raise OverflowError('too large')\nrows, columns =",
)
wrong(
    "integer_matmul",
    "takes blocks that -128 does not fit",
    "range(0, a.shape[1], EXACT)",
    "range(0, a.shape[1], 1025)",
    "start + EXACT",
    "start + 1025",
)
wrong(
    "integer_matmul",
    "takes the zeros away first, in float32",
    "a[:, part].astype(np.float32) @ b[part].astype(np.float32)",
    "(a[:, part] - np.float32(a_zero)) @ (b[part] - np.asarray(b_zero, np.float32))",
    "total += a.shape[1] * a_zero * b_zero - a_zero * columns - rows * b_zero\n",
    "",
)
wrong(
    "integer_matmul",
    "has no number to look at where there are no columns",
    "total.min(initial=0), total.max(initial=0)",
    "total.min(), total.max()",
)
wrong(
    "integer_matmul",
    "takes truth values, which int8 holds",
    "a.dtype != np.int8 or b.dtype != np.int8",
    "not (np.can_cast(a.dtype, np.int8) and np.can_cast(b.dtype, np.int8))",
)
wrong(
    "integer_matmul", "turns b round where it is square", "b.sum(axis=0)", "b.sum(axis=int(b.shape[0] == b.shape[1]))"
)
wrong("integer_matmul", "returns int64", "total.astype(np.int32)", "total")
wrong("integer_matmul", "takes any dtype", "a.dtype != np.int8 or b.dtype != np.int8", "False")
wrong("integer_matmul", "looks at the first factor's dtype alone", " or b.dtype != np.int8", "")


@wrong("integer_matmul", "takes the zeros away in eight bits")
def narrow(a, b, a_zero=0, b_zero=0):
    if a.dtype != np.int8 or b.dtype != np.int8:
        raise TypeError("int8")
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"{a.shape} and {b.shape}")
    a, b = a - np.int8(a_zero), b - np.asarray(b_zero).astype(np.int8)
    total = a.astype(np.int64) @ b.astype(np.int64)
    if total.size and np.abs(total).max() > np.iinfo(np.int32).max:
        raise OverflowError("too large")
    return total.astype(np.int32)


@wrong("integer_matmul", "lets NumPy multiply int8 by int8")
def eight_bits(a, b, a_zero=0, b_zero=0):
    return (a @ b).astype(np.int32)


# -- value_range ------------------------------------------------------------------------------------------------------

wrong("value_range", "ignores the percentile", "[100 - percentile, percentile]", "[0, 100]")
wrong("value_range", "cuts the upper end alone", "[100 - percentile, percentile]", "[0, percentile]")
wrong(
    "value_range", "cuts half as much", "[100 - percentile, percentile]", "[50 - percentile / 2, 50 + percentile / 2]"
)
wrong("value_range", "takes |x|", "x.astype(np.float64)", "np.abs(x)")
wrong("value_range", "takes any percentile", "not 50 < percentile <= 100", "not 0 <= percentile <= 100")
wrong("value_range", "takes a constant", "if low == high:", "if False:")
wrong("value_range", "takes what is close for the same", "low == high", "np.isclose(low, high)")
wrong("value_range", "asks for a share of the largest", "low == high", "high - low <= 1e-3 * abs(high)")
wrong("value_range", "takes a large sum for infinity", "np.isfinite(x).all()", "np.isfinite(x.sum())")
wrong("value_range", "does not look for NaN", "not np.isfinite(x).all()", "np.isinf(x).any()")
wrong("value_range", "does not look for infinity", "not np.isfinite(x).all()", "np.isnan(x).any()")
wrong("value_range", "exchanges the ends", "float(low), float(high)", "float(high), float(low)")

# -- fake_quantize_vjp ------------------------------------------------------------------------------------------------

wrong("fake_quantize_vjp", "is the true derivative", "return g *", "return 0 * g *")
wrong("fake_quantize_vjp", "lets everything pass", "g * ((least <= q) & (q <= most))", "g.copy()")
wrong("fake_quantize_vjp", "stops the ends, too", "(least <= q) & (q <= most)", "(least < q) & (q < most)")
wrong("fake_quantize_vjp", "compares before it rounds", "np.rint(x / scale)", "x / scale")
wrong("fake_quantize_vjp", "forgets zero", " + zero", "")
wrong("fake_quantize_vjp", "takes the first zero for all", "+ zero", "+ np.ravel(zero)[0]")
wrong("fake_quantize_vjp", "has scales along the last axis alone", "x / scale", "x / np.ravel(scale)")
wrong("fake_quantize_vjp", "takes two axes or fewer", "q = np.rint", "assert x.ndim < 3\nq = np.rint")
wrong("fake_quantize_vjp", "lets infinity pass", "(q <= most)", "((q <= most) | np.isposinf(x))")
wrong("fake_quantize_vjp", "looks at the upper end alone", "(least <= q) & ", "")
wrong("fake_quantize_vjp", "multiplies by the scale", "return g *", "return scale * g *")
wrong("fake_quantize_vjp", "has eight bits always", "limits(bits)", "limits(8)")
wrong("fake_quantize_vjp", "makes float64 of float32", "return g *", "return g.astype(np.float64) *")

# -- quantized_bytes --------------------------------------------------------------------------------------------------

wrong("quantized_bytes", "forgets scales and biases", " + (128 + 10) * (4 + 4)", "")
wrong("quantized_bytes", "takes four bytes a weight", "784 * 128 + 128 * 10", "4 * (784 * 128 + 128 * 10)")
wrong("quantized_bytes", "forgets the grids of what enters", " + 2 * (4 + 4)", "")

# -- most_products ----------------------------------------------------------------------------------------------------

wrong("most_products", "takes 127 for the largest", "(128 * 128)", "(127 * 127)")
wrong("most_products", "divides what is one too large", "2**31 - 1", "2**31")
wrong("most_products", "is float32's number", "2**31 - 1", "2**24")

# -- int4_bytes -------------------------------------------------------------------------------------------------------

wrong("int4_bytes", "takes a byte for each weight", "768 * 3072 // 2", "768 * 3072")
wrong("int4_bytes", "has one scale for each output", "768 // 64 * 3072 * 2", "3072 * 2")
wrong("int4_bytes", "takes scales for float32", "3072 * 2 +", "3072 * 4 +")
