"""Wrong answers to chapter 14: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import math

import numpy as np

from tito.rubrics.planted import wrong

# -- product_flops ----------------------------------------------------------------------------------------------------

wrong(
    "product_flops",
    "multiplies the leading axes of x alone",
    "np.broadcast_shapes(rows[:-2], columns[:-2])",
    "rows[:-2]",
)
wrong(
    "product_flops",
    "counts each batch's axes twice",
    "np.broadcast_shapes(rows[:-2], columns[:-2])",
    "(*rows[:-2], *columns[:-2])",
)
wrong("product_flops", "forgets the batch", "return batch * ", "return ")
wrong("product_flops", "makes a vector y a row", "(*y, 1) if", "(1, *y) if")


@wrong("product_flops", "counts multiplications only")
def products_alone(x, y):
    return x[-1] * np.matmul(np.zeros(x), np.zeros(y)).size


@wrong("product_flops", "knows matrices only")
def products_of_matrices(x, y):
    return 2 * math.prod(x) * y[-1]


# -- convolution_flops ------------------------------------------------------------------------------------------------

wrong("convolution_flops", "counts the filters twice", "math.prod(weight[1:])", "math.prod(weight)")
wrong("convolution_flops", "forgets the channels", "math.prod(weight[1:])", "math.prod(weight[2:])")
wrong("convolution_flops", "counts multiplications only", "2 * terms", "terms")
wrong("convolution_flops", "forgets the bias", " + bias)", ")")
wrong("convolution_flops", "adds the bias twice", " + bias)", " + 2 * bias)")
wrong("convolution_flops", "adds the bias once for all numbers", "(2 * terms + bias)", "2 * terms + bias")

# -- moved_bytes ------------------------------------------------------------------------------------------------------

wrong(
    "moved_bytes",
    "counts an array as often as it is given",
    "{id(x): x for x in inputs if isinstance(x, np.ndarray)}.values()",
    "[x for x in inputs if isinstance(x, np.ndarray)]",
)
wrong(
    "moved_bytes",
    "counts a result as often as it is returned",
    "{id(z): z for z in results if isinstance(z, np.ndarray | np.generic)}.values()",
    "[z for z in results if z is not None]",
)
wrong("moved_bytes", "writes views", "if not any(np.may_share_memory(x, z) for x in arrays)", "")
wrong("moved_bytes", "reads the inputs of a view", " if written else 0", "")
wrong(
    "moved_bytes",
    "counts numbers, not bytes",
    "map(held_bytes, [*arrays, *written])",
    "x.size for x in [*arrays, *written]",
)
wrong(
    "moved_bytes",
    "counts a stretched axis in full",
    "map(held_bytes, [*arrays, *written])",
    "x.nbytes for x in [*arrays, *written]",
)
wrong("moved_bytes", "does not write", "[*arrays, *written]", "arrays")
wrong("moved_bytes", "does not read", "[*arrays, *written]", "written")
wrong("moved_bytes", "does not write a single number", "np.ndarray | np.generic", "np.ndarray")
wrong(
    "moved_bytes",
    "takes every number for four bytes",
    "map(held_bytes, [*arrays, *written])",
    "4 * held_bytes(x) // x.itemsize for x in [*arrays, *written]",
)
wrong(
    "moved_bytes", "looks at whether it is the same array, not the same memory", "np.may_share_memory(x, z)", "x is z"
)

# -- arithmetic_intensity ---------------------------------------------------------------------------------------------

wrong("arithmetic_intensity", "is bytes a FLOP", "flops / moved", "moved / max(flops, 1)")
wrong("arithmetic_intensity", "is infinite for nothing at all", "math.inf if flops else 0.0", "math.inf")
wrong("arithmetic_intensity", "is 0 wherever nothing moves", "math.inf if flops else 0.0", "0.0")
wrong("arithmetic_intensity", "drops the fraction", "flops / moved", "float(flops // moved)")


@wrong("arithmetic_intensity", "avoids 0 by one byte more")
def intensity_of_one_more(flops, moved):
    return flops / (moved + 1)


# -- roofline ---------------------------------------------------------------------------------------------------------

wrong("roofline", "takes the higher limit", "min(", "max(")
wrong("roofline", "divides", "intensity * roof.bandwidth", "roof.bandwidth / (intensity + 1e-9)")
wrong(
    "roofline",
    "adds the limits up",
    "min(roof.peak, intensity * roof.bandwidth)",
    "1 / (1 / roof.peak + 1 / (intensity * roof.bandwidth + 1e-9))",
)
wrong("roofline", "has no peak", "min(roof.peak, intensity * roof.bandwidth)", "intensity * roof.bandwidth")
wrong(
    "roofline",
    "confuses the two limits",
    "min(roof.peak, intensity * roof.bandwidth)",
    "min(roof.bandwidth, intensity * roof.peak)",
)

# -- amdahl -----------------------------------------------------------------------------------------------------------

wrong(
    "amdahl",
    "averages the speedups",
    "1 / left if left else math.inf",
    "sum(s * k for s, k in zip(shares, speedups)) + rest",
)
wrong("amdahl", "forgets the rest", "rest + sum(share /", "sum(share /")
wrong("amdahl", "gives what is left of the time", "return 1 / left if left else math.inf", "return left")
wrong("amdahl", "ends in a division by zero", "1 / left if left else math.inf", "1 / left")
wrong(
    "amdahl",
    "adds the shares up and takes the largest speedup",
    "sum(share / speedup for share, speedup in zip(shares, speedups))",
    "sum(shares) / max(speedups, default=1)",
)
wrong("amdahl", "allows shares above 1", " or not sum(shares) <= 1 + 1e-9", "")
wrong("amdahl", "allows no rounding", "1 + 1e-9", "1 - 1e-9")
wrong("amdahl", "looks at the sum of the shares alone", "not all(share >= 0 for share in shares) or ", "")
wrong("amdahl", "allows a speedup of 0 or less", "not all(speedup > 0 for speedup in speedups)", "False")
wrong("amdahl", "allows a speedup too few", "len(shares) != len(speedups)", "len(shares) < len(speedups)")
wrong(
    "amdahl",
    "lets NaN pass",
    "share >= 0 for",
    "not share < 0 for",
    "not sum(shares) <= 1 + 1e-9",
    "sum(shares) > 1 + 1e-9",
)
wrong("amdahl", "does not say what was given", ", got {list(shares)}", "")
wrong("amdahl", "refuses a part that becomes slower", "speedup > 0 for", "speedup >= 1 for")

# -- self_times -------------------------------------------------------------------------------------------------------

wrong("self_times", "is the total", "own[open_spans[-1]] -= span.seconds", "pass")
wrong(
    "self_times",
    "takes what is inside off every span around it",
    "own[open_spans[-1]] -= span.seconds",
    "for j in open_spans:\n            own[j] -= span.seconds",
)
wrong(
    "self_times",
    "takes it off the outermost span",
    "own[open_spans[-1]] -= span.seconds",
    "own[open_spans[0]] -= span.seconds",
)
wrong(
    "self_times",
    "goes in the order of the list",
    "sorted(range(len(spans)), key=lambda i: (spans[i].start, -spans[i].end))",
    "range(len(spans))",
)
wrong("self_times", "takes the shorter of two that start together first", "-spans[i].end", "spans[i].end")
wrong("self_times", "closes one span at a time", "while open_spans", "if open_spans")
wrong("self_times", "keeps a span open that ends where the next one starts", "<= span.start", "< span.start")
wrong("self_times", "lets spans cross", "span.end > outer.end", "False")
wrong("self_times", "does not say which spans cross", "{outer.name} and {span.name} do neither", "these do neither")
wrong(
    "self_times",
    "returns them in the order of their starts",
    "return own",
    "return [own[i] for i in sorted(range(len(spans)), key=lambda i: (spans[i].start, -spans[i].end))]",
)
wrong(
    "self_times",
    "sorts the caller's list",
    "own = [span.seconds",
    "spans.sort(key=lambda s: (s.start, -s.end))\nown = [span.seconds",
)
wrong("self_times", "refuses spans that end together", "span.end > outer.end", "span.end >= outer.end")


@wrong("self_times", "counts what is inside what is inside twice")
def own_of_all_inside(spans):
    own = []
    for i, span in enumerate(spans):
        inside = [s for j, s in enumerate(spans) if j != i and span.start <= s.start and s.end <= span.end]
        own.append(span.seconds - sum(s.seconds for s in inside))
    return own


# -- by_name ----------------------------------------------------------------------------------------------------------

wrong("by_name", "counts a span inside one of its name twice", "span.start >= until.get(span.name, -math.inf)", "True")
wrong(
    "by_name",
    "counts the first span of each name only",
    "span.start >= until.get(span.name, -math.inf)",
    "span.name not in until",
)
wrong("by_name", "takes one end for all names", "until[span.name] = span.end", "until = dict.fromkeys(rows, span.end)")
wrong("by_name", "adds the totals where self times are asked for", "row.own += own[i]", "row.own += span.seconds")
wrong("by_name", "adds peaks", "row.peak = max(row.peak, span.peak)", "row.peak += span.peak")
wrong("by_name", "keeps the last peak", "max(row.peak, span.peak)", "span.peak")
wrong("by_name", "keeps the last FLOPs", "row.flops += span.flops", "row.flops = span.flops")
wrong("by_name", "adds FLOPs to bytes", "row.moved += span.moved", "row.moved += span.flops")
wrong(
    "by_name",
    "goes in the order of the list",
    "sorted(range(len(spans)), key=lambda i: (spans[i].start, -spans[i].end))",
    "range(len(spans))",
)
wrong("by_name", "takes the shorter of two that start together first", "-spans[i].end", "spans[i].end")
wrong("by_name", "counts no calls", "row.calls += 1", "row.calls = 1")
wrong("by_name", "forgets the name", "Row(span.name)", 'Row("")')
wrong("by_name", "takes one that starts at the end for one inside", "span.start >= until", "span.start > until")

# -- accounting -------------------------------------------------------------------------------------------------------

wrong("step_flops", "counts multiplications only", "2 * 64 *", "64 *")
wrong("step_flops", "counts the way there only", "(2 * 784 * 128 + 3 * 128 * 10)", "(784 * 128 + 128 * 10)")
wrong("step_flops", "computes the images' gradient, too", "2 * 784 * 128", "3 * 784 * 128")
wrong("step_flops", "forgets that the hidden numbers need a gradient", "3 * 128 * 10", "2 * 128 * 10")
wrong("relu_intensity", "takes only what is read", "1 / 8", "1 / 4")
wrong("relu_intensity", "counts numbers, not bytes", "1 / 8", "1 / 2")
wrong("relu_intensity", "is bytes a FLOP", "1 / 8", "8")
wrong("peak_share", "counts numbers, not bytes", "4 * (8", "(8")
wrong("peak_share", "forgets what is written", " + 8 * 64)", ")")
wrong("peak_share", "counts one FLOP for each weight and row", "2 * 8 * 64 * 64", "8 * 64 * 64")
wrong("peak_share", "gives a part of 1, not percent", "20 * flops / moved", "0.2 * flops / moved")
