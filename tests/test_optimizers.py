"""What is true of optimizers and schedules: PyTorch's trajectories, whatever the groups, gaps and order of things."""

import copy
import pickle

import numpy as np
import pytest
from oracles import numbers, pytorch

import tinytorch as tt
from tinytorch import nn, optim, optimizers
from tinytorch.optim import lr_scheduler
from tinytorch.optimizers import SGD, Adam, AdamW, Flat, LRScheduler, Muon, Optimizer, RMSprop, orthogonalized
from tinytorch.tensor import Tensor

STEPS = 50
SHAPES = [(3, 2), (), (4,), (2, 2, 2)]
TOLERANCE = {np.float32: {"rtol": 1e-5, "atol": 1e-6}, np.float64: {"rtol": 1e-11, "atol": 1e-12}}
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)

OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "betas": (0.0, 0.0)}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.5}),
]
SCHEDULES = [
    ("StepLR", {"step_size": 7, "gamma": 0.5}),
    ("CosineAnnealingLR", {"T_max": 50}),
    ("CosineAnnealingLR", {"T_max": 20, "eta_min": 0.01}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.01, "end_factor": 0.5, "total_iters": 30}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 50}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 60, "pct_start": 0.25, "div_factor": 10, "final_div_factor": 100}),
]


def named(case):
    name, options = case
    return "-".join([name, *(f"{option}={value}" for option, value in options.items())])


every_optimizer = pytest.mark.parametrize("case", OPTIMIZERS, ids=named)
every_schedule = pytest.mark.parametrize("case", SCHEDULES, ids=named)


def starts(dtype):
    return [numbers(shape, seed=i).astype(dtype) for i, shape in enumerate(SHAPES)]


def ours(dtype=np.float32):
    return [Tensor(start, requires_grad=True) for start in starts(dtype)]


def gradient(p, i, t):
    """The slope of a bowl, steeper for some elements than for others, and noise: all from the parameter itself."""
    steepness = np.linspace(0.1, 3, p.size).reshape(p.shape)
    return np.array(steepness * p + 0.5 * np.cos(t + i + np.arange(p.size)).reshape(p.shape), p.dtype)


def step(optimizer, parameters, t, missing=lambda i, t: False):
    """One step of our optimizer; parameters for which `missing` holds have no gradient."""
    for i, p in enumerate(parameters):
        p.grad = None if missing(i, t) else Tensor(gradient(p.data, i, t))
    optimizer.step()


def theirs(dtype):
    torch = pytorch()
    return [torch.tensor(start, requires_grad=True) for start in starts(dtype)]


def their_step(optimizer, parameters, t, missing=lambda i, t: False):
    torch = pytorch()
    for i, p in enumerate(parameters):
        p.grad = None if missing(i, t) else torch.tensor(gradient(p.detach().numpy(), i, t))
    optimizer.step()


def agree(parameters, others, dtype):
    for p, other in zip(parameters, others):
        np.testing.assert_allclose(p.data, other.detach().numpy(), **TOLERANCE[dtype], strict=True)


# -- PyTorch's trajectories -------------------------------------------------------------------------------------------


@DTYPES
@every_optimizer
def test_every_step_is_pytorch_s(case, dtype):
    torch, (name, options) = pytorch(), case
    p, q = ours(dtype), theirs(dtype)
    mine, other = getattr(optim, name)(p, **options), getattr(torch.optim, name)(q, **options)
    for t in range(STEPS):
        step(mine, p, t)
        their_step(other, q, t)
        agree(p, q, dtype)
    assert np.abs(p[0].data - starts(dtype)[0]).max() > 1e-2


