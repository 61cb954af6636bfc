"""Chapter 13, transformers: a norm and its rule, a block, the loss of the next token, its size, and how one is chosen.

Oracles are loops over rows, places and tokens. A row is the last axis of x, logits are (V,) or (B, T, V).
"""

import math

import numpy as np
from hypothesis import strategies as st
from strategies import distinct, filled, mixed, shapes, whole_numbers

from tito.rubrics.compare import close, holds, refuses, same
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("13", module="transformers")

rubric.exercise("standardized_rows", difficulty=1, minutes=12)
rubric.exercise("standardized_rows_vjp", difficulty=3, minutes=40)
rubric.exercise("Block.forward", difficulty=2, minutes=15)
rubric.exercise("next_token_loss", difficulty=2, minutes=15)
rubric.exercise("parameter_count", difficulty=2, minutes=20)
rubric.exercise("keep_top_k", difficulty=1, minutes=5)
rubric.exercise("keep_top_p", difficulty=2, minutes=15)
rubric.exercise("sample", difficulty=1, minutes=10)

few = st.integers(1, 3)
kinds = st.sampled_from([np.float64, np.float32])


# -- standardized_rows ------------------------------------------------------------------------------------------------


@st.composite
def rows_and_parameters(draw):
    """x (..., C), (..., A, C) or (..., A, B, C), the axes of a row, weight and bias of that shape, or None; and g."""
    axes = draw(st.integers(1, 3))
    row = tuple(draw(st.integers(1, 2)) for _ in range(axes - 1)) + (draw(st.integers(2, 4)),)
    x = draw(mixed((*draw(shapes(2)), *row))) * draw(st.sampled_from([1.0, 3.0]))
    weight, bias = (draw(st.one_of(mixed(row), whole_numbers(row, 1), st.none())) for _ in range(2))
    return x, weight, bias, axes, draw(mixed(x.shape))


def some(*shape):
    """Whole numbers of -2..2, in no order."""
    return (np.arange(math.prod(shape)) ** 2 % 7.0 - 2).reshape(shape)


# A row of three axes, one row alone, and a weight with zeros: x, weight, bias, axes, g.
TELLING = [
    (some(2, 2, 2, 3), some(2, 2, 3), some(2, 2, 3), 3, some(2, 2, 2, 3)[::-1]),
    (some(3), some(3), some(3), 1, some(3)[::-1]),
    (some(2, 3), np.array([0.0, 2.0, 0.0]), None, 1, some(2, 3)[::-1]),
]
MANY = some(130, 2)  # rows: more than two blocks of them, where a block has 64 bytes


@rubric.probe
def normed(tt, x, weight, bias, axes, eps):
    return tt.transformers.standardized_rows(x, weight, bias, axes=axes, eps=eps)


@rubric.probe
def kept_for_the_rule(tt, x, weight, bias, axes, eps, some_bytes=2**19):
    before, tt.transformers.BLOCK = tt.transformers.BLOCK, some_bytes
    try:
        z = tt.transformers.standardized_rows(tt.Tensor(x, requires_grad=True), weight, bias, axes=axes, eps=eps)
    finally:
        tt.transformers.BLOCK = before
    return [z.origin.saved["n"], z.origin.saved["scale"], z]


def flat(x, axes):
    return x.reshape(-1, math.prod(x.shape[x.ndim - axes :]))


def standardized(x, weight, bias, axes, eps, ddof=0):
    """Row by row."""
    rows = flat(x, axes)
    z = np.array([(row - row.mean()) / math.sqrt(row.var(ddof=ddof) + eps) for row in rows]).reshape(x.shape)
    z = z if weight is None else z * weight
    return z if bias is None else z + bias


rubric.doctests("standardized_rows", points=1)


