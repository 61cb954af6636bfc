"""Arrays in files: the safetensors format, written with the standard library and NumPy.

A file is eight bytes of header length, a JSON header (for each name: dtype, shape, first and
last byte), and the arrays' bytes, nothing that runs:
https://github.com/huggingface/safetensors#format. Files are written atomically: a reader sees
the old file or the new one, whatever happens in between. Ours also carry a checksum in the
format's place for notes, `__metadata__`, so that no damage passes for data.
"""

import json
import math
import mmap
import os
import secrets
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}
CODES = {np.dtype(dtype): code for code, dtype in DTYPES.items()}
MOST_HEADER = 100_000_000  # bytes, the format's own limit
PathLike = str | os.PathLike
Texts = Mapping[str, str]


def save(arrays: dict[str, Any], path: PathLike, metadata: Texts | None = None) -> None:
    """Write named arrays and a few strings to a file, atomically.

    Raises TypeError for a dtype that the format lacks and for names and metadata that are not
    texts, ValueError for a name that is reserved.
    """
    notes = dict(metadata or {})
    if wrong := [text for text in (*arrays, *notes, *notes.values()) if not isinstance(text, str)]:
        raise TypeError(f"names and metadata are texts, got {wrong[0]!r}")
    if "crc32" in notes:
        raise ValueError("the metadata's crc32 is the checksum's own")
    header: dict[str, Any] = {"__metadata__": notes}
    parts, at = [], 0
    for name, value in arrays.items():
        array = np.asarray(value)
        array = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
        if array.dtype not in CODES:
            known = ", ".join(DTYPES)
            raise TypeError(f"safetensors cannot hold {name}, {array.dtype}; it holds {known}")
        if name == "__metadata__":
            raise ValueError(f"the name {name} is the format's own")
        entry = {"dtype": CODES[array.dtype], "shape": list(array.shape)}
        header[name] = {**entry, "data_offsets": [at, at + array.nbytes]}
        parts.append(array)
        at += array.nbytes
    header["__metadata__"]["crc32"] = _checksum(header, parts)
    text = _compact(header)
    text += b" " * (-len(text) % 8)  # so that the arrays start at a multiple of eight
    replace(Path(path), [len(text).to_bytes(8, "little"), text, *parts])


def load(path: PathLike) -> dict[str, np.ndarray]:
    """The named arrays of a file. Raises ValueError, saying what is wrong, if it is damaged."""
    return read(path)[0]


def load_mapped(path: PathLike) -> dict[str, np.ndarray]:
    """The named arrays of a file, where they stand in it: a part is read from it when it is first used.

    The arrays may be changed; the file does not change with them. It must stay as it is while they are in use.
    Raises ValueError as load does.
    """
    with open(path, "rb") as file:
        empty = os.fstat(file.fileno()).st_size == 0  # which cannot be mapped
        content = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return _read(path, content)[0]


def read(path: PathLike) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The named arrays of a file, and its metadata. Raises ValueError as load does."""
    arrays, metadata = _read(path, Path(path).read_bytes())
    return {name: array.copy() for name, array in arrays.items()}, metadata


def _read(path: PathLike, content: Any) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The named arrays, as views of a file's content, and its metadata."""
    try:
        start, header = _parse(content)
        data, metadata = memoryview(content)[start:], header.get("__metadata__", {})
        if not isinstance(metadata, dict) or {type(text) for text in metadata.values()} - {str}:
            raise ValueError("this is not safetensors: its metadata are not texts")
        arrays = _cut(data, {name: header[name] for name in header if name != "__metadata__"})
        wanted = metadata.pop("crc32", None)
        if wanted is not None and wanted != _checksum(header, [data]):
            raise ValueError("the file is damaged: its checksum does not fit its content")
    except ValueError as problem:
        raise ValueError(f"{path}: {problem}") from None
    return arrays, metadata


def _parse(data: Any) -> tuple[int, dict[str, Any]]:
    """Where the arrays start, and the header. Raises ValueError for what is no header."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > MOST_HEADER or data[8:9] not in (b"{", b""):
        raise ValueError(f"this is not a safetensors file: it starts with {data[:9]!r}")
    if 8 + length > len(data):
        need = f"its header needs {8 + length} bytes, it has {len(data)}"
        raise ValueError(f"the file is cut short: {need}")
    try:
        header = json.loads(data[8 : 8 + length].decode(), object_pairs_hook=_named_once)
    except KeyError as name:
        raise ValueError(f"this is not safetensors: its header has {name} twice") from None
    except (ValueError, RecursionError):
        raise ValueError("this is not safetensors: its header is not JSON") from None
    if not isinstance(header, dict):
        raise ValueError("this is not safetensors: its header is not a table")
    return 8 + length, header


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A table of JSON. Raises KeyError with a name that stands in it twice."""
    table: dict[str, Any] = {}
    for name, value in pairs:
        if name in table:
            raise KeyError(name)
        table[name] = value
    return table


def _cut(data: memoryview, entries: dict[str, Any]) -> dict[str, np.ndarray]:
    """The arrays that the entries name. Raises ValueError unless they cover the data, once."""
    arrays, covered = {}, []
    for name, entry in entries.items():
        dtype, shape, first, last = _place(name, entry)
        if last > len(data):
            end = f"{name!r} ends at byte {last}, its data at {len(data)}"
            raise ValueError(f"the file is cut short: {end}")
        covered.append((first, last))
        arrays[name] = np.frombuffer(data[first:last], dtype).reshape(shape)
    ends = [0, *(last for _, last in sorted(covered))]
    if [first for first, _ in sorted(covered)] != ends[:-1] or ends[-1] != len(data):
        raise ValueError("this is not safetensors: its arrays do not cover its data")
    return arrays


def _place(name: str, entry: Any) -> tuple[np.dtype, tuple[int, ...], int, int]:
    """What an entry of the header says. Raises ValueError if it contradicts itself."""
    try:
        code, shape, (first, last) = entry["dtype"], entry["shape"], entry["data_offsets"]
        numbers = [*shape, first, last]
        natural = type(code) is str and all(type(n) is int and n >= 0 for n in numbers)
    except (KeyError, TypeError, ValueError):
        natural = False
    if not natural:
        raise ValueError(f"this is not safetensors: the entry for {name!r} is {entry!r}")
    if code not in DTYPES:
        raise ValueError(f"{name!r} is stored as {code}; NumPy has {', '.join(DTYPES)}")
    dtype = np.dtype(DTYPES[code])
    if last - first != math.prod(shape) * dtype.itemsize:
        form = f"{dtype} of shape {tuple(shape)}"
        raise ValueError(f"{name!r}, {form}, does not fit into bytes {first}..{last}")
    return dtype, tuple(shape), first, last


def _compact(header: dict[str, Any]) -> bytes:
    """A header as JSON, without spaces."""
    return json.dumps(header, separators=(",", ":")).encode()


def _checksum(header: dict[str, Any], parts: Iterable[Any]) -> str:
    """The CRC-32 of the header, itself left out, and the bytes of the arrays."""
    value = zlib.crc32(_compact(header))
    for part in parts:
        value = zlib.crc32(part, value)
    return f"{value:08x}"


def replace(path: Path, chunks: Iterable[Any]) -> None:
    """Write chunks of bytes beside the file, then put them in its place in one move."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
