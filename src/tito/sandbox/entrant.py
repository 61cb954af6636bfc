"""The entrant: an entry of a competition as functions of plain arrays. Copied into its tree, beside entry.py.

An entry says `load(weights)`, which returns a model, or `predict(x)`; it may say `pack(weights)`; in a speedrun it says
`train(ids, characters, seed)`. README of the olympics: docs/olympics.md.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch import entry, olympics, serialization
from tinytorch.memoization import caches_for
from tinytorch.tensor import no_grad

WEIGHTS = Path(__file__).with_name("weights.safetensors")
state: dict[str, Any] = {}


def stored() -> dict[str, np.ndarray]:
    """The arrays of the weights' file; none if there is no such file."""
    return serialization.load(WEIGHTS) if WEIGHTS.is_file() else {}


def says() -> list[str]:
    """Which of the functions that an entry may have it has."""
    return [name for name in ("load", "predict", "pack", "train") if callable(getattr(entry, name, None))]


def pack() -> dict[str, np.ndarray]:
    """What the entry makes of the weights that it is given, to be kept in a file."""
    return {name: np.asarray(array) for name, array in entry.pack(stored()).items()}


def begin(name: str) -> None:
    """Load the weights; from now on `answer` knows them."""
    if "predict" in says():
        state["answer"] = entry.predict
        return
    event, model = olympics.EVENTS[name], entry.load(stored())
    if hasattr(model, "eval"):
        model.eval()
    state["answer"] = lambda x: olympics.predict(event, model, x)


def answer(x: np.ndarray) -> Any:
    """What the entry says of rows x."""
    z = state["answer"](x)
    return z.data if hasattr(z, "requires_grad") else z


def silent(columns: int, dtype: str) -> None:
    """From now on `answer` computes nothing: so many zeros a row."""
    state["answer"] = lambda x: np.zeros((len(x), columns), dtype)


# -- a speedrun -------------------------------------------------------------------------------------------------------


def train(ids: np.ndarray, characters: int, seed: int) -> None:
    """Begin to train: nothing happens before `go_on`."""
    state["training"] = iter(entry.train(ids, characters, seed))


def go_on() -> bool:
    """Train until the entry wants to be looked at; whether it does."""
    state["model"] = next(state["training"], None)
    return state["model"] is not None


def listen(streams: int) -> None:
    """So many texts are about to be shown, a character of each at a time."""
    make: Callable[[Any, int], Callable[[np.ndarray], Any]] = getattr(entry, "reader", reader)
    state["read"] = make(state["model"], streams)


def hear(ids: np.ndarray) -> Any:
    """The next character of each text (B,) -> a score for each that could follow (B, V)."""
    with no_grad():
        z = state["read"](ids)
    return z.data if hasattr(z, "requires_grad") else z


def reader(model: Any, streams: int) -> Callable[[np.ndarray], Any]:
    """How a GPT of chapter 13 reads: with the caches of chapter 17."""
    model.eval()
    caches = caches_for(model, streams)

    def read(ids: np.ndarray) -> Any:
        return model(ids[:, None], caches=caches, start=len(caches[0]))[:, -1]

    return read
