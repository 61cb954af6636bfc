"""What is true of quantization: nothing is lost but what rounding to the grid loses; PyTorch rounds as we do."""

import copy
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import pytorch

from tinytorch import nn
from tinytorch.convolutions import Residual
from tinytorch.datasets import digits
from tinytorch.embeddings import Embedding
from tinytorch.environment import manual_seed
from tinytorch.layers import Linear
from tinytorch.losses import cross_entropy
from tinytorch.optimizers import SGD, Adam
from tinytorch.quantization import (
    FakeQuantized,
    Grid,
    Int4Linear,
    LossScale,
    Observer,
    Quantized,
    QuantizedConv2d,
    QuantizedEmbedding,
    QuantizedLinear,
    ScaledTrainer,
    affine_grid,
    calibrate,
    convert,
    dequantize,
    fake_quantize,
    half_model,
    halved,
    int4_model,
    integer_matmul,
    limits,
    load_quantized,
    pack_int4,
    quantize,
    quantize_model,
    save_quantized,
    stored_bytes,
    symmetric_grid,
    unpack_int4,
    value_range,
)
from tinytorch.tensor import Tensor, no_grad
from tinytorch.training import Batches, Trainer, accuracy
from tinytorch.transformers import GPT, TransformerConfig


def noise(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(dtype)


def bytes_like(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).integers(-128, 128, shape).astype(np.int8)


def answers(model, x):
    with no_grad():
        return model.eval()(x).data


# -- grids ---------------------------------------------------------------------------------------------------------

intervals = st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)).map(sorted).filter(lambda ends: ends[1] - ends[0] > 1)


@settings(deadline=None)
@given(intervals, st.integers(2, 8))
def test_an_affine_grid_has_zero_and_misses_what_is_within_by_a_step_at_most(ends, bits):
    low, high = ends
    grid = affine_grid(low, high, bits)
    x = np.linspace(low, high, 1001)
    assert dequantize(quantize(np.zeros(1), grid), grid) == 0
    error = np.abs(dequantize(quantize(x, grid), grid) - x)
    step = float(grid.scale)
    inner = (x >= low + step) & (x <= high - step)
    assert error[inner].max(initial=0) <= step * 0.5001
    assert error.max() <= step * 1.0001


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(2, 8))
def test_a_symmetric_grid_reaches_the_largest_and_never_uses_the_least(seed, bits):
    x = noise(4, 6, seed=seed)
    for axis in (None, 0, 1, -1):
        grid = symmetric_grid(x, axis, bits)
        q = quantize(x, grid)
        kept = () if axis is None else (axis % 2,)
        others = tuple({0, 1} - set(kept))
        assert (np.abs(q).max(axis=others) == limits(bits)[1]).all()
        assert np.abs(dequantize(q, grid) - x).max() <= grid.scale.max() * 0.5001
        assert (quantize(-x, grid) == -q).all()


def test_one_grid_a_channel_is_finer_than_one_for_all():
    x = noise(64, 32) * np.geomspace(0.01, 1, 32, dtype=np.float32)
    errors = [
        np.square(dequantize(quantize(x, grid), grid) - x).mean() for grid in map(symmetric_grid, [x] * 2, [1, None])
    ]
    assert errors[0] < errors[1] / 3


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")  # PyTorch will drop it
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("zero", [-128, -3, 0, 127])
def test_quantize_agrees_with_pytorch(dtype, zero):
    torch = pytorch()
    x = noise(200, dtype=dtype) * 10
    theirs = torch.quantize_per_tensor(torch.tensor(x.astype(np.float32)), 0.125, zero, torch.qint8)
    grid = Grid(np.float32(0.125), np.int32(zero))
    assert (quantize(x, grid) == theirs.int_repr().numpy()).all()
    np.testing.assert_array_equal(dequantize(quantize(x, grid), grid), theirs.dequantize().numpy())


