"""What is true of layers: modules know their parameters, and initialisation keeps variance."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest
from oracles import numbers, pytorch

import tinytorch as tt
from tinytorch import layers, losses
from tinytorch.layers import (
    GELU,
    Buffer,
    Dropout,
    Flatten,
    LeakyReLU,
    Linear,
    LogSoftmax,
    Module,
    Parameter,
    ReLU,
    Sequential,
    Softmax,
    dropout,
    he_std,
    kaiming_normal_,
    kaiming_uniform_,
    linear,
    xavier_normal_,
    xavier_std,
    xavier_uniform_,
)
from tinytorch.tensor import Tensor


class Block(Module):
    """Every way in which a module can hold parameters: its own, a child's, a list's, and one twice."""

    def __init__(self):
        self.scale = Parameter([1.0])
        self.inner = Sequential([Linear(2, 3), ReLU(), Linear(3, 2, bias=False)])
        self.branches = [Linear(2, 2), Dropout(0.5)]
        self.pair = (Linear(2, 1),)
        self.tied = self.scale
        self.constant, self.name = Tensor([5.0]), "block"

    def forward(self, x):
        return self.inner(x) * self.scale


NAMES = [
    "scale", "inner.0.weight", "inner.0.bias", "inner.2.weight",
    "branches.0.weight", "branches.0.bias", "pair.0.weight", "pair.0.bias",
]  # fmt: skip

# -- modules -------------------------------------------------------------------------------------------------------


def test_named_parameters_are_nested_listed_and_counted_once():
    block = Block()
    assert [name for name, _ in block.named_parameters()] == NAMES
    assert [name for name, _ in block.named_parameters("net.")] == ["net." + name for name in NAMES]
    assert [id(p) for p in block.parameters()] == [id(p) for _, p in block.named_parameters()]
    assert [name for name, _ in block.named_children()] == ["inner", "branches.0", "branches.1", "pair.0"]
    assert len(list(block.modules())) == 8


def test_a_tied_layer_counts_once():
    shared = Linear(2, 2)
    assert [name for name, _ in Sequential(shared, ReLU(), shared).named_parameters()] == ["0.weight", "0.bias"]


def test_train_and_eval_reach_every_module():
    block = Block()
    assert block.training and block.eval() is block
    assert not any(module.training for module in block.modules())
    assert all(module.training for module in block.train().modules())
    assert Module.training is True


def test_zero_grad_reaches_every_parameter():
    block = Block()
    block(Tensor([[1.0, 2.0]])).sum().backward()
    assert block.scale.grad is not None and block.inner[0].weight.grad is not None
    block.zero_grad()
    assert all(p.grad is None for p in block.parameters())


def test_a_state_makes_the_round_trip():
    block, other = Block(), Block()
    state = block.state_dict()
    assert list(state) == NAMES and all(isinstance(array, np.ndarray) for array in state.values())
    memory = [p.data for p in other.parameters()]
    other.load_state_dict(state)
    for mine, theirs, before in zip(block.parameters(), other.parameters(), memory):
        np.testing.assert_array_equal(mine.data, theirs.data)
        assert theirs.data is before and not np.shares_memory(mine.data, theirs.data)
    other.load_state_dict(dict(block.named_parameters()))  # parameters serve as well as arrays
    other.load_state_dict({name: array.tolist() for name, array in state.items()})


class Counter(Module):
    """Counts what it has seen: in a buffer, which is kept but not learned."""

    def __init__(self):
        self.seen, self.weight, self.plain = Buffer([0.0]), Parameter([2.0]), Tensor([5.0])

    def forward(self, x):
        self.seen.data += len(x)
        return x * self.weight


def test_buffers_have_names_and_are_no_parameters():
    net = Sequential(Linear(2, 2), Counter(), Sequential(Counter()))
    net.own, net.branches = Buffer([1, 2]), [ReLU()]
    assert [name for name, _ in net.named_buffers()] == ["own", "1.seen", "2.0.seen"]
    assert [id(b) for b in net.buffers()] == [id(net.own), id(net[1].seen), id(net[2][0].seen)]
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.weight", "2.0.weight"]
    assert [name for name, _ in net.named_modules()] == ["", "0", "1", "2", "2.0"]
    assert [name for name, _ in net.named_modules("net")] == ["net", "net.0", "net.1", "net.2", "net.2.0"]
    assert [id(module) for _, module in net.named_modules()] == [id(module) for module in net.modules()]
    assert not any(buffer.requires_grad for buffer in net.buffers())


def test_buffers_are_saved_and_loaded_in_place_and_copied():
    net, other = Sequential(Counter()), Sequential(Counter())
    z = net(Tensor(np.ones((3, 1), np.float32)))
    z.sum().backward()
    assert net[0].seen.tolist() == [3] and net[0].seen.grad is None
    assert list(net.state_dict()) == ["0.weight", "0.seen"]
    memory = other[0].seen.data
    other.load_state_dict(net.state_dict())
    assert other[0].seen.data is memory and memory.tolist() == [3]
    twin = copy.deepcopy(net)
    twin(Tensor(np.ones((1, 1), np.float32)))
    assert isinstance(twin[0].seen, Buffer) and (twin[0].seen.item(), net[0].seen.item()) == (4, 3)
    with pytest.raises(ValueError, match=r"missing \['0.seen'\], unknown \[\]"):
        net.load_state_dict({"0.weight": np.ones(1)})
    with pytest.raises(ValueError, match=r"0.seen needs shape \(1,\), got \(2,\)"):
        net.load_state_dict({"0.weight": np.ones(1), "0.seen": np.ones(2)})


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda s: s.pop("scale"), ValueError, r"missing \['scale'\], unknown \[\]"),
        (lambda s: s.update(extra=1), ValueError, r"missing \[\], unknown \['extra'\]"),
        (lambda s: s.update({"pair.0.bias": np.zeros(2)}), ValueError, r"pair.0.bias needs shape \(1,\), got \(2,\)"),
        (lambda s: s.update({"pair.0.bias": ["no"]}), ValueError, "holds numbers"),
    ],
)  # fmt: skip
def test_a_state_that_does_not_fit_changes_nothing(change, error, message):
    block = Block()
    before = {name: array.copy() for name, array in block.state_dict().items()}
    state = {name: array + 1 for name, array in before.items()}
    change(state)
    with pytest.raises(error, match=message):
        block.load_state_dict(state)
    for name, array in block.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_model_prints_its_tree():
    model = Sequential(Linear(4, 3, bias=False), Sequential([LeakyReLU(0.1), Dropout(0.2)]), Flatten(), Softmax(dim=0))
    assert repr(model) == (
        "Sequential(\n"
        "  (0): Linear(4, 3, bias=False)\n"
        "  (1): Sequential(\n"
        "    (0): LeakyReLU(negative_slope=0.1)\n"
        "    (1): Dropout(p=0.2)\n"
        "  )\n"
        "  (2): Flatten()\n"
        "  (3): Softmax(dim=0)\n"
        ")"
    )
    assert "(branches.1): Dropout(p=0.5)" in repr(Block()) and repr(Sequential()) == "Sequential()"


def test_sequential_takes_a_list_or_arguments_and_slices():
    a, b, c = Linear(2, 3), ReLU(), Linear(3, 1)
    x = Tensor(numbers((4, 2)).astype(np.float32))
    for model in (Sequential(a, b, c), Sequential([a, b, c]), Sequential((a, b, c))):
        assert [*model] == [a, b, c] and len(model) == 3 and model[-1] is c
        np.testing.assert_array_equal(model(x).data, c(b(a(x))).data)
        np.testing.assert_array_equal(model[:2](x).data, b(a(x)).data)
    assert Sequential(a)(x).shape == (4, 3) and Sequential()(x) is x


def test_a_module_without_a_forward_says_so():
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        Module()(1)


def test_a_copied_model_is_independent_and_follows_the_same_generator():
    model = Sequential(Linear(2, 2), Dropout(0.5))
    twin = copy.deepcopy(model)
    assert all(p.requires_grad and p.is_leaf for p in twin.parameters())
    assert not any(np.shares_memory(p.data, q.data) for p, q in zip(model.parameters(), twin.parameters()))
    x = tt.ones(8, 2)
    outputs = []
    for net in (model, twin):
        tt.manual_seed(1)
        outputs.append(net(x).data)
    np.testing.assert_array_equal(*outputs)


# -- layers --------------------------------------------------------------------------------------------------------


def test_linear_is_pytorch_s_with_the_weight_transposed():
    torch = pytorch()
    layer = Linear(3, 4)
    theirs = torch.nn.Linear(3, 4)
    theirs.weight.data, theirs.bias.data = torch.tensor(layer.weight.data.T), torch.tensor(layer.bias.data)
    for shape in [(3,), (2, 3), (2, 5, 3), (0, 3)]:
        x = numbers(shape).astype(np.float32)
        expected = theirs(torch.tensor(x)).detach()
        np.testing.assert_allclose(layer(x).data, expected, rtol=1e-5, atol=1e-6, strict=True)


def test_linear_starts_small_with_a_bias_of_zero():
    layer = Linear(400, 300, rng=np.random.default_rng(0))
    assert (layer.weight.shape, layer.weight.dtype, layer.bias.shape) == ((400, 300), np.float32, (300,))
    assert np.abs(layer.weight.data).max() <= 1 / 20 and (layer.bias.data == 0).all()
    np.testing.assert_allclose(layer.weight.data.var(), 1 / (3 * 400), rtol=0.02)
    assert Linear(2, 2, bias=False).bias is None
    with pytest.raises(ValueError, match=r"linear needs x \(..., 400\) for a weight \(400, 300\), got \(2, 3\)"):
        layer(tt.ones(2, 3))
    assert linear(tt.ones(2, 3), tt.ones(3, 1)).tolist() == [[3], [3]]


def test_flatten_keeps_the_batch():
    for shape in [(2, 3, 4), (2, 3), (0, 3, 4)]:
        assert Flatten()(tt.zeros(shape)).shape == (shape[0], int(np.prod(shape[1:])))


FUNCTION_MODULES = [
    thing
    for module in (layers, losses)
    for thing in vars(module).values()
    if isinstance(thing, type) and issubclass(thing, layers.FunctionModule) and thing is not layers.FunctionModule
]


@pytest.mark.parametrize("kind", FUNCTION_MODULES, ids=lambda kind: kind.__name__)
def test_a_function_as_a_module_computes_the_function(kind):
    x = Tensor(numbers((2, 3)))
    y = Tensor(numbers((2, 3), seed=1))
    inputs = (x, y) if kind.function.arity == 2 else (x,)
    np.testing.assert_array_equal(kind()(*inputs).data, kind.function(*inputs).data)
    assert list(kind().parameters()) == [] and repr(kind()) == f"{kind.__name__}()"
    with pytest.raises(TypeError, match=kind.__name__):
        kind(wrong=1)
    with pytest.raises(TypeError, match=kind.__name__):
        kind(*range(9))


def test_a_function_as_a_module_keeps_its_parameters():
    x = Tensor([[-1.0, 2.0]])
    assert LeakyReLU(0.5)(x).tolist() == LeakyReLU(negative_slope=0.5)(x).tolist() == [[-0.5, 2]]
    assert LogSoftmax(0)(x).tolist() == [[0, 0]] and GELU("tanh")(x).shape == (1, 2)
    assert losses.MSELoss("sum")(x, tt.zeros(1, 2)).item() == 5


# -- dropout -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_expectation(p):
    z = dropout(tt.ones(200, 500), p=p, rng=np.random.default_rng(0)).data
    np.testing.assert_allclose(z.mean(), 1, atol=0.03)
    np.testing.assert_allclose((z == 0).mean(), p, atol=0.01)
    np.testing.assert_allclose(z[z != 0], 1 / (1 - p), rtol=1e-6)


def test_dropout_follows_its_seed():
    x, layer = tt.ones(100), Dropout(0.5)
    draw = lambda: layer(x).tolist()
    tt.manual_seed(1)
    first, second = draw(), draw()
    tt.manual_seed(1)
    assert first == draw() != second
    own = [Dropout(0.5, rng=np.random.default_rng(7))(x).tolist() for _ in range(2)]
    assert own[0] == own[1]


def test_the_gradient_goes_through_the_same_mask():
    x = Tensor(np.ones(100, np.float32), requires_grad=True)
    z = Dropout(0.5)(x)
    z.sum().backward()
    np.testing.assert_array_equal(x.grad.data, z.data)


def test_dropout_is_the_identity_in_evaluation_and_at_zero():
    x = tt.ones(3)
    assert Dropout(0.5).eval()(x) is x and Dropout(0)(x) is x


@pytest.mark.parametrize("p", [1, 1.5, -0.5])
def test_dropout_names_an_impossible_probability(p):
    with pytest.raises(ValueError, match=f"0 <= p < 1, got {p}"):
        Dropout(p)(tt.ones(3))


# -- initialisation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fill", "std"),
    [
        (xavier_uniform_, xavier_std(300, 500)),
        (xavier_normal_, xavier_std(300, 500)),
        (kaiming_uniform_, he_std(300)),
        (kaiming_normal_, he_std(300)),
    ],
)
def test_weights_are_filled_in_place_with_their_variance(fill, std):
    weight = Parameter(np.zeros((300, 500), np.float32))
    memory = weight.data
    assert fill(weight, rng=np.random.default_rng(0)) is weight and weight.data is memory
    assert weight.dtype == np.float32 and weight.requires_grad
    np.testing.assert_allclose(memory.mean(), 0, atol=0.01 * std * 3)
    np.testing.assert_allclose(memory.std(), std, rtol=0.01)
    widest = np.abs(memory).max() / std
    assert widest <= np.sqrt(3) * (1 + 1e-6) if "uniform" in fill.__name__ else widest > 3.5


def test_initialisation_agrees_with_pytorch_on_the_transposed_weight():
    torch = pytorch()
    for name in ("xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_"):
        theirs = getattr(torch.nn.init, name)(torch.empty(500, 300))  # (out, in) there
        if name.startswith("kaiming"):
            theirs = getattr(torch.nn.init, name)(torch.empty(500, 300), nonlinearity="relu")
        ours = getattr(tt.nn.init, name)(tt.zeros(300, 500))
        np.testing.assert_allclose(ours.data.std(), theirs.std(), rtol=0.02)


def test_he_keeps_the_mean_square_through_twenty_relus_and_less_does_not():
    rng, x = np.random.default_rng(0), np.random.default_rng(1).normal(size=(64, 256)).astype(np.float32)
    kept = shrunk = Tensor(x)
    for _ in range(20):
        weight = kaiming_normal_(tt.zeros(256, 256), rng=rng)
        kept, shrunk = tt.nn.functional.relu(kept @ weight), tt.nn.functional.relu(shrunk @ (weight / 2))
    assert 0.3 < (kept * kept).mean().item() * 2 / (x * x).mean() < 3
    assert (shrunk * shrunk).mean().item() < 1e-10


# -- modules by number and by name, and what is done to all of them ------------------------------------------------


def test_containers_name_their_modules_as_pytorch_does():
    torch = pytorch()

    def names(nn):
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.blocks = nn.ModuleList([nn.Linear(2, 2), nn.ReLU()])
                self.blocks.append(nn.Linear(2, 2))
                self.blocks.extend([nn.Tanh(), nn.Linear(2, 3)])
                self.heads = nn.ModuleDict({"a": nn.Linear(2, 1), "b": nn.Identity(7, x=1)})
                self.heads["c"] = nn.Linear(1, 1)
                self.chain = nn.Sequential(OrderedDict([("first", nn.Linear(2, 2)), ("act", nn.ReLU(inplace=True))]))
                self.chain.add_module("last", nn.Linear(2, 1))
                self.add_module("extra", nn.Linear(1, 1))
                self.register_buffer("table", None)
                self.register_parameter("scale", None)

        net = Net()
        assert net.chain.last is net.chain[2] and len(net.chain[1:]) == 2 and len(net.blocks) == 5 and "a" in net.heads
        net.blocks[1] = nn.Sigmoid()
        return [name for name, _ in net.named_parameters()], [type(m).__name__ for m in net.modules()], list(net.heads)

    assert names(tt.nn) == names(torch.nn)
    with pytest.raises(NotImplementedError, match="ModuleList"):
        tt.nn.ModuleList([tt.nn.ReLU()])(1)
    with pytest.raises(AttributeError, match="'second'"):
        tt.nn.Sequential(tt.nn.ReLU()).second  # noqa: B018


def test_a_chain_with_names_keeps_them_in_copies():
    chain = tt.nn.Sequential(OrderedDict(first=Linear(2, 2), act=ReLU()))
    again = pickle.loads(pickle.dumps(copy.deepcopy(chain)))
    assert list(again.state_dict()) == ["first.weight", "first.bias"] and again.first is again[0]


def test_buffers_are_saved_if_they_are_to_persist():
    module = Module()
    module.register_buffer("kept", tt.ones(2))
    module.register_buffer("passing", tt.zeros(2), persistent=False)
    assert list(module.state_dict()) == ["kept"] and module.passing.tolist() == [0, 0]


def test_apply_begins_inside_and_to_changes_dtypes():
    model, seen = Sequential(Linear(2, 3), Sequential(ReLU())), []
    assert model.apply(lambda module: seen.append(type(module).__name__)) is model
    assert seen == ["Linear", "ReLU", "Sequential", "Sequential"]
    assert model.to("cpu") is model and model.to(tt.device("cpu"), np.float64)[0].weight.dtype == np.float64
    assert model.half()[0].bias.dtype == np.float16 and model.float()[0].bias.dtype == np.float32
    assert not any(p.requires_grad for p in model.requires_grad_(False).parameters())
    for call in (model.cuda, lambda: model.to("cuda:0")):
        with pytest.raises(RuntimeError, match="no device"):
            call()
    with pytest.raises(TypeError, match="int64"):
        model.to(np.int64)


def test_a_state_that_fits_in_part():
    model = Linear(2, 3)
    found = model.load_state_dict({"weight": np.ones((2, 3)), "other": np.ones(1)}, strict=False)
    assert found == (["bias"], ["other"]) and model.weight.tolist() == [[1, 1, 1], [1, 1, 1]]
    with pytest.raises(ValueError, match="needs shape"):
        model.load_state_dict({"weight": np.ones((3, 2))}, strict=False)


def test_gradients_are_forgotten_or_filled_with_zeros():
    model = Linear(2, 1)
    model(tt.ones(1, 2)).sum().backward()
    model.zero_grad(set_to_none=False)
    assert model.weight.grad.tolist() == [[0], [0]]
    tt.optim.SGD(model.parameters()).zero_grad(set_to_none=True)
    assert model.weight.grad is None


# -- nothing gets lost ---------------------------------------------------------------------------------------------


class Holder(Module):
    """Parameters, modules and buffers, in lists, tuples and dicts, some inside others."""

    def __init__(self):
        self.scales = [Parameter([1.0]), (Parameter([2.0]),)]
        self.heads = {"a": Linear(1, 1), "b": [Linear(1, 1, bias=False)], 3: Parameter([3.0])}
        self.counts = {"seen": tt.layers.Buffer([0.0])}


def test_parameters_modules_and_buffers_are_found_in_lists_tuples_and_dicts():
    module = Holder()
    names = ["scales.0", "scales.1.0", "heads.3", "heads.a.weight", "heads.a.bias", "heads.b.0.weight"]
    assert [name for name, _ in module.named_parameters()] == names
    assert [name for name, _ in module.named_modules()] == ["", "heads.a", "heads.b.0"]
    assert list(module.state_dict()) == [*names, "counts.seen"]
    assert not module.eval().heads["b"][0].training
    twin = Holder()
    twin.load_state_dict(module.state_dict())
    np.testing.assert_array_equal(twin.heads["b"][0].weight.data, module.heads["b"][0].weight.data)


def test_what_is_assigned_over_a_parameter_a_buffer_or_a_module_must_be_one():
    module = Linear(2, 2)
    module.kept, module.inner = tt.layers.Buffer([1.0]), Linear(1, 1)
    for name, value in [("weight", tt.zeros(2, 2)), ("weight", 1.0), ("kept", 1.0), ("inner", tt.relu)]:
        with pytest.raises(TypeError, match=f"{name} is a "):
            setattr(module, name, value)
    with pytest.raises(TypeError, match="kept is a Buffer"):
        module.kept = tt.ones(1, requires_grad=True) * 2
    module.weight, module.bias, module.kept = Parameter(np.zeros((2, 2), np.float32)), None, module.kept * 0.5
    assert [name for name, _ in module.named_parameters()] == ["weight", "inner.weight", "inner.bias"]
    assert [(name, b.item()) for name, b in module.named_buffers()] == [("kept", 0.5)]


@pytest.mark.parametrize("shape", [(6, 4, 3, 3), (5, 2, 7), (8, 8), (2, 3, 1, 2)])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
def test_the_fans_of_any_weight_are_pytorch_s(shape, mode):
    torch = pytorch()
    fan_in, fan_out = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    large = tuple(n * (12 if i < 2 else 1) for i, n in enumerate(shape))
    expected = {"fan_in": fan_in, "fan_out": fan_out}[mode]
    for fill in (kaiming_normal_, kaiming_uniform_):
        x = fill(tt.zeros(*large), rng=np.random.default_rng(0), mode=mode)
        np.testing.assert_allclose(x.data.std(), he_std(12 * expected), rtol=0.05)
    for fill in (xavier_normal_, xavier_uniform_):
        x = fill(tt.zeros(*large), rng=np.random.default_rng(0))
        np.testing.assert_allclose(x.data.std(), xavier_std(12 * fan_in, 12 * fan_out), rtol=0.05)


def test_initialisation_of_what_has_no_fans_is_refused_and_of_nothing_is_nothing():
    for fill in (xavier_uniform_, xavier_normal_, kaiming_uniform_, kaiming_normal_):
        with pytest.raises(ValueError, match=r"two axes or more, got shape \(3,\)"):
            fill(tt.zeros(3))
        assert fill(tt.zeros(0, 3)).shape == (0, 3)
    with pytest.raises(ValueError, match="'fan_in' or 'fan_out', got 'fan'"):
        kaiming_normal_(tt.zeros(2, 2), mode="fan")


def test_layers_of_no_size_have_pytorch_s_shapes():
    assert Linear(0, 2)(tt.ones(3, 0)).shape == (3, 2) and Linear(2, 0)(tt.ones(3, 2)).shape == (3, 0)
    assert tt.softmax(tt.ones(5, 0)).shape == tt.log_softmax(tt.ones(5, 0)).shape == (5, 0)
    assert tt.losses.logsumexp(tt.ones(2, 0)).tolist() == [-np.inf, -np.inf]
    assert tt.softmax(tt.ones(0, 5), dim=-1).shape == (0, 5)


def test_dropout_of_whole_numbers_is_refused():
    with pytest.raises(TypeError, match="dropout needs floats, got int64"):
        Dropout()(tt.tensor([1, 2]))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_of_a_module_that_holds_a_primitive_learns(copied):
    module = copied(Activated())
    module(tt.ones(1, 2)).sum().backward()
    assert module.act is tt.relu and module.layer.weight.grad is not None


class Activated(Module):
    def __init__(self):
        self.layer, self.act = Linear(2, 3), tt.relu

    def forward(self, x):
        return self.act(self.layer(x))
