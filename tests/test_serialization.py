"""What is true of files of arrays: what goes in comes out, and no damage passes for data."""

import ast
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch import serialization
from tinytorch.serialization import DTYPES, load, load_mapped, read, save
from tinytorch.tensor import Tensor

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
dtypes = st.sampled_from([np.dtype(code) for code in DTYPES.values()])
anything = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
texts = st.text(max_size=8).filter(lambda text: text not in ("__metadata__", "crc32"))
tables = st.dictionaries(texts.filter(bool), anything, max_size=5)


def equal(yours: dict, given: dict) -> None:
    assert list(yours) == list(given)
    for name, array in given.items():
        assert yours[name].dtype == array.dtype and yours[name].shape == array.shape
        assert yours[name].tobytes() == np.ascontiguousarray(array).tobytes(), name  # NaNs and -0.0 too


# -- round trips ---------------------------------------------------------------------------------------------------


@quick
@given(tables, st.dictionaries(texts, texts, max_size=3))
def test_what_goes_in_comes_out(tmp_path, arrays, notes):
    save(arrays, tmp_path / "a.safetensors", notes)
    yours, metadata = read(tmp_path / "a.safetensors")
    equal(yours, arrays)
    assert metadata == notes
    assert all(array.flags.writeable and array.flags.owndata for array in yours.values() if array.ndim == 1)


@quick
@given(tables)
def test_mapped_arrays_are_those_of_the_file(tmp_path, arrays):
    save(arrays, tmp_path / "a.safetensors")
    equal(load_mapped(tmp_path / "a.safetensors"), arrays)


def test_mapped_arrays_may_change_and_the_file_does_not(tmp_path):
    path = tmp_path / "a.safetensors"
    save({"a": np.arange(4.0), "b": np.ones(2)}, path)
    before, mapped = path.read_bytes(), load_mapped(path)
    mapped["a"] += 1
    assert mapped["a"].tolist() == [1, 2, 3, 4] and type(mapped["a"]) is np.ndarray
    assert path.read_bytes() == before
    assert load_mapped(path)["a"].tolist() == [0, 1, 2, 3]
    assert load(path)["b"].flags.owndata and not mapped["b"].flags.owndata  # one is a copy, one stands in the file


@quick
@given(tables)
def test_their_library_reads_our_files(tmp_path, arrays):
    theirs = pytest.importorskip("safetensors.numpy")
    save(arrays, tmp_path / "a.safetensors", {"made by": "us"})
    found = theirs.load_file(tmp_path / "a.safetensors")
    equal({name: found[name] for name in arrays}, arrays)
    assert len(found) == len(arrays)


@quick
@given(tables, st.none() | st.dictionaries(texts, texts, min_size=1, max_size=3))
def test_we_read_the_files_of_their_library(tmp_path, arrays, notes):
    theirs = pytest.importorskip("safetensors.numpy")
    theirs.save_file(
        {name: np.ascontiguousarray(a).reshape(a.shape) for name, a in arrays.items()}, tmp_path / "a", notes
    )
    found, metadata = read(tmp_path / "a")
    equal({name: found[name] for name in arrays}, arrays)
    assert len(found) == len(arrays) and metadata == (notes or {})


def test_any_layout_and_byte_order_goes_in(tmp_path):
    x = np.arange(12.0).reshape(3, 4)
    save({"turned": x.T, "cut": x[::2, 1:], "big": x.astype(">f4"), "tensor": Tensor(x).data}, tmp_path / "a")
    found = load(tmp_path / "a")
    np.testing.assert_array_equal(found["turned"], x.T)
    np.testing.assert_array_equal(found["cut"], x[::2, 1:])
    np.testing.assert_array_equal(found["big"], x)
    assert found["big"].dtype == np.dtype("<f4")


@pytest.mark.parametrize("value", [np.array(["a"]), np.array([None]), np.zeros(2, complex), np.array(1, "M8[s]")])
def test_a_dtype_that_the_format_lacks_is_named_and_nothing_is_written(tmp_path, value):
    with pytest.raises(TypeError, match="cannot hold it"):
        save({"it": value}, tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_the_formats_own_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match="__metadata__"):
        save({"__metadata__": np.zeros(2)}, tmp_path / "a")


