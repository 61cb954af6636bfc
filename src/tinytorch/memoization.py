"""Memoization: what was computed once is kept, and not computed again.

Notation: B sequences, H heads of keys and values of d numbers each; k, v (B, H, T, d) are the keys and values of T new
places; a cache has room for `size` places. In speculative decoding p (V,) is the target's distribution of the next
token, q (V,) the draft's, and u a uniform number in [0, 1).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from tinytorch.environment import generator
from tinytorch.tensor import Tensor, is_grad_enabled, no_grad
from tinytorch.transformers import (
    GPT,
    TransformerConfig,
    as_ids,
    check_sampling,
    choose_token,
    distribution,
    keep_top_k,
    keep_top_p,
    sample,
)

# -- a cache -------------------------------------------------------------------------------------------------------


class KVCache:
    """The keys and values of all places so far, in two arrays (B, H, size, d) that are made once.

    len(cache) is how many places are kept. Each attention layer has one: MultiHeadAttention(..., cache=). No gradient
    goes through it. Raises ValueError for sizes below 1.

    >>> cache = KVCache(batch=1, heads=1, size=3, width=2)
    >>> k, v = cache.update(Tensor([[[[1, 2]]]]), Tensor([[[[3, 4]]]]))
    >>> k, v = cache.update(Tensor([[[[5, 6]]]]), Tensor([[[[7, 8]]]]))
    >>> k.tolist(), len(cache)
    ([[[[1.0, 2.0], [5.0, 6.0]]]], 2)
    """

    def __init__(self, batch: int, heads: int, size: int, width: int, dtype: Any = np.float32):
        shape = (batch, heads, size, width)
        if min(shape) < 1:
            raise ValueError(f"a cache (batch, heads, size, width) needs 1 or more of each, got {shape}")
        self.size, self.length = size, 0
        self.keys, self.values = np.zeros(shape, dtype), np.zeros(shape, dtype)

    def __len__(self) -> int:
        return self.length

    @property
    def nbytes(self) -> int:
        """The memory of both arrays, however full they are."""
        return self.keys.nbytes + self.values.nbytes

    def update(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write k and v (B, H, T, d) of the next T places; return those of all places so far, (B, H, length, d), views.

        Raises what `check` raises, for what does not fit; nothing is written then.
        """
        # The first self.length places are taken: the new ones go right behind them, and self.length grows. A Tensor of
        # a slice shares its memory.
        self.check(k, v)
        start, end = self.length, self.length + k.shape[-2]
        self.keys[:, :, start:end] = k.data
        self.values[:, :, start:end] = v.data
        self.length = end
        return Tensor(self.keys[:, :, :end]), Tensor(self.values[:, :, :end])

    def check(self, k: Tensor, v: Tensor) -> None:
        """Raise ValueError, saying what was given and what fits, for another batch, other heads, or a full cache.

        Raises TypeError for another dtype, RuntimeError where a gradient would be needed.
        """
        (batch, heads, size, width), shape, dtype = self.keys.shape, k.shape, self.keys.dtype
        if shape != v.shape or shape != (batch, heads, shape[-2], width):
            raise ValueError(f"this cache is for shapes ({batch}, {heads}, T, {width}), got {shape} and {v.shape}")
        if k.dtype != dtype or v.dtype != dtype:
            raise TypeError(f"this cache keeps {dtype}, got {k.dtype} and {v.dtype}")
        if self.length + shape[-2] > self.room():
            raise ValueError(f"the cache is full: of {size} places {self.length} are taken, {shape[-2]} do not fit")
        if is_grad_enabled() and (k.requires_grad or v.requires_grad):
            raise RuntimeError("a cache keeps no gradients: use it inside of no_grad()")

    def room(self) -> float:
        """How many places may be written."""
        return self.size

    def places(self, new: int) -> np.ndarray:
        """The places, in their order, whose keys `update` returns when it is given `new` ones."""
        return np.arange(self.length + new)

    def truncate(self, length: int) -> None:
        """Forget all places but the first `length`. Raises ValueError if they are not there."""
        if not 0 <= length <= self.length:
            raise ValueError(f"{self.length} places are kept: they cannot be cut down to {length}")
        self.length = length


