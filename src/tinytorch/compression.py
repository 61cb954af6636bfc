"""Compression: a network that answers nearly the same with fewer weights, fewer units, or fewer dimensions.

Notation: weight (in, out) of a Linear, (K, C, kh, kw) of a Conv2d; a unit is one output of a layer, a column of the
first and a filter of the second; a mask is True where a weight stays. Sparsity is the share of weights that are zero.
T is a temperature, r a rank.
"""

import copy
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from tinytorch import serialization
from tinytorch.activations import log_softmax, softmax
from tinytorch.convolutions import BatchNorm, Conv2d, Pool2d
from tinytorch.layers import (
    Dropout,
    Flatten,
    FunctionModule,
    Linear,
    LogSoftmax,
    Module,
    Parameter,
    Sequential,
    Softmax,
)
from tinytorch.losses import cross_entropy
from tinytorch.tensor import Tensor, no_grad, versions
from tinytorch.training import Trainer

Layer = Linear | Conv2d

# -- single weights ------------------------------------------------------------------------------------------------


def check_share(name: str, share: float) -> None:
    """Raise ValueError, saying what was given, unless a share is from 0 to 1."""
    if not 0 <= share <= 1:
        raise ValueError(f"{name} is a share from 0 to 1, got {share}")


def magnitude_mask(weight: np.ndarray, sparsity: float) -> np.ndarray:
    """False at the round(sparsity n) weights of the smallest size |w|, True elsewhere: the shape of weight.

    Of equal sizes the earlier ones go first. Raises ValueError for a sparsity outside 0..1. Han et al., 2015.

    >>> magnitude_mask(np.array([[3.0, -1.0], [-4.0, 2.0]]), 0.5)
    array([[ True, False],
           [ True, False]])
    """
    # check_share("sparsity", sparsity) raises the error. A threshold on |w| would cut too many where sizes are equal:
    # compute how many go, and take as many from the front of a sorted order. np.argsort(..., kind="stable") keeps equal
    # ones in their order.
    check_share("sparsity", sparsity)
    order = np.argsort(np.abs(weight), axis=None, kind="stable")
    mask = np.ones(weight.size, bool)
    mask[order[: round(sparsity * weight.size)]] = False
    return mask.reshape(weight.shape)


def prunable(model: Module) -> dict[str, Parameter]:
    """The weights that may be pruned, by name: parameters of two axes or more, not biases and scales."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.ndim > 1}


def masks_for(model: Module, sparsity: float, together: bool = False) -> dict[str, np.ndarray]:
    """A mask for each prunable weight: every layer at this sparsity, or all `together`, where layers may differ.

    >>> model = Sequential(Linear(2, 1, bias=False), Linear(1, 2, bias=False))
    >>> model[0].weight.data[...], model[1].weight.data[...] = [[1.0], [2.0]], [[3.0, 4.0]]
    >>> [mask.ravel().tolist() for mask in masks_for(model, 0.5, together=True).values()]
    [[False, False], [True, True]]
    """
    weights = prunable(model)
    if not together or not weights:
        return {name: magnitude_mask(p.data, sparsity) for name, p in weights.items()}
    mask = magnitude_mask(np.concatenate([p.data.ravel() for p in weights.values()]), sparsity)
    ends = np.cumsum([p.numel() for p in weights.values()])
    return {name: part.reshape(p.shape) for (name, p), part in zip(weights.items(), np.split(mask, ends))}


def sparsity_of(model: Module) -> float:
    """The share of zeros among a model's prunable weights.

    >>> sparsity_of(Linear(2, 3))
    0.0
    """
    weights = prunable(model).values()
    return sum(int((p.data == 0).sum()) for p in weights) / max(1, sum(p.numel() for p in weights))


# -- schedules, and masks that hold --------------------------------------------------------------------------------


def cubic_sparsity(step: int, steps: int, final: float, initial: float = 0.0, start: int = 0) -> float:
    """s = final + (initial - final) (1 - t)^3, where t goes from 0 at `start` to 1 after `steps` more, and stays there.

    Much is cut at first, when much can be spared, and little at the end. Before `start` it is `initial`. Raises
    ValueError for a share outside 0..1 and for fewer than 1 steps. Zhu and Gupta, 2017.

    >>> [round(cubic_sparsity(step, steps=4, final=0.8), 3) for step in range(5)]
    [0.0, 0.463, 0.7, 0.788, 0.8]
    """
    # check_share("final", final), and the same for initial. t is the share of `steps` that is over: keep it in 0..1.
    check_share("final", final)
    check_share("initial", initial)
    if steps < 1:
        raise ValueError(f"a schedule has 1 step or more, got {steps}")
    t = min(max((step - start) / steps, 0.0), 1.0)
    return final + (initial - final) * (1 - t) ** 3


class Pruner:
    """Masks for a model's weights that hold while it trains: a callback of Trainer, or to be called after each step.

    `schedule(step)` is the sparsity after so many steps. The masks are chosen anew every `every` steps and stay in
    between: whatever the optimizer does to a pruned weight, the next call sets it to zero again.

    >>> model = Linear(4, 2)
    >>> pruner = Pruner(model, schedule=lambda step: 0.5)
    >>> pruner()
    >>> sparsity_of(model)
    0.5
    """

    def __init__(self, model: Module, schedule: Callable[[int], float], every: int = 1, together: bool = False):
        if every < 1:
            raise ValueError(f"masks are chosen every 1 step or more, got {every}")
        self.model, self.schedule, self.every, self.together = model, schedule, every, together
        self.steps = 0
        self.masks: dict[str, np.ndarray] = {}

    def __call__(self, trainer: Trainer | None = None) -> None:
        """One step has been taken: choose masks, if it is time, and set what they prune to zero."""
        if self.steps % self.every == 0:
            self.masks = masks_for(self.model, self.schedule(self.steps), self.together)
        self.steps += 1
        self.hold()

    def hold(self) -> None:
        """Set every weight that a mask prunes to zero, in place."""
        for name, parameter in prunable(self.model).items():
            if name in self.masks:
                parameter.data[~self.masks[name]] = 0
                versions.increment(parameter.data)


# -- whole units ---------------------------------------------------------------------------------------------------


def unit_axis(layer: Layer) -> int:
    """The axis of a layer's weight that counts its units: 1 of a Linear's (in, out), 0 of a Conv2d's (K, C, kh, kw)."""
    return 1 if isinstance(layer, Linear) else 0


