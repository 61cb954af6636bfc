"""The wire: what goes in comes out, and nothing else is believed."""

import io
import json
import struct

import numpy as np
import pytest

from tito.sandbox import wire


def there_and_back(value):
    return wire.unpack(*wire.read(io.BytesIO(wire.pack(value))))


@pytest.mark.parametrize("dtype", wire.DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3)])
def test_arrays(dtype, shape):
    x = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    y = there_and_back({"x": [x, (x.T, None)]})["x"]
    np.testing.assert_array_equal(y[0], x)
    np.testing.assert_array_equal(y[1][0], x.T)
    assert y[0].dtype == x.dtype and y[0].shape == shape and y[0].flags.writeable


@pytest.mark.parametrize("value", [None, True, 3, -1.5, "é", [], (), (1, [2, (3,)]), {}, {"a": {"b": (1,)}}, 1 << 80])
def test_plain_values(value):
    assert there_and_back(value) == value and type(there_and_back(value)) is type(value)


def test_nan_and_scalars():
    assert np.isnan(there_and_back(float("nan")))
    value = there_and_back(np.float32(1.5))
    assert value == 1.5 and type(value) is np.float32


@pytest.mark.parametrize(
    "value", [object(), {1: 2}, 1j, b"x", np.array([None]), np.array(["a"]), np.array([1j]), print]
)
def test_what_cannot_cross_leaves_the_name_of_its_type(value):
    assert isinstance(there_and_back([value])[0], wire.Foreign)


def frame(header, body=b""):
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    return wire.unpack(data, body)


@pytest.mark.parametrize(
    "header, body",
    [
        (b"", b""),
        (b"{", b""),
        (b"\xff", b""),
        (b"[" * 60000, b""),
        ({"array": ["float64", [1 << 40]]}, b""),
        ({"array": ["float64", [1 << 20, 1 << 20, 1 << 20]]}, b""),
        ({"array": ["float64", [-1]]}, b""),
        ({"array": ["float64", [True]]}, b"12345678"),
        ({"array": ["float64", [2]]}, b"12345678"),
        ({"array": ["float64", [1]]}, b"1234567890123456"),
        ({"array": ["object", [1]]}, b"12345678"),
        ({"array": ["O", [1]]}, b"12345678"),
        ({"array": ["float64", [1] * 33]}, b"12345678"),
        ({"array": "float64"}, b""),
        ({"pickle": "x"}, b""),
        ({"a": 1, "b": 2}, b""),
        ({"tuple": {}}, b""),
        ({"dict": []}, b""),
        ({"object": 1}, b""),
    ],
)
def test_anything_else_is_malformed(header, body):
    with pytest.raises(wire.Malformed):
        frame(header, body)


def test_brackets_in_strings_are_not_depth():
    assert frame(json.dumps(["[{" * 200, '\\"[[']).encode()) == ["[{" * 200, '\\"[[']


@pytest.mark.parametrize("lengths", [(1 << 31, 0), (wire.HEADER_CAP + 1, 0), (0, 0xFFFFFFFF)])
def test_announced_lengths_are_capped_before_they_are_read(lengths):
    with pytest.raises(wire.Malformed, match="announced"):
        wire.read(io.BytesIO(struct.pack(">II", *lengths)))


def test_a_stream_that_ends_early():
    whole = wire.pack([np.ones(3)])
    for length in range(len(whole)):
        assert wire.read(io.BytesIO(whole[:length])) is None


def test_what_is_too_large_or_too_deep_is_not_sent():
    deep: list = []
    for _ in range(100):
        deep = [deep]
    for value in (np.zeros(2 << 20), "x" * wire.HEADER_CAP, deep):
        with pytest.raises(wire.Malformed):
            wire.pack(value)
