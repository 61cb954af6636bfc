"""What can be served: a network recognised by the names and shapes of its weights, and the check that they are whole.

Notation: an image is 8x8 pixels of 0..1, row by row, x (B, 64); a text is of the characters that a GPT has learned.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tinytorch import nn
from tinytorch.tensor import Tensor, no_grad
from tinytorch.tokenization import CharTokenizer
from tinytorch.transformers import GPT, TransformerConfig

PIXELS, DIGITS = 64, 10
CONTEXT = 128  # of a GPT whose positions are no weights: milestone 2017's
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Model:
    """A network that can be served, in evaluation mode: what it is, how many weights it has, and a GPT's characters."""

    kind: str  # "mlp", "cnn" or "gpt"
    network: nn.Module
    weights: int
    tokenizer: CharTokenizer | None = None

    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """softmax of the scores of images x (B, 64): (B, 10), float64."""
        images = x.reshape(-1, 1, 8, 8) if self.kind == "cnn" else x
        with no_grad():
            scores = self.network(Tensor(images.astype(np.float32))).data.astype(np.float64)
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)


# -- networks ---------------------------------------------------------------------------------------------------------


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers with a relu between them: `tito digits` trains one of 64, 32 and 10."""
    layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def cnn() -> nn.Sequential:
    """The LeNet of milestone 1998 for the small digits: two convolutions, two linear layers. LeCun et al., 1998."""
    half = nn.AvgPool2d(2)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.Tanh(), half, nn.Conv2d(6, 16, 3, padding=1), nn.Tanh(), half,
        nn.Flatten(), nn.Linear(PIXELS, 32), nn.Tanh(), nn.Linear(32, DIGITS),
    )  # fmt: skip


def mlp_of(arrays: Arrays) -> nn.Module:
    """An MLP of the widths that these weights have, any number of them. Raises ValueError if one does not fit the next.

    It is looked at before anything is made: two thin arrays may ask for a layer that is larger than the memory.
    """
    names = [f"{2 * i}.weight" for i in range(len(arrays) // 2) if f"{2 * i}.weight" in arrays]
    widths = [PIXELS, *(arrays[name].shape[-1] for name in names[:-1] if arrays[name].ndim), DIGITS]
    refuse_others("mlp", dict(zip(names, pairwise(widths))), {n: arrays[n] for n in names})
    return mlp(*widths)


def gpt_of(arrays: Arrays) -> nn.Module:
    """A GPT as milestone 2017 makes them: its classic recipe if positions are weights, its modern one if not."""
    vocabulary, width = arrays["tokens.weight"].shape
    layers = len({name.split(".")[2] for name in arrays if re.match(r"transformer\.blocks\.\d+\.", name)})
    queries = {f"transformer.blocks.{i}.attention.query.weight": (width, width) for i in range(layers)}
    refuse_others("gpt", queries, {name: arrays[name] for name in queries if name in arrays})
    if "transformer.positions.weight" in arrays:
        context = arrays["transformer.positions.weight"].shape[0]
        return GPT(TransformerConfig(vocabulary, context, width, layers))
    return GPT(TransformerConfig.modern(vocabulary, context=CONTEXT, width=width, layers=layers))


NETWORKS: dict[str, Callable[[Arrays], nn.Module]] = {"cnn": lambda arrays: cnn(), "mlp": mlp_of, "gpt": gpt_of}


# -- from arrays ------------------------------------------------------------------------------------------------------


def kind_of(arrays: Arrays) -> str:
    """Which kind of network these names are of. Raises ValueError, naming some of them, if it is none that is known."""
    if "tokens.weight" in arrays:
        return "gpt"
    first = arrays.get("0.weight")
    if first is not None and first.ndim in (2, 4):
        return "mlp" if first.ndim == 2 else "cnn"
    found = ", ".join(list(arrays)[:3]) or "nothing"
    raise ValueError(f"these are weights of no network that is served (an MLP, a CNN, a GPT): they are {found}")


def model_of(arrays: Arrays) -> Model:
    """The network with these weights. Raises ValueError, naming the array, for what fits to none or is no number."""
    kind, own = kind_of(arrays), dict(arrays)
    alphabet = own.pop("alphabet", None) if kind == "gpt" else None
    for name, array in own.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ValueError(f"{name} holds something else than finite numbers, as {array.dtype}")
    tokenizer = characters(alphabet, own["tokens.weight"]) if kind == "gpt" else None
    network = NETWORKS[kind](own)
    refuse_others(kind, {name: array.shape for name, array in network.state_dict().items()}, own)
    network.load_state_dict({name: array.astype(np.float32) for name, array in own.items()})
    return Model(kind, network.eval(), sum(array.size for array in own.values()), tokenizer)


def refuse_others(kind: str, wanted: Mapping[str, tuple[int, ...]], arrays: Arrays) -> None:
    """Raise ValueError, naming the first array that is missing, too many or of another shape."""
    for name in sorted(wanted.keys() | arrays.keys()):
        if name not in arrays:
            raise ValueError(f"a {kind} needs {name} of shape {wanted[name]}, which is missing")
        if name not in wanted:
            raise ValueError(f"a {kind} like this has no {name}")
        if arrays[name].shape != wanted[name]:
            raise ValueError(f"{name} of this {kind} needs shape {wanted[name]}, got {arrays[name].shape}")


def characters(alphabet: np.ndarray | None, table: np.ndarray) -> CharTokenizer:
    """The tokenizer of a GPT's characters, stored as their numbers. Raises ValueError unless there is one a token."""
    if table.ndim != 2:
        raise ValueError(f"tokens.weight needs shape (tokens, width), got {table.shape}")
    vocabulary = len(table)
    if alphabet is None:
        raise ValueError("a gpt needs an array alphabet with the numbers of its characters, which is missing")
    if alphabet.shape != (vocabulary,) or alphabet.dtype.kind not in "iu":
        found = f"{alphabet.dtype} {alphabet.shape}"
        raise ValueError(f"alphabet needs a number for each of {vocabulary} tokens, got {found}")
    if alphabet.min() < 0 or alphabet.max() > 0x10FFFF or len(set(alphabet.tolist())) != vocabulary:
        raise ValueError("alphabet needs the numbers of different characters, 0 to 1,114,111")
    tokenizer = CharTokenizer(map(chr, alphabet.tolist()))
    if list(map(ord, tokenizer.characters)) != alphabet.tolist():
        raise ValueError("alphabet needs its characters in ascending order, as CharTokenizer has them")
    return tokenizer