@every_optimizer
def test_parameters_without_gradients_stay_as_pytorch_leaves_them(case):
    """One never has a gradient, one has none on every third step, one gets its first late: each counts for itself."""
    torch, (name, options) = pytorch(), case
    p, q = ours(np.float64), theirs(np.float64)
    mine, other = getattr(optim, name)(p, **options), getattr(torch.optim, name)(q, **options)

    def missing(i, t):
        return (i == 1) or (i == 2 and t % 3 == 0) or (i == 3 and t < 10)

    for t in range(STEPS):
        step(mine, p, t, missing)
        their_step(other, q, t, missing)
        agree(p, q, np.float64)
    np.testing.assert_array_equal(p[1].data, starts(np.float64)[1])


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adam", "AdamW"])
def test_groups_have_options_of_their_own(name):
    torch = pytorch()
    p, q = ours(np.float64), theirs(np.float64)

    def groups(parameters):
        first, *rest = parameters
        return [{"params": [first], "lr": 0.2, "weight_decay": 0.3}, {"params": rest}]

    mine = getattr(optim, name)(groups(p), lr=0.01)
    other = getattr(torch.optim, name)(groups(q), lr=0.01)
    assert [group["lr"] for group in mine.param_groups] == [0.2, 0.01]
    for t in range(STEPS):
        step(mine, p, t)
        their_step(other, q, t)
        agree(p, q, np.float64)


@every_schedule
def test_every_schedule_is_pytorch_s(case):
    torch, (name, options) = pytorch(), case
    p, q = ours(np.float64), theirs(np.float64)
    mine, other = SGD([{"params": p[:2]}, {"params": p[2:], "lr": 0.3}], lr=0.1), torch.optim.SGD
    other = other([{"params": q[:2]}, {"params": q[2:], "lr": 0.3}], lr=0.1)
    schedule = getattr(lr_scheduler, name)(mine, **options)
    their_schedule = getattr(torch.optim.lr_scheduler, name)(other, **options)
    for t in range(STEPS):
        np.testing.assert_allclose(schedule.get_last_lr(), their_schedule.get_last_lr(), rtol=1e-9, atol=1e-12)
        step(mine, p, t)
        their_step(other, q, t)
        schedule.step()
        their_schedule.step()
    agree(p, q, np.float64)


def test_a_network_learns_as_pytorch_s_does():
    torch = pytorch()
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
    twin = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    with torch.no_grad():
        for ours, theirs in zip((model[0], model[2]), (twin[0], twin[2])):
            theirs.weight.copy_(torch.tensor(ours.weight.data.T))
            theirs.bias.copy_(torch.tensor(ours.bias.data))
    x, y = numbers((16, 5)).astype(np.float32), np.arange(16) % 3
    mine, other = AdamW(model.parameters(), lr=0.02), torch.optim.AdamW(twin.parameters(), lr=0.02)
    for _ in range(STEPS):
        loss = nn.functional.cross_entropy(model(Tensor(x)), Tensor(y))
        mine.zero_grad()
        loss.backward()
        mine.step()
        their_loss = torch.nn.functional.cross_entropy(twin(torch.tensor(x)), torch.tensor(y))
        other.zero_grad()
        their_loss.backward()
        other.step()
        assert loss.item() == pytest.approx(their_loss.item(), rel=1e-4)
    np.testing.assert_allclose(model[0].weight.data.T, twin[0].weight.detach(), rtol=1e-3, atol=1e-4)


# -- the memory that network and optimizer share ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SGD, RMSprop, Adam, AdamW])
def test_whoever_shares_a_parameter_s_memory_sees_it_move(kind):
    """As in PyTorch: detached tensors, views and arrays stay aliases, whatever optimizers are made and stepped."""
    w = tt.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    alias, row, array, turned = w.detach(), w.detach()[1], w.data, Tensor(w.data.T, requires_grad=True)
    one, other, big = kind([w], lr=0.1), kind([turned], lr=0.1), tt.zeros(optimizers.BLOCK + 3, requires_grad=True)
    for optimizer, p in ((one, w), (other, turned), (kind([w, big], lr=0.1), w)):
        p.grad, before = Tensor(np.ones((2, 2), np.float32)), array.copy()
        optimizer.step()
        assert (array < before).all() and w.data is array
        np.testing.assert_array_equal(alias.data, w.data)
        np.testing.assert_array_equal(row.data, w.data[1])
        np.testing.assert_array_equal(turned.data, w.data.T)