@rubric.check("standardized_rows", points=2, examples=12)
@given(
    rows_and_parameters(),
    st.sampled_from([1.0, 0.25]),
    kinds,
    st.sampled_from([0.0, 4000.0]),
    always=[*[(*case, 0.25, np.float64, 0.0) for case in TELLING], (*TELLING[1], 0.25, np.float32, 4000.0)],
)
def each_row_by_itself(student, x, weight, bias, axes, g, eps, kind, shift):
    """Each row loses its mean and is divided by its deviation; then it is scaled and shifted, number by number."""
    x = (x + shift).astype(kind)
    weight, bias = (None if p is None else p.astype(kind) for p in (weight, bias))
    double = [None if p is None else p.astype(np.float64) for p in (x, weight, bias)]
    expected = standardized(*double, axes, eps)
    mistakes = {
        "the variance is that of a sample: divide by n": standardized(*double, axes, eps, ddof=1).astype(kind),
        "eps stands beside the deviation: it belongs under the root": beside(*double, axes, eps).astype(kind),
        "weight and bias are not used": standardized(double[0], None, None, axes, eps).astype(kind),
    }
    yours = student.normed(x, weight, bias, axes, eps)
    loose = {"rtol": 2e-3, "atol": 2e-3} if kind is np.float32 else {"atol": 1e-8}
    close(yours, expected.astype(kind), "z", mistakes=mistakes, **loose)
    n, scale, _ = student.kept_for_the_rule(x, weight, bias, axes, eps)
    close(n, flat(standardized(double[0], None, None, axes, eps), axes).astype(kind), "n, for the rule", **loose)
    deviations = flat(double[0], axes).var(axis=1, keepdims=True)
    close(scale, (1 / np.sqrt(deviations + eps)).astype(kind), "scale, for the rule", **loose)
    close(student.normed(x[None][:0], weight, bias, axes, eps), x[None][:0], "z of no rows")
    n, scale, z = student.kept_for_the_rule(MANY.astype(kind), None, None, 1, eps, 64)
    wanted = standardized(MANY, None, None, 1, eps).astype(kind)
    close(z, wanted, "z of 130 rows", **loose)
    close(n, wanted, "n of 130 rows", **loose)
    close(scale, (1 / np.sqrt(MANY.var(axis=1, keepdims=True) + eps)).astype(kind), "scale of 130 rows", **loose)
    close(student.normed(x[..., :1] * 0 + 7, None, None, 1, eps), x[..., :1] * 0, "z of rows of one number")


def beside(x, weight, bias, axes, eps):
    rows = flat(x, axes)
    z = np.array([(row - row.mean()) / (row.std() + eps) for row in rows]).reshape(x.shape)
    z = z if weight is None else z * weight
    return z if bias is None else z + bias


# -- standardized_rows_vjp --------------------------------------------------------------------------------------------


def slope(x, weight, bias, axes, g, which):
    """dL/dp for one of the three, by central differences."""
    inputs, step = [x, weight, bias], 1e-5
    found = np.empty_like(inputs[which])
    for place in np.ndindex(found.shape):
        sides = []
        for sign in (1, -1):
            moved = [None if p is None else p.copy() for p in inputs]
            moved[which][place] += sign * step
            sides.append(standardized(*moved, axes, 1.0))
        found[place] = ((sides[0] - sides[1]) * g).sum() / (2 * step)  # rows that stay cancel before they are summed
    return found


@rubric.probe
def in_few_rows(tt, g, z, x, weight, bias, saved):
    before, tt.transformers.BLOCK = tt.transformers.BLOCK, 64
    try:
        return tt.transformers.standardized_rows_vjp(g, z, x, weight, bias, **saved, axes=1, eps=1.0)
    finally:
        tt.transformers.BLOCK = before


def rule(student, x, weight, bias, axes, g, kind):
    """The student's gradients of x, weight and bias, and how far rounding may take them from the truth."""
    scale = 1 / np.sqrt(flat(x, axes).var(axis=1, keepdims=True) + 1.0)
    n, z = flat(standardized(x, None, None, axes, 1.0), axes), standardized(x, weight, bias, axes, 1.0)
    inputs = [None if p is None else p.astype(kind) for p in (g, z, x, weight, bias)]
    saved = {"n": n.astype(kind), "scale": scale.astype(kind)}
    yours = student.standardized_rows_vjp(*inputs, **saved, axes=axes, eps=1.0)
    holds(len(yours) == 3, "there is a place for the gradient of each: x, weight and bias")
    rounding = 1e-3 if kind is np.float32 else 1e-5
    return yours, {"rtol": rounding, "atol": rounding}


