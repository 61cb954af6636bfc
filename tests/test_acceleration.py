"""What is true of acceleration: the same numbers in any order, in any blocks, computed twice, and by any threads."""

import ast
import itertools
import os
import queue
import subprocess
import sys
import textwrap
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import pytorch

import tinytorch as tt
from tinytorch import acceleration, nn, optim
from tinytorch.acceleration import (
    Checkpoint,
    Workspace,
    by_chunks,
    cache_misses,
    checkpoint,
    checkpoint_sequential,
    composed_cross_entropy,
    conv2d_vectors,
    fused_cross_entropy,
    gelu_in_place,
    gelu_steps,
    in_memory_order,
    in_threads,
    loop_order,
    matmul_blocked,
    matmul_loops,
    matmul_vectors,
    product_addresses,
    ring_sum,
)
from tinytorch.convolutions import channels_first, conv2d_naive, window
from tinytorch.environment import generator
from tinytorch.layers import Module
from tinytorch.parallel import ParallelTrainer
from tinytorch.tensor import Tensor, no_grad
from tinytorch.training import Batches, Trainer
from tinytorch.transformers import GPT, TransformerConfig
from tito import course
from tito.rubrics import rubric

MEASURES = course.default().root / "chapters" / "measures"


def noise(*shape, seed=0, dtype="float64"):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


# -- a cache, and the order of memory ------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 300), max_size=60), st.sampled_from([1, 8, 64]), st.integers(1, 5))
def test_a_cache_holds_the_lines_used_last(addresses, line, lines):
    recent, misses = [], 0
    for address in addresses:
        number = address // line
        misses += number not in recent[-lines:]
        recent = [other for other in recent if other != number] + [number]
    assert cache_misses(addresses, line, lines) == misses


@pytest.mark.parametrize("order", ["ijk", "ikj", "jik", "jki", "kij", "kji"])
@pytest.mark.parametrize("block", [1, 2, 3, 9])
def test_every_order_of_loops_visits_everything_once(order, block):
    visited = list(loop_order(order, 4, block))
    assert sorted(visited) == list(itertools.product(range(4), repeat=3))
    inner = [[index["ijk".index(letter)] for letter in order] for index in visited]
    if block == 9:
        assert inner == sorted(inner)


def test_the_three_matrices_of_a_product_lie_one_behind_another():
    addresses = list(product_addresses("ijk", 3, 3, itemsize=8))
    assert addresses[:6] == [0, 72, 144, 8, 72 + 24, 144]
    assert set(addresses) == set(range(0, 3 * 72, 8))


@given(st.data())
def test_memory_is_walked_forwards(data):
    shape = data.draw(st.lists(st.integers(2, 4), max_size=4))
    base = np.arange(int(np.prod(shape))).reshape(shape)  # each number is its own place in memory
    x = base.transpose(data.draw(st.permutations(range(base.ndim))))
    x = x[tuple(slice(None, None, step) for step in data.draw(st.tuples(*[st.sampled_from([1, -1, 2, -2])] * x.ndim)))]
    z = in_memory_order(x)
    assert x.ndim == 0 or np.shares_memory(z, x)
    assert z.ravel().tolist() == sorted(x.ravel().tolist())


def test_a_repeated_axis_comes_last():
    x = np.broadcast_to(np.arange(3)[:, None], (2, 3, 4)).transpose(0, 2, 1)
    assert in_memory_order(x).strides == (8, 0, 0)
    assert in_memory_order(np.array(5)).shape == ()


# -- products ------------------------------------------------------------------------------------------------------

sizes = st.integers(0, 7)


@given(sizes, sizes, sizes, st.integers(1, 8))
def test_all_products_agree(m, k, n, block):
    a, b = noise(m, k, seed=1), noise(k, n, seed=2)
    for product in (matmul_loops, matmul_vectors, lambda a, b: matmul_blocked(a, b, block)):
        np.testing.assert_allclose(product(a, b), a @ b, rtol=1e-12, atol=1e-12)


