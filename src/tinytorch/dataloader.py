"""Data loaders: examples, in batches, in an order, on time.

Notation: N examples; B the batch size; `at` the numbers of a batch's examples; images are (B, C, H, W). Whatever chance
decides in batch k of epoch e is decided by (seed, e, k) alone: so a pass can be repeated, and resumed in its middle.
"""

import math
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate, islice
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinytorch.environment import generator as package_generator
from tinytorch.tensor import Tensor, tensor
from tinytorch.training import Batch

# -- datasets ------------------------------------------------------------------------------------------------------


class Dataset:
    """Examples by number: len(dataset) of them, and dataset[i] is one, such as a pair (x, y).

    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 10
    ...     def __getitem__(self, i):
    ...         return i, i * i
    >>> Squares().batch([2, 3])
    Batch(x=tensor([2, 3], dtype=int64), y=tensor([4, 9], dtype=int64))
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no __len__")

    def __getitem__(self, i: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__")

    def batch(self, at: Sequence[int]) -> Any:
        """The examples with these numbers, collated. A dataset that can fetch many at once says how."""
        return collate([self[i] for i in at])


class TensorDataset(Dataset):
    """Arrays or tensors whose first axes agree: example i is the i-th part of each.

    Raises ValueError, naming the lengths, if they differ.

    >>> TensorDataset(np.array([10, 20, 30]), np.array([1, 2, 3])).batch([2, 0])
    Batch(x=tensor([30, 10], dtype=int64), y=tensor([3, 1], dtype=int64))
    """

    def __init__(self, *arrays: Any):
        self.arrays = [x.data if isinstance(x, Tensor) else x for x in arrays]
        if len({len(x) for x in self.arrays}) != 1:
            raise ValueError(f"needs arrays of one length, got {', '.join(str(len(x)) for x in arrays) or 'none'}")

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, i: int) -> tuple[Tensor, ...]:
        return tuple(Tensor(np.asarray(x[i])) for x in self.arrays)

    def batch(self, at: Sequence[int]) -> Any:
        # An array takes many numbers at once: one call of NumPy for a batch, not one for
        # each example.
        return bundle([Tensor(np.asarray(x[np.asarray(at)])) for x in self.arrays])


class MappedDataset(TensorDataset):
    """Arrays that stay on disk, in .npy files: only the pages that a batch touches are read.

    Raises ValueError, naming the lengths, if they differ; FileNotFoundError if there is no such file.
    """

    def __init__(self, *paths: Any):
        super().__init__(*(np.load(path, mmap_mode="r") for path in paths))


class Subset(Dataset):
    """Some examples of a dataset, renumbered from 0: those with these numbers, or where a mask is True.

    Raises ValueError for a mask of another length, TypeError for indices that are not whole numbers.

    >>> Subset(TensorDataset(np.array([10, 20, 30])), [2, 0])[0]
    (tensor(30, dtype=int64),)
    """

    def __init__(self, dataset: Dataset, indices: Any):
        at = indices.data if isinstance(indices, Tensor) else np.asarray(indices)
        if at.dtype == bool:
            if at.shape != (len(dataset),):
                raise ValueError(f"a mask of {len(dataset)} examples has their length, got shape {at.shape}")
            at = np.flatnonzero(at)
        if at.size and at.dtype.kind not in "iu":
            raise TypeError(f"a subset is chosen by whole numbers or a mask, got {at.dtype}")
        self.dataset, self.indices = dataset, at.astype(np.int64)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> Any:
        return self.dataset[self.indices[i]]

    def batch(self, at: Sequence[int]) -> Any:
        if not hasattr(self.dataset, "batch"):  # a list is a dataset, too
            return super().batch(at)
        return self.dataset.batch(self.indices[np.asarray(at)])


def random_split(dataset: Any, lengths: Sequence[float], generator: Any = None) -> list[Subset]:
    """Cut a dataset at random into subsets of these lengths, or of these shares of it.

    The generator may be a seed, too; without one, the package's decides.
    Raises ValueError unless the lengths sum to len(dataset), or the shares to 1.

    >>> [len(part) for part in random_split(TensorDataset(np.zeros(10)), [0.75, 0.25])]
    [8, 2]
    """
    n = len(dataset)
    shares = math.isclose(sum(lengths), 1)
    ends = [round(n * end) if shares else int(end) for end in accumulate(lengths)]
    if not ends or ends[-1] != n or min(lengths) < 0:
        raise ValueError(f"cannot split {n} examples into {list(lengths)}: the sum must be {n}, or 1")
    order = shuffled(n, generator if isinstance(generator, int) else drawn_seed(generator))
    return [Subset(dataset, order[start:end]) for start, end in zip([0, *ends], ends)]


# -- order ---------------------------------------------------------------------------------------------------------


def shuffled(n: int, seed: int, epoch: int = 0) -> np.ndarray:
    """The numbers 0..n - 1 in an order that seed and epoch choose: the same on every machine.

    Each number draws a key, and the keys are sorted. The keys are the raw 64-bit output of
    PCG64, which NumPy promises to keep as it is; `permutation` may change with a version.

    >>> shuffled(5, seed=0), shuffled(5, seed=0, epoch=1)
    (array([3, 2, 1, 0, 4]), array([4, 1, 2, 0, 3]))
    """
    # np.random.PCG64 takes a pair for a seed, and its random_raw(n) are n keys. Which
    # function of NumPy says in which order its numbers would be sorted? One of its kinds
    # leaves nothing open if two keys are equal.
    return np.argsort(np.random.PCG64([seed, epoch]).random_raw(n), kind="stable")


def drawn_seed(generator: Any = None) -> int:
    """A seed from a generator, or from the package's: what `manual_seed` decides, this decides too."""
    return int((generator or package_generator).integers(2**63))


