"""A cache fills: a new token costs one place, not all.

Shown are the keys of the first head, a column for each place, as the cache holds them. The same tokens are then written
without a cache, where each step computes the keys of all places again.
"""

import time

from drawing import bars, lines, signed

from tinytorch.environment import manual_seed
from tinytorch.memoization import caches_for
from tinytorch.transformers import GPT, TransformerConfig, generate

COUNT, PROMPT = 71, [0]


def frames(stage):
    manual_seed(stage.seed)
    model = GPT(TransformerConfig(65, context=COUNT + 1, width=64, layers=4, heads=4)).eval()
    caches, tokens, seconds, places = caches_for(model), {}, {}, {}
    for name, kept in (("with a cache", caches), ("without", None)):
        tokens[name], seconds[name], places[name] = [], 0.0, 0
        writing = generate(model, PROMPT, COUNT, seed=stage.seed, caches=kept)
        for _ in range(COUNT):
            start = time.perf_counter()
            tokens[name].append(next(writing))
            seconds[name] += time.perf_counter() - start
            places[name] += 1 if kept else len(tokens[name])
            keys = signed(caches[0].keys[0, 0].T, 0.6, wide=1)
            rows = [(which, number, f"{number} places computed") for which, number in places.items()]
            picture = lines([keys, "", bars(rows, COUNT * (COUNT + 1) / 2, 34)])
            yield picture, f"Token {len(tokens[name])} of {COUNT}, {name} ...", 0.03
        if kept:
            size = sum(cache.nbytes for cache in caches)
            yield picture, f"{COUNT} of {caches[0].size} places are taken, {size} bytes in {len(caches)} layers.", 1.5
    same = "the same" if tokens["without"] == tokens["with a cache"] else "other"
    ratio = seconds["without"] / seconds["with a cache"]
    yield picture, f"Without the cache, {same} {COUNT} tokens took {ratio:.1f} times as long.", 2
