"""Chapter 17, memoization: a cache of keys and values, a ring, what is visible, what is read again, and drafts.

A cache holds (B, H, size, d); texts are cut into pieces of some places each. Oracles keep everything and compute all
again. Distributions are of whole numbers over their sum, and no u lies where rounding would decide.
"""

import numpy as np
from hypothesis import strategies as st
from strategies import mixed

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
    """What a cache returns after the last piece, its length, and its two arrays."""
    make = tt.memoization.RingCache if ring else tt.memoization.KVCache
    cache, start = make(*k.shape[:2], size, k.shape[3], k.dtype), 0
    for count in pieces:
        got = cache.update(*(tt.Tensor(x[:, :, start : start + count].copy()) for x in (k, v)))
        start += count
    return [*got, len(cache), cache.keys, cache.values]


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
def refused(tt, ring, first, batch, places, kind="float32"):
    """What becomes of the second update, which does not fit, and what the cache holds after it."""
    make = tt.memoization.RingCache if ring else tt.memoization.KVCache
    cache, ones = make(2, 1, 3, 2), tt.Tensor(np.ones((2, 1, first, 2), np.float32))
    cache.update(ones, ones)
    other = tt.Tensor(np.full((batch, 1, places, 2), 7, kind))
    try:
        cache.update(other, other)
    except (ValueError, TypeError) as error:
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
@given(keys_and_values(), st.integers(0, 3))
def new_places_stand_behind_the_others(student, k, v, some, free):
    """What is returned is all places so far, in order; the arrays hold the same, and zeros where nothing came yet."""
    keys, values, length, inside, beside = student.kept(k, v, some, k.shape[2] + free)
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
    """A full cache, a changed batch: a ValueError, as check raises it, and the cache stays as it was."""
    stays_as_it_was(student, False, first, batch, places)
    stays_as_it_was(student, False, 1, 2, 1, "float64")


def stays_as_it_was(student, ring, first, *second):
    answer, length, keys = student.refused(ring, first, *second)
    same(answer, "TypeError" if "float64" in second else "ValueError", "what the second update raises")
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
rubric.doctests("cache_bytes", points=1)