def test_large_parameters_and_small_ones_make_the_same_steps(monkeypatch):
    monkeypatch.setattr(optimizers, "BLOCK", 4)
    monkeypatch.setattr(optimizers, "TOGETHER", 3)
    flat = Flat(
        [tt.zeros(*shape, requires_grad=True) for shape in ((2,), (1,), (9,), (0,), (1,), (2,), (1,), (4,))], ()
    )
    pieces = [(p.members, (p.part.start, p.part.stop), (p.place.start, p.place.stop)) for p in flat.pieces(range(8))]
    small = [([0, 1], (0, 3), (0, 3)), ([3, 4, 5], (0, 3), (12, 15)), ([6], (0, 1), (15, 16))]
    large = [([2], (0, 4), (3, 7)), ([2], (4, 8), (7, 11)), ([2], (8, 9), (11, 12)), ([7], (0, 4), (16, 20))]
    assert pieces == [small[0], *large[:3], *small[1:], large[3]]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
@pytest.mark.parametrize("kind", [SGD, Adam])
def test_a_copy_of_network_optimizer_and_schedule_trains_on_as_they_do(copied, kind):
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    optimizer = kind(model.parameters(), lr=0.1)

    def train(model, optimizer, schedule):
        optimizer.zero_grad()
        model(tt.ones(4, 3)).sum().backward()
        optimizer.step()
        schedule.step()
        return [p.data.copy() for p in model.parameters()]

    for schedule in (optimizers.OneCycleLR(optimizer, 0.1, 9), optimizers.StepLR(optimizer, 2)):
        train(model, optimizer, schedule)
        twins = copied((model, optimizer, schedule))
        for ours, theirs in zip(train(model, optimizer, schedule), train(*twins), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        before = [p.data.copy() for p in model.parameters()]
        train(*twins)
        assert all((p.data == kept).all() for p, kept in zip(model.parameters(), before))


def test_a_group_that_comes_later_is_moved_and_one_that_is_smuggled_in_is_refused():
    p, q = (tt.ones(1, requires_grad=True) for _ in range(2))
    optimizer = SGD([p], lr=0.1)
    optimizer.add_param_group({"params": q, "lr": 0.5})
    p.grad, q.grad = Tensor([1.0]), Tensor([1.0])
    optimizer.step()
    assert (p.item(), q.item()) == (pytest.approx(0.9), 0.5)
    optimizer.param_groups[0]["params"].append(tt.ones(1, requires_grad=True))
    with pytest.raises(ValueError, match="use add_param_group"):
        optimizer.step()
    with pytest.raises(ValueError, match="in two groups"):
        optimizer.add_param_group({"params": [p]})


@pytest.mark.parametrize("lr", [tt.tensor(0.25), np.float32(0.25), np.array(0.25), tt.tensor([0.25])])
def test_a_number_may_come_as_a_tensor_or_from_numpy(lr):
    for kind in (SGD, RMSprop, Adam, AdamW):
        p, q = (tt.ones(3, requires_grad=True) for _ in range(2))
        optimizers_of_both = kind([p], lr=lr), kind([q], lr=0.25)
        p.grad, q.grad = Tensor([1.0, 2.0, 3.0]), Tensor([1.0, 2.0, 3.0])
        optimizers_of_both[0].param_groups[0]["weight_decay"] = tt.tensor(0.5)
        optimizers_of_both[1].param_groups[0]["weight_decay"] = 0.5
        for optimizer in optimizers_of_both:
            optimizer.step()
        np.testing.assert_array_equal(p.data, q.data)
        assert (p.data != 1).all()


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"lr": "fast"}, TypeError, "lr is a number, got 'fast'"),
        ({"lr": None}, TypeError, "lr is a number, got None"),
        ({"lr": tt.tensor([0.1, 0.2])}, TypeError, "lr is a number"),
        ({"betas": 0.9}, TypeError, "betas is a pair of numbers, got 0.9"),
        ({"betas": (0.9,)}, TypeError, "betas is a pair"),
        ({"lr": float("nan")}, ValueError, "lr is 0 or more, got nan"),
    ],
)
def test_an_option_of_the_wrong_type_is_refused_when_given_and_when_set(options, error, words):
    p = tt.ones(1, requires_grad=True)
    with pytest.raises(error, match=words):
        Adam([p], **options)
    optimizer = Adam([p])
    optimizer.param_groups[0].update(options)
    with pytest.raises(error, match=words):
        optimizer.step()


