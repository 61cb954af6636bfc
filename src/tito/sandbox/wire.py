"""The wire between judge and worker: frames of JSON and raw array bytes. NumPy and the standard library only.

    frame   = header length (4 bytes) + body length (4 bytes) + header + body
    header  = JSON; an array is {"array": [dtype, shape]}, its bytes stand in the body in the same order

Nothing is unpickled, no .npy header is parsed, no length is believed: headers end at 64 KB, bodies at 8 MB, dtypes
come from a list, and the body must hold exactly shape x itemsize bytes.
"""

import json
import struct
from typing import Any, BinaryIO

import numpy as np

HEADER_CAP = 64 * 1024
BODY_CAP = 8 * 1024 * 1024
DEPTH_CAP = 32
INTEGER_CAP = 1024  # bits: what is longer is no float, and Python refuses to print it from 4,300 digits on
DTYPES = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
)


class Malformed(Exception):
    """A frame that does not follow the format."""


class Foreign:
    """Something that cannot cross the wire: only the name of its type does."""

    def __init__(self, kind: str):
        self.kind = kind

    def __repr__(self) -> str:
        return f"an object of type {self.kind}"


# -- values to frames -------------------------------------------------------------------------------------------------


def pack(value: Any) -> bytes:
    """One frame that carries the value: None, bool, int, float, str, list, tuple, dict, arrays of plain numbers."""
    buffers: list[bytes] = []
    header = json.dumps(_encode(value, buffers, 0), separators=(",", ":")).encode()
    body = b"".join(buffers)
    if len(header) > HEADER_CAP or len(body) > BODY_CAP:
        raise Malformed(f"too large to send: {len(header)} bytes of header, {len(body)} bytes of arrays")
    return struct.pack(">II", len(header), len(body)) + header + body


def _encode(value: Any, buffers: list[bytes], depth: int) -> Any:
    if depth > DEPTH_CAP:
        raise Malformed(f"nested deeper than {DEPTH_CAP}")
    if type(value) is int and value.bit_length() > INTEGER_CAP:
        return {"object": f"integer of {value.bit_length()} bits"}
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value).view(np.ndarray) if isinstance(value, np.ndarray) else np.asarray(value)
        if array.dtype.name not in DTYPES:
            return {"object": f"array of dtype {array.dtype}"}
        buffers.append(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
        return {"array" if isinstance(value, np.ndarray) else "scalar": [array.dtype.name, list(array.shape)]}
    if isinstance(value, list):
        return [_encode(item, buffers, depth + 1) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_encode(item, buffers, depth + 1) for item in value]}
    if isinstance(value, dict) and all(type(key) is str for key in value):
        return {"dict": {key: _encode(item, buffers, depth + 1) for key, item in value.items()}}
    return {"object": value.kind if isinstance(value, Foreign) else type(value).__name__}


# -- frames to values -------------------------------------------------------------------------------------------------


def unpack(header: bytes, body: bytes) -> Any:
    """The value in a frame. Raises Malformed for anything but the format."""
    if header.count(b"[") + header.count(b"{") > DEPTH_CAP and _depth(header) > 2 * DEPTH_CAP:
        raise Malformed("JSON nested too deeply")
    try:
        tree = json.loads(header)
    except (ValueError, RecursionError) as error:  # ValueError: an integer of too many digits, too
        raise Malformed(f"not JSON: {error}") from None
    reader = _Body(body)
    value = _decode(tree, reader)
    if reader.position != len(body):
        raise Malformed(f"{len(body) - reader.position} bytes left over")
    return value


def _depth(header: bytes) -> int:
    depth = deepest = 0
    quoted = escaped = False
    for byte in header:
        if quoted:
            quoted, escaped = (byte != 34 or escaped), (byte == 92 and not escaped)
        elif byte == 34:
            quoted = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


class _Body:
    """Hands out the body's bytes in order."""

    def __init__(self, data: bytes):
        self.data, self.position = data, 0

    def array(self, description: Any) -> np.ndarray:
        match description:
            case [str(name), [*shape]] if name in DTYPES and len(shape) <= 32 and all(type(n) is int for n in shape):
                dtype = np.dtype(name)
            case _:
                raise Malformed("an array must say a plain dtype and a shape")
        size = dtype.itemsize
        for length in shape:
            if not 0 <= length <= BODY_CAP:
                raise Malformed(f"impossible shape {tuple(shape)}")
            size *= length
        if size > len(self.data) - self.position:
            raise Malformed(f"shape {tuple(shape)} of {name} needs {size} bytes, {len(self.data) - self.position} came")
        piece = self.data[self.position : self.position + size]
        self.position += size
        return np.frombuffer(piece, dtype.newbyteorder("<")).astype(dtype).reshape(shape)


def _decode(tree: Any, body: _Body) -> Any:
    if tree is None or type(tree) in (bool, int, float, str):
        return tree
    if type(tree) is list:
        return [_decode(item, body) for item in tree]
    if type(tree) is not dict or len(tree) != 1:
        raise Malformed("unknown form")
    [(tag, inside)] = tree.items()
    if tag == "array":
        return body.array(inside)
    if tag == "scalar":
        return body.array(inside)[()]
    if tag == "tuple" and type(inside) is list:
        return tuple(_decode(item, body) for item in inside)
    if tag == "dict" and type(inside) is dict:
        return {key: _decode(item, body) for key, item in inside.items()}
    if tag == "object" and type(inside) is str:
        return Foreign(inside[:80])
    raise Malformed(f"unknown tag {tag[:20]!r}")


# -- streams ----------------------------------------------------------------------------------------------------------


def read(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    """The next frame's header and body; None at the end. Raises Malformed before it reads a false length."""
    prefix = _exactly(stream, 8)
    if prefix is None:
        return None
    header_length, body_length = struct.unpack(">II", prefix)
    if header_length > HEADER_CAP or body_length > BODY_CAP:
        raise Malformed(f"a frame announced {header_length} bytes of header and {body_length} bytes of arrays")
    header, body = _exactly(stream, header_length), _exactly(stream, body_length)
    return None if header is None or body is None else (header, body)


def _exactly(stream: BinaryIO, length: int) -> bytes | None:
    pieces, missing = [], length
    while missing:
        piece = stream.read(missing)
        if not piece:
            return None
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)
