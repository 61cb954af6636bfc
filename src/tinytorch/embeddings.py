"""Embeddings: a vector for each token, and its place in the text as a part of it.

Notation: V tokens in the vocabulary, C numbers for each, B sequences of T places; ids (B, T) are whole numbers in
0..V-1, weight (V, C) has a row for each token; g = dL/dz. A place t is a whole number from 0.
"""

import math
from typing import Any

import numpy as np

from tinytorch.activations import sigmoid, softplus
from tinytorch.environment import generator
from tinytorch.layers import Module, Parameter
from tinytorch.optimizers import Adam
from tinytorch.tensor import Tensor, matmul, permute, primitive, reshape

# -- the table -----------------------------------------------------------------------------------------------------


def check_ids(ids: np.ndarray, size: int) -> None:
    """Raise TypeError unless ids are whole numbers, IndexError, naming one that is not, unless all are in 0..size-1.

    >>> check_ids(np.array([0, 7]), size=5)
    Traceback (most recent call last):
        ...
    IndexError: a table of 5 rows has the ids 0..4, got 7
    """
    if not isinstance(ids, np.ndarray) or ids.dtype.kind not in "iu":
        kind = getattr(ids, "dtype", f"a plain {type(ids).__name__}")
        raise TypeError(f"ids are whole numbers, got {kind}; tensor([0, 1]) makes whole numbers")
    wrong = ids[(ids < 0) | (ids >= size)]
    if wrong.size:
        raise IndexError(f"a table of {size} rows has the ids 0..{size - 1}, got {wrong[0]}")


@primitive
def embedding(ids, weight, *, padding_idx=None):
    """z = weight[ids]: ids of any shape (...), weight (V, C) -> (..., C).

    The row padding_idx, -1 for the last, if there is one, is read like all others and gets no gradient. ids have any
    integer dtype. Raises TypeError for floats and truth values, IndexError, naming the id and V, for an id below 0 or
    beyond the table.

    >>> embedding(np.array([2, 0, 2]), [[1, 2], [3, 4], [5, 6]])
    tensor([[5., 6.],
            [1., 2.],
            [5., 6.]])
    """
    # What would NumPy do with an id of -1? check_ids refuses all that is not in the table.
    # For the rest, index with the whole array of ids at once.
    check_ids(ids, len(weight))
    return weight[ids]


@embedding.vjp
def embedding_vjp(g, z, ids, weight, *, padding_idx=None):
    """z = weight[ids]   =>   row v of dweight is the sum of g over all places where v stood; ids have none: None

    >>> g, weight = np.array([[1.0], [10.0], [100.0]]), np.zeros((3, 1))
    >>> embedding_vjp(g, None, np.array([2, 0, 2]), weight)[1].tolist()
    [[10.0], [0.0], [101.0]]
    """
    # What does NumPy make of dweight[ids] += g where a token stands twice? summed_by_id adds all of them: it
    # wants a flat list of ids and a row for each. And which row gets nothing, whatever stood there?
    dweight = summed_by_id(ids.ravel(), g.reshape(-1, g.shape[-1]), len(weight))
    if padding_idx is not None:
        dweight[padding_idx] = 0
    return None, dweight


