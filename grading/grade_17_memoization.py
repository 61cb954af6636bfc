"""Chapter 17, memoization: a cache of keys and values, a ring, what is visible, what is read again, and drafts.

A cache holds (B, H, size, d); texts are cut into pieces of some places each. Oracles keep everything and compute all
again. Distributions are of whole numbers over their sum, and no u lies where rounding would decide.
"""

import math

import numpy as np
from hypothesis import strategies as st
from strategies import example, mixed

from tito.rubrics.compare import close, holds, refuses, same
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("17", module="memoization")

rubric.exercise("KVCache.update", difficulty=1, minutes=10)
rubric.exercise("cache_bytes", difficulty=1, minutes=8)
rubric.exercise("visible", difficulty=1, minutes=10)
rubric.exercise("RingCache.update", difficulty=2, minutes=25)
rubric.exercise("TextReader.read", difficulty=2, minutes=15)
rubric.exercise("accept_draft", difficulty=2, minutes=25)
rubric.exercise("speculate", difficulty=3, minutes=45)

pieces = st.lists(st.integers(1, 4), min_size=1, max_size=4)


# -- KVCache.update ---------------------------------------------------------------------------------------------------


@rubric.probe
def kept(tt, k, v, pieces, size, ring=False):
    """What a cache returns after the last piece, its length, its two arrays; whether they stay, and are shared."""
    make = tt.memoization.RingCache if ring else tt.memoization.KVCache
    cache, start, views = make(*k.shape[:2], size, k.shape[3], k.dtype), 0, True
    keys, values = cache.keys, cache.values
    for count in pieces:
        got = cache.update(*(tt.Tensor(x[:, :, start : start + count].copy()) for x in (k, v)))
        start += count
        views = views and all(np.shares_memory(x.data, y) for x, y in zip(got, (keys, values)))
    return [*got, len(cache), cache.keys, cache.values, cache.keys is keys and cache.values is values, views]


@rubric.probe
def attended_in_pieces(tt, x, pieces, seed, window=None):
    """Attention of all places at once, and of the same places piece by piece with a cache."""
    m, total = tt.memoization, x.shape[1]
    attention = tt.attention.MultiHeadAttention(4, heads=2, rng=np.random.default_rng(seed))
    cache = m.KVCache(len(x), 2, total, 2) if window is None else m.RingCache(len(x), 2, window, 2)
    mask = lambda queries, keys: None if window is None else m.visible(queries, keys, window)
    found, start = [], 0
    with tt.no_grad():
        whole = attention(tt.Tensor(x), mask=mask(np.arange(total), np.arange(total)), is_causal=True)
        for count in pieces:
            some, new = tt.Tensor(x[:, start : start + count]), np.arange(start, start + count)
            found.append(attention(some, mask=mask(new, cache.places(count)), is_causal=count > 1, cache=cache))
            start += count
    return [tt.concatenate(found, dim=1), whole]


@rubric.probe
def refused(tt, ring, first, batch, places, kind="float32", more=0, learns=""):
    """What becomes of the second update, which does not fit, and what the cache holds after it.

    Its values have so many places more than its keys; k or v may require a gradient.
    """
    make = tt.memoization.RingCache if ring else tt.memoization.KVCache
    cache, ones = make(2, 1, 3, 2), tt.Tensor(np.ones((2, 1, first, 2), np.float32))
    cache.update(ones, ones)
    shapes = ((batch, 1, places, 2), (batch, 1, places + more, 2))
    k, v = (tt.Tensor(np.full(s, 7, kind), requires_grad=name == learns) for name, s in zip("kv", shapes))
    try:
        cache.update(k, v)
    except (ValueError, TypeError, RuntimeError) as error:
        return [type(error).__name__, len(cache), cache.keys]
    return ["taken", len(cache), cache.keys]


