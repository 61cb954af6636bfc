"""Chapter 18, acceleration: the order of memory, blocks, a fused loss, a block computed twice, a sum around a ring.

Where an answer could be right and still not save what it should, the check counts: the products and their sizes, the
bytes at the most, the calls of a module, the messages between workers.
"""

import math

import numpy as np
from hypothesis import strategies as st
from strategies import example, in_each_dtype, mixed, whole_numbers

from tito.rubrics.compare import close, holds, refuses, same
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("18", module="acceleration")

rubric.exercise("in_memory_order", difficulty=1, minutes=10)
rubric.exercise("matmul_blocked", difficulty=2, minutes=15)
rubric.exercise("fused_cross_entropy", difficulty=3, minutes=40)
rubric.exercise("checkpointed_vjp", difficulty=2, minutes=25)
rubric.exercise("ring_all_reduce", difficulty=3, minutes=30)

kinds = st.sampled_from([np.float64, np.float32])


# -- in_memory_order --------------------------------------------------------------------------------------------------


@st.composite
def views(draw):
    """A view of 0, 1, 2... in memory: the shape there, how axes are exchanged, the step along each, and the dtype."""
    shape = draw(st.lists(st.integers(2, 4), max_size=3))
    axes = draw(st.permutations(range(len(shape))))
    steps = [draw(st.sampled_from([1, -1, 2, -2])) for _ in shape]
    return shape, list(axes), steps, draw(st.sampled_from(["float64", "uint8"]))


def view(shape, axes, steps, dtype):
    """The view that such a case means. Each number is its own place in memory."""
    x = np.arange(math.prod(shape), dtype=dtype).reshape(shape).transpose(axes)
    return x[tuple(slice(None, None, step) for step in steps)]


@rubric.probe
def reordered(tt, shape, axes, steps, dtype):
    x = np.arange(int(np.prod(shape)), dtype=dtype).reshape(shape).transpose(axes)
    x = x[tuple(slice(None, None, step) for step in steps)]
    z = tt.acceleration.in_memory_order(x)
    backwards = [axis for axis, step in enumerate(np.asarray(z).strides) if step < 0]
    return [z, bool(x.ndim == 0 or x.size == 0 or np.shares_memory(x, z)), backwards]


def sorted_axes(x):
    """x with its axes from the longest step to the shortest."""
    return x.transpose(np.argsort([-abs(step) for step in x.strides], kind="stable"))


rubric.doctests("in_memory_order", points=1)


@rubric.check("in_memory_order", points=1)
@given(
    views(),
    always=[
        ([3, 2], [1, 0], [1, 1], "float64"),
        ([3, 2], [1, 0], [1, 1], "uint8"),
        ([3, 2], [0, 1], [-1, 1], "float64"),
        ([2, 3, 4], [2, 0, 1], [-1, 1, -2], "float64"),
        ([2, 3, 4], [1, 2, 0], [1, -1, -1], "float64"),
        ([2, 3], [0, 1], [-2, 1], "float64"),  # an axis of one number, backwards
        ([2, 2], [1, 0], [1, 2], "float64"),
        ([0, 3], [1, 0], [1, 1], "float64"),
        ([], [], [], "float64"),
    ],
)
def memory_is_walked_forwards(student, shape, axes, steps, dtype):
    """Read line by line, what comes back goes through memory in one direction; it is a view, nothing was copied."""
    x = view(shape, axes, steps, dtype)
    yours, shared, backwards = student.reordered(shape, axes, steps, dtype)
    turned = sorted_axes(x)
    expected = np.sort(x, axis=None).reshape(turned.shape)
    mistakes = {
        "an axis still runs backwards": turned,
        "the axes with the shortest steps come first: they should come last": expected.T,
        "the axes have their old order": np.sort(x, axis=None).reshape(x.shape),
    }
    close(yours, expected, "the view", mistakes=mistakes)
    holds(shared, "it is a view of the same memory, not a copy")
    holds(not backwards, "no stride is negative, where an axis has one number, either", axes=backwards)


@rubric.probe
def seen_in_windows(tt, x, width, turned, repeats):
    windows = np.lib.stride_tricks.sliding_window_view(x, width)
    windows = windows[:: turned[0], :: turned[1]]
    return tt.acceleration.in_memory_order(np.broadcast_to(windows, (repeats, *windows.shape)))


