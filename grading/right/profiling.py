"""Right answers to chapter 14, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import math

import numpy as np

from tinytorch.environment import matmul_flops
from tinytorch.profiling import Row, held_bytes, self_times
from tito.rubrics.planted import right

# -- product_flops ----------------------------------------------------------------------------------------------------

right(
    "product_flops",
    "writes the product out",
    "matmul_flops(rows[-2], rows[-1], columns[-1])",
    "2 * rows[-2] * rows[-1] * columns[-1]",
)
right(
    "product_flops",
    "takes NumPy's product",
    "math.prod(np.broadcast_shapes(rows[:-2], columns[:-2]))",
    "int(np.prod(np.broadcast_shapes(rows[:-2], columns[:-2])))",
    "matmul_flops(rows[-2]",
    "matmul_flops(rows[-2]",
)


@right("product_flops", "lets NumPy find the shape, without any numbers")
def flops_of_the_result(x, y):
    z = np.matmul(np.broadcast_to(0.0, x), np.broadcast_to(0.0, y))
    return 2 * int(z.size) * x[-1]


@right("product_flops", "goes case by case")
def flops_by_cases(x, y):
    if len(x) == 1 and len(y) == 1:
        return 2 * x[0]
    if len(x) == 1:
        return 2 * math.prod(y)
    if len(y) == 1:
        return 2 * math.prod(x)
    lead = np.broadcast_shapes(x[:-2], y[:-2])
    return math.prod(lead) * matmul_flops(x[-2], x[-1], y[-1])


@right("product_flops", "goes through the leading axes from the right")
def flops_axis_by_axis(x, y):
    x, y = (1, *x) if len(x) == 1 else x, (*y, 1) if len(y) == 1 else y
    flops, p, q = 2 * x[-2] * x[-1] * y[-1], x[-3::-1], y[-3::-1]
    for i in range(max(len(p), len(q))):
        left, right = p[i] if i < len(p) else 1, q[i] if i < len(q) else 1
        flops *= right if left == 1 else left
    return flops


# -- convolution_flops ------------------------------------------------------------------------------------------------

right("convolution_flops", "names the axes", "math.prod(weight[1:])", "weight[1] * weight[2] * weight[3]")
right("convolution_flops", "divides by the filters", "math.prod(weight[1:])", "math.prod(weight) // weight[0]")


@right("convolution_flops", "is a matrix product, and an addition for each number")
def convolution_as_product(z, weight, bias=False):
    b, k, h, w = z
    flops = matmul_flops(b * h * w, math.prod(weight[1:]), k)
    if bias:
        flops += b * k * h * w
    return flops


# -- moved_bytes ------------------------------------------------------------------------------------------------------

right("moved_bytes", "asks exactly", "np.may_share_memory", "np.shares_memory")


@right("moved_bytes", "keeps lists, and looks whether one is there")
def moved_by_lists(inputs, results):
    read, written = [], []
    for x in inputs:
        if isinstance(x, np.ndarray) and not any(x is other for other in read):
            read.append(x)
    for z in results:
        if not isinstance(z, (np.ndarray, np.generic)) or any(z is other for other in written):
            continue
        if all(not np.may_share_memory(x, z) for x in read):
            written.append(z)
    if not written:
        return 0
    return sum(held_bytes(x) for x in read) + sum(held_bytes(z) for z in written)


@right("moved_bytes", "adds up as it goes")
def moved_as_it_goes(inputs, results):
    seen, total, new = set(), 0, False
    arrays = [x for x in inputs if isinstance(x, np.ndarray)]
    for x in arrays:
        if id(x) not in seen:
            seen.add(id(x))
            total += held_bytes(x)
    for z in results:
        if z is None or id(z) in seen or any(np.shares_memory(z, x) for x in arrays):
            continue
        seen.add(id(z))
        total, new = total + held_bytes(z), True
    return total if new else 0


@right("moved_bytes", "looks at the results first")
def moved_results_first(inputs, results):
    seen, total = set(), 0
    for z in results:
        if not isinstance(z, np.ndarray | np.generic) or id(z) in seen:
            continue
        if not any(isinstance(x, np.ndarray) and np.may_share_memory(x, z) for x in inputs):
            seen.add(id(z))
            total += held_bytes(z)
    if not seen:
        return 0
    for x in inputs:
        if isinstance(x, np.ndarray) and id(x) not in seen:
            seen.add(id(x))
            total += held_bytes(x)
    return total


# -- arithmetic_intensity ---------------------------------------------------------------------------------------------

right("arithmetic_intensity", "asks for 0", "if moved:", "if moved != 0:")
right("arithmetic_intensity", "names infinity", "math.inf if flops else 0.0", 'float("inf") if flops > 0 else 0')


@right("arithmetic_intensity", "takes the cases first")
def intensity_by_cases(flops, moved):
    if flops == 0:
        return 0.0
    return flops / moved if moved else math.inf


@right("arithmetic_intensity", "lets Python refuse to divide")
def intensity_tried(flops, moved):
    try:
        return flops / moved
    except ZeroDivisionError:
        return math.inf if flops else 0.0


# -- roofline ---------------------------------------------------------------------------------------------------------


@right("roofline", "compares the intensity with the ridge")
def roof_by_ridge(intensity, roof):
    if intensity < roof.peak / roof.bandwidth:
        return intensity * roof.bandwidth
    return roof.peak


@right("roofline", "unpacks the roof")
def roof_unpacked(intensity, roof):
    peak, bandwidth = roof
    return peak if peak < bandwidth * intensity else bandwidth * intensity


@right("roofline", "keeps the intensity below the ridge")
def roof_of_kept_intensity(intensity, roof):
    return min(intensity, roof.peak / roof.bandwidth) * roof.bandwidth


@right("roofline", "takes the longer of the times of one operation")
def roof_by_times(intensity, roof):
    if not intensity:
        return 0.0
    return 1 / max(1 / roof.peak, 1 / (intensity * roof.bandwidth))


right("roofline", "writes the product the other way round", "intensity * roof.bandwidth", "roof[1] * intensity")


# -- amdahl -----------------------------------------------------------------------------------------------------------

right("amdahl", "compares with 0 at the end", "1 / left if left else math.inf", "math.inf if left <= 0 else 1 / left")
right(
    "amdahl",
    "says the limits the other way",
    "not all(speedup > 0 for speedup in speedups)",
    "any(not speedup > 0 for speedup in speedups)",
)


@right("amdahl", "takes off what is saved")
def amdahl_by_savings(shares, speedups):
    if len(shares) != len(speedups):
        raise ValueError(f"{len(shares)} shares and {len(speedups)} speedups")
    for share, speedup in zip(shares, speedups):
        if not share >= 0 or not speedup > 0:
            raise ValueError(f"got a share of {share} and a speedup of {speedup}")
    if sum(shares) > 1 + 1e-9:
        raise ValueError(f"the shares {shares} are more than 1")
    time = 1.0
    for share, speedup in zip(shares, speedups):
        time -= share * (1 - 1 / speedup)
    if time <= 1e-12:
        return math.inf
    return 1 / time


@right("amdahl", "takes arrays")
def amdahl_of_arrays(shares, speedups):
    s, k = np.asarray(shares, np.float64), np.asarray(speedups, np.float64)
    if s.shape != k.shape:
        raise ValueError(f"{shares} and {speedups} differ in length")
    if not (s >= 0).all() or not s.sum() <= 1 + 1e-9:
        raise ValueError(f"shares {shares} are no parts of 1")
    if not (k > 0).all():
        raise ValueError(f"speedups {speedups} are not above 0")
    left = max(1 - s.sum(), 0) + (s / k).sum()
    with np.errstate(divide="ignore"):
        return float(np.float64(1) / left)


@right("amdahl", "reckons with fractions")
def amdahl_of_fractions(shares, speedups):
    from fractions import Fraction

    if len(shares) != len(speedups):
        raise ValueError(f"got {len(shares)} and {len(speedups)}")
    if not all(s >= 0 and math.isfinite(s) for s in shares) or sum(map(Fraction, shares)) > 1 + Fraction(1, 10**9):
        raise ValueError(f"got {shares}")
    if not all(k > 0 for k in speedups):
        raise ValueError(f"got {speedups}")
    left = max(Fraction(0), 1 - sum(map(Fraction, shares)))
    left += sum(Fraction(s) / Fraction(k) for s, k in zip(shares, speedups) if k != math.inf)
    return float(1 / left) if left else math.inf


# -- self_times -------------------------------------------------------------------------------------------------------

right(
    "self_times",
    "asks for what is open at the front",
    "while open_spans and spans[open_spans[-1]].end <= span.start:",
    "while len(open_spans) > 0 and not spans[open_spans[-1]].end > span.start:",
)
right("self_times", "takes the difference", "span.seconds for span in spans", "span.end - span.start for span in spans")


@right("self_times", "finds for each span the one around it")
def own_by_parents(spans):
    order = sorted(range(len(spans)), key=lambda i: (spans[i].start, spans[i].start - spans[i].end, i))
    own = [span.end - span.start for span in spans]
    for place, i in enumerate(order):
        for j in reversed(order[:place]):
            if spans[j].end > spans[i].start:
                if spans[i].end > spans[j].end:
                    raise ValueError(f"{spans[j].name} and {spans[i].name} overlap")
                own[j] -= spans[i].end - spans[i].start
                break
    return own


@right("self_times", "lets the list of the open ones hold spans")
def own_with_pairs(spans):
    own, stack = [0] * len(spans), []
    for i, span in sorted(enumerate(spans), key=lambda pair: (pair[1].start, -pair[1].end)):
        own[i] += span.end - span.start
        while stack and stack[-1][1] <= span.start:
            stack.pop()
        if stack and stack[-1][1] < span.end:
            raise ValueError(f"{spans[stack[-1][0]].name} and {span.name} cross")
        if stack:
            own[stack[-1][0]] -= span.end - span.start
        stack.append((i, span.end))
    return own


@right("self_times", "cuts time at every start and end")
def own_of_pieces(spans):
    from itertools import pairwise

    order = sorted(range(len(spans)), key=lambda i: (spans[i].start, -spans[i].end))
    for place, i in enumerate(order):
        for j in order[place + 1 :]:
            if spans[i].start < spans[j].start < spans[i].end < spans[j].end:
                raise ValueError(f"{spans[i].name} and {spans[j].name} overlap in part")
    cuts, own = sorted({s.start for s in spans} | {s.end for s in spans}), [0 for _ in spans]
    for a, b in pairwise(cuts):
        inside = [i for i in order if spans[i].start <= a and b <= spans[i].end]
        if inside:
            own[inside[-1]] += b - a
    return own


right("self_times", "takes floats", "own = [span.seconds for", "own = [float(span.seconds) for")


# -- by_name ----------------------------------------------------------------------------------------------------------


@right("by_name", "goes name by name")
def rows_name_by_name(spans):
    own, rows = self_times(spans), {}
    for name in dict.fromkeys(span.name for span in spans):
        mine = [i for i, span in enumerate(spans) if span.name == name]
        row = Row(name, len(mine))
        for i in mine:
            row.own += own[i]
            row.flops += spans[i].flops
            row.moved += spans[i].moved
        row.peak = max(spans[i].peak for i in mine)
        end = -math.inf
        for i in sorted(mine, key=lambda i: spans[i].start):
            if spans[i].end > end:
                row.total += spans[i].end - max(end, spans[i].start)
                end = spans[i].end
        rows[name] = row
    return rows


@right("by_name", "leaves out what lies inside one of its name")
def rows_of_the_outermost(spans):
    own, rows = self_times(spans), {}
    for i, span in enumerate(spans):
        row = rows.setdefault(span.name, Row(span.name))
        inside = False
        for j, other in enumerate(spans):
            if other.name == span.name and j != i and other.start <= span.start and span.end <= other.end:
                inside = inside or other.seconds > span.seconds or j < i
        row.calls, row.own = row.calls + 1, row.own + own[i]
        row.flops, row.moved = row.flops + span.flops, row.moved + span.moved
        row.peak = max(row.peak, span.peak)
        row.total += 0.0 if inside else span.seconds
    return rows


@right("by_name", "counts how many spans of a name are open")
def rows_by_events(spans):
    own, rows = self_times(spans), {}
    for i, span in enumerate(spans):
        row = rows.setdefault(span.name, Row(span.name))
        row.calls, row.own, row.peak = row.calls + 1, row.own + own[i], max(row.peak, span.peak)
        row.flops, row.moved = row.flops + span.flops, row.moved + span.moved
    events = sorted([(s.start, 0, s.name) for s in spans] + [(s.end, 1, s.name) for s in spans])
    depth, since = dict.fromkeys(rows, 0), {}
    for when, ends, name in events:
        if not ends and not depth[name]:
            since[name] = when
        depth[name] += -1 if ends else 1
        if not depth[name]:
            rows[name].total += when - since[name]
    return rows


@right("by_name", "begins with a total of 0, a whole number")
def rows_of_whole_numbers(spans):
    own, rows = self_times(spans), {}
    for name in dict.fromkeys(s.name for s in spans):
        mine = sorted((s for s in spans if s.name == name), key=lambda s: (s.start, -s.end))
        total, end = 0, -math.inf
        for s in mine:
            if s.start >= end:
                total, end = total + s.end - s.start, s.end
        times = total, sum(t for t, s in zip(own, spans) if s.name == name)
        flops, moved = sum(s.flops for s in mine), sum(s.moved for s in mine)
        rows[name] = Row(name, len(mine), *times, flops, moved, max(s.peak for s in mine))
    return rows


right(
    "by_name",
    "tests for the name",
    "span.start >= until.get(span.name, -math.inf)",
    "span.name not in until or span.start >= until[span.name]",
)
right(
    "by_name",
    "uses an if for the peak",
    "row.peak = max(row.peak, span.peak)",
    "row.peak = span.peak if span.peak > row.peak else row.peak",
)

# -- accounting -------------------------------------------------------------------------------------------------------

right(
    "step_flops",
    "adds up layer by layer",
    "2 * 64 * (2 * 784 * 128 + 3 * 128 * 10)",
    "4 * 64 * 784 * 128 + 6 * 64 * 128 * 10",
)
right("step_flops", "is a float", "2 * 64 *", "2.0 * 64 *")
right("step_flops", "is the number", "2 * 64 * (2 * 784 * 128 + 3 * 128 * 10)", "26181632")

right("relu_intensity", "is the number", "1 / 8", "0.125")
right("relu_intensity", "counts all of them", "1 / 8", "64 * 32**3 / (2 * 4 * 64 * 32**3)")
right("relu_intensity", "reads and writes", "1 / 8", "1 / (4 + 4)")

right("peak_share", "divides the rates", "20 * flops / moved", "100 * flops / moved * 20e9 / 100e9")
right("peak_share", "is the number", "20 * flops / moved", "64")
right(
    "peak_share",
    "is FLOPs over a peak that they would need",
    "20 * flops / moved",
    "100 * min(1, flops / moved / (100 / 20))",
)
