"""Right answers to chapter 18, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import itertools

import numpy as np

from tinytorch.acceleration import check_features, gradients_at, in_state, put_back, refuse_others, state_of
from tinytorch.tensor import Tensor, enable_grad
from tito.rubrics.planted import right

# -- in_memory_order --------------------------------------------------------------------------------------------------


@right("in_memory_order", "takes one axis after the other")
def one_axis_at_a_time(x):
    for axis, step in enumerate(x.strides):
        if step < 0:
            x = np.flip(x, axis)
    steps = x.strides
    return np.transpose(x, np.argsort([-step for step in steps], kind="stable"))


@right("in_memory_order", "sorts absolute steps, then turns round")
def sorted_first(x):
    order = sorted(range(x.ndim), key=lambda axis: abs(x.strides[axis]), reverse=True)
    y = x.transpose(order)
    for axis in range(y.ndim):
        if y.strides[axis] < 0:
            y = y[(slice(None),) * axis + (slice(None, None, -1),)]
    return y


@right("in_memory_order", "moves the longest step that is left to the front")
def longest_first(x):
    y = x[tuple(slice(None, None, -1 if s < 0 else None) for s in x.strides)]
    for place in range(y.ndim):
        y = np.moveaxis(y, max(range(place, y.ndim), key=lambda a: y.strides[a]), place)
    return y


@right("in_memory_order", "walks from the lowest address")
def from_the_lowest(x):
    index = tuple(slice(n - 1, None) if s < 0 and n else slice(None) for s, n in zip(x.strides, x.shape))
    axes = sorted(((abs(s), n) for s, n in zip(x.strides, x.shape)), key=lambda axis: -axis[0])
    return np.lib.stride_tricks.as_strided(x[index], [n for _, n in axes], [s for s, _ in axes])


right("in_memory_order", "turns round with None for the others", "-1 if step < 0 else 1", "-1 if step < 0 else None")

# -- matmul_blocked ---------------------------------------------------------------------------------------------------


@right("matmul_blocked", "has k outermost, and a product of starts")
def k_outermost(a, b, block, product=np.matmul):
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != len(b):
        raise ValueError(f"{a.shape} @ {b.shape}: inner axes differ")
    c = np.zeros((a.shape[0], b.shape[1]), dtype=np.result_type(a.dtype, b.dtype))
    for k, i, j in itertools.product(*(range(0, size, block) for size in (len(b), *c.shape))):
        rows, inner, columns = slice(i, i + block), slice(k, k + block), slice(j, j + block)
        c[rows, columns] = c[rows, columns] + product(a[rows, inner], b[inner, columns])
    return c


@right("matmul_blocked", "adds up each block of c before it stores it")
def stored_once(a, b, block, product=np.matmul):
    if not (a.ndim == b.ndim == 2 and a.shape[1] == b.shape[0]):
        raise ValueError(f"cannot multiply {a.shape} and {b.shape}")
    c = np.zeros((len(a), b.shape[1]), (a[:0] @ b[:, :0]).dtype)
    for i in range(0, len(a), block):
        for j in range(0, b.shape[1], block):
            total = 0
            for k in range(0, len(b), block):
                total = total + product(a[i : i + block, k : k + block], b[k : k + block, j : j + block])
            c[i : i + block, j : j + block] = total
    return c


@right("matmul_blocked", "has blocks of about equal sizes")
def equal_blocks(a, b, block, product=np.matmul):
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"got {a.shape} and {b.shape}")
    cut = lambda size: np.array_split(np.arange(size), -(-size // block)) if size else []
    c = np.zeros((a.shape[0], b.shape[1]), np.promote_types(a.dtype, b.dtype))
    for k in cut(a.shape[1]):
        for i in cut(a.shape[0]):
            for j in cut(b.shape[1]):
                c[np.ix_(i, j)] += product(a[np.ix_(i, k)], b[np.ix_(k, j)])
    return c


right("matmul_blocked", "makes room with empty and fills it", "np.zeros((m, n), np.result_type(a, b))",
      "np.full((m, n), 0, dtype=np.result_type(a, b))")  # fmt: skip

# -- fused_cross_entropy ----------------------------------------------------------------------------------------------

right(
    "fused_cross_entropy",
    "divides the ones as well",
    "p[chosen] -= 1\n    p /= len(x)",
    "p /= len(x)\n    p[chosen] -= 1 / len(x)",
)


@right("fused_cross_entropy", "subtracts the logarithm of the sum, and takes e after it")
def log_softmax_first(x, weight, target, *, rows=64):
    check_features(x, weight, target)
    n = len(x)
    losses, dx, dw = [], np.zeros_like(x), np.zeros_like(weight)
    space = np.empty((min(n, rows), weight.shape[1]), np.result_type(x, weight))
    for first in range(0, n, rows):
        some, wanted = x[first : first + rows], target[first : first + rows]
        p = space[: len(some)]
        np.matmul(some, weight, out=p)
        np.subtract(p, p.max(axis=1, keepdims=True), out=p)
        shifted = p[range(len(p)), wanted].copy()
        np.exp(p, out=p)
        sums = p.sum(axis=1)
        losses.append((np.log(sums) - shifted).astype(np.float64).sum())
        np.divide(p, sums[:, None] * n, out=p)
        p[range(len(p)), wanted] -= 1 / n
        dx[first : first + rows] = p @ weight.T
        dw += some.T @ p
    loss = np.sum(losses) / n if n else 0.0
    return np.array(loss, dtype=space.dtype), {"dx": dx, "dw": dw}


@right("fused_cross_entropy", "makes its space anew for each part, after the last one went")
def new_space(x, weight, target, *, rows=64):
    check_features(x, weight, target)
    loss, dx, dw = 0.0, np.empty_like(x), np.zeros_like(weight)
    for start in range(0, len(x), rows):
        end = min(start + rows, len(x))
        p = None
        p = x[start:end] @ weight
        p -= p.max(axis=1)[:, None]
        at = np.arange(end - start), target[start:end]
        chosen = p[at]
        np.exp(p, out=p)
        total = p.sum(axis=1)
        loss += float(np.sum(np.log(total) - chosen))
        p /= total[:, None]
        p[at] -= 1
        p /= len(x)
        dx[start:end] = p @ weight.T
        dw += x[start:end].T @ p
    return np.asarray(loss / max(1, len(x)), np.result_type(x, weight)), {"dx": dx, "dw": dw}


@right("fused_cross_entropy", "takes a row at a time, and adds to dW feature by feature")
def one_row_at_a_time(x, weight, target, *, rows=64):
    check_features(x, weight, target)
    dx, dw, losses = np.empty_like(x), np.zeros_like(weight), []
    line = np.empty(weight.shape[1], np.result_type(x, weight))
    for i, (features, t) in enumerate(zip(x, target)):
        np.matmul(features, weight, out=line)
        line -= line.max()
        chosen = float(line[t])
        np.exp(line, out=line)
        total = line.sum()
        losses.append(float(np.log(total)) - chosen)
        line /= total
        line[t] -= 1
        line /= len(x)
        dx[i] = weight @ line
        for c in range(len(features)):
            dw[c] += features[c] * line
    return np.array(sum(losses) / max(len(x), 1), line.dtype), {"dx": dx, "dw": dw}


# -- checkpointed_vjp -------------------------------------------------------------------------------------------------


@right("checkpointed_vjp", "walks inside the with")
def walks_inside(g, z, *arrays, module, inputs, options, state, needs):
    leaves = []
    for x, need in zip(arrays[:inputs], needs):
        leaves.append(Tensor(x, requires_grad=need) if isinstance(x, np.ndarray) else x)
    with enable_grad(), in_state(module, state):
        again = module(*leaves, **options)
        return tuple(gradients_at(again, g, leaves + list(module.parameters())))


@right("checkpointed_vjp", "puts the state back by hand")
def by_hand(g, z, *arrays, module, inputs, options, state, needs):
    now = state_of(module)
    put_back(module, state.copy())
    leaves = [
        x if not isinstance(x, np.ndarray) else Tensor(x, requires_grad=n) for x, n in zip(arrays[:inputs], needs)
    ]
    try:
        with enable_grad():
            again = module(*leaves, **options)
    finally:
        put_back(module, now)
    return (*gradients_at(again, g, [*leaves, *module.parameters()]),)


@right("checkpointed_vjp", "asks for gradients with requires_grad_")
def asks_later(g, z, *arrays, module, inputs, options, state, needs):
    leaves = [Tensor(x) if isinstance(x, np.ndarray) else x for x in arrays[:inputs]]
    for leaf, need in zip(leaves, needs):
        if need:
            leaf.requires_grad = True
    with in_state(module, state), enable_grad():
        again = module(*leaves, **options)
    return tuple(gradients_at(again, g, [*leaves, *module.parameters()]))


@right("checkpointed_vjp", "walks by itself")
def own_walk(g, z, *arrays, module, inputs, options, state, needs):
    leaves = [Tensor(x, requires_grad=n) if isinstance(x, np.ndarray) else x for x, n in zip(arrays[:inputs], needs)]
    with in_state(module, state), enable_grad():
        again = module(*leaves, **options)
    everything = [*leaves, *module.parameters()]
    refuse_others(again, everything)
    kept = {id(t): t.grad for t in everything if isinstance(t, Tensor)}
    try:
        for t in everything:
            if isinstance(t, Tensor):
                t.grad = None
        if again.requires_grad:
            again.backward(Tensor(g))
        wanted = [isinstance(t, Tensor) and t.requires_grad for t in everything]
        found = [t.grad.data if want and t.grad is not None else None for t, want in zip(everything, wanted)]
        return tuple(
            np.zeros_like(t.data) if want and d is None else d for t, want, d in zip(everything, wanted, found)
        )
    finally:
        for t in everything:
            if isinstance(t, Tensor):
                t.grad = kept[id(t)]


# -- ring_all_reduce --------------------------------------------------------------------------------------------------


@right("ring_all_reduce", "keeps the piece that came in as the next one to go out")
def hands_on(number, n, part):
    pieces = [piece.copy() for piece in np.array_split(part.reshape(-1), n)]
    mine = number
    for _ in range(n - 1):
        got = yield pieces[mine]
        mine = (mine - 1) % n
        pieces[mine] = pieces[mine] + got
    for _ in range(n - 1):
        got = yield pieces[mine]
        mine = (mine - 1) % n
        pieces[mine] = got
    return np.concatenate(pieces).reshape(part.shape)


@right("ring_all_reduce", "has one loop for both halves")
def one_loop(number, n, part):
    flat = part.ravel().copy()
    pieces = np.array_split(flat, n)
    for step in range(2 * n - 2):
        got = yield pieces[(number - step) % n]
        target = pieces[(number - step - 1) % n]
        target[...] = target + got if step < n - 1 else got
    return flat.reshape(part.shape)


@right("ring_all_reduce", "adds its own numbers to what came in")
def adds_to_what_came(number, n, part):
    own, whole = np.array_split(part.reshape(-1), n), [None] * n
    at, going = number, own[number].copy()
    for _ in range(n - 1):
        got = yield going
        at = (at - 1) % n
        going = got + own[at]
    whole[at] = going
    for _ in range(n - 1):
        got = yield going
        at = (at - 1) % n
        going = whole[at] = np.array(got)
    return np.concatenate(whole).reshape(part.shape)


@right("ring_all_reduce", "cuts by its own bounds")
def own_bounds(number, n, part):
    total = np.array(part, order="C", copy=True)
    flat = total.reshape(-1)
    size, more = divmod(flat.size, n)
    ends = np.cumsum([0] + [size + (w < more) for w in range(n)])
    piece = lambda w: flat[ends[w % n] : ends[w % n + 1]]
    for step in range(n - 1):
        piece(number - step - 1)[:] += yield piece(number - step)
    for step in range(n - 1):
        piece(number - step)[:] = yield piece(number - step + 1)
    return total


right(
    "ring_all_reduce", "sends copies", "yield pieces[(number - step) % n]", "yield pieces[(number - step) % n].copy()"
)

# -- accounting -------------------------------------------------------------------------------------------------------

right("lines_fetched", "has powers", "256 * 256 // 16 + 256 * 256", "2**12 + 2**16")
right("lines_fetched", "counts lines of a row", "256 * 256 // 16", "256 * (256 * 4 // 64)")
right("lines_fetched", "is the number", "256 * 256 // 16 + 256 * 256", "69632")

right("segment_bytes", "adds the input", "5 * 32 * 64 * 4", "(4 + 1) * (32 * 64 * 4)")
right("segment_bytes", "is a float", "* 4", "* 4.0")
right("segment_bytes", "is the number", "5 * 32 * 64 * 4", "40960")

right("ring_bytes", "has the formula", "2 * 7 * (1_000_000 // 8) * 4", "2 * (8 - 1) / 8 * 4e6")
right("ring_bytes", "is a float", ") * 4", ") * 4.0")
right("ring_bytes", "is the number", "2 * 7 * (1_000_000 // 8) * 4", "7_000_000")