@rubric.check("in_memory_order", points=1)
@given(
    mixed((6,)), st.integers(2, 4), st.sampled_from([[1, 1], [-1, -1], [1, -1], [-1, 1]]), st.integers(2, 3),
    always=[(example(6), 2, [1, 1], 2), (example(6), 4, [-1, -1], 3), (example(6), 2, [1, -1], 2)],
)  # fmt: skip
def equal_steps_keep_their_order(student, x, width, turned, repeats):
    """Windows take equal steps along both of their axes, which stay in order; an axis that repeats takes none."""
    yours = student.seen_in_windows(x, width, turned, repeats)
    windows = np.lib.stride_tricks.sliding_window_view(x, width)
    expected = np.stack([windows] * repeats, axis=-1)
    mistakes = {"axes of equal steps were exchanged": expected.swapaxes(0, 1)}
    close(yours, expected, "the view", mistakes=mistakes)


# -- matmul_blocked ---------------------------------------------------------------------------------------------------


@st.composite
def factors(draw):
    """a (M, K), b (K, N), and the size of a block."""
    m, k, n = (draw(st.integers(1, 5)) for _ in range(3))
    dtype = draw(kinds)
    return draw(mixed((m, k))).astype(dtype), draw(mixed((k, n))).astype(dtype), draw(st.integers(1, 6))


rubric.doctests("matmul_blocked", points=1)