@st.composite
def keys_and_values(draw):
    """k, v (B, H, total, d), the pieces that they come in."""
    some = draw(pieces)
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 2)), sum(some), draw(st.integers(1, 3)))
    dtype = draw(st.sampled_from([np.float32, np.float64, np.float16]))
    return draw(mixed(shape)).astype(dtype), draw(mixed(shape)).astype(dtype), some


@rubric.check("KVCache.update", points=1)
@given(
    keys_and_values(),
    st.integers(0, 3),
    always=[
        (example(1, 1, 2, 1), example(1, 1, 2, 1, start=3), some, free) for some in ([2], [1, 1]) for free in (0, 1)
    ],
)
def new_places_stand_behind_the_others(student, k, v, some, free):
    """What is returned is all places so far, in order, as views of the two arrays, which are made once."""
    keys, values, length, inside, beside, stay, views = student.kept(k, v, some, k.shape[2] + free)
    last = sum(some[:-1])
    mistakes = {"only the new places are returned": k[:, :, last:]}
    if free:
        mistakes["all of the array is returned"] = np.pad(k, [(0, 0), (0, 0), (0, free), (0, 0)])
    close(keys, k, "the keys", mistakes=mistakes)
    close(values, v, "the values", mistakes={"these are the keys": k})
    close(length, k.shape[2], "the cache's length")
    padding = [(0, 0), (0, 0), (0, free), (0, 0)]
    close(inside, np.pad(k, padding), "cache.keys")
    close(beside, np.pad(v, padding), "cache.values")
    holds(stay, "cache.keys and cache.values are the arrays that the cache was made with")
    holds(views, "what is returned shares its memory with cache.keys and cache.values")


@rubric.check("KVCache.update", points=1, examples=12)
@given(pieces, st.integers(1, 2), st.integers(0, 99))
def cached_attention_is_full_attention(student, some, batch, seed):
    """Piece by piece with a cache, each place gets what it gets when all places are read at once."""
    x = np.random.default_rng(seed).normal(size=(batch, sum(some), 4)).astype(np.float32)
    yours, whole = student.attended_in_pieces(x, some, seed)
    close(yours, whole, "attention with a cache", rtol=1e-4, atol=1e-5)


@rubric.check("KVCache.update", points=1, examples=6)
@given(st.sampled_from([(3, 2, 1), (1, 1, 1)]), always=[(3, 2, 1), (1, 1, 1), (1, 3, 1), (2, 2, 2)])
def what_does_not_fit_is_refused_whole(student, first, batch, places):
    """What check refuses, a full cache, another batch, values that need a gradient: the cache stays as it was."""
    stays_as_it_was(student, False, first, batch, places)
    whatever_does_not_fit(student, False)


def whatever_does_not_fit(student, ring):
    """Another dtype, values of more places than the keys, and a gradient that would be needed."""
    stays_as_it_was(student, ring, 1, 2, 1, "TypeError", kind="float64")
    stays_as_it_was(student, ring, 1, 2, 1, more=1)
    for learns in "kv":
        stays_as_it_was(student, ring, 1, 2, 1, "RuntimeError", learns=learns)


def stays_as_it_was(student, ring, first, batch, places, error="ValueError", **other):
    answer, length, keys = student.refused(ring, first, batch, places, **other)
    same(answer, error, "what the second update raises")
    expected = np.zeros((2, 1, 3, 2), np.float32)
    expected[:, :, :first] = 1
    close(length, first, "the length after it")
    close(keys, expected, "cache.keys after it")


# -- cache_bytes ------------------------------------------------------------------------------------------------------


@rubric.probe
def counted(tt, sizes, batch, length, window, itemsize):
    config = tt.transformers.TransformerConfig(9, **sizes)
    return tt.memoization.cache_bytes(config, batch, length, window, itemsize)


@st.composite
def configurations(draw):
    heads = draw(st.sampled_from([2, 4]))
    return {
        "heads": heads, "width": heads * draw(st.integers(1, 3)),
        "kv_heads": draw(st.sampled_from([None, 1, 2, heads])),
        "layers": draw(st.integers(1, 3)), "context": draw(st.integers(3, 9)),
    }  # fmt: skip


