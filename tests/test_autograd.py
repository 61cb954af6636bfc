"""What is true of derivatives: PyTorch and central differences agree with every rule; the walk applies each once."""

import threading
import weakref
from xml.etree import ElementTree

import numpy as np
import pytest
from oracles import direction, numbers, pytorch, slope
from primitives import PAIRS, PRIMITIVES, ROWS, STRAIGHT, Row

import tinytorch as tt
from tinytorch.autograd import Graph, grad, gradcheck, numeric_gradient, topological_order, unbroadcast
from tinytorch.losses import l1_loss
from tinytorch.tensor import (
    Tensor,
    abs,
    amax,
    amin,
    clip,
    exp,
    max,
    maximum,
    min,
    minimum,
    observers,
    pow,
    primitive,
    sum,
    versions,
)

every_row = pytest.mark.parametrize("row", ROWS, ids=str)


def ours(row: Row, dtype: str = "float64") -> tuple[Tensor, list[Tensor]]:
    """The result of a row and its inputs, with their gradients."""
    inputs = [Tensor(x, requires_grad=True, dtype=dtype) for x in row.inputs()]
    z = row.ours(*inputs)
    z.backward(Tensor(direction(z.shape)))
    return z, inputs


@pytest.fixture
def ran():
    """The names of the primitives and rules that run during a test."""
    names: list[str] = []
    observer = lambda name, seconds, arrays, result: names.append(name)
    observers.append(observer)
    yield names
    observers.remove(observer)


# -- rules ---------------------------------------------------------------------------------------------------------


def test_every_primitive_has_a_rule_and_stands_in_the_table():
    assert {row.name for row in ROWS} == set(PRIMITIVES)
    assert [name for name, primitive in PRIMITIVES.items() if primitive.rule is None] == []


@every_row
def test_rules_agree_with_pytorch(row):
    torch = pytorch()
    z, inputs = ours(row)
    leaves = [torch.tensor(x, requires_grad=True) for x in row.inputs()]
    expected = row.theirs(torch, *leaves)
    expected.backward(torch.tensor(direction(expected.shape)))
    np.testing.assert_allclose(z.data, expected.detach(), rtol=1e-10, atol=1e-12, strict=True)
    for x, leaf in zip(inputs, leaves):
        np.testing.assert_allclose(x.grad.data, leaf.grad, rtol=1e-10, atol=1e-12, strict=True)


@pytest.mark.parametrize("row", [row for row in ROWS if row.name not in STRAIGHT], ids=str)
def test_rules_agree_with_central_differences(row):
    z, inputs = ours(row)
    arrays, g = row.inputs(), direction(z.shape)
    for i, x in enumerate(arrays):
        nudged = lambda a, i=i: row.ours(*arrays[:i], a, *arrays[i + 1 :]).data
        along = numbers(x.shape, seed=7)
        numeric = (slope(nudged, x, along) * g).sum()
        np.testing.assert_allclose((inputs[i].grad.data * along).sum(), numeric, rtol=1e-6, atol=1e-6)


@every_row
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_results_and_gradients_keep_the_dtype_of_the_input(row, dtype):
    z, inputs = ours(row, dtype)
    assert z.dtype == ("float64" if row.name == "cast" else dtype)
    assert [(x.grad.shape, x.grad.dtype) for x in inputs] == [(x.shape, x.dtype) for x in inputs]


KINKS = {
    "amax(x, dim=0)": "torch.amax(x, dim=0)",
    "max(x)": "torch.max(x)",
    "amin(x, dim=(0, 1), keepdim=True)": "torch.amin(x, dim=(0, 1), keepdim=True)",
    "maximum(x, y)": "torch.maximum(x, y)",
    "minimum(x, y)": "torch.minimum(x, y)",
    "clip(x, 0.0, 1.0)": "torch.clip(x, 0.0, 1.0)",
    "abs(x - y)": "torch.abs(x - y)",
    "l1_loss(x, y)": "torch.nn.functional.l1_loss(x, y)",
    "x.relu": "torch.relu(x)",
    "pow(x, 2)": "x ** 2",
    "pow(x, 3)": "x ** 3",
    "pow(x, 1)": "x ** 1",
    "pow(x, 0)": "x ** 0",
    "pow(x, 1.5)": "x ** 1.5",
    "pow(x, y)": "x ** y",
    "pow(2.0, x)": "2.0 ** x",
    "pow(x - 1, 2)": "(x - 1) ** 2",
}