@rubric.check("standardized_rows_vjp", points=3, examples=12)
@given(rows_and_parameters(), kinds, always=[(*case, np.float64) for case in TELLING])
def the_norm_s_rule_agrees_with_nudges(student, x, weight, bias, axes, g, kind):
    """Nudge a number of x, and its row's mean and deviation move, too: all three ways lead into dx."""
    yours, rounding = rule(student, x, weight, bias, axes, g, kind)
    close(yours[0], slope(x, weight, bias, axes, g, 0).astype(kind), "dx", **rounding)
    (none, _, _), _ = rule(student, x[None][:0], weight, bias, axes, g[None][:0], kind)
    close(none, x[None][:0].astype(kind), "dx of no rows")
    alone, _ = rule(student, x[..., :1], None, None, 1, g[..., :1], kind)
    close(alone[0], np.zeros_like(x[..., :1], kind), "dx of rows of one number", **rounding)


@rubric.check("standardized_rows_vjp", points=1, examples=12)
@given(rows_and_parameters(), kinds, always=[(*case, np.float64) for case in TELLING])
def what_all_rows_share_is_summed(student, x, weight, bias, axes, g, kind):
    """Weight and bias meet every row: their gradients are sums over rows, in their own shape; None without them."""
    yours, rounding = rule(student, x, weight, bias, axes, g, kind)
    for which, (p, name) in enumerate(((weight, "dweight"), (bias, "dbias")), start=1):
        if p is None:
            holds(yours[which] is None, f"{name} is None where there is no such input", yours=yours[which])
        else:
            close(yours[which], slope(x, weight, bias, axes, g, which).astype(kind), name, **rounding)
    ones, n = np.ones(2, kind), standardized(MANY, None, None, 1, 1.0).astype(kind)
    saved = {"n": n, "scale": (1 / np.sqrt(MANY.var(axis=1, keepdims=True) + 1.0)).astype(kind)}
    _, dw, db = student.in_few_rows(MANY.astype(kind), n, MANY.astype(kind), ones, ones, saved)
    close(dw, (MANY * n).sum(axis=0).astype(kind), "dweight of 130 rows", rtol=1e-3, atol=1e-3)
    close(db, MANY.sum(axis=0).astype(kind), "dbias of 130 rows", rtol=1e-3)


# -- Block.forward ----------------------------------------------------------------------------------------------------


@rubric.probe
def through_a_block(tt, x, seed, looking, start, kind):
    class Before:
        """A cache with one place in it, before all others: its key and its value are ones."""

        asked = 0

        def update(self, k, v):
            self.asked += 1
            return tuple(tt.concatenate([p[:, :, :1] * 0 + 1, p], dim=2) for p in (k, v))

    class Thrice(tt.transformers.Module):
        """Stands where numbers are dropped: what has gone through it can be told."""

        def forward(self, part):
            return part * 3 + 1

    def words():
        mask = np.eye(3, 4 if "cache" in looking else 3, dtype=bool)[:, ::-1].copy() if "mask" in looking else None
        return {"is_causal": "causal" in looking, "mask": mask, "cache": Before() if "cache" in looking else None}

    make = tt.transformers.TransformerConfig.modern if kind == "modern" else tt.transformers.TransformerConfig
    config = make(5, context=16, width=4, heads=2, normalized_qk=kind != "plain", dropout=0.5)
    block, rng = tt.transformers.Block(config, np.random.default_rng(seed)), np.random.default_rng(seed)
    block.attention.eval()
    block.dropout = Thrice()
    for p in block.parameters():
        p.data += rng.normal(size=p.shape).astype(np.float32)
    g = tt.Tensor(np.arange(x.size, dtype=np.float32).reshape(x.shape) / x.size)
    unrecorded = tt.Tensor(x.copy())
    with tt.no_grad():
        block(unrecorded, start=start + 1)  # what is kept of this start would be wrong for the next one
    wanted, mine, told = tt.Tensor(x, requires_grad=True), tt.Tensor(x, requires_grad=True), words()
    first = block.attention(block.norm1(wanted), prepare=lambda q: block.prepare(q, start), **words()) * 3 + 1
    second = block.feed_forward(block.norm2(wanted + first)) * 3 + 1
    (wanted + first + second).backward(g)
    z = block(mine, start=start, **told)
    z.backward(g)
    return [z, first, second, mine.grad, wanted.grad, told["cache"].asked if told["cache"] else 1, unrecorded]