def test_affine_parameters_agree_with_pytorch():
    torch = pytorch()
    for low, high in [(-1.0, 3.0), (0.5, 2.0), (-7.0, -0.1), (-0.01, 100.0)]:
        observer = torch.ao.quantization.MinMaxObserver(dtype=torch.qint8, qscheme=torch.per_tensor_affine)
        observer(torch.tensor([low, high]))
        scale, zero = observer.calculate_qparams()
        grid = affine_grid(low, high)
        np.testing.assert_allclose(grid.scale, scale.numpy()[0], rtol=1e-6)
        assert grid.zero == zero.item()


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (math.nan, 1, "needs an interval, got nan to 1"), (0, math.inf, "width"), (2, 1, "got 2.0 to 1.0"),
        (0, 0, "width"), (0, 1e-60, "width"), (-1e300, 1e300, "width"),
    ],
)  # fmt: skip
def test_what_is_no_interval_is_refused(low, high, says):
    with pytest.raises(ValueError, match=says):
        affine_grid(low, high)


def test_no_scale_is_made_up():
    with pytest.raises(ValueError, match="channel 2 are zero"):
        symmetric_grid(np.array([[1.0, 2, 0], [1, 0, 0]]), 1)
    with pytest.raises(ValueError, match="all numbers are zero"):
        symmetric_grid(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="got none"):
        symmetric_grid(np.zeros((0, 2)))
    with pytest.raises(ValueError, match="NaN"):
        symmetric_grid(np.array([1.0, math.nan]))
    with pytest.raises(ValueError, match="2 to 8 bits"):
        symmetric_grid(np.ones(2), bits=9)
    with pytest.raises(ValueError, match="NaN"):
        quantize(np.array([math.nan]), Grid(np.float32(1), np.int32(0)))


# -- sums of whole numbers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 1, 1023, 1024, 1025, 4096])
def test_products_are_exact_at_the_extremes_and_at_any_length(k):
    least = np.full((2, k), -128, np.int8)
    for a, b in [(least, least.T), (bytes_like(3, k), bytes_like(k, 5, seed=1)), (least, bytes_like(k, 2))]:
        expected = a.astype(np.int64) @ b.astype(np.int64)
        z = integer_matmul(a, b)
        assert z.dtype == np.int32
        np.testing.assert_array_equal(z, expected)


@settings(deadline=None)
@given(st.integers(-128, 127), st.integers(-128, 127), st.integers(0, 99))
def test_zero_points_are_taken_away(a_zero, b_zero, seed):
    a, b = bytes_like(4, 7, seed=seed), bytes_like(7, 3, seed=seed)
    zeros = np.array([b_zero, 0, -b_zero])
    wide = a.astype(np.int64) - a_zero
    np.testing.assert_array_equal(integer_matmul(a, b, a_zero, b_zero), wide @ (b.astype(np.int64) - b_zero))
    np.testing.assert_array_equal(integer_matmul(a, b, a_zero, zeros), wide @ (b.astype(np.int64) - zeros))


def test_float32_alone_is_not_exact_beyond_1040_products():
    """What one product in float32 cannot tell: an odd sum beyond 2^24."""
    a, b = np.full((1, 1041), 127, np.int8), np.full((1041, 1), 127, np.int8)
    assert 1040 * 127**2 <= 2**24 < 1041 * 127**2
    a, b = np.tile(a, 4)[:, :4096], np.tile(b, (4, 1))[:4096]
    b[-1] = 126
    exact = (a.astype(np.int64) @ b.astype(np.int64)).item()
    assert (a.astype(np.float32) @ b.astype(np.float32)).item() != exact == integer_matmul(a, b).item()