@rubric.check("cache_bytes", points=1)
@given(
    configurations(), st.integers(1, 3), optional, optional, st.sampled_from([4, 2]),
    always=[(telling, 2, None, None, 4), (telling, 2, 5, None, 4), (telling, 2, None, 3, 2), (telling, 2, 3, 5, 4)],
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
            total += np.empty((batch, shared, places, d), np.int8).nbytes * itemsize
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
    looks = lambda t, s: s <= t and (window is None or t - s < window)
    table = np.array([[looks(t, s) for s in keys] for t in queries])
    wide = np.array([[s <= t and (window is None or t - s <= window) for s in keys] for t in queries])
    mistakes = {"this window has one place more than its size": wide}
    expected = table
    if padding is not None:
        expected = np.array([[[[looks(t, s) and s >= n for s in keys] for t in queries]] for n in padding])
    if padding is not None or (wide == table).all():
        mistakes = {}
    close(student.visible(queries, keys, window, padding), expected, "the mask", mistakes=mistakes)


# -- RingCache.update -------------------------------------------------------------------------------------------------

steady = {"always": [(np.arange(1.0, 8.0, dtype=np.float32).reshape(1, 1, 7, 1), [1] * 7, 3)]}
size = st.integers(1, 4)


@rubric.check("RingCache.update", points=1)
@given(keys_and_values().map(lambda drawn: (drawn[0], drawn[2])), size, **steady)
def the_last_places_stand_in_their_slots(student, k, some, size):
    """Place t is in slot t % size, until place t + size takes it; the cache's length counts all places that came."""
    _, _, length, inside, beside = student.kept(k, -k, some, size, True)
    total, slots = sum(some), np.zeros((*k.shape[:2], size, k.shape[3]), k.dtype)
    for t in range(total):
        slots[:, :, t % size] = k[:, :, t]
    close(inside, slots, "cache.keys")
    close(beside, -slots, "cache.values")
    close(length, total, "the cache's length")


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
    """Through a window, attention with a ring is attention without; a changed batch is refused as before."""
    x = np.random.default_rng(seed).normal(size=(2, sum(some), 4)).astype(np.float32)
    yours, whole = student.attended_in_pieces(x, some, seed, size)
    close(yours, whole, "attention with a ring", rtol=1e-4, atol=1e-5)
    stays_as_it_was(student, True, 1, 1, 1)
    stays_as_it_was(student, True, 1, 2, 1, "float64")


# -- TextReader.read --------------------------------------------------------------------------------------------------


@rubric.probe
def read_in_turn(tt, texts, lasts, seed):
    """Logits of each text, those without a cache, and how many places were computed; too long a text is passed over."""
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
            found += [yours, model([tokens]).data[0, -last:], reader.computed]
    return found


texts = st.lists(st.lists(st.integers(0, 1), min_size=2, max_size=6), min_size=2, max_size=5)
long = [0] * 9


@rubric.check("TextReader.read", points=2)
@given(
    texts, st.lists(st.integers(1, 2), min_size=5, max_size=5), st.integers(0, 99),
    always=[
        ([[1, 2, 3], [1, 2, 3], [1, 2, 3, 4], [1, 2], [1, 3, 3, 4]], [1, 1, 1, 1, 2], 0),
        ([[0, 0, 0, 0], [0, 0, 0, *long], [0, 0, 0, 1], [2, 2], [2, 2, 2, 2, 2]], [1, 1, 1, 2, 3], 1),
        ([[1, 2], [1, 2, *long], [1, 2, 0, 0, 0], [1, 2, 0, 0, 1]], [1, 1, 1, 1], 2),
    ],
)  # fmt: skip
def only_what_is_new_is_read(student, texts, lasts, seed):
    """Logits are those of the whole text; of the places, no more are computed than the last text leaves to do."""
    found, before, computed = student.read_in_turn(texts, lasts[: len(texts)], seed), [], 0
    for tokens, last in zip(texts, lasts):
        same_start = 0
        while same_start < min(len(before), len(tokens)) and before[same_start] == tokens[same_start]:
            same_start += 1
        kept = min(same_start, len(tokens) - last)
        if len(tokens) > 8:
            before = tokens[:kept]
            continue
        yours, whole, so_far = found[:3]
        found, before, computed = found[3:], tokens, computed + len(tokens) - kept
        close(yours, whole, "the logits", rtol=1e-3, atol=1e-3)
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
                first = tt.memoization.accept_draft([int(token)], np.stack([p, p]), q[None], np.array([one, other]))[0]
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
    """The tokens for each seed, and for the last one how many logits the target was asked for, round by round."""

    class Table:
        """Says after each token what may follow, whatever stood before it."""

        def __init__(self, p):
            self.p, self.asked = p, []

        def read(self, tokens, last=1):
            self.asked.append(last)
            with np.errstate(divide="ignore"):
                return np.log(self.p[np.array(tokens)[len(tokens) - last :]])

    found = []
    for seed in seeds:
        tables, given = (Table(target), Table(draft)), list(prompt)
        found.append([int(t) for t in tt.memoization.speculate(*tables, given, count, ahead, seed=seed, **words)])
        if given != prompt:
            return ["the prompt was changed", given]
    return [found, tables[0].asked, len(tables[1].asked)]


def tables(size=3):
    return st.lists(st.permutations(range(1, size + 1)), min_size=size, max_size=size).map(over_its_sum)


def greedy_rounds(target, draft, token, count, ahead):
    """The tokens, and for each round how many the draft had said beforehand."""
    tokens, rounds = [], []
    while len(tokens) < count:
        drafted, at = [], token
        for _ in range(min(ahead, count - len(tokens) - 1)):
            at = int(draft[at].argmax())
            drafted.append(at)
        rounds.append(len(drafted))
        for guess in [*drafted, None]:
            token = int(target[token].argmax())
            tokens.append(token)
            if token != guess:
                break
    return tokens, rounds


@rubric.check("speculate", points=2)
@given(tables(), tables(), st.integers(0, 2), st.integers(0, 9), st.integers(1, 4), st.booleans())
def a_draft_saves_readings_and_changes_nothing(student, target, draft, token, count, ahead, agree):
    """At temperature 0: the target's own tokens, in as few rounds as the draft allows, each with one reading."""
    draft = target if agree else draft
    tokens, rounds = greedy_rounds(target, draft, token, count, ahead)
    for words in ({"temperature": 0}, {"top_k": 1}, {"top_p": 0.01}):
        answer = student.speculated(target, draft, [2, token], count, ahead, [1], words)
        holds(len(answer) == 3, "the prompt is not changed", yours=answer)
        same(answer[0][0], tokens, "the tokens")
        same(answer[1], [n + 1 for n in rounds], "how many logits of the target each round asks for")
        close(answer[2], sum(rounds), "how often the draft is read")


@rubric.probe
def without_a_seed(tt, target):
    """The tokens of two runs, with the package's generator in the same state before each."""

    class Table:
        def read(self, tokens, last=1):
            return np.log(target[np.array(tokens)[len(tokens) - last :]])

    found = []
    for _ in range(2):
        tt.environment.manual_seed(5)
        found.append([int(t) for t in tt.memoization.speculate(Table(), Table(), [0], 12)])
    return found


@rubric.check("speculate", points=1)
@given(tables(), tables(), st.integers(0, 2), st.integers(1, 3))
def it_ends_before_a_token_to_stop_at(student, target, draft, token, ahead):
    """The token that ends it is not among those that come, nor any behind it; without an ahead there is no draft."""
    tokens, _ = greedy_rounds(target, draft, token, 9, ahead)
    stop = tokens[min(4, len(tokens) - 1)]
    words = {"temperature": 0, "stop": [stop, 7]}
    answer = student.speculated(target, draft, [token], 9, ahead, [1], words)
    same(answer[0][0], tokens[: tokens.index(stop)], "the tokens")
    one, other = student.without_a_seed(target)
    same(one, other, "the tokens without a seed, from the same state of the package's generator")
    refuses("ValueError", student.speculated, target, draft, [token], 3, 0, [1], {})
    refuses("ValueError", student.speculated, target, draft, [token], 3, 1, [1], {"temperature": -1.0})


@rubric.check("speculate", points=1, examples=3)
@given(tables(), tables(), st.integers(1, 2), st.sampled_from([1.0, 0.5]))
def three_tokens_come_as_often_as_the_target_says(student, target, draft, ahead, temperature):
    """Over many seeds, each sequence of three tokens comes as often as without a draft: a chi-square test."""
    seeds = list(range(400))
    found = student.speculated(target, draft, [0], 3, ahead, seeds, {"temperature": temperature})[0]
    again = student.speculated(target, draft, [0], 3, ahead, seeds[:5], {"temperature": temperature})[0]
    same(again, found[:5], "the tokens of the same seeds")
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
    rng, total = np.random.default_rng(17), 0
    for _ in range(20000):
        drafted = rng.choice(3, size=3, p=q).tolist()
        total += len(accept_draft(drafted, np.stack([p] * 4), np.stack([q] * 3), rng.random(4)))
    return total / 20000


@rubric.accounting(points=1, unit="tokens", counted=tokens_of_a_round, tolerance=0.02, difficulty=2, minutes=10)
def tokens_a_round():
    """A draft proposes 3 tokens, each accepted with probability 0.8. How many tokens does a round give on average?

    The target adds one of its own in every round.
    """
    # The token of the target comes always; the first drafted one with 0.8, the second only if both are accepted.
    return 1 + 0.8 + 0.8**2 + 0.8**3