def test_a_block_is_no_longer_than_asked_for():
    seen = []

    def product(x, y):
        seen.append((x.shape, y.shape))
        return x @ y

    matmul_blocked(np.ones((5, 7)), np.ones((7, 3)), 3, product)
    assert max(side for shapes in seen for shape in shapes for side in shape) == 3
    assert len(seen) == 2 * 3 * 1


def test_a_product_takes_the_wider_dtype_and_refuses_what_does_not_fit():
    assert matmul_blocked(np.ones((2, 2), "f"), np.ones((2, 2), "f"), 1).dtype == np.float32
    assert matmul_blocked(np.ones((2, 2), "f"), np.ones((2, 2)), 1).dtype == np.float64
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 3\)"):
        matmul_blocked(np.ones((2, 3)), np.ones((2, 3)), 2)


@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"dilation": (1, 2)}, {"stride": (1, 3)}])
def test_a_convolution_by_images_is_the_textbook_s(options):
    x, weight = noise(2, 6, 7, 3), noise(2, 3, 3, 4)
    z = conv2d_vectors(x, weight, window((2, 3), **options))
    expected = conv2d_naive(channels_first(x), weight.transpose(3, 2, 0, 1), **options)
    np.testing.assert_allclose(channels_first(z), expected, rtol=1e-12)


# -- memory --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_in_place_and_in_chunks_are_the_same_function(dtype):
    torch = pytorch()
    x = noise(1000, dtype=dtype) * 4
    expected = torch.nn.functional.gelu(torch.tensor(x), approximate="tanh").numpy()
    tolerance = {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-12}
    for z in (gelu_steps(x), gelu_in_place(x.copy(), np.empty_like(x)), by_chunks(gelu_in_place, x.copy(), 64)):
        np.testing.assert_allclose(z, expected, **tolerance)
        assert z.dtype == dtype


def test_a_workspace_asks_for_memory_once_a_size():
    workspace, seen = Workspace(), set()
    for shape in [(4, 2), (8,), (2, 4)]:
        with workspace.lent(shape) as x:
            assert x.shape == shape and x.dtype == np.float32
            seen.add(x.ctypes.data)
    assert len(seen) == workspace.made == 1
    with workspace.lent((8,)) as x, workspace.lent((4,), np.float64) as y:
        assert not np.shares_memory(x, y)
    with pytest.raises(KeyError), workspace.lent((8,)):
        raise KeyError
    with workspace.lent((8,)):
        assert workspace.made == 2


# -- the fused loss ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 3, 7, 100])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fused_is_pytorch_s(rows, dtype):
    torch = pytorch()
    x, weight, target = noise(7, 4, dtype=dtype) * 30, noise(4, 9, dtype=dtype) * 30, np.arange(7) * 5 % 9
    theirs = [torch.tensor(a, requires_grad=True) for a in (x, weight)]
    expected = torch.nn.functional.cross_entropy(theirs[0] @ theirs[1], torch.tensor(target))
    (expected * 3).backward()
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-10, "atol": 1e-12}
    ours = [Tensor(a, requires_grad=True) for a in (x, weight)]
    z = fused_cross_entropy(*ours, target, rows=rows)
    (z * 3).backward()
    np.testing.assert_allclose(z.data, expected.detach().numpy(), **tolerance)
    for mine, yours in zip(ours, theirs):
        np.testing.assert_allclose(mine.grad.data, yours.grad.numpy(), **tolerance)
        assert mine.grad.dtype == dtype


def test_composed_is_the_same_where_nothing_underflows():
    x, weight, target = noise(6, 3), noise(3, 5), np.array([0, 4, 2, 2, 1, 0])
    ways = []
    for way in (composed_cross_entropy, fused_cross_entropy):
        a, b = Tensor(x, requires_grad=True), Tensor(weight, requires_grad=True)
        z = way(a, b, target)
        z.backward()
        ways.append([z.data, a.grad.data, b.grad.data])
    for composed, fused in zip(*ways):
        np.testing.assert_allclose(composed, fused, rtol=1e-10, atol=1e-12)


