"""Wrong answers to chapter 17: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import numpy as np

from tinytorch.environment import generator
from tinytorch.memoization import accept_draft, chances, check_sampling, choose_token, no_grad, shared_prefix
from tinytorch.tensor import Tensor
from tito.rubrics.planted import wrong

# -- KVCache.update ---------------------------------------------------------------------------------------------------

wrong(
    "KVCache.update", "returns all of the array, empty places too", "Tensor(self.keys[:, :, :end])", "Tensor(self.keys)"
)
wrong("KVCache.update", "returns the new places alone", "self.keys[:, :, :end]", "self.keys[:, :, start:end]")
wrong("KVCache.update", "keeps the keys twice", "end] = v.data", "end] = k.data")
wrong("KVCache.update", "counts updates, not places", "self.length + k.shape[-2]", "self.length + 1")
wrong("KVCache.update", "forgets to grow", "self.length = end", "pass")
wrong("KVCache.update", "checks nothing", "self.check(k, v)", "pass")
wrong(
    "KVCache.update", "takes the axis of heads for places",
    "self.keys[:, :, start:end]", "self.keys[:, start:end]",
)  # fmt: skip
wrong("KVCache.update", "copies all places", "Tensor(self.keys[:, :, :end])", "Tensor(self.keys[:, :, :end].copy())")
wrong(
    "KVCache.update",
    "returns what it was given, the first time",
    "self.length = end",
    "self.length = end\nif start == 0:\n    return k, v",
)
wrong(
    "KVCache.update",
    "makes the arrays anew",
    "self.keys[:, :, start:end] = k.data",
    "self.keys = np.concatenate([self.keys[:, :, :start], k.data, self.keys[:, :, end:]], axis=2)",
)
wrong(
    "KVCache.update",
    "keeps the caller's array, if it fills all",
    "self.keys[:, :, start:end] = k.data",
    "if start == 0 and end == self.size:\n    self.keys = k.data\nself.keys[:, :, start:end] = k.data",
)
wrong("KVCache.update", "checks the keys alone", "self.check(k, v)", "self.check(k, k)")
wrong("KVCache.update", "takes keys that need a gradient", "self.check(k, v)", "self.check(k.detach(), v)")
wrong("KVCache.update", "checks where no gradient counts", "self.check(k, v)", "with no_grad():\n    self.check(k, v)")


@wrong("KVCache.update", "writes before it checks")
def kept_too_early(self, k, v):
    start, self.length = self.length, self.length + k.shape[-2]
    self.check(k[:, :, :0], v[:, :, :0])
    self.keys[:, :, start : self.length] = k.data
    self.values[:, :, start : self.length] = v.data
    return Tensor(self.keys[:, :, : self.length]), Tensor(self.values[:, :, : self.length])


# -- cache_bytes ------------------------------------------------------------------------------------------------------

wrong("cache_bytes", "forgets the values", "2 * config.layers", "config.layers")
wrong("cache_bytes", "takes the width of the queries", "config.kv_width", "config.width")
wrong("cache_bytes", "counts one layer", "2 * config.layers", "2")
wrong("cache_bytes", "counts one sequence", "batch * places", "places")
wrong("cache_bytes", "lets a window be all there is", "min(places, window)", "window")
wrong("cache_bytes", "counts numbers", " * itemsize", "")
wrong("cache_bytes", "always takes the whole context", "config.context if length is None else length", "config.context")
wrong(
    "cache_bytes", "takes a length of 0 for none", "config.context if length is None else length",
    "length or config.context",
)  # fmt: skip
wrong("cache_bytes", "counts in 32 bits", "return 2 *", "return np.int32(2) *")

# -- visible ----------------------------------------------------------------------------------------------------------

wrong(
    "visible",
    "has a window that is one place too wide",
    "keys > queries[:, None] - window",
    "keys >= queries[:, None] - window",
)
wrong("visible", "does not see its own key", "keys <= queries[:, None]", "keys < queries[:, None]")
wrong("visible", "sees the padding alone", "keys >= padding", "keys < padding")
wrong(
    "visible",
    "sees the last padding",
    "keys >= padding[:, None, None, None]",
    "keys >= padding[:, None, None, None] - 1",
)
wrong("visible", "turns the table", "keys <= queries[:, None]", "keys[:, None] <= queries")
wrong("visible", "forgets the heads' axis", "padding[:, None, None, None]", "padding[:, None, None]")
wrong("visible", "forgets what is later, with a window", "seen & (keys > queries", "(keys > queries")


@wrong("visible", "goes by the order of the keys, not by their places")
def visible_by_order(queries, keys, window=None, padding=None):
    seen = np.arange(len(keys)) <= np.arange(len(queries))[:, None] + len(keys) - len(queries)
    if window is not None:
        seen = seen & (keys > queries[:, None] - window)
    return seen if padding is None else seen & (keys >= padding[:, None, None, None])


# -- RingCache.update -------------------------------------------------------------------------------------------------


@wrong("RingCache.update", "forgets what the first of several still needs")
def ring_without_the_past(self, k, v):
    self.check(k, v)
    new = np.arange(self.length, self.length + k.shape[-2])
    self.keys[:, :, new[-self.size :] % self.size] = k.data[:, :, -self.size :]
    self.values[:, :, new[-self.size :] % self.size] = v.data[:, :, -self.size :]
    self.length += len(new)
    if len(new) > 1:
        return k, v
    return Tensor(self.keys[:, :, : self.length]), Tensor(self.values[:, :, : self.length])


@wrong("RingCache.update", "writes first, and gathers what has been overwritten")
def ring_too_early(self, k, v):
    self.check(k, v)
    new = np.arange(self.length, self.length + k.shape[-2])
    seen = self.places(len(new))
    before = seen[seen < self.length] % self.size
    self.keys[:, :, new[-self.size :] % self.size] = k.data[:, :, -self.size :]
    self.values[:, :, new[-self.size :] % self.size] = v.data[:, :, -self.size :]
    self.length += len(new)
    if len(new) > 1:
        gathered = [np.concatenate([x[:, :, before], y.data], axis=2) for x, y in ((self.keys, k), (self.values, v))]
        return Tensor(gathered[0]), Tensor(gathered[1])
    return Tensor(self.keys[:, :, : self.length]), Tensor(self.values[:, :, : self.length])


@wrong("RingCache.update", "returns the slots always")
def ring_of_slots(self, k, v):
    self.check(k, v)
    for t in range(k.shape[-2]):
        self.keys[:, :, self.length % self.size] = k.data[:, :, t]
        self.values[:, :, self.length % self.size] = v.data[:, :, t]
        self.length += 1
    return Tensor(self.keys[:, :, : self.length]), Tensor(self.values[:, :, : self.length])


wrong(
    "RingCache.update",
    "begins each piece in slot 0",
    "new[-self.size :] % self.size] = k",
    "new[-self.size :] % self.size * 0] = k",
)
wrong("RingCache.update", "checks nothing", "self.check(k, v)", "pass")
wrong(
    "RingCache.update",
    "stops counting when it is full",
    "self.length += len(new)",
    "self.length = min(self.size, self.length + len(new))",
)
wrong(
    "RingCache.update",
    "keeps the first of many, not the last",
    "k.data[:, :, -self.size :]",
    "k.data[:, :, : self.size]",
)
wrong("RingCache.update", "gathers keys for values", "(self.values, v))", "(self.keys, v))")
wrong("RingCache.update", "returns empty slots, too", "self.keys[:, :, : self.length]", "self.keys")
wrong("RingCache.update", "checks the keys alone", "self.check(k, v)", "self.check(k, k)")
wrong("RingCache.update", "takes values that need a gradient", "self.check(k, v)", "self.check(k, v.detach())")
wrong(
    "RingCache.update",
    "makes the arrays anew",
    "self.length += len(new)",
    "self.keys, self.values = self.keys.copy(), self.values.copy()\nself.length += len(new)",
)

# -- TextReader.read --------------------------------------------------------------------------------------------------

wrong("TextReader.read", "reads all again", "min(shared_prefix(self.tokens, tokens), len(tokens) - last)", "0")
wrong("TextReader.read", "trusts that the text goes on", "shared_prefix(self.tokens, tokens)", "len(self.tokens)")
wrong(
    "TextReader.read",
    "keeps the list it was given",
    "self.tokens, self.computed = list(tokens),",
    "self.tokens, self.computed = tokens,",
)
wrong("TextReader.read", "starts at place 0", "self.caches, kept)", "self.caches, 0)")
wrong("TextReader.read", "forgets that logits are asked for", ", len(tokens) - last)", ", len(tokens) - 1)")
wrong("TextReader.read", "forgets to remember", "self.tokens, self.computed = list(tokens), ", "self.computed = ")
wrong("TextReader.read", "returns the logits of the last place alone", "return logits[-last:]", "return logits[-1:]")
wrong("TextReader.read", "does not look at last", "if not 1 <= last <= len(tokens):", "if False:")
wrong("TextReader.read", "remembers what it has forgotten", "self.tokens = list(tokens[:kept])\n", "")
wrong("TextReader.read", "returns a tensor", "self.caches, kept).data[0]", "self.caches, kept)[0]")
wrong(
    "TextReader.read",
    "takes the beginning off the caller's list",
    "[list(tokens[kept:])], self.caches, kept).data[0]\nself.tokens, self.computed = list(tokens),",
    "[list(tokens[kept:])], self.caches, kept).data[0]\ntext = list(tokens)\ndel tokens[:kept]\n"
    "self.tokens, self.computed = text,",
)


@wrong("TextReader.read", "remembers before it has read")
def reader_too_early(self, tokens, last=1):
    if not 1 <= last <= len(tokens):
        raise ValueError(f"a text of {len(tokens)} tokens has no logits of its last {last}")
    kept = min(shared_prefix(self.tokens, tokens), len(tokens) - last)
    self.tokens = list(tokens)
    for cache in self.caches:
        cache.truncate(kept)
    with no_grad():
        logits = self.model([self.tokens[kept:]], self.caches, kept).data[0]
    self.computed += len(logits)
    return logits[-last:]


# -- accept_draft -----------------------------------------------------------------------------------------------------

wrong("accept_draft", "draws from the target after a rejection", "np.maximum(p[i] - q[i], 0)", "p[i]")
wrong(
    "accept_draft", "draws from what the draft has too much", "np.maximum(p[i] - q[i], 0)", "np.maximum(q[i] - p[i], 0)"
)
wrong("accept_draft", "takes the distance", "np.maximum(p[i] - q[i], 0)", "np.abs(p[i] - q[i])")
wrong(
    "accept_draft",
    "accepts where the ratio is turned round",
    "u[i] * q[i, token] >= p[i, token]",
    "u[i] * p[i, token] >= q[i, token]",
)
wrong(
    "accept_draft",
    "accepts by the target's probability alone",
    "u[i] * q[i, token] >= p[i, token]",
    "u[i] >= p[i, token]",
)
wrong(
    "accept_draft",
    "accepts what is at least as probable for the target",
    "u[i] * q[i, token] >= p[i, token]",
    "q[i, token] > p[i, token]",
)
wrong("accept_draft", "adds none of its own", "return [*drafted, choose_token(p[-1], u[-1])]", "return [*drafted]")
wrong("accept_draft", "keeps the rejected token", "return [*drafted[:i], choose", "return [*drafted[: i + 1], choose")
wrong(
    "accept_draft",
    "draws the last by the distribution of the first",
    "choose_token(p[-1], u[-1])",
    "choose_token(p[0], u[-1])",
)
wrong("accept_draft", "accepts all", "u[i] * q[i, token] >= p[i, token]", "False")
wrong("accept_draft", "uses the number that has rejected once more", "else p[i], u[-1])", "else p[i], u[i])")
wrong("accept_draft", "accepts what p never says, at u = 0", ">= p[i, token]", "> p[i, token]")
wrong(
    "accept_draft",
    "adds a list to a tuple",
    "[*drafted, choose_token(p[-1], u[-1])]",
    "drafted + [choose_token(p[-1], u[-1])]",
)


@wrong("accept_draft", "passes over what is rejected, and goes on")
def draft_goes_on(drafted, p, q, u):
    tokens = [token for i, token in enumerate(drafted) if u[i] * q[i, token] < p[i, token]]
    return [*tokens, choose_token(p[-1], u[-1])]


# -- speculate --------------------------------------------------------------------------------------------------------

wrong("speculate", "drafts beyond the end", "min(ahead, end - len(tokens) - 1)", "ahead")
wrong("speculate", "drafts one too many before the end", "end - len(tokens) - 1)", "end - len(tokens))")
wrong(
    "speculate",
    "asks the draft about the text without its own tokens",
    "draft.read(tokens + drafted)",
    "draft.read(tokens)",
)
wrong(
    "speculate",
    "yields the token to stop at",
    "if token in stop:",
    "if tokens[-1] in stop and len(tokens) > len(prompt):",
)
wrong("speculate", "writes into the prompt", "tokens, end = list(prompt),", "tokens, end = prompt,")
wrong("speculate", "checks nothing", "check_sampling(temperature, top_k, top_p)", "pass")
wrong("speculate", "takes an ahead of 0", "if ahead < 1:", "if ahead < 0:")
wrong("speculate", "forgets the seed", "generator if seed is None else np.random.default_rng(seed)", "generator")
wrong("speculate", "uses the options for the draft alone", "chances(row, *options)", "chances(row)")
wrong("speculate", "drafts the most probable tokens", "choose_token(q[-1], rng.random())", "int(q[-1].argmax())")
wrong(
    "speculate",
    "shows the target the last token and the draft alone",
    "target.read(tokens + drafted, len",
    "target.read(tokens[-1:] + drafted, len",
)
wrong(
    "speculate",
    "shows the draft the last token and its own alone",
    "draft.read(tokens + drafted)",
    "draft.read(tokens[-1:] + drafted)",
)
wrong(
    "speculate",
    "forgets the prompt",
    "target.read(tokens + drafted, len",
    "target.read(tokens[len(prompt) - 1 :] + drafted, len",
)
wrong("speculate", "looks into an iterator time and again", "frozenset(stop)", "stop")
wrong("speculate", "stops at the first of stop alone", "frozenset(stop)", "frozenset(list(stop)[:1])")
wrong(
    "speculate",
    "does not check top_k",
    "check_sampling(temperature, top_k, top_p)",
    "check_sampling(temperature, None, top_p)",
)
wrong(
    "speculate",
    "does not check top_p",
    "check_sampling(temperature, top_k, top_p)",
    "check_sampling(temperature, top_k, None)",
)
wrong("speculate", "takes an ahead of -1", "if ahead < 1:", "if not ahead:")
wrong(
    "speculate",
    "judges the draft without the options",
    "q.append(chances(draft.read(tokens + drafted)[0], *options))\n"
    "        drafted.append(choose_token(q[-1], rng.random()))",
    "row = draft.read(tokens + drafted)[0]\n        q.append(chances(row))\n"
    "        drafted.append(choose_token(chances(row, *options), rng.random()))",
)


@wrong("speculate", "is a list, when all is done")
def speculate_list(
    target, draft, prompt, max_new_tokens, ahead=4, temperature=1.0, top_k=None, top_p=None, stop=(), seed=None
):
    check_sampling(temperature, top_k, top_p)
    if ahead < 1:
        raise ValueError(f"a draft is of 1 token or more, got {ahead}")
    rng = generator if seed is None else np.random.default_rng(seed)
    options, stop = (temperature, top_k, top_p), frozenset(stop)
    tokens, end = list(prompt), len(prompt) + max_new_tokens
    while len(tokens) < end:
        drafted, q = [], []
        for _ in range(min(ahead, end - len(tokens) - 1)):
            q.append(chances(draft.read(tokens + drafted)[0], *options))
            drafted.append(choose_token(q[-1], rng.random()))
        p = np.array([chances(row, *options) for row in target.read(tokens + drafted, len(drafted) + 1)])
        for token in accept_draft(drafted, p, np.array(q), rng.random(len(p))):
            if token in stop:
                return tokens[len(prompt) :]
            tokens.append(token)
    return tokens[len(prompt) :]


@wrong("speculate", "reads the target once a token, and needs no draft")
def speculate_without(
    target, draft, prompt, max_new_tokens, ahead=4, temperature=1.0, top_k=None, top_p=None, stop=(), seed=None
):
    check_sampling(temperature, top_k, top_p)
    if ahead < 1:
        raise ValueError(f"a draft is of 1 token or more, got {ahead}")
    rng, tokens = generator if seed is None else np.random.default_rng(seed), list(prompt)
    for _ in range(max_new_tokens):
        token = choose_token(chances(target.read(tokens)[0], temperature, top_k, top_p), rng.random())
        if token in stop:
            return
        tokens.append(token)
        yield token


# -- accounting -------------------------------------------------------------------------------------------------------

wrong("four_caches", "takes the heads of the queries", "(2 * 16)", "(6 * 16)")
wrong("four_caches", "forgets the values", "512 * 3 * 2", "512 * 3")
wrong("four_caches", "counts one text", "4 * 512", "512")
wrong("places_again", "reads the last token, too", "range(10, 60)) / (10 + 49)", "range(10, 61)) / (10 + 50)")
wrong("places_again", "counts new places against readings", "(10 + 49)", "50")
wrong("places_again", "forgets the prompt", "range(10, 60)", "range(50)")
wrong("tokens_a_round", "forgets the target's own", "1 + 0.8", "0.8")
wrong("tokens_a_round", "lets each count by itself", "0.8 + 0.8**2 + 0.8**3", "3 * 0.8")
wrong("tokens_a_round", "never gets to the third", " + 0.8**3", "")
wrong("tokens_a_round", "is as many as are drafted", "1 + 0.8 + 0.8**2 + 0.8**3", "3")
wrong("tokens_a_round", "takes the middle one three times", "1 + 0.8 + 0.8**2 + 0.8**3", "1 + 3 * 0.8**2")
