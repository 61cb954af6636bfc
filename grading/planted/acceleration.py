"""Wrong answers to chapter 18: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import numpy as np

from tinytorch.acceleration import check_features, gradients_at, in_state, put_back, state_of
from tinytorch.autograd import backward
from tinytorch.tensor import Tensor, enable_grad, no_grad
from tito.rubrics.planted import wrong

# -- in_memory_order --------------------------------------------------------------------------------------------------

wrong("in_memory_order", "puts the shortest steps first", "-forwards.strides[axis]", "forwards.strides[axis]")
wrong("in_memory_order", "does not turn round", "-1 if step < 0 else 1", "1")
wrong("in_memory_order", "turns the wrong axes round", "step < 0", "step > 0")
wrong("in_memory_order", "sorts by sizes", "-forwards.strides[axis]", "-forwards.shape[axis]")
wrong("in_memory_order", "sorts before it turns round, by signed steps", "-forwards.strides[axis]", "-x.strides[axis]")
wrong("in_memory_order", "exchanges axes of equal steps", "range(x.ndim)", "reversed(range(x.ndim))")


wrong(
    "in_memory_order", "counts steps in numbers of 8 bytes", "-forwards.strides[axis]", "-forwards.strides[axis] // 8"
)
wrong(
    "in_memory_order", "leaves an axis of one number backwards",
    "-1 if step < 0 else 1) for step in x.strides",
    "-1 if step < 0 and n > 1 else 1) for step, n in zip(x.strides, x.shape)",
    "-forwards.strides[axis]", "-abs(forwards.strides[axis])",
)  # fmt: skip
wrong(
    "in_memory_order",
    "sorts equal steps by their sign",
    "-forwards.strides[axis]",
    "(-forwards.strides[axis], x.strides[axis])",
)


@wrong("in_memory_order", "leaves what NumPy calls contiguous as it is")
def order_contiguous(x):
    if x.flags.c_contiguous:
        return x
    forwards = x[tuple(slice(None, None, -1 if step < 0 else 1) for step in x.strides)]
    return forwards.transpose(sorted(range(x.ndim), key=lambda axis: -forwards.strides[axis]))


@wrong("in_memory_order", "copies")
def order_copied(x):
    forwards = x[tuple(slice(None, None, -1 if step < 0 else 1) for step in x.strides)]
    return forwards.transpose(sorted(range(x.ndim), key=lambda axis: -forwards.strides[axis])).copy()


@wrong("in_memory_order", "turns all axes round, once for all")
def order_transposed(x):
    forwards = x[tuple(slice(None, None, -1 if step < 0 else 1) for step in x.strides)]
    return forwards.T


# -- matmul_blocked ---------------------------------------------------------------------------------------------------

wrong("matmul_blocked", "keeps the last block of k alone", "+= product", "= product")
wrong("matmul_blocked", "takes everything at once", "a[i : i + block, k : k + block]", "a[i : i + block]",
      "b[k : k + block, j : j + block]", "b[:, j : j + block] * (k == 0)")  # fmt: skip
wrong("matmul_blocked", "is float64 always", "np.result_type(a, b)", "np.float64")
wrong("matmul_blocked", "has the dtype of a", "np.result_type(a, b)", "a.dtype")
wrong(
    "matmul_blocked",
    "leaves out what does not fill a block",
    "range(0, inner, block)",
    "range(0, inner - block + 1, block)",
)
wrong("matmul_blocked", "steps over every second block", "range(0, n, block)", "range(0, n, 2 * block)")
wrong("matmul_blocked", "multiplies without `product`", "product(left, right)", "left @ right")
wrong(
    "matmul_blocked", "takes blocks of one",
    "range(0, inner, block)", "range(0, inner)",
    "a[i : i + block, k : k + block]", "a[i : i + block, k : k + 1]",
    "b[k : k + block, j : j + block]", "b[k : k + 1, j : j + block]",
)  # fmt: skip
wrong("matmul_blocked", "raises another error", "raise ValueError", "raise TypeError")
wrong("matmul_blocked", "does not name the shapes", ", got {a.shape} and {b.shape}", "")
wrong("matmul_blocked", "takes a vector for a matrix", "a.ndim != 2 or b.ndim != 2 or ", "")
wrong("matmul_blocked", "multiplies the blocks the wrong way round", "product(left, right)", "product(right, left)")
wrong(
    "matmul_blocked", "sums in float32",
    "np.zeros((m, n), np.result_type(a, b))", "np.zeros((m, n), np.float32)",
    "+= product(left, right)", "+= product(left, right).astype(np.float32)",
    "return c", "return c.astype(np.result_type(a, b))",
)  # fmt: skip
wrong(
    "matmul_blocked", "sums whole numbers in float64",
    "np.zeros((m, n), np.result_type(a, b))", "np.zeros((m, n))",
    "return c", "return c.astype(np.result_type(a, b))",
)  # fmt: skip
wrong("matmul_blocked", "has the dtype of more bytes", "np.result_type(a, b)", "max(a.dtype, b.dtype)")
wrong(
    "matmul_blocked", "skips blocks of zeros", "+= product(left, right)", "+= product(left, right) if left.any() else 0"
)
wrong("matmul_blocked", "takes a b that is too long", "a.shape[1] != b.shape[0]", "a.shape[1] > b.shape[0]")
wrong("matmul_blocked", "lets three axes pass", "a.ndim != 2 or b.ndim != 2", "a.ndim < 2 or b.ndim < 2")


@wrong("matmul_blocked", "lends the same c to every call")
def product_lent(a, b, block, product=np.matmul):
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"{a.shape} and {b.shape} do not fit")
    (m, inner), n, dtype = a.shape, b.shape[1], np.result_type(a, b)
    c = globals().setdefault("lent", {}).setdefault((m, n, dtype), np.empty((m, n), dtype))
    c[...] = 0
    for i in range(0, m, block):
        for j in range(0, n, block):
            for k in range(0, inner, block):
                left, right = a[i : i + block, k : k + block], b[k : k + block, j : j + block]
                c[i : i + block, j : j + block] += product(left, right)
    return c


# -- fused_cross_entropy ----------------------------------------------------------------------------------------------

wrong("fused_cross_entropy", "does not subtract the largest", "p -= p.max(axis=1, keepdims=True)", "p -= 0")
wrong("fused_cross_entropy", "subtracts the largest of all rows", "p.max(axis=1, keepdims=True)", "p.max()")
wrong("fused_cross_entropy", "does not take the target's 1 from p", "p[chosen] -= 1", "p[chosen] -= 0")
wrong("fused_cross_entropy", "is the gradient of the sum", "p /= len(x)", "p /= 1")
wrong("fused_cross_entropy", "divides by the rows of a part", "p /= len(x)", "p /= len(p)")
wrong("fused_cross_entropy", "is the sum of the losses", "loss / max(len(x), 1)", "loss / 1")
wrong("fused_cross_entropy", "is nan for no example", "max(len(x), 1)", "np.float64(len(x))")
wrong("fused_cross_entropy", "forgets dW of the parts before", "dw += x[part].T @ p", "dw[...] = x[part].T @ p")
wrong("fused_cross_entropy", "has the loss of the last part only", "loss -= float", "loss = -float")
wrong(
    "fused_cross_entropy",
    "takes the chosen logit after e was taken",
    "float(p[chosen].sum())",
    "float(np.exp(p[chosen]).sum())",
)
wrong("fused_cross_entropy", "forgets the logarithm of the sum", "float(np.log(total).sum())", "0.0")
wrong("fused_cross_entropy", "takes targets from the start for every part", "target[part]", "target[: len(p)]")
wrong("fused_cross_entropy", "checks nothing", "check_features(x, weight, target)", "pass")
wrong("fused_cross_entropy", "has all logits at the same time", "min(rows, len(x))", "len(x)")
wrong("fused_cross_entropy", "makes a new array for p", "p /= total", "p = p / total")
wrong("fused_cross_entropy", "overwrites x", "np.empty_like(x)", "x")
wrong("fused_cross_entropy", "keeps gradients in float64", "np.empty_like(x)", "np.empty(x.shape)")


wrong(
    "fused_cross_entropy", "takes 64 rows, however many are asked for",
    "(min(rows, len(x))", "(min(64, len(x))",
    "range(0, len(x), rows)", "range(0, len(x), 64)",
    "start + rows", "start + 64",
)  # fmt: skip
wrong("fused_cross_entropy", "has its space in float64", "np.result_type(x, weight))", "np.float64)")
wrong("fused_cross_entropy", "saves what the rule does not know", '"dw": dw}', '"dw": dw, "space": space}')
wrong(
    "fused_cross_entropy",
    "takes targets below 0",
    "check_features(x, weight, target)",
    "check_features(x, weight, np.maximum(target, 0))",
)
wrong(
    "fused_cross_entropy",
    "makes targets whole",
    "check_features(x, weight, target)",
    "target = target.astype(int)\ncheck_features(x, weight, target)",
)
wrong(
    "fused_cross_entropy",
    "lends the same dW to every call",
    "np.zeros_like(weight)",
    "globals().setdefault('lent', {}).setdefault(weight.shape + x.shape, np.zeros_like(weight))\ndw *= 0",
)


@wrong("fused_cross_entropy", "takes the whole batch at once")
def fused_at_once(x, weight, target, *, rows=64):
    check_features(x, weight, target)
    logits = x @ weight
    logits = logits - logits.max(axis=1, keepdims=True)
    e = np.exp(logits)
    total = e.sum(axis=1, keepdims=True)
    chosen = np.arange(len(x)), target
    loss = (np.log(total).sum() - logits[chosen].sum()) / max(len(x), 1)
    p = e / total
    p[chosen] -= 1
    p /= max(len(x), 1)
    return np.array(loss, p.dtype), {"dx": p @ weight.T, "dw": x.T @ p}


# -- checkpointed_vjp -------------------------------------------------------------------------------------------------

wrong("checkpointed_vjp", "runs from the state of now", "in_state(module, state), enable_grad()", "enable_grad()")
wrong("checkpointed_vjp", "forgets the options", ", **options", "")
wrong("checkpointed_vjp", "forgets the parameters", "[*leaves, *module.parameters()]", "leaves")
wrong(
    "checkpointed_vjp",
    "hands parameters before inputs",
    "[*leaves, *module.parameters()]",
    "[*module.parameters(), *leaves]",
)
wrong("checkpointed_vjp", "asks for gradients everywhere", "requires_grad=need", "requires_grad=True")
wrong("checkpointed_vjp", "asks for no gradient of x", "requires_grad=need", "requires_grad=False")
wrong("checkpointed_vjp", "starts the walk with ones", "gradients_at(again, g, ", "gradients_at(again, g * 0 + 1, ")
wrong("checkpointed_vjp", "is a list", "tuple(gradients_at", "list(gradients_at")
wrong(
    "checkpointed_vjp",
    "records if the caller does",
    "in_state(module, state), enable_grad()",
    "in_state(module, state)",
)
wrong("checkpointed_vjp", "asks of all inputs what the first needs", "requires_grad=need", "requires_grad=needs[0]")
wrong("checkpointed_vjp", "makes tensors of numbers", "isinstance(x, np.ndarray)", "x is not None")
wrong(
    "checkpointed_vjp",
    "thaws frozen parameters",
    "with in_state(module, state)",
    "module.requires_grad_(True)\nwith in_state(module, state)",
)


@wrong("checkpointed_vjp", "has None for a parameter that is not used")
def unused_is_none(g, z, *arrays, module, inputs, options, state, needs):
    leaves = [
        Tensor(x, requires_grad=need) if isinstance(x, np.ndarray) else x for x, need in zip(arrays[:inputs], needs)
    ]
    with in_state(module, state), enable_grad():
        again = module(*leaves, **options)
    tensors = [leaf for leaf in [*leaves, *module.parameters()] if isinstance(leaf, Tensor)]
    before = [leaf.grad for leaf in tensors]
    for leaf in tensors:
        leaf.grad = None
    if again.requires_grad:
        backward(again, Tensor(g))
    found = tuple(getattr(getattr(leaf, "grad", None), "data", None) for leaf in [*leaves, *module.parameters()])
    for leaf, kept in zip(tensors, before):
        leaf.grad = kept
    return found


@wrong("checkpointed_vjp", "lets the second run write into the state that was kept")
def state_not_copied(g, z, *arrays, module, inputs, options, state, needs):
    leaves = [
        Tensor(x, requires_grad=need) if isinstance(x, np.ndarray) else x for x, need in zip(arrays[:inputs], needs)
    ]
    now = state_of(module)
    put_back(module, state)
    try:
        with enable_grad():
            again = module(*leaves, **options)
    finally:
        put_back(module, now)
    return tuple(gradients_at(again, g, [*leaves, *module.parameters()]))


@wrong("checkpointed_vjp", "does not come back after an error")
def stays_after_an_error(g, z, *arrays, module, inputs, options, state, needs):
    leaves = [
        Tensor(x, requires_grad=need) if isinstance(x, np.ndarray) else x for x, need in zip(arrays[:inputs], needs)
    ]
    now = state_of(module)
    put_back(module, state.copy())
    with enable_grad():
        again = module(*leaves, **options)
    put_back(module, now)
    return tuple(gradients_at(again, g, [*leaves, *module.parameters()]))


@wrong("checkpointed_vjp", "makes one leaf of an array that is given twice")
def one_leaf_for_two(g, z, *arrays, module, inputs, options, state, needs):
    made, leaves = {}, []
    for x, need in zip(arrays[:inputs], needs):
        leaves.append(made.setdefault(id(x), Tensor(x, requires_grad=need)) if isinstance(x, np.ndarray) else x)
    with in_state(module, state), enable_grad():
        again = module(*leaves, **options)
    return tuple(gradients_at(again, g, [*leaves, *module.parameters()]))


@wrong("checkpointed_vjp", "goes back to then, and stays there")
def back_and_stay(g, z, *arrays, module, inputs, options, state, needs):
    leaves = [
        Tensor(x, requires_grad=need) if isinstance(x, np.ndarray) else x for x, need in zip(arrays[:inputs], needs)
    ]
    put_back(module, state)
    again = module(*leaves, **options)
    return tuple(gradients_at(again, g, [*leaves, *module.parameters()]))


@wrong("checkpointed_vjp", "calls backward, which adds to .grad a second time")
def added_twice(g, z, *arrays, module, inputs, options, state, needs):
    leaves = [
        Tensor(x, requires_grad=need) if isinstance(x, np.ndarray) else x for x, need in zip(arrays[:inputs], needs)
    ]
    with in_state(module, state), enable_grad():
        again = module(*leaves, **options)
    backward(again, Tensor(g))
    return tuple(getattr(leaf.grad, "data", None) for leaf in [*leaves, *module.parameters()])


@wrong("checkpointed_vjp", "records nothing the second time")
def unrecorded(g, z, *arrays, module, inputs, options, state, needs):
    leaves = [
        Tensor(x, requires_grad=need) if isinstance(x, np.ndarray) else x for x, need in zip(arrays[:inputs], needs)
    ]
    with in_state(module, state), no_grad():
        again = module(*leaves, **options)
    return tuple(gradients_at(again, g, [*leaves, *module.parameters()]))


@wrong("checkpointed_vjp", "runs the block twice")
def run_twice(g, z, *arrays, module, inputs, options, state, needs):
    leaves = [
        Tensor(x, requires_grad=need) if isinstance(x, np.ndarray) else x for x, need in zip(arrays[:inputs], needs)
    ]
    for _ in range(2):
        with in_state(module, state), enable_grad():
            again = module(*leaves, **options)
    return tuple(gradients_at(again, g, [*leaves, *module.parameters()]))


@wrong("checkpointed_vjp", "makes a tensor of everything")
def all_tensors(g, z, *arrays, module, inputs, options, state, needs):
    leaves = [Tensor(x, requires_grad=need) for x, need in zip(arrays[:inputs], needs)]
    with in_state(module, state), enable_grad():
        again = module(*leaves, **options)
    return tuple(gradients_at(again, g, [*leaves, *module.parameters()]))


# -- ring_all_reduce --------------------------------------------------------------------------------------------------

wrong(
    "ring_all_reduce", "sends the same piece in each step", "yield pieces[(number - step) % n]", "yield pieces[number]"
)
wrong(
    "ring_all_reduce",
    "overwrites in the first half",
    "pieces[(number - step - 1) % n] += got",
    "pieces[(number - step - 1) % n][...] = got",
)
wrong("ring_all_reduce", "adds in the second half", "[...] = got", "[...] += got")
wrong(
    "ring_all_reduce", "sends its own piece first in the second half",
    "yield pieces[(number + 1 - step) % n]", "yield 1 * pieces[(number - step) % n]",
    "pieces[(number - step) % n][...]", "pieces[(number - step - 1) % n][...]",
)  # fmt: skip
wrong("ring_all_reduce", "adds to the caller's part", "part.flatten()", "part.reshape(-1)")
wrong("ring_all_reduce", "forgets the shape", "flat.reshape(part.shape)", "flat")
wrong("ring_all_reduce", "makes floats", "part.flatten()", "part.flatten().astype(float)")
wrong(
    "ring_all_reduce",
    "stops after the first half",
    "yield pieces[(number + 1 - step) % n]",
    "yield 0 * pieces[(number + 1 - step) % n]",
)


wrong("ring_all_reduce", "flattens in the order of memory", "part.flatten()", "part.flatten('K')")
wrong(
    "ring_all_reduce", "has every n-th number in a piece", "np.array_split(flat, n)", "[flat[w::n] for w in range(n)]"
)
wrong(
    "ring_all_reduce", "sums in float32",
    "part.flatten()", "part.flatten().astype(np.float32)",
    "flat.reshape(part.shape)", "flat.reshape(part.shape).astype(part.dtype)",
)  # fmt: skip
wrong(
    "ring_all_reduce", "sums in float64",
    "part.flatten()", "part.flatten().astype(np.float64)",
    "flat.reshape(part.shape)", "flat.reshape(part.shape).astype(part.dtype)",
)  # fmt: skip
wrong(
    "ring_all_reduce",
    "hands a single part back itself",
    "flat = part.flatten()",
    "if n == 1:\n    return part\nflat = part.flatten()",
)


@wrong("ring_all_reduce", "cuts a copy of a copy, where columns lie side by side")
def copy_of_a_copy(number, n, part):
    total = np.copy(part)
    pieces = np.array_split(total.reshape(-1), n)
    for step in range(n - 1):
        got = yield pieces[(number - step) % n]
        pieces[(number - step - 1) % n] += got
    for step in range(n - 1):
        got = yield pieces[(number + 1 - step) % n]
        pieces[(number - step) % n][...] = got
    return total


@wrong("ring_all_reduce", "cuts pieces of the longest length")
def longest_first(number, n, part):
    flat = part.flatten()
    longest = -(-flat.size // n)
    pieces = [flat[w * longest : (w + 1) * longest] for w in range(n)]
    for step in range(n - 1):
        got = yield pieces[(number - step) % n]
        pieces[(number - step - 1) % n] += got
    for step in range(n - 1):
        got = yield pieces[(number + 1 - step) % n]
        pieces[(number - step) % n][...] = got
    return flat.reshape(part.shape)


@wrong("ring_all_reduce", "sends the whole sum round")
def whole_round(number, n, part):
    total, piece = part.copy(), part
    for _ in range(n - 1):
        piece = yield piece
        total += piece
    return total


@wrong("ring_all_reduce", "sends whole parts in 2 (n - 1) messages")
def whole_parts(number, n, part):
    total, piece = part.copy(), part
    for _ in range(n - 1):
        piece = yield piece
        total += piece
    for _ in range(n - 1):
        yield total
    return total


@wrong("ring_all_reduce", "goes round once more than it needs")
def once_more(number, n, part):
    flat = part.flatten()
    pieces = np.array_split(flat, n)
    for step in range(n - 1):
        got = yield pieces[(number - step) % n]
        pieces[(number - step - 1) % n] += got
    for step in range(n):
        got = yield pieces[(number + 1 - step) % n]
        pieces[(number - step) % n][...] = got
    return flat.reshape(part.shape)


# -- accounting -------------------------------------------------------------------------------------------------------

wrong("lines_fetched", "reads all in order", "256 * 256 // 16 + 256 * 256", "256 * 256 // 16 + 256 * 256 // 16")
wrong("lines_fetched", "takes numbers for bytes", "256 * 256 // 16 + 256 * 256", "256 * 256 // 64 + 256 * 256")
wrong("lines_fetched", "forgets the rows", "256 * 256 // 16 + ", "")
wrong("lines_fetched", "never finds anything", "256 * 256 // 16", "256 * 256")

wrong("segment_bytes", "forgets the input", "5 *", "4 *")
wrong("segment_bytes", "keeps every result", "5 *", "33 *")
wrong("segment_bytes", "counts numbers", "64 * 4", "64")

wrong("ring_bytes", "counts half of the way", "2 * 7", "7")
wrong("ring_bytes", "sends the whole part to everybody", "2 * 7 * (1_000_000 // 8)", "7 * 1_000_000")
wrong("ring_bytes", "counts numbers", ") * 4", ")")
wrong("ring_bytes", "counts all workers", "2 * 7", "8 * 2 * 7")