def test_a_product_refuses_what_it_cannot_do():
    with pytest.raises(TypeError, match="int8, got float32"):
        integer_matmul(np.ones((1, 1), np.float32), np.ones((1, 1), np.int8))
    with pytest.raises(ValueError, match=r"\(1, 2\) and \(3, 1\)"):
        integer_matmul(np.ones((1, 2), np.int8), np.ones((3, 1), np.int8))
    many = np.full((1, 2**17), -128, np.int8)
    with pytest.raises(OverflowError, match="2147483648"):
        integer_matmul(many, many.T)
    np.testing.assert_array_equal(integer_matmul(many[:, 1:], many.T[1:]), [[2**31 - 2**14]])
    least, most = np.full((1, 2**17 + 1), -128, np.int8), np.full((2**17 + 1, 1), 127, np.int8)
    np.testing.assert_array_equal(integer_matmul(least[:, 1:], most[1:], b_zero=-1), [[-(2**31)]])
    with pytest.raises(OverflowError, match=str(-(2**31) - 2**14)):
        integer_matmul(least, most, b_zero=-1)


# -- calibration ---------------------------------------------------------------------------------------------------


def test_ranges():
    x = np.append(noise(10_000), 1000)
    assert value_range(x) == (x.min(), x.max())
    low, high = value_range(x, 99)
    assert -3 < low < -2 < 2 < high < 3
    observer = Observer()
    for part in np.split(x[:-1], 10):
        observer.see(part)
    observer.see(np.empty(0))
    assert observer.range() == (x[:-1].min(), x[:-1].max())
    observer = Observer(99)
    for part in np.split(x[:-1], 10):
        observer.see(part)
    np.testing.assert_allclose(observer.range(), value_range(x[:-1], 99))


@pytest.mark.parametrize(
    ("x", "percentile", "says"),
    [
        ([], 100, "no numbers"), ([1.0, math.nan], 100, "NaN or infinity"), ([1.0, -math.inf], 99, "NaN or infinity"),
        ([3.0, 3.0], 100, "nothing but 3"), ([0.0] * 99 + [1], 90, "nothing but 0"),
        ([1.0, 2.0], 50, "above 50"), ([1.0, 2.0], 101, "above 50"), ([1.0, 2.0], math.nan, "above 50"),
    ],
)  # fmt: skip
def test_calibration_refuses_what_has_no_range(x, percentile, says):
    with pytest.raises(ValueError, match=says):
        value_range(np.array(x), percentile)


def test_calibration_names_the_layer():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    model[0].bias.data[...] = -9
    with pytest.raises(ValueError, match=r"^2: calibration saw nothing but 0"):
        quantize_model(model, [np.ones((1, 2), np.float32), np.zeros((1, 2), np.float32)])
    with pytest.raises(ValueError, match=r"^0: calibration saw no numbers"):
        quantize_model(model, [])
    with pytest.raises(ValueError, match=r"^0: calibration saw NaN"):
        quantize_model(model, [np.full((1, 2), np.nan, np.float32)])
    model[0].weight.data[:, 1] = 0
    model[0].bias.data[...] = 1
    with pytest.raises(ValueError, match=r"^0: all numbers in channel 1 are zero"):
        quantize_model(model, [noise(8, 2)])


# -- straight through ----------------------------------------------------------------------------------------------


def test_straight_through_agrees_with_pytorch_channel_by_channel():
    torch = pytorch()
    x, scale = noise(5, 3) * 4, np.array([[0.25, 0.01, 0.5]], np.float32)
    ours = Tensor(x, requires_grad=True)
    z = fake_quantize(ours, scale=scale, zero=np.array([[1, 0, -3]]))
    theirs = torch.tensor(x, requires_grad=True)
    w = torch.fake_quantize_per_channel_affine(
        theirs, torch.tensor(scale[0]), torch.tensor([1, 0, -3], dtype=torch.int32), 1, -128, 127
    )
    g = noise(5, 3, seed=1)
    z.backward(Tensor(g))
    w.backward(torch.tensor(g))
    np.testing.assert_allclose(z.data, w.detach().numpy(), rtol=1e-6)
    np.testing.assert_array_equal(ours.grad.data, theirs.grad.numpy())
    assert 0 < (ours.grad.data == 0).sum() < ours.grad.numel()