class Sampler:
    """An order in which to visit examples: iterate over it for their numbers."""

    def __init__(self, data_source: Any = None):
        pass

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no __len__")

    def __iter__(self) -> Iterator[int]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__")

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass. An order that is always the same ignores it."""


class SequentialSampler(Sampler):
    """0, 1, ..., n - 1, for a number n or a dataset of that length."""

    def __init__(self, n: Any):
        self.n = n if isinstance(n, int) else len(n)

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.n))


class RandomSampler(SequentialSampler):
    """Every number below n once, in the order that seed and epoch choose; without a seed, each pass draws one."""

    def __init__(self, n: Any, seed: int | None = None, *, generator: Any = None):
        super().__init__(n)
        self.seed, self.generator, self.epoch = seed, generator, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        seed = drawn_seed(self.generator) if self.seed is None else self.seed
        return iter(shuffled(self.n, seed, self.epoch).tolist())


class BatchSampler:
    """An order, cut into lists of batch_size numbers; the last may be shorter, or dropped.

    The order may be anything iterable.

    >>> list(BatchSampler(range(5), 2)), list(BatchSampler(range(5), 2, drop_last=True))
    ([[0, 1], [2, 3], [4]], [[0, 1], [2, 3]])
    """

    def __init__(self, sampler: Any, batch_size: int, drop_last: bool = False):
        if batch_size < 1:
            raise ValueError(f"a batch holds 1 example or more, got {batch_size}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __len__(self) -> int:
        n = len(self.sampler)
        return n // self.batch_size if self.drop_last else math.ceil(n / self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        # itertools.islice takes the next n from an iterator, or fewer at its end. How do you
        # notice the end? And which batch is the only one that may be short?
        order = iter(self.sampler)
        while at := list(islice(order, self.batch_size)):
            if len(at) == self.batch_size or not self.drop_last:
                yield at


# -- collating -----------------------------------------------------------------------------------------------------


def collate(examples: Sequence[Any]) -> Any:
    """Examples as one batch: arrays and numbers stacked, texts listed, pairs as a Batch of two.

    Tuples of another length and dicts keep their form; what they hold is collated. Floats of
    Python become float32, its ints int64. The examples stay as they are. Raises ValueError
    if shapes differ, naming them, or if tuples have different lengths; TypeError for a None.

    >>> collate([(np.array([1, 2]), 7), (np.array([3, 4]), 8)])
    Batch(x=tensor([[1, 2],
            [3, 4]], dtype=int64), y=tensor([7, 8], dtype=int64))
    """
    # The first example tells what kind they all are. zip(*examples) turns pairs into
    # columns, and each column can be collated in its turn; so can the values of a dict,
    # key by key. bundle(columns) makes the Batch or tuple, stacked(examples) the tensor
    # at the bottom.
    first = examples[0]
    if isinstance(first, dict):
        return {key: collate([example[key] for example in examples]) for key in first}
    if isinstance(first, tuple | list):
        return bundle([collate(column) for column in zip(*examples, strict=True)])
    return stacked(examples)


def bundle(columns: Sequence[Any]) -> Any:
    """Two columns are inputs and targets, a Batch; any other number is a tuple."""
    return Batch(*columns) if len(columns) == 2 else tuple(columns)


def stacked(examples: Sequence[Any]) -> Any:
    """Numbers, arrays or tensors of one shape, as one tensor with an axis more; texts stay a list."""
    if any(x is None for x in examples):
        raise TypeError("an example is None: does the data set's __getitem__ return what it makes?")
    if isinstance(examples[0], str | bytes):
        return list(examples)
    if not isinstance(examples[0], np.ndarray | Tensor):
        return tensor(list(examples))
    arrays = [x.data if isinstance(x, Tensor) else x for x in examples]
    if len(shapes := {x.shape for x in arrays}) > 1:
        words = " and ".join(map(str, sorted(shapes)))
        raise ValueError(f"a batch needs examples of one shape, got {words}: crop or pad them")
    return Tensor(np.stack(arrays))


# -- transforms ----------------------------------------------------------------------------------------------------

Transform = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def image_axes(images: np.ndarray) -> tuple[int, ...]:
    """(B, C, H, W). Raises ValueError, naming the shape, if these are not four axes."""
    if images.ndim != 4:
        raise ValueError(f"images are (B, C, H, W), got shape {images.shape}")
    return images.shape


def normalize(images: np.ndarray, rng: Any = None, *, mean: Any, std: Any) -> np.ndarray:
    """z = (x - mean) / std for each channel, new and float32; bytes (uint8) count as x / 255.

    >>> normalize(np.array([0, 255], np.uint8).reshape(1, 1, 1, 2), mean=[0.5], std=[0.25])
    array([[[[-2.,  2.]]]], dtype=float32)
    """
    # One multiplication and one addition per pixel are enough. Compute scale and shift once
    # for each channel, of a shape that broadcasts over (B, C, H, W). Which dtype has a product
    # of bytes and float32, or of float64 and float32, and which argument of NumPy's functions
    # decides that?
    image_axes(images)
    unit = 255 if images.dtype == np.uint8 else 1
    center, spread = (np.reshape(value, (-1, 1, 1)) for value in (mean, std))
    scale = (1 / (unit * spread)).astype(np.float32)
    shift = (-center / spread).astype(np.float32)
    return np.multiply(images, scale, dtype=np.float32) + shift


def crop(images: np.ndarray, rng: np.random.Generator, padding: int = 4) -> np.ndarray:
    """Each image, moved by up to `padding` pixels either way; zeros come in at the edges.

    Image b is the H x W window of its zero-padded self whose corner is at (dy[b], dx[b]), with
    dy, dx = rng.integers(0, 2 * padding + 1, (2, B)). The answer is a new array. Krizhevsky,
    Sutskever and Hinton, 2012.

    >>> crop(np.ones((1, 1, 2, 2), int), np.random.default_rng(1), padding=1)
    array([[[[1, 1],
             [1, 1]]]])
    """
    # np.pad puts zeros around the last two axes. sliding_window_view(padded, (H, W),
    # axis=(2, 3)) is every window there is, (B, C, 2p + 1, 2p + 1, H, W), without a copy:
    # pick one for each image. Index arrays of length B pick them all at once: one for the
    # images, and which others, on which axes?
    b, _, h, w = image_axes(images)
    dy, dx = rng.integers(0, 2 * padding + 1, (2, b))
    edges = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    windows = sliding_window_view(np.pad(images, edges), (h, w), axis=(2, 3))
    return windows[np.arange(b), :, dy, dx]


def flip(images: np.ndarray, rng: np.random.Generator, p: float = 0.5) -> np.ndarray:
    """Each image mirrored, left to right, with probability p: b where rng.random(B)[b] < p.

    The answer is a new array, even if no image is mirrored, or all are.

    >>> flip(np.arange(3).reshape(1, 1, 1, 3), np.random.default_rng(0), p=1.0)
    array([[[[2, 1, 0]]]])
    """
    # A slice mirrors all of them at once. np.where chooses between two arrays: what shape
    # must the choice have, so that it is one for each image?
    b, *_ = image_axes(images)
    mirrored = (rng.random(b) < p).reshape(b, 1, 1, 1)
    return np.where(mirrored, images[..., ::-1], images)


def cutout(images: np.ndarray, rng: np.random.Generator, size: int = 8) -> np.ndarray:
    """Each image with a square of zeros, size x size, around a pixel drawn at random.

    The square may stick out over the edge. DeVries and Taylor, 2017.
    """
    b, _, h, w = image_axes(images)
    top, left = (rng.integers(0, n, (b, 1)) - size // 2 for n in (h, w))
    rows = (np.arange(h) >= top) & (np.arange(h) < top + size)  # (B, H)
    columns = (np.arange(w) >= left) & (np.arange(w) < left + size)  # (B, W)
    return images * ~(rows[:, None, :, None] & columns[:, None, None, :])


class Compose:
    """Transforms one after the other, all with the same source of chance.

    >>> Compose([flip, partial(crop, padding=2)])
    Compose(flip, crop(padding=2))
    """

    def __init__(self, transforms: Sequence[Transform]):
        self.transforms = list(transforms)

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        for transform in self.transforms:
            images = transform(images, rng)
        return images

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(described, self.transforms))})"


def described(transform: Any) -> str:
    """A function by its name; a partial one with what it was given."""
    if not isinstance(transform, partial):
        return getattr(transform, "__name__", repr(transform))
    given = ", ".join(f"{name}={value!r}" for name, value in transform.keywords.items())
    return f"{transform.func.__name__}({given})"


# -- prefetching ---------------------------------------------------------------------------------------------------


class Pipeline:
    """What a maker of items and their taker share, each in a thread of its own.

    `room` counts the items that may still be made ahead, `ready` holds those that are made.
    """

    def __init__(self, depth: int):
        if depth < 1:
            raise ValueError(f"prefetching makes 1 item ahead or more, got {depth}")
        self.room = threading.Semaphore(depth)
        self.ready: queue.SimpleQueue = queue.SimpleQueue()
        self.abandoned = False

    def make(self, items: Iterable[Any]) -> None:
        """Make each item when there is room; put (item, None), at the end (None, its reason)."""
        try:
            source = iter(items)
            while self.room.acquire() and not self.abandoned:
                self.ready.put((next(source), None))
        except BaseException as reason:  # StopIteration, or an error: the taker has to know
            self.ready.put((None, reason))

    def abandon(self) -> None:
        """Nobody takes any more: wake the maker, so that it sees that and ends."""
        self.abandoned = True
        self.room.release()


def prefetch(items: Iterable[Any], depth: int = 2) -> Iterator[Any]:
    """The same items, made in a thread of its own while the caller works on earlier ones.

    At most `depth` items are made ahead, so that memory stays bounded. An error in the thread
    is raised here, with the traceback that it has there. Whoever stops early, by `break` or by
    an error, leaves no thread behind: it is joined.

    >>> list(prefetch(range(3)))
    [0, 1, 2]
    """
    # A Pipeline is the line between the two. What the thread runs is line.make(items); with
    # daemon=True the program can end even if the thread has not. line.ready.get() waits for (item, reason):
    # three kinds of reason, what does each ask for? When may the thread make another item,
    # before you yield or after? A generator may be left at its yield: which statement runs
    # however that happens, and what has to be done there, so that no thread is left?
    line = Pipeline(depth)
    thread = threading.Thread(target=line.make, args=(items,), daemon=True)
    thread.start()
    try:
        while True:
            item, reason = line.ready.get()
            if isinstance(reason, StopIteration):
                return
            if reason is not None:
                raise reason
            line.room.release()
            yield item
    finally:
        line.abandon()
        thread.join()


# -- the loader ----------------------------------------------------------------------------------------------------


class DataLoader:
    """The batches of a dataset, pass after pass: `for x, y in loader`, or `batch.x`, `batch.y`.

    `sampler` is an order of one's own, a Sampler or any iterable of numbers, else `shuffle`
    decides; `collate_fn` makes a batch of a list of examples. `transform(images, rng)` changes
    the arrays of x in each batch. `prefetch` says how many batches are made ahead, in a
    thread; `num_workers`, PyTorch's argument, is taken for the same. Each whole pass goes on to the next epoch,
    as `set_epoch` does. Without a seed, each pass draws one from the generator, or from the
    package's, if chance has a part.

    >>> data = TensorDataset(np.arange(5), np.arange(5))
    >>> [batch.x.tolist() for batch in DataLoader(data, 2)]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: Iterable[int] | None = None,
        drop_last: bool = False,
        *,
        collate_fn: Callable[[list], Any] | None = None,
        transform: Transform | None = None,
        seed: int | None = None,
        prefetch: int = 0,
        num_workers: int = 0,
        pin_memory: bool = False,
        worker_init_fn: None = None,
        generator: Any = None,
    ):
        if sampler is not None and shuffle:
            raise ValueError("a sampler is an order already: leave shuffle out")
        if worker_init_fn is not None:
            raise ValueError("worker_init_fn is for processes, and TinyTorch's workers are threads: leave it out")
        n = len(dataset)
        self.draws, self.generator = seed is None and (shuffle or transform is not None), generator
        seed = 0 if seed is None else seed
        if sampler is None:
            sampler = RandomSampler(n, seed) if shuffle else SequentialSampler(n)
        if isinstance(sampler, Tensor | np.ndarray):
            sampler = sampler.tolist()
        if isinstance(sampler, Iterator):  # which can be walked once only, and every epoch walks
            sampler = list(sampler)
        self.dataset, self.collate_fn, self.transform = dataset, collate_fn, transform
        self.batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.seed, self.ahead = seed, prefetch or num_workers
        self.epoch = self.position = self.start = 0  # position: how many batches of it were given

    def set_epoch(self, epoch: int) -> None:
        """Choose the order and the chances of the next pass, from its first batch on."""
        self.epoch, self.position, self.start = epoch, 0, 0

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[Any]:
        epoch, self.position, self.start = self.epoch, self.start, 0
        self._begin(epoch)
        numbered = islice(enumerate(self.batch_sampler), self.position, None)
        made: Iterable[Any] = (self.load(k, at, 0 if self.draws else epoch) for k, at in numbered)
        for batch in prefetch(made, self.ahead) if self.ahead else made:
            self.position += 1
            yield batch
        if self.epoch == epoch:  # else somebody has chosen the next one meanwhile
            self.set_epoch(epoch + 1)

    def _begin(self, epoch: int) -> None:
        """Choose the order of a pass; what was begun before it was stopped goes on with the seed that it had."""
        sampler = self.batch_sampler.sampler
        if self.draws:
            self.seed = self.seed if self.position else drawn_seed(self.generator)
            if isinstance(sampler, RandomSampler):
                sampler.seed = self.seed
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(0 if self.draws else epoch)

    def load(self, k: int, at: list[int], epoch: int) -> Any:
        """Batch k of an epoch: the examples numbered `at`, collated and transformed."""
        if self.collate_fn is None and hasattr(self.dataset, "batch"):
            batch = self.dataset.batch(at)
        else:
            batch = (self.collate_fn or collate)([self.dataset[i] for i in at])
        if self.transform is None:
            return batch
        x, *rest = batch if isinstance(batch, tuple) else (batch,)
        if not isinstance(x, Tensor):
            raise TypeError(f"a transform changes a tensor, got {type(x).__name__}: let collate_fn do it")
        x = Tensor(self.transform(x.data, np.random.default_rng([self.seed, epoch, k])))
        return bundle([x, *rest]) if isinstance(batch, tuple) else x

    def state_dict(self) -> dict[str, int]:
        """Where this pass stands: its epoch, how many of its batches were given out, and the seed, if it was drawn."""
        return {"epoch": self.epoch, "batch": self.position} | ({"seed": self.seed} if self.draws else {})

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Begin the next pass where another one stood: its first batch is that one's next.

        Raises ValueError if the epoch has no such batch.
        """
        if not 0 <= state["batch"] <= len(self):
            raise ValueError(f"an epoch has {len(self)} batches here, the state is at {state['batch']}")
        self.set_epoch(state["epoch"])
        self.seed = state.get("seed", self.seed)
        self.position = self.start = state["batch"]