@pytest.mark.parametrize(
    "grad, error", [(np.ones(2), TypeError), (tt.ones(2, 1), ValueError), (tt.ones(1), ValueError)]
)
def test_a_gradient_of_another_kind_or_shape_is_refused(grad, error):
    p = tt.ones(2, requires_grad=True)
    p.grad = grad
    with pytest.raises(error, match="gradient"):
        SGD([p]).step()


def test_a_used_up_generator_of_parameters_is_refused():
    parameters = nn.Linear(2, 2).parameters()
    SGD(parameters)
    with pytest.raises(ValueError, match="needs parameters, got none"):
        SGD(parameters)


def test_what_each_remembers():
    p = [Tensor(np.zeros(10, np.float32), requires_grad=True)]
    remembered = {
        "SGD": SGD(p),
        "momentum": SGD(p, momentum=0.9),
        "RMSprop": RMSprop(p),
        "Adam": Adam(p),
        "AdamW": AdamW(p),
    }
    arrays = {name: list(optimizer.flats[0][0].state) for name, optimizer in remembered.items()}
    assert arrays == {
        "SGD": [],
        "momentum": ["velocity"],
        "RMSprop": ["square"],
        "Adam": ["m", "v"],
        "AdamW": ["m", "v"],
    }


def test_two_optimizers_move_the_same_parameters():
    """In turns, each goes on from where the other has left the parameters."""
    p, expected = ours(np.float64), ours(np.float64)
    first, second = SGD(p, lr=0.1), SGD(p, lr=0.01)
    alone = SGD(expected, lr=0.1)
    for t in range(10):
        alone.param_groups[0]["lr"] = 0.1 if t % 2 == 0 else 0.01
        step(first if t % 2 == 0 else second, p, t)
        step(alone, expected, t)
        for ours_now, theirs_now in zip(p, expected):
            np.testing.assert_array_equal(ours_now.data, theirs_now.data)


def test_two_optimizers_of_different_parts():
    p, expected = ours(np.float64), ours(np.float64)
    generator, critic, both = Adam(p[:2], lr=0.1), Adam(p[2:], lr=0.1), Adam(expected, lr=0.1)
    for t in range(5):
        step(both, expected, t)
        for i, x in enumerate(p):
            x.grad = Tensor(gradient(x.data, i, t))
        generator.step()
        critic.step()
    for x, y in zip(p, expected):
        np.testing.assert_array_equal(x.data, y.data)


def test_data_given_from_outside_is_what_is_moved():
    p = Tensor(np.ones(3, np.float32), requires_grad=True)
    optimizer = SGD([p], lr=1.0)
    p.data = np.array([10.0, 20.0, 30.0], np.float32)
    p.grad = Tensor([1.0, 2.0, 3.0])
    optimizer.step()
    np.testing.assert_array_equal(p.data, [9, 18, 27])
    with tt.no_grad():
        p -= 1.0
    optimizer.step()
    np.testing.assert_array_equal(p.data, [7, 15, 23])
    p.data = np.ones((3, 1), np.float32)
    with pytest.raises(ValueError, match=r"was \(3,\) float32, and is \(3, 1\) float32 now"):
        optimizer.step()
    p.data = np.ones(3)
    with pytest.raises(ValueError, match=r"is .* float64 now"):
        optimizer.step()


def test_a_step_leaves_the_gradients_alone():
    for kind in (SGD, RMSprop, Adam, AdamW):
        p = ours()
        optimizer = kind(p, weight_decay=0.1)
        step(optimizer, p, 0)
        for i, x in enumerate(p):
            np.testing.assert_array_equal(x.grad.data, gradient(starts(np.float32)[i], i, 0))
        optimizer.zero_grad()
        assert all(x.grad is None for x in p)