ways = st.sets(st.sampled_from(["causal", "mask", "cache"])).map(sorted)
looks = st.sampled_from(["plain", "normalized", "modern"])
X, EACH = some(2, 3, 4), np.array([1, 4])  # starts: each text begins at a place of its own
TOLD = [
    (X, 1, ["cache"], EACH, "modern"),
    (X, 2, ["cache"], 2, "modern"),
    (X, 3, ["causal", "mask"], 0, "modern"),
    (X, 4, ["cache", "causal"], 0, "normalized"),
    (X, 5, ["cache", "mask"], 0, "plain"),
    (X, 6, ["cache", "causal", "mask"], 3, "modern"),
    (X, 7, [], 0, "plain"),
]


@rubric.check("Block.forward", points=2, examples=12)
@given(mixed((2, 3, 4)), st.integers(1, 99), ways, st.integers(0, 5), looks, always=TOLD)
def what_is_there_stays_and_two_things_are_added(student, x, seed, looking, start, kind):
    """x + attention(norm1(x)), and then to that feed_forward(norm2(...)): with mask, cache, places, dropout and all.

    A cache is told of each place once, all of it has a gradient, and x itself stays as it was.
    """
    x = x.astype(np.float32)
    yours, first, second, dx, expected, asked, after = student.through_a_block(x, seed, looking, start, kind)
    mistakes = {
        "x itself is lost: add to it": first + second,
        "the attention's part is lost": x + second,
        "the feed-forward part is lost": x + first,
    }
    close(yours, x + first + second, "what leaves the block", rtol=1e-3, atol=1e-3, mistakes=mistakes)
    close(dx, expected, "x.grad", rtol=1e-3, atol=1e-3)
    holds(asked == 1, "a cache is told of each place once", times=asked)
    close(after, x, "x afterwards")


@rubric.probe
def dropped_in_a_block(tt, x, seed):
    config = tt.transformers.TransformerConfig(5, width=4, heads=2, dropout=0.5)
    block = tt.transformers.Block(config, np.random.default_rng(seed))
    block.attention.eval()
    for p in block.parameters():
        p.data += np.random.default_rng(seed).normal(size=p.shape).astype(np.float32)
    for part in (block.feed_forward.down, block.norm2):
        part.weight.data[...] = 0
    block.feed_forward.down.bias.data[...] = 1
    first = block.attention(block.norm1(tt.Tensor(x)))
    return [block(tt.Tensor(x)), first]


@rubric.check("Block.forward", points=1, examples=8)
@given(mixed((2, 3, 4)), st.integers(1, 99))
def both_parts_are_dropped_now_and_then(student, x, seed):
    """In training each number of both parts is dropped or doubled before it is added, with dropout 1/2."""
    x = x.astype(np.float32)
    yours, first = student.dropped_in_a_block(x, seed)
    rest = yours - x
    options = [a * first + b for a in (0, 2) for b in (0, 2)]
    known = np.min([np.abs(rest - option) for option in options], axis=0) < 1e-3
    holds(known, "each part is dropped or doubled, number by number", left=rest, attention=first)


# -- next_token_loss --------------------------------------------------------------------------------------------------


@st.composite
def logits_and_targets(draw):
    """Logits (B, T, V), targets (B, T) of which some, not all, are to be ignored, and by what mark."""
    b, t, v = draw(few), draw(few), draw(st.integers(2, 4))
    mark = draw(st.sampled_from([-100, -1, 0]))
    targets = draw(filled((b, t), st.integers(0, v - 1), np.int64))
    targets = np.where(draw(filled((b, t), st.booleans(), bool)), targets, mark)
    targets.reshape(-1)[0] = v - 1
    return draw(whole_numbers((b, t, v), 3)).astype(draw(kinds)), targets, mark


@rubric.probe
def next_loss(tt, logits, targets, mark, as_tensor=False):
    logits = tt.Tensor(logits, requires_grad=True)
    loss = tt.transformers.next_token_loss(logits, tt.Tensor(targets) if as_tensor else targets, mark)
    loss.backward()
    return [loss, logits.grad]


rubric.doctests("next_token_loss", points=1)


