"""Acceleration: the same numbers in less time, or in less memory.

Notation: a (M, K) times b (K, N) is c (M, N); i, j, k count through M, N, K. A line is what a cache fetches at a time.
x (B, C) features, weight (C, V), target (B,) classes; g = dL/dz. Nothing here changes a result by more than rounding.
"""

import contextlib
import functools
import itertools
import math
import queue
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from tinytorch.autograd import backward, topological_order
from tinytorch.convolutions import Window
from tinytorch.environment import generator
from tinytorch.layers import Module, Sequential
from tinytorch.losses import check_classes
from tinytorch.tensor import Tensor, enable_grad, exp, log, matmul, mean, no_grad, primitive

# -- a cache, simulated --------------------------------------------------------------------------------------------


def cache_misses(addresses: Iterable[int], line: int = 64, lines: int = 512) -> int:
    """How many reads at these addresses miss a cache of so many lines, which gives up the one unused for longest.

    >>> cache_misses(range(0, 256, 4))  # 64 floats side by side lie in four lines
    4
    >>> cache_misses([0, 64, 128, 0], lines=2)  # the third line takes the place of the first
    4
    """
    held: OrderedDict[int, None] = OrderedDict()
    misses = 0
    for address in addresses:
        number = address // line
        if number in held:
            held.move_to_end(number)
            continue
        misses += 1
        held[number] = None
        if len(held) > lines:
            held.popitem(last=False)
    return misses


def loop_order(order: str, size: int, block: int) -> Iterator[tuple[int, int, int]]:
    """(i, j, k) as three loops over `size` visit them, block by block; the first letter of `order` is the outermost.

    >>> list(loop_order("kij", 2, block=2))[:4]
    [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0)]
    """
    starts = range(0, size, block)
    place = [order.index(letter) for letter in "ijk"]
    for corner in itertools.product(starts, repeat=3):
        for index in itertools.product(*(range(start, min(start + block, size)) for start in corner)):
            yield index[place[0]], index[place[1]], index[place[2]]


def product_addresses(order: str, size: int, block: int, itemsize: int = 4) -> Iterator[int]:
    """The addresses that c[i, j] += a[i, k] * b[k, j] uses, with the three matrices one behind another in memory."""
    matrix = size * size * itemsize
    for i, j, k in loop_order(order, size, block):
        yield (i * size + k) * itemsize
        yield matrix + (k * size + j) * itemsize
        yield 2 * matrix + (i * size + j) * itemsize


# -- the order of memory -------------------------------------------------------------------------------------------


def in_memory_order(x: np.ndarray) -> np.ndarray:
    """The elements of x in the order of memory: a view in which no stride is negative, and strides fall axis by axis.

    Loops over the result, the last axis innermost, go through memory in one direction.
    Axes with equal strides, once none is negative, keep their order.

    >>> x = np.arange(6).reshape(2, 3).T[::-1]
    >>> x
    array([[2, 5],
           [1, 4],
           [0, 3]])
    >>> in_memory_order(x)
    array([[0, 1, 2],
           [3, 4, 5]])
    """
    # x.strides has the stride of each axis, in bytes: below 0 where the axis runs backwards.
    # x[..., ::-1, :] reverses one axis and x.transpose(order) puts axes in an order, and
    # neither moves a number. Which axis has to come first?
    forwards = x[tuple(slice(None, None, -1 if step < 0 else 1) for step in x.strides)]
    return forwards.transpose(sorted(range(x.ndim), key=lambda axis: -forwards.strides[axis]))


# -- the same product ----------------------------------------------------------------------------------------------