def test_gradients_may_lie_in_memory_in_any_order():
    p, q = (Tensor(numbers((4, 3)), requires_grad=True) for _ in range(2))
    g = numbers((3, 4))
    p.grad, q.grad = Tensor(g.T), Tensor(g.T.copy())
    for x in (p, q):
        SGD([x], lr=0.1).step()
    np.testing.assert_array_equal(p.data, q.data)


def test_blocks_change_nothing(monkeypatch):
    whole, cut = ours(), ours()
    first, second = AdamW(whole, lr=0.1), AdamW(cut, lr=0.1)
    for t in range(5):
        monkeypatch.setattr(optimizers, "BLOCK", 2**17)
        monkeypatch.setattr(optimizers, "TOGETHER", 2**14)
        step(first, whole, t)
        monkeypatch.setattr(optimizers, "BLOCK", 5)
        monkeypatch.setattr(optimizers, "TOGETHER", 4)
        step(second, cut, t)
    for x, y in zip(whole, cut):
        np.testing.assert_array_equal(x.data, y.data)


def test_runs_are_as_long_as_they_can_be():
    p = ours()
    flat = Flat(p, ())
    for x in p:
        x.grad = Tensor(np.zeros_like(x.data))
    assert list(flat.runs()) == [range(4)]
    p[1].grad = None
    assert list(flat.runs()) == [range(1), range(2, 4)]
    flat.steps[3] = 7
    assert list(flat.runs()) == [range(1), range(2, 3), range(3, 4)]
    assert [(place.start, place.stop, t) for place, _, _, t in flat.blocks()] == [(0, 6, 1), (7, 11, 1), (11, 19, 8)]
    assert flat.steps == [1, 0, 1, 8]
    for x in p:
        x.grad = None
    assert list(flat.blocks()) == []


def test_parameters_of_two_dtypes_and_of_no_size():
    wide, narrow = Tensor(np.ones(2), requires_grad=True), Tensor(np.ones(2, np.float32), requires_grad=True)
    empty = Tensor(np.ones((0, 3)), requires_grad=True)
    optimizer = Adam([wide, narrow, empty], lr=0.5)
    for p in (wide, narrow, empty):
        p.grad = Tensor(np.ones_like(p.data))
    optimizer.step()
    assert (wide.dtype, narrow.dtype, empty.shape) == (np.float64, np.float32, (0, 3))
    np.testing.assert_allclose(wide.data, [0.5, 0.5])
    np.testing.assert_allclose(narrow.data, [0.5, 0.5], rtol=1e-6)


def test_a_copied_model_is_a_model_of_its_own():
    model = nn.Linear(3, 2)
    optimizer = SGD(model.parameters(), lr=1.0)
    twin = copy.deepcopy(model)
    before = twin.weight.data.copy()
    step(optimizer, list(model.parameters()), 0)
    np.testing.assert_array_equal(twin.weight.data, before)


# -- state ------------------------------------------------------------------------------------------------------------


@every_optimizer
def test_a_loaded_state_goes_on_bit_for_bit(case):
    name, options = case
    kind = getattr(optim, name)

    def missing(i, t):
        return i == 2 and t % 3 == 0

    p = ours()
    through = kind(p, **options)
    for t in range(10):
        step(through, p, t, missing)
    state, values = copy.deepcopy(through.state_dict()), [x.data.copy() for x in p]
    for t in range(10, 20):
        step(through, p, t, missing)

    resumed = [Tensor(value, requires_grad=True) for value in values]
    again = kind(resumed, **{**options, "lr": 123.0})
    again.load_state_dict(state)
    assert again.param_groups[0]["lr"] == through.param_groups[0]["lr"]
    for t in range(10, 20):
        step(again, resumed, t, missing)
    for x, y in zip(p, resumed):
        np.testing.assert_array_equal(x.data, y.data)