@rubric.check("next_token_loss", points=2, examples=12)
@given(logits_and_targets(), always=[(some(2, 3, 3), np.array([[0, -100, -100], [1, 2, 0]]), -100)])
def the_mean_over_places_that_count(student, logits, targets, mark):
    """-ln p of each target, the mean over the places that count; the others have no gradient. No token: IndexError."""
    kind, logits = logits.dtype, logits.astype(np.float64)
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    places = [place for place in np.ndindex(targets.shape) if targets[place] != mark]
    losses, gradient = [-math.log(p[place][targets[place]]) for place in places], np.zeros_like(logits)
    for place in places:
        gradient[place] = (p[place] - np.eye(logits.shape[-1])[targets[place]]) / len(places)
    yours, yours_gradient = student.next_loss(logits.astype(kind), targets, mark)
    mistakes = {
        "the mean is over all places, ignored ones too": kind.type(sum(losses) / targets.size),
        "this is the sum": kind.type(sum(losses)),
    }
    close(yours, kind.type(np.mean(losses)), "the loss", mistakes=mistakes)
    close(yours_gradient, gradient.astype(kind), "logits.grad")
    all_count, _ = student.next_loss(np.zeros((1, 2, 3)), np.array([[0, 2]]), -100)
    close(all_count, np.log(np.float64(3)), "the loss of equal logits, where every place counts")
    one_counts, _ = student.next_loss(np.zeros((1, 2, 3)), np.array([[-100, 2]]), -100, True)
    close(one_counts, np.log(np.float64(3)), "the loss of equal logits, where one place counts")
    single, _ = student.next_loss(np.zeros((1, 2, 1)), np.array([[0, -100]]), -100)
    close(single, np.float64(0), "the loss with one token in the vocabulary")
    refuses("IndexError", student.next_loss, np.zeros((1, 2, 3)), np.array([[7, -100]]), -100)
    refuses("IndexError", student.next_loss, np.zeros((1, 3, 3)), np.array([[-1, 1, -100]]), -100)
    wide = np.zeros((1, 2, 300))
    wide[0, 0, 290] = 5
    likely, _ = student.next_loss(wide, np.array([[290, -100]]), -100)
    close(likely, np.log(np.exp(5.0) + 299) - 5, "the loss of token 290 of 300, whose logit is 5 and the others' 0")
    far, _ = student.next_loss(1000 * np.eye(2)[None], np.array([[0, 1 if mark == 0 else 0]]), mark)
    close(far, np.float64(0.0 if mark == 0 else 500.0), "the loss of logits that are far apart")


@rubric.check("next_token_loss", points=1, examples=6)
@given(logits_and_targets())
def nothing_to_predict_is_refused(student, logits, targets, mark):
    """If every target is ignored, there is no mean: a ValueError, not nan."""
    refuses("ValueError", student.next_loss, logits, np.full_like(targets, mark), mark)


# -- parameter_count --------------------------------------------------------------------------------------------------


@rubric.probe
def counted(tt, sizes, words):
    config = tt.transformers.TransformerConfig(**sizes, **words)
    return tt.transformers.parameter_count(config)


@st.composite
def configurations(draw):
    heads = draw(st.integers(1, 2)) * 2
    sizes = {
        "vocabulary": draw(st.integers(1, 9)), "context": draw(st.integers(3, 9)), "layers": draw(st.integers(0, 3)),
        "heads": heads, "width": heads * draw(st.integers(1, 3)), "kv_heads": draw(st.sampled_from([1, 2, heads])),
        "hidden": draw(st.integers(1, 9)),
    }  # fmt: skip
    words = {
        "bias": draw(st.booleans()), "tied": draw(st.booleans()), "norm": draw(st.sampled_from(["layer", "rms"])),
        "activation": draw(st.sampled_from(["gelu", "swiglu", "squared_relu"])),
        "positions": draw(st.sampled_from(["learned", "rotary", "sinusoidal"])),
        "normalized_qk": draw(st.booleans()), "zero_outputs": draw(st.booleans()),
        "soft_cap": draw(st.sampled_from([None, 15.0])), "dropout": draw(st.sampled_from([0.0, 0.5])),
    }  # fmt: skip
    return sizes, words


def layers_of(sizes, words):
    """(in, out) of each linear layer of a block."""
    c, n, kv = sizes["width"], sizes["hidden"], sizes["width"] // sizes["heads"] * sizes["kv_heads"]
    inner = [(c, n), (c, n), (n, c)] if words["activation"] == "swiglu" else [(c, n), (n, c)]
    return [(c, c), (c, kv), (c, kv), (c, c), *inner]


rubric.doctests("parameter_count", points=1)