# -- atomic --------------------------------------------------------------------------------------------------------


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a"
    save({"x": np.ones(3)}, path)

    def no_room(*_):
        raise OSError("no room")

    for place in ("fsync", "replace"):
        with monkeypatch.context() as patched:
            patched.setattr(serialization.os, place, no_room)
            with pytest.raises(OSError, match="no room"):
                save({"x": np.zeros(3)}, path)
        assert os.listdir(tmp_path) == ["a"]
        np.testing.assert_array_equal(load(path)["x"], np.ones(3))


def test_whoever_has_the_old_file_open_keeps_it(tmp_path):
    path = tmp_path / "a"
    save({"x": np.ones(3)}, path)
    before = path.read_bytes()
    with open(path, "rb") as reader:
        save({"x": np.zeros(300)}, path)
        assert reader.read() == before


def test_a_file_is_as_readable_as_any_other(tmp_path):
    save({}, tmp_path / "ours")
    (tmp_path / "other").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_missing_folder_or_file_is_the_systems_own_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        save({}, tmp_path / "none" / "a")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "a")


# -- damage --------------------------------------------------------------------------------------------------------

SMALL = {
    "w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "n": np.array(3),
    "none": np.zeros((0, 2)),
    "b": np.ones(1, bool),
}


@pytest.fixture
def small(tmp_path):
    save(SMALL, tmp_path / "small", {"note": "1234"})
    return tmp_path / "small"


def test_a_damaged_file_is_not_mapped_either(small):
    content = small.read_bytes()
    for damaged in (b"", content[:5], content[:-1], content + b"x", content[:-1] + bytes([content[-1] ^ 1])):
        small.write_bytes(damaged)
        with pytest.raises(ValueError, match=small.name):
            load_mapped(small)


def test_a_file_cut_short_anywhere_is_refused(small):
    whole = small.read_bytes()
    for length in range(len(whole)):
        small.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"small: (the file is cut short|this is not|'w'|'n'|the file is damaged)"):
            read(small)


def test_a_file_that_goes_on_is_refused(small):
    small.write_bytes(small.read_bytes() + b"\0")
    with pytest.raises(ValueError, match="cover"):
        read(small)


def test_any_bit_that_flips_is_found(small):
    whole, harmless = small.read_bytes(), []
    for place in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            small.write_bytes(damaged)
            try:
                found, notes = read(small)
            except ValueError as error:
                assert str(error).startswith(str(small))
            else:  # only where the checksum's own name is hit; then the content is whole, and the odd name shows
                harmless.append((place, bit))
                equal(found, SMALL)
                assert notes.keys() - {"note"}
    name = whole.index(b"crc32")
    assert {place for place, _ in harmless} <= set(range(name, name + 5))


def test_two_bytes_exchanged_are_found(small):
    whole = bytearray(small.read_bytes())
    at = len(whole) - 33 + 4 * 1  # in the floats of w
    whole[at : at + 4], whole[at + 4 : at + 8] = whole[at + 4 : at + 8], whole[at : at + 4]
    small.write_bytes(whole)
    with pytest.raises(ValueError, match="checksum"):
        read(small)