@pytest.mark.parametrize(("mine", "theirs"), KINKS.items())
def test_ties_and_kinks_and_zero_go_where_pytorch_sends_them(mine, theirs):
    torch = pytorch()
    arrays = np.array([[0.0, 1.0, 1.0], [0.0, 2.0, 1.0]]), np.array([[0.0, 1.0, 3.0], [2.0, 0.0, 1.0]])
    x, y = (Tensor(a, requires_grad=True) for a in arrays)
    s, t = (torch.tensor(a, requires_grad=True) for a in arrays)
    functions = {f.__name__: f for f in (abs, amax, amin, clip, max, min, maximum, minimum, pow, l1_loss)}
    z = tt.nn.functional.relu(x) if mine == "x.relu" else eval(mine, functions | {"x": x, "y": y})
    w = eval(theirs, {"torch": torch, "x": s, "y": t})
    z.backward(Tensor(direction(z.shape)))
    w.backward(torch.tensor(direction(w.shape)))
    for leaf, expected in ((x, s), (y, t)):
        assert (leaf.grad is None) == (expected.grad is None)
        if leaf.grad is not None:
            np.testing.assert_allclose(leaf.grad.data, expected.grad)


CORNERS = [
    (lambda x: max(x), [1, 3, 3], [0, 0.5, 0.5]),
    (lambda x: amin(x, dim=0), [1, 1, 3], [0.5, 0.5, 0]),
    (lambda x: maximum(x, 1.0).sum(), [0, 1, 2], [0, 0.5, 1]),
    (lambda x: minimum(x, 1.0).sum(), [0, 1, 2], [1, 0.5, 0]),
    (lambda x: abs(x).sum(), [-1, 0, 2], [-1, 0, 1]),
    (lambda x: clip(x, 0, 1).sum(), [-1, 0, 1, 2], [0, 1, 1, 0]),
    (lambda x: pow(x, 0).sum(), [0, 1, 2], [0, 0, 0]),
    (lambda x: pow(x, 1).sum(), [0, 1, 2], [1, 1, 1]),
    (lambda x: pow(0.0, x).sum(), [1, 2, 3], [0, 0, 0]),
    (lambda x: x[[0, 0, 1]].sum(), [5, 6, 7], [2, 1, 0]),
]


@pytest.mark.parametrize(("function", "x", "expected"), CORNERS)
def test_ties_share_and_corners_are_finite(function, x, expected):
    leaf = Tensor(x, requires_grad=True)
    function(leaf).backward()
    assert leaf.grad.tolist() == expected


@pytest.mark.parametrize(("x", "g"), PAIRS)
def test_unbroadcast_is_the_transpose_of_broadcasting(x, g):
    whole = np.broadcast_shapes(x, g)
    a, b = numbers(x), numbers(whole, seed=1)
    summed = unbroadcast(b, x)
    assert summed.shape == x
    np.testing.assert_allclose((np.broadcast_to(a, whole) * b).sum(), (a * summed).sum(), atol=1e-12)


def test_a_missing_rule_is_named_and_a_later_one_replaces_an_earlier():
    @primitive
    def twice(x):
        return 2 * x

    x = Tensor([1.0], requires_grad=True)
    with pytest.raises(NotImplementedError, match="twice has no derivative yet"):
        twice(x).backward()
    twice.vjp(lambda g, z, x: 3 * g)
    with pytest.raises(ValueError, match=r"backward gives\n\[3.\]\nand nudging gives\n\[2.\]"):
        gradcheck(twice, [1.0])

    @twice.vjp
    def twice_vjp(g, z, x):
        return 2 * g

    assert twice_vjp(1.0, None, None) == 2.0  # the decorator leaves a plain function
    assert gradcheck(twice, [[1.0, 2.0]])