optional = st.one_of(st.none(), st.integers(1, 12))
telling = {"heads": 4, "width": 12, "kv_heads": 2, "layers": 3, "context": 7}
large = {"heads": 32, "width": 4096, "kv_heads": None, "layers": 32, "context": 8192}  # 2^35 bytes
rubric.doctests("cache_bytes", points=1)


@rubric.check("cache_bytes", points=1)
@given(
    configurations(), st.integers(1, 3), st.one_of(st.none(), st.integers(0, 12)), optional, st.sampled_from([4, 2]),
    always=[
        (telling, 2, None, None, 4), (telling, 2, 5, None, 4), (telling, 2, None, 3, 2), (telling, 2, 3, 5, 4),
        (telling, 2, 0, None, 4), (large, 8, None, None, 2),
    ],
)  # fmt: skip
def two_numbers_for_each(student, sizes, batch, length, window, itemsize):
    """A key and a value for each place, layer and sequence, as wide as the heads of keys are together."""
    d = sizes["width"] // sizes["heads"]
    shared = sizes["kv_heads"] or sizes["heads"]
    places = sizes["context"] if length is None else length
    places = places if window is None else min(window, places)
    total = 0
    for _ in range(sizes["layers"]):
        for _ in ("keys", "values"):
            total += math.prod((batch, shared, places, d)) * itemsize
    mistakes = {
        "keys are kept, and values, too": total // 2,
        "each layer has its own": total // sizes["layers"],
        "each sequence has its own": total // batch,
    }
    yours = student.counted(sizes, batch, length, window, itemsize)
    close(yours, total, "the bytes", mistakes={say: wrong for say, wrong in mistakes.items() if wrong != total})


# -- visible ----------------------------------------------------------------------------------------------------------

rubric.doctests("visible", points=1)
few = st.lists(st.integers(0, 6), min_size=1, max_size=4).map(np.array)


@rubric.check("visible", points=1)
@given(
    few, few, st.one_of(st.none(), st.integers(1, 4)), st.one_of(st.none(), few),
    always=[
        (np.array([2, 3, 4]), np.array([4, 1, 2, 3]), 2, None),
        (np.array([3]), np.array([0, 1, 2, 3]), 3, np.array([0, 2])),
        (np.array([0, 1, 2, 3]), np.array([0, 1, 2, 3]), None, np.array([0, 1, 3])),
        (np.array([0, 1]), np.array([0, 1]), 1, np.array([0])),
    ],
)  # fmt: skip
def neither_later_nor_too_early(student, queries, keys, window, padding):
    """Key s is seen from query t if t - window < s <= t, and if it is not padding: whatever order the keys are in."""

    def table(most):
        looks = lambda t, s, n: s <= t and (most is None or t - s < most) and s >= n
        tables = [[[looks(t, s, n) for s in keys] for t in queries] for n in ([0] if padding is None else padding)]
        return np.array(tables)[0] if padding is None else np.array(tables)[:, None]

    mistakes = {"this window has one place more than its size": table(None if window is None else window + 1)}
    close(student.visible(queries, keys, window, padding), table(window), "the mask", mistakes=mistakes)


# -- RingCache.update -------------------------------------------------------------------------------------------------

steady = {"always": [(np.arange(1.0, 8.0, dtype=np.float32).reshape(1, 1, 7, 1), [1] * 7, 3)]}
size = st.integers(1, 4)


@rubric.check("RingCache.update", points=1)
@given(keys_and_values().map(lambda drawn: (drawn[0], drawn[2])), size, **steady)
def the_last_places_stand_in_their_slots(student, k, some, size):
    """Place t is in slot t % size, until place t + size takes it; the cache's length counts all places that came."""
    _, _, length, inside, beside, stay, _ = student.kept(k, -k, some, size, True)
    total, slots = sum(some), np.zeros((*k.shape[:2], size, k.shape[3]), k.dtype)
    for t in range(total):
        slots[:, :, t % size] = k[:, :, t]
    close(inside, slots, "cache.keys")
    close(beside, -slots, "cache.values")
    close(length, total, "the cache's length")
    holds(stay, "cache.keys and cache.values are the arrays that the cache was made with")