def input_axis(layer: Layer) -> int:
    """The axis of a layer's weight that counts its inputs: the other one of the first two."""
    return 1 - unit_axis(layer)


def strongest_units(weight: np.ndarray, count: int, axis: int) -> np.ndarray:
    """The indices along `axis`, in ascending order, of the `count` units with the largest sums of |w|.

    Of equal sums the first stay. Raises ValueError unless there are 1 to n units to keep. Li et al., 2017.

    >>> strongest_units(np.array([[1.0, -5.0, 2.0], [1.0, 1.0, -3.0]]), count=2, axis=1)
    array([1, 2])
    """
    # Sum |w| over all axes but one: np.moveaxis(weight, axis, 0) brings that one to the front. A stable sort of the
    # negative sums has the largest first, and of equal ones the earlier. Return the indices in ascending order.
    units = weight.shape[axis]
    if not 1 <= count <= units:
        raise ValueError(f"of {units} units 1 to {units} can be kept, got {count}")
    sums = np.abs(np.moveaxis(weight, axis, 0)).reshape(units, -1).sum(axis=1)
    return np.sort(np.argsort(-sums, kind="stable")[:count])


def remade(layer: Any, weight: np.ndarray, bias: np.ndarray | None) -> Any:
    """A copy of a Linear, a Conv2d or a BatchNorm, of the same kind and options, with other weights.

    >>> remade(Linear(4, 3), np.zeros((4, 2)), np.zeros(2))
    Linear(4, 2)
    """
    new = copy.copy(layer)
    vars(new).update(weight=Parameter(weight.copy()), bias=None if bias is None else Parameter(bias.copy()))
    if isinstance(new, Linear):
        new.in_features, new.out_features = weight.shape
    return new


def narrowed_norm(norm: BatchNorm, kept: np.ndarray) -> BatchNorm:
    """A BatchNorm of some of its channels, with their running statistics."""
    new = remade(norm, norm.weight.data[kept], norm.bias.data[kept])
    for name, buffer in norm.named_buffers():
        vars(new)[name] = type(buffer)(buffer.data[kept])
    return new


def check_kept(kept: Any, units: int) -> np.ndarray:
    """Indices of units as an array. Raises ValueError unless they are 1 or more, ascending, each within 0..units-1."""
    kept = np.asarray(kept)
    whole = kept.ndim == 1 and kept.size > 0 and kept.dtype.kind in "iu"
    if not whole or kept[0] < 0 or kept[-1] >= units or (np.diff(kept) <= 0).any():
        raise ValueError(f"units to keep are ascending numbers within 0..{units - 1}, got {kept.tolist()}")
    return kept