def test_a_rule_with_needs_is_told_which_inputs_want_a_gradient():
    told = []

    @primitive
    def first(x, y, *, scale=1):
        return x * scale, {"doubled": 2 * scale}

    @first.vjp
    def first_vjp(g, z, x, y, *, scale, doubled, needs):
        told.append((scale, doubled, needs))
        return g * scale, None

    x = Tensor([1.0], requires_grad=True)
    first(x, Tensor([1.0]), scale=5).backward()
    assert told == [(5, 10, [True, False])]
    assert x.grad.item() == 5


def test_numeric_gradient_is_that_of_a_quadratic():
    matrix, x = numbers((4, 4)), numbers((4,), seed=1)
    np.testing.assert_allclose(numeric_gradient(lambda a: a @ matrix @ a, x), (matrix + matrix.T) @ x, atol=1e-8)


# -- the walk ------------------------------------------------------------------------------------------------------


def test_a_node_used_twice_is_walked_once(ran):
    y = x = Tensor(1.0, requires_grad=True)
    for _ in range(18):
        y = y + y
    y.backward()
    assert x.grad.item() == 2**18
    assert ran.count("add_vjp") == 18


def test_both_sides_of_a_diamond_add_up():
    x = Tensor([2.0], requires_grad=True)
    a = x * x
    (a * exp(a) + a).sum().backward()
    np.testing.assert_allclose(x.grad.data, 4 * (np.exp(4) + 4 * np.exp(4) + 1), rtol=1e-6)


@pytest.mark.parametrize("depth", [10_000, 100_000])
def test_a_deep_graph_does_not_overflow_the_stack(depth):
    y = x = Tensor(1.0, requires_grad=True)
    for _ in range(depth):
        y = y + 1
    assert len(topological_order(y)) == depth + 1
    y.backward()
    assert x.grad.item() == 1


def test_a_deep_graph_can_be_dropped_without_a_walk():
    y = Tensor(1.0, requires_grad=True)
    for _ in range(100_000):
        y = y * 1.0
    del y


def test_the_graph_is_freed_during_the_walk():
    x = Tensor(1.0, requires_grad=True)
    made, alive = [], []
    y = x
    for _ in range(5):
        y = y * 0.5
        made.append(weakref.ref(y))

    def observer(name, *_):
        alive.append(len([ref for ref in made if ref() is not None]))

    observers.append(observer)
    try:
        y.backward()
    finally:
        observers.remove(observer)
    # y itself is held here, and the walk holds the node at which it stands.
    assert alive == [5, 5, 4, 3, 2]


def test_a_freed_graph_says_so_and_a_retained_one_walks_again():
    x = Tensor([1.0, 2.0], requires_grad=True)
    z = (x * x).sum()
    z.backward(retain_graph=True)
    z.backward()
    np.testing.assert_array_equal(x.grad.data, [4, 8])
    with pytest.raises(RuntimeError, match=r"freed by an earlier backward \(at sum\).*retain_graph=True"):
        z.backward()
    np.testing.assert_array_equal(x.grad.data, [4, 8])
    assert repr(z.origin) == "sum(freed)"


def test_a_part_that_was_freed_is_found_before_anything_changes():
    x, y = Tensor(1.0, requires_grad=True), Tensor(1.0, requires_grad=True)
    shared = x * 2
    shared.backward()
    with pytest.raises(RuntimeError, match="freed by an earlier backward"):
        (y * shared).backward()
    assert y.grad is None


def test_gradients_accumulate_over_walks_until_zeroed():
    x = Tensor([1.0, 2.0], requires_grad=True)
    for count in (1, 2, 3):
        (x * 3).sum().backward()
        np.testing.assert_array_equal(x.grad.data, [3 * count] * 2)
    x.zero_grad()
    assert x.grad is None