def matmul_loops(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """c[i, j] = the sum over k of a[i, k] b[k, j], number by number: (M, K) @ (K, N) -> (M, N).

    >>> matmul_loops(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    c = np.empty((len(a), b.shape[1]), a.dtype) if out is None else out
    for i, j in np.ndindex(c.shape):
        total = c.dtype.type(0)
        for k in range(len(b)):
            total += a[i, k] * b[k, j]
        c[i, j] = total
    return c


def matmul_vectors(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """c[i] = the sum over k of a[i, k] b[k]: two loops, and a whole row in each call of NumPy.

    >>> matmul_vectors(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    c = np.zeros((len(a), b.shape[1]), a.dtype)
    for i, k in np.ndindex(a.shape):
        c[i] += a[i, k] * b[k]
    return c


def matmul_blocked(a: np.ndarray, b: np.ndarray, block: int, product: Callable = np.matmul) -> np.ndarray:
    """C[I, J] = the sum over K of A[I, K] B[K, J], where I, J and K are blocks of at most `block` indices.

    product(x, y) multiplies two blocks: no side of them is longer than `block`.
    Raises ValueError, naming the shapes, if a (M, K) and b (K, N) do not fit.

    >>> a, b = np.arange(6.0).reshape(2, 3), np.ones((3, 2))
    >>> matmul_blocked(a, b, block=2)
    array([[ 3.,  3.],
           [12., 12.]])
    """
    # The three loops over i, j and k, each over range(0, size, block), with slices in place of
    # indices. A slice may end beyond the last index; NumPy cuts it off. Each C[I, J] is a sum,
    # so begin with zeros of the dtype that a @ b would have: np.result_type(a, b).
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"matmul_blocked needs a (M, K) and b (K, N), got {a.shape} and {b.shape}")
    (m, inner), n = a.shape, b.shape[1]
    c = np.zeros((m, n), np.result_type(a, b))
    for i in range(0, m, block):
        for j in range(0, n, block):
            for k in range(0, inner, block):
                left, right = a[i : i + block, k : k + block], b[k : k + block, j : j + block]
                c[i : i + block, j : j + block] += product(left, right)
    return c


def conv2d_vectors(x: np.ndarray, weight: np.ndarray, over: Window) -> np.ndarray:
    """A convolution by whole images: for each place of the filter and each channel, what it adds to every window.

    x (B, H, W, C), padded already, weight (kh, kw, C, K) -> (B, H', W', K).

    >>> conv2d_vectors(np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1)), Window((2, 2))).shape
    (1, 2, 2, 1)
    """
    z = np.zeros((len(x), *over._replace(padding=(0, 0)).outputs(*x.shape[1:3]), weight.shape[-1]), x.dtype)
    for i, j, rows, columns in over.taps(*z.shape[1:3]):
        for channel, filters in enumerate(weight[i, j]):
            z += x[:, rows, columns, channel, None] * filters
    return z


# -- fewer trips to memory -----------------------------------------------------------------------------------------

ROOT = math.sqrt(2 / math.pi)


def gelu_steps(x: np.ndarray) -> np.ndarray:
    """x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), as it is written: a new array for each operation."""
    return 0.5 * x * (1 + np.tanh(ROOT * (x + 0.044715 * x * x * x)))


def gelu_in_place(x: np.ndarray, space: np.ndarray) -> np.ndarray:
    """x becomes gelu(x): all operations write into x or into `space`, of the same shape, and make no new array."""
    np.multiply(x, x, out=space)
    space *= 0.044715 * ROOT
    space += ROOT
    space *= x  # sqrt(2 / pi) (x + 0.044715 x^3)
    np.tanh(space, out=space)
    space += 1
    space *= 0.5
    x *= space
    return x


def by_chunks(step: Callable[..., Any], x: np.ndarray, elements: int = 2**14) -> np.ndarray:
    """step(part, space) for every part of x (N,) of so many elements, all with one `space`; x is changed.

    >>> by_chunks(gelu_in_place, np.array([0.0, 3.0]), elements=1).round(3)
    array([0.   , 2.996])
    """
    space = np.empty(min(elements, len(x)), x.dtype)
    for start in range(0, len(x), elements):
        part = x[start : start + elements]
        step(part, space[: len(part)])
    return x


class Workspace:
    """Arrays that are lent and come back, so that their memory is used again: `made` counts how often it was new.

    >>> workspace = Workspace()
    >>> for _ in range(3):
    ...     with workspace.lent((2, 3)) as first, workspace.lent((3, 2)) as second:
    ...         first[:], second[:] = 1, 2
    >>> workspace.made
    2
    """

    def __init__(self) -> None:
        self.free: dict[int, list[np.ndarray]] = {}
        self.made = 0

    @contextlib.contextmanager
    def lent(self, shape: tuple[int, ...], dtype: Any = np.float32) -> Iterator[np.ndarray]:
        """An array with any numbers in it, yours until the end of the `with`."""
        nbytes = math.prod(shape) * np.dtype(dtype).itemsize
        free = self.free.setdefault(nbytes, [])
        memory = free.pop() if free else self.new(nbytes)
        try:
            yield memory.view(dtype).reshape(shape)
        finally:
            free.append(memory)

    def new(self, nbytes: int) -> np.ndarray:
        """New memory of so many bytes, counted in `made`."""
        self.made += 1
        return np.empty(nbytes, np.uint8)


# -- a fused loss --------------------------------------------------------------------------------------------------


def composed_cross_entropy(x: Any, weight: Any, target: np.ndarray) -> Tensor:
    """The mean of -ln softmax(x W)[target], composed of operations, each of which keeps an array."""
    logits = matmul(x, weight)  # (B, V)
    e = exp(logits - logits.data.max(axis=1, keepdims=True))
    p = e / e.sum(dim=1, keepdim=True)
    return -mean(log(p[np.arange(len(target)), target]))


def check_features(x: np.ndarray, weight: np.ndarray, target: np.ndarray) -> None:
    """Raise unless x (B, C), weight (C, V) and target (B,), whole numbers in 0..V-1, fit."""
    if x.ndim != 2 or weight.ndim != 2 or x.shape[1] != weight.shape[0]:
        raise ValueError(f"fused_cross_entropy needs x (B, C) and weight (C, V), got {x.shape} and {weight.shape}")
    check_classes(np.broadcast_to(x.dtype.type(0), (len(x), weight.shape[1])), target)


@primitive
def fused_cross_entropy(x, weight, target, *, rows=64):
    """The mean of -ln softmax(x W)[target], x (B, C), weight (C, V), target (B,), and its gradients in the same pass.

    Returns (loss, {"dx": dx, "dw": dw}), the gradients being those of the mean. At most `rows` rows
    of logits, p and dlogits exist at a time, and they share one array (rows, V). Raises ValueError
    for shapes that do not fit, and what cross_entropy raises for targets that do not. The mean of
    no example is 0.

    >>> x, weight = np.array([[0.0], [1.0]]), np.array([[0.0, 100.0]])
    >>> fused_cross_entropy(x, weight, np.array([0, 1]), rows=1)
    tensor(0.3466, dtype=float64)
    """
    # On paper first: what are dx and dW, in terms of dlogits, and dlogits, in terms of p?
    # Which of logits, e^(logits - max), p and dlogits is still needed when the next one is
    # computed? Then, for each `rows` examples, do one operation after the other in the same
    # array: np.matmul(..., out=space), and -=, /= and np.exp(..., out=...). The loss of a row is
    # ln(sum e^(logits - max)) - (logits - max)[target]: compute it while its parts exist.
    # Each example has its own row of dx; all examples add to dW.
    # check_features(x, weight, target) raises the errors.
    check_features(x, weight, target)
    loss, dx, dw = 0.0, np.empty_like(x), np.zeros_like(weight)
    space = np.empty((min(rows, len(x)), weight.shape[1]), np.result_type(x, weight))
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        p = np.matmul(x[part], weight, out=space[: len(x[part])])
        chosen = np.arange(len(p)), target[part]
        p -= p.max(axis=1, keepdims=True)
        loss -= float(p[chosen].sum())
        np.exp(p, out=p)
        total = p.sum(axis=1, keepdims=True)
        loss += float(np.log(total).sum())
        p /= total
        p[chosen] -= 1
        p /= len(x)  # dlogits
        np.matmul(p, weight.T, out=dx[part])
        dw += x[part].T @ p
    return np.array(loss / max(len(x), 1), space.dtype), {"dx": dx, "dw": dw}


@fused_cross_entropy.vjp(reads="")
def fused_cross_entropy_vjp(g, z, x, weight, target, *, rows=64, dx, dw):
    """dx and dW were computed in the forward pass: g scales them."""
    return g * dx, g * dw, None


# -- gradient checkpointing ----------------------------------------------------------------------------------------


class State(NamedTuple):
    """What a forward pass depends on beside inputs and parameters: random generators, buffers, and training modes."""

    chances: list[Any]
    buffers: list[np.ndarray]
    training: list[bool]

    def copy(self) -> "State":
        """The same, with copies of the buffers."""
        return self._replace(buffers=[buffer.copy() for buffer in self.buffers])


def generators_of(module: Module) -> list[np.random.Generator]:
    """The generators that a module's forward may draw from: the package's, and those of the modules inside."""
    own = [getattr(part, "rng", None) for part in module.modules()]
    return list({id(rng): rng for rng in [generator, *own] if isinstance(rng, np.random.Generator)}.values())


def state_of(module: Module) -> State:
    """A module's State as it is now; the buffers are the module's own arrays."""
    chances = [rng.bit_generator.state for rng in generators_of(module)]
    return State(chances, [buffer.data for buffer in module.buffers()], [part.training for part in module.modules()])


def put_back(module: Module, state: State) -> None:
    """Put a module back into a State."""
    for rng, chance in zip(generators_of(module), state.chances):
        rng.bit_generator.state = chance
    for buffer, kept in zip(module.buffers(), state.buffers):
        buffer.data = buffer.data if kept is buffer.data else kept
    for part, training in zip(module.modules(), state.training):
        part.training = training


@contextlib.contextmanager
def in_state(module: Module, state: State) -> Iterator[None]:
    """Inside `with in_state(module, state):` the module is in that State; afterwards in the one that it is in now."""
    now = state_of(module)
    put_back(module, state.copy())
    try:
        yield
    finally:
        put_back(module, now)


def gradients_at(z: Tensor, g: np.ndarray, leaves: Sequence[Any]) -> list[np.ndarray | None]:
    """The gradient of each leaf by a backward pass from z that starts with g; None for what needs no gradient.

    A leaf that z does not depend on gets zeros. Every .grad stays as it is. Raises RuntimeError if z was made from
    another leaf with requires_grad.
    """
    refuse_others(z, leaves)
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.requires_grad]
    before = [leaf.grad for leaf in tensors]
    try:
        for leaf in tensors:
            leaf.grad = None
        if z.requires_grad:
            backward(z, Tensor(g))
        found = {id(leaf): np.zeros_like(leaf.data) if leaf.grad is None else leaf.grad.data for leaf in tensors}
        return [found.get(id(leaf)) for leaf in leaves]
    finally:
        for leaf, kept in zip(tensors, before):
            leaf.grad = kept