@rubric.check("RingCache.update", points=1)
@given(keys_and_values().map(lambda drawn: (drawn[0], drawn[2])), size, **steady)
def a_window_around_each_new_place(student, k, some, size):
    """One new place sees the slots that are taken, as they are; several see size - 1 earlier ones, then themselves."""
    keys, values, *_ = student.kept(k, -k, some, size, True)
    total, new = sum(some), some[-1]
    expected = k[:, :, max(0, total - new - size + 1) :]
    if new == 1:
        slots = [max(t for t in range(total) if t % size == slot) for slot in range(min(size, total))]
        expected = k[:, :, slots]
    close(keys, expected, "the keys")
    close(values, -expected, "the values")


@rubric.check("RingCache.update", points=1, examples=12)
@given(pieces, size, st.integers(0, 99), always=[([4, 1, 3, 1], 2, 0), ([1] * 6, 3, 1)])
def a_ring_changes_no_attention(student, some, size, seed):
    """Through a window, attention with a ring is attention without; what does not fit is refused as before."""
    x = np.random.default_rng(seed).normal(size=(2, sum(some), 4)).astype(np.float32)
    yours, whole = student.attended_in_pieces(x, some, seed, size)
    close(yours, whole, "attention with a ring", rtol=1e-4, atol=1e-5)
    stays_as_it_was(student, True, 1, 1, 1)
    whatever_does_not_fit(student, True)


# -- TextReader.read --------------------------------------------------------------------------------------------------


@rubric.probe
def read_in_turn(tt, texts, lasts, seed):
    """Of each text the logits, those without a cache, how many places were computed, whether the logits are an array.

    Too long a text is passed over.
    """
    model = tt.transformers.GPT(
        tt.transformers.TransformerConfig(5, context=8, width=4, layers=2, heads=1), np.random.default_rng(seed)
    ).eval()
    for p in model.parameters():
        p.data += np.random.default_rng(seed).normal(size=p.shape).astype(np.float32)
    reader, text, found = tt.memoization.TextReader(model), [], []
    for tokens, last in zip(texts, lasts):
        text[:] = tokens  # the same list again, as a program that appends to it has
        try:
            yours = reader.read(text, last)
        except ValueError:
            if len(tokens) <= 8:
                raise
            continue
        with tt.no_grad():
            found += [yours, model([tokens]).data[0, -last:], reader.computed, isinstance(yours, np.ndarray)]
        if text != tokens:
            return ["changed"]
    return found


texts = st.lists(st.lists(st.integers(0, 1), min_size=2, max_size=6), min_size=2, max_size=5)
long = [0] * 9


@rubric.check("TextReader.read", points=2, examples=12)
@given(
    texts, st.lists(st.integers(1, 2), min_size=5, max_size=5), st.integers(0, 99),
    always=[
        ([[1, 2, 3], [1, 2, 3], [1, 2, 3, 4], [1, 2], [1, 3, 3, 4]], [1, 1, 1, 1, 2], 0),
        ([[0, 0, 0, 0], [0, 0, 0, *long], [0, 0, 0, 1], [2, 2], [2, 2, 2, 2, 2]], [1, 1, 1, 2, 3], 1),
        ([[1, 2], [1, 2, *long], [1, 2, 0, 0, 0], [1, 2, 0, 0, 1]], [1, 1, 1, 1], 2),
        ([[1, 2, 3], [1, 2, *long], [1, 2, 3, 4]], [1, 1, 1], 3),
        ([[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4, 0]], [1, 2, 3], 4),
    ],
)  # fmt: skip
def only_what_is_new_is_read(student, texts, lasts, seed):
    """Logits are those of the whole text; of the places, no more are computed than the last text leaves to do."""
    found, before, computed, refused = student.read_in_turn(texts, lasts[: len(texts)], seed), [], 0, False
    holds(found != ["changed"], "the caller's list of tokens is not changed")
    for tokens, last in zip(texts, lasts):
        same_start = 0
        while same_start < min(len(before), len(tokens)) and before[same_start] == tokens[same_start]:
            same_start += 1
        kept = min(same_start, len(tokens) - last)
        if len(tokens) > 8:
            before, refused = tokens[:kept], True
            continue
        yours, whole, so_far, is_array = found[:4]
        found, before, computed = found[4:], tokens, computed + len(tokens) - kept
        close(yours, whole, "the logits", rtol=1e-3, atol=1e-3)
        holds(is_array, "the logits are an array, not a tensor")
        if refused:  # what is refused before anything is forgotten leaves less to do
            holds(so_far <= computed, f"reader.computed is not above {computed}, in all", yours=so_far)
        else:
            close(so_far, computed, "reader.computed, in all")