def test_the_logits_are_never_all_there():
    x, weight, target = noise(512, 4, dtype="float32"), noise(4, 1000, dtype="float32"), np.arange(512)
    peaks = []
    for way in (composed_cross_entropy, fused_cross_entropy):
        inputs = [Tensor(a, requires_grad=True) for a in (x, weight)]
        tracemalloc.start()
        way(*inputs, target).backward()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 512 * 1000 * 4 / 2 < 3 * 512 * 1000 * 4 < peaks[0]


@pytest.mark.parametrize(
    ("x", "weight", "target", "error", "said"),
    [
        ((2, 3), (4, 5), [0, 1], ValueError, r"\(2, 3\) and \(4, 5\)"),
        ((3,), (3, 5), [0], ValueError, r"\(3,\)"),
        ((2, 3), (3, 5), [0], ValueError, r"\(2, 5\) and \(1,\)"),
        ((2, 3), (3, 5), [0, 5], IndexError, "0..4"),
        ((2, 3), (3, 5), [0.0, 1.0], TypeError, "class indices"),
    ],
)
def test_what_does_not_fit_is_refused(x, weight, target, error, said):
    with pytest.raises(error, match=said):
        fused_cross_entropy(np.ones(x), np.ones(weight), np.array(target))


# -- checkpoints ---------------------------------------------------------------------------------------------------


def convolutional(rng=None):
    tt.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5, rng=rng), nn.Flatten(),
        nn.Linear(4 * 16, 6), nn.Dropout(0.25), nn.Linear(6, 3),
    )  # fmt: skip


WAYS = {
    "whole": checkpoint,
    "module": lambda model, x: Checkpoint(model)(x),
    "segments": lambda model, x: checkpoint_sequential(list(model.children()), 3, x),
    "nested": lambda model, x: checkpoint(nn.Sequential(*map(Checkpoint, model.children())), x),
}