@rubric.check("matmul_blocked", points=1)
@given(
    factors(),
    always=[
        *in_each_dtype(example(2, 3), example(3, 4), 2),
        (example(2, 3, dtype=np.float32), example(3, 4), 2),
        (example(2, 3), example(3, 4, dtype=np.float32), 5),
        (example(3, 3, dtype=np.int64), example(3, 3, dtype=np.int64), 2),
        (np.ones((2, 0)), np.ones((0, 3)), 2),
        (np.ones((0, 2)), np.ones((2, 3)), 1),
        (example(5, 5), example(5, 5), 3),
        (example(2, 2), example(2, 2), 2),
        (example(3, 3, dtype=np.int64), example(3, 3, dtype=np.float32), 2),
        (example(3, 3, dtype=np.float32), example(3, 3, dtype=np.int64), 2),
        (np.array([[2.0**24, 1, -(2.0**24)]]), np.ones((3, 1)), 1),  # float32 has no 2^24 + 1
        (np.array([[2**53, 1, -(2**53)]]), np.ones((3, 1), np.int64), 1),  # float64 has no 2^53 + 1
        (np.zeros((1, 1)), np.full((1, 1), np.nan), 1),
    ],
)
def blocks_change_nothing(student, a, b, block):
    """In blocks of any size, the product is a @ b, in its dtype; a and b that do not fit are refused, with shapes."""
    last = a[:, (a.shape[1] - 1) // block * block :] @ b[(len(b) - 1) // block * block :]
    mistakes = {"a block of c is a sum over all blocks of k, and this is the last one": last}
    close(student.matmul_blocked(a, b, block), a @ b, "the product", mistakes=mistakes)
    wider = np.concatenate([a, a[:, :1], a[:, :1]], axis=1) if a.size else np.ones((2, len(b) + 1))
    longer = np.ones((len(b) + 2, b.shape[1]))
    refuses("ValueError", student.matmul_blocked, wider, b, block, mentioning=[str(wider.shape), str(b.shape)])
    refuses("ValueError", student.matmul_blocked, a, longer, block, mentioning=[str(a.shape), str(longer.shape)])
    refuses("ValueError", student.matmul_blocked, a, b[0] if len(b) else b[:, 0], block, mentioning=[str(a.shape)])
    refuses("ValueError", student.matmul_blocked, np.ones(len(b)), b, block, mentioning=[f"({len(b)},)"])
    refuses("ValueError", student.matmul_blocked, np.ones((3, 3, 3)), np.ones((3, 3)), 2, mentioning=["(3, 3, 3)"])


@rubric.probe
def multiplied(tt, a, b, block):
    seen = []

    def product(x, y):
        seen.append([*x.shape, *y.shape])
        return x @ y

    z = tt.acceleration.matmul_blocked(a, b, block, product)
    tt.acceleration.matmul_blocked(a + 1, b, block)  # z is not changed by another product
    return [z, np.array(seen).reshape(-1, 4)]


@rubric.check("matmul_blocked", points=2)
@given(
    factors(),
    always=[(example(4, 4), example(4, 4), 2), (example(5, 3), example(3, 7), 3), (example(1, 5), example(5, 1), 2)],
)
def no_block_is_longer(student, a, b, block):
    """`product` is given two blocks, no side longer than asked for, as few and as large as that allows; each once."""
    z, seen = student.multiplied(a, b, block)
    close(z, a @ b, "the product")
    (m, k), n = a.shape, b.shape[1]
    holds(len(seen) > 0, "product(x, y) multiplies the blocks")
    holds(seen.max() <= block, "no side of a block is longer than `block`", longest=int(seen.max()), block=block)
    products = (seen[:, 0] * seen[:, 1] * seen[:, 3]).sum()
    holds(products == m * k * n, "each a[i, k] meets each b[k, j] once", met=int(products), wanted=m * k * n)
    wanted = math.prod(-(-size // block) for size in (m, k, n))
    holds(len(seen) == wanted, "blocks are as large as `block` allows", products=len(seen), wanted=wanted)


# -- fused_cross_entropy ----------------------------------------------------------------------------------------------


@st.composite
def features_and_classes(draw):
    """x (B, C), weight (C, V), targets (B,), and how many rows to take at a time."""
    b, c, v = draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    dtype = draw(kinds)
    target = np.array([draw(st.integers(0, v - 1)) for _ in range(b)])
    weight = draw(whole_numbers((c, v), most=2)).astype(dtype)
    return draw(mixed((b, c), most=2)).astype(dtype), weight, target, draw(st.integers(1, 6))


@rubric.probe
def fused(tt, x, weight, target, rows):
    x, weight = tt.Tensor(x, requires_grad=True), tt.Tensor(weight, requires_grad=True)
    z = tt.acceleration.fused_cross_entropy(x, weight, target, rows=rows)
    tt.acceleration.fused_cross_entropy(x + 1, weight * 2, target, rows=rows)  # another loss, before the walk
    found = {**z.origin.parameters, **z.origin.saved}
    dx, dw, _ = tt.acceleration.fused_cross_entropy_vjp(np.ones_like(z.data), z.data, *z.origin.arrays, **found)
    return [z, dx, dw]


def by_the_book(x, weight, target):
    """The loss, dx and dW, with every array there is, in float64."""
    wide, matrix = x.astype(np.float64), weight.astype(np.float64)
    logits = wide @ matrix
    shifted = logits - logits.max(axis=1, keepdims=True)
    p = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    at = np.arange(len(x)), target
    loss = (np.log(np.exp(shifted).sum(axis=1)) - shifted[at]).mean() if len(x) else 0.0
    d = p.copy()
    d[at] -= 1
    d /= max(len(x), 1)
    return np.array(loss), d @ matrix.T, wide.T @ d, p


TELLING = [
    *in_each_dtype(example(4, 2), example(2, 3) - 3, np.array([0, 2, 1, 1]), 3),
    (example(3, 1) * 1000, np.array([[1.0, -1.0]]), np.array([1, 0, 1]), 2),
    (example(3, 1, dtype=np.float32) * 1000, np.array([[1, 0]], np.float32), np.array([0, 0, 1]), 1),
    (example(3, 2), example(2, 2) / 8, np.array([0, 1, 0]), 9),
    (np.zeros((0, 2)), np.ones((2, 3)), np.array([], np.int64), 2),
    (np.ones((2, 1)), np.ones((1, 1)), np.array([0, 0]), 1),
    (example(1, 2), example(2, 3), np.array([1]), 4),
]
ROUNDING = {"float64": 1e-9, "float32": 2e-5, "float16": 1e-2}


@rubric.check("fused_cross_entropy", points=1)
@given(features_and_classes(), always=TELLING)
def the_loss_is_cross_entropy_s(student, x, weight, target, rows):
    """The mean of -ln softmax(x W)[target], however many rows are taken at a time; bad targets are refused."""
    loss = by_the_book(x, weight, target)[0]
    yours = student.fused(x, weight, target, rows)[0]
    close(yours, loss.astype(x.dtype), "the loss", atol=ROUNDING[x.dtype.name])
    if len(x):
        bad = np.where(target == 0, weight.shape[1], target)
        if (bad != target).any():
            refuses("IndexError", student.fused_cross_entropy, x, weight, bad)
        refuses("IndexError", student.fused_cross_entropy, x, weight, np.full_like(target, -1))
        refuses("TypeError", student.fused_cross_entropy, x, weight, target + 0.5)
        refuses("ValueError", student.fused_cross_entropy, x, weight, np.append(target, 0))


@rubric.check("fused_cross_entropy", points=2)
@given(features_and_classes(), always=TELLING)
def its_gradients_come_with_it(student, x, weight, target, rows):
    """dlogits = (p - onehot) / B; from there dx = dlogits W^T, and dW = x^T dlogits, summed over all examples."""
    _, dx, dw, p = by_the_book(x, weight, target)
    _, *yours = student.fused(x, weight, target, rows)
    wrongs = [
        {"the target's 1 was not taken from p": p @ weight.T / max(len(x), 1), "off by B: mean": dx * len(x)},
        {"the target's 1 was not taken from p": x.T @ p / max(len(x), 1), "off by B: mean": dw * len(x)},
    ]
    for mine, expected, like, name, mistakes in zip(yours, (dx, dw), (x, weight), ("dx", "dw"), wrongs):
        mistakes = {say: wrong.astype(like.dtype) for say, wrong in mistakes.items()}
        close(mine, expected.astype(like.dtype), name, atol=ROUNDING[x.dtype.name] * 10, mistakes=mistakes)


@rubric.probe
def highest(tt, x, weight, target, rows):
    import tracemalloc

    tracemalloc.start()
    tt.acceleration.fused_cross_entropy(x, weight, target, rows=rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@rubric.check("fused_cross_entropy", points=2, examples=3)
@given(st.integers(200, 220), kinds, always=[(201, np.float64), (201, np.float32)])
def one_array_of_rows_is_enough(student, b, dtype):
    """At the most there is one array of (rows, V) beside the gradients: each step is taken in place."""
    x, weight, target, rows = np.ones((b, 1), dtype), np.ones((1, 4000), dtype), np.arange(b), 20
    peak, one = student.highest(x, weight, target, rows), x.itemsize * rows * 4000
    holds(peak < 1.6 * one, "it holds one array of rows and little more", bytes=peak, one_array=one)


# -- checkpointed_vjp -------------------------------------------------------------------------------------------------


@rubric.probe
def there_and_back(tt, x, seed, own, happens, plainly=False):
    rng = np.random.default_rng(seed) if plainly else tt.manual_seed(seed)
    chances = np.random.default_rng(seed + 1) if own else rng if plainly else None
    nn, norm = tt.nn, tt.nn.BatchNorm1d(4)
    dropout = nn.Dropout(0.5, rng=chances)
    model = nn.Sequential(nn.Linear(3, 4, rng=rng), norm, nn.Tanh(), dropout, nn.Linear(4, 2, rng=rng))
    norm.training = happens != "statistics move"
    x = tt.Tensor(x, requires_grad=happens != "x is data")
    z = model(x) if plainly else tt.acceleration.checkpoint(model, x)
    for p in model.parameters():
        p.grad = tt.ones(*p.shape)
    if happens == "statistics move":
        for buffer in model.buffers():
            buffer.data = buffer.data.copy()  # the plain pass has read the old ones, which must not change
        norm.train()(tt.Tensor(np.arange(8.0, dtype=np.float32).reshape(2, 4)))
        norm.eval()
    if happens == "evaluation begins":
        model.eval()
    rng.random(3)
    modes = [part.training for part in model.modules()]
    g = np.arange(1.0, z.numel() + 1, dtype=z.dtype).reshape(z.shape)
    with tt.no_grad() if happens == "inside no_grad" else tt.enable_grad():
        z.backward(tt.Tensor(g), retain_graph=happens == "another walk")
    if happens == "another walk":
        z.backward(tt.Tensor(g + 1))
    parts = [z, x.grad if x.requires_grad else x, *(p.grad for p in model.parameters()), *model.buffers()]
    next_one = (chances or rng).random(2)
    return [[part.data for part in parts], next_one, modes == [part.training for part in model.modules()]]


def plainly(x, seed, own, happens):
    """The same without a checkpoint, by the reference, in the judge."""
    import tinytorch as tt

    return there_and_back(tt, x, seed, own, happens, True)


HAPPENS = ["nothing", "evaluation begins", "another walk", "statistics move", "x is data", "inside no_grad"]
batches = st.integers(2, 4).flatmap(lambda b: mixed((b, 3))).map(lambda x: x.astype(np.float32))
SOME = example(4, 3, dtype=np.float32) % 5
WAYS = [(SOME, seed, own, happens) for seed, happens in enumerate(HAPPENS) for own in (False, True)]


@rubric.check("checkpointed_vjp", points=2, examples=8)
@given(batches, st.integers(0, 99), st.booleans(), st.sampled_from(HAPPENS), always=WAYS)
def gradients_are_those_without_a_checkpoint(student, x, seed, own, happens):
    """Each gradient is as if all had been kept, and added to what was there: the same dropout, the modes of then."""
    yours, expected = student.there_and_back(x, seed, own, happens)[0], plainly(x, seed, own, happens)[0]
    names = ["z", "x.grad", *(f"parameter {i}'s grad" for i in range(6))]
    for mine, wanted, name in zip(yours, expected, names):
        once = {"what was in .grad before is lost": wanted - 1} if "parameter" in name else {}
        close(mine, wanted, name, mistakes=once)


@rubric.probe
def walked_thrice(tt, x):
    import contextlib

    class Counted(tt.nn.Module):
        def __init__(self):
            self.weight, self.count = tt.nn.Parameter(np.ones(1, x.dtype)), tt.nn.Buffer(np.ones(1, x.dtype))
            self.fails = False

        def forward(self, x):
            if self.fails:
                raise ArithmeticError("the module fails")
            z = x * self.weight * float(self.count.data[0])
            self.count.data[...] += 1
            return z

    module = Counted()
    z = tt.acceleration.checkpoint(module, tt.Tensor(x)).sum()
    for _ in range(2):
        z.backward(retain_graph=True)
    module.eval().fails = True
    with contextlib.suppress(ArithmeticError):
        z.backward()
    return [module.weight.grad, module.count, module.training]


@rubric.check("checkpointed_vjp", points=1, examples=8)
@given(batches, st.integers(0, 99), st.booleans(), st.sampled_from(HAPPENS), always=WAYS)
def afterwards_all_is_as_it_was(student, x, seed, own, happens):
    """The second pass leaves no trace: statistics move once, the next chance is the next one, modes stay.

    That holds for a module that writes into its buffer, walked twice, and for one that then raises an error.
    """
    yours, chance, kept = student.there_and_back(x, seed, own, happens)
    expected, next_one, _ = plainly(x, seed, own, happens)
    for mine, wanted, name in zip(yours[8:], expected[8:], ("the running mean", "the running variance")):
        close(mine, wanted, name)
    close(chance, next_one, "the next random numbers")
    holds(kept, "each module is in the mode that it was in")
    grad, count, training = student.walked_thrice(x)
    close(grad, np.array([2 * x.sum()]), "the gradient of two walks of a module that adds 1 to its buffer in place")
    holds(not training, "after an error, too, the module is in the mode that it was in")
    close(count, np.array([2], x.dtype), "the buffer that the first pass added 1 to")


@rubric.probe
def counted_calls(tt, x, factor, needs):
    class Scaled(tt.nn.Module):
        def __init__(self):
            self.weight, self.unused = tt.nn.Parameter(np.array([factor])), tt.nn.Parameter(np.ones(2))
            self.calls, self.seen = 0, []

        def forward(self, x, y, times, nothing, plus=0.0):
            self.calls += 1
            tensors = isinstance(x, tt.Tensor) and isinstance(y, tt.Tensor)
            self.seen.append([tensors, type(times) is int and times == 3, nothing is None, plus == 1.0])
            return x * self.weight * times + y * plus

    module = Scaled()
    module.weight.requires_grad = needs[2]
    inputs = [tt.Tensor(x, requires_grad=need) for need in needs[:2]]
    z = tt.acceleration.checkpoint(module, *inputs, 3, None, plus=1.0)
    origin, calls = z.origin, module.calls
    arguments = {**origin.parameters, **origin.saved, "needs": [*needs[:2], False, False, needs[2], True]}
    found = tt.acceleration.checkpointed.rule(np.ones_like(z.data), z.data, *origin.arrays, **arguments)
    there, kept = [g is not None for g in found], [p.requires_grad for p in module.parameters()]
    return [there, [g for g in found if g is not None], calls, module.calls, module.seen, kept]


@rubric.check("checkpointed_vjp", points=1)
@given(
    mixed((3,)), st.integers(1, 5).map(float), st.lists(st.booleans(), min_size=3, max_size=3),
    always=[(example(3), 2.0, needs) for needs in ([False, True, True], [True, False, True], [True, True, False])],
)  # fmt: skip
def the_block_runs_once_more(student, x, factor, needs):
    """The rule calls the module once, with all that it was called with, and has None for what needs no gradient.

    The first inputs are one array twice. A parameter that is not used gets zeros, and one that is frozen stays frozen.
    """
    there, found, before, calls, seen, kept = student.counted_calls(x, factor, needs)
    same(there, [*needs[:2], False, False, needs[2], True], "which gradients are there")
    gradients = [np.full_like(x, 3 * factor), np.ones_like(x), np.array([3 * x.sum()]), np.zeros(2)]
    names = ["the first input's gradient", "the second input's gradient", "dweight", "the unused parameter's gradient"]
    expected = [pair for pair, need in zip(zip(gradients, names), [*needs, True]) if need]
    for mine, (wanted, name) in zip(found, expected):
        close(mine, wanted, name)
    same(calls - before, 1, "how often the rule calls the module")
    holds(all(map(all, seen)), "the module is given tensors, and numbers, None and options as they are", seen=seen)
    same(kept, [needs[2], True], "which parameters need a gradient, afterwards")


# -- ring_all_reduce --------------------------------------------------------------------------------------------------


@st.composite
def shares(draw):
    """What 1 to 5 workers have: arrays of one shape and dtype."""
    n, shape = draw(st.integers(1, 5)), draw(st.sampled_from([(4,), (7,), (2, 3), (1,), (10,)]))
    dtype = draw(st.sampled_from([np.float64, np.float32, np.int64]))
    return [draw(mixed(shape)).astype(dtype) for _ in range(n)]


@rubric.probe
def around(tt, parts, by_columns):
    parts = [part.copy("F") if by_columns and w % by_columns == 0 else part for w, part in enumerate(parts)]
    n, totals, pieces, sent, first = len(parts), {}, [], [], []
    kept = [part.copy() for part in parts]
    workers = [tt.acceleration.ring_all_reduce(number, n, part) for number, part in enumerate(parts)]
    for step in range(4 * n):
        out = []
        for number, worker in enumerate(workers):
            if number in totals:
                continue
            try:
                piece = worker.send(pieces[number - 1] if step else None)
                out.append(np.array(piece))
            except StopIteration as end:
                totals[number] = end.value
        if len(totals) == n:
            break
        if totals:
            raise RuntimeError(f"after {step} messages some workers have ended, and others wait")
        pieces, first = out, first or out
        sent.append([piece.size for piece in pieces])
    unharmed = all(map(np.array_equal, parts, kept))
    shared = any(np.shares_memory(part, np.asarray(totals.get(w))) for w, part in enumerate(parts))
    return [[totals.get(number) for number in range(n)], sent, unharmed and not shared, first]


WORKERS = [
    [example(6), example(6) * 10, example(6) * 100],
    [example(5, dtype=np.float32), example(5, dtype=np.float32) * 7],
    [example(2, dtype=np.int64) * 10**w for w in range(4)],
    [example(2, 4) * 10**w for w in range(3)],
    [example(3)],
    [np.array([first, 2, 3]) for first in (2**53, 1, -(2**53))],  # float64 has no 2^53 + 1
    [np.array([first, 2, 3]) for first in (2.0**24, 1.0, -(2.0**24))],  # float32 has no 2^24 + 1
]
RINGS = [*((parts, 0) for parts in WORKERS), (WORKERS[3], 1), (WORKERS[3], 2)]
by_columns = st.sampled_from(
    [0, 1, 2]
)  # which parts have their columns side by side in memory: none, all, every second

rubric.doctests("ring_all_reduce", points=1)


@rubric.check("ring_all_reduce", points=2)
@given(shares(), by_columns, always=RINGS)
def everybody_ends_with_the_sum(student, parts, by_columns):
    """Each worker returns the sum of all parts, in their shape and dtype, and leaves its own part as it is.

    Some parts have their columns side by side in memory (Fortran order): for these, reshape(-1) makes a copy.
    """
    totals, _, unharmed, _ = student.around(parts, by_columns)
    total = np.sum(parts, axis=0)
    half = "not all were added, or some were twice: which piece does a worker have in step s?"
    for number, yours in enumerate(totals):
        mistakes = {"this is the worker's own part": parts[number]} if len(parts) > 1 else {}
        holds(yours is not None, f"worker {number} returns its sum", hint=half)
        close(yours, total, f"what worker {number} returns", mistakes=mistakes)
    holds(unharmed, "the parts are as they were: work on a copy")


@rubric.check("ring_all_reduce", points=1)
@given(shares(), by_columns, always=RINGS)
def messages_are_pieces(student, parts, by_columns):
    """2 (n - 1) messages from each, as long as np.array_split cuts them; worker w begins with piece w."""
    _, sent, _, first = student.around(parts, by_columns)
    n = len(parts)
    longest = max((size for sizes in sent for size in sizes), default=0)
    holds(longest <= -(-parts[0].size // n), "a message is a piece of the part, an n-th of it", longest=longest)
    same(len(sent), 2 * (n - 1), "how many messages each worker sends")
    for number, (piece, part) in enumerate(zip(first, parts)):
        close(piece, np.array_split(part.reshape(-1), n)[number], f"the first message of worker {number}")


# -- accounting -------------------------------------------------------------------------------------------------------


def fetched():
    """Lines that the simulated cache fetches: by rows, then by columns."""
    from tinytorch.acceleration import cache_misses

    rows, columns = np.divmod(np.arange(256 * 256), 256)
    return cache_misses(np.concatenate([4 * (256 * rows + columns), 4 * (256 * columns + rows)]).tolist(), 64, 64)


@rubric.accounting(points=1, unit="lines", counted=fetched, tolerance=0, difficulty=2, minutes=10)
def lines_fetched():
    """How many lines does a cache fetch while all numbers of a matrix are read row by row, then once more by columns?

    The matrix is 256 x 256, float32, in rows (C order), and begins where a line begins. The cache is empty at first,
    holds 64 lines of 64 bytes, and gives up the one that was unused for longest.
    """
    # How many numbers stand in a line? Down a column, is a line still there when its next number is wanted?
    return 256 * 256 // 16 + 256 * 256


def bytes_between_segments():
    """What a graph of four checkpointed segments holds beside parameters, by its nodes."""
    import tinytorch as tt
    from tinytorch import nn
    from tinytorch.acceleration import checkpoint_sequential
    from tinytorch.autograd import topological_order

    rng = np.random.default_rng(0)
    layers = [part for _ in range(16) for part in (nn.Linear(64, 64, rng=rng), nn.Tanh())]
    z = checkpoint_sequential(layers, 4, tt.zeros(32, 64, requires_grad=True))
    return sum(node.nbytes for node in topological_order(z) if not isinstance(node, nn.Parameter))


@rubric.accounting(points=1, unit="bytes", counted=bytes_between_segments, tolerance=0, difficulty=1, minutes=8)
def segment_bytes():
    """How many bytes do the tensors hold that a checkpointed network keeps between forward and backward pass?

    16 linear layers from 64 to 64 numbers, each with a tanh, cut into 4 segments of 8 modules; the input x is
    (32, 64), float32. Count the input and the output of each segment, each tensor once, and no parameters.
    """
    # Draw the four segments in a row. How many tensors stand before, between and behind them?
    return 5 * 32 * 64 * 4


def bytes_around_a_ring():
    """What one of eight workers sends, counted piece by piece."""
    from tinytorch.acceleration import ring_all_reduce

    worker, sent = ring_all_reduce(0, 8, np.zeros(1_000_000, np.float32)), 0
    piece = next(worker)
    try:
        while True:
            sent += piece.nbytes
            piece = worker.send(np.float32(0))
    except StopIteration:
        return sent


@rubric.accounting(points=1, unit="bytes", counted=bytes_around_a_ring, tolerance=0.001, difficulty=2, minutes=8)
def ring_bytes():
    """How many bytes does each of 8 workers send, in all, to sum 1,000,000 gradients, float32, around a ring?"""
    # How long is a piece, and how often does each worker send one?
    return 2 * 7 * (1_000_000 // 8) * 4