def built(header, data=b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(shape, offsets, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a safetensors file"),
        (b"hello", "not a safetensors file"),
        (b"PK\x03\x04" + b"\0" * 60, "not a safetensors file"),
        (b"\x80\x04\x95" + b"\0" * 60, "not a safetensors file"),  # a pickle
        (b"\xff" * 64, "not a safetensors file"),
        ((2**40).to_bytes(8, "little") + b"{}", "not a safetensors file"),
        ((10**8).to_bytes(8, "little") + b"{}", "cut short"),
        (built([]), "not a safetensors file"),
        (built(b'{"a": '), "not JSON"),
        (built(b"{" + b"[" * 5000), "not JSON"),
        (built(b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "not JSON"),
        (built(b'{"\xff": 1}'), "not JSON"),
        (built({"a": 3}), "entry for 'a' is 3"),
        (built({"a": None}), "entry for 'a'"),
        (built({"a": {"dtype": "F32"}}), "entry for 'a'"),
        (built({"a": entry([1], [0, 4, 8])}, b"\0" * 4), "entry for 'a'"),
        (built({"a": entry([1], [0, 4], ["F32"])}, b"\0" * 4), "entry for 'a'"),
        (built({"a": entry([1.0], [0, 4])}, b"\0" * 4), "entry for 'a'"),
        (built({"a": entry([True], [0, 4])}, b"\0" * 4), "entry for 'a'"),
        (built({"a": entry([-1, -1], [0, 4])}, b"\0" * 4), "entry for 'a'"),
        (built({"a": entry([1], [-4, 0])}, b"\0" * 4), "entry for 'a'"),
        (built({"a": entry([2], [0, 4], "BF16")}, b"\0" * 4), "stored as BF16"),
        (built({"a": entry([2], [0, 4])}, b"\0" * 4), r"does not fit into bytes 0\.\.4"),
        (built({"a": entry([1], [4, 0])}, b"\0" * 4), "does not fit"),
        (built({"a": entry([2**62, 2**62], [0, 4])}, b"\0" * 4), "does not fit"),
        (built({"a": entry([1], [0, 4])}), "cut short"),
        (built({"a": entry([1], [4, 8])}, b"\0" * 8), "cover"),
        (built({"a": entry([1], [0, 4]), "b": entry([1], [0, 4])}, b"\0" * 4), "cover"),
        (built({"a": entry([1], [0, 4])}, b"\0" * 8), "cover"),
        (built({"__metadata__": {"a": 1}}), "metadata"),
        (built({"__metadata__": ["a"]}), "metadata"),
        (built({"__metadata__": {"crc32": "00000000"}}), "checksum"),
    ],
)
def test_what_is_foreign_gets_a_clear_error(tmp_path, content, says):
    (tmp_path / "foreign").write_bytes(content)
    with pytest.raises(ValueError, match=says) as caught:
        load(tmp_path / "foreign")
    assert str(caught.value).startswith(str(tmp_path / "foreign"))


@quick
@given(st.binary(max_size=80))
def test_random_bytes_are_refused_or_read_but_never_crash(tmp_path, content):
    (tmp_path / "random").write_bytes(content)
    try:
        load(tmp_path / "random")
    except ValueError as error:
        assert "random" in str(error)


# -- no pickle -----------------------------------------------------------------------------------------------------


def test_nothing_is_pickled_anywhere_in_the_framework():
    for path in Path(serialization.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = {
                alias.name for alias in getattr(node, "names", []) if isinstance(node, ast.Import | ast.ImportFrom)
            }
            module = getattr(node, "module", None) if isinstance(node, ast.ImportFrom) else None
            assert not {"pickle", "marshal", "shelve", "dill", "joblib"} & {*names, module}, path.name
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant) and node.value.value is False, path.name


@pytest.mark.parametrize(
    "arrays, metadata", [({}, {"epoch": 3}), ({}, {1: "one"}), ({}, {"a": None}), ({1: np.ones(1)}, None)]
)
def test_names_and_metadata_that_are_no_texts_are_refused_before_anything_is_written(tmp_path, arrays, metadata):
    with pytest.raises(TypeError, match="names and metadata are texts, got"):
        save(arrays, tmp_path / "x", metadata)
    assert list(tmp_path.iterdir()) == []


def test_the_checksum_s_place_is_reserved(tmp_path):
    with pytest.raises(ValueError, match="crc32"):
        save({}, tmp_path / "x", {"crc32": "mine"})


@pytest.mark.parametrize(
    "head",
    [
        b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}',
        b'{"b":{"dtype":"U8","shape":[2],"shape":[1],"data_offsets":[0,2]}}',
        b'{"__metadata__":{"k":"1","k":"2"},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}',
    ],
)
def test_a_name_that_stands_twice_is_refused(tmp_path, head):
    (tmp_path / "x").write_bytes(len(head).to_bytes(8, "little") + head + b"12")
    with pytest.raises(ValueError, match=r"its header has '.*' twice"):
        load(tmp_path / "x")