@rubric.probe
def asked_for_last(tt, last):
    model = tt.transformers.GPT(tt.transformers.TransformerConfig(5, context=8, width=4, layers=1, heads=1))
    return tt.memoization.TextReader(model).read([1, 2], last)


@rubric.check("TextReader.read", points=1, examples=4)
@given(st.sampled_from([0, -1, 3]))
def there_are_no_other_logits(student, last):
    """More logits than places, or fewer than one, cannot be had: a ValueError."""
    refuses("ValueError", student.asked_for_last, last)


# -- accept_draft -----------------------------------------------------------------------------------------------------


def over_its_sum(rows):
    rows = np.array(rows, float)
    return rows / rows.sum(axis=-1, keepdims=True)


def distribution(size, least=0):
    return st.lists(st.integers(least, 4), min_size=size, max_size=size).filter(any)


uniform = st.integers(0, 96).filter(lambda i: i != 48).map(lambda i: (2 * i + 1) / 194)


@st.composite
def drafts(draw):
    """n drafted tokens, each possible by q, p (n + 1, V), q (n, V), and u (n + 1,)."""
    n, v = draw(st.integers(0, 3)), draw(st.integers(2, 4))
    p = over_its_sum([draw(distribution(v)) for _ in range(n + 1)])
    q = over_its_sum([draw(distribution(v)) for _ in range(n)]) if n else np.zeros((0, v))
    drafted = [draw(st.sampled_from(np.flatnonzero(row).tolist())) for row in q]
    return drafted, p, q, np.array([draw(uniform) for _ in range(n + 1)])


@rubric.probe
def accepted(tt, drafted, p, q, u):
    return [int(token) for token in tt.memoization.accept_draft(drafted, p, q, u)]


def share(weights, u):
    """The token in whose share u lies."""
    ends = np.cumsum(weights) / np.sum(weights)
    return next(i for i, end in enumerate(ends) if u < end)


def by_the_paper(drafted, p, q, u):
    for i, token in enumerate(drafted):
        if u[i] >= min(1, p[i][token] / q[i][token]):
            return [*drafted[:i], share([max(a - b, 0) for a, b in zip(p[i], q[i])], u[-1])]
    return [*drafted, share(p[-1], u[-1])]


half, sure = [0.5, 0.5], [1.0, 0.0]
known = [
    ([1], np.array([half, sure]), np.array([[0.25, 0.75]]), np.array([0.9, 0.1])),
    ([1], np.array([half, sure]), np.array([[0.25, 0.75]]), np.array([0.6, 0.1])),
    ([0, 1, 0], np.array([half, [0.9, 0.1], half, sure]), np.array([half] * 3), np.array([0.9, 0.5, 0.0, 0.9])),
    ([0, 0], np.array([half, half, [0.1, 0.9]]), np.array([half, half]), np.array([0.9, 0.9, 0.3])),
    ([], np.array([[0.25, 0.75]]), np.zeros((0, 2)), np.array([0.2])),
    ([0], np.array([[0.0, 1.0], half]), np.array([half]), np.array([0.0, 0.3])),
]
rubric.doctests("accept_draft", points=1)


