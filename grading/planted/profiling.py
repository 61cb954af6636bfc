"""Wrong answers to chapter 14: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import math

import numpy as np

from tinytorch.environment import matmul_flops
from tinytorch.profiling import Row, held_bytes, self_times
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


@wrong("product_flops", "takes the larger of two sides, of which one may be 0")
def products_of_the_larger_sides(x, y):
    rows = (1, *x) if len(x) == 1 else x
    columns = (*y, 1) if len(y) == 1 else y
    batch = 1
    for i in range(3, max(len(rows), len(columns)) + 1):
        batch *= max(rows[-i] if i <= len(rows) else 1, columns[-i] if i <= len(columns) else 1)
    return batch * matmul_flops(rows[-2], rows[-1], columns[-1])


@wrong("product_flops", "takes y's side wherever it has one")
def products_of_the_second(x, y):
    rows = (1, *x) if len(x) == 1 else x
    columns = (*y, 1) if len(y) == 1 else y
    alone = max(len(rows) - len(columns), 0)
    batch = math.prod(rows[:alone]) * math.prod(columns[:-2])
    return batch * matmul_flops(rows[-2], rows[-1], columns[-1])


# -- convolution_flops ------------------------------------------------------------------------------------------------

wrong("convolution_flops", "counts the filters twice", "math.prod(weight[1:])", "math.prod(weight)")
wrong("convolution_flops", "forgets the channels", "math.prod(weight[1:])", "math.prod(weight[2:])")
wrong("convolution_flops", "counts multiplications only", "2 * terms", "terms")
wrong("convolution_flops", "forgets the bias", " + bias)", ")")
wrong("convolution_flops", "adds the bias twice", " + bias)", " + 2 * bias)")
wrong("convolution_flops", "adds the bias once for all numbers", "(2 * terms + bias)", "2 * terms + bias")
wrong(
    "convolution_flops",
    "wraps at 32 bits",
    "return math.prod(z) * (2 * terms + bias)",
    "return int(np.prod([*z, 2 * terms + bias], dtype=np.int32))",
)
wrong(
    "convolution_flops",
    "counts in float32",
    "math.prod(z) * (2 * terms + bias)",
    "int(np.float32(math.prod(z)) * np.float32(2 * terms + bias))",
)

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
wrong(
    "moved_bytes", "reads NumPy scalars", "if isinstance(x, np.ndarray)}", "if isinstance(x, np.ndarray | np.generic)}"
)
wrong(
    "moved_bytes",
    "leaves arrays without axes out",
    "isinstance(x, np.ndarray)}",
    "isinstance(x, np.ndarray) and x.ndim}",
)
wrong(
    "moved_bytes",
    "leaves whole numbers out",
    "isinstance(x, np.ndarray)}",
    "isinstance(x, np.ndarray) and x.dtype.kind in 'fc'}",
)
wrong("moved_bytes", "takes equal arrays for one", "{id(x): x for", "{(x.shape, x.tobytes()): x for")
wrong("moved_bytes", "takes equal results for one", "{id(z): z for", "{(z.shape, z.tobytes()): z for")
wrong("moved_bytes", "takes arrays that begin together for one", "{id(x): x for", "{x.ctypes.data: x for")
wrong(
    "moved_bytes",
    "counts a stretched result in full",
    "sum(map(held_bytes, [*arrays, *written]))",
    "sum(map(held_bytes, arrays)) + sum(z.nbytes for z in written)",
)
wrong("moved_bytes", "looks for views of the first input alone", "for x in arrays)", "for x in [*arrays][:1])")
wrong(
    "moved_bytes",
    "takes what has a base for a view",
    "not any(np.may_share_memory(x, z) for x in arrays)",
    "z.base is None",
)
wrong(
    "moved_bytes",
    "adds inputs and results, two lists",
    "arrays = {id(x)",
    "inputs + results\narrays = {id(x)",
)


@wrong("moved_bytes", "takes out of the caller's list what is no array")
def moved_and_removed(inputs, results):
    for x in [*inputs]:
        if not isinstance(x, np.ndarray):
            inputs.remove(x)
    new = {id(z): z for z in results if isinstance(z, np.ndarray | np.generic)}.values()
    written = [z for z in new if not any(np.may_share_memory(x, z) for x in inputs)]
    return sum(map(held_bytes, [*{id(x): x for x in inputs}.values(), *written])) if written else 0


@wrong("moved_bytes", "takes all parts of one memory for each other's views")
def moved_by_owner(inputs, results):
    def owner(x):
        while isinstance(x.base, np.ndarray):
            x = x.base
        return id(x)

    arrays = {id(x): x for x in inputs if isinstance(x, np.ndarray)}.values()
    new = {id(z): z for z in results if isinstance(z, np.ndarray | np.generic)}.values()
    written = [z for z in new if owner(z) not in [owner(x) for x in arrays]]
    return sum(map(held_bytes, [*arrays, *written])) if written else 0


@wrong("moved_bytes", "does not read what lies between the numbers of another input")
def moved_but_between(inputs, results):
    arrays = []
    for x in inputs:
        if isinstance(x, np.ndarray) and not any(np.may_share_memory(x, other) for other in arrays):
            arrays.append(x)
    new = {id(z): z for z in results if isinstance(z, np.ndarray | np.generic)}.values()
    written = [z for z in new if not any(np.may_share_memory(x, z) for x in arrays)]
    return sum(map(held_bytes, [*arrays, *written])) if written else 0


# -- arithmetic_intensity ---------------------------------------------------------------------------------------------

wrong("arithmetic_intensity", "is bytes a FLOP", "flops / moved", "moved / max(flops, 1)")
wrong("arithmetic_intensity", "is infinite for nothing at all", "math.inf if flops else 0.0", "math.inf")
wrong("arithmetic_intensity", "is 0 wherever nothing moves", "math.inf if flops else 0.0", "0.0")
wrong("arithmetic_intensity", "drops the fraction", "flops / moved", "float(flops // moved)")

wrong("arithmetic_intensity", "takes one byte for none", "if moved:", "if moved > 1:")
wrong("arithmetic_intensity", "drops fractions", "flops / moved", "int(flops) / int(moved)")


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
wrong(
    "roofline",
    "rounds the ridge down",
    "return min(roof.peak, intensity * roof.bandwidth)",
    "return intensity * roof.bandwidth if intensity < roof.peak // roof.bandwidth else roof.peak",
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
wrong("amdahl", "lets the rest be below 0", "max(0.0, 1 - sum(shares))", "1 - sum(shares)")
wrong(
    "amdahl",
    "lets a speedup of NaN pass",
    "not all(speedup > 0 for speedup in speedups)",
    "any(speedup <= 0 for speedup in speedups)",
)
wrong(
    "amdahl",
    "asks no speedup of a share of 0",
    "for speedup in speedups)",
    "for s, speedup in zip(shares, speedups) if s)",
)
wrong("amdahl", "allows too much", "1 + 1e-9", "1 + 1e-3")
wrong("amdahl", "allows too little", "1 + 1e-9", "1 + 1e-15")
wrong("amdahl", "takes little for nothing", "if left else", "if left > 0.01 else")
wrong(
    "amdahl",
    "does not say which share is negative",
    "if not all(share >= 0",
    "if any(share < 0 for share in shares):\n    raise ValueError('a share is negative')\nif not all(share >= 0",
)
wrong("amdahl", "does not say how many there are", ", got {len(speedups)} for {len(shares)}", "")

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
wrong(
    "self_times",
    "says which span crosses, not which it crosses",
    "{outer.name} and {span.name} do neither",
    "{span.name}",
)
wrong(
    "self_times",
    "keeps whole seconds",
    "own = [span.seconds for span in spans]",
    "own = np.array([span.seconds for span in spans], int)",
    "return own",
    "return own.tolist()",
)
wrong("self_times", "begins at 0", "own = [span.seconds", "own = [max(span.end, 0) - max(span.start, 0)")
wrong(
    "self_times",
    "takes lists alone",
    "own = [span.seconds for span in spans]",
    "own = [span.seconds for span in spans.copy()]",
)
wrong(
    "self_times",
    "takes the first of equal spans for all of them",
    "sorted(range(len(spans)), key=lambda i: (spans[i].start, -spans[i].end))",
    "[spans.index(span) for span in sorted(spans, key=lambda span: (span.start, -span.end))]",
)
wrong(
    "self_times",
    "takes threads one by one",
    "open_spans: list[int] = []",
    "threads = {}",
    "span = spans[i]",
    "span = spans[i]\n    open_spans = threads.setdefault(span.thread, [])",
)


@wrong("self_times", "sees a crossing with the span before alone")
def own_of_neighbours(spans):
    from itertools import pairwise

    own, stack = [span.seconds for span in spans], []
    order = sorted(range(len(spans)), key=lambda i: (spans[i].start, -spans[i].end))
    for i, j in pairwise(order):
        if spans[i].start < spans[j].start < spans[i].end < spans[j].end:
            raise ValueError(f"{spans[i].name} and {spans[j].name} overlap")
    for i in order:
        while stack and spans[stack[-1]].end <= spans[i].start:
            stack.pop()
        if stack:
            own[stack[-1]] -= spans[i].seconds
        stack.append(i)
    return own


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
wrong("by_name", "begins at 0", "until.get(span.name, -math.inf)", "until.get(span.name, 0)")
wrong("by_name", "takes the first of equal spans for all of them", "own[i]", "own[spans.index(span)]")
wrong("by_name", "keeps whole seconds", "row.total += span.seconds", "row.total += int(span.seconds)")
wrong("by_name", "counts primitives alone", "row.calls += 1", "row.calls += span.kind == 'primitive'")
wrong("by_name", "takes lists alone", "self_times(spans)", "self_times(spans.copy())")
wrong(
    "by_name",
    "sorts the caller's list",
    "own, rows",
    "if isinstance(spans, list):\n    spans.sort(key=lambda span: (span.start, -span.end))\nown, rows",
)


@wrong("by_name", "takes neither of two equal spans of a name for the outer one")
def rows_without_twins(spans):
    own, rows = self_times(spans), {}
    for i, span in enumerate(spans):
        row = rows.setdefault(span.name, Row(span.name))
        row.calls, row.own = row.calls + 1, row.own + own[i]
        row.flops, row.moved = row.flops + span.flops, row.moved + span.moved
        row.peak = max(row.peak, span.peak)
        others = [other for j, other in enumerate(spans) if j != i and other.name == span.name]
        if not any(other.start <= span.start and span.end <= other.end for other in others):
            row.total += span.seconds
    return rows


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