@rubric.check("parameter_count", points=1, examples=12)
@given(configurations())
def every_number_that_learns(student, sizes, words):
    """Tables, linear layers with their biases, norms: as many numbers as a GPT of these sizes has, and no others."""
    gated = {"bias": True, "tied": False, "norm": "layer", "activation": "swiglu", "positions": "rotary"}
    plain = {"bias": False, "tied": True, "norm": "rms", "activation": "gelu", "positions": "learned"}
    modern = {
        "bias": True, "tied": False, "norm": "rms", "activation": "squared_relu", "positions": "sinusoidal",
        "normalized_qk": True, "zero_outputs": True, "soft_cap": 15.0, "dropout": 0.5,
    }  # fmt: skip
    for these in (words, gated, plain, modern):
        more = sizes if these is words else sizes | {"layers": 1 + sizes["layers"]}
        close(student.counted(more, these), learned_numbers(more, these), "the count")


def learned_numbers(sizes, words):
    """The numbers of each part, added up."""
    c, v = sizes["width"], sizes["vocabulary"]
    norm = 2 * c if words["norm"] == "layer" and words["bias"] else c
    block = sum(i * o + (o if words["bias"] else 0) for i, o in layers_of(sizes, words)) + 2 * norm
    total = v * c + sizes["layers"] * block + norm
    total += 0 if words["tied"] else v * c
    return total + (sizes["context"] * c if words["positions"] == "learned" else 0)


# -- keep_top_k -------------------------------------------------------------------------------------------------------


@rubric.check("keep_top_k", points=1)
@given(few.flatmap(lambda n: whole_numbers((n + 1,), 2)), st.integers(1, 5), always=[(np.array([2.0, 1, 2]), 2)])
def the_k_largest_and_their_equals(student, logits, k):
    """Those that are smaller than the k-th largest become -inf; a k beyond V keeps all."""
    kth = sorted(logits)[-min(k, len(logits))]
    yours = student.keep_top_k(logits, k)
    close(np.exp(yours), np.exp(np.where(logits >= kth, logits, -np.inf)), "e^logits")
    holds(np.isneginf(yours).sum() == (logits < kth).sum(), "what is not kept is -inf", yours=yours)
    near = student.keep_top_k(np.array([1000.001, 1000.0]), 1)
    holds((near == [1000.001, -np.inf]).all(), "of logits 1000.001 and 1000 the first is kept", yours=near)
    equal = student.keep_top_k(np.array([2.0, 5.0, 2.0, 1.0], np.float32), 2)
    close(np.exp(equal), np.exp(np.array([2.0, 5.0, 2.0, -np.inf], np.float32)), "e^logits, two of which are equal")


# -- keep_top_p -------------------------------------------------------------------------------------------------------


@st.composite
def logits_and_share(draw):
    """Logits in which no two are equal, and a share that no sum of probabilities meets by chance."""
    n = draw(st.integers(1, 5))
    return draw(distinct((n,))) / 2, draw(st.sampled_from([0.05, 0.3, 0.61, 0.83, 0.97, 1.0]))


def nucleus(logits, p):
    probabilities = np.exp(logits) / np.exp(logits).sum()
    kept, total = np.full(len(logits), -np.inf), 0.0
    for i in np.argsort(-logits):
        if total >= p:
            break
        kept[i] = logits[i]
        total += probabilities[i]
    return kept


@rubric.check("keep_top_p", points=2)
@given(logits_and_share())
def the_fewest_that_reach_p(student, logits, p):
    """The most probable tokens, one after the other, until their sum reaches p: the one that reaches it is kept."""
    expected = np.exp(nucleus(logits, p))
    probabilities = np.exp(logits) / np.exp(logits).sum()
    alone = np.where(probabilities >= p, np.exp(logits), 0)
    close(
        np.exp(student.keep_top_p(logits, p)),
        expected,
        "e^logits",
        mistakes={"each is compared with p by itself": alone},
    )
    far = student.keep_top_p(np.array([0.0, 1000.0, 999.0], np.float32), 0.9)
    holds((far == [-np.inf, 1000, 999]).all(), "of logits 0, 1000, 999, 0.9 keeps the last two", yours=far)
    holds(far.dtype == np.float32, "float32 stays float32", dtype=str(far.dtype))
    for share in (0.5, 0.3):  # 1/4 + 1/4 is 1/2 exactly, whatever the order
        even = student.keep_top_p(np.zeros(4), share)
        holds((even == 0).sum() == 2, f"of four equal logits, {share} keeps two", yours=even)
    near = student.keep_top_p(np.log([0.2, 0.4975, 0.3025]), 0.498)
    close(np.exp(near), np.array([0.0, 0.4975, 0.3025]), "e^logits of 0.2, 0.4975 and 0.3025, of which 0.498 needs two")
    after = student.keep_top_p(np.array([-np.inf, 1.0, 0.9]), 0.6)
    holds((after == [-np.inf, 1.0, 0.9]).all(), "of logits -inf, 1 and 0.9, 0.6 keeps the last two", yours=after)


