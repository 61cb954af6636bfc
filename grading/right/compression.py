"""Right answers to chapter 16, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import copy

import numpy as np

from tinytorch.activations import log_softmax, softmax
from tinytorch.compression import check_kept, check_share, input_axis, remade, unit_axis
from tinytorch.convolutions import Conv2d
from tinytorch.layers import Linear, Parameter
from tinytorch.losses import cross_entropy
from tinytorch.tensor import Tensor
from tito.rubrics.planted import right

# -- magnitude_mask ---------------------------------------------------------------------------------------------------

right(
    "magnitude_mask", "sorts what is flat", "np.argsort(np.abs(weight), axis=None", "np.argsort(np.abs(weight).ravel()"
)
right("magnitude_mask", "sorts squares of doubles", "np.abs(weight)", "weight.astype(np.float64) ** 2")


@right("magnitude_mask", "gives each weight its rank")
def mask_by_rank(weight, sparsity):
    if not 0 <= sparsity <= 1:
        raise ValueError(f"0 to 1 is a sparsity, {sparsity} is none")
    rank = np.empty(weight.size, int)
    rank[np.lexsort((np.arange(weight.size), np.abs(weight).ravel()))] = np.arange(weight.size)
    return (rank >= round(weight.size * sparsity)).reshape(weight.shape)


@right("magnitude_mask", "goes from weight to weight")
def mask_one_by_one(weight, sparsity):
    check_share("sparsity", sparsity)
    sizes = [abs(float(w)) for w in weight.ravel()]
    gone = sorted(range(len(sizes)), key=lambda i: (sizes[i], i))[: round(sparsity * len(sizes))]
    return np.array([i not in set(gone) for i in range(len(sizes))], dtype=bool).reshape(weight.shape)


@right("magnitude_mask", "takes a threshold, and as many equals as are missing")
def mask_with_equals(weight, sparsity):
    check_share("sparsity", sparsity)
    count, sizes = round(sparsity * weight.size), np.abs(weight)
    if not count:
        return np.ones(weight.shape, dtype=bool)
    largest = np.partition(sizes, count - 1, axis=None)[count - 1]
    mask = sizes >= largest
    missing = count - np.count_nonzero(~mask)
    mask.flat[np.flatnonzero(sizes == largest)[:missing]] = False
    return mask


@right("magnitude_mask", "turns all round, and takes what stays")
def mask_from_behind(weight, sparsity):
    check_share("sparsity", sparsity)
    sizes = np.abs(weight).ravel()[::-1]
    stays = np.argsort(-sizes, kind="stable")[: weight.size - round(sparsity * weight.size)]
    mask = np.zeros(weight.size, bool)
    mask[weight.size - 1 - stays] = True
    return mask.reshape(weight.shape)


# -- cubic_sparsity ---------------------------------------------------------------------------------------------------

right(
    "cubic_sparsity",
    "clips with NumPy",
    "min(max((step - start) / steps, 0.0), 1.0)",
    "float(np.clip((step - start) / steps, 0, 1))",
)
right(
    "cubic_sparsity",
    "adds what is gained to the first",
    "final + (initial - final) * (1 - t) ** 3",
    "initial + (final - initial) * (1 - (1 - t) ** 3)",
)


@right("cubic_sparsity", "takes the three parts one by one")
def schedule_in_parts(step, steps, final, initial=0.0, start=0):
    for share in (initial, final):
        check_share("a sparsity", share)
    if not steps > 0:
        raise ValueError(steps)
    if step < start:
        return initial
    if step > start + steps:
        return final
    left = (start + steps - step) / steps
    return final - (final - initial) * left**3


@right("cubic_sparsity", "interpolates what is left")
def schedule_between(step, steps, final, initial=0.0, start=0):
    check_share("final", final)
    check_share("initial", initial)
    if steps < 1:
        raise ValueError(steps)
    left = np.interp(step, [start, start + steps], [1.0, 0.0])
    return float(final + (initial - final) * left**3)


# -- strongest_units --------------------------------------------------------------------------------------------------

right(
    "strongest_units",
    "sums over all axes but one",
    "np.abs(np.moveaxis(weight, axis, 0)).reshape(units, -1).sum(axis=1)",
    "np.abs(weight).sum(axis=tuple(i for i in range(weight.ndim) if i != axis))",
)
right(
    "strongest_units",
    "keeps what is not cut",
    'np.sort(np.argsort(-sums, kind="stable")[:count])',
    "np.sort(np.lexsort((np.arange(units), -sums))[:count])",
)


@right("strongest_units", "goes from unit to unit")
def units_one_by_one(weight, count, axis):
    units = weight.shape[axis]
    if count < 1 or count > units:
        raise ValueError(f"{count} of {units}")
    sums = [np.abs(np.take(weight, u, axis=axis)).sum() for u in range(units)]
    order = sorted(range(units), key=lambda u: sums[u], reverse=True)
    return np.array(sorted(order[:count]))


@right("strongest_units", "counts those that are stronger")
def units_by_rank(weight, count, axis):
    units = weight.shape[axis]
    if not 0 < count <= units:
        raise ValueError(f"{count} of {units}")
    sums = np.abs(weight).sum(axis=tuple(set(range(weight.ndim)) - {axis}))
    ahead = (sums[:, None] < sums).sum(axis=1) + np.tril(sums[:, None] == sums, -1).sum(axis=1)
    return np.flatnonzero(ahead < count)


# -- shrink_pair ------------------------------------------------------------------------------------------------------

right(
    "shrink_pair",
    "adds the pixels with an outer sum",
    "(kept[:, None] * area + np.arange(area)).ravel()",
    "np.add.outer(kept * area, np.arange(area)).reshape(-1)",
)
right(
    "shrink_pair",
    "keeps rows by a mask",
    "(kept[:, None] * area + np.arange(area)).ravel()",
    "np.flatnonzero(np.isin(np.arange(inputs) // area, kept))",
)


@right("shrink_pair", "takes Linear and Conv2d apart")
def pair_by_kind(first, second, kept, means=None):
    units = first.weight.shape[unit_axis(first)]
    kept = check_kept(kept, units)
    cut = np.setdiff1d(np.arange(units), kept)
    bias = None if first.bias is None else first.bias.data[kept]
    weight = first.weight.data[:, kept] if isinstance(first, Linear) else first.weight.data[kept]
    narrow = remade(first, weight, bias)
    w, bias = second.weight.data, None if second.bias is None else second.bias.data
    if isinstance(second, Conv2d):
        if w.shape[1] != units:
            raise ValueError(f"{w.shape[1]} inputs, {units} units")
        following, lost = w[:, kept], w[:, cut].sum(axis=(2, 3)).T
    else:
        if len(w) % units:
            raise ValueError(f"{len(w)} inputs, {units} units")
        by_unit = w.reshape(units, -1, w.shape[1])
        following, lost = by_unit[kept].reshape(-1, w.shape[1]), by_unit[cut].sum(axis=1)
    if means is not None:
        constant = (np.asarray(means, w.dtype)[cut, None] * lost).sum(axis=0)
        bias = constant if bias is None else constant + bias
    return narrow, remade(second, following, bias)


@right("shrink_pair", "goes from unit to unit")
def pair_one_by_one(first, second, kept, means=None):
    units, axis = first.weight.shape[unit_axis(first)], input_axis(second)
    kept = check_kept(kept, units)
    if second.weight.shape[axis] % units:
        raise ValueError("the layers do not follow each other")
    area = second.weight.shape[axis] // units
    parts = [np.take(second.weight.data, range(u * area, u * area + area), axis=axis) for u in range(units)]
    bias = None if second.bias is None else second.bias.data.copy()
    if means is not None:
        bias = np.zeros(second.weight.shape[1 - axis], second.weight.dtype) if bias is None else bias
        for u in range(units):
            if u not in kept:
                bias += second.weight.dtype.type(means[u]) * np.moveaxis(parts[u], 1 - axis, 0).reshape(
                    len(bias), -1
                ).sum(1)
    weight = np.concatenate([parts[u] for u in kept], axis=axis)
    narrow = np.stack([np.take(first.weight.data, u, axis=unit_axis(first)) for u in kept], axis=unit_axis(first))
    return remade(first, narrow, None if first.bias is None else first.bias.data[kept]), remade(second, weight, bias)


right(
    "shrink_pair",
    "adds no bias where nothing is cut",
    "if means is not None:",
    "if means is not None and len(kept) < units:",
)


@right("shrink_pair", "copies the layers and gives them other parameters")
def pair_of_copies(first, second, kept, means=None):
    units = first.weight.shape[unit_axis(first)]
    kept = check_kept(kept, units)
    side = input_axis(second)
    if second.weight.shape[side] % units:
        raise ValueError("no multiple")
    area = second.weight.shape[side] // units
    rows = [u * area + i for u in kept for i in range(area)]
    others = [i for i in range(units * area) if i not in set(rows)]
    narrow, following = copy.copy(first), copy.copy(second)
    narrow.weight = Parameter(first.weight.data[:, kept] if isinstance(first, Linear) else first.weight.data[kept])
    if first.bias is not None:
        narrow.bias = Parameter(first.bias.data[kept])
    w = second.weight.data
    following.weight = Parameter(w[rows] if side == 0 else w[:, rows])
    old = None if second.bias is None else second.bias.data.copy()
    if means is not None:
        block = w[others] if side == 0 else w[:, others].sum(axis=(2, 3)).T
        said = np.asarray([means[i // area] for i in others], w.dtype)
        old = np.zeros(block.shape[1], w.dtype) if old is None else old
        old = old + said @ block
    if old is not None:
        following.bias = Parameter(old)
    for layer in (narrow, following):
        if isinstance(layer, Linear):
            layer.in_features, layer.out_features = layer.weight.shape
    return narrow, following


# -- truncated_svd ----------------------------------------------------------------------------------------------------

right("truncated_svd", "multiplies by a diagonal", "u[:, :rank] * s[:rank]", "u[:, :rank] @ np.diag(s[:rank])")
right("truncated_svd", "lets the weight find the left side", "u[:, :rank] * s[:rank]", "weight @ vt[:rank].T")
right("truncated_svd", "takes all of U and V", "np.linalg.svd(weight, full_matrices=False)", "np.linalg.svd(weight)")


@right("truncated_svd", "takes a triangle first")
def svd_of_a_triangle(weight, rank):
    if rank < 1 or rank > min(weight.shape):
        raise ValueError(rank)
    q, r = np.linalg.qr(weight)
    u, s, vt = np.linalg.svd(r, full_matrices=False)
    return q @ (u[:, :rank] * s[:rank]), vt[:rank]


@right("truncated_svd", "takes eigenvectors in float64")
def svd_of_eigenvectors(weight, rank):
    if not 1 <= rank <= min(weight.shape):
        raise ValueError(rank)
    wide = weight.astype(np.float64)
    _, v = np.linalg.eigh(wide.T @ wide)
    right = v[:, ::-1][:, :rank]
    return (wide @ right).astype(weight.dtype), right.T.astype(weight.dtype)


# -- rank_for_energy --------------------------------------------------------------------------------------------------

right(
    "rank_for_energy",
    "counts what is too little",
    "int(np.searchsorted(energy, share * energy[-1])) + 1",
    "1 + int((energy < share * energy[-1]).sum())",
)
right(
    "rank_for_energy",
    "finds the first that is enough",
    "int(np.searchsorted(energy, share * energy[-1])) + 1",
    "int(np.argmax(energy >= share * energy[-1])) + 1",
)


@right("rank_for_energy", "goes from value to value")
def rank_one_by_one(singular_values, share):
    check_share("share", share)
    squares = [float(value) ** 2 for value in singular_values]
    total, reached = 0.0, 0.0
    for square in squares:
        total += square
    for rank, square in enumerate(squares, 1):
        reached += square
        if reached >= share * total:
            return rank


@right("rank_for_energy", "divides where there is something to divide by")
def rank_by_shares(singular_values, share):
    check_share("share", share)
    squares = singular_values.astype(float) ** 2
    if squares[0] == 0:
        return 1
    sums = squares.cumsum()
    return int((sums / sums[-1] >= share).argmax()) + 1


# -- distillation_loss ------------------------------------------------------------------------------------------------

right("distillation_loss", "divides by the batch", ".sum(dim=-1).mean()", ".sum() / len(logits)")
right(
    "distillation_loss",
    "takes e to the logarithm",
    "softmax(teacher / temperature), log_softmax(teacher / temperature)",
    "log_softmax(teacher / temperature).exp(), log_softmax(teacher / temperature)",
)


@right("distillation_loss", "takes both entropies apart")
def distil_by_entropies(logits, teacher, target, temperature=4.0, alpha=0.9):
    if not 0 <= alpha <= 1 or not temperature > 0:
        raise ValueError(f"{alpha} and {temperature}")
    told = np.asarray(teacher.data if isinstance(teacher, Tensor) else teacher)
    if told.shape != logits.shape:
        raise ValueError(f"{told.shape} and {logits.shape}")
    p = softmax(Tensor(told / told.dtype.type(temperature)), dim=1)
    surprise = -(p * log_softmax(logits * (1 / temperature), dim=1)).sum(dim=1)
    entropy = -(p * log_softmax(Tensor(told) / temperature, dim=1)).sum(dim=1)
    soft = (surprise - entropy).mean() * (temperature * temperature)
    return soft * alpha + cross_entropy(logits, target) * (1 - alpha)


@right("distillation_loss", "goes row by row")
def distil_by_rows(logits, teacher, target, temperature=4.0, alpha=0.9):
    check_share("alpha", alpha)
    if not temperature > 0:
        raise ValueError(temperature)
    teacher = teacher.detach() if isinstance(teacher, Tensor) else Tensor(teacher)
    if tuple(logits.shape) != tuple(teacher.shape):
        raise ValueError(f"{teacher.shape} {logits.shape}")
    total = 0
    for b in range(len(logits)):
        z, t = logits[b : b + 1], teacher[b : b + 1]
        total = total + (softmax(t / temperature) * (log_softmax(t / temperature) - log_softmax(z / temperature))).sum()
    return alpha * temperature**2 * (total / len(logits)) + (1 - alpha) * cross_entropy(logits, target)


@right("distillation_loss", "leaves out what weighs nothing")
def distil_by_parts(logits, teacher, target, temperature=4.0, alpha=0.9):
    check_share("alpha", alpha)
    if not temperature > 0:
        raise ValueError(temperature)
    teacher = teacher.detach() if isinstance(teacher, Tensor) else Tensor(teacher)
    if logits.shape != teacher.shape:
        raise ValueError(f"{teacher.shape} {logits.shape}")
    parts = []
    if alpha:
        q, p = log_softmax(logits / temperature), log_softmax(teacher / temperature)
        parts.append((p.exp() * (p - q)).sum(dim=1).mean() * (alpha * temperature**2))
    if alpha < 1:
        parts.append(cross_entropy(logits, target) * (1 - alpha))
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


# -- accounting -------------------------------------------------------------------------------------------------------

right("sparse_bytes", "counts whole numbers", "780 * 256 / 10", "780 * 256 // 10")
right("sparse_bytes", "takes eight bytes apart", "kept * (4 + 4)", "4 * kept + 4 * kept")
right("sparse_bytes", "multiplies out", "(256 + 1) * 4", "1028")
right(
    "shrunk_parameters",
    "adds the bias to the inputs",
    "64 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10",
    "65 * 128 + 129 * 64 + 650",
)
right(
    "shrunk_parameters",
    "sums layer by layer",
    "64 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10",
    "sum([8320, 8256, 650])",
)
right("shrunk_parameters", "is the number itself", "64 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10", "17226")
right("saving_rank", "rounds up and takes one off", "60 * 40 / (60 + 40) - 1", "np.ceil(60 * 40 / (60 + 40)) - 1")
right(
    "saving_rank",
    "is the last that is fewer",
    "60 * 40 / (60 + 40) - 1",
    "max(r for r in range(40) if r * 100 < 2400)",
)
right("saving_rank", "divides what is one less", "60 * 40 / (60 + 40) - 1", "(60 * 40 - 1) // (60 + 40)")