def everything(model, x, way, steps=2):
    """All that a few steps of training change: gradients, buffers, x.grad, and the next chance."""
    found = []
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    tt.manual_seed(5)
    for _ in range(steps):
        x.grad = None
        z = way(model, x)
        twice = way(model, x) * 2  # a second pass, before the first one's walk back
        optimizer.zero_grad()
        (z.sum() + (twice * twice).sum()).backward()
        optimizer.step()
        found += [p.grad.data.copy() for p in model.parameters()] + [b.data.copy() for b in model.buffers()]
        found += [z.data, x.grad.data.copy(), generator.random(2)]
    return found


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("own", [False, True])
def test_gradients_are_equal_to_the_bit(way, own):
    """With dropout, whose generator is put back, and BatchNorm, whose statistics move once."""
    x = Tensor(noise(5, 1, 4, 4, dtype="float32"), requires_grad=True)
    make = lambda: convolutional(np.random.default_rng(7) if own else None)
    expected = everything(make(), x, lambda model, x: model(x))
    for a, b in zip(expected, everything(make(), x, WAYS[way]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_transformer_s_blocks_are_equal_to_the_bit():
    config = TransformerConfig(11, context=8, width=8, heads=2, layers=3, dropout=0.3)
    ids = np.arange(16).reshape(2, 8) % 11
    found = []
    for wrapped in (False, True):
        tt.manual_seed(2)
        model = GPT(config)
        if wrapped:
            model.transformer.blocks = [Checkpoint(block) for block in model.transformer.blocks]
        tt.manual_seed(3)
        z = model(ids)
        (z * z).sum().backward()
        found.append([p.grad.data for p in model.parameters()])
    for plain, again in zip(*found, strict=True):
        np.testing.assert_array_equal(plain, again)


def test_the_mode_of_the_way_there_is_that_of_the_way_back():
    model, x = convolutional(), Tensor(noise(5, 1, 4, 4, dtype="float32"))
    gradients = []
    for way in (lambda model, x: model(x), checkpoint):
        model.train()
        tt.manual_seed(1)
        z = way(model, x)
        model.eval()
        model(x)
        z.sum().backward()
        assert not any(module.training for module in model.modules())
        gradients.append([p.grad.data for p in model.parameters()])
        for p in model.parameters():
            p.grad = None
    for plain, again in zip(*gradients, strict=True):
        np.testing.assert_array_equal(plain, again)


def test_statistics_that_were_read_are_those_of_then():
    """In evaluation BatchNorm reads what it keeps: what has moved since is put aside for the second pass."""
    norm, x = nn.BatchNorm1d(2), Tensor(noise(3, 2), requires_grad=True)
    norm.eval()
    z = checkpoint(norm, x)
    norm.train()
    norm(x * 7 + 3)
    moved = norm.running_mean.data.copy()
    z.sum().backward()
    np.testing.assert_allclose(x.grad.data, np.full((3, 2), 1 / np.sqrt(1 + 1e-5)), rtol=1e-6)
    np.testing.assert_array_equal(norm.running_mean.data, moved)


def test_buffers_stay_the_same_arrays():
    norm, x = nn.BatchNorm1d(2), Tensor(noise(3, 2), requires_grad=True)
    kept = [buffer.data for buffer in norm.buffers()]
    checkpoint(norm, x).sum().backward()
    assert all(buffer.data is array for buffer, array in zip(norm.buffers(), kept))


class Counting(Module):
    def __init__(self):
        self.weight, self.calls = nn.Parameter([2.0]), 0

    def forward(self, x, plus=0.0):
        self.calls += 1
        return x * self.weight * x + plus


def test_a_block_is_computed_twice_and_once_more_for_a_retained_graph():
    module, x = Counting(), Tensor([3.0], requires_grad=True)
    z = checkpoint(module, x, plus=1.0)
    assert module.calls == 1 and z.item() == 19
    z.backward(retain_graph=True)
    z.backward()
    assert module.calls == 3
    assert (x.grad.item(), module.weight.grad.item()) == (24, 18)
    with pytest.raises(RuntimeError, match="freed"):
        z.backward()


def test_gradients_add_up_and_frozen_ones_stay_away():
    module, x = Counting(), Tensor([3.0])
    module.weight.grad = Tensor([100.0])
    checkpoint(module, x).backward()
    assert module.weight.grad.item() == 109 and x.grad is None
    module.weight.requires_grad = False
    assert not checkpoint(module, x).requires_grad
    checkpoint(module, Tensor([3.0], requires_grad=True)).backward()
    assert module.weight.grad.item() == 109


def test_nothing_is_recorded_inside_no_grad():
    with no_grad():
        assert checkpoint(Counting(), Tensor([3.0], requires_grad=True)).origin is None


def test_one_node_is_kept():
    z = checkpoint(convolutional(), Tensor(noise(2, 1, 4, 4, dtype="float32")))
    assert z.origin.primitive.name == "checkpointed"
    assert all(x.is_leaf for x in z.origin.inputs)


def test_what_changed_in_between_is_refused():
    module, x = Counting(), Tensor([3.0], requires_grad=True)
    z = checkpoint(module, x)
    module.weight.data += 1
    with pytest.raises(RuntimeError, match="checkpointed cannot be differentiated"):
        z.backward()


def test_what_cannot_be_checkpointed_is_refused():
    class Two(Module):
        def forward(self, x):
            return x, x

    class Hidden(Module):
        def __init__(self, tensor):
            self.inside = lambda: tensor

        def forward(self, x):
            return x * self.inside()

    x = Tensor([1.0], requires_grad=True)
    with pytest.raises(TypeError, match="needs a Module, whose parameters it can find, got function"):
        checkpoint(lambda x: x, x)
    with pytest.raises(TypeError, match="Two returns a tuple"):
        checkpoint(Two(), x)
    with pytest.raises(TypeError, match="not as plus="):
        checkpoint(Counting(), x, plus=x)
    with pytest.raises(RuntimeError, match=r"shape \(1,\).*make it a Parameter"):
        checkpoint(Hidden(Tensor([2.0], requires_grad=True)), x).backward()
    for segments in (0, 3):
        with pytest.raises(ValueError, match=f"1 to 2 segments, got {segments}"):
            checkpoint_sequential([Counting(), Counting()], segments, x)


def test_a_failing_second_pass_leaves_everything_as_it_was():
    class Once(Counting):
        def forward(self, x):
            generator.random()
            if self.calls:
                raise KeyError("again")
            return super().forward(x)

    module, x = Once(), Tensor([3.0], requires_grad=True)
    z = checkpoint(module, x)
    tt.manual_seed(4)
    with pytest.raises(KeyError):
        z.backward()
    assert generator.random() == tt.manual_seed(4).random()


@pytest.mark.parametrize("kind", [Trainer, ParallelTrainer])
def test_trainers_do_not_notice(kind):
    """A training in which every layer is checkpointed ends with the same weights, on threads too."""
    x, y = noise(32, 1, 4, 4, dtype="float32"), np.arange(32) % 3
    found = []
    for wrap in (lambda part: part, Checkpoint):
        model = nn.Sequential(*map(wrap, convolutional().children()))
        tt.manual_seed(6)
        kind(model, optim.SGD(model.parameters(), lr=0.1)).fit(Batches(x, y, 16), 2)
        found.append([*(p.data for p in model.parameters()), *(b.data for b in model.buffers())])
    if kind is Trainer:
        for plain, again in zip(*found, strict=True):
            np.testing.assert_array_equal(plain, again)
    else:
        for plain, again in zip(*found, strict=True):
            np.testing.assert_allclose(plain, again, rtol=1e-5, atol=1e-6)


CHILD = """
    import sys
    sys.path.insert(0, {measures!r})
    import numpy as np
    from benchmarks import peak
    from tinytorch import nn
    from tinytorch.acceleration import checkpoint_sequential
    from tinytorch.tensor import Tensor

    layers = [part for _ in range(16) for part in (nn.Linear(64, 64), nn.GELU())]
    x = Tensor(np.ones((2048, 64), np.float32), requires_grad=True)
    nn.Sequential(*layers)(x[:1]).sum().backward()
    before = peak()
    z = checkpoint_sequential(layers, 4, x) if {segments} else nn.Sequential(*layers)(x)
    z.sum().backward()
    print(peak() - before)
"""


def test_a_child_process_needs_less_memory():
    """16 layers and activations: all results are kept, or 4 inputs and the results of a quarter of them."""
    peaks = []
    for segments in (0, 4):
        script = textwrap.dedent(CHILD.format(measures=str(MEASURES), segments=segments))
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    assert peaks[1] < 0.6 * peaks[0]


# -- threads -------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(0, 11), st.sampled_from(["int64", "float32"]))
def test_a_ring_sums_what_its_workers_have(n, size, dtype):
    parts = [(np.arange(size) * (w + 1) % 7).astype(dtype) for w in range(n)]
    kept = [part.copy() for part in parts]
    for total in ring_sum(parts):
        np.testing.assert_array_equal(total, np.sum(kept, axis=0))
        assert total.dtype == dtype
    assert all(np.array_equal(a, b) for a, b in zip(parts, kept))


def test_a_ring_sums_arrays_of_any_shape_and_ends_with_the_same_bits():
    parts = [noise(3, 4, seed=w, dtype="float32").T for w in range(4)]
    first, *others = ring_sum(parts)
    assert first.shape == (4, 3)
    assert all(np.array_equal(first, other) for other in others)
    np.testing.assert_allclose(first, np.sum(parts, axis=0), rtol=1e-5)


def test_each_worker_sends_nearly_twice_its_part(monkeypatch):
    sent = []

    def heard(number, n, part):
        worker = real(number, n, part)
        piece = next(worker)
        try:
            while True:
                sent.append(piece.nbytes)
                piece = worker.send((yield piece))
        except StopIteration as end:
            return end.value

    real = acceleration.ring_all_reduce
    monkeypatch.setattr(acceleration, "ring_all_reduce", heard)
    ring_sum([np.ones(40, "float32")] * 4)
    assert sent == [40] * (4 * 2 * 3)


def test_a_worker_that_is_alone_gives_up(monkeypatch):
    def silent(number, n, part):
        if number == 0:
            return part
        yield part

    monkeypatch.setattr(acceleration, "ring_all_reduce", silent)
    with pytest.raises(RuntimeError, match="worker 0 has ended"):
        ring_sum([np.ones(2)] * 3)


def test_an_error_of_one_worker_is_told_by_all(monkeypatch):
    def broken(number, n, part):
        while number != 1:
            part = yield part
        raise IndexError("no piece 3")

    monkeypatch.setattr(acceleration, "ring_all_reduce", broken)
    with pytest.raises(IndexError, match="no piece 3"):
        ring_sum([np.ones(2)] * 3)


def test_a_link_that_is_silent_is_given_up():
    links = [queue.SimpleQueue(), queue.SimpleQueue()]
    with pytest.raises(queue.Empty):
        acceleration.take_part(links, 0.05, 0, np.ones(2))
    assert links[1].get().tolist() == [1]
    assert isinstance(links[1].get(), queue.Empty)


def test_threads_share_the_parts():
    seen = in_threads(lambda part: (threading.get_ident(), part.sum()), np.arange(10), threads=3)
    assert [total for _, total in seen] == [6, 15, 24]


# -- the kernel in C -----------------------------------------------------------------------------------------------


def test_products_in_c_agree(monkeypatch):
    monkeypatch.syspath_prepend(str(MEASURES))
    import c_kernel

    if c_kernel.compiler() is None:
        pytest.skip("there is no C compiler")
    a, b = noise(2, 48, 48, dtype="float32")
    with c_kernel.compiled(c_kernel.PLAIN) as library:
        for name in ("columns", "rows", "tiles"):
            np.testing.assert_allclose(c_kernel.in_c(library, name)(a, b), a @ b, rtol=1e-4, atol=1e-4)


def test_without_a_compiler_the_script_says_so_and_leaves_what_is_recorded():
    before = (MEASURES / "c_kernel.json").read_bytes()
    environment = {**os.environ, "CC": "no-such-compiler"}
    command = [sys.executable, str(MEASURES / "c_kernel.py"), "--record"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "no C compiler" in done.stderr
    assert (MEASURES / "c_kernel.json").read_bytes() == before


def test_the_kernel_in_c_is_short():
    assert len((MEASURES / "matmul.c").read_text(encoding="utf-8").splitlines()) <= 60


# -- what is graded is nowhere else --------------------------------------------------------------------------------


def shape_of(statement):
    """A statement without its names and numbers, so that a copy under other names is found."""
    tree = ast.parse(ast.unparse(statement))
    for node in ast.walk(tree):
        for field in ("id", "arg", "name", "value" if isinstance(node, ast.Constant) else ""):
            if isinstance(getattr(node, field, None), str | int | float) and field:
                setattr(node, field, "_" if isinstance(node, ast.Name | ast.arg) else None)
    return ast.dump(tree)


def answers():
    """The bodies of chapter 18's graded functions, statement by statement, as shapes."""
    source = course.default().package / "acceleration.py"
    graded = set(rubric.load("18").exercises)
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name in graded:
            yield node.name, [shape_of(statement) for statement in node.body[1:] if not is_guard(statement)]


def is_guard(statement):
    """Whether a statement only refuses what does not fit, as any function of two matrices does."""
    return isinstance(statement, ast.If) and [type(one) for one in statement.body] == [ast.Raise]


def test_no_file_of_the_tree_holds_an_answer():
    """No function elsewhere has two statements in a row of a graded body, whatever its names, nor the one there is."""
    package = course.default().package
    for path in package.rglob("*.py"):
        if path.name == "acceleration.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                theirs = [shape_of(statement) for statement in ast.walk(node) if isinstance(statement, ast.stmt)]
                for name, body in answers():
                    alike = [a for a in body if a in theirs and len(a) > 250]
                    assert not alike, f"{path.name}: {node.name} holds a line of {name}"


def test_a_copy_under_other_names_is_found():
    one = ast.parse("c = a[i : i + n] @ b").body[0]
    assert shape_of(one) != shape_of(ast.parse("c = a[i : i + n] + b").body[0])
    assert shape_of(ast.parse("c = a[i : i + n]").body[0]) == shape_of(ast.parse("z = x[q : q + m]").body[0])