def test_fake_quantize_is_quantize_and_back():
    x = noise(100)
    for grid in (affine_grid(-1, 2), affine_grid(0, 1), symmetric_grid(x)):
        z = fake_quantize(x, scale=grid.scale, zero=grid.zero)
        np.testing.assert_array_equal(z.data, dequantize(quantize(x, grid), grid))


def test_training_through_rounding_lowers_the_loss():
    manual_seed(0)
    data = digits()
    model = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    fake = calibrate(model, [data.x_train])
    assert any(isinstance(module, FakeQuantized) for module in fake.modules())
    before = cross_entropy(fake(data.x_train), data.y_train).item()
    Trainer(fake, Adam(fake.parameters(), lr=0.01)).fit(Batches(data.x_train, data.y_train), 3)
    assert cross_entropy(fake(data.x_train), data.y_train).item() < before / 3
    z, q = answers(fake, data.x_test), answers(convert(fake), data.x_test)
    assert (z.argmax(1) == q.argmax(1)).mean() > 0.99


# -- whole networks ------------------------------------------------------------------------------------------------


def simulated(layer: Quantized, x: np.ndarray) -> np.ndarray:
    """A QuantizedLinear in float64, which has all whole numbers to 2^53."""
    q = np.clip(np.rint(x / layer.scale.data) + layer.zero.data, -128, 127).astype(np.float64)
    sums = (q - layer.zero.data) @ layer.weight.data.astype(np.float64)
    z = sums * (np.float64(layer.scale.data) * layer.weight_scale.data.astype(np.float64))
    return (z if layer.bias is None else z + layer.bias.data).astype(np.float32)


@pytest.mark.parametrize("inputs", [1, 64, 1041, 4096])
def test_a_linear_layer_equals_its_float64_simulation(inputs):
    x = np.abs(noise(20, inputs))  # of one sign, so that sums grow
    layer = Linear(inputs, 7)
    layer.weight.data[...] = np.abs(noise(inputs, 7, seed=1))
    whole = quantize_model(layer, [x])
    np.testing.assert_array_equal(answers(whole, x), simulated(whole, x))
    np.testing.assert_array_equal(answers(whole, x[0]), simulated(whole, x[:1])[0])


@pytest.mark.parametrize(
    "options", [{}, {"padding": 1}, {"stride": 2, "padding": (1, 2)}, {"dilation": 2, "groups": 2}]
)
def test_a_convolution_equals_its_float64_simulation(options):
    torch = pytorch()
    x = noise(3, 4, 9, 8) + 1  # so that zero is a point of its own
    conv = nn.Conv2d(4, 6, 3, **options)
    conv.bias.data[...] = noise(6)
    whole = quantize_model(conv, [x])
    assert isinstance(whole, QuantizedConv2d) and int(whole.zero.data) not in (0, -128)
    q = quantize(x, Grid(whole.scale.data, whole.zero.data)).astype(np.float64) - whole.zero.data
    weight = torch.tensor(whole.weight.data.astype(np.float64))
    sums = torch.nn.functional.conv2d(torch.tensor(q), weight, **options).numpy()
    factor = np.float64(whole.scale.data) * whole.weight_scale.data.astype(np.float64)
    expected = (sums * factor[:, None, None] + whole.bias.data[:, None, None]).astype(np.float32)
    np.testing.assert_array_equal(answers(whole, x), expected)
    assert np.abs(expected - answers(conv, x)).max() < 0.1


def small_cnn():
    half = nn.MaxPool2d(2)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), half,
        Residual(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()), half, nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip
    for seed, norm in enumerate(module for module in net.modules() if isinstance(module, nn.BatchNorm2d)):
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            tensor.data[...] = noise(8, seed=seed)
        norm.running_var.data[...] = np.abs(noise(8, seed=seed)) + 0.1
    return net.eval()