def test_leaves_never_share_the_memory_of_their_gradients():
    x, y = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    g = Tensor([1.0])
    for _ in range(2):
        (x + y).backward(g)
    assert (x.grad.item(), y.grad.item(), g.item()) == (2, 2, 1)
    x.grad = None
    x.backward(g)
    assert not np.shares_memory(x.grad.data, g.data)


def rule_that_returns(rule, saved):
    """z = x + y, with a rule that is wrong, perhaps, and right about whose memory its gradients are."""

    @primitive
    def plus(x, y, *, parameter=None):
        return x + y, {"saved": saved}

    plus.vjp(rule)
    return plus


@pytest.mark.parametrize(
    "rule",
    [
        lambda g, z, x, y, saved, parameter: (g, g),
        lambda g, z, x, y, saved, parameter: (x, y),
        lambda g, z, x, y, saved, parameter: (z, z[:]),
        lambda g, z, x, y, saved, parameter: (saved, saved),
        lambda g, z, x, y, saved, parameter: (parameter, saved.reshape(2)),
        lambda g, z, x, y, saved, parameter: (2 * g,) * 2,
    ],
    ids=["g", "inputs", "output", "saved", "parameter", "one for both"],
)
def test_adding_to_a_gradient_changes_nothing_that_a_rule_handed_on(rule):
    saved, parameter = np.array([5.0, 6.0], np.float32), np.array([7.0, 8.0], np.float32)
    x, y = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0], requires_grad=True)
    z = rule_that_returns(rule, saved)(x, y, parameter=parameter)
    held = [z.data, x.data, y.data, saved, parameter]
    before = [array.copy() for array in held]
    z.backward(Tensor([1.0, 1.0]), retain_graph=True)
    first = x.grad.data.copy(), y.grad.data.copy()
    z.backward(Tensor([1.0, 1.0]))
    for array, was in zip(held, before):
        np.testing.assert_array_equal(array, was)
    np.testing.assert_array_equal(x.grad.data, 2 * first[0])
    np.testing.assert_array_equal(y.grad.data, 2 * first[1])


def test_a_new_gradient_is_kept_without_a_copy():
    made = []

    def rule(g, z, x, y, saved):
        made.extend([3 * g, 4 * g])
        return tuple(made)

    x, y = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    rule_that_returns(rule, None)(x, y).backward()
    assert x.grad.data is made[0] and y.grad.data is made[1]


def test_only_leaves_that_were_used_and_asked_get_a_gradient():
    x, unused = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    constant = Tensor([2.0])
    inner = x * constant
    (inner + x.detach()).backward()
    assert x.grad.item() == 2
    assert unused.grad is constant.grad is inner.grad is None


def test_backward_takes_a_gradient_in_the_shape_of_the_result():
    x = Tensor([1.0, 2.0], requires_grad=True)
    (x * x).backward(Tensor([10.0, 100.0]))
    np.testing.assert_array_equal(x.grad.data, [20, 400])
    (x * x).backward(np.array([1.0, 1.0]))
    np.testing.assert_array_equal(x.grad.data, [22, 404])
    with pytest.raises(RuntimeError, match=r"gradient of shape \(2,\)"):
        (x * x).backward()
    with pytest.raises(ValueError, match=r"shape \(2,\), got \(3,\)"):
        (x * x).backward(Tensor([1.0, 1.0, 1.0]))
    (x[:1] * 1.0).backward()  # one element needs none, whatever its shape
    np.testing.assert_array_equal(x.grad.data, [23, 404])


def test_backward_needs_something_to_differentiate():
    with pytest.raises(RuntimeError, match="requires_grad=True"):
        Tensor([1.0]).backward()
    with tt.no_grad():
        z = Tensor([1.0], requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="requires_grad=True"):
        z.backward()


def test_a_gradient_has_the_dtype_of_its_leaf():
    x = Tensor([1.0], requires_grad=True)
    y = Tensor(np.array([2.0]), requires_grad=True)
    z = x * y
    z.backward()
    assert (z.dtype, x.grad.dtype, y.grad.dtype) == (np.float64, np.float32, np.float64)