def shrink_pair(first: Layer, second: Layer, kept: Any, means: np.ndarray | None = None) -> tuple[Layer, Layer]:
    """Two smaller layers without the units of `first` that are not kept, and without the inputs that read them.

    `means` (units,), if given, is the mean of each unit's output, as `second` reads it: for a unit that is cut,
    `second` then computes as if that output were always its mean, by way of its bias. Where first is a Conv2d and
    second a Linear, every unit has several inputs, side by side: its pixels, flattened. Neither layer is changed;
    the smaller ones have their options, and parameters of their own. Raises ValueError for `kept` as check_kept does,
    and if the inputs of second are no multiple of the units.

    >>> first, second = Linear(2, 3), Linear(3, 1)
    >>> narrow, following = shrink_pair(first, second, kept=[0, 2])
    >>> narrow, following
    (Linear(2, 2), Linear(2, 1))
    >>> bool((following.weight.data == second.weight.data[[0, 2]]).all())
    True
    """
    # unit_axis(layer) and input_axis(layer) say which axis of a weight counts what; np.take(weight, indices, axis)
    # takes those along it; remade(layer, weight, bias) is the layer with another weight and bias. If each unit has an
    # area of inputs, and they are stored unit by unit, which of them belong to unit u?
    # For the means: write the sum in one unit of `second` in two parts, over the kept inputs and over the cut ones.
    # What is the second part, if every cut input is its mean? A Conv2d sums over its window, too. A bias may be None.
    units = first.weight.shape[unit_axis(first)]
    kept = check_kept(kept, units)
    axis, inputs = input_axis(second), second.weight.shape[input_axis(second)]
    if inputs % units:
        raise ValueError(f"{inputs} inputs of the second layer are no multiple of the first one's {units} units")
    bias = None if first.bias is None else first.bias.data[kept]
    narrow = remade(first, np.take(first.weight.data, kept, axis=unit_axis(first)), bias)
    area = inputs // units
    rows = (kept[:, None] * area + np.arange(area)).ravel()
    bias = None if second.bias is None else second.bias.data
    if means is not None:
        said = np.repeat(means, area).astype(second.weight.dtype)
        said[rows] = 0
        whole = np.moveaxis(second.weight.data, axis, 0)  # (inputs, out) or (inputs, out, kh, kw)
        constant = said @ whole.reshape(*whole.shape[:2], -1).sum(axis=2)
        bias = constant if bias is None else bias + constant
    return narrow, remade(second, np.take(second.weight.data, rows, axis=axis), bias)


BETWEEN = (FunctionModule, BatchNorm, Pool2d, Dropout, Flatten)  # these treat each unit by itself


def pairs_of(model: Sequential) -> list[tuple[int, int]]:
    """The places of each layer with weights and the next one. Raises ValueError, naming it, for another module."""
    places = []
    for i, module in enumerate(model.layers):
        if isinstance(module, Linear) or (isinstance(module, Conv2d) and module.groups == 1):
            places.append(i)
        elif not isinstance(module, BETWEEN) or isinstance(module, Softmax | LogSoftmax):
            raise ValueError(f"shrinking knows Linear, ungrouped Conv2d, and what treats units singly, not {module}")
    return list(pairwise(places))


def shrink_network(model: Sequential, share: float, x: Any = None) -> Sequential:
    """A smaller model, without the weakest share of each layer's units; one or more stay, and all of the last layer.

    With examples x, each unit that is cut is replaced by its mean over them. The model is not changed.

    >>> shrink_network(Sequential(Linear(8, 6), Linear(6, 2)), share=0.5)
    Sequential(
      (0): Linear(8, 3)
      (1): Linear(3, 2)
    )
    """
    check_share("share", share)
    new = copy.deepcopy(model)
    new.eval()
    for i, j in pairs_of(model):
        first, second = new[i], new[j]
        units = first.weight.shape[unit_axis(first)]
        kept = strongest_units(first.weight.data, max(1, round((1 - share) * units)), unit_axis(first))
        means = None if x is None else unit_means(new[:j], x, units)
        new[i], new[j] = shrink_pair(first, second, kept, means)
        for k in range(i + 1, j):
            if isinstance(new[k], BatchNorm):
                new[k] = narrowed_norm(new[k], kept)
    new.train(model.training)
    return new