def summed_by_id(ids: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    """The sum of the rows of each id: ids (N,), rows (N, C) -> (size, C), added up number by number.

    >>> summed_by_id(np.array([1, 0, 1]), np.array([[1.0], [2.0], [3.0]]), size=3).tolist()
    [[2.0], [4.0], [0.0]]
    """
    width = rows.shape[1]
    sums = np.zeros(size * width, rows.dtype)
    places = ids.astype(np.intp)[:, None] * width + np.arange(width)  # (N, C): where each number of a row belongs
    np.add.at(sums, places.ravel(), rows.ravel())
    return sums.reshape(size, width)


class Embedding(Module):
    """A table of num_embeddings vectors, embedding_dim numbers each, looked up by id; normal with variance 1 at first.

    The vector of padding_idx, if there is one, is zero and does not learn.

    >>> Embedding(10, 4)(np.array([[1, 2, 3]])).shape
    (1, 3, 4)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        rng: np.random.Generator = generator,
    ):
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"padding_idx is one of {num_embeddings} rows, got {padding_idx}")
        self.weight = Parameter(rng.standard_normal((num_embeddings, embedding_dim), np.float32))
        self.padding_idx = padding_idx
        if padding_idx is not None:
            self.weight.data[padding_idx] = 0

    def forward(self, ids: Any) -> Tensor:
        return embedding(ids, self.weight, padding_idx=self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return ", ".join(map(str, self.weight.shape)) + padding


def tied_logits(x: Tensor, weight: Tensor) -> Tensor:
    """z = x @ weight^T: the table (V, C) that reads tokens also scores them, x (..., C) -> logits (..., V).

    A token's logit is the product of its own vector and x. To tie two layers, hold one Parameter in both: its gradient
    is the sum of both uses, an optimizer sees it once, a saved state holds it once. Press and Wolf, 2017.

    >>> tied_logits(Tensor([1, 10]), Tensor([[1, 0], [0, 1], [1, 1]]))
    tensor([ 1., 10., 11.])
    """
    return matmul(x, permute(weight, dims=(1, 0)))


# -- word2vec ------------------------------------------------------------------------------------------------------


def skip_gram_pairs(ids: np.ndarray, window: int) -> np.ndarray:
    """Every (center, context) at most `window` places apart: ids (T,) -> (pairs, 2), nearest ones first.

    Mikolov, Chen, Corrado and Dean, 2013.

    >>> skip_gram_pairs(np.array([5, 6, 7]), window=1).tolist()
    [[5, 6], [6, 7], [6, 5], [7, 6]]
    """
    if window < 1:
        raise ValueError(f"a window spans 1 place or more, got {window}")
    pairs = []
    for distance in range(1, window + 1):
        left, right = ids[:-distance], ids[distance:]
        pairs += [np.stack([left, right], axis=1), np.stack([right, left], axis=1)]
    return np.concatenate(pairs)


def noise_distribution(counts: np.ndarray, power: float = 0.75) -> np.ndarray:
    """The probability of each token as a negative sample: counts^power, made to sum to 1.

    A power below 1 makes rare tokens more likely. Mikolov, Sutskever, Chen, Corrado and Dean, 2013.

    >>> noise_distribution(np.array([1, 16])).round(3)
    array([0.111, 0.889])
    """
    raised = np.asarray(counts, np.float64) ** power
    return raised / raised.sum()


def negative_sampling_loss(center: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    """-ln s(u . v) - the sum over k of ln s(-n_k . v), the mean over the batch; s is the sigmoid.

    center v (B, C), context u (B, C), negatives n (B, K, C) -> (). Training raises the product of a token's vector with
    its neighbour's, and lowers those with K random tokens': a softmax over V tokens is never computed.
    Mikolov, Sutskever, Chen, Corrado and Dean, 2013.

    >>> v, u, n = Tensor([[1.0, 0.0]]), Tensor([[0.0, 3.0]]), Tensor([[[0.0, 1.0], [100.0, 0.0]]])
    >>> negative_sampling_loss(v, u, n)
    tensor(101.3863)
    """
    # -ln s(x) is softplus(-x), which never overflows. Composed of tensors' functions, it has its gradient.
    # Write the shape of each product beside it. For the K products of one v, v has to become a column (B, C, 1).
    positive = (context * center).sum(-1)  # (B,)
    negative = (negatives @ reshape(center, shape=(*center.shape, 1))).squeeze(-1)  # (B, K)
    return (softplus(-positive) + softplus(negative).sum(-1)).mean()


def take_away(table: np.ndarray, ids: np.ndarray, rows: np.ndarray) -> None:
    """table[id] -= row for each of ids (N,) and rows (N, C), in place, repeated ids too; no other row is touched.

    >>> table = np.zeros((3, 1))
    >>> take_away(table, np.array([2, 0, 2]), np.array([[1.0], [10.0], [100.0]]))
    >>> table.tolist()
    [[-10.0], [0.0], [-101.0]]
    """
    used, places = np.unique(ids, return_inverse=True)
    table[used] -= summed_by_id(places, rows, len(used))


def skip_gram_step(
    center: np.ndarray, context: np.ndarray, pairs: np.ndarray, negatives: np.ndarray, lr: float
) -> float:
    """One step down the negative_sampling_loss, in place and without a graph; returns the loss before the step.

    center and context (V, C) are the two tables, pairs (B, 2) has a center and a context in each row, negatives (B, K).
    All gradients are taken before anything moves. Rows that are not named stay as they are.

    >>> center, context = np.zeros((2, 1)), np.array([[0.0], [2.0]])
    >>> round(skip_gram_step(center, context, np.array([[0, 1]]), np.array([[0]]), lr=1.0), 4)
    1.3863
    >>> center.tolist(), context.tolist()
    ([[1.0], [0.0]], [[0.0], [2.0]])
    """
    # Derive it on paper first. With x = u . v, what is the slope of -ln s(x) against x, and that of -ln s(-x)? Both are
    # written with s(x) alone. Then the chain rule: what are the slopes of x against u, and against v? v is in 1 + K
    # products. Mind the mean over B. sigmoid.function takes arrays; take_away(table, ids, lr * gradients) moves rows. A
    # token may be context in one pair and negative in another: its gradients are added up.
    v, u, n = center[pairs[:, 0]], context[pairs[:, 1]], context[negatives]  # (B, C), (B, C), (B, K, C)
    near = (u * v).sum(-1, keepdims=True)  # (B, 1)
    far = (n * v[:, None]).sum(-1, keepdims=True)  # (B, K, 1)
    loss = (np.logaddexp(0, -near).sum() + np.logaddexp(0, far).sum()) / len(pairs)
    dnear = (sigmoid.function(near) - 1) / len(pairs)
    dfar = sigmoid.function(far) / len(pairs)
    dv = dnear * u + (dfar * n).sum(1)
    du = dnear * v
    dn = dfar * v[:, None]
    ids = np.concatenate([pairs[:, 1], negatives.ravel()])
    take_away(center, pairs[:, 0], lr * dv)
    take_away(context, ids, lr * np.concatenate([du, dn.reshape(-1, v.shape[1])]))
    return float(loss)


class SkipGram(Module):
    """Two vectors for each of V tokens: one for when it stands in the center, one for when it is context.

    >>> model = SkipGram(10, 4)
    >>> model(np.array([[0, 1], [1, 2]]), np.array([[3, 4, 5], [6, 7, 8]])).shape
    ()
    """

    def __init__(self, vocabulary: int, width: int, rng: np.random.Generator = generator):
        self.center = Embedding(vocabulary, width, rng=rng)
        self.context = Embedding(vocabulary, width, rng=rng)
        for table in (self.center, self.context):
            table.weight.data *= 1 / math.sqrt(width)

    def forward(self, pairs: np.ndarray, negatives: np.ndarray) -> Tensor:
        """The loss of pairs (B, 2), center and context, with negatives (B, K)."""
        return negative_sampling_loss(self.center(pairs[:, 0]), self.context(pairs[:, 1]), self.context(negatives))


def train_skip_gram(
    ids: np.ndarray,
    vocabulary: int,
    width: int = 32,
    window: int = 2,
    negatives: int = 5,
    epochs: int = 5,
    batch: int = 256,
    lr: float = 0.01,
    rng: np.random.Generator = generator,
) -> tuple[SkipGram, list[float]]:
    """Vectors for the tokens of a text ids (T,), and the mean loss of each epoch.

    Negatives are drawn by the noise_distribution of the text's own counts.
    """
    check_ids(ids, vocabulary)
    model = SkipGram(vocabulary, width, rng)
    optimizer = Adam(model.parameters(), lr=lr)
    pairs = skip_gram_pairs(ids, window)
    noise = noise_distribution(np.bincount(ids, minlength=vocabulary))
    losses = []
    for _ in range(epochs):
        total, shuffled = 0.0, rng.permutation(pairs)
        for start in range(0, len(pairs), batch):
            some = shuffled[start : start + batch]
            loss = model(some, rng.choice(vocabulary, (len(some), negatives), p=noise))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(some)
        losses.append(total / len(pairs))
    return model, losses


def nearest_tokens(
    vectors: np.ndarray, query: np.ndarray, count: int = 5, without: Any = ()
) -> list[tuple[int, float]]:
    """The rows of vectors (V, C) in the directions most like query's (C,): (id, cosine) of `count`, best first.

    Ids in `without` are left out.

    >>> nearest_tokens(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]]), np.array([0.0, 1.0]), count=2)
    [(1, 1.0), (2, 0.7071)]
    """
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(query)
    cosines = vectors @ query / np.maximum(lengths, np.finfo(np.float32).tiny)
    best = [int(i) for i in np.argsort(-cosines, kind="stable") if i not in set(without)]
    return [(i, round(float(cosines[i]), 4)) for i in best[:count]]


def analogy(vectors: np.ndarray, a: int, b: int, c: int, count: int = 1) -> list[tuple[int, float]]:
    """What is to c as b is to a: the rows nearest to b - a + c, of vectors scaled to length 1; a, b and c do not count.

    Mikolov, Yih and Zweig, 2013.

    >>> man, woman, king, queen = [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0]
    >>> analogy(np.array([man, woman, king, queen, [0.0, 0.0, -1.0]]), 0, 1, 2)[0][0]
    3
    """
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return nearest_tokens(units, units[b] - units[a] + units[c], count, without=(a, b, c))


# -- places --------------------------------------------------------------------------------------------------------


def angles(places: np.ndarray, width: int, base: float = 10000.0) -> np.ndarray:
    """How far each of width / 2 hands has turned at each place: t / base^(2i / width), (T,) -> (T, width / 2).

    The first hand turns by one radian a place, the last by hardly any. Raises ValueError for an odd width.

    >>> angles(np.array([0, 1, 2]), width=4, base=100.0).tolist()
    [[0.0, 0.0], [1.0, 0.1], [2.0, 0.2]]
    """
    if width % 2 or width < 2:
        raise ValueError(f"angles need an even width, two numbers a hand, got {width}")
    return np.multiply.outer(places, base ** (-np.arange(0, width, 2) / width))


def sinusoids(length: int, width: int, base: float = 10000.0) -> np.ndarray:
    """Column 2i is the sine of hand i, column 2i + 1 its cosine: (length, width) float32, a row for each place.

    Vaswani et al., 2017. Raises ValueError for an odd width.

    >>> sinusoids(2, 4).round(3).tolist() == [[0, 1, 0, 1], np.float32([0.841, 0.54, 0.01, 1]).tolist()]
    True
    """
    # angles knows how far each hand has turned at each place. Sines and cosines take turns: a slice can step by 2.
    turned = angles(np.arange(length), width, base)
    z = np.empty((length, width), np.float32)
    z[:, 0::2] = np.sin(turned)
    z[:, 1::2] = np.cos(turned)
    return z


def check_places(start: Any, length: int, context: int) -> Any:
    """The index of places start..start + length - 1: a slice, or an array (B, length) for starts (B,) of their own.

    Where sequences have their own starts, places before 0 are padding, and count as 0. Raises ValueError, saying how
    many fit, for places that are not in 0..context - 1.
    """
    several = isinstance(start, np.ndarray)
    if (start.max() if several else start) + length > context or (not several and start < 0):
        raise ValueError(f"there are {context} places, {length} from place {start} on do not fit")
    return np.maximum(np.add.outer(start, np.arange(length)), 0) if several else slice(start, start + length)


class LearnedPositions(Module):
    """z = x + weight[t] at place t: a learned vector for each of `context` places. Gehring et al., 2017.

    >>> LearnedPositions(8, 4)(Tensor(np.zeros((2, 3, 4), np.float32))).shape
    (2, 3, 4)
    """

    def __init__(self, context: int, width: int, rng: np.random.Generator = generator):
        self.weight = Parameter(rng.normal(0, 0.02, (context, width)).astype(np.float32))

    def forward(self, x: Tensor, start: Any = 0) -> Tensor:
        """x (B, T, C) stands at places start..start + T - 1; start may be an array (B,)."""
        return x + self.weight[check_places(start, x.shape[-2], len(self.weight))]

    def next_place(self, x: np.ndarray, start: int) -> np.ndarray:
        """forward of one place (C,) of one text, on plain arrays."""
        table = self.weight.data
        check_places(start, 1, len(table))
        return x + table[start]


class SinusoidalPositions(Module):
    """z = x + sinusoids[t] at place t: nothing to learn. Vaswani et al., 2017.

    >>> SinusoidalPositions(8, 4)(Tensor([[[0, 0, 0, 0]]]))
    tensor([[[0., 1., 0., 1.]]])
    """

    def __init__(self, context: int, width: int):
        self.table = sinusoids(context, width)

    def forward(self, x: Tensor, start: Any = 0) -> Tensor:
        """x (B, T, C) stands at places start..start + T - 1; start may be an array (B,)."""
        return x + self.table[check_places(start, x.shape[-2], len(self.table))]


# -- rotation ------------------------------------------------------------------------------------------------------


@primitive
def rotate(x, *, start=0, base=10000.0):
    """z = each pair (x_i, x_(i + d/2)) turned by the angle of hand i at its place: (..., T, d) -> (..., T, d).

    z_i = x_i cos a - x_(i + d/2) sin a,  z_(i + d/2) = x_i sin a + x_(i + d/2) cos a. The first of the T places is
    `start`, a number, or for x (B, H, T, d) an array (B, 1) of each sequence's own, as `rotation` takes them. The
    product of one vector at place s with another at t then depends on t - s and the two alone. Su et al., 2021; the
    pairs are halves, as in GPT-NeoX. Raises ValueError for an odd d.

    >>> rotate([[1, 0], [1, 0]], start=0).data.round(3).tolist() == np.float32([[1, 0], [0.54, 0.841]]).tolist()
    True
    """
    # rotation gives the cosines and sines, (T, d/2) each, or (B, 1, T, d/2) for several starts, and float64: bring them
    # to x's dtype. Cut x into two halves along its last axis; a new array takes the result, for both lines need both
    # halves as they were.
    *_, length, width = x.shape
    cos, sin = (part.astype(x.dtype) for part in rotation(length, width, start, base))
    left, right = x[..., : width // 2], x[..., width // 2 :]
    z = np.empty_like(x)
    z[..., : width // 2] = left * cos - right * sin
    z[..., width // 2 :] = left * sin + right * cos
    return z


@rotate.vjp
def rotate_vjp(g, z, x, *, start=0, base=10000.0):
    """z = R x, a rotation   =>   dx = R^T g: turned back

    >>> x = np.array([[3.0, 4.0]])
    >>> rotate_vjp(rotate.function(x, start=5), None, x, start=5).round(6)
    array([[3., 4.]])
    """
    # Write the turn of one pair as a 2 x 2 matrix, and transpose it. What has changed?
    *_, length, width = x.shape
    cos, sin = (part.astype(g.dtype) for part in rotation(length, width, start, base))
    left, right = g[..., : width // 2], g[..., width // 2 :]
    dx = np.empty_like(g)
    dx[..., : width // 2] = left * cos + right * sin
    dx[..., width // 2 :] = right * cos - left * sin
    return dx


def rotation(length: int, width: int, start: Any = 0, base: float = 10000.0) -> tuple[np.ndarray, np.ndarray]:
    """The cosines and the sines of all hands at places start..start + length - 1: (length, width / 2) each.

    Of an array of starts (...), (..., length, width / 2) each.
    """
    turned = angles(np.add.outer(start, np.arange(length)), width, base)
    return np.cos(turned), np.sin(turned)
