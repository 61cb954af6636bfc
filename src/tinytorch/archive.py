"""Archives: whatever a program saves, tensors and what they stand in, as one safetensors file.

A dict of tensors is written as other programs write it. Anything else has its outline beside it, as JSON in the
format's place for notes: dicts, lists, tuples, numbers and texts, with a name wherever a tensor stands.
"""

import json
from typing import Any

import numpy as np

from tinytorch import serialization
from tinytorch.layers import Module
from tinytorch.serialization import PathLike
from tinytorch.tensor import Tensor, check_device


def save(obj: Any, f: PathLike) -> None:
    """Write tensors, alone or in dicts, lists and tuples with numbers and texts, to a file; atomically.

    Raises TypeError for anything else, a module above all: save its state_dict().
    """
    arrays: dict[str, np.ndarray] = {}
    if isinstance(obj, dict) and all(isinstance(k, str) and _is_array(x) for k, x in obj.items()):
        serialization.save({name: np.asarray(x.data if isinstance(x, Tensor) else x) for name, x in obj.items()}, f)
        return
    outline = _outline(obj, "", arrays)
    serialization.save(arrays, f, {"outline": json.dumps(outline)})


def _is_array(x: Any) -> bool:
    return isinstance(x, Tensor | np.ndarray)


def _outline(x: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """x in JSON, its tensors moved to `arrays` under their dotted names."""
    if _is_array(x):
        while not name or name in arrays:
            name += "_"
        arrays[name] = x.data if isinstance(x, Tensor) else x
        return {"tensor": name}
    if isinstance(x, np.generic):
        x = x.item()
    if x is None or isinstance(x, bool | int | float | str):
        return x
    if isinstance(x, dict):
        keys = [_outline(key, name, arrays) for key in x]
        return {"dict": [[key, _outline(x[k], f"{name}.{k}".strip("."), arrays)] for key, k in zip(keys, x)]}
    if isinstance(x, list | tuple):
        kind = "list" if isinstance(x, list) else "tuple"
        return {kind: [_outline(part, f"{name}.{i}".strip("."), arrays) for i, part in enumerate(x)]}
    hint = ": save its state_dict()" if isinstance(x, Module) else ""
    raise TypeError(f"save takes tensors, numbers and texts, in dicts, lists and tuples; got {type(x).__name__}{hint}")


def load(f: PathLike, map_location: Any = None, *, weights_only: bool = True) -> Any:
    """What `save` wrote; of any other safetensors file, its tensors by name.

    Raises ValueError for a file that is damaged, or a pickle; RuntimeError for a map_location that is not the CPU.
    """
    check_device(map_location)
    with open(f, "rb") as file:
        start = file.read(9)
    if start[8:] != b"{" and (start[:2] == b"PK" or start[:1] == b"\x80"):  # safetensors: a length, then {
        raise ValueError(
            f"{f} is a pickle: reading one runs whatever program its writer put there, so TinyTorch does not. "
            "In PyTorch, safetensors.torch.save_file(state_dict, path) writes a file that it reads"
        )
    arrays, notes = serialization.read(f)
    tensors = {name: Tensor(array) for name, array in arrays.items()}
    return _restored(json.loads(notes["outline"]), tensors) if "outline" in notes else tensors


def _restored(x: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(x, dict):
        return x
    [(kind, parts)] = x.items()
    if kind == "tensor":
        return tensors[parts]
    if kind == "dict":
        return {_restored(key, tensors): _restored(part, tensors) for key, part in parts}
    return (list if kind == "list" else tuple)(_restored(part, tensors) for part in parts)