def caches_for(model: GPT, batch: int = 1, size: int | None = None) -> list[KVCache]:
    """An empty cache for each block: for `size` places, or, if none is given, for the context's, or the window's.

    >>> caches = caches_for(GPT(TransformerConfig(10, context=16, width=8, layers=3, heads=2)))
    >>> len(caches), caches[0].keys.shape
    (3, (1, 2, 16, 4))
    """
    config = model.config
    width = config.width // config.heads
    kind, most = (RingCache, model.window) if isinstance(model, WindowedGPT) and size is None else (KVCache, size)
    sizes = (batch, config.kv_width // width, config.context if most is None else most, width)
    return [kind(*sizes, dtype=model.tokens.weight.dtype) for _ in range(config.layers)]


def cache_bytes(
    config: TransformerConfig, batch: int = 1, length: int | None = None, window: int | None = None, itemsize: int = 4
) -> int:
    """The bytes of all caches by formula, for `length` places of each sequence, the whole context if none is given.

    With a window, no more than so many of them are kept. A number has `itemsize` bytes.

    >>> cache_bytes(TransformerConfig(50257, context=1024, width=768, layers=12, heads=12))
    75497472
    """
    # A key and a value for each place, each layer, each sequence: config.kv_width numbers for each of the two.
    places = config.context if length is None else length
    places = places if window is None else min(places, window)
    return 2 * config.layers * batch * places * config.kv_width * itemsize


# -- a window ------------------------------------------------------------------------------------------------------


def visible(
    queries: np.ndarray, keys: np.ndarray, window: int | None = None, padding: np.ndarray | None = None
) -> np.ndarray:
    """True where a query may look: places (T,) of queries and (S,) of keys -> (T, S).

    A key may not be later than its query, and not `window` places or more before it. With padding (B,), the first
    padding[b] places of sequence b are padding, and no query may look there: (B, 1, T, S), for all heads.

    >>> visible(np.array([2, 3]), np.array([0, 1, 2, 3]), window=2).astype(int).tolist()
    [[0, 1, 1, 0], [0, 0, 1, 1]]
    >>> visible(np.array([2]), np.array([0, 1, 2]), padding=np.array([0, 1])).astype(int).tolist()
    [[[[1, 1, 1]]], [[[0, 1, 1]]]]
    """
    # Compare the places of the queries, as a column, queries[:, None], with those of the keys, as a row: up to three
    # comparisons, joined with &. Each number of padding is for a whole table: padding[:, None, None, None].
    seen = keys <= queries[:, None]
    if window is not None:
        seen = seen & (keys > queries[:, None] - window)
    if padding is not None:
        seen = seen & (keys >= padding[:, None, None, None])
    return seen


class RingCache(KVCache):
    """The keys and values of the last `size` places: place t stands in slot t % size, where place t - size stood.

    It is never full. For several new places at once, the mask must be that of a window of `size` (see `visible`).

    >>> cache = RingCache(batch=1, heads=1, size=2, width=1)
    >>> for number in (1, 2, 3):
    ...     k, v = cache.update(Tensor([[[[number]]]]), Tensor([[[[number]]]]))
    >>> k.tolist(), len(cache), cache.places(1)
    ([[[[3.0], [2.0]]]], 3, array([2, 3]))
    """

    def update(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write k and v (B, H, T, d) of the next T places; return all that a window around a new place may see.

        One new place: the slots as they are, those that are taken. Several: the last size - 1 places before them in
        order, and then the new ones, since the first of these still sees what the last have overwritten. `places`
        says which they are. Raises what `check` raises.
        """
        # Place t has slot t % self.size, and an array of slots can be an index: self.keys[:, :, slots]. With several
        # new places, first gather what the window still needs, then write the last self.size of them, no more.
        self.check(k, v)
        new = np.arange(self.length, self.length + k.shape[-2])
        seen = self.places(len(new))
        before = seen[seen < self.length] % self.size
        gathered = [np.concatenate([x[:, :, before], y.data], axis=2) for x, y in ((self.keys, k), (self.values, v))]
        self.keys[:, :, new[-self.size :] % self.size] = k.data[:, :, -self.size :]
        self.values[:, :, new[-self.size :] % self.size] = v.data[:, :, -self.size :]
        self.length += len(new)
        if len(new) > 1:
            return Tensor(gathered[0]), Tensor(gathered[1])
        return Tensor(self.keys[:, :, : self.length]), Tensor(self.values[:, :, : self.length])

    def room(self) -> float:
        return np.inf

    def places(self, new: int) -> np.ndarray:
        end = self.length + new
        if new > 1:
            return np.arange(max(0, self.length - self.size + 1), end)
        return end - 1 - (end - 1 - np.arange(min(end, self.size))) % self.size  # the last place in each slot

    def truncate(self, length: int) -> None:
        """Forget the places from `length` on. Raises ValueError once places were overwritten, which are lost."""
        if length < self.length > self.size:
            raise ValueError(f"{self.length} places were written into {self.size} slots: the first ones are gone")
        super().truncate(length)


class WindowedGPT(GPT):
    """A GPT in which each place sees only the last `window` places, itself among them. Beltagy et al., 2020.

    Information still comes from farther away, one window for each block: L blocks reach L (window - 1) places back.

    >>> WindowedGPT(TransformerConfig(10, width=8, layers=1, heads=2), window=2)([[1, 2, 3]]).shape
    (1, 3, 10)
    """

    def __init__(self, config: TransformerConfig, window: int, rng: np.random.Generator = generator):
        if window < 1:
            raise ValueError(f"a window is 1 place or more, got {window}")
        super().__init__(config, rng)
        self.window = window

    def forward(
        self, ids: Any, caches: Sequence[Any] | None = None, start: Any = 0, mask: np.ndarray | None = None
    ) -> Tensor:
        """Logits (B, T, V), as GPT's; caches are those of caches_for, or others with a method `places`."""
        new = as_ids(ids).shape[1]
        keys = caches[0].places(new) if caches else np.arange(new)
        seen = visible(np.arange(new) + keys.max() + 1 - new, keys, self.window)
        return super().forward(ids, caches, start, seen if mask is None else seen & mask)


# -- several at once -----------------------------------------------------------------------------------------------


def left_padded(prompts: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Prompts of unequal lengths as one array (B, T), with zeros on the left, and how many of these each has, (B,).

    All end at the same place, so that the next token of each has the same place, too. Raises ValueError for no prompts,
    or an empty one.

    >>> left_padded([[5, 6, 7], [8]])
    (array([[5, 6, 7],
           [0, 0, 8]]), array([0, 2]))
    """
    if not len(prompts) or not all(len(prompt) for prompt in prompts):
        raise ValueError(f"a batch is of prompts of one token or more, got lengths {[len(p) for p in prompts]}")
    longest = max(len(prompt) for prompt in prompts)
    padding = np.array([longest - len(prompt) for prompt in prompts])
    return np.array([[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts]), padding


def generate_batch(
    model: GPT,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop: Iterable[int] = (),
    seeds: Sequence[int] | None = None,
) -> list[list[int]]:
    """The tokens that follow each of several prompts, with one forward pass for a token of all: those of `generate`.

    seeds, if given, are one for each prompt. Raises ValueError, before the first pass, for an empty prompt, for one
    that does not fit into the context with its new tokens, and as check_sampling does.

    >>> model = GPT(TransformerConfig(10, context=8, width=8, layers=1, heads=2)).eval()
    >>> [len(tokens) for tokens in generate_batch(model, [[1, 2, 3], [4]], max_new_tokens=5)]
    [5, 5]
    """
    check_sampling(temperature, top_k, top_p)
    ids, padding = left_padded(prompts)
    check_fits(model, ids.shape[1], max_new_tokens)
    if seeds is not None and len(seeds) != len(ids):
        raise ValueError(f"{len(ids)} prompts need a seed each, got {len(seeds)}")
    rngs = [generator] * len(ids) if seeds is None else [np.random.default_rng(seed) for seed in seeds]
    caches, rows, stop = caches_for(model, len(ids)), [list[int]() for _ in prompts], frozenset(stop)
    going = [True] * len(ids)
    for _ in range(max_new_tokens):
        logits = read_padded(model, ids, padding, caches)
        for b in (b for b in range(len(rows)) if going[b]):
            token = sample(logits[b], rngs[b].random(), temperature, top_k, top_p)
            going[b] = token not in stop
            rows[b] += [token] * going[b]
        if not any(going):
            break
        ids = np.array([[row[-1] if row else 0] for row in rows])
    return rows


def read_padded(model: GPT, ids: np.ndarray, padding: np.ndarray, caches: Sequence[KVCache]) -> np.ndarray:
    """Logits (B, V) of what follows the last of ids (B, T), which come after the caches' places.

    The first padding[b] places of sequence b are padding: place t of the array is place t - padding[b] of its text.
    """
    start, new = len(caches[0]), ids.shape[1]
    mask = visible(np.arange(start, start + new), caches[0].places(new), padding=padding)
    with no_grad():
        return model(ids, caches, start - padding, mask).data[:, -1]


def check_fits(model: GPT, prompt: int, new: int) -> None:
    """Raise ValueError unless so many tokens and new ones fit into the context; the last new one is never read."""
    if new < 0 or prompt + new > model.config.context + 1:
        raise ValueError(f"{prompt} tokens and {new} new ones must fit into {model.config.context} places")


# -- the same beginning --------------------------------------------------------------------------------------------


class Reads(Protocol):
    """What reads a text and says what may follow: a TextReader, or a table of what follows each token."""

    def read(self, tokens: Sequence[int], last: int = 1) -> np.ndarray:
        """Logits (last, V) of what follows each of the last places of a text."""


class TextReader:
    """A model with the caches of the text that it read last: a beginning that the next text shares is not read again.

    `computed` counts the places that went through the model.

    >>> reader = TextReader(GPT(TransformerConfig(10, context=8, width=8, layers=1, heads=2)).eval())
    >>> reader.read([1, 2, 3, 4]).shape, reader.read([1, 2, 3, 9], last=2).shape, reader.computed
    ((1, 10), (2, 10), 6)
    """

    def __init__(self, model: GPT):
        self.model, self.caches = model, caches_for(model, size=model.config.context)
        self.tokens: list[int] = []  # what the caches hold
        self.computed = 0

    def read(self, tokens: Sequence[int], last: int = 1) -> np.ndarray:
        """Logits (last, V) of what follows each of the last places of a text (T,).

        Raises ValueError unless 1 <= last <= T, and as the model does, for a text longer than its context.
        """
        # For how many tokens do self.tokens and the new ones agree? So many places may stay in the caches; but the
        # `last` ones must be read in any case, because their logits are asked for. truncate forgets the others.
        if not 1 <= last <= len(tokens):
            raise ValueError(f"a text of {len(tokens)} tokens has no logits of its last {last}")
        kept = min(shared_prefix(self.tokens, tokens), len(tokens) - last)
        for cache in self.caches:
            cache.truncate(kept)
        self.tokens = list(tokens[:kept])
        with no_grad():
            logits = self.model([list(tokens[kept:])], self.caches, kept).data[0]
        self.tokens, self.computed = list(tokens), self.computed + len(logits)
        return logits[-last:]


def shared_prefix(x: Sequence[int], y: Sequence[int]) -> int:
    """How many tokens two texts begin with in common.

    >>> shared_prefix([1, 2, 3], [1, 2, 4, 5])
    2
    """
    return next((i for i, (a, b) in enumerate(zip(x, y)) if a != b), min(len(x), len(y)))


# -- a draft -------------------------------------------------------------------------------------------------------


def chances(
    logits: np.ndarray, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> np.ndarray:
    """The distribution (V,) that `sample` draws from: of the top_k and top_p of softmax(logits / temperature).

    >>> chances(np.log([0.1, 0.6, 0.3]), top_k=2).round(2), chances(np.array([1.0, 2.0]), temperature=0)
    (array([0.  , 0.67, 0.33]), array([0., 1.]))
    """
    if temperature == 0:
        return np.eye(len(logits))[logits.argmax()]
    logits = logits / temperature
    if top_k is not None:
        logits = keep_top_k(logits, top_k)
    return distribution(logits if top_p is None else keep_top_p(logits, top_p))


def acceptance(p: np.ndarray, q: np.ndarray) -> float:
    """How probable it is that a token drawn from q is accepted for p: the sum of min(p, q). Leviathan et al., 2023.

    >>> acceptance(np.array([0.5, 0.5]), np.array([0.25, 0.75]))
    0.75
    """
    return float(np.minimum(p, q).sum())


def accept_draft(drafted: Sequence[int], p: np.ndarray, q: np.ndarray, u: np.ndarray) -> list[int]:
    """The tokens of one round: those of the draft that are accepted, and one more; distributed as drawn from p.

    drafted is a list or a tuple of n tokens, the i-th drawn from q[i], of q (n, V); p (n + 1, V) has the target's
    distributions at the same places, and at the one behind them. u (n + 1,) are uniform numbers in [0, 1). Token i is
    accepted with probability min(1, p / q), if u[i] < p[i] / q[i]. The first that is not is replaced by one drawn from
    max(p[i] - q[i], 0), which choose_token scales to a distribution, by u[n]; the tokens drafted behind it are dropped.
    If all are accepted, one more is drawn from p[n], by u[n]. Leviathan, Kalman and Matias, 2023; Chen et al., 2023.

    >>> p, q = np.array([[0.5, 0.5], [0.0, 1.0]]), np.array([[0.25, 0.75]])
    >>> accept_draft([1], p, q, np.array([0.6, 0.0])), accept_draft([1], p, q, np.array([0.7, 0.0]))
    ([1, 1], [0])
    """
    # Go through the draft in order. Compare without dividing, so that a q of 0 does no harm. Where rounding makes all
    # of max(p - q, 0) zero, p and q are the same, and you can draw from p.
    for i, token in enumerate(drafted):
        if u[i] * q[i, token] >= p[i, token]:
            left = np.maximum(p[i] - q[i], 0)
            return [*drafted[:i], choose_token(left if left.any() else p[i], u[-1])]
    return [*drafted, choose_token(p[-1], u[-1])]


def speculate(
    target: Reads,
    draft: Reads,
    prompt: Sequence[int],
    max_new_tokens: int,
    ahead: int = 4,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop: Iterable[int] = (),
    seed: int | None = None,
) -> Iterator[int]:
    """The tokens that follow a prompt, distributed as the target's own; a draft proposes up to `ahead` at a time.

    A round drafts `ahead` tokens, or fewer: with the target's one, no more than are still wanted. The draft is read
    once for each of them, the target once a round, for the logits that decide about all of them and about one more;
    both read the whole text, from the prompt on. It ends before the first token in `stop`. Chance comes from `seed`, or
    from the package's generator. At temperature 0 the tokens are those that `generate` gives. Raises ValueError, at the
    first token, for an `ahead` below 1, and as check_sampling does. Leviathan et al., 2023.

    >>> config = TransformerConfig(10, context=16, width=8, layers=1, heads=2)
    >>> target, draft = (TextReader(GPT(config).eval()) for _ in range(2))
    >>> len(list(speculate(target, draft, [1, 2, 3], max_new_tokens=8)))
    8
    """
    # A round: draft tokens one by one, each by choose_token from the chances of draft.read(text so far), with a uniform
    # number. Then one target.read, of the text with the draft, gives the logits at all these places: of how many, the
    # last ones? accept_draft decides. Yield its tokens one by one, none from the first in stop on.
    check_sampling(temperature, top_k, top_p)
    if ahead < 1:
        raise ValueError(f"a draft is of 1 token or more, got {ahead}")
    rng = generator if seed is None else np.random.default_rng(seed)
    options, stop = (temperature, top_k, top_p), frozenset(stop)
    tokens, end = list(prompt), len(prompt) + max_new_tokens
    while len(tokens) < end:
        drafted, q = list[int](), list[np.ndarray]()
        for _ in range(min(ahead, end - len(tokens) - 1)):
            q.append(chances(draft.read(tokens + drafted)[0], *options))
            drafted.append(choose_token(q[-1], rng.random()))
        logits = target.read(tokens + drafted, len(drafted) + 1)
        p = np.array([chances(row, *options) for row in logits])
        for token in accept_draft(drafted, p, np.array(q), rng.random(len(p))):
            if token in stop:
                return
            tokens.append(token)
            yield token


def expected_tokens(rate: float, ahead: int) -> float:
    """How many tokens a round gives, if each of `ahead` drafted ones is accepted at this rate: 1 + a + ... + a^ahead.

    Leviathan et al., 2023.

    >>> expected_tokens(0.5, ahead=2), expected_tokens(1.0, ahead=2)
    (1.75, 3.0)
    """
    return float(sum(rate**i for i in range(ahead + 1)))