def refuse_others(z: Tensor, leaves: Sequence[Any]) -> None:
    """Raise RuntimeError if z was made from a leaf with requires_grad that is none of these."""
    known = {id(leaf) for leaf in leaves}
    for node in topological_order(z) if z.requires_grad else []:
        if node.origin is None and id(node) not in known:
            raise RuntimeError(
                f"a tensor of shape {node.shape} is used in a checkpointed module, and would get no gradient: "
                "make it a Parameter of the module, or pass it as an input"
            )


@primitive
def checkpointed(*arrays, module, inputs, options):
    """z = module(*arrays[:inputs], **options), the other arrays being its parameters: one node, which keeps no more."""
    state = state_of(module).copy()
    with no_grad():
        z = module(*(Tensor(x) if isinstance(x, np.ndarray) else x for x in arrays[:inputs]), **options)
    if not isinstance(z, Tensor):
        kind = type(module).__name__
        raise TypeError(f"checkpoint needs a module that returns one tensor, and {kind} returns a {type(z).__name__}")
    return z.data, {"state": state}


@checkpointed.vjp
def checkpointed_vjp(g, z, *arrays, module, inputs, options, state, needs):
    """z = module(x...) is computed once more, in the state of the first time, and recorded; then comes backward.

    arrays are the inputs, the first `inputs` of them, and then the parameters; needs has a boolean for
    each. Returns a tuple: the gradient of each input of the module, and then of each of its
    parameters, module.parameters(); None for what needs none, zeros for what z does not depend on.
    Generators, buffers, modes and every .grad are afterwards as they were before, after an error,
    too. Chen et al., 2016.
    """
    # A leaf is a tensor that no operation made: make each of arrays[:inputs] one, which requires a
    # gradient if needs says so. (What is no array, None or a number, goes to the module as it is.)
    # `with in_state(module, state):` restores the state, and `enable_grad()` records. After that
    # block, gradients_at(z, g, leaves) returns the gradient of each leaf.
    leaves = [
        Tensor(x, requires_grad=need) if isinstance(x, np.ndarray) else x for x, need in zip(arrays[:inputs], needs)
    ]
    with in_state(module, state), enable_grad():
        again = module(*leaves, **options)
    return tuple(gradients_at(again, g, [*leaves, *module.parameters()]))