def test_batch_norms_are_folded_into_convolutions():
    net, x = small_cnn(), noise(5, 1, 8, 8)
    whole = quantize_model(net, [x])
    assert not any(isinstance(module, nn.BatchNorm2d) for module in whole.modules())
    z, q = answers(net, x), answers(whole, x)
    assert np.abs(z - q).max() < 0.05 * np.abs(z).max()
    assert any(isinstance(module, nn.BatchNorm2d) for module in net.modules()), "the model itself is as it was"


def test_a_layer_used_twice_stays_one():
    layer = nn.Linear(4, 4)
    whole = quantize_model(nn.Sequential(layer, nn.ReLU(), layer), [noise(5, 4)])
    assert whole[0] is whole[2] and isinstance(whole[0], QuantizedLinear)


CONFIGS = {"gpt2": TransformerConfig(65, layers=2), "modern": TransformerConfig.modern(65, layers=2)}
CONFIGS["swiglu"] = TransformerConfig.modern(65, layers=2, activation="swiglu", kv_heads=2)


def some_gpt(config):
    manual_seed(1)
    model = GPT(config).eval()
    for i, parameter in enumerate(p for p in model.parameters() if p.ndim == 2):
        parameter.data[...] = noise(*parameter.shape, seed=i) / math.sqrt(len(parameter))
    return model


@pytest.mark.parametrize("name", CONFIGS)
def test_a_gpt_in_whole_numbers_says_what_it_said_and_is_a_quarter_of_its_size(name, tmp_path):
    model, ids = some_gpt(CONFIGS[name]), np.random.default_rng(0).integers(0, 65, (4, 64))
    whole = quantize_model(model, [ids])
    kinds = [type(module) for module in whole.modules()]
    assert Linear not in kinds and Embedding not in kinds
    assert kinds.count(QuantizedLinear) == CONFIGS[name].layers * (7 if name == "swiglu" else 6) + (name != "gpt2")
    z, q = answers(model, ids), answers(whole, ids)
    assert np.abs(z - q).max() < 0.15 * np.abs(z).max()
    weights = {name: p.data for name, p in model.named_parameters() if p.ndim == 2}
    own = [a.nbytes for a in whole.state_dict().values() if a.dtype == np.int8]
    assert sum(own) == sum(w.nbytes for w in weights.values()) / 4
    path = tmp_path / "gpt.safetensors"
    save_quantized(whole, path)
    assert path.stat().st_size < 0.275 * stored_bytes(model)


def test_files_load_back_bit_for_bit(tmp_path):
    path = tmp_path / "net.safetensors"
    for model, x, fresh in [
        (small_cnn(), noise(5, 1, 8, 8), small_cnn()),
        (some_gpt(CONFIGS["gpt2"]), np.arange(8)[None], GPT(CONFIGS["gpt2"])),
        (some_gpt(CONFIGS["modern"]), np.arange(8)[None], GPT(CONFIGS["modern"])),
    ]:
        whole = quantize_model(model, [x], per_channel=False)
        save_quantized(whole, path)
        kept = copy.deepcopy(fresh.state_dict())
        again = load_quantized(fresh, path)
        for (name, a), (other, b) in zip(whole.state_dict().items(), again.state_dict().items(), strict=True):
            assert name == other and a.dtype == b.dtype and a.tobytes() == b.tobytes()
        assert answers(whole, x).tobytes() == answers(again, x).tobytes()
        assert all((kept[name] == a).all() for name, a in fresh.state_dict().items())