def unit_means(model: Module, x: Any, units: int) -> np.ndarray:
    """The mean output of each unit, over examples x and over its pixels: (units,)."""
    with no_grad():
        z = model(x).data
    return z.reshape(len(z), units, -1).mean(axis=(0, 2))


# -- fewer dimensions ----------------------------------------------------------------------------------------------


def truncated_svd(weight: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """left (in, r) and right (r, out), whose product is the matrix of rank r that lies nearest to weight (in, out).

    With weight = U S V^T, left is the first r columns of U S and right the first r rows of V^T, in weight's dtype.
    Raises ValueError unless the rank is 1 to min(in, out). Eckart and Young, 1936.

    >>> left, right = truncated_svd(np.array([[3.0, 0.0], [0.0, 1.0]]), rank=1)
    >>> (left @ right).round(6).tolist()
    [[3.0, 0.0], [0.0, 0.0]]
    """
    # np.linalg.svd gives U, the diagonal of S, and V^T. Which of its options leaves out those columns of U that no
    # singular value belongs to?
    most = min(weight.shape)
    if not 1 <= rank <= most:
        raise ValueError(f"a weight {weight.shape} has ranks 1 to {most}, got {rank}")
    u, s, vt = np.linalg.svd(weight, full_matrices=False)
    return u[:, :rank] * s[:rank], vt[:rank]


def rank_for_energy(singular_values: np.ndarray, share: float) -> int:
    """The smallest rank whose singular values hold this share of the sum of all squares: at least 1.

    Singular values come largest first. Raises ValueError for a share outside 0..1.

    >>> [rank_for_energy(np.array([3.0, 2.0, 1.0]), share) for share in (0.0, 0.6, 0.9, 1.0)]
    [1, 1, 2, 3]
    """
    # One np.cumsum has the sums of the first 1, 2, 3, ... squares. Take a share of its last number, so that rounding
    # cannot ask for more than there is. np.searchsorted finds the first sum that is large enough.
    check_share("share", share)
    energy = np.cumsum(np.square(singular_values, dtype=np.float64))
    return int(np.searchsorted(energy, share * energy[-1])) + 1


def low_rank(layer: Linear, rank: int) -> Sequential:
    """Two layers for one, (in, r) and (r, out) with its bias: r (in + out) weights in the place of in times out.

    >>> low_rank(Linear(8, 6), rank=2)
    Sequential(
      (0): Linear(8, 2, bias=False)
      (1): Linear(2, 6)
    )
    """
    left, right = truncated_svd(layer.weight.data, rank)
    return Sequential(remade(layer, left, None), remade(layer, right, None if layer.bias is None else layer.bias.data))


# -- a teacher -----------------------------------------------------------------------------------------------------


def distillation_loss(
    logits: Tensor, teacher: Any, target: Any, temperature: float = 4.0, alpha: float = 0.9
) -> Tensor:
    """alpha T^2 KL(p || q) + (1 - alpha) cross_entropy(logits, target): close to the teacher, and to the labels.

    p = softmax(teacher / T), q = softmax(logits / T), and KL(p || q) = sum p (ln p - ln q) is averaged over the batch:
    logits and teacher (B, C), target (B,), of which teacher and target may be arrays or tensors. Gradients go to the
    logits alone. Raises ValueError unless T is above 0 and alpha a share, and if the shapes differ. Hinton, Vinyals and
    Dean, 2015.

    >>> same = Tensor([[1.0, 2.0]])
    >>> distillation_loss(same, same, np.array([0]), alpha=1.0)
    tensor(0.)
    """
    # Compose it of tensors' functions, so that it has its gradient. For the logarithm of a softmax take log_softmax, so
    # that it is never the logarithm of 0. detach() keeps the teacher out of the graph.
    check_share("alpha", alpha)
    if not temperature > 0:
        raise ValueError(f"a temperature is above 0, got {temperature}")
    teacher = teacher.detach() if isinstance(teacher, Tensor) else Tensor(teacher)
    if logits.shape != teacher.shape:
        raise ValueError(f"the teacher answers as the student does, (B, C), got {teacher.shape} for {logits.shape}")
    p, log_p = softmax(teacher / temperature), log_softmax(teacher / temperature)
    divergence = (p * (log_p - log_softmax(logits / temperature))).sum(dim=-1).mean()
    return alpha * temperature**2 * divergence + (1 - alpha) * cross_entropy(logits, target)


class Distiller(Trainer):
    """A Trainer whose model learns from a teacher, which runs on every batch and does not learn.

    >>> from tinytorch.optimizers import SGD
    >>> teacher, student = Linear(2, 3), Linear(2, 3)
    >>> distiller = Distiller(student, SGD(student.parameters(), lr=0.1), teacher=teacher, temperature=2.0)
    >>> distiller.step([(Tensor([[1.0, 2.0]]), Tensor(np.array([0])))]) > 0
    True
    """

    def __init__(self, *args: Any, teacher: Module, temperature: float = 4.0, alpha: float = 0.9, **options: Any):
        super().__init__(*args, **options)
        self.teacher, self.temperature, self.alpha = teacher.eval(), temperature, alpha

    def add_gradient(self, x: Tensor, y: Tensor, share: float) -> float:
        with no_grad():
            teacher = self.teacher(x)
        loss = distillation_loss(self.model(x), teacher, y, self.temperature, self.alpha) * share
        loss.backward()
        return loss.item()


# -- zeros in memory and in files ----------------------------------------------------------------------------------


class Sparse(NamedTuple):
    """A matrix (in, out) without its zeros, column by column: values, their rows, and where each column starts."""

    values: np.ndarray  # (n,)
    rows: np.ndarray  # (n,) int32
    starts: np.ndarray  # (out + 1,) int32: column j has values starts[j] to starts[j + 1]
    shape: tuple[int, int]

    @property
    def nbytes(self) -> int:
        """The memory of all three arrays."""
        return self.values.nbytes + self.rows.nbytes + self.starts.nbytes


def to_sparse(matrix: np.ndarray) -> Sparse:
    """The numbers of a matrix (in, out) that are not zero.

    >>> to_sparse(np.array([[0.0, 7.0], [5.0, 0.0]])).values
    array([5., 7.])
    """
    columns, rows = np.nonzero(matrix.T)
    starts = np.searchsorted(columns, np.arange(matrix.shape[1] + 1))
    return Sparse(matrix[rows, columns], rows.astype(np.int32), starts.astype(np.int32), matrix.shape)


def sparse_matmul(x: np.ndarray, weight: Sparse) -> np.ndarray:
    """z = x @ weight, with the products of zeros left out: (B, in) @ (in, out) -> (B, out).

    >>> sparse_matmul(np.array([[1.0, 10.0]]), to_sparse(np.array([[0.0, 7.0], [5.0, 0.0]])))
    array([[50.,  7.]])
    """
    z = np.zeros((len(x), weight.shape[1]), np.result_type(x, weight.values))
    full = np.flatnonzero(np.diff(weight.starts))  # for an empty column reduceat would return its neighbour's number
    if full.size:
        z[:, full] = np.add.reduceat(x[:, weight.rows] * weight.values, weight.starts[full], axis=1)
    return z


def save_sparse(state: dict[str, np.ndarray], path: serialization.PathLike) -> None:
    """Write a state_dict as a bit for each number, zero or not, and the numbers that are not: a safetensors file.

    An array that this would not make smaller is written as it is.
    """
    arrays, shapes = {}, {}
    for name, array in state.items():
        kept = (array != 0) | np.signbit(array)  # -0.0 is another number than 0.0, bit for bit
        bits, values = np.packbits(kept), array[kept]
        if bits.nbytes + values.nbytes < array.nbytes:
            arrays[f"{name}.bits"], arrays[f"{name}.values"], shapes[name] = bits, values, array.shape
        else:
            arrays[name] = array
    serialization.save(arrays, path, {"sparse": json.dumps(shapes)})


def load_sparse(path: serialization.PathLike) -> dict[str, np.ndarray]:
    """What save_sparse wrote, bit for bit. Raises ValueError for a file that is damaged or of another kind."""
    arrays, notes = serialization.read(path)
    if "sparse" not in notes:
        raise ValueError(f"{path} was not written by save_sparse")
    shapes = {name: tuple(shape) for name, shape in json.loads(notes["sparse"]).items()}
    parts = {f"{name}.{part}" for name in shapes for part in ("bits", "values")}
    state = {name: array for name, array in arrays.items() if name not in parts}
    for name, shape in shapes.items():
        values = arrays[f"{name}.values"]
        state[name] = np.zeros(shape, values.dtype)
        size = state[name].size
        state[name].flat[np.unpackbits(arrays[f"{name}.bits"], count=size).astype(bool)] = values
    return state