@every_schedule
def test_a_loaded_schedule_goes_on(case):
    name, options = case
    kind = getattr(lr_scheduler, name)
    through = kind(SGD(ours(), lr=0.1), **options)
    for _ in range(10):
        through.step()
    again = kind(SGD(ours(), lr=7.0), **options)
    again.load_state_dict(copy.deepcopy(through.state_dict()))
    assert again.get_last_lr() == through.get_last_lr()
    for _ in range(10):
        through.step()
        again.step()
        assert again.get_last_lr() == through.get_last_lr()


def test_states_are_plain_arrays():
    optimizer = AdamW([{"params": ours()}, {"params": ours(np.float64)}])
    state = optimizer.state_dict()
    assert all(isinstance(array, np.ndarray) and array.dtype != object for array in state.values())
    assert {"0.lr", "0.betas", "0.0.m", "0.0.steps", "1.weight_decay", "1.0.v"} <= state.keys()


def test_a_state_that_does_not_fit_changes_nothing():
    optimizer = Adam(ours(), lr=0.1)
    good = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(ValueError, match=r"missing \['0.0.m'\], unknown \['0.0.square'\]"):
        optimizer.load_state_dict({("0.0.square" if name == "0.0.m" else name): good[name] for name in good})
    with pytest.raises(ValueError, match=r"0.0.v needs shape \(19,\), got \(3,\)"):
        optimizer.load_state_dict({**good, "0.lr": np.array(9.0), "0.0.v": np.zeros(3)})
    assert optimizer.param_groups[0]["lr"] == 0.1
    with pytest.raises(ValueError, match="state does not fit"):
        optimizer.load_state_dict(SGD(ours()).state_dict())


# -- schedules --------------------------------------------------------------------------------------------------------


def test_a_schedule_of_your_own():
    optimizer = SGD([{"params": ours()[:1]}, {"params": ours()[1:], "lr": 10.0}], lr=1.0)
    schedule = LRScheduler(optimizer, lambda t, base: base / (1 + t))
    for t in range(3):
        assert [group["lr"] for group in optimizer.param_groups] == [1 / (1 + t), 10 / (1 + t)]
        schedule.step()


def test_a_cycle_ends():
    schedule = lr_scheduler.OneCycleLR(SGD(ours()), max_lr=1.0, total_steps=4)
    for _ in range(4):  # a training loop steps once after each of the four
        schedule.step()
    with pytest.raises(ValueError, match="4 steps"):
        schedule.step()
    with pytest.raises(ValueError, match=r"pct_start is at least 0 and below 1, got 1\.5"):
        lr_scheduler.OneCycleLR(SGD(ours()), max_lr=1.0, total_steps=4, pct_start=1.5)


# -- errors -----------------------------------------------------------------------------------------------------------

P = Tensor([1.0], requires_grad=True)
ERRORS = [
    (lambda: SGD([]), ValueError, "needs parameters, got none"),
    (lambda: SGD([{"params": []}]), ValueError, "needs parameters, got none"),
    (lambda: SGD(P), TypeError, "put it into a list"),
    (lambda: SGD([np.ones(3)]), TypeError, r"moves tensors, got ndarray: pass model\.parameters\(\)"),
    (lambda: SGD(nn.Sequential(nn.Linear(2, 3))), TypeError, "moves tensors, got Linear"),
    (lambda: SGD([P * 2]), ValueError, r"moves leaves; this tensor was made by mul\(\(1,\), 2\)"),
    (lambda: SGD([P, P]), ValueError, "two groups, or twice"),
    (lambda: SGD([{"params": [P]}, {"params": [P]}]), ValueError, "two groups"),
    (lambda: SGD([{"params": [P], "beta": 1}]), ValueError, "unknown option 'beta'; there are lr, momentum"),
    (lambda: SGD([P], lr=-1.0), ValueError, r"lr is 0 or more, got -1\.0"),
    (lambda: SGD([P], lr=float("nan")), ValueError, "lr is 0 or more, got nan"),
    (lambda: Adam([{"params": [P], "weight_decay": -1}]), ValueError, "weight_decay is 0 or more"),
    (lambda: Adam([P], betas=(0.9, 1.0)), ValueError, r"betas are at least 0 and below 1, got \(0\.9, 1\.0\)"),
    (lambda: SGD([P], nesterov=True), ValueError, "nesterov needs a momentum above 0"),
]