@rubric.check("accept_draft", points=2)
@given(drafts(), always=known)
def as_far_as_the_target_agrees(student, drafted, p, q, u):
    """Tokens up to the first that u rejects; for that one, a token from max(p - q, 0); one more if none is rejected."""
    same(student.accepted(drafted, p, q, u), by_the_paper(drafted, p, q, u), "the tokens")
    nearly = np.array([[0.5, 0.5], [0.5, 0.5]])
    rounded = student.accepted([0], nearly, nearly[:1] * (1 + 1e-15), np.array([1 - 1e-16, 0.7]))
    holds(rounded in ([0, 1], [1]), "where p is q but for rounding, a token comes all the same", yours=rounded)


@rubric.probe
def first_of_many(tt, p, q, steps):
    """How often each token comes first, for every drafted one in proportion to q, over a grid of u."""
    counts, at = np.zeros(len(q)), (np.arange(steps) + 0.5) / steps
    for token in np.flatnonzero(q):
        for one in at:
            for other in at:
                first = tt.memoization.accept_draft((int(token),), np.stack([p, p]), q[None], np.array([one, other]))[0]
                counts[first] += q[token]
    return counts / steps**2


@rubric.check("accept_draft", points=1, examples=6)
@given(st.integers(2, 4).flatmap(lambda v: st.tuples(distribution(v), distribution(v))))
def the_first_token_has_the_target_s_distribution(student, p, q):
    """Whatever the draft is, over all u the first token comes as often as p says."""
    p, q = over_its_sum(p), over_its_sum(q)
    mistakes = {"this is the draft's distribution": q} if np.abs(p - q).max() > 0.2 else {}
    close(student.first_of_many(p, q, 24), p, "how often each token comes first", rtol=0, atol=0.06, mistakes=mistakes)


# -- speculate --------------------------------------------------------------------------------------------------------


@rubric.probe
def speculated(tt, target, draft, prompt, count, ahead, seeds, words):
    """Whether the prompt stays; for each seed the tokens, and how many logits the target was asked for, round by round.

    And of the last seed the texts that the target and the draft have read.
    """

    class Table:
        """Says after each token what may follow, whatever stood before it."""

        def __init__(self, p):
            self.p, self.asked, self.texts = p, [], []

        def read(self, tokens, last=1):
            self.asked.append(last)
            self.texts.append([int(token) for token in tokens])
            with np.errstate(divide="ignore"):
                return np.log(self.p[np.array(tokens)[len(tokens) - last :]])

    found, asked, stays = [], [], True
    for seed in seeds:
        tables, given = (Table(target), Table(draft)), list(prompt)
        stop = iter(words.get("stop", ()))
        options = {**words, "seed": seed, "stop": stop}
        found.append([int(t) for t in tt.memoization.speculate(*tables, given, count, ahead, **options)])
        asked.append(tables[0].asked)
        stays = stays and given == prompt
    return [stays, found, asked, tables[0].texts, tables[1].texts]


def spoken(student, *arguments):
    """What speculated returns, unless the prompt was changed."""
    stays, *answer = student.speculated(*arguments)
    holds(stays, "the prompt is not changed")
    return answer


def tables(size=3):
    return st.lists(st.permutations(range(1, size + 1)), min_size=size, max_size=size).map(over_its_sum)


def greedy_rounds(target, draft, prompt, count, ahead):
    """The tokens, for each round how many the draft had said beforehand, and the texts that target and draft read."""
    tokens, rounds, texts, token = [], [], ([], []), prompt[-1]
    while len(tokens) < count:
        drafted, at = [], token
        for _ in range(min(ahead, count - len(tokens) - 1)):
            texts[1].append([*prompt, *tokens, *drafted])
            at = int(draft[at].argmax())
            drafted.append(at)
        rounds.append(len(drafted))
        texts[0].append([*prompt, *tokens, *drafted])
        for guess in [*drafted, None]:
            token = int(target[token].argmax())
            tokens.append(token)
            if token != guess:
                break
    return tokens, rounds, *texts