# -- sample -----------------------------------------------------------------------------------------------------------


@st.composite
def sampling(draw):
    """Logits, u, and the options."""
    logits = draw(distinct((draw(st.integers(2, 5)),))) / 2
    top_k, top_p = draw(st.one_of(st.none(), st.integers(1, 3))), draw(st.sampled_from([None, None, 0.3, 0.61, 0.97]))
    return logits, draw(st.integers(0, 20)) / 21 + 0.01, draw(st.sampled_from([1.0, 0.5, 2.0])), top_k, top_p


def is_token(yours, expected, what="the token"):
    """An id is no quantity: it is the expected one, or another."""
    holds(np.ndim(yours) == 0 and np.asarray(yours).dtype.kind in "iu", "a token is one whole number", yours=yours)
    same(int(yours), expected, what)


@rubric.check("sample", points=1)
@given(sampling())
def temperature_then_k_then_p(student, logits, u, temperature, top_k, top_p):
    """logits / temperature, the k largest of them, the nucleus of these, and the share in which u lies."""
    left = logits / temperature
    if top_k is not None:
        left = np.where(left >= sorted(left)[-min(top_k, len(left))], left, -np.inf)
    if top_p is not None:
        left = nucleus(left, top_p)
    ends = np.cumsum(np.exp(left) / np.exp(left).sum())
    expected = int(np.searchsorted(ends, u, side="right"))
    if np.abs(ends - u).min() > 1e-6:
        is_token(student.sample(logits, u, temperature, top_k, top_p), expected)
    is_token(
        student.sample(1e4 * logits, u, temperature), int(logits.argmax()), "the token, of logits that are far apart"
    )
    is_token(student.sample(logits, u, 0), int(logits.argmax()), "the token at temperature 0")
    is_token(student.sample(np.array([0.0, 1e-6]), 0.1, 0.0), 1, "the token at temperature 0.0, of logits 0 and 1e-6")
    is_token(student.sample(np.array([0.0, 0.1]), 0.1, 0.05), 0, "the token at temperature 0.05")
    is_token(student.sample(np.array([0.0, 0.1]), 0.2, 0.05), 1, "the token at temperature 0.05")
    is_token(student.sample(np.array([0.0, 1.0]), 0.0, 1.0, 1), 1, "the token of u = 0, where top_k hides the first")
    last = student.sample(np.array([0.0] * 10 + [-5.0]), np.nextafter(1.0, 0.0), 1.0, 10)
    is_token(last, 9, "the token of the largest u below 1, where top_k hides the last")
    telling = np.log([0.5, 0.3, 0.2])
    is_token(student.sample(telling, 0.9, 1.0, None, 1.0), 2, "the token, where a top_p of 1 keeps all")
    is_token(student.sample(telling, 0.9, 2.0, None, 0.45), 1, "the token, where the temperature flattens what p is of")
    is_token(student.sample(telling, 0.9, 1.0, 2, 0.6), 0, "the token, where p is of what k has left")


@rubric.check("sample", points=1, examples=10)
@given(
    st.sampled_from([(-1.0, None, None), (1.0, 0, None), (1.0, None, 0.0), (1.0, None, 1.5), (0, -1, None)]),
    always=[(math.inf, None, None), (math.nan, None, None), (0, None, 1.5)],
)
def what_chooses_nothing_is_refused(student, temperature, top_k, top_p):
    """A temperature below 0, inf or nan, a top_k below 1, a top_p outside of 0..1: ValueError, at temperature 0 too."""
    refuses("ValueError", student.sample, np.array([1.0, 2.0]), 0.5, temperature, top_k, top_p)


# -- accounting -------------------------------------------------------------------------------------------------------


def small_gpt():
    """A GPT whose numbers are counted."""
    from tinytorch.transformers import GPT, Blank, TransformerConfig

    return GPT(TransformerConfig(1000, context=64, width=96, layers=3, heads=4), Blank())


def numbers_of_a_gpt():
    """What a model holds, counted."""
    return sum(p.numel() for p in small_gpt().parameters())


