"""Wrong answers to chapter 16: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import numpy as np

from tinytorch.activations import log_softmax, softmax
from tinytorch.compression import check_kept, check_share, input_axis, remade, unit_axis
from tinytorch.convolutions import Conv2d
from tinytorch.layers import Linear
from tinytorch.losses import cross_entropy
from tinytorch.tensor import Tensor
from tito.rubrics.planted import wrong

# -- magnitude_mask ---------------------------------------------------------------------------------------------------

wrong("magnitude_mask", "forgets the size", "np.abs(weight)", "weight")
wrong("magnitude_mask", "sorts as it likes", ', kind="stable"', "")
wrong("magnitude_mask", "cuts the largest", "order[: round(", "order[::-1][: round(")
wrong("magnitude_mask", "rounds down", "round(sparsity * weight.size)", "int(sparsity * weight.size - 0.3)")
wrong("magnitude_mask", "stays flat", "mask.reshape(weight.shape)", "mask")
wrong("magnitude_mask", "refuses nothing", 'check_share("sparsity", sparsity)\n', "")
wrong(
    "magnitude_mask",
    "lets NaN through",
    'check_share("sparsity", sparsity)',
    "assert not (sparsity < 0 or sparsity > 1)",
)


@wrong("magnitude_mask", "takes a threshold")
def mask_by_threshold(weight, sparsity):
    check_share("sparsity", sparsity)
    count = round(sparsity * weight.size)
    if count == 0:
        return np.ones(weight.shape, bool)
    return np.abs(weight) > np.sort(np.abs(weight), axis=None)[count - 1]


@wrong("magnitude_mask", "takes a share of each row")
def mask_by_rows(weight, sparsity):
    check_share("sparsity", sparsity)
    rows = weight.reshape(len(weight), -1)
    mask = np.ones(rows.shape, bool)
    for row, kept in zip(rows, mask):
        kept[np.argsort(np.abs(row), kind="stable")[: round(sparsity * len(row))]] = False
    return mask.reshape(weight.shape)


@wrong("magnitude_mask", "sorts the caller's weights")
def mask_overwrites(weight, sparsity):
    check_share("sparsity", sparsity)
    np.abs(weight, out=weight)
    order = np.argsort(weight, axis=None, kind="stable")
    mask = np.ones(weight.size, bool)
    mask[order[: round(sparsity * weight.size)]] = False
    return mask.reshape(weight.shape)


@wrong("magnitude_mask", "returns the weights that are left")
def mask_of_weights(weight, sparsity):
    check_share("sparsity", sparsity)
    order = np.argsort(np.abs(weight), axis=None, kind="stable")
    mask = np.ones(weight.size, weight.dtype)
    mask[order[: round(sparsity * weight.size)]] = 0
    return mask.reshape(weight.shape)


wrong("magnitude_mask", "squares until nothing is left", "np.abs(weight)", "weight * weight")
wrong("magnitude_mask", "computes in float32", "np.abs(weight)", "np.abs(weight.astype(np.float32))")
wrong("magnitude_mask", "rounds the sizes", "np.abs(weight)", "np.abs(weight).round(6)")
wrong("magnitude_mask", "goes by the order in memory", "np.abs(weight), axis=None", 'np.abs(weight).ravel("K")')


@wrong("magnitude_mask", "writes into what may be a copy")
def mask_of_a_copy(weight, sparsity):
    check_share("sparsity", sparsity)
    mask = np.ones_like(weight, dtype=bool)
    mask.ravel()[np.argsort(np.abs(weight), axis=None, kind="stable")[: round(sparsity * weight.size)]] = False
    return mask


@wrong("magnitude_mask", "lets any of the equals go")
def mask_by_partition(weight, sparsity):
    check_share("sparsity", sparsity)
    count, mask = round(sparsity * weight.size), np.ones(weight.size, bool)
    if count:
        mask[np.argpartition(np.abs(weight).ravel(), count - 1)[:count]] = False
    return mask.reshape(weight.shape)


wrong(
    "magnitude_mask",
    "looks at the share only if there are weights",
    'check_share("sparsity", sparsity)',
    'if not weight.size:\n    return np.ones(weight.shape, bool)\ncheck_share("sparsity", sparsity)',
)


# -- cubic_sparsity ---------------------------------------------------------------------------------------------------

wrong("cubic_sparsity", "goes straight", "(1 - t) ** 3", "(1 - t)")
wrong("cubic_sparsity", "takes a square", "(1 - t) ** 3", "(1 - t) ** 2")
wrong(
    "cubic_sparsity",
    "is slow first and fast at the end",
    "final + (initial - final) * (1 - t) ** 3",
    "initial + (final - initial) * t**3",
)
wrong("cubic_sparsity", "forgets the start", "(step - start) / steps", "step / steps")
wrong(
    "cubic_sparsity",
    "goes on after the end",
    "min(max((step - start) / steps, 0.0), 1.0)",
    "max((step - start) / steps, 0.0)",
)
wrong(
    "cubic_sparsity",
    "begins before the start",
    "min(max((step - start) / steps, 0.0), 1.0)",
    "min((step - start) / steps, 1.0)",
)
wrong("cubic_sparsity", "ends too soon", "(step - start) / steps", "(step - start) / (steps - start or 1)")
wrong("cubic_sparsity", "takes 0 steps", "if steps < 1:", "if steps < 0:")
wrong("cubic_sparsity", "does not look at the last share", 'check_share("final", final)', 'check_share("final", 0.5)')
wrong(
    "cubic_sparsity",
    "does not look at the first share",
    'check_share("initial", initial)',
    'check_share("initial", 0.5)',
)
wrong("cubic_sparsity", "takes -3 steps", "if steps < 1:", "if not steps:")
wrong(
    "cubic_sparsity",
    "looks at nothing before the start",
    'check_share("final", final)',
    'if step <= start:\n    return initial\ncheck_share("final", final)',
)
wrong(
    "cubic_sparsity",
    "looks at nothing after the end",
    'check_share("final", final)',
    'if step >= start + steps > start:\n    return final\ncheck_share("final", final)',
)


# -- strongest_units --------------------------------------------------------------------------------------------------

wrong("strongest_units", "sums with signs", "np.abs(np.moveaxis(weight, axis, 0))", "np.moveaxis(weight, axis, 0)")
wrong("strongest_units", "keeps the weakest", "np.argsort(-sums", "np.argsort(sums")
wrong(
    "strongest_units",
    "leaves them in the order of their strength",
    'np.sort(np.argsort(-sums, kind="stable")[:count])',
    'np.argsort(-sums, kind="stable")[:count]',
)
wrong(
    "strongest_units",
    "takes the last of equals",
    'np.sort(np.argsort(-sums, kind="stable")[:count])',
    'np.sort(np.argsort(sums, kind="stable")[::-1][:count])',
)
wrong("strongest_units", "sorts as it likes", ', kind="stable"', "")
wrong("strongest_units", "sums squares", ".sum(axis=1)", ".__pow__(2).sum(axis=1)")
wrong(
    "strongest_units",
    "counts the first axis, always",
    "np.moveaxis(weight, axis, 0)",
    "weight",
    "weight.shape[axis]",
    "len(weight)",
)
wrong("strongest_units", "keeps none", "if not 1 <= count <= units:", "if not 0 <= count <= units:")
wrong("strongest_units", "keeps more than there are", "if not 1 <= count <= units:", "if count < 1:")
wrong("strongest_units", "sums in float32", ".sum(axis=1)", ".sum(axis=1, dtype=np.float32)")
wrong(
    "strongest_units", "transposes for another axis", "np.moveaxis(weight, axis, 0)", "(weight.T if axis else weight)"
)
wrong(
    "strongest_units",
    "sums into whole numbers",
    "sums = np.abs(np.moveaxis(weight, axis, 0)).reshape(units, -1).sum(axis=1)",
    "sums = np.full(units, 0)\nfor u in range(units):\n    sums[u] = np.abs(np.take(weight, u, axis)).sum()",
)


# -- shrink_pair ------------------------------------------------------------------------------------------------------

wrong("shrink_pair", "keeps all of the first bias", "first.bias.data[kept]", "first.bias.data")
wrong(
    "shrink_pair",
    "takes a unit's pixels in turn",
    "(kept[:, None] * area + np.arange(area)).ravel()",
    "(kept + np.arange(area)[:, None] * units).ravel()",
)
wrong("shrink_pair", "takes one pixel of each unit", "(kept[:, None] * area + np.arange(area)).ravel()", "kept * area")
wrong(
    "shrink_pair",
    "mixes up the pixels of a unit",
    "(kept[:, None] * area + np.arange(area)).ravel()",
    "(kept[:, None] * area + np.arange(area)).T.ravel()",
)
wrong("shrink_pair", "forgets what is cut", "said[rows] = 0", "said[:] = 0")
wrong("shrink_pair", "lets all units say their mean", "said[rows] = 0", "said[rows] *= 1")
wrong(
    "shrink_pair",
    "lets the kept units say their mean",
    "said[rows] = 0",
    "said -= np.where(np.isin(np.arange(inputs), rows), 0, said)",
)
wrong(
    "shrink_pair",
    "looks at the first pixel of a window only",
    "whole.reshape(*whole.shape[:2], -1).sum(axis=2)",
    "whole.reshape(*whole.shape[:2], -1)[:, :, 0]",
)
wrong("shrink_pair", "takes the mean over a window", ".sum(axis=2)", ".mean(axis=2)")
wrong(
    "shrink_pair",
    "puts the mean in the place of the bias",
    "bias = constant if bias is None else bias + constant",
    "bias = constant",
)
wrong(
    "shrink_pair",
    "adds to the bias of the layer that it was given",
    "bias + constant",
    "np.add(bias, constant, out=bias)",
)
wrong(
    "shrink_pair",
    "gives a mean to layers with a bias only",
    "bias = constant if bias is None else bias + constant",
    "bias = None if bias is None else bias + constant",
)
wrong("shrink_pair", "shares a mean among the pixels", "np.repeat(means, area)", "np.repeat(means / area, area)")
wrong("shrink_pair", "gives the means to the pixels in turn", "np.repeat(means, area)", "np.tile(means, area)")
wrong("shrink_pair", "leaks the dtype of the means", ".astype(second.weight.dtype)", "")
wrong("shrink_pair", "does not look at the units", "check_kept(kept, units)", "np.asarray(kept, int)")
wrong("shrink_pair", "does not look at the inputs", "if inputs % units:", "if units < 1:")


@wrong("shrink_pair", "cuts the inputs of the first layer")
def pair_wrong_axis(first, second, kept, means=None):
    units = first.weight.shape[unit_axis(first)]
    kept = check_kept(kept, units)
    narrow = remade(first, np.take(first.weight.data, kept, axis=input_axis(first)), None)
    return narrow, remade(second, np.take(second.weight.data, kept, axis=input_axis(second)), second.bias.data)


@wrong("shrink_pair", "sets to zero what it should cut")
def pair_masked(first, second, kept, means=None):
    kept = check_kept(kept, first.weight.shape[unit_axis(first)])
    gone = np.setdiff1d(np.arange(first.weight.shape[unit_axis(first)]), kept)
    weight = np.moveaxis(first.weight.data.copy(), unit_axis(first), 0)
    weight[gone] = 0
    bias = None if first.bias is None else first.bias.data.copy()
    if bias is not None:
        bias[gone] = 0
    return remade(first, np.moveaxis(weight, 0, unit_axis(first)), bias), second


@wrong("shrink_pair", "makes new layers, without the options")
def pair_made_anew(first, second, kept, means=None):
    units = first.weight.shape[unit_axis(first)]
    kept = check_kept(kept, units)
    axis, inputs = input_axis(second), second.weight.shape[input_axis(second)]
    if inputs % units:
        raise ValueError(f"{inputs} inputs, {units} units")
    area = inputs // units
    rows = (kept[:, None] * area + np.arange(area)).ravel()
    bias = None if second.bias is None else second.bias.data.copy()
    if means is not None:
        said = np.repeat(means, area).astype(second.weight.dtype)
        said[rows] = 0
        whole = np.moveaxis(second.weight.data, axis, 0)
        constant = said @ whole.reshape(*whole.shape[:2], -1).sum(axis=2)
        bias = constant if bias is None else bias + constant

    def made(weight, bias):
        if weight.ndim == 2:
            layer = Linear(*weight.shape, bias=bias is not None)
        else:
            layer = Conv2d(weight.shape[1], weight.shape[0], weight.shape[2:], bias=bias is not None)
        layer.weight.data = weight
        if bias is not None:
            layer.bias.data = bias
        return layer

    weight = np.take(first.weight.data, kept, axis=unit_axis(first))
    narrow = made(weight, None if first.bias is None else first.bias.data[kept])
    return narrow, made(np.take(second.weight.data, rows, axis=axis), bias)


wrong(
    "shrink_pair",
    "shares the bias of the second layer",
    "return narrow, remade(second, np.take(second.weight.data, rows, axis=axis), bias)",
    "following = remade(second, np.take(second.weight.data, rows, axis=axis), bias)\n"
    "if means is None:\n    following.bias = second.bias\nreturn narrow, following",
)
wrong(
    "shrink_pair",
    "keeps the old gradients",
    "return narrow, remade(second, np.take(second.weight.data, rows, axis=axis), bias)",
    "following = copy.deepcopy(second)\nfollowing.weight.data = np.take(second.weight.data, rows, axis=axis)\n"
    "if isinstance(second, Linear):\n    following.in_features = len(rows)\n"
    "if bias is not None and second.bias is not None:\n    following.bias.data = bias.copy()\n"
    "elif bias is not None:\n    following.bias = Parameter(bias)\nreturn narrow, following",
)
wrong(
    "shrink_pair",
    "leaves the old sizes",
    "return narrow, remade(second, np.take(second.weight.data, rows, axis=axis), bias)",
    "following = copy.copy(second)\nfollowing.weight = Parameter(np.take(second.weight.data, rows, axis=axis))\n"
    "following.bias = None if bias is None else Parameter(bias.copy())\nreturn narrow, following",
)
wrong(
    "shrink_pair",
    "takes a unit twice",
    "kept = check_kept(kept, units)",
    "kept = np.asarray(kept)\nif kept.ndim != 1 or not kept.size or kept.dtype.kind not in 'iu' or kept[0] < 0 "
    "or kept[-1] >= units or (np.diff(kept) < 0).any():\n    raise ValueError(kept)",
)
wrong(
    "shrink_pair", "makes whole numbers of others", "check_kept(kept, units)", "check_kept(np.array(kept, int), units)"
)
wrong(
    "shrink_pair",
    "leaks the dtype of the means where there is a bias",
    ".astype(second.weight.dtype)",
    "",
    "bias = constant if bias is None",
    "bias = constant.astype(second.weight.dtype) if bias is None",
)
wrong(
    "shrink_pair",
    "makes whole numbers of the means",
    "np.repeat(means, area)",
    "np.repeat(means, area).astype(int)",
)


# -- truncated_svd ----------------------------------------------------------------------------------------------------

wrong("truncated_svd", "forgets the singular values", "u[:, :rank] * s[:rank]", "u[:, :rank]")
wrong("truncated_svd", "scales both sides", "vt[:rank]", "s[:rank, None] * vt[:rank]")
wrong(
    "truncated_svd", "takes the last ones", "u[:, :rank] * s[:rank], vt[:rank]", "u[:, -rank:] * s[-rank:], vt[-rank:]"
)
wrong("truncated_svd", "scales the rows", "u[:, :rank] * s[:rank]", "u[:, :rank] * np.linalg.norm(weight)")
wrong("truncated_svd", "turns V round", "vt[:rank]", "vt.T[:rank] if len(vt) == len(vt.T) else vt[:rank]")
wrong(
    "truncated_svd",
    "takes the singular values to the right",
    "u[:, :rank] * s[:rank], vt[:rank]",
    "u[:, :rank], s[:rank, None] * vt[:rank]",
)
wrong(
    "truncated_svd",
    "computes in float64",
    "np.linalg.svd(weight, full_matrices=False)",
    "np.linalg.svd(weight.astype(np.float64), full_matrices=False)",
)
wrong("truncated_svd", "takes rank 0", "if not 1 <= rank <= most:", "if not 0 <= rank <= most:")
wrong("truncated_svd", "takes any rank", "if not 1 <= rank <= most:", "if rank < 1:")
wrong("truncated_svd", "asks the first size alone", "min(weight.shape)", "weight.shape[0]")
wrong("truncated_svd", "takes what is small for zero", "s[:rank]", "np.where(s > 1e-6, s, 0).astype(s.dtype)[:rank]")
wrong(
    "truncated_svd",
    "takes the eigenvectors of W^T W",
    "u, s, vt = np.linalg.svd(weight, full_matrices=False)",
    "vt = np.linalg.eigh(weight.T @ weight)[1][:, ::-1].T\ns = np.ones(len(vt), weight.dtype)\nu = weight @ vt.T",
)


# -- rank_for_energy --------------------------------------------------------------------------------------------------

wrong(
    "rank_for_energy",
    "sums the values",
    "np.square(singular_values, dtype=np.float64)",
    "singular_values.astype(np.float64)",
)
wrong("rank_for_energy", "is one less", "+ 1", "+ 0")
wrong("rank_for_energy", "asks for more than enough", "share * energy[-1])", 'share * energy[-1], side="right")')
wrong("rank_for_energy", "squares in the values' own dtype", ", dtype=np.float64", "")
wrong("rank_for_energy", "takes a share of the number of values", "share * energy[-1]", "share * len(energy)")
wrong("rank_for_energy", "refuses nothing", 'check_share("share", share)', 'check_share("share", 0.5)')


@wrong("rank_for_energy", "may round beyond the last value")
def rank_beyond(singular_values, share):
    check_share("share", share)
    squares = np.square(singular_values.astype(np.float64))
    return int(np.searchsorted(np.cumsum(squares / squares.sum()), share)) + 1


@wrong("rank_for_energy", "counts what lies above a share of the largest")
def rank_by_threshold(singular_values, share):
    check_share("share", share)
    return max(1, int((singular_values >= (1 - share) * singular_values[0]).sum()))


wrong("rank_for_energy", "wants a billionth less", "share * energy[-1])", "share * energy[-1] - 1e-9)")
wrong("rank_for_energy", "wants a millionth of it less", "share * energy[-1])", "share * energy[-1] * (1 - 1e-6))")
wrong("rank_for_energy", "sums in float32", "dtype=np.float64", "dtype=np.float32")
wrong("rank_for_energy", "is no whole number", "int(np.searchsorted", "float(np.searchsorted")
wrong(
    "rank_for_energy",
    "looks at zeros before the share",
    'check_share("share", share)',
    'if not singular_values.any():\n    return 1\ncheck_share("share", share)',
)


@wrong("rank_for_energy", "takes what is close for enough")
def rank_of_what_is_close(singular_values, share):
    check_share("share", share)
    energy = np.cumsum(np.square(singular_values, dtype=np.float64))
    enough = (energy >= share * energy[-1]) | np.isclose(energy, share * energy[-1])
    return int(np.argmax(enough)) + 1


# -- distillation_loss ------------------------------------------------------------------------------------------------

wrong("distillation_loss", "forgets T^2", "alpha * temperature**2 * divergence", "alpha * divergence")
wrong("distillation_loss", "multiplies by T once", "temperature**2", "temperature")
wrong(
    "distillation_loss",
    "exchanges the shares",
    "alpha * temperature**2 * divergence + (1 - alpha) * cross_entropy(logits, target)",
    "(1 - alpha) * temperature**2 * divergence + alpha * cross_entropy(logits, target)",
)
wrong("distillation_loss", "sums over the batch", ".sum(dim=-1).mean()", ".sum()")
wrong("distillation_loss", "takes the mean over classes, too", ".sum(dim=-1).mean()", ".mean()")
wrong(
    "distillation_loss",
    "leaves the student's temperature at 1",
    "log_softmax(logits / temperature)",
    "log_softmax(logits)",
)
wrong(
    "distillation_loss",
    "softens the truth, too",
    "cross_entropy(logits, target)",
    "cross_entropy(logits / temperature, target)",
)
wrong(
    "distillation_loss",
    "takes the cross entropy with the teacher",
    "(log_p - log_softmax(logits / temperature))",
    "(-log_softmax(logits / temperature))",
)
wrong("distillation_loss", "teaches the teacher", "teacher.detach() if", "teacher if")
wrong(
    "distillation_loss",
    "takes the logarithm of a softmax",
    "log_softmax(logits / temperature))",
    "softmax(logits / temperature).log())",
)
wrong("distillation_loss", "takes any alpha", 'check_share("alpha", alpha)', 'check_share("alpha", 0.5)')
wrong("distillation_loss", "takes any temperature", "if not temperature > 0:", "if temperature == 0:")
wrong("distillation_loss", "lets NaN through", "if not temperature > 0:", "if temperature <= 0:")
wrong(
    "distillation_loss", "lets shapes broadcast", "if logits.shape != teacher.shape:", "if logits.ndim != teacher.ndim:"
)
wrong(
    "distillation_loss",
    "compares sizes, not shapes",
    "if logits.shape != teacher.shape:",
    "if logits.data.size != teacher.data.size:",
)
wrong(
    "distillation_loss",
    "changes the teacher's tensor",
    "teacher = teacher.detach() if isinstance(teacher, Tensor) else Tensor(teacher)",
    "teacher = teacher if isinstance(teacher, Tensor) else Tensor(teacher)\nteacher.requires_grad = False",
)
wrong(
    "distillation_loss",
    "takes the classes from an array alone",
    "cross_entropy(logits, target)",
    "cross_entropy(logits, target.astype(int))",
)


@wrong("distillation_loss", "takes one maximum for the whole batch")
def distil_with_one_maximum(logits, teacher, target, temperature=4.0, alpha=0.9):
    check_share("alpha", alpha)
    if not temperature > 0:
        raise ValueError(f"a temperature is above 0, got {temperature}")
    teacher = teacher.detach() if isinstance(teacher, Tensor) else Tensor(teacher)
    if logits.shape != teacher.shape:
        raise ValueError(f"{teacher.shape} {logits.shape}")
    e = np.exp((teacher.data - teacher.data.max()) / temperature)
    p = Tensor(e / e.sum(axis=1, keepdims=True))
    divergence = (p * (log_softmax(teacher / temperature) - log_softmax(logits / temperature))).sum(dim=-1).mean()
    return alpha * temperature**2 * divergence + (1 - alpha) * cross_entropy(logits, target)


@wrong("distillation_loss", "turns the divergence round")
def distil_backwards(logits, teacher, target, temperature=4.0, alpha=0.9):
    check_share("alpha", alpha)
    if not temperature > 0:
        raise ValueError(f"a temperature is above 0, got {temperature}")
    teacher = teacher.detach() if isinstance(teacher, Tensor) else Tensor(teacher)
    if logits.shape != teacher.shape:
        raise ValueError(f"{teacher.shape} {logits.shape}")
    q = softmax(logits / temperature)
    divergence = (q * (log_softmax(logits / temperature) - log_softmax(teacher / temperature))).sum(dim=-1).mean()
    return alpha * temperature**2 * divergence + (1 - alpha) * cross_entropy(logits, target)


@wrong("distillation_loss", "compares the logits themselves")
def distil_by_squares(logits, teacher, target, temperature=4.0, alpha=0.9):
    check_share("alpha", alpha)
    if not temperature > 0:
        raise ValueError(f"a temperature is above 0, got {temperature}")
    teacher = teacher.detach() if isinstance(teacher, Tensor) else Tensor(teacher)
    if logits.shape != teacher.shape:
        raise ValueError(f"{teacher.shape} {logits.shape}")
    return alpha * ((logits - teacher) ** 2).sum(dim=-1).mean() / 2 + (1 - alpha) * cross_entropy(logits, target)


# -- accounting -------------------------------------------------------------------------------------------------------

wrong("sparse_bytes", "forgets the rows", "kept * (4 + 4)", "kept * 4")
wrong("sparse_bytes", "counts a column for each number, too", "kept * (4 + 4)", "kept * (4 + 4 + 4)")
wrong("sparse_bytes", "keeps nine tenths", "780 * 256 / 10", "780 * 256 * 9 / 10")
wrong("sparse_bytes", "counts bits", "kept * (4 + 4)", "kept * 4 + 780 * 256 // 8")
wrong(
    "shrunk_parameters",
    "cuts outputs and forgets inputs",
    "64 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10",
    "64 * 128 + 128 + 256 * 64 + 64 + 128 * 10 + 10",
)
wrong(
    "shrunk_parameters",
    "halves everything",
    "64 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10",
    "(64 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10) // 2",
)
wrong(
    "shrunk_parameters",
    "forgets the biases",
    "64 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10",
    "64 * 128 + 128 * 64 + 64 * 10",
)
wrong("shrunk_parameters", "cuts the answers, too", "64 * 10 + 10", "64 * 5 + 5")
wrong("saving_rank", "is as many, not fewer", " - 1", "")
wrong("saving_rank", "is the full rank", "60 * 40 / (60 + 40) - 1", "40")
wrong("saving_rank", "is half of the full rank", "60 * 40 / (60 + 40) - 1", "20")
