"""Attention over your sentence: each word asks, and hears.

Two heads whose queries and keys are made by hand. One asks for words with the same letters, the other for the word
before. What a head learns is no more than such queries and keys. Vaswani et al., 2017.
"""

import numpy as np
from drawing import heat, lines
from rich.text import Text

from tinytorch.attention import attention_scores, attention_weights, causal_mask, masked
from tinytorch.embeddings import sinusoids
from tinytorch.tensor import Tensor

SENTENCE = "the cat saw the dog and the dog saw the cat"


def letters(words: list[str]) -> np.ndarray:
    """How often each letter stands in each word, as vectors of length 1: (T, 27); what is no letter is the last."""
    counts = np.zeros((len(words), 27), np.float32)
    for word, row in zip(words, counts):
        for letter in word.lower():
            row[ord(letter) - ord("a") if "a" <= letter <= "z" else 26] += 1
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def table(words: list[str], weights: np.ndarray, row: int):
    """The weights (T, T): who asks stands to the left, who is heard above; the row of the one that asks is marked."""
    above = f"{'':12}" + "".join(f"{word[:3]:4}" for word in words)
    asking = [f"{'>' if i == row else ' '}{word[:10]:>10} " for i, word in enumerate(words)]
    heard = heat(weights, 0, 1, wide=4).split("\n")
    return lines([above, *(Text(word).append(cells) for word, cells in zip(asking, heard))])


def frames(stage):
    words = stage.ask("A sentence, of up to 14 words:", SENTENCE).split()[:14]
    places = sinusoids(len(words) + 1, 32)
    heads = {
        "the same letters": (letters(words), letters(words), 12.0),
        "the word before": (places[:-1], places[1:], 2.0),
    }
    for name, (queries, keys, scale) in heads.items():
        scores = attention_scores(Tensor(queries), Tensor(keys), scale)
        free = attention_weights(scores).data
        yield table(words, free, -1), f"A head that asks for {name}. All words hear all words.", 1.5
        weights = attention_weights(masked(scores, causal_mask(len(words)))).data
        for i, word in enumerate(words):
            best = [j for j in np.argsort(-weights[i], kind="stable")[:3] if weights[i, j] > 0.05]
            heard = ", ".join(f"{words[j]} ({j + 1}) {weights[i, j]:.0%}" for j in best)
            said = f"Looking back only: {word} ({i + 1}) hears {heard}."
            yield table(words, weights, i), said, 2 if i + 1 == len(words) else 0.3