def checkpoint(module: Module, *inputs: Any, **options: Any) -> Tensor:
    """module(*inputs, **options), of which only the inputs are kept; the rest is computed again in the backward pass.

    Gradients are those of module(*inputs) to the bit, where a parameter is used in one place: Dropout drops the same
    numbers again, and BatchNorm's statistics move once. A parameter that is not used gets a gradient of zeros. Raises
    TypeError for what is no Module, or returns other than one tensor. Chen et al., 2016.

    >>> from tinytorch.layers import Linear
    >>> checkpoint(Linear(2, 3), Tensor([[1.0, 2.0]])).origin.primitive
    <primitive checkpointed>
    """
    if not isinstance(module, Module):
        raise TypeError(f"checkpoint needs a Module, whose parameters it can find, got {type(module).__name__}")
    if lost := [name for name, value in options.items() if isinstance(value, Tensor) and value.requires_grad]:
        raise TypeError(f"checkpoint takes a tensor that needs a gradient by its place, not as {lost[0]}=")
    return checkpointed(*inputs, *module.parameters(), module=module, inputs=len(inputs), options=options)


class Checkpoint(Module):
    """A module that is checkpointed whenever it is called.

    >>> from tinytorch.layers import ReLU
    >>> Checkpoint(Sequential(ReLU()))(Tensor([-1.0, 2.0], requires_grad=True))
    tensor([0., 2.], origin=checkpointed)
    """

    def __init__(self, module: Module):
        self.module = module

    def forward(self, *inputs: Any, **options: Any) -> Tensor:
        return checkpoint(self.module, *inputs, **options)


