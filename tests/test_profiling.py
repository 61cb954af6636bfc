"""What is true of profiles: the formulas are PyTorch's, times add up to the clock, and nothing changes what runs."""

import json
import math
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import pytorch
from primitives import PRIMITIVES

from tinytorch import profiling
from tinytorch.convolutions import Conv2d, MaxPool2d, conv2d
from tinytorch.layers import Dropout, Flatten, Linear, Module, ReLU, Sequential
from tinytorch.losses import cross_entropy
from tinytorch.profiling import (
    BETWEEN,
    COUNTS,
    PRODUCTS,
    READS_NOTHING,
    READS_RESULT,
    RULES,
    Profile,
    Roof,
    Span,
    amdahl,
    arithmetic_intensity,
    attention_flops,
    by_name,
    convolution_flops,
    held_bytes,
    moved_bytes,
    primitive_flops,
    product_flops,
    roofline,
    rule_flops,
    self_times,
    side_by_side,
)
from tinytorch.tensor import Tensor, no_grad, observers, primitive
from tinytorch.transformers import GPT, TransformerConfig, flops_per_token, next_token_loss


def counted(function, *inputs):
    """What PyTorch's own counter says of a function, there and back, of tensors of these shapes."""
    torch = pytorch()
    from torch.utils.flop_counter import FlopCounterMode

    tensors = [torch.randn(shape, requires_grad=True) for shape in inputs]
    there, both = (FlopCounterMode(display=False) for _ in range(2))
    with there:
        function(torch, *tensors)
    with both:
        function(torch, *tensors).sum().backward()
    return there.get_total_flops(), both.get_total_flops() - there.get_total_flops()


# -- arithmetic ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shapes", [((2, 3), (3, 4)), ((5, 2, 3), (5, 3, 4)), ((7, 5, 2, 3), (7, 5, 3, 1))])
def test_products_count_as_in_pytorch(shapes):
    x, y = shapes
    z = np.matmul(np.zeros(x), np.zeros(y)).shape
    there, back = counted(lambda torch, x, y: x @ y, x, y)
    assert primitive_flops("matmul", z, shapes) == product_flops(x, y) == there
    assert rule_flops("matmul", [x, y], z, shapes) == back
    assert rule_flops("matmul", [None, y], z, shapes) == back / 2


@pytest.mark.parametrize(("x", "y", "flops"), [((3,), (3,), 6), ((3,), (5, 3, 2), 60), ((4, 0), (0, 2), 0)])
def test_products_of_vectors_and_of_nothing(x, y, flops):
    assert product_flops(x, y) == flops


@pytest.mark.parametrize(
    ("x", "weight", "options"),
    [
        ((2, 3, 8, 8), (4, 3, 3, 3), {}),
        ((2, 4, 9, 7), (6, 2, 3, 1), {"stride": 2, "padding": (1, 0), "groups": 2}),
        ((1, 3, 8, 8), (5, 3, 2, 2), {"dilation": 3}),
    ],
)
def test_convolutions_count_as_in_pytorch(x, weight, options):
    z = conv2d(np.zeros(x, np.float32), np.zeros(weight, np.float32), **options).shape
    there, back = counted(lambda torch, x, w: torch.nn.functional.conv2d(x, w, **options), x, weight)
    assert primitive_flops("conv2d", z, [x, weight]) == convolution_flops(z, weight) == there
    if options.get("groups", 1) == 1:  # PyTorch's counter takes a grouped weight's gradient for a whole one
        assert rule_flops("conv2d", [x, weight, None], z, [x, weight]) == back
    assert convolution_flops(z, weight, bias=True) - there == math.prod(z)


def test_attention_counts_as_in_pytorch_but_for_its_softmax():
    q, k, v = (2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 6, 8)
    there, _ = counted(
        lambda torch, q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v),
        q, k, v,
    )  # fmt: skip
    there = there or 2 * 2 * 3 * 5 * 6 * (4 + 8)  # PyTorch decomposes it, or counts nothing on a CPU
    assert attention_flops(q, k, v) - 6 * 2 * 3 * 5 * 6 == there


