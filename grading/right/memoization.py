"""Right answers to chapter 17, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import numpy as np

from tinytorch.environment import generator
from tinytorch.memoization import accept_draft, chances, check_sampling, choose_token, no_grad, shared_prefix
from tinytorch.tensor import Tensor, is_grad_enabled
from tito.rubrics.planted import right

# -- KVCache.update ---------------------------------------------------------------------------------------------------

right("KVCache.update", "counts from the other side", "k.shape[-2]", "v.shape[2]")
right("KVCache.update", "counts with len", "start, end = self.length,", "start, end = len(self),")


@right("KVCache.update", "goes place by place")
def kept_by_places(self, k, v):
    self.check(k, v)
    for t in range(k.shape[2]):
        self.keys[:, :, self.length] = k.data[:, :, t]
        self.values[:, :, self.length] = v.data[:, :, t]
        self.length += 1
    return tuple(Tensor(x[:, :, : self.length]) for x in (self.keys, self.values))


right("KVCache.update", "cuts what is a tensor", "Tensor(self.keys[:, :, :end])", "Tensor(self.keys)[:, :, :end]")


@right("KVCache.update", "checks by itself")
def kept_checked(self, k, v):
    batch, heads, size, width = self.keys.shape
    for x in (k, v):
        if x.ndim != 4 or x.shape[:2] != (batch, heads) or x.shape[3] != width or x.shape != k.shape:
            raise ValueError(f"{x.shape}")
        if x.dtype != self.keys.dtype:
            raise TypeError(f"{x.dtype}")
    if len(self) + k.shape[2] > size:
        raise ValueError("full")
    if is_grad_enabled() and (k.requires_grad or v.requires_grad):
        raise RuntimeError("no gradients")
    at = len(self)
    self.length += k.shape[2]
    self.keys[:, :, at : self.length], self.values[:, :, at : self.length] = k.data, v.data
    return Tensor(self.keys[:, :, : self.length]), Tensor(self.values[:, :, : self.length])


# -- cache_bytes ------------------------------------------------------------------------------------------------------

right(
    "cache_bytes",
    "counts the width by heads",
    "config.kv_width",
    "config.width // config.heads * (config.kv_heads or config.heads)",
)
right(
    "cache_bytes",
    "asks for a window first",
    "places if window is None else min(places, window)",
    "min(places, places if window is None else window)",
)


@right("cache_bytes", "adds up layer by layer")
def bytes_by_layers(config, batch=1, length=None, window=None, itemsize=4):
    places = length if length is not None else config.context
    if window is not None and window < places:
        places = window
    keys = batch * places * config.kv_width * itemsize
    return sum(keys + keys for _ in range(config.layers))


@right("cache_bytes", "shapes of arrays")
def bytes_shapes(config, batch=1, length=None, window=None, itemsize=4):
    if length is None:
        length = config.context
    if window is not None:
        length = min(length, window)
    head = config.width // config.heads
    return sum(
        int(np.prod((batch, config.kv_width // head, length, head), dtype=object)) * itemsize
        for _ in range(2 * config.layers)
    )


# -- visible ----------------------------------------------------------------------------------------------------------

right("visible", "counts the distance", "keys > queries[:, None] - window", "queries[:, None] - keys < window")
right("visible", "is not what is later", "keys <= queries[:, None]", "~(keys > queries[:, None])")


@right("visible", "goes from query to query")
def visible_by_queries(queries, keys, window=None, padding=None):
    seen = np.zeros((len(queries), len(keys)), dtype=bool)
    for i, t in enumerate(queries):
        seen[i] = (keys <= t) & (True if window is None else t - keys < window)
    if padding is None:
        return seen
    return np.stack([(seen & (keys >= n))[None] for n in padding])


@right("visible", "the earliest place that is seen")
def visible_earliest(queries, keys, window=None, padding=None):
    t = queries[None, None, :, None]
    first = np.full(t.shape, -(10**9)) if window is None else t - window + 1
    if padding is not None:
        first = np.maximum(first, padding[:, None, None, None])
    seen = (keys >= first) & (keys <= t)
    return seen if padding is not None else seen[0, 0]


# -- RingCache.update -------------------------------------------------------------------------------------------------

right("RingCache.update", "asks for one place", "if len(new) > 1:", "if k.shape[-2] != 1:")
right("RingCache.update", "counts on from the last place", "self.length += len(new)", "self.length = int(new[-1]) + 1")


@right("RingCache.update", "goes place by place")
def ring_by_places(self, k, v):
    self.check(k, v)
    earlier = [t % self.size for t in range(max(0, self.length - self.size + 1), self.length)]
    seen = [np.concatenate([x[:, :, earlier], y.data], 2) for x, y in zip((self.keys, self.values), (k, v))]
    for t in range(k.shape[2]):
        slot = self.length % self.size
        self.keys[:, :, slot], self.values[:, :, slot] = k.data[:, :, t], v.data[:, :, t]
        self.length += 1
    taken = min(self.length, self.size)
    if k.shape[2] == 1:
        seen = [self.keys[:, :, :taken], self.values[:, :, :taken]]
    return tuple(Tensor(x) for x in seen)


@right("RingCache.update", "takes with modes, writes in two pieces")
def ring_pieces(self, k, v):
    self.check(k, v)
    n, size, length = k.shape[-2], self.size, self.length
    results = []
    for array, x in ((self.keys, k.data), (self.values, v.data)):
        old = min(length, size - 1)
        earlier = np.take(array, range(length - old, length), axis=2, mode="wrap")
        results.append(np.concatenate((earlier, x), axis=2))
        part, first = x[:, :, -size:], max(0, n - size) + length
        begin = first % size
        fits = min(size - begin, part.shape[2])
        array[:, :, begin : begin + fits] = part[:, :, :fits]
        array[:, :, : part.shape[2] - fits] = part[:, :, fits:]
    self.length = length + n
    if n == 1:
        results = [array[:, :, : min(size, self.length)] for array in (self.keys, self.values)]
    return Tensor(results[0]), Tensor(results[1])


@right("RingCache.update", "rolls to the order of age, and back")
def ring_rolled(self, k, v):
    self.check(k, v)
    n, size = k.shape[-2], self.size
    got = []
    for array, x in ((self.keys, k.data), (self.values, v.data)):
        turned = np.roll(array, -(self.length % size), axis=2) if self.length >= size else array[:, :, : self.length]
        line = np.concatenate([turned, x], axis=2)
        got.append(line[:, :, max(0, line.shape[2] - n - size + 1) :])
        last = line[:, :, -size:]
        first = self.length + n - last.shape[2]
        array[:, :, (first + np.arange(last.shape[2])) % size] = last
    self.length += n
    if n == 1:
        got = [self.keys[:, :, : self.length], self.values[:, :, : self.length]]
    return Tensor(got[0]), Tensor(got[1])


# -- TextReader.read --------------------------------------------------------------------------------------------------

right("TextReader.read", "counts what it has read", "len(logits)", "len(tokens) - kept")
right(
    "TextReader.read", "refuses in two halves", "if not 1 <= last <= len(tokens):", "if last < 1 or last > len(tokens):"
)


@right("TextReader.read", "compares token by token")
def read_by_tokens(self, tokens, last=1):
    if last < 1 or len(tokens) < last:
        raise ValueError(f"{last} of {len(tokens)}")
    kept = 0
    while kept < len(tokens) - last and kept < len(self.tokens) and tokens[kept] == self.tokens[kept]:
        kept += 1
    self.tokens = self.tokens[:kept]
    for cache in self.caches:
        cache.truncate(kept)
    with no_grad():
        logits = self.model(np.array(tokens[kept:])[None], self.caches, start=kept).data
    self.tokens += tokens[kept:]
    self.computed += logits.shape[1]
    return logits[0, len(logits[0]) - last :]


@right("TextReader.read", "refuses a text that is too long before anything is forgotten")
def read_first(self, tokens, last=1):
    if not 1 <= last <= len(tokens):
        raise ValueError(f"{last}")
    if len(tokens) > self.model.config.context:
        raise ValueError(f"{len(tokens)} tokens are more than {self.model.config.context}")
    kept = min(shared_prefix(self.tokens, tokens), len(tokens) - last)
    [cache.truncate(kept) for cache in self.caches]
    self.tokens = list(tokens[:kept])
    with no_grad():
        logits = self.model(np.array([tokens[kept:]]), self.caches, kept).data[0]
    self.tokens = list(tokens)
    self.computed += len(tokens) - kept
    return logits[len(logits) - last :].copy()


@right("TextReader.read", "takewhile")
def read_while(self, tokens, last=1):
    from itertools import takewhile

    if last not in range(1, len(tokens) + 1):
        raise ValueError(f"{last}")
    kept = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self.tokens, tokens[: len(tokens) - last])))
    for cache in self.caches:
        cache.truncate(kept)
    self.tokens = [int(t) for t in tokens[:kept]]
    new = [int(t) for t in tokens[kept:]]
    with no_grad():
        logits = self.model([new], self.caches, start=kept).data
    self.tokens = self.tokens + new
    self.computed = self.computed + len(new)
    return np.array(logits[0][-last:])


@right("TextReader.read", "forgets in a finally")
def read_finally(self, tokens, last=1):
    if not 1 <= last <= len(tokens):
        raise ValueError(f"{last}")
    kept = min(shared_prefix(self.tokens, tokens), len(tokens) - last)
    for cache in self.caches:
        cache.truncate(kept)
    try:
        with no_grad():
            logits = self.model([list(tokens[kept:])], self.caches, kept).data[0]
        self.computed += len(logits)
    finally:
        self.tokens = list(tokens)[: len(self.caches[-1])]
    return logits[-last:]


# -- accept_draft -----------------------------------------------------------------------------------------------------

right("accept_draft", "divides", "u[i] * q[i, token] >= p[i, token]", "u[i] >= p[i, token] / q[i, token]")
right("accept_draft", "clips", "np.maximum(p[i] - q[i], 0)", "(p[i] - q[i]).clip(0)")


@right("accept_draft", "collects what it accepts")
def accepted_one_by_one(drafted, p, q, u):
    tokens = []
    for token, mine, theirs, number in zip(drafted, p, q, u):
        if number >= min(1, mine[token] / theirs[token]):
            rest = np.where(mine > theirs, mine - theirs, 0)
            rest = mine if rest.sum() == 0 else rest / rest.sum()
            return tokens + [choose_token(rest, u[-1])]
        tokens.append(token)
    return tokens + [choose_token(p[len(drafted)], u[len(drafted)])]


@right("accept_draft", "finds the first rejection in one step")
def draft_vector(drafted, p, q, u):
    n = len(drafted)
    at = np.arange(n)
    tokens = np.array(drafted, dtype=int)
    accepted = u[:n] * q[at, tokens] < p[at, tokens] if n else np.zeros(0, bool)
    i = n if accepted.all() else int(np.argmin(accepted))
    if i == n:
        return [int(t) for t in tokens] + [choose_token(p[n], u[n])]
    left = np.clip(p[i] - q[i], 0, None)
    if left.sum() <= 0:
        left = p[i]
    return [int(t) for t in tokens[:i]] + [choose_token(left / left.sum(), u[n])]


@right("accept_draft", "recursion on what is left")
def draft_recursion(drafted, p, q, u):
    if not len(drafted):
        return [choose_token(p[0], u[-1])]
    token = drafted[0]
    if u[0] < p[0][token] / q[0][token]:
        return [token, *accept_draft(drafted[1:], p[1:], q[1:], u[1:])]
    left = np.maximum(p[0] - q[0], 0)
    return [choose_token(left if left.max() > 0 else p[0], u[-1])]


@right("accept_draft", "for and else")
def draft_else(drafted, p, q, u):
    found = []
    for token, mine, theirs, number in zip(drafted, p, q, u[:-1]):
        if number * theirs[token] < mine[token]:
            found.append(token)
            continue
        share = np.maximum(mine - theirs, 0)
        found.append(choose_token(mine if not share.any() else share, u[-1]))
        break
    else:
        found.append(choose_token(p[-1], u[-1]))
    return found


# -- speculate --------------------------------------------------------------------------------------------------------

right(
    "speculate",
    "takes the last logits by name",
    "target.read(tokens + drafted, len(drafted) + 1)",
    "target.read(tokens + drafted, last=1 + len(q))",
)
right("speculate", "goes on while something is wanted", "while len(tokens) < end:", "while end - len(tokens) > 0:")


@right("speculate", "counts what is left")
def speculate_by_count(
    target, draft, prompt, max_new_tokens, ahead=4, temperature=1.0, top_k=None, top_p=None, stop=(), seed=None
):
    if ahead <= 0:
        raise ValueError(f"ahead is {ahead}")
    check_sampling(temperature, top_k, top_p)
    rng = generator if seed is None else np.random.default_rng(seed)
    text, left, stop = [*prompt], max_new_tokens, set(stop)
    while left > 0:
        guessed, q = [], []
        while len(guessed) < ahead and len(guessed) < left - 1:
            q += [chances(draft.read([*text, *guessed])[-1], temperature, top_k, top_p)]
            guessed += [choose_token(q[-1], rng.random())]
        p = [chances(row, temperature, top_k, top_p) for row in target.read([*text, *guessed], len(guessed) + 1)]
        for token in accept_draft(guessed, np.stack(p), np.array(q), rng.random(len(p))):
            if token in stop:
                return
            yield token
            text, left = [*text, token], left - 1


@right("speculate", "draws a draft with choice, and stops to draft at a token to stop at")
def speculate_choice(
    target, draft, prompt, max_new_tokens, ahead=4, temperature=1.0, top_k=None, top_p=None, stop=(), seed=None
):
    check_sampling(temperature, top_k, top_p)
    if not ahead >= 1:
        raise ValueError(ahead)
    rng = np.random.default_rng(seed) if seed is not None else generator
    ends, text, count = set(stop), list(prompt), 0
    while count < max_new_tokens:
        drafted, q = [], []
        while len(drafted) < min(ahead, max_new_tokens - count - 1) and not (drafted and drafted[-1] in ends):
            odds = chances(draft.read(text + drafted)[-1], temperature, top_k, top_p)
            q.append(odds)
            drafted.append(int(rng.choice(len(odds), p=odds)))
        rows = target.read(text + drafted, 1 + len(drafted))
        p = np.stack([chances(row, temperature, top_k, top_p) for row in rows])
        for token in accept_draft(drafted, p, np.array(q).reshape(len(q), p.shape[1]), rng.random(len(drafted) + 1)):
            if token in ends:
                return
            yield token
            text.append(token)
            count += 1


@right("speculate", "draws all numbers of a round at once")
def speculate_numbers(
    target, draft, prompt, max_new_tokens, ahead=4, temperature=1.0, top_k=None, top_p=None, stop=(), seed=None
):
    check_sampling(temperature, top_k, top_p)
    if ahead < 1:
        raise ValueError(ahead)
    rng = generator if seed is None else np.random.default_rng(seed)
    stop, text, end = tuple(stop), [int(t) for t in prompt], len(prompt) + max_new_tokens
    while end > len(text):
        n = min(ahead, end - len(text) - 1)
        u = rng.random(2 * n + 1)
        guess, q = list(text), []
        for i in range(n):
            q.append(chances(draft.read(guess, 1)[0], temperature, top_k, top_p))
            guess.append(choose_token(q[i], u[i]))
        p = [chances(row, temperature, top_k, top_p) for row in target.read(guess, n + 1)]
        new = accept_draft(guess[len(text) :], np.array(p), np.array(q), u[n:])
        cut = next((i for i, token in enumerate(new) if token in stop), None)
        yield from new if cut is None else new[:cut]
        if cut is not None:
            return
        text += new


@right("speculate", "accepts by itself")
def speculate_itself(
    target, draft, prompt, max_new_tokens, ahead=4, temperature=1.0, top_k=None, top_p=None, stop=(), seed=None
):
    check_sampling(temperature, top_k, top_p)
    if ahead < 1:
        raise ValueError(ahead)
    rng = generator if seed is None else np.random.default_rng(seed)
    odds = lambda row: chances(row, temperature, top_k, top_p)
    stop, text, left = set(stop), list(prompt), max_new_tokens
    while left > 0:
        drafted, q = [], []
        for _ in range(min(ahead, left - 1)):
            q.append(odds(draft.read(text + drafted)[0]))
            drafted.append(choose_token(q[-1], rng.random()))
        rows = target.read(text + drafted, len(drafted) + 1)
        for i, row in enumerate(rows):
            p, rejected = odds(row), False
            if i < len(drafted) and rng.random() * q[i][drafted[i]] < p[drafted[i]]:
                token = drafted[i]
            elif i < len(drafted):
                rest = np.maximum(p - q[i], 0)
                token, rejected = choose_token(rest if rest.any() else p, rng.random()), True
            else:
                token = choose_token(p, rng.random())
            if token in stop:
                return
            text, left = text + [token], left - 1
            yield token
            if rejected:
                break


# -- accounting -------------------------------------------------------------------------------------------------------

right("four_caches", "counts numbers first", "4 * 512 * 3 * 2 * (2 * 16) * 4", "(4 * 512 * 3 * 64) * 4")
right("four_caches", "names the number", "return 4", "return 1 * 4")
right("four_caches", "is a float", "(2 * 16) * 4", "(2 * 16) * 4.0")
right("places_again", "uses the formula of a sum", "sum(range(10, 60))", "(10 + 59) * 50 / 2")
right("places_again", "rounds", "return sum(range(10, 60)) / (10 + 49)", "return 29.237")
right("places_again", "counts the prompt and the others apart", "(10 + 49)", "59")
right("tokens_a_round", "uses the formula", "1 + 0.8 + 0.8**2 + 0.8**3", "(1 - 0.8**4) / (1 - 0.8)")
right("tokens_a_round", "multiplies out", "0.8**2 + 0.8**3", "0.64 + 0.512")
right("tokens_a_round", "rounds", "1 + 0.8 + 0.8**2 + 0.8**3", "2.95")
