"""Right answers to chapter 17, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import numpy as np

from tinytorch.environment import generator
from tinytorch.memoization import accept_draft, chances, check_sampling, choose_token, no_grad
from tinytorch.tensor import Tensor
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