@pytest.mark.parametrize(("wrong", "error", "message"), ERRORS, ids=[message for _, _, message in ERRORS])
def test_errors_say_what_was_given_and_what_was_needed(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong()


def test_momentum_can_be_had_later():
    p, expected = ours(), ours()
    optimizer, other = SGD(p), SGD(expected, momentum=0.9)
    optimizer.param_groups[0]["momentum"] = 0.9
    for t in range(3):
        step(optimizer, p, t)
        step(other, expected, t)
    for x, y in zip(p, expected):
        np.testing.assert_array_equal(x.data, y.data)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_one_cycle_turns_momentum_the_other_way_as_pytorch_does_and_ends_with_its_last_step(kind):
    torch = pytorch()
    p, q = tt.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    mine, other = getattr(optimizers, kind)([p], lr=0.1), getattr(torch.optim, kind)([q], lr=0.1)
    options = {"total_steps": 10, "base_momentum": 0.8, "max_momentum": 0.9}
    schedule = lr_scheduler.OneCycleLR(mine, 1.0, **options)
    theirs = torch.optim.lr_scheduler.OneCycleLR(other, 1.0, **options)
    for _ in range(9):
        for name in {"lr", "momentum", "betas"} & mine.param_groups[0].keys():
            np.testing.assert_allclose(mine.param_groups[0][name], other.param_groups[0][name], rtol=1e-9, atol=1e-12)
        schedule.step()
        other.step()
        theirs.step()
    last = dict(mine.param_groups[0])
    schedule.step()  # a loop that ends with step() gets here: nothing is left to change
    assert mine.param_groups[0] == last and last["lr"] == pytest.approx(4e-6)
    with pytest.raises(ValueError, match="has taken them all"):
        schedule.step()


def test_one_cycle_needs_a_momentum_or_to_be_told_that_there_is_none():
    with pytest.raises(ValueError, match="RMSprop has no momentum to cycle"):
        lr_scheduler.OneCycleLR(RMSprop(ours()), 1.0, 10)
    lr_scheduler.OneCycleLR(RMSprop(ours()), 1.0, 10, cycle_momentum=False)


@pytest.mark.parametrize(
    "name, options",
    [
        ("StepLR", {"step_size": 3}),
        ("CosineAnnealingLR", {"T_max": 20, "eta_min": 0.001}),
        ("LinearLR", {"start_factor": 0.1, "total_iters": 8}),
    ],
)
def test_a_rate_set_by_hand_goes_on_from_there_as_in_pytorch(name, options):
    torch = pytorch()
    mine, other = SGD([tt.ones(1, requires_grad=True)], lr=1.0), torch.optim.SGD([torch.ones(1)], lr=1.0)
    schedule = getattr(lr_scheduler, name)(mine, **options)
    theirs = getattr(torch.optim.lr_scheduler, name)(other, **options)
    for t in range(10):
        if t in (2, 5):
            mine.param_groups[0]["lr"] = other.param_groups[0]["lr"] = 0.01 * t
        schedule.step()
        other.step()
        theirs.step()
        assert schedule.get_last_lr() == pytest.approx(theirs.get_last_lr(), rel=1e-9)


def test_two_schedules_multiply_as_in_pytorch():
    torch = pytorch()
    mine, other = SGD([tt.ones(1, requires_grad=True)], lr=1.0), torch.optim.SGD([torch.ones(1)], lr=1.0)
    ours_both = lr_scheduler.LinearLR(mine, 0.1, total_iters=3), lr_scheduler.CosineAnnealingLR(mine, 20)
    theirs = torch.optim.lr_scheduler
    theirs_both = theirs.LinearLR(other, 0.1, total_iters=3), theirs.CosineAnnealingLR(other, 20)
    for _ in range(10):
        other.step()
        for schedule in (*ours_both, *theirs_both):
            schedule.step()
        assert mine.param_groups[0]["lr"] == pytest.approx(other.param_groups[0]["lr"], rel=1e-9)


def test_a_rate_that_a_schedule_would_lose_is_refused():
    optimizer = SGD(ours(), lr=1.0)
    schedule = lr_scheduler.OneCycleLR(optimizer, 1.0, 10)
    optimizer.param_groups[0]["lr"] = 0.3
    with pytest.raises(ValueError, match=r"0\.3, set by hand"):
        schedule.step()


def test_a_kind_of_optimizer_must_say_how_it_steps():
    p = ours()
    with pytest.raises(NotImplementedError, match="Optimizer has no update"):
        step(Optimizer(p, lr=1.0), p, 0)


# -- Muon ----------------------------------------------------------------------------------------------------------


def matrix(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("shape", [(6, 6), (3, 8), (8, 3), (1, 5), (5, 1)])
def test_an_orthogonalized_matrix_keeps_its_directions_and_loses_their_strengths(shape):
    g = matrix(*shape, dtype=np.float64)
    u, strengths, vt = np.linalg.svd(g, full_matrices=False)
    mixed = u.T @ orthogonalized(g) @ vt.T
    found = np.diag(mixed)
    np.testing.assert_allclose(mixed - np.diag(found), 0, atol=1e-12)
    visible = strengths > 0.02 * np.linalg.norm(strengths)
    assert ((found[visible] > 0.65) & (found[visible] < 1.25)).all()
    np.testing.assert_allclose(orthogonalized(1000 * g), orthogonalized(g), atol=1e-9)


def test_a_gradient_of_nothing_moves_nothing():
    assert not orthogonalized(np.zeros((2, 3))).any()


@pytest.mark.parametrize("options", [{}, {"nesterov": False}, {"momentum": 0.5, "weight_decay": 0.0}], ids=str)
@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (5, 5)])
def test_muon_is_pytorch_s_but_for_its_sixteen_bits(shape, options):
    torch = pytorch()
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("this PyTorch has no Muon")
    p, other = Tensor(matrix(*shape), requires_grad=True), torch.tensor(matrix(*shape).T.copy(), requires_grad=True)
    ours, theirs = Muon([p], lr=0.1, **options), torch.optim.Muon([other], lr=0.1, **options)
    for t in range(4):
        g = matrix(*shape, seed=t + 1)
        p.grad, other.grad = Tensor(g), torch.tensor(g.T.copy())  # theirs is (out, in)
        ours.step()
        theirs.step()
    np.testing.assert_allclose(p.data, other.detach().numpy().T, atol=0.02)
    assert np.abs(p.data - matrix(*shape)).max() > 0.1