def test_a_gpt_counts_as_its_formula_does():
    model = GPT(TransformerConfig(17, context=6, width=8, layers=2, heads=2, bias=False))
    with Profile() as profile:
        next_token_loss(model(np.zeros((2, 6), int)), np.zeros((2, 6), int)).backward()
    of_products = 0
    for span in profile.operations:
        name = span.name.removesuffix("_vjp")
        if name in ("linear", "matmul"):
            of_products += span.flops
        elif name == "feed_forward":
            of_products += span.flops - 12 * 32 * (COUNTS["gelu"][0] if span.kind == "primitive" else 2)
        elif name == "scaled_dot_product_attention":
            of_products += span.flops - 2 * 2 * 6 * 6 * (6 if span.kind == "primitive" else 5)
    biases = sum(12 * 8 for s in profile.operations if s.name == "feed_forward_vjp")  # rules add up g, bias or not
    biases += sum(12 * 8 for s in profile.operations if s.name == "linear_vjp")
    assert of_products - biases == 12 * flops_per_token(model.config, 6, training=True)


def test_every_primitive_has_its_count():
    assert set(PRIMITIVES) - {"online_softmax"} <= COUNTS.keys() | PRODUCTS.keys()
    assert COUNTS.keys() | PRODUCTS.keys() <= set(PRIMITIVES), "a count for what is no primitive"
    assert not COUNTS.keys() & PRODUCTS.keys() and PRODUCTS.keys() == RULES.keys()


def test_what_rules_read_is_what_they_declare():
    for name, operation in PRIMITIVES.items():
        if operation.rule is None or operation.reads is None:
            continue
        declared = set().union(*operation.reads)
        if name in READS_NOTHING:
            assert declared <= {"condition", "index"}, name
        elif name in READS_RESULT:
            assert declared == {"z"}, name
        else:
            assert declared - {"z"}, name


def test_an_unknown_primitive_counts_its_largest_array():
    assert primitive_flops("mine", (3, 1), [(3, 4), None, ()]) == 12
    assert rule_flops("mine", [(3, 4), None], (3, 1), [(3, 4)]) == 12


# -- bytes ---------------------------------------------------------------------------------------------------------


def test_each_array_moves_once_and_views_do_not():
    x = np.ones((4, 6), np.float32)
    assert moved_bytes([x, x], [x @ x.T]) == 4 * 24 + 4 * 16
    assert moved_bytes([x], [x.reshape(-1)]) == moved_bytes([x], [x[1:]]) == moved_bytes([x], [x]) == 0
    assert moved_bytes([x], (x, x * 2, None)) == 4 * 48
    assert moved_bytes([3.0, None], [np.float32(3)]) == 4
    assert moved_bytes([x], [np.float32(x.sum())]) == 4 * 25


def test_a_stretched_axis_is_there_once():
    x = np.broadcast_to(np.ones((3, 1), np.float32), (5, 3, 4))
    assert held_bytes(x) == 12
    assert held_bytes(x[:0]) == 0
    assert held_bytes(np.ones((2, 3))[::-1, ::2]) == 32


def test_rules_move_what_they_read():
    x, y = (Tensor(np.ones((8, 8), np.float32), requires_grad=True) for _ in range(2))
    with Profile() as profile:
        ((x + y).exp() * y).sum().backward()
    moved = {span.name: span.moved for span in profile.operations}
    size = 4 * 64
    assert moved["add"] == 3 * size and moved["add_vjp"] == 0
    assert moved["exp_vjp"] == 3 * size  # g, z, and what it returns
    assert moved["mul_vjp"] == 4 + 4 * size  # g is one number, stretched
    assert moved["sum"] == size + 4 and moved["sum_vjp"] == 0


# -- limits --------------------------------------------------------------------------------------------------------


@given(st.floats(0, 1e6), st.floats(1e-3, 1e12), st.floats(1e-3, 1e12))
def test_the_roof_is_the_lower_of_two(intensity, peak, bandwidth):
    reached = roofline(intensity, Roof(peak, bandwidth))
    assert reached <= peak and reached <= intensity * bandwidth
    assert reached in (peak, intensity * bandwidth)


def test_intensity_of_nothing():
    assert arithmetic_intensity(0, 0) == 0 and arithmetic_intensity(1, 0) == math.inf
    assert arithmetic_intensity(3, 4) == 0.75


