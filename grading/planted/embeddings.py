"""Wrong answers to chapter 11: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import numpy as np

from tinytorch.activations import sigmoid
from tinytorch.embeddings import angles, check_ids, rotation, summed_by_id
from tinytorch.tensor import reshape
from tito.rubrics.planted import wrong

# -- embedding --------------------------------------------------------------------------------------------------------

wrong("embedding", "takes whatever NumPy takes: -1 is the last row", "check_ids(ids, len(weight))", "pass")
wrong("embedding", "looks up columns", "weight[ids]", "weight[:, ids]")
wrong("embedding", "checks against the width of the table", "len(weight)", "weight.shape[1]")
wrong("embedding", "flattens the ids", "weight[ids]", "weight[ids.ravel()]")
wrong(
    "embedding",
    "cuts foreign ids off at the ends of the table",
    "check_ids(ids, len(weight))",
    "ids = np.clip(ids, 0, len(weight) - 1)",
)


@wrong("embedding", "takes one of the ids only where there are several axes")
def lookup_of_rows(ids, weight, *, padding_idx=None):
    check_ids(ids, len(weight))
    return np.stack([weight[i] for i in ids])


wrong(
    "embedding", "reads the padding's row as zeros",
    "return weight[ids]", "return np.where((ids == padding_idx)[..., None], 0, weight[ids])",
)  # fmt: skip
wrong(
    "embedding", "makes the padding's row zero in the table",
    "return weight[ids]", "if padding_idx is not None:\n    weight[padding_idx] = 0\nreturn weight[ids]",
)  # fmt: skip
wrong("embedding", "takes ids for signed bytes", "weight[ids]", "weight[ids.astype(np.int8)]")
wrong("embedding", "takes int64 only", "check_ids(", "if ids.dtype != np.int64:\n    raise TypeError\ncheck_ids(")
wrong("embedding", "rounds the table", "weight[ids]", "weight[ids].astype(np.float16).astype(weight.dtype)")
wrong("embedding", "needs an axis", "weight[ids]", "weight[ids.reshape(-1, ids.shape[-1])].reshape(*ids.shape, -1)")


@wrong("embedding", "does not say how large the table is")
def lookup_without_v(ids, weight, *, padding_idx=None):
    if ids.dtype.kind not in "iu":
        raise TypeError("ids are whole numbers")
    wrong = ids[(ids < 0) | (ids >= len(weight))]
    if wrong.size:
        raise IndexError(f"{wrong[0]} is not in the table")
    return weight[ids]


@wrong("embedding", "refuses floats alone: truth values choose rows")
def lookup_by_mask(ids, weight, *, padding_idx=None):
    if ids.dtype.kind == "f":
        raise TypeError("ids are whole numbers")
    wrong = ids[(ids < 0) | (ids >= len(weight))]
    if wrong.size:
        raise IndexError(f"{wrong[0]} is not in a table of {len(weight)}")
    return weight[ids]


@wrong("embedding", "names the last id, whichever is foreign")
def lookup_naming_the_last(ids, weight, *, padding_idx=None):
    if ids.dtype.kind not in "iu":
        raise TypeError("ids are whole numbers")
    if ((ids < 0) | (ids >= len(weight))).any():
        raise IndexError(f"{ids.ravel()[-1]} is not in a table of {len(weight)}")
    return weight[ids]


# -- embedding_vjp ----------------------------------------------------------------------------------------------------

wrong("embedding_vjp", "forgets the padding", "dweight[padding_idx] = 0", "pass")
wrong("embedding_vjp", "takes the padding for the last row", "dweight[padding_idx]", "dweight[-1]")
wrong("embedding_vjp", "forgets padding of id 0", "padding_idx is not None", "padding_idx")
wrong("embedding_vjp", "returns double precision", "return None, dweight", "return None, dweight.astype(np.float64)")


@wrong("embedding_vjp", "adds with fancy indexing, which keeps one of several")
def gradient_overwritten(g, z, ids, weight, *, padding_idx=None):
    dweight = np.zeros_like(weight)
    dweight[ids] += g
    if padding_idx is not None:
        dweight[padding_idx] = 0
    return None, dweight


@wrong("embedding_vjp", "takes the mean over a token's places")
def gradient_mean(g, z, ids, weight, *, padding_idx=None):
    dweight = summed_by_id(ids.ravel(), g.reshape(-1, g.shape[-1]), len(weight))
    dweight /= np.maximum(1, np.bincount(ids.ravel(), minlength=len(weight)))[:, None].astype(g.dtype)
    if padding_idx is not None:
        dweight[padding_idx] = 0
    return None, dweight


@wrong("embedding_vjp", "adds into the table itself")
def gradient_into_the_table(g, z, ids, weight, *, padding_idx=None):
    np.add.at(weight, ids, g)
    return None, weight


@wrong("embedding_vjp", "leaves the padding's gradient out at the place of that number")
def gradient_place(g, z, ids, weight, *, padding_idx=None):
    rows = g.reshape(-1, g.shape[-1]).copy()
    if padding_idx is not None:
        rows[:padding_idx] = 0
    return None, summed_by_id(ids.ravel(), rows, len(weight))


wrong("embedding_vjp", "gives ids zeros", "return None,", "return np.zeros(ids.shape, g.dtype),")
wrong("embedding_vjp", "zeroes all from the padding on", "dweight[padding_idx]", "dweight[padding_idx:]")
wrong(
    "embedding_vjp", "adds up in half precision", "g.reshape(-1, g.shape[-1])", "np.float16(g).reshape(-1, g.shape[-1])"
)
wrong(
    "embedding_vjp",
    "adds up in single precision",
    "return None, dweight",
    "return None, np.float32(dweight).astype(g.dtype)",
)


@wrong("embedding_vjp", "compares ids with a padding of -1")
def gradient_without_places(g, z, ids, weight, *, padding_idx=None):
    kept = np.ones(ids.shape, bool) if padding_idx is None else ids != padding_idx
    return None, summed_by_id(ids[kept], g[kept], len(weight))


@wrong("embedding_vjp", "works places out in the dtype of the ids, where they wrap")
def gradient_wrapping(g, z, ids, weight, *, padding_idx=None):
    dweight = np.zeros(weight.size, g.dtype)
    places = (ids * ids.dtype.type(g.shape[-1]))[..., None] + np.arange(g.shape[-1])
    np.add.at(dweight, places, g)
    dweight = dweight.reshape(weight.shape)
    if padding_idx is not None:
        dweight[padding_idx] = 0
    return None, dweight


# -- negative_sampling_loss -------------------------------------------------------------------------------------------

wrong("negative_sampling_loss", "draws the negatives nearer", "softplus(negative)", "softplus(-negative)")
wrong("negative_sampling_loss", "averages the negatives", "softplus(negative).sum(-1)", "softplus(negative).mean(-1)")
wrong("negative_sampling_loss", "forgets the minus", "return (", "return -(")
wrong("negative_sampling_loss", "sums over the batch", ")).mean()", ")).sum()")
wrong("negative_sampling_loss", "leaves the negatives out", " + softplus(negative).sum(-1)", "")


@wrong("negative_sampling_loss", "takes the logarithm of a sigmoid that is 0")
def loss_overflows(center, context, negatives):
    positive = (context * center).sum(-1)
    negative = (negatives @ reshape(center, shape=(*center.shape, 1))).squeeze(-1)
    return -(sigmoid(positive).log() + sigmoid(-negative).log().sum(-1)).mean()


@wrong("negative_sampling_loss", "computes in NumPy, where nothing is recorded")
def loss_unrecorded(center, context, negatives):
    positive = (context.data * center.data).sum(-1)
    negative = (negatives.data @ center.data[..., None])[..., 0]
    return (np.logaddexp(0, -positive) + np.logaddexp(0, negative).sum(-1)).mean() + 0 * center.sum()


@wrong("negative_sampling_loss", "adds x to ln(1 + e^-x): infinite where the products are right")
def loss_overflows_the_other_way(center, context, negatives):
    positive = (context * center).sum(-1)
    negative = (negatives @ reshape(center, shape=(*center.shape, 1))).squeeze(-1)
    far = negative + (1 + (-negative).exp()).log()
    return (-positive + (1 + positive.exp()).log() + far.sum(-1)).mean()


@wrong("negative_sampling_loss", "looks away from an overflow in the loss, and has it in the gradient")
def loss_with_nan_behind_it(center, context, negatives):
    from tinytorch.tensor import where

    positive = (context * center).sum(-1)
    negative = (negatives @ reshape(center, shape=(*center.shape, 1))).squeeze(-1)
    soft = [where(x > 30, x, (1 + x.exp()).log()) for x in (-positive, negative)]
    return (soft[0] + soft[1].sum(-1)).mean()


# -- skip_gram_step ---------------------------------------------------------------------------------------------------

wrong("skip_gram_step", "goes uphill", "lr * dv", "-lr * dv", "lr * np.concatenate", "-lr * np.concatenate")
wrong("skip_gram_step", "takes s(x) for the neighbour's slope", "(near) - 1)", "(near))")
wrong(
    "skip_gram_step", "steps along the sum", "- 1) / len(pairs)", "- 1)", "function(far) / len(pairs)", "function(far)"
)
wrong("skip_gram_step", "leaves the negatives out of the center", " + (dfar * n).sum(1)", "")
wrong("skip_gram_step", "averages over the negatives", "(dfar * n).sum(1)", "(dfar * n).mean(1)")
wrong("skip_gram_step", "never moves the negatives", "dn = dfar *", "dn = 0 * dfar *")
wrong("skip_gram_step", "returns the sum of the losses", ".sum()) / len(pairs)", ".sum())")
wrong("skip_gram_step", "overflows", "np.logaddexp(0, far)", "np.log(1 + np.exp(far))")
wrong(
    "skip_gram_step", "moves the center's row in the wrong table", "take_away(center, pairs", "take_away(context, pairs"
)
wrong(
    "skip_gram_step",
    "takes the context's gradient from a center that has moved",
    "du = dnear * v",
    "take_away(center, pairs[:, 0], lr * dv)\nv = center[pairs[:, 0]]\ndu = dnear * v",
    "take_away(center, pairs[:, 0], lr * dv)",
    "pass",
)
wrong(
    "skip_gram_step",
    "keeps one of several gradients of a token",
    "take_away(center, pairs[:, 0], lr * dv)",
    "center[pairs[:, 0]] -= lr * dv",
)
wrong(
    "skip_gram_step",
    "keeps one of several gradients of a context",
    "take_away(context, ids, lr *",
    "context[ids] -= (lr *",
)

wrong("skip_gram_step", "overflows at a large slope", "sigmoid.function(near)", "np.exp(near) / (1 + np.exp(near))")
wrong("skip_gram_step", "overflows at no loss", "np.logaddexp(0, -near)", "(np.log(1 + np.exp(near)) - near)")
wrong("skip_gram_step", "rounds the loss", "return float(loss)", "return round(float(loss), 4)")


@wrong("skip_gram_step", "works places out in the dtype of the ids, where they wrap")
def step_wrapping(center, context, pairs, negatives, lr):
    v, u, n = center[pairs[:, 0]], context[pairs[:, 1]], context[negatives]
    near, far = (u * v).sum(-1, keepdims=True), (n * v[:, None]).sum(-1, keepdims=True)
    loss = (np.logaddexp(0, -near).sum() + np.logaddexp(0, far).sum()) / len(pairs)
    a, b = (sigmoid.function(near) - 1) * lr / len(pairs), sigmoid.function(far) * lr / len(pairs)

    def places(ids):
        return (ids * ids.dtype.type(v.shape[1]))[..., None] + np.arange(v.shape[1])

    np.subtract.at(center.reshape(-1), places(pairs[:, 0]), a * u + (b * n).sum(1))
    np.subtract.at(context.reshape(-1), places(pairs[:, 1]), a * v)
    np.subtract.at(context.reshape(-1), places(negatives), b * v[:, None])
    return float(loss)


# -- sinusoids --------------------------------------------------------------------------------------------------------

wrong("sinusoids", "exchanges sine and cosine", "0::2", "1::2", "1::2", "0::2")
wrong("sinusoids", "counts places from 1", "np.arange(length)", "np.arange(1, length + 1)")
wrong("sinusoids", "gives float64", ", np.float32)", ")")
wrong("sinusoids", "does not look at the base", "width, base)", "width)")


@wrong("sinusoids", "puts all sines first")
def waves_in_halves(length, width, base=10000.0):
    turned = rotation(length, width, 0, base)
    return np.concatenate(turned[::-1], axis=1).astype(np.float32)


@wrong("sinusoids", "gives an odd width one column less")
def waves_of_any_width(length, width, base=10000.0):
    turned = np.multiply.outer(np.arange(length), base ** (-np.arange(0, width - width % 2, 2) / width))
    return np.stack([np.sin(turned), np.cos(turned)], axis=-1).reshape(length, -1).astype(np.float32)


wrong("sinusoids", "counts places in eight bits", "np.arange(length)", "np.arange(length).astype(np.uint8)")
wrong(
    "sinusoids",
    "counts places in half precision",
    "np.arange(length)",
    "np.float64(np.arange(length, dtype=np.float16))",
)


@wrong("sinusoids", "works its angles out in single precision")
def waves_roughly(length, width, base=10000.0):
    hands = np.float32(angles(np.arange(1, 2), width, base)[0])
    turned = np.arange(length, dtype=np.float32)[:, None] * hands
    return np.stack([np.sin(turned), np.cos(turned)], axis=-1).reshape(length, width)


@wrong("sinusoids", "turns each row on from the one before")
def waves_step_by_step(length, width, base=10000.0):
    turned = np.float32(angles(np.arange(1, 2), width, base)[0])
    z = np.zeros((length, width), np.float32)
    z[:1, 1::2] = 1
    for t in range(1, length):
        z[t, 0::2] = z[t - 1, 0::2] * np.cos(turned) + z[t - 1, 1::2] * np.sin(turned)
        z[t, 1::2] = z[t - 1, 1::2] * np.cos(turned) - z[t - 1, 0::2] * np.sin(turned)
    return z


@wrong("sinusoids", "makes a list of rows, of which none is (0,)")
def waves_in_a_list(length, width, base=10000.0):
    turned = angles(np.arange(length), width, base)
    return np.array([np.stack([np.sin(row), np.cos(row)], axis=-1).ravel() for row in turned], np.float32)


# -- rotate -----------------------------------------------------------------------------------------------------------

wrong("rotate", "turns the wrong way", "cos - right * sin", "cos + right * sin", "left * sin + right", "right")
wrong("rotate", "always starts at place 0", "width, start, base", "width, 0, base")
wrong("rotate", "does not look at the base", "start, base)", "start)")


@wrong("rotate", "pairs neighbours")
def turn_neighbours(x, *, start=0, base=10000.0):
    *_, length, width = x.shape
    cos, sin = (part.astype(x.dtype) for part in rotation(length, width, start, base))
    left, right = x[..., 0::2], x[..., 1::2]
    z = np.empty_like(x)
    z[..., 0::2] = left * cos - right * sin
    z[..., 1::2] = left * sin + right * cos
    return z


@wrong("rotate", "uses the left half after it was turned, and writes into x")
def turn_in_place(x, *, start=0, base=10000.0):
    *_, length, width = x.shape
    cos, sin = (part.astype(x.dtype) for part in rotation(length, width, start, base))
    left, right = x[..., : width // 2], x[..., width // 2 :]
    left[...] = left * cos - right * sin
    right[...] = left * sin + right * cos
    return x


@wrong("rotate", "works its angles out in single precision")
def turn_roughly(x, *, start=0, base=10000.0):
    *_, length, width = x.shape
    hands = np.float32(base) ** (-np.arange(0, width, 2, dtype=np.float32) / np.float32(width))
    turned = np.multiply.outer(np.arange(start, start + length, dtype=np.float32), hands)
    cos, sin = np.cos(turned).astype(x.dtype), np.sin(turned).astype(x.dtype)
    left, right = x[..., : width // 2], x[..., width // 2 :]
    return np.concatenate([left * cos - right * sin, left * sin + right * cos], axis=-1)


wrong("rotate", "rounds cosines to single precision", "part.astype(x.dtype)", "part.astype(np.float32)")
wrong(
    "rotate",
    "takes the second axis for the places",
    "*_, length, width = x.shape",
    "_, length, *_, width = (1, *x.shape)[-max(3, x.ndim) :]",
)
wrong(
    "rotate",
    "needs three axes at most",
    "x[..., : width // 2], x[..., width // 2 :]",
    "x.reshape(-1, length, width)[:, :, : width // 2], x.reshape(-1, length, width)[:, :, width // 2 :]",
)


@wrong("rotate", "keeps a table of 2,048 places")
def turn_by_table(x, *, start=0, base=10000.0):
    *_, length, width = x.shape
    places = np.add.outer(start, np.arange(length))
    cos, sin = (part[places].astype(x.dtype) for part in rotation(2048, width, 0, base))
    left, right = x[..., : width // 2], x[..., width // 2 :]
    return np.concatenate([left * cos - right * sin, left * sin + right * cos], axis=-1)


@wrong("rotate", "takes one start for all sequences")
def turn_from_one_start(x, *, start=0, base=10000.0):
    *_, length, width = x.shape
    cos, sin = (part.astype(x.dtype) for part in rotation(length, width, int(np.min(start)), base))
    left, right = x[..., : width // 2], x[..., width // 2 :]
    return np.concatenate([left * cos - right * sin, left * sin + right * cos], axis=-1)


@wrong("rotate", "rounds the hands to single precision")
def turn_by_rough_hands(x, *, start=0, base=10000.0):
    *_, length, width = x.shape
    hands = angles(np.arange(1, 2), width, base)[0].astype(np.float32).astype(np.float64)
    turned = np.multiply.outer(np.add.outer(start, np.arange(length)), hands)
    cos, sin = np.cos(turned).astype(x.dtype), np.sin(turned).astype(x.dtype)
    left, right = x[..., : width // 2], x[..., width // 2 :]
    return np.concatenate([left * cos - right * sin, left * sin + right * cos], axis=-1)


# -- rotate_vjp -------------------------------------------------------------------------------------------------------

wrong("rotate_vjp", "turns forwards again", "left * cos + right", "left * cos - right", "cos - left", "cos + left")
wrong("rotate_vjp", "turns x, not g", "g[..., : width // 2], g[", "x[..., : width // 2], x[")
wrong("rotate_vjp", "forgets where the sequence starts", "width, start, base", "width, 0, base")
wrong("rotate_vjp", "does not look at the base", "start, base)", "start)")

wrong("rotate_vjp", "rounds cosines to single precision", "part.astype(g.dtype)", "part.astype(np.float32)")
wrong(
    "rotate_vjp",
    "takes the second axis for the places",
    "*_, length, width = x.shape",
    "_, length, *_, width = (1, *x.shape)[-max(3, x.ndim) :]",
)
wrong("rotate_vjp", "takes one start for all sequences", "width, start, base", "width, int(np.min(start)), base")
wrong(
    "rotate_vjp",
    "gives half precision back as single",
    "np.empty_like(g)",
    "np.empty(g.shape, np.result_type(g, np.float32))",
)

# -- accounting -------------------------------------------------------------------------------------------------------

wrong("table_bytes", "counts numbers, not bytes", "4 * 4 *", "4 *")
wrong("table_bytes", "forgets what Adam keeps", "4 * 4 *", "2 * 4 *")
wrong("table_bytes", "counts only the rows that were read", "5000", "128")

wrong("tied_parameters", "counts the table twice", "5000 * 64 +", "2 * 5000 * 64 +")
wrong("tied_parameters", "forgets that every token has a bias", " + 5000", "")
wrong("tied_parameters", "forgets the hidden layer's bias", " + 64)", ")")
wrong("tied_parameters", "leaves out the table, for it stands elsewhere", "5000 * 64 +", "")

wrong("one_hot_operations", "counts a product and a sum as one", "return 2 *", "return")
wrong("one_hot_operations", "counts the lookup", " * 5000", "")
wrong("one_hot_operations", "takes one sequence", "(32 * 128)", "128")