def test_the_gradient_at_a_leaf_may_itself_be_the_start():
    x = Tensor(3.0, requires_grad=True)
    x.backward()
    assert x.grad.item() == 1


def test_walks_in_several_threads_do_not_meet():
    def walk(k):
        x = Tensor([float(k)], requires_grad=True)
        for _ in range(50):
            (x * x).sum().backward()
        results[k] = x.grad.item()

    results: dict[int, float] = {}
    threads = [threading.Thread(target=walk, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {k: 100.0 * k for k in range(4)}


def test_observers_see_every_rule(ran):
    x = Tensor([1.0, 2.0], requires_grad=True)
    sum(exp(x) * 2).backward()
    assert ran == ["exp", "mul", "sum", "sum_vjp", "mul_vjp", "exp_vjp"]


def test_grad_leaves_every_grad_as_it_was():
    x, y, unused = (Tensor(v, requires_grad=True) for v in (2.0, 3.0, 4.0))
    x.grad = before = Tensor(7.0)
    assert [g.item() for g in grad(x * x * y, [x, y, unused])] == [12, 4, 0]
    assert x.grad is before and y.grad is None


# -- drawing -------------------------------------------------------------------------------------------------------


def test_a_graph_knows_its_nodes_edges_and_depths():
    x, y = Tensor([1.0], requires_grad=True), Tensor([[1.0], [2.0]], requires_grad=True)
    graph = Graph(exp(x * y) + x, **{"x": x, "<y>": y})
    names = dict(enumerate(graph.labels))
    assert [(names[a], names[b]) for a, b in graph.edges] == [
        ("x", "mul"), ("<y>", "mul"), ("mul", "exp"), ("exp", "add"), ("x", "add"),
    ]  # fmt: skip
    assert dict(zip(graph.labels, graph.depths)) == {"x": 0, "<y>": 0, "mul": 1, "exp": 2, "add": 3}
    assert dict(zip(graph.labels, graph.shapes))["mul"] == (2, 1)
    drawing = ElementTree.fromstring(graph._repr_svg_())
    texts = [text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert {"x", "<y>", "mul", "exp", "add", "(2, 1)"} == set(texts) - {"(1,)"}


# -- a graph never lies --------------------------------------------------------------------------------------------


def read_by(origin, name):
    """Whether a rule may read what has this name; one that says nothing may read everything."""
    return origin.primitive.reads is None or name in origin.primitive.read_for(
        [isinstance(x, Tensor) and x.requires_grad for x in origin.inputs]
    )


@every_row
def test_a_rule_reads_no_more_than_it_says(row):
    """What a rule does not read may become anything before it runs, and the gradients are the same."""
    expected = [x.grad.data for x in ours(row)[1]]
    for needed in ([True] * len(expected), *np.eye(len(expected), dtype=bool)):
        reads_no_more(row, expected, needed)


def reads_no_more(row, expected, needed):
    inputs = [Tensor(x, requires_grad=bool(needs)) for x, needs in zip(row.inputs(), needed)]
    z = row.ours(*inputs)
    names = z.origin.primitive.inputs or [""] * len(z.origin.arrays)
    for name, array in [("z", z.data), *zip(names, z.origin.arrays)]:
        if isinstance(array, np.ndarray) and array.flags.writeable and not read_by(z.origin, name):
            array.fill(np.nan if array.dtype.kind == "f" else 0)
    z.backward(Tensor(direction(z.shape)))
    for x, g in zip(inputs, expected):
        if x.requires_grad:
            np.testing.assert_array_equal(x.grad.data, g)


@every_row
def test_what_a_rule_reads_must_not_change(row):
    """Backward refuses, naming the operation, where an input or the result that it reads was changed in place."""
    for i in range(len(row.shapes) + 1):
        inputs = [Tensor(x, requires_grad=True) for x in row.inputs()]
        z = row.ours(*inputs)
        names = z.origin.primitive.inputs or [""] * len(inputs)
        held = [*z.origin.inputs, z]
        at = next((k for k, x in enumerate(held) if x is [*inputs, z][i]), None)
        if at is None or not held[at].numel() or not held[at].data.flags.writeable:
            continue
        with tt.no_grad():
            held[at] += 1
        arrays = [x.data if isinstance(x, Tensor) else None for x in held]
        changed = [n for n, a in zip([*names, "z"], arrays) if a is not None and np.may_share_memory(a, arrays[at])]
        if any(read_by(z.origin, name) for name in changed):
            with pytest.raises(RuntimeError, match=f"^{row.name} cannot be differentiated"):
                z.backward(Tensor(direction(z.shape)))
        else:
            z.backward(Tensor(direction(z.shape)))


CHANGES = {
    "in place": lambda w: w.__imul__(2),
    "by index": lambda w: w.__setitem__(0, 5.0),
    "through an alias": lambda w: w.detach().__iadd__(1),
    "through a view": lambda w: w.detach().reshape(2, 1)[1:].__iadd__(1),
    "through .data": lambda w: setattr(w, "data", w.data.__iadd__(1)),
    "by an optimizer": lambda w: stepped(w),
    "by an initialisation": lambda w: tt.nn.init.xavier_normal_(w.reshape(2, 1)),
}


def stepped(w):
    w.grad = tt.ones(2)
    tt.optim.Adam([w, tt.ones(3, requires_grad=True)], lr=0.1).step()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_backward_over_a_changed_weight_is_refused(change):
    w, x = tt.tensor([1.0, 2.0], requires_grad=True), tt.tensor([3.0, 4.0], requires_grad=True)
    loss, other = (w * w).sum(), (x * x).sum()
    version = w._version
    with tt.no_grad():
        change(w)
    assert w._version > version == w.detach().clone()._version == 0
    with pytest.raises(RuntimeError, match="mul cannot be differentiated: its x was changed in place"):
        loss.backward()
    other.backward()  # whose memory is its own
    np.testing.assert_array_equal(x.grad.data, [6, 8])


def test_what_no_needed_gradient_reads_may_change_as_in_pytorch():
    """x needs no gradient, so nobody reads the weight that it was multiplied with."""
    x, w = tt.tensor([[3.0, 4.0]]), tt.tensor([[1.0], [2.0]], requires_grad=True)
    for function in (lambda: x @ w, lambda: tt.nn.functional.linear(x, w), lambda: (x * w.T).sum()):
        z, w.grad = function(), None
        w.detach().__iadd__(1)
        z.backward()
        np.testing.assert_array_equal(w.grad.data, [[3], [4]])


def test_data_put_in_the_place_of_other_data_leaves_the_record_true():
    w = tt.tensor([3.0], requires_grad=True)
    loss = (w * w).sum()
    w.data = w.data - 0.5 * w  # a tensor, as in PyTorch
    assert type(w.data) is np.ndarray and w.item() == 1.5
    loss.backward()
    assert w.grad.item() == 6
    with pytest.raises(RuntimeError, match="computed by mul"):
        (w * 2).data = np.ones(1)
    with pytest.raises(RuntimeError, match="floating-point"):
        w.data = np.array([1])


def test_a_gradient_that_grew_in_a_graph_is_refused():
    w = tt.tensor([3.0], requires_grad=True)
    (w * w).sum().backward()
    penalty = (w * w.grad).sum()
    (w * w).sum().backward()
    with pytest.raises(RuntimeError, match="mul cannot be differentiated: its y"):
        penalty.backward()


def test_an_index_that_changed_is_refused_and_running_statistics_that_did():
    x, index = tt.tensor([1.0, 2.0], requires_grad=True), tt.tensor([0, 0])
    z = x[index]
    index[1] = 1
    with pytest.raises(RuntimeError, match="getitem cannot be differentiated: its index"):
        z.sum().backward()
    norm = tt.nn.BatchNorm1d(2).eval()
    z = norm(tt.randn(4, 2))
    norm.train()(tt.randn(4, 2))
    with pytest.raises(RuntimeError, match="standardize cannot be differentiated: its mean"):
        z.sum().backward()


def test_versions_go_with_the_memory_that_they_are_of():
    counted = len(versions.last)
    x = tt.zeros(3)
    x += 1
    assert len(versions.last) == counted + 1
    del x
    assert len(versions.last) == len(versions.alive) == counted


def test_grad_at_inner_tensors_and_leaves_together():
    x = Tensor(3.0, requires_grad=True)
    h = x * 2
    z = h * h + x
    dx, dh, dz, unused = grad(z, [x, h, z, Tensor(1.0, requires_grad=True)])
    assert [g.item() for g in (dx, dh, dz, unused)] == [25, 12, 1, 0]
    assert x.grad is None and [g.item() for g in grad(x * x, x)] == [6]
    with pytest.raises(RuntimeError, match="requires_grad=True"):
        grad(x * 2, [Tensor(1.0)])


# -- edges ---------------------------------------------------------------------------------------------------------

NAN, INF = float("nan"), float("inf")
EDGES = {
    "relu": (lambda m, x: m.relu(x), [[NAN, -1.0, 0.0, 2.0, INF, -INF]]),
    "clip": (lambda m, x: x.clip(0, 1), [[NAN, -1.0, 0.0, 0.5, 1.0, 2.0, INF]]),
    "clip the wrong way round": (lambda m, x: x.clip(3, 1), [[0.0, 1.0, 3.0, 5.0]]),
    "max": (lambda m, x: x.max(), [[NAN, 1.0, NAN]]),
    "max of ties": (lambda m, x: x.max(), [[INF, 1.0, INF]]),
    "min": (lambda m, x: x.min(), [[NAN, 1.0, NAN]]),
    "maximum": (lambda m, x, y: m.maximum(x, y), [[NAN, 1.0, INF, 2.0], [1.0, NAN, INF, 2.0]]),
    "minimum": (lambda m, x, y: m.minimum(x, y), [[NAN, 1.0, -INF, 2.0], [1.0, NAN, -INF, 2.0]]),
    "pow": (lambda m, x, y: x**y, [[0.0, 0.0, 0.0, INF, 2.0, INF, 0.0], [-1.0, 0.0, 2.0, 0.0, 0.0, -1.0, 0.5]]),
    "pow of a number": (lambda m, x: x**0.0, [[0.0, INF, NAN, 2.0]]),
    "softmax": (lambda m, x: m.softmax(x, -1) * 3, [[-INF, 0.0, 1.0]]),
    "log_softmax": (lambda m, x: m.log_softmax(x, -1)[1:], [[-INF, 0.0, 1.0]]),
    "std of equals": (lambda m, x: x.std(), [[2.0, 2.0, 2.0]]),
    "std of equals by rows": (lambda m, x: x.std(1), [[[2.0, 2.0, 2.0], [1.0, 2.0, 4.0]]]),
}


@pytest.mark.parametrize("name", EDGES)
def test_values_and_gradients_at_the_edges_are_pytorch_s(name):
    torch, (function, values) = pytorch(), EDGES[name]
    xs = [tt.tensor(value, requires_grad=True) for value in values]
    theirs = [torch.tensor(value, requires_grad=True) for value in values]
    with np.errstate(all="ignore"):
        z = function(tt, *xs)
        z.sum().backward()
    expected = function(torch, *theirs)
    expected.sum().backward()
    np.testing.assert_allclose(z.data, expected.detach(), rtol=1e-6)
    for x, leaf in zip(xs, theirs):
        np.testing.assert_allclose(x.grad.data, leaf.grad, rtol=1e-6)


@pytest.mark.parametrize("value", [[INF, 1.0], [-INF, -INF], [-INF, 0.0], [INF, INF], [NAN, 1.0], [INF, -INF]], ids=str)
def test_logsumexp_of_infinities_is_pytorch_s(value):
    torch = pytorch()
    np.testing.assert_allclose(tt.losses.logsumexp(tt.tensor(value)).data, torch.logsumexp(torch.tensor(value), -1))