def checkpoint_sequential(modules: Sequence[Module], segments: int, x: Any) -> Tensor:
    """The modules one after another, cut into segments of about equal length, each of which is checkpointed.

    With about sqrt(n) segments of n modules, both what is kept and what is computed again at a time are small.
    Raises ValueError unless there are 1 to n segments. Chen et al., 2016.
    """
    if not 1 <= segments <= len(modules):
        raise ValueError(f"{len(modules)} modules can be cut into 1 to {len(modules)} segments, got {segments}")
    ends = [len(modules) * number // segments for number in range(segments + 1)]
    for first, end in itertools.pairwise(ends):
        x = checkpoint(Sequential(*modules[first:end]), x)
    return x


# -- threads -------------------------------------------------------------------------------------------------------


def in_threads(step: Callable[[np.ndarray], Any], x: np.ndarray, threads: int = 2) -> list[Any]:
    """step(part) of each of as many parts of x as there are threads, all at the same time.

    >>> in_threads(np.sum, np.arange(10))
    [np.int64(10), np.int64(35)]
    """
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(step, np.array_split(x, threads)))


Worker = Generator[np.ndarray, np.ndarray, np.ndarray]


def ring_all_reduce(number: int, n: int, part: np.ndarray) -> Worker:
    """The sum of n workers' arrays, as worker `number` computes it: it receives from its left and sends to its right.

    A generator: `got = yield piece` sends a piece to worker number + 1 and waits for what worker
    number - 1 sent. (The last worker's right neighbour is worker 0.) All workers do this at the same
    time, 2 (n - 1) times, and a piece is an n-th of part, as np.array_split cuts the flattened array:
    worker w begins with piece w. It returns the sum, a new array in the shape and dtype of part,
    which stays as it is. Patarasuk and Yuan, 2009.

    >>> ring_sum([np.array([1, 2, 3]), np.array([10, 20, 30])])
    [array([11, 22, 33]), array([11, 22, 33])]
    """
    # Cut a copy into n pieces. First half: a worker that gets a piece adds its own numbers, and
    # sends it on. In round 0 worker w sends piece w. Which piece comes in then, and which one is
    # sent in round 1? After n - 1 rounds each worker has one piece that is whole: which? Second
    # half: whole pieces go around and are stored.
    # np.array_split(flat, n) gives views: changed in place, they change flat.
    flat = part.flatten()
    pieces = np.array_split(flat, n)
    for step in range(n - 1):
        got = yield pieces[(number - step) % n]
        pieces[(number - step - 1) % n] += got
    for step in range(n - 1):
        got = yield pieces[(number + 1 - step) % n]
        pieces[(number - step) % n][...] = got
    return flat.reshape(part.shape)


def ring_sum(parts: Sequence[np.ndarray], patience: float = 60.0) -> list[np.ndarray]:
    """The sum that each of len(parts) threads gets, when they sum their parts around a ring.

    Messages are copies, as on a wire. Raises what a worker raises, RuntimeError if one ends while its neighbour waits,
    and queue.Empty if one has waited for `patience` seconds.
    """
    links: list[queue.SimpleQueue] = [queue.SimpleQueue() for _ in parts]  # links[w] leads to worker w
    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(functools.partial(take_part, links, patience), range(len(parts)), parts))


def take_part(links: Sequence[queue.SimpleQueue], patience: float, number: int, part: np.ndarray) -> np.ndarray:
    """One thread's work in a ring: pass on what its worker sends, until that returns its sum.

    The last message is an error, which is raised by whoever waits for a piece: the worker's own, or that it has ended.
    """
    worker, right = ring_all_reduce(number, len(links), part), links[(number + 1) % len(links)]
    last: Exception = RuntimeError(f"worker {number} has ended, and its right neighbour waits for a piece")
    try:
        piece = next(worker)
        while True:
            right.put(piece.copy())
            got = links[number].get(timeout=patience)
            if isinstance(got, Exception):
                raise got
            piece = worker.send(got)
    except StopIteration as end:
        return end.value
    except Exception as error:
        last = error
        raise
    finally:
        right.put(last)
