"""Arrays in files: the safetensors format, written with the standard library and NumPy.

A file is eight bytes of header length, a JSON header (for each name: dtype, shape, first and last byte), and the
arrays' bytes, nothing that runs: https://github.com/huggingface/safetensors#format. Files are written atomically: a
reader sees the old file or the new one, whatever happens in between.
"""

import json
import math
import os
import tempfile
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


def save(arrays: dict[str, Any], path: str | os.PathLike, metadata: dict[str, str] | None = None) -> None:
    """Write named arrays and a few strings to a file, atomically. Raises TypeError for a dtype the format lacks."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    parts, at = [], 0
    for name, value in arrays.items():
        array = np.asarray(value)
        array = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
        if array.dtype not in CODES:
            raise TypeError(f"safetensors cannot hold {name}, which is {array.dtype}; it holds {', '.join(DTYPES)}")
        header[name] = {
            "dtype": CODES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        parts.append(array)
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the arrays start at a multiple of eight
    replace(Path(path), [len(text).to_bytes(8, "little"), text, *(part.tobytes() for part in parts)])


def load(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The named arrays of a file. Raises ValueError, saying what is wrong, for one that is cut short or foreign."""
    return read(path)[0]


def read(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The named arrays of a file, and its metadata."""
    data = Path(path).read_bytes()
    header = _header(data, path)
    metadata = header.pop("__metadata__", {})
    start = 8 + int.from_bytes(data[:8], "little")
    arrays = {}
    for name, entry in header.items():
        try:
            dtype, shape, (first, last) = np.dtype(DTYPES[entry["dtype"]]), tuple(entry["shape"]), entry["data_offsets"]
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"{path}: the header's entry for {name!r} is not safetensors") from None
        if not 0 <= first <= last or last - first != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{path}: {name!r} of shape {shape} and {dtype} does not fit into bytes {first}..{last}")
        if start + last > len(data):
            raise ValueError(f"{path} is cut short: {name!r} ends at byte {start + last}, the file at {len(data)}")
        arrays[name] = np.frombuffer(data, dtype, math.prod(shape), start + first).reshape(shape).copy()
    return arrays, metadata


def _header(data: bytes, path: Any) -> dict[str, Any]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > MOST_HEADER:
        raise ValueError(f"{path} is not a safetensors file: it starts with {data[:8]!r}")
    if 8 + length > len(data):
        raise ValueError(f"{path} is cut short: its header needs {8 + length} bytes, the file has {len(data)}")
    try:
        header = json.loads(data[8 : 8 + length])
    except ValueError:
        raise ValueError(f"{path} is not a safetensors file: its header is not JSON") from None
    if not isinstance(header, dict):
        raise ValueError(f"{path} is not a safetensors file: its header is not a table")
    return header


def replace(path: Path, chunks: list[bytes]) -> None:
    """Write chunks beside the file, then put them in its place in one move."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
