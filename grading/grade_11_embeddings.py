"""Chapter 11, embeddings: a table that is read and learns, a loss of pairs, and what tells places apart.

Every oracle is a loop over tokens, places or pairs of numbers. ids are whole numbers, weight (V, C) the table.
"""

import math

import numpy as np
from hypothesis import strategies as st
from strategies import example, filled, mixed, shapes, whole_numbers

from tito.rubrics.compare import close, holds, refuses
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("11", module="embeddings")

rubric.exercise("embedding", difficulty=1, minutes=5)
rubric.exercise("embedding_vjp", difficulty=2, minutes=12)
rubric.exercise("negative_sampling_loss", difficulty=2, minutes=15)
rubric.exercise("skip_gram_step", difficulty=3, minutes=40)
rubric.exercise("sinusoids", difficulty=1, minutes=10)
rubric.exercise("rotate", difficulty=2, minutes=15)
rubric.exercise("rotate_vjp", difficulty=2, minutes=10)

few = st.integers(1, 3)
kinds = st.sampled_from([np.float64, np.float32])


@st.composite
def tokens_and_table(draw, most=5):
    """ids of any small shape, and the table that they are in."""
    size = draw(st.integers(1, 4))
    ids = draw(shapes(least=1).flatmap(lambda shape: filled(shape, st.integers(0, size - 1), np.int64)))
    return ids, draw(whole_numbers((size, draw(few)), most)).astype(draw(kinds))


def slack(x):
    """The error that x's size and dtype allow: sums in less precision, or cosines, are farther off."""
    return {"float64": 1e-8, "float32": 1e-5, "float16": 2e-2}[x.dtype.name] * max(1, np.abs(x).max(initial=0) / 4)


# -- embedding --------------------------------------------------------------------------------------------------------

rubric.doctests("embedding", points=1)

IDS = [
    (np.array([100, 200, 7], np.uint8), example(201, 2)),
    (np.array([200], np.int64), example(201, 2)),
    (np.array([[2, 0], [1, 2]], np.int32), example(3, 2)),
    (np.array([[[0, 2], [1, 2]], [[2, 1], [0, 0]]], np.uint16), example(3, 2, dtype=np.float32)),
]


@rubric.check("embedding", points=1)
@given(tokens_and_table(), always=IDS)
def each_token_has_its_row(student, ids, weight):
    """Where token v stands, the result has row v of the table, padding or not; ids have any axes and integer dtype."""
    weight = weight / 3
    expected = np.empty((*ids.shape, weight.shape[1]), weight.dtype)
    for place in np.ndindex(ids.shape):
        expected[place] = weight[ids[place]]
    close(student.embedding(ids, weight), expected, "z", rtol=0, atol=0)
    padding, absent = int(ids.reshape(-1)[0]), expected.copy()
    absent[ids == padding] = 0
    mistakes = {"the row padding_idx is read as zeros: it is read like all others": absent}
    padded = student.embedding(ids, weight, padding_idx=padding)
    close(padded, expected, "z, with a padding_idx", rtol=0, atol=0, mistakes=mistakes)
    close(student.embedding(ids[:0], weight), expected[:0], "z, for no ids")
    close(student.embedding(np.array(padding, ids.dtype), weight), weight[padding], "z, for one id without an axis")