@rubric.check("speculate", points=2, examples=12)
@given(tables(), tables(), st.integers(0, 2), st.integers(0, 9), st.integers(1, 4), st.booleans())
def a_draft_saves_readings_and_changes_nothing(student, target, draft, token, count, ahead, agree):
    """At temperature 0: the target's own tokens, in as few rounds as the draft allows, each with one reading."""
    draft = target if agree else draft
    tokens, rounds, read, drafted = greedy_rounds(target, draft, [2, token], count, ahead)
    for words in ({"temperature": 0}, {"top_k": 1}, {"top_p": 0.01}):
        found, asked, yours_read, yours_drafted = spoken(student, target, draft, [2, token], count, ahead, [1], words)
        same(found[0], tokens, "the tokens")
        same(asked[0], [n + 1 for n in rounds], "how many logits of the target each round asks for")
        close(len(yours_drafted), sum(rounds), "how often the draft is read")
        same(yours_read, read, "the texts that the target reads, from the prompt on")
        same(yours_drafted, drafted, "the texts that the draft reads, from the prompt on")


@rubric.probe
def without_a_seed(tt, target):
    """The tokens of two runs, with the package's generator in the same state before each."""

    class Table:
        def read(self, tokens, last=1):
            return np.log(target[np.array(tokens)[len(tokens) - last :]])

    found = []
    for _ in range(2):
        tt.environment.manual_seed(5)
        tokens = tt.memoization.speculate(Table(), Table(), [0], 12)
        found.append([int(next(tokens)), *(int(t) for t in tokens)])
    return found


ROUND = over_its_sum([[1, 3, 2], [2, 1, 3], [3, 2, 1]])  # 0 is followed by 1, 1 by 2, 2 by 0


@rubric.check("speculate", points=1, examples=12)
@given(tables(), tables(), st.integers(0, 2), st.integers(1, 3), always=[(ROUND, ROUND, 1, 2)])
def it_ends_before_a_token_to_stop_at(student, target, draft, token, ahead):
    """The token that ends it is not among those that come, nor any behind it; without an ahead there is no draft."""
    tokens, *_ = greedy_rounds(target, draft, [token], 9, ahead)
    stop = tokens[min(4, len(tokens) - 1)]
    words = {"temperature": 0, "stop": [7, stop, 8]}
    found, *_ = spoken(student, target, draft, [token], 9, ahead, [1], words)
    same(found[0], tokens[: tokens.index(stop)], "the tokens")
    one, other = student.without_a_seed(target)
    same(one, other, "the tokens without a seed, from the same state of the package's generator")
    for none in (0, -1):
        refuses("ValueError", student.speculated, target, draft, [token], 3, none, [1], {})
    for words in ({"temperature": -1.0}, {"top_k": 0}, {"top_p": 1.5}):
        refuses("ValueError", student.speculated, target, draft, [token], 3, 1, [1], words)


@rubric.check("speculate", points=1, examples=3)
@given(tables(), tables(), st.integers(1, 2), st.sampled_from([1.0, 0.5]))
def three_tokens_come_as_often_as_the_target_says(student, target, draft, ahead, temperature):
    """Over many seeds, each sequence of three tokens comes as often as without a draft: a chi-square test.

    A draft that is the target itself is always accepted.
    """
    seeds = list(range(400))
    found, *_ = spoken(student, target, draft, [0], 3, ahead, seeds, {"temperature": temperature})
    again, *_ = spoken(student, target, draft, [0], 3, ahead, seeds[:5], {"temperature": temperature})
    same(sorted({len(tokens) for tokens in found}), [3], "how many tokens come")
    same(again, found[:5], "the tokens of the same seeds")
    _, asked, *_ = spoken(student, target, target, [0], 6, 2, seeds[:20], {"temperature": 0.5})
    same(asked, [[3, 3]] * 20, "how many logits each round asks for, where target and draft are the same")
    p = target ** (1 / temperature)
    p = p / p.sum(axis=1, keepdims=True)
    expected = 400 * p[0][:, None, None] * p[:, :, None] * p[None]
    seen = np.zeros((3, 3, 3))
    for tokens in found:
        seen[tuple(tokens)] += 1
    chi_square = ((seen - expected) ** 2 / expected).sum()
    holds(chi_square < 90, "chi-square, of 26 degrees of freedom, is below 90", yours=round(float(chi_square)))


