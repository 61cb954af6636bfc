"""Words become neighbours by the company they keep.

The sentences are made by chance, all of one pattern. Nobody says which words are animals: skip-gram only guesses which
words stand near each other. Mikolov, Sutskever, Chen, Corrado and Dean, 2013.
"""

import numpy as np
from drawing import INKS, bars, beside, labels, lines

from tinytorch.embeddings import SkipGram, nearest_tokens, noise_distribution, skip_gram_pairs
from tinytorch.environment import manual_seed
from tinytorch.optimizers import Adam

ANIMALS = ["cat", "dog", "cow", "horse", "mouse", "bird"]
FOODS = ["bread", "soup", "rice", "cake", "cheese", "corn"]
PLACES = ["garden", "kitchen", "forest", "house", "barn", "field"]
DAYS = ["monday", "tuesday", "friday", "sunday"]
KIND = {word: ink for ink, words in zip(INKS, (ANIMALS, FOODS, PLACES)) for word in words}
WORDS = [*KIND, *DAYS, *["eats", "likes", "finds", "on", "the", "in"]]


def sentence(rng) -> str:
    day, animal, verb, food, place = map(rng.choice, (DAYS, ANIMALS, WORDS[-6:-3], FOODS, PLACES))
    return f"on {day} the {animal} {verb} {food} in the {place}"


def directions(vectors: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The two directions in which vectors differ most (2, C), pointing the way that those before do."""
    found = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)[2][:2]
    return np.where((found * before).sum(axis=1, keepdims=True) < 0, -found, found)


def frames(stage):
    word = stage.ask("Whose neighbours? A word of the map, such as soup:", "cat", among=KIND)
    manual_seed(stage.seed)
    rng, chosen, axes = np.random.default_rng(stage.seed), WORDS.index(word), np.zeros((2, 16))
    ids = np.array([WORDS.index(word) for _ in range(3000) for word in sentence(rng).split()])
    model, pairs, noise = SkipGram(len(WORDS), 16), skip_gram_pairs(ids, 2), noise_distribution(np.bincount(ids))
    optimizer, vectors = Adam(model.parameters(), lr=0.02), model.center.weight.data
    for step in range(241):
        if step % 6 == 0:
            axes = directions(vectors[: len(KIND)], axes)
            near = nearest_tokens(vectors, vectors[chosen], 6, without=[chosen])
            rows = [(f"{WORDS[i]:8}", max(cosine, 0), f"{cosine:.2f}") for i, cosine in near]
            chart = labels(KIND, vectors[: len(KIND)] @ axes.T, 44, 16)
            picture = beside(chart, lines([f"near {word}", "", bars(rows, 1, 10)]))
            caption = f"Step {step}: nearest to {word} are {', '.join(WORDS[i] for i, _ in near[:4])}."
            yield picture, caption, 1.2 if step in (0, 60, 240) else 0.08
        some = rng.choice(pairs, 256)
        loss = model(some, rng.choice(len(WORDS), (256, 5), p=noise))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