def test_files_are_safetensors(tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    whole = quantize_model(small_cnn(), [noise(5, 1, 8, 8)])
    save_quantized(whole, tmp_path / "net.safetensors")
    theirs = library.load_file(tmp_path / "net.safetensors")
    assert {name: a.tobytes() for name, a in whole.state_dict().items()} == {n: a.tobytes() for n, a in theirs.items()}


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path, x = tmp_path / "net.safetensors", noise(5, 1, 8, 8)
    save_quantized(quantize_model(small_cnn(), [x]), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    with pytest.raises(ValueError, match="cut short"):
        load_quantized(small_cnn(), path)
    path.write_bytes(whole[:-7] + b"1234567")
    with pytest.raises(ValueError, match="damaged"):
        load_quantized(small_cnn(), path)
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="of another network"):
        load_quantized(nn.Sequential(nn.Linear(4, 4)), path)
    from tinytorch import serialization

    serialization.save(quantize_model(small_cnn(), [x]).state_dict() | {"7.weight": np.ones((32, 10))}, path)
    with pytest.raises(ValueError, match=r"7\.weight is float64, here int8"):
        load_quantized(small_cnn(), path)


def test_whole_numbers_have_no_gradient():
    whole = quantize_model(nn.Linear(3, 2), [noise(4, 3)])
    assert not any(p.requires_grad for p in whole.parameters())
    with pytest.raises(RuntimeError, match="no gradient"):
        whole(Tensor(noise(4, 3), requires_grad=True))
    with pytest.raises(ValueError, match=r"\(\.\.\., 3\)"):
        whole(noise(4, 2))
    with pytest.raises(ValueError, match=r"\(B, 1, H, W\)"):
        quantize_model(nn.Conv2d(1, 2, 3), [noise(2, 1, 5, 5)])(noise(2, 3, 5, 5))


def test_a_padding_row_stays_zero_and_ids_are_checked():
    table = QuantizedEmbedding(Embedding(5, 8, padding_idx=2))
    z = table(np.array([[2, 4]])).data
    assert (z[0, 0] == 0).all() and (z[0, 1] != 0).any()
    with pytest.raises(IndexError, match="5"):
        table(np.array([5]))


def test_digits_lose_nothing_much():
    manual_seed(3)
    data = digits()
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    Trainer(model, Adam(model.parameters(), lr=0.01)).fit(Batches(data.x_train, data.y_train), 8)
    whole = quantize_model(model, [data.x_train])
    shares = [accuracy(Tensor(answers(each, data.x_test)), Tensor(data.y_test)) for each in (model, whole)]
    assert shares[0] > 0.93 and abs(shares[0] - shares[1]) <= 0.005


# -- four bits, sixteen bits ---------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(0, 999), st.integers(0, 5), st.integers(1, 3))
def test_four_bits_come_back(seed, pairs, columns):
    q = np.random.default_rng(seed).integers(-8, 8, (2 * pairs, columns)).astype(np.int8)
    packed = pack_int4(q)
    assert packed.nbytes * 2 == q.nbytes
    back = unpack_int4(packed)
    assert back.dtype == np.int8
    np.testing.assert_array_equal(back, q)


def test_four_bits_refuse_what_they_cannot_hold():
    with pytest.raises(ValueError, match="-8 to 7, got -9 to 0"):
        pack_int4(np.array([-9, 0], np.int8))
    with pytest.raises(ValueError, match="even number of rows is needed, got 3"):
        pack_int4(np.zeros(3, np.int8))
    with pytest.raises(ValueError, match="got 5 for 32"):
        Int4Linear(Linear(32, 4), group=5)
    with pytest.raises(ValueError, match="got 64 for 32"):
        Int4Linear(Linear(32, 4), group=64)


def test_smaller_groups_are_finer():
    layer, x = Linear(128, 64), noise(10, 128)
    layer.weight.data *= np.geomspace(0.1, 1, 128, dtype=np.float32)[:, None]
    errors = []
    for group in (16, 128):
        four = Int4Linear(layer, group)
        assert four.weight.shape == layer.weight.shape
        errors.append(np.abs(answers(four, x) - answers(layer, x)).mean())
        limit = np.repeat(four.scale.data.astype(np.float32).reshape(-1, 64), group, axis=0)
        assert (np.abs(four.weight.data - layer.weight.data) <= 0.55 * limit).all()
    assert errors[0] < errors[1] / 1.5
    assert stored_bytes(int4_model(nn.Sequential(layer), 128)) < 0.14 * stored_bytes(layer)


def test_halves_halve_and_refuse_what_they_cannot_hold():
    model = nn.Linear(4, 4)
    stored = halved({**model.state_dict(), "count": np.array([3])})
    assert {a.dtype.name for a in stored.values()} == {"float16", "int64"}
    fresh = nn.Linear(4, 4)
    fresh.load_state_dict({name: a for name, a in stored.items() if name != "count"})
    assert fresh.weight.dtype == np.float32
    np.testing.assert_allclose(fresh.weight.data, model.weight.data, rtol=1e-3)
    model.weight.data[0, 0] = 65_520
    with pytest.raises(OverflowError, match="weight has a number beyond"):
        halved(model.state_dict())
    assert np.isinf(halved({"x": np.array([np.inf])})["x"]).all()


def test_a_loss_scale_saves_small_gradients():
    """Without it a gradient of 1e-8 is nothing in float16; with it the step is the one of float32."""
    steps = {}
    for name, value in {"none": 1.0, "scaled": 2.0**15}.items():
        manual_seed(5)
        model = half_model(nn.Sequential(nn.Linear(4, 3)).train())
        before = model[0].layer.weight.data.copy()
        loss = lambda z, y: (z * y).mean() * 1e-8
        trainer = ScaledTrainer(model, SGD(model.parameters(), lr=1.0), loss, scale=LossScale(value))
        trainer.step([(Tensor(noise(8, 4)), Tensor(noise(8, 3, seed=1)))])
        steps[name] = (model[0].layer.weight.data - before) * 1.0
    assert np.abs(steps["none"]).max() == 0 < np.abs(steps["scaled"]).max()


def test_a_step_that_overflows_is_left_out():
    model = half_model(nn.Sequential(nn.Linear(4, 3)).train())
    before = model[0].layer.weight.data.copy()
    trainer = ScaledTrainer(model, SGD(model.parameters(), lr=1.0), scale=LossScale(2.0**30, every=2))
    x, y = Tensor(noise(8, 4)), Tensor(np.arange(8) % 3)
    trainer.step([(x, y)])
    assert trainer.skipped == 1 and trainer.scale.value == 2.0**29
    np.testing.assert_array_equal(model[0].layer.weight.data, before)
    trainer.scale.value = 2.0
    for _ in range(2):
        trainer.step([(x, y)])
    assert trainer.scale.value == 4.0 and (model[0].layer.weight.data != before).any()
    for value, every in ((0.0, 1), (math.nan, 1), (1.0, 0)):
        with pytest.raises(ValueError, match="above 0"):
            LossScale(value, every)


def test_scaled_training_resumes_with_its_scale(tmp_path):
    def trainer():
        manual_seed(2)
        model = half_model(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3)).train())
        return ScaledTrainer(model, SGD(model.parameters(), lr=0.1), scale=LossScale(8.0, every=3))

    data = Batches(noise(24, 4), np.arange(24) % 3, size=8)
    whole, first, second = trainer(), trainer(), trainer()
    whole.fit(data, 4)
    first.fit(data, 2)
    first.save(tmp_path / "half.safetensors")
    second.load(tmp_path / "half.safetensors")
    second.fit(data, 4)
    assert second.scale.value == whole.scale.value > 8
    for a, b in zip(whole.model.parameters(), second.model.parameters()):
        np.testing.assert_array_equal(a.data, b.data)


def test_half_precision_learns_as_float32_does():
    data, losses = digits(), []
    for half in (False, True):
        manual_seed(4)
        model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        model = half_model(model.train()) if half else model
        trainer = (ScaledTrainer if half else Trainer)(model, Adam(model.parameters(), lr=0.01))
        losses.append(trainer.fit(Batches(data.x_train, data.y_train), 4)[-1]["loss"])
    assert abs(losses[0] - losses[1]) < 0.02
