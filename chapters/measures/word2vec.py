"""Word vectors of Shakespeare's plays: neighbours, and how many analogies they answer.

`python chapters/measures/word2vec.py --record` trains for a few minutes on one core and writes word2vec.json beside
this file; chapter 11 shows it. The text is Tiny Shakespeare (Karpathy, 2015), which is in the public domain.
"""

import hashlib
import itertools
import json
import platform
import re
import sys
import time
from collections import Counter
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.datasets import TINY_SHAKESPEARE, tiny_shakespeare
from tinytorch.embeddings import analogy, nearest_tokens, train_skip_gram
from tinytorch.environment import machine

HERE = Path(__file__)
SEED, LEAST, THIN = 11, 5, 1e-3  # words that occur less than LEAST times are left out; THIN: see thinned
SETTINGS: dict[str, Any] = {"width": 64, "window": 4, "negatives": 5, "epochs": 8, "batch": 1024, "lr": 0.003}
ASKED = ["king", "mother", "sword", "love", "night", "thou", "rome", "three"]
FAMILIES = {  # pairs of words; each two pairs of a family make two questions
    "gender": """king queen father mother brother sister husband wife son daughter lord lady he she him her man woman
        duke duchess uncle aunt""",
    "plural": """king kings lord lords hand hands eye eyes day days word words friend friends son sons brother brothers
        daughter daughters""",
    "past": "come came go went give gave take took know knew think thought see saw tell told make made speak spoke",
    "familiar": "are art have hast do dost will wilt shall shalt your thy you thee",
}


def words(text: str) -> list[str]:
    """The words of a text in small letters; an apostrophe within a word is part of it."""
    return re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower())


def thinned(ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The text with its frequent words thinned out: one of frequency f stays with probability sqrt(THIN / f).

    Mikolov, Sutskever, Chen, Corrado and Dean, 2013.
    """
    frequency = np.bincount(ids) / len(ids)
    return ids[rng.random(len(ids)) < np.sqrt(THIN / frequency[ids])]


def questions(family: str) -> list[tuple[str, str, str, str]]:
    """(a, b, c, d) for each two pairs of a family: a is to b as c is to d."""
    flat = family.split()
    pairs = list(zip(flat[::2], flat[1::2]))
    return [(*one, *other) for one, other in itertools.permutations(pairs, 2)]


def rates(vectors: np.ndarray, number: dict[str, int], family: str) -> dict[str, float]:
    """How many questions are answered by the first candidate, and within ten.

    `ignoring` leaves a and b out of it: the ten nearest words to c itself, of which a good analogy makes no use.
    """
    asked = questions(family)
    first = ten = ignoring = 0
    for a, b, c, d in ([number[word] for word in question] for question in asked):
        found = [token for token, _ in analogy(vectors, a, b, c, count=10)]
        first, ten = first + (found[0] == d), ten + (d in found)
        ignoring += d in [token for token, _ in nearest_tokens(vectors, vectors[c], 10, without=(a, b, c))]
    return {"questions": len(asked), "first": first, "ten": ten, "ignoring": ignoring}


def measure() -> dict[str, Any]:
    """Train, and ask."""
    rng = np.random.default_rng(SEED)
    text = words(tiny_shakespeare())
    counts = Counter(text)
    vocabulary = [word for word, count in counts.most_common() if count >= LEAST]
    number = {word: i for i, word in enumerate(vocabulary)}
    ids = thinned(np.array([number[word] for word in text if word in number]), rng)
    start = time.process_time()
    model, losses = train_skip_gram(ids, len(vocabulary), rng=rng, **SETTINGS)
    seconds, vectors = time.process_time() - start, model.center.weight.data

    def near(word: str) -> list[tuple[str, float]]:
        found = nearest_tokens(vectors, vectors[number[word]], count=5, without=(number[word],))
        return [(vocabulary[token], cosine) for token, cosine in found]

    return {
        "text": f"Tiny Shakespeare, sha256 {TINY_SHAKESPEARE.checksum[:12]}",
        "words": len(text),
        "kept": len(ids),
        "vocabulary": len(vocabulary),
        "settings": {**SETTINGS, "seed": SEED, "least": LEAST, "thin": THIN},
        "losses": [round(loss, 4) for loss in losses],
        "neighbours": {word: near(word) for word in ASKED},
        "counts": {word: counts[word] for word in ASKED},
        "analogies": {name: rates(vectors, number, family) for name, family in FAMILIES.items()},
        "seconds": round(seconds, 1),
        **circumstances(),
    }


def program() -> str:
    """A short name for this file as it is now."""
    return hashlib.sha256(HERE.read_bytes().replace(b"\r\n", b"\n")).hexdigest()[:12]


def circumstances() -> dict[str, Any]:
    """Where, when, by which program and which command this was measured."""
    return {
        "program": program(),
        "versions": {"tinytorch": version("tinytorch"), "numpy": np.__version__, "python": platform.python_version()},
        "machine": str(machine()),
        "date": date.today().isoformat(),
        "command": "python chapters/measures/word2vec.py --record",
    }


if __name__ == "__main__":
    found = json.dumps(measure(), indent=1) + "\n"
    if sys.argv[1:] == ["--record"]:
        HERE.with_suffix(".json").write_text(found, encoding="utf-8")
    else:
        print(found)