@rubric.check("embedding", points=1)
@given(
    tokens_and_table(),
    st.sampled_from([-1, -2, 0, 1]),
    always=[(np.array([1, 2, 3, 0]), example(5, 1), beyond) for beyond in (-2, 9)],
)
def no_row_for_a_foreign_token(student, ids, weight, beyond):
    """A token below 0 or beyond the table is an IndexError that names it and V; floats and bools are a TypeError."""
    foreign = beyond if beyond < 0 else len(weight) + beyond
    ids = ids.copy()
    ids.reshape(-1)[ids.size // 2] = foreign
    refuses("IndexError", student.embedding, ids, weight, mentioning=[str(foreign), str(len(weight))])
    refuses("TypeError", student.embedding, np.zeros(2), weight)
    refuses("TypeError", student.embedding, np.zeros(len(weight), bool), weight)


# -- embedding_vjp ----------------------------------------------------------------------------------------------------


@st.composite
def tokens_and_gradient(draw):
    """ids, the table, g for each of its numbers; some token stands at two places, if there are two."""
    ids, weight = draw(tokens_and_table())
    if ids.size > 1:
        ids = ids.copy()
        ids.reshape(-1)[0] = ids.reshape(-1)[-1]
    return ids, weight, draw(mixed((*ids.shape, weight.shape[1]))).astype(weight.dtype)


def gathered(ids, weight, g, last=False):
    """The gradients of each token's places, added up; or, the mistake, that of its last place."""
    dweight = np.zeros_like(weight)
    for place in np.ndindex(ids.shape):
        dweight[ids[place]] = g[place] + (0 if last else dweight[ids[place]])
    return dweight


rubric.doctests("embedding_vjp", points=1)

FAR = (np.array([100, 200, 100], np.uint8), np.zeros((201, 3)), example(3, 3))


@rubric.check("embedding_vjp", points=1)
@given(tokens_and_gradient(), always=[FAR])
def gradients_of_all_places_add_up(student, ids, weight, g):
    """A token that stands at several places gets the sum of their gradients, one that stands nowhere gets zeros."""
    g = g / 3
    dids, dweight = student.embedding_vjp(g, weight[ids], ids, weight)
    holds(dids is None, "ids have no gradient: None stands in its place", yours=dids)
    expected, counts = gathered(ids, weight, g), np.bincount(ids.ravel(), minlength=len(weight))[:, None]
    mistakes = {
        "a token's last place overwrites the others: add them up": gathered(ids, weight, g, last=True),
        "this is the mean over a token's places": expected / np.maximum(counts, 1),
    }
    close(dweight, expected, "dweight", rtol=0, atol=slack(g), mistakes=mistakes)
    _, dweight = student.embedding_vjp(g[:0], weight[ids[:0]], ids[:0], weight)
    close(dweight, np.zeros_like(weight), "dweight, for no ids")


@rubric.check("embedding_vjp", points=1)
@given(tokens_and_gradient(), always=[(np.array([0, 1, 2]), np.zeros((3, 1)), example(3, 1))])
def padding_does_not_learn(student, ids, weight, g):
    """The row padding_idx, -1 for the last, gets zeros, wherever it stood; all others get what they would without."""
    all_learn = gathered(ids, weight, g)
    for padding in {int(i) for i in np.unique(ids)[:3]}:
        expected = all_learn.copy()
        expected[padding] = 0
        for row in (padding, padding - len(weight)):
            _, dweight = student.embedding_vjp(g, weight[ids], ids, weight, padding_idx=row)
            mistakes = {"padding_idx is not looked at": all_learn}
            close(dweight, expected, f"dweight with padding_idx={row}", mistakes=mistakes)


# -- negative_sampling_loss -------------------------------------------------------------------------------------------


@st.composite
def center_context_negatives(draw):
    """v (B, C), u (B, C), n (B, K, C)."""
    b, k, c = draw(few), draw(few), draw(few)
    kind = draw(kinds)
    return tuple(draw(mixed(shape, most=3)).astype(kind) for shape in ((b, c), (b, c), (b, k, c)))


@rubric.probe
def pair_loss(tt, center, context, negatives):
    tensors = [tt.Tensor(x, requires_grad=True) for x in (center, context, negatives)]
    loss = tt.embeddings.negative_sampling_loss(*tensors)
    loss.backward()
    return [loss, *(x.grad for x in tensors)]


def sigmoid(x):
    return (1 / (1 + np.exp(-x.astype(np.float64)))).astype(x.dtype)


def pair_losses(v, u, n):
    """-ln s(u . v) and the -ln s(-n . v) of each pair; -ln s(x) is ln(1 + e^-x)."""
    v, u, n, dtype = v.astype(np.float64), u.astype(np.float64), n.astype(np.float64), v.dtype
    near = np.array([np.logaddexp(0, -u[b] @ v[b]) for b in range(len(v))])
    far = np.array([[np.logaddexp(0, n[b, k] @ v[b]) for k in range(n.shape[1])] for b in range(len(v))])
    return near.astype(dtype), far.reshape(n.shape[:2]).astype(dtype)


@rubric.check("negative_sampling_loss", points=2)
@given(center_context_negatives())
def near_ones_closer_far_ones_farther(student, v, u, n):
    """-ln s(u . v) for the neighbour, -ln s(-n . v) for each negative: summed over these, the mean over the batch."""
    near, far = pair_losses(v, u, n)
    mistakes = {
        "the negatives are drawn nearer: theirs is s(-n . v)": (near + pair_losses(v, u, -n)[1].sum(1)).mean(),
        "the negatives are averaged: each counts in full": (near + far.mean(1)).mean(),
        "the batch is summed: its mean is wanted": (near + far.sum(1)).sum(),
        "the negatives are not in it": near.mean(),
        "the sign is the wrong way round": -(near + far.sum(1)).mean(),
    }
    rounding = {} if v.dtype == np.float64 else {"atol": 1e-5}  # ln(1 + e^-9) may come as 9.0001 - 9
    close(student.pair_loss(v, u, n)[0], (near + far.sum(1)).mean(), "the loss", mistakes=mistakes, **rounding)


@rubric.check("negative_sampling_loss", points=1)
@given(center_context_negatives())
def the_loss_has_its_gradient(student, v, u, n):
    """Composed of tensors' functions, the loss hands a gradient to the center, the neighbour and the negatives."""
    _, dv, du, dn = student.pair_loss(v, u, n)
    near = sigmoid((u * v).sum(1, keepdims=True)) - 1
    far = sigmoid((n @ v[:, :, None])[:, :, 0])[:, :, None]
    close(du, near * v / len(v), "context.grad")
    close(dn, far * v[:, None] / len(v), "negatives.grad")
    close(dv, (near * u + (far * n).sum(1)) / len(v), "center.grad")


@rubric.check("negative_sampling_loss", points=1, examples=10)
@given(st.integers(40, 60).map(float))
def large_products_are_no_infinity(student, far):
    """ln s(-1000) is -1000, ln s(1000) is 0: nothing overflows, no logarithm of 0, in the loss or its gradients."""
    v = np.array([[far, 0.0]])
    for u, wrong in ((-v, 1), (v, 0)):
        loss, dv, du, dn = student.pair_loss(v, u, -u[:, None])
        close(loss, np.float64(wrong * 2 * far * far), "the loss")
        close(dv, -2 * wrong * u, "center.grad")
        close(du, -wrong * v, "context.grad")
        close(dn, wrong * v[:, None], "negatives.grad")


# -- skip_gram_step ---------------------------------------------------------------------------------------------------


@st.composite
def tables_and_tokens(draw):
    """center and context (V, C), pairs (B, 2), negatives (B, K), the rate; tokens repeat, and one is context twice."""
    v, c, b, k = draw(st.integers(2, 5)), draw(few), draw(few), draw(few)
    kind, rng = draw(kinds), np.random.default_rng(draw(st.integers(0, 99)))
    pairs, negatives = rng.integers(0, v, (b, 2)), rng.integers(0, v, (b, k))
    pairs[-1, 0], pairs[-1, 1], negatives[-1, -1] = pairs[0, 0], pairs[0, 1], pairs[0, 1]
    center, context = (draw(mixed((v, c), most=2)).astype(kind) for _ in range(2))
    return center, context, pairs, negatives, draw(st.sampled_from([0.5, 0.125]))


@rubric.in_place("center", "context")
def stepped(tt, center, context, pairs, negatives, lr):
    loss = tt.embeddings.skip_gram_step(center, context, pairs, negatives, lr)
    return float(loss), center, context


def downhill(center, context, pairs, negatives, lr, mean=True):
    """The loss and the tables after a step: one product after the other, all gradients at the tables as they were."""
    moved, loss = [center.astype(np.float64), context.astype(np.float64)], 0.0
    scale = lr / (len(pairs) if mean else 1)
    for (i, j), others in zip(pairs, negatives):
        for token, sign in [(j, 1), *((other, -1) for other in others)]:
            v, u = center[i].astype(np.float64), context[token].astype(np.float64)
            slope = -sign / (1 + math.exp(sign * (u @ v)))
            moved[0][i] -= scale * slope * u
            moved[1][token] -= scale * slope * v
            loss += math.log1p(math.exp(-sign * (u @ v))) / len(pairs)
    return loss, moved[0].astype(center.dtype), moved[1].astype(center.dtype)


rubric.doctests("skip_gram_step", points=1)

# Ids whose dtype does not hold the places of their rows in a flat table.
WIDE = (
    *(np.sin(example(201, 2, start=start)) for start in (1, 500)),
    np.array([[100, 200], [200, 150]], np.uint8),
    np.array([[150], [170]], np.uint8),
    0.5,
)


@rubric.check("skip_gram_step", points=2)
@given(tables_and_tokens(), always=[WIDE])
def both_tables_go_downhill(student, center, context, pairs, negatives, lr):
    """Both tables move by -lr times the gradient of the mean loss, repeated tokens by the sum; the loss is the old."""
    loss, *moved = student.stepped(center.copy(), context.copy(), pairs, negatives, lr)
    expected, *tables = downhill(center, context, pairs, negatives, lr)
    summed, uphill = (
        downhill(center, context, pairs, negatives, *options)[1:] for options in [(lr, False), (-lr, True)]
    )
    for name, yours, wanted, of_sum, up in zip(["center", "context"], moved, tables, summed, uphill):
        mistakes = {"the loss is a mean over the batch, its gradient too": of_sum, "this is a step uphill": up}
        close(yours, wanted, name, mistakes=mistakes)
    close(loss, expected, "the loss before the step", rtol=1e-4 if center.dtype == np.float32 else 1e-6)


@rubric.check("skip_gram_step", points=1, examples=10)
@given(st.integers(40, 60).map(float))
def large_products_take_a_finite_step(student, far):
    """At a product of -1000, or a negative's 1000, the slopes are -1 and 1; the other way round 0. No overflow."""
    tables = np.array([[far, 0.0], [0.0, 7.0]]), np.array([[-far, 0.0], [far, 0.0]])
    pairs, negatives = np.array([[0, 0]]), np.array([[1]])
    loss, center, context = student.stepped(*tables, pairs, negatives, 0.5)
    close(loss, 2 * far * far, "the loss before the step")
    close(center, np.array([[0.0, 0.0], [0.0, 7.0]]), "center")
    close(context, np.array([[-far / 2, 0.0], [far / 2, 0.0]]), "context")
    loss, center, context = student.stepped(*tables, np.array([[0, 1]]), np.array([[0]]), 0.5)
    close(loss, 0.0, "the loss before the step")
    close(center, tables[0], "center")
    close(context, tables[1], "context")


# -- sinusoids --------------------------------------------------------------------------------------------------------

rubric.doctests("sinusoids", points=1)


def waves(length, width, base, first=math.sin, second=math.cos):
    """The table, one number at a time."""
    table = np.empty((length, width), np.float32)
    for t, i in np.ndindex(length, width // 2):
        angle = t / base ** (2 * i / width)
        table[t, 2 * i], table[t, 2 * i + 1] = first(angle), second(angle)
    return table


@rubric.check("sinusoids", points=2)
@given(
    st.integers(1, 5),
    st.integers(1, 3).map(lambda n: 2 * n),
    st.sampled_from([10000.0, 100.0]),
    always=[(0, 4, 10000.0), (3000, 6, 10000.0)],
)
def two_columns_for_each_hand(student, length, width, base):
    """Columns 2 i and 2 i + 1 are the sine and the cosine of t / base^(2 i / width); float32, right at far places."""
    expected = waves(length, width, base)
    halves = np.concatenate([expected[:, 0::2], expected[:, 1::2]], axis=1)
    mistakes = {
        "sine and cosine are exchanged": waves(length, width, base, math.cos, math.sin),
        "all sines come first, then all cosines: they take turns": halves,
        "the base is 10000 whatever is asked": waves(length, width, 10000.0),
    }
    close(student.sinusoids(length, width, base), expected, "the table", rtol=0, atol=1e-6, mistakes=mistakes)
    refuses("ValueError", student.sinusoids, length, width + 1, base)


# -- rotate -----------------------------------------------------------------------------------------------------------


@st.composite
def vectors_at_places(draw):
    """x (..., T, d) with an even d, the first place, and the base."""
    x = draw(mixed((*draw(shapes(2)), draw(few), 2 * draw(few)))).astype(draw(kinds))
    return x, draw(st.sampled_from([0, 1, 7, 1000, 10**6])), draw(st.sampled_from([10000.0, 100.0]))


PLACES = [(np.sin(example(2, 3, 1, 4)), 7, 10000.0), (np.sin(example(2, 4)), 10**6, 10000.0)]


def turned(x, start, base, sign=1, neighbours=False):
    """Each pair turned by its place's angle, one pair at a time."""
    z, half = np.empty_like(x), x.shape[-1] // 2
    for t, i in np.ndindex(x.shape[-2], half):
        angle = sign * (start + t) / base ** (2 * i / x.shape[-1])
        a, b = (2 * i, 2 * i + 1) if neighbours else (i, i + half)
        z[..., t, a] = x[..., t, a] * math.cos(angle) - x[..., t, b] * math.sin(angle)
        z[..., t, b] = x[..., t, a] * math.sin(angle) + x[..., t, b] * math.cos(angle)
    return z


def each_from_its_own(x, start):
    """x as the heads of two sequences (2, H, T, d), and the places (2, 1) where they start."""
    heads = x.reshape(-1, *x.shape[-2:])
    return np.stack([heads, 2 * heads]), np.array([[start], [start + 3]])


rubric.doctests("rotate", points=1)


@rubric.check("rotate", points=2)
@given(vectors_at_places(), always=PLACES)
def each_pair_turns_by_its_angle(student, x, start, base):
    """Numbers i and i + d/2 turn by the angle of hand i at place start + t, a start for all or for each sequence."""
    mistakes = {
        "it turns the wrong way": turned(x, start, base, sign=-1),
        "neighbours turn together: the pairs are i and i + d/2": turned(x, start, base, neighbours=True),
        "every sequence starts at place 0": turned(x, 0, base),
        "the base is 10000 whatever is asked": turned(x, start, 10000.0),
    }
    right = {"rtol": 0, "atol": slack(x)}
    close(student.rotate(x, start=start, base=base), turned(x, start, base), "z", **right, mistakes=mistakes)
    both, starts = each_from_its_own(x, start)
    expected = np.stack([turned(one, int(first), base) for one, first in zip(both, starts[:, 0])])
    close(student.rotate(both, start=starts, base=base), expected, "z, with a start for each sequence", **right)
    close(student.rotate(x[..., :0, :], start=start, base=base), x[..., :0, :], "z, at no places")
    refuses("ValueError", student.rotate, x[..., 1:], start=start, base=base)


# -- rotate_vjp -------------------------------------------------------------------------------------------------------

rubric.doctests("rotate_vjp", points=1)


@rubric.check("rotate_vjp", points=1)
@given(vectors_at_places(), always=[*PLACES, (example(1, 1, 4, dtype=np.float16), 7, 100.0)])
def gradients_turn_back(student, g, start, base):
    """The gradient turns by the same angles, backwards; x itself is not in it."""
    x = np.ones_like(g)
    mistakes = {"it turns forwards again": turned(g, start, base), "every sequence starts at 0": turned(g, 0, base, -1)}
    yours = student.rotate_vjp(g, turned(x, start, base), x, start=start, base=base)
    right = {"rtol": 0, "atol": slack(g)}
    close(yours, turned(g, start, base, sign=-1), "dx", **right, mistakes=mistakes)
    both, starts = each_from_its_own(g, start)
    expected = np.stack([turned(one, int(first), base, -1) for one, first in zip(both, starts[:, 0])])
    yours = student.rotate_vjp(both, both, np.ones_like(both), start=starts, base=base)
    close(yours, expected, "dx, with a start for each sequence", **right)


# -- accounting -------------------------------------------------------------------------------------------------------


def bytes_of_a_table_in_training():
    """What a table, its gradient and Adam hold after a step."""
    from tinytorch.embeddings import Embedding
    from tinytorch.optimizers import Adam

    table = Embedding(5000, 64)
    optimizer = Adam(table.parameters())
    table(np.arange(128)).sum().backward()
    optimizer.step()
    kept = sum(x.nbytes for name, x in optimizer.state_dict().items() if name.endswith((".m", ".v")))
    return table.weight.nbytes + table.weight.grad.nbytes + kept


@rubric.accounting(
    points=1, unit="bytes", counted=bytes_of_a_table_in_training, tolerance=1e-4, difficulty=1, minutes=5
)
def table_bytes():
    """How many bytes does a table take while it is trained?

    Embedding(5000, 64), float32, has made one step of Adam on a batch of 128 different tokens. Count the table, its
    gradient, and the two arrays that Adam keeps, exactly.
    """
    # Which of these four arrays knows that only 128 rows were read?
    return 4 * 4 * 5000 * 64


def parameters_of_a_tied_network():
    """The numbers of a network that reads and scores with one table, counted once each."""
    from tinytorch.embeddings import Embedding, tied_logits
    from tinytorch.layers import Linear, Module

    class Tied(Module):
        def __init__(self):
            self.table, self.hidden, self.scores = Embedding(5000, 64), Linear(64, 64), Linear(64, 5000)
            self.scores.weight = self.table.weight

        def forward(self, ids):
            return tied_logits(self.hidden(self.table(ids)), self.scores.weight) + self.scores.bias

    return sum(p.numel() for p in Tied().parameters())


@rubric.accounting(
    points=1, unit="parameters", counted=parameters_of_a_tied_network, tolerance=1e-4, difficulty=2, minutes=6
)
def tied_parameters():
    """How many parameters has a small network that reads and scores with the same table?

    Embedding(5000, 64), then Linear(64, 64) with a bias, then a score for each of the 5,000 tokens: the product with
    the same table, and a bias of its own for each token. Count exactly.
    """
    # A table that stands in two layers is one array of numbers. What is there besides?
    return 5000 * 64 + (64 * 64 + 64) + 5000


def operations_of_a_one_hot_product():
    """What chapter 00 counts for the product."""
    from tinytorch.environment import matmul_flops

    return matmul_flops(32 * 128, 5000, 64)


@rubric.accounting(
    points=1, unit="operations", counted=operations_of_a_one_hot_product, tolerance=1e-4, difficulty=1, minutes=5
)
def one_hot_operations():
    """How many floating-point operations does a lookup save?

    32 sequences of 128 tokens are one-hot rows of 5,000 numbers, and are multiplied with a table (5000, 64). Count as
    in chapter 00: a multiplication and an addition for each term. How many operations does the matrix product make?
    """
    # Each number of the result is a sum of products over the vocabulary. How many numbers has the result?
    return 2 * (32 * 128) * 5000 * 64