@rubric.accounting(points=1, unit="parameters", counted=numbers_of_a_gpt, tolerance=0, difficulty=2, minutes=12)
def gpt_parameters():
    """How many parameters has GPT(TransformerConfig(1000, context=64, width=96, layers=3, heads=4))?

    It is a GPT-2 in small: biases everywhere, learned positions, two layer norms a block and one at the end, a
    feed-forward layer of 4 x 96, and a head that is the table of tokens.
    """
    # Two tables. In each block 4 layers of 96 to 96, one of 96 to 384 and one back, and two norms of 2 x 96.
    block = 4 * (96 * 96 + 96) + (96 * 384 + 384) + (384 * 96 + 96) + 2 * 2 * 96
    return 1000 * 96 + 64 * 96 + 3 * block + 2 * 96


def bytes_at_rest():
    """Weights, gradients and averages after a step, counted."""
    import tinytorch as tt

    model = small_gpt()
    optimizer = tt.optim.AdamW(model.parameters(), lr=0.001)
    model([[1, 2, 3]]).sum().backward()
    optimizer.step()
    averages = sum(array.nbytes for name, array in optimizer.state_dict().items() if name.endswith((".m", ".v")))
    return averages + sum(p.nbytes + p.grad.nbytes for p in model.parameters())


@rubric.accounting(points=1, unit="bytes", counted=bytes_at_rest, tolerance=0, difficulty=1, minutes=8)
def training_bytes():
    """How many bytes does AdamW's training of that same GPT take for its weights and all else that has their shapes?

    GPT(TransformerConfig(1000, context=64, width=96, layers=3, heads=4)), float32. The activations do not count.
    """
    # For each weight: itself, its gradient, and what AdamW keeps of it. How many numbers is that, of 4 bytes each?
    weights = 1000 * 96 + 64 * 96 + 3 * (12 * 96 * 96 + 13 * 96) + 2 * 96
    return 4 * 4 * weights


def percent_of_the_peak():
    """The operations of a step, by our own count, in the time that the question gives."""
    from tinytorch.transformers import TransformerConfig, flops_per_token

    operations = 16 * 128 * flops_per_token(TransformerConfig(65), 128, training=True)
    return 100 * operations / 0.25 / 100e9


@rubric.accounting(points=1, unit="percent", counted=percent_of_the_peak, tolerance=0.001, difficulty=3, minutes=15)
def share_of_peak():
    """A training step of a GPT takes 0.25 s where matrix products reach 100 GFLOP/s. What percent of that does it use?

    4 blocks of width 128, a feed-forward layer of 512, 4 heads, 65 tokens; 16 sequences of 128 tokens each. Count the
    matrix products alone: those with weights, the head's too, and those of queries with keys and of weights with
    values. Every query meets every key.
    """
    # Two operations a weight and token forwards; two products of 128 keys with 128 numbers for each token and block.
    # Backwards takes twice as much again.
    weights = 4 * 12 * 128 * 128 + 65 * 128
    attention = 4 * 2 * 2 * 128 * 128
    operations = 3 * (2 * weights + attention) * 16 * 128
    return 100 * operations / 0.25 / 100e9


def tokens_as_heavy_as_gpt2():
    """GPT-2's weights by our own count, over the keys and values that one layer really makes of a token, times 12."""
    import tinytorch as tt
    from tinytorch.attention import MultiHeadAttention
    from tinytorch.transformers import Blank, TransformerConfig, parameter_bytes

    layer = MultiHeadAttention(768, heads=12, rng=Blank())
    with tt.no_grad():
        x = tt.zeros(1, 1, 768)
        _, k, v = layer.project(x, x, x)
    gpt2 = TransformerConfig(50257, context=1024, width=768, layers=12, heads=12)
    return parameter_bytes(gpt2) / (12 * (k.nbytes + v.nbytes))


@rubric.accounting(points=1, unit="tokens", counted=tokens_as_heavy_as_gpt2, tolerance=0.0005, difficulty=2, minutes=10)
def cache_tokens():
    """For how many tokens, of all users together, are the kept keys and values as heavy as GPT-2 itself?

    124,439,808 weights, 12 layers, 12 heads, width 768; weights, keys and values all float32.
    """
    # For each token and layer: a key and a value, as wide as all heads together. Bytes cancel.
    return 124439808 / (12 * 2 * 768)