def test_muon_moves_what_has_a_gradient_and_changes_no_gradient():
    p = [Tensor(matrix(2, 3), requires_grad=True), Tensor(matrix(3, 2), requires_grad=True)]
    p[0].grad = Tensor(matrix(2, 3, seed=1))
    optimizer = Muon(p, lr=0.1)
    optimizer.step()
    np.testing.assert_array_equal(p[0].grad.data, matrix(2, 3, seed=1))
    np.testing.assert_array_equal(p[1].data, matrix(3, 2))
    assert (p[0].data != matrix(2, 3)).all()
    assert optimizer.state_dict()["0.0.steps"].tolist() == [1, 0]


def test_a_loaded_muon_goes_on_bit_for_bit():
    def run(optimizer, p, times):
        for t in times:
            p.grad = Tensor(matrix(3, 4, seed=t))
            optimizer.step()

    p, q = (Tensor(matrix(3, 4), requires_grad=True) for _ in range(2))
    first, second = Muon([p], lr=0.1), Muon([q], lr=0.5)
    run(first, p, range(3))
    second.load_state_dict(first.state_dict())
    q.data[...] = p.data
    run(first, p, range(3, 5))
    run(second, q, range(3, 5))
    np.testing.assert_array_equal(p.data, q.data)


def test_muon_refuses_what_is_no_matrix():
    with pytest.raises(ValueError, match=r"moves matrices, got a tensor of shape \(3,\): give it to AdamW"):
        Muon([Tensor([1.0, 2.0, 3.0], requires_grad=True)])