def test_amdahl_refuses_what_is_no_share_and_no_speedup():
    with pytest.raises(ValueError, match="got 1 for 2"):
        amdahl([0.1, 0.2], [2.0])
    for shares in ([-0.1], [0.7, 0.4], [math.nan]):
        with pytest.raises(ValueError, match="parts of 1"):
            amdahl(shares, [2.0] * len(shares))
    for speedup in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="above 0"):
            amdahl([0.1], [speedup])
    assert amdahl([1.0], [math.inf]) == math.inf and amdahl([], []) == 1
    assert amdahl([0.1] * 10, [2.0] * 10) == pytest.approx(2)


# -- spans ---------------------------------------------------------------------------------------------------------


@st.composite
def nested(draw, start=0, end=60, depth=0):
    """Spans that nest, in whole seconds, outer ones first."""
    points = sorted(
        draw(st.lists(st.integers(start, end), max_size=6 if depth < 3 else 0).map(lambda p: p[: len(p) // 2 * 2]))
    )
    spans = []
    for a, b in zip(points[::2], points[1::2]):
        spans += [Span(draw(st.sampled_from("fgh")), a, b), *draw(nested(a, b, depth + 1))]
    return spans


@given(nested(), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_self_time_is_the_time_as_the_innermost(spans, random):
    innermost = [0] * len(spans)
    for second in range(60):
        inside = [i for i, s in enumerate(spans) if s.start <= second < s.end]
        if inside:
            innermost[inside[-1]] += 1  # outer ones come first
    assert self_times(spans) == innermost
    rows = by_name(spans)
    for name, row in rows.items():
        mine = [s for s in spans if s.name == name]
        assert row.calls == len(mine)
        assert row.total == sum(any(s.start <= t < s.end for s in mine) for t in range(60))
    shuffled = random.sample(spans, len(spans))
    if len({(s.start, s.end) for s in spans}) == len(spans):
        assert sum(self_times(shuffled)) == sum(innermost)
        assert sorted(zip(shuffled, self_times(shuffled))) == sorted(zip(spans, innermost))


def test_spans_that_cross_are_refused():
    with pytest.raises(ValueError, match="f and g"):
        self_times([Span("g", 2, 5), Span("f", 0, 3)])


def test_threads_lie_side_by_side():
    spans = [Span("f", 10, 14), Span("g", 12, 18, thread=1), Span("h", 11, 13)]
    assert self_times(side_by_side(spans)) == [2, 6, 2]


# -- a profile -----------------------------------------------------------------------------------------------------


class Net(Module):
    """Two modules that read the same array, one that is called twice, and a loss that is a number."""

    def __init__(self):
        self.left, self.right, self.twice = ReLU(), ReLU(), Linear(3, 3)

    def forward(self, x):
        return (self.twice(self.left(x)) + self.twice(self.right(x))).sum()


@pytest.fixture
def batch():
    return np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def test_operations_and_their_rules_belong_to_the_module_that_ran_them(batch):
    x = Tensor(batch, requires_grad=True)
    with Profile() as profile:
        Net()(x).backward()
    where = {}
    for span in profile.operations:
        where.setdefault(span.name, []).append(".".join(span.stack))
    assert where["relu"] == ["Net.left", "Net.right"]
    assert sorted(where["relu_vjp"]) == ["Net.left", "Net.right"]
    assert where["linear"] == where["linear_vjp"] == ["Net.twice"] * 2
    assert where["add"] == where["sum"] == where["add_vjp"] == where["sum_vjp"] == ["Net"]
    rows = profile.by_module()
    assert {name: row.calls for name, row in rows.items()} == {
        "Net": 1, "Net.left": 1, "Net.right": 1, "Net.twice": 2,
    }  # fmt: skip
    assert rows["Net"].flops == sum(span.flops for span in profile.operations)
    assert rows["Net.twice"].flops == 2 * (2 * 36 + 12 + 4 * 36 + 12)
    inner = sum(row.own for row in rows.values())
    assert inner == pytest.approx(rows["Net"].total)


def test_a_loss_in_float64_is_found_again_after_its_cast(batch):
    class Loss(Module):
        def forward(self, x, y):
            return cross_entropy(x, y)

    x = Tensor(batch.astype(np.float64), requires_grad=True)
    with Profile() as profile:
        Loss()(x * np.float64(2), np.array([0, 1, 2, 0])).backward()
    assert {s.name: s.stack for s in profile.operations}["cross_entropy_vjp"] == ("Loss",)
    assert {s.name: s.stack for s in profile.operations}["mul_vjp"] == ()


def test_calls_in_a_row_are_told_apart(batch):
    layer = Sequential(Linear(3, 3), Dropout(0.5))
    with Profile() as profile, no_grad():
        for _ in range(5):
            layer(batch)
    assert profile.by_module()["Sequential"].calls == profile.by_module()["Sequential.1"].calls == 5


def test_a_module_in_a_list_has_the_name_of_its_parameters():
    model = GPT(TransformerConfig(7, context=4, width=4, layers=2, heads=1))
    with Profile() as profile:
        model(np.zeros((1, 4), int))
    known = {f"GPT.{name}" if name else "GPT" for name, _ in model.named_modules()}
    assert profile.by_module().keys() <= known
    assert "GPT.transformer.blocks.1.attention.query" in profile.by_module()


def test_times_add_up_to_the_clock(batch):
    layers = [Conv2d(3, 8, 3, padding=1), ReLU(), MaxPool2d(2), Flatten(), Linear(8 * 64, 10)]
    model, x = Sequential(*layers), np.zeros((4, 3, 16, 16), np.float32)
    start = time.perf_counter()
    with Profile() as profile:
        for _ in range(3):
            with profile.region("step"):
                cross_entropy(model(x), np.zeros(4, int)).backward()
            with profile.region("sleep"):
                time.sleep(0.01)
    clock = time.perf_counter() - start
    own = [row.own for row in profile.by_operation().values()]
    assert sum(own) == pytest.approx(profile.seconds) == pytest.approx(sum(profile.folded().values()))
    assert 0.97 * clock < sum(own) < 1.03 * clock
    assert min(own) >= -1e-9
    rows = profile.by_operation()
    assert rows["sleep"].calls == 3 and rows["sleep"].own >= 0.03
    assert rows[BETWEEN].total == pytest.approx(profile.seconds)
    assert rows["conv2d"].flops == 3 * convolution_flops((4, 8, 16, 16), (8, 3, 3, 3), bias=True)
    assert ("step", "Sequential", "0", "conv2d") in profile.folded()
    assert ("step", "backward", "Sequential", "0", "conv2d_vjp") in profile.folded()


def test_nothing_is_left_when_it_is_off(batch):
    before, layer = list(observers), Linear(3, 2)
    attributes = dict(vars(layer))
    with pytest.raises(ZeroDivisionError), Profile() as profile:
        layer(batch)
        raise ZeroDivisionError
    layer(batch)
    assert observers == before and vars(layer) == attributes
    assert [s.name for s in profile.operations] == ["linear"]
    assert sys.getprofile() is None and Module.__call__.__code__ is profiling.MODULE_CALL


def test_results_are_the_same_to_the_bit(batch):
    x, layer = Tensor(batch, requires_grad=True), Linear(3, 3)
    layer(x).exp().sum().backward()
    plain, x.grad = x.grad.data, None
    with Profile(memory=True):
        layer(x).exp().sum().backward()
    assert (x.grad.data == plain).all()


def test_a_profile_holds_no_array(batch):
    x = Tensor(np.zeros((256, 256), np.float32))
    with Profile(memory=True) as profile, no_grad():
        for _ in range(6):
            x + 1
    size = x.data.nbytes
    assert all(size <= s.peak < 2.5 * size for s in profile.operations)


def test_memory_tells_the_peak_of_each_operation():
    x = Tensor(np.zeros((256, 256), np.float32))
    size = x.data.nbytes
    with Profile(memory=True) as profile, no_grad():
        y = x + 1
        z = y + 1
        del z
        x.reshape(-1)
    add, again, _ = profile.operations
    assert size <= add.peak < 1.2 * size and 2 * size <= again.peak < 2.2 * size
    assert profile.by_operation()["add"].peak == again.peak
    with Profile() as timed:
        x + 1
    assert timed.operations[0].peak == 0


def test_threads_have_their_own_calls(batch):
    layer, together = Linear(3, 3), threading.Barrier(3)

    def work():
        together.wait()
        for _ in range(20):
            layer(batch)
        together.wait()

    with Profile() as profile:
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        work()
        for thread in threads:
            thread.join()
    assert profile.by_module()["Linear"].calls == profile.by_operation()["linear"].calls == 60
    assert {event["tid"] for event in profile.trace()["traceEvents"]} == {1, 2, 3}


def test_a_profile_is_for_one_block():
    profile = Profile()
    for read in (profile.table, profile.flame, profile.trace, profile.by_module):
        with pytest.raises(RuntimeError, match="after its block"):
            read()
    with profile, pytest.raises(RuntimeError, match="after its block"):
        profile.table()
    assert profile.by_operation().keys() == {BETWEEN}
    with pytest.raises(RuntimeError, match="make a new one"), profile:
        pass
    assert profile._observe not in observers


def test_a_primitive_of_ones_own_is_seen():
    @primitive
    def half(x):
        return x / 2

    with Profile() as profile:
        half(Tensor([1.0, 2.0, 3.0]))
    assert [(s.name, s.flops, s.moved) for s in profile.operations] == [("half", 3, 24)]


# -- to be read ----------------------------------------------------------------------------------------------------


@pytest.fixture
def profile(batch):
    model = Sequential(Linear(3, 4), ReLU(), Linear(4, 2))
    with Profile() as profile, profile.region("step"):
        cross_entropy(model(batch), np.array([0, 1, 0, 1])).backward()
    return profile


def test_a_trace_is_what_perfetto_reads(profile, tmp_path):
    profile.save_trace(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))
    assert trace.keys() == {"traceEvents", "displayTimeUnit"} and trace["displayTimeUnit"] in ("ms", "ns")
    for event in trace["traceEvents"]:
        assert isinstance(event["name"], str) and isinstance(event["pid"], int) and isinstance(event["tid"], int)
        assert isinstance(event["args"], dict) and event["ph"] in ("X", "M")
        if event["ph"] == "M":
            assert event["name"] == "thread_name" and isinstance(event["args"]["name"], str)
        else:
            assert isinstance(event["cat"], str) and event["ts"] >= 0 and event["dur"] >= 0
    complete = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    ends = [round(1000 * (e["ts"] + e["dur"])) for e in complete]
    self_times([Span(e["name"], round(1000 * e["ts"]), end) for e, end in zip(complete, ends)])  # they nest
    rule = next(e for e in complete if e["name"] == "linear_vjp")
    assert rule["cat"] == "rule" and rule["args"]["module"].startswith("Sequential.") and rule["args"]["flops"] > 0


def test_a_trace_needs_its_folder(profile, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"needs the folder .*nowhere, which is not there"):
        profile.save_trace(tmp_path / "nowhere" / "trace.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError, match="needs the folder"):
        profile.save_trace(tmp_path / "file" / "trace.json")


def test_tables_have_all_rows_or_say_how_many_are_left(profile):
    rows = profile.by_operation()
    whole, short = profile.table(limit=100).splitlines(), profile.table(limit=2).splitlines()
    assert len(whole) == len(rows) + 1 and {line.split("  ")[0] for line in whole[1:]} == rows.keys()
    assert len(short) == 4 and short[-1].startswith(f"{len(rows) - 2} others")
    assert "peak" not in whole[0]
    assert profile.module_table().splitlines()[1].startswith("Sequential ")
    assert len(profile.module_table(limit=1).splitlines()) == 2


def test_the_flame_has_what_ran_inside_what(profile):
    lines = profile.flame(least=0).splitlines()
    names = [line[40:].rstrip() for line in lines]
    assert lines[0].startswith("100.0%") and lines[0].endswith("all")
    indents = {line.split()[-1]: len(line) - len(line.split()[-1]) for line in lines}
    assert indents["all"] < indents["step"] < indents["Sequential"] < indents["relu"]
    assert len(names) == len(lines) >= len(profile.folded())
    assert len(profile.flame(least=0.99).splitlines()) < len(lines)