# -- accounting -------------------------------------------------------------------------------------------------------


def bytes_of_the_caches():
    """The arrays of real caches, counted."""
    from tinytorch.memoization import caches_for
    from tinytorch.transformers import GPT, Blank, TransformerConfig

    model = GPT(TransformerConfig(100, context=512, width=96, layers=3, heads=6, kv_heads=2), Blank())
    return sum(cache.nbytes for cache in caches_for(model, batch=4))


@rubric.accounting(points=1, unit="bytes", counted=bytes_of_the_caches, tolerance=0, difficulty=1, minutes=8)
def four_caches():
    """How many bytes do the caches of four texts take, for 512 places each, in float32?

    The model has 3 blocks of width 96, 6 heads of queries, and 2 heads of keys and values.
    """
    # A head has 96 / 6 numbers. Each place of each text has, in each block, 2 heads of keys and as many of values.
    return 4 * 512 * 3 * 2 * (2 * 16) * 4


def places_without_a_cache():
    """The places that go through a model, with and without caches, counted by an observer."""
    import tinytorch as tt
    from tinytorch.memoization import caches_for
    from tinytorch.tensor import observers
    from tinytorch.transformers import GPT, Blank, TransformerConfig, generate

    model = GPT(TransformerConfig(5, context=64, width=4, layers=1, heads=1), Blank()).eval()
    counted = []
    for caches in (None, caches_for(model)):
        places = []
        watch = lambda name, seconds, arrays, z, places=places: places.append(z.shape[-2] * (name == "feed_forward"))
        observers.append(watch)
        with tt.no_grad():
            list(generate(model, list(range(5)) * 2, 50, temperature=0, caches=caches))
        observers.remove(watch)
        counted.append(sum(places))
    return counted[0] / counted[1]


@rubric.accounting(
    points=1, unit="times as many", counted=places_without_a_cache, tolerance=0.001, difficulty=2, minutes=12
)
def places_again():
    """A prompt of 10 tokens, 50 new ones: how many times as many places does the model compute without a cache as with?

    The context is long enough for all of them. The last new token is read by neither.
    """
    # Without: 10, then 11, and so on, 50 readings in all. With: the prompt once, and then one place a reading.
    return sum(range(10, 60)) / (10 + 49)


def tokens_of_a_round():
    """The mean of many rounds, with a draft and a target that agree at the rate that the question gives."""
    from tinytorch.memoization import accept_draft, acceptance

    p, q = np.array([0.4, 0.6, 0.0]), np.array([0.2, 0.6, 0.2])
    assert abs(acceptance(p, q) - 0.8) < 1e-12
    rng, p_rows, q_rows = np.random.default_rng(17), np.stack([p] * 4), np.stack([q] * 3)
    drafts, numbers = rng.choice(3, size=(40000, 3), p=q).tolist(), rng.random((40000, 4))
    return sum(len(accept_draft(drafted, p_rows, q_rows, u)) for drafted, u in zip(drafts, numbers)) / 40000


@rubric.accounting(points=1, unit="tokens", counted=tokens_of_a_round, tolerance=0.005, difficulty=2, minutes=10)
def tokens_a_round():
    """A draft proposes 3 tokens, each accepted with probability 0.8. How many tokens does a round give on average?

    The target adds one of its own in every round.
    """
    # The token of the target comes always; the first drafted one with 0.8, the second only if both are accepted.
    return 1 + 0.8 + 0.8**2 + 0.8**3
