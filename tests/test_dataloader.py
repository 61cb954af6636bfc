"""What is true of data loaders: the same batch whoever asks for it and when, and no thread that outlives its pass."""

import gc
import itertools
import os
import re
import signal
import threading
import traceback
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import pytorch

import tinytorch as tt
from tinytorch.dataloader import (
    BatchSampler,
    Compose,
    DataLoader,
    Dataset,
    MappedDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    Subset,
    TensorDataset,
    collate,
    crop,
    cutout,
    flip,
    image_axes,
    normalize,
    prefetch,
    random_split,
    shuffled,
)
from tinytorch.environment import manual_seed
from tinytorch.layers import Dropout, Linear, ReLU, Sequential
from tinytorch.optimizers import Adam
from tinytorch.tensor import Generator, Tensor
from tinytorch.training import Batch, Trainer

quick = settings(max_examples=40, deadline=None)
N = 11
IMAGES = np.arange(1, N * 2 * 5 * 4 + 1, dtype=np.float32).reshape(N, 2, 5, 4)
LABELS = np.arange(N)
DEPTHS = pytest.mark.parametrize("ahead", [0, 1, 3], ids=lambda depth: f"prefetch {depth}")
AUGMENT = Compose([flip, partial(crop, padding=2), partial(cutout, size=3)])


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """After each test here, whatever it did, the threads are those that were there before."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) - before == set()


def loader(**options):
    given = {"batch_size": 3, "shuffle": True, "seed": 4, "transform": AUGMENT, **options}
    return DataLoader(TensorDataset(IMAGES, LABELS), **given)


def told(batches):
    """Batches as bytes that can be compared."""
    return [(b.x.data.dtype.name, b.x.shape, b.x.data.tobytes(), b.y.data.tolist()) for b in batches]


def numbers(batches):
    return [b.data.tolist() for b in batches]


# -- order ---------------------------------------------------------------------------------------------------------


def test_the_order_is_the_same_on_every_machine():
    """Pinned: whoever changes these numbers changes every run that was ever interrupted."""
    assert shuffled(10, seed=0).tolist() == [3, 2, 1, 8, 6, 0, 7, 4, 5, 9]
    assert shuffled(10, seed=0, epoch=1).tolist() == [7, 4, 5, 1, 9, 8, 6, 2, 0, 3]
    assert list(map(hex, np.random.PCG64([0, 1]).random_raw(2))) == ["0xe3c5ebe285ac1625", "0x8ea09968fe31dbcc"]


@quick
@given(st.integers(0, 200), st.integers(0, 2**40), st.integers(0, 1000))
def test_an_order_holds_every_number_once(n, seed, epoch):
    order = shuffled(n, seed, epoch)
    assert order.dtype == np.int64 and sorted(order.tolist()) == list(range(n))


def test_orders_differ_from_seed_to_seed_and_from_epoch_to_epoch():
    assert len({tuple(shuffled(10, seed, epoch)) for seed in range(1, 6) for epoch in range(5)}) == 25


def test_every_place_is_as_likely_as_any_other():
    """Where number 0 stands, over 4,000 epochs: chi-square with 7 degrees of freedom, 0.1 percent."""
    places = [int(np.argmin(shuffled(8, 0, epoch))) for epoch in range(4000)]
    counts = np.bincount(places, minlength=8)
    assert ((counts - 500) ** 2 / 500).sum() < 24.3


def test_samplers():
    assert list(SequentialSampler(4)) == [0, 1, 2, 3] and len(SequentialSampler(4)) == 4
    sampler = RandomSampler(10, seed=2)
    first = list(sampler)
    assert first == list(sampler) == shuffled(10, 2, 0).tolist() and all(type(i) is int for i in first)
    sampler.set_epoch(3)
    assert list(sampler) == shuffled(10, 2, 3).tolist() and len(sampler) == 10
    sequential = SequentialSampler(3)
    sequential.set_epoch(5)
    assert list(sequential) == [0, 1, 2]


@quick
@given(st.integers(0, 12), st.integers(1, 5), st.booleans())
def test_batches_agree_with_torch(n, size, drop_last):
    data = pytorch().utils.data
    theirs = data.BatchSampler(data.SequentialSampler(range(n)), size, drop_last)
    ours = BatchSampler(SequentialSampler(n), size, drop_last)
    assert list(ours) == list(theirs) and len(ours) == len(theirs)
    loaders = [kind(list(range(n)), size, drop_last=drop_last) for kind in (DataLoader, data.DataLoader)]
    assert len(loaders[0]) == len(loaders[1])
    assert [b.tolist() for b in loaders[0]] == [b.tolist() for b in loaders[1]]


@pytest.mark.parametrize("size", [0, -2])
def test_a_batch_of_nothing_is_refused(size):
    with pytest.raises(ValueError, match=f"1 example or more, got {size}"):
        BatchSampler(range(3), size)
    with pytest.raises(ValueError, match=f"got {size}"):
        DataLoader([1, 2], size)


# -- datasets ------------------------------------------------------------------------------------------------------


class Squares(Dataset):
    def __init__(self, n=10):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return i, i * i


@pytest.mark.parametrize(
    "dataset",
    [
        TensorDataset(IMAGES, LABELS),
        Subset(TensorDataset(IMAGES, LABELS), [7, 3, 3, 10]),
        Squares(),
        Subset(Squares(), range(4, 9)),
    ],
    ids=["tensors", "subset", "own", "subset of own"],
)
def test_a_batch_is_the_examples_collated(dataset):
    for at in ([0], [3, 1], [2, 2, 0]):
        batch, one_by_one = dataset.batch(at), collate([dataset[i] for i in at])
        assert type(batch) is Batch and told([batch]) == told([one_by_one])


def test_tensor_datasets_take_arrays_and_tensors_and_any_number_of_them():
    three = TensorDataset(Tensor(IMAGES), LABELS, LABELS * 2.0)
    assert len(three) == N and len(three[0]) == 3 and type(three.batch([0, 1])) is tuple
    (alone,) = TensorDataset(LABELS).batch([4, 2])
    assert alone.data.tolist() == [4, 2] and alone.dtype == np.int64
    assert three[2][0].dtype == np.float32 and three[2][0].shape == (2, 5, 4)


def test_arrays_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="got 11, 10, 11"):
        TensorDataset(IMAGES, LABELS[1:], LABELS)
    with pytest.raises(ValueError, match="got none"):
        TensorDataset()


def test_what_a_dataset_lacks_is_named():
    class Nothing(Dataset):
        pass

    with pytest.raises(NotImplementedError, match="Nothing has no __len__"):
        len(Nothing())
    with pytest.raises(NotImplementedError, match="Nothing has no __getitem__"):
        Nothing()[0]


def test_subsets_agree_with_torch():
    theirs, ours = (kind(kind(list("abcdef"), [5, 3, 1, 0]), [2, 0]) for kind in (pytorch().utils.data.Subset, Subset))
    assert [ours[i] for i in range(len(ours))] == [theirs[i] for i in range(len(theirs))] == ["b", "f"]


@quick
@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.integers(0, 5))
def test_a_split_is_a_partition(lengths, seed):
    n = sum(lengths)
    parts = random_split(TensorDataset(np.arange(n)), lengths, seed)
    assert [len(part) for part in parts] == lengths
    assert sorted(i for part in parts for i in part.indices.tolist()) == list(range(n))
    again = random_split(TensorDataset(np.arange(n)), lengths, seed)
    assert all((a.indices == b.indices).all() for a, b in zip(parts, again))


@pytest.mark.parametrize("lengths", [[7, 3], [10], [0.5, 0.5], [0.8, 0.2], [0.7, 0.2, 0.1], [1.0]])
def test_the_lengths_of_a_split_are_those_of_torch(lengths):
    theirs = pytorch().utils.data.random_split(range(10), lengths)
    assert [len(part) for part in random_split(list(range(10)), lengths)] == [len(part) for part in theirs]


@quick
@given(st.integers(1, 300), st.lists(st.integers(1, 9), min_size=2, max_size=12))
def test_shares_are_kept_within_one_example(n, weights):
    shares = [weight / sum(weights) for weight in weights]
    lengths = [len(part) for part in random_split(list(range(n)), shares)]
    assert sum(lengths) == n
    assert all(abs(length - n * share) <= 1 + 1e-9 for length, share in zip(lengths, shares))


@pytest.mark.parametrize("lengths", [[5, 4], [11], [0.5, 0.4], [-1, 11], [1.5, -0.5], []])
def test_a_split_that_does_not_add_up_is_refused(lengths):
    with pytest.raises(ValueError, match=re.escape(f"cannot split 10 examples into {lengths}")):
        random_split(list(range(10)), lengths)


def test_parts_of_a_plain_list_can_be_loaded():
    train, test = random_split([(i, i % 2) for i in range(10)], [0.8, 0.2])
    seen = [batch.x.data.tolist() for part in (train, test) for batch in DataLoader(part, 3)]
    assert [len(x) for x in seen] == [3, 3, 2, 2]
    assert sorted(itertools.chain(*seen)) == list(range(10))


# -- datasets on disk ----------------------------------------------------------------------------------------------


def test_mapped_arrays_stay_on_disk(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    np.save(tmp_path / "y.npy", LABELS)
    before = (tmp_path / "x.npy").read_bytes()
    mapped, in_memory = MappedDataset(tmp_path / "x.npy", tmp_path / "y.npy"), TensorDataset(IMAGES, LABELS)
    assert all(isinstance(x, np.memmap) for x in mapped.arrays) and len(mapped) == N
    batch = mapped.batch([4, 0, 4])
    assert told([batch]) == told([in_memory.batch([4, 0, 4])])
    assert type(batch.x.data) is np.ndarray and not np.shares_memory(batch.x.data, mapped.arrays[0])
    assert told([collate([mapped[i] for i in (4, 0)])]) == told([in_memory.batch([4, 0])])
    batch.x.data[:] = 0  # in memory only
    with pytest.raises(ValueError, match="read-only"):
        mapped.arrays[0][0] = 0
    assert (tmp_path / "x.npy").read_bytes() == before
    options = {"batch_size": 4, "shuffle": True, "transform": AUGMENT, "seed": 0, "prefetch": 2}
    assert told(DataLoader(mapped, **options)) == told(DataLoader(in_memory, **options))


def test_mapped_arrays_that_do_not_fit_or_are_not_there(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    np.save(tmp_path / "y.npy", LABELS[2:])
    with pytest.raises(ValueError, match="got 11, 9"):
        MappedDataset(tmp_path / "x.npy", tmp_path / "y.npy")
    with pytest.raises(FileNotFoundError, match="none"):
        MappedDataset(tmp_path / "none.npy")


# -- collating -----------------------------------------------------------------------------------------------------


def as_lists(value):
    if isinstance(value, dict):
        return {key: as_lists(item) for key, item in value.items()}
    return [as_lists(item) for item in value] if isinstance(value, tuple | list) else value.tolist()


@pytest.mark.parametrize(
    "examples",
    [
        [1, 2, 3],
        [1.5, 2.5],
        [True, False],
        [(1, 2.5), (3, 4.5)],
        [[1, 2, 3], [4, 5, 6]],
        [(np.ones(3), 7), (np.zeros(3), 8)],
        [{"x": np.arange(3), "y": 1}, {"x": np.arange(3), "y": 2}],
        [((1, 2), {"a": 3.5}), ((4, 5), {"a": 6.5})],
        [np.float32(1.5), np.float32(2.5)],
    ],
)
def test_collating_agrees_with_torch(examples):
    ours, theirs = collate(examples), pytorch().utils.data.default_collate(examples)
    assert as_lists(ours) == as_lists(theirs)


def test_collating_keeps_dtypes_and_gives_python_numbers_theirs():
    for dtype in (np.uint8, np.int32, np.float16, np.float64):
        assert collate([np.ones(2, dtype)] * 2).dtype == dtype
        assert collate([Tensor(np.ones(2, dtype))] * 2).dtype == dtype
    assert collate([1, 2]).dtype == np.int64 and collate([1.0, 2]).dtype == np.float32


def test_a_collated_batch_is_a_named_tuple_and_its_own_memory():
    first = np.zeros(2)
    batch = collate([(first, 1), (np.ones(2), 2)])
    x, y = batch
    assert type(batch) is Batch and batch.x is x and batch.y is y
    first[:] = 9
    assert x.data.tolist() == [[0, 0], [1, 1]]
    assert [column.data.tolist() for column in collate([(1, 2, 3)])] == [[1], [2], [3]]


def test_shapes_that_differ_are_named_at_any_depth():
    ragged = [np.zeros((2, 3)), np.zeros((2, 4)), np.zeros((2, 3))]
    for wrap in (lambda x: x, lambda x: (x, 1), lambda x: {"a": (x, 1, {"b": x})}, Tensor):
        with pytest.raises(ValueError, match=re.escape("got (2, 3) and (2, 4): crop or pad them")):
            collate([wrap(x) for x in ragged])


# -- transforms ----------------------------------------------------------------------------------------------------

seeds = st.integers(0, 10**6)


@st.composite
def pictures(draw):
    """Images (B, C, H, W) without a zero, of any dtype that images have."""
    shape = tuple(draw(st.integers(1, 5)) for _ in range(4))
    dtype = draw(st.sampled_from([np.uint8, np.float32, np.float64, np.int64]))
    return np.random.default_rng(draw(seeds)).integers(1, 200, shape).astype(dtype)


@pytest.mark.parametrize(
    "transform", [flip, crop, cutout, partial(normalize, mean=[0], std=[1]), Compose([flip, crop])]
)
def test_what_is_no_batch_of_images_is_refused(transform):
    for shape in [(3, 4), (1, 3, 4), (1, 1, 1, 3, 4)]:
        with pytest.raises(ValueError, match=re.escape(f"(B, C, H, W), got shape {shape}")):
            transform(np.zeros(shape), np.random.default_rng(0))
    assert image_axes(IMAGES) == (11, 2, 5, 4)


@pytest.mark.parametrize("transform", [flip, partial(crop, padding=2), partial(cutout, size=2), AUGMENT])
@quick
@given(images=pictures(), seed=seeds)
def test_transforms_keep_shape_dtype_and_their_input(transform, images, seed):
    before = images.copy()
    first, second = (transform(images, np.random.default_rng(seed)) for _ in range(2))
    assert first.shape == images.shape and first.dtype == images.dtype
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(first, second)


@quick
@given(pictures(), seeds)
def test_a_crop_without_padding_is_the_identity(images, seed):
    np.testing.assert_array_equal(crop(images, np.random.default_rng(seed), padding=0), images)


@quick
@given(pictures(), seeds, st.integers(0, 6))
def test_a_crop_shows_the_images_pixels_or_zeros(images, seed, padding):
    """Found again by its offset: a window of the padded image, the same for all channels, and nothing else."""
    moved = crop(images, np.random.default_rng(seed), padding)
    h, w = images.shape[2:]
    for before, after in zip(images, moved):
        padded = np.pad(before, ((0, 0), (padding, padding), (padding, padding)))
        corners = itertools.product(range(2 * padding + 1), repeat=2)
        assert any(np.array_equal(padded[:, y : y + h, x : x + w], after) for y, x in corners)


@quick
@given(pictures(), seeds, st.floats(0, 1))
def test_flipping_twice_by_the_same_chance_is_the_identity(images, seed, p):
    once = flip(images, np.random.default_rng(seed), p)
    np.testing.assert_array_equal(flip(once, np.random.default_rng(seed), p), images)
    assert all(np.array_equal(b, a) or np.array_equal(b, a[..., ::-1]) for a, b in zip(images, once))


@quick
@given(pictures(), seeds)
def test_flipping_never_and_always(images, seed):
    np.testing.assert_array_equal(flip(images, np.random.default_rng(seed), 0.0), images)
    np.testing.assert_array_equal(flip(images, np.random.default_rng(seed), 1.0), images[..., ::-1])


@quick
@given(pictures(), seeds, st.integers(0, 7))
def test_cutout_takes_a_square_out_of_all_channels(images, seed, size):
    """The zeros of each image are a rectangle with sides of at most `size`; all of it, where the square fits in."""
    cut = cutout(images, np.random.default_rng(seed), size)
    h, w = images.shape[2:]
    for before, after in zip(images, cut):
        gone = after == 0
        assert (gone == gone[0]).all()
        rows, columns = gone[0].any(axis=1), gone[0].any(axis=0)
        assert (gone[0] == rows[:, None] & columns).all()
        for line, side in ((rows, h), (columns, w)):
            (at,) = np.nonzero(line)
            assert min(size // 2 + size % 2, size, side) * bool(size) - size // 2 <= len(at) <= min(size, side)
            assert size == 0 or (len(at) >= 1 and at[-1] - at[0] + 1 == len(at))
            assert len(at) == size or size == 0 or at[0] == 0 or at[-1] == side - 1
        assert (np.where(gone, before, after) == before).all()


@quick
@given(pictures(), st.data())
def test_normalize_is_the_formula_in_float32(images, data):
    channels = images.shape[1]
    mean = data.draw(st.lists(st.floats(-2, 2), min_size=channels, max_size=channels))
    std = data.draw(st.lists(st.floats(0.1, 3), min_size=channels, max_size=channels))
    images = images.astype(data.draw(st.sampled_from([np.uint8, np.float32])))
    before = images.copy()
    z = normalize(images, mean=mean, std=np.array(std))
    x = images / 255 if images.dtype == np.uint8 else images
    wanted = (x - np.reshape(mean, (-1, 1, 1))) / np.reshape(std, (-1, 1, 1))
    assert z.dtype == np.float32
    np.testing.assert_allclose(z, wanted, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(images, before)


def test_normalized_images_have_mean_0_and_standard_deviation_1():
    mean, std = IMAGES.mean(axis=(0, 2, 3)), IMAGES.std(axis=(0, 2, 3))
    z = normalize(IMAGES, mean=mean, std=std)
    np.testing.assert_allclose(z.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(z.std(axis=(0, 2, 3)), 1, rtol=1e-5)


def test_composed_transforms_share_one_source_of_chance():
    one, two = np.random.default_rng(3), np.random.default_rng(3)
    np.testing.assert_array_equal(AUGMENT(IMAGES, one), cutout(crop(flip(IMAGES, two), two, 2), two, 3))
    assert one.random() == two.random()
    assert repr(AUGMENT) == "Compose(flip, crop(padding=2), cutout(size=3))"
    assert repr(Compose([lambda images, rng: images, AUGMENT])) == f"Compose(<lambda>, {AUGMENT!r})"
    np.testing.assert_array_equal(Compose([])(IMAGES, one), IMAGES)


# -- prefetching ---------------------------------------------------------------------------------------------------


@quick
@given(st.lists(st.one_of(st.none(), st.integers(), st.just(StopIteration()))), st.integers(1, 4))
def test_prefetching_changes_no_item(items, depth):
    assert list(prefetch(items, depth)) == items
    assert list(prefetch(iter(items), depth)) == items


@pytest.mark.parametrize("depth", [0, -1])
def test_prefetching_nothing_ahead_is_refused(depth):
    with pytest.raises(ValueError, match=f"1 item ahead or more, got {depth}"):
        next(prefetch([1], depth))


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_memory_stays_bounded(depth):
    """At no time more items are alive than those made ahead, the one in work, and the one being handed over."""
    alive, most, taken = 0, 0, 0
    lock = threading.Lock()

    class Item:
        def __init__(self):
            nonlocal alive, most
            with lock:
                alive, made[0] = alive + 1, made[0] + 1
                most = max(most, alive)

        def __del__(self):
            nonlocal alive
            with lock:
                alive -= 1

    made = [0]
    for _ in prefetch((Item() for _ in range(200)), depth):
        taken += 1
        assert made[0] <= taken + depth
    assert made[0] == taken == 200 and 2 <= most <= depth + 2


def test_a_source_that_cannot_be_walked_through_is_an_error_of_the_caller():
    with pytest.raises(TypeError, match="not iterable"):
        list(prefetch(7))


def test_an_interrupt_while_the_caller_waits():
    if os.name == "nt":
        pytest.skip("Windows cannot send a signal to a thread")
    main, waiting = threading.get_ident(), threading.Event()

    def source():
        yield 0
        waiting.wait(5)
        signal.pthread_kill(main, signal.SIGINT)
        yield 1

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            for _ in prefetch(source()):
                waiting.set()
            threading.Event().wait(5)  # a signal that comes late comes here
    finally:
        signal.signal(signal.SIGINT, before)


# -- the loader ----------------------------------------------------------------------------------------------------


@DEPTHS
def test_batches_are_named_tuples(ahead):
    batches = list(loader(prefetch=ahead))
    assert [type(batch) for batch in batches] == [Batch] * 4 and [len(b.x) for b in batches] == [3, 3, 3, 2]
    assert all(isinstance(x, Tensor) and isinstance(y, Tensor) for x, y in batches)
    assert sorted(i for batch in batches for i in batch.y.data.tolist()) == list(range(N))


@DEPTHS
def test_datasets_of_all_kinds(ahead):
    def seen(dataset, **options):
        return numbers(DataLoader(dataset, 2, prefetch=ahead, **options))

    assert seen([5, 6, 7]) == [[5, 6], [7]]
    assert seen(range(3), drop_last=True) == [[0, 1]]
    assert seen([]) == []
    assert numbers(x for x, _ in DataLoader(Squares(3), 2, prefetch=ahead)) == [[0, 1], [2]]
    assert [b["a"].data.tolist() for b in DataLoader([{"a": 1}, {"a": 2}], 2, prefetch=ahead)] == [[1, 2]]
    assert list(DataLoader(list("abc"), 2, collate_fn="".join, prefetch=ahead)) == ["ab", "c"]


def test_a_dataset_that_fetches_many_at_once_is_asked_for_many():
    class Counted(TensorDataset):
        def __getitem__(self, i):
            raise AssertionError("asked for one")

    assert numbers(x for x, _ in DataLoader(Counted(LABELS, LABELS), 6)) == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]
    with pytest.raises(AssertionError, match="asked for one"):
        list(DataLoader(Counted(LABELS, LABELS), 6, collate_fn=collate))


class Evens(Sampler):
    """Even numbers, downwards in odd epochs."""

    def __init__(self, n):
        self.order = list(range(0, n, 2))

    def __len__(self):
        return len(self.order)

    def __iter__(self):
        return iter(self.order[::-1] if self.epoch % 2 else self.order)

    def set_epoch(self, epoch):
        self.epoch = epoch


@DEPTHS
def test_an_order_of_ones_own(ahead):
    mine = DataLoader(range(7), 3, sampler=Evens(7), prefetch=ahead)
    assert len(mine) == 2
    assert [numbers(mine) for _ in range(3)] == [[[0, 2, 4], [6]], [[6, 4, 2], [0]], [[0, 2, 4], [6]]]
    assert numbers(DataLoader(range(7), 3, sampler=Evens(0))) == []
    with pytest.raises(ValueError, match="leave shuffle out"):
        DataLoader(range(7), 3, shuffle=True, sampler=Evens(7))


def test_what_a_sampler_lacks_is_named():
    class Nothing(Sampler):
        pass

    with pytest.raises(NotImplementedError, match="Nothing has no __iter__"):
        next(iter(DataLoader([1], sampler=Nothing())))
    with pytest.raises(NotImplementedError, match="Nothing has no __len__"):
        len(DataLoader([1], sampler=Nothing()))


@pytest.mark.parametrize("depth", [-1, -5])
def test_a_prefetch_below_nothing_is_refused(depth):
    with pytest.raises(ValueError, match=f"got {depth}"):
        list(DataLoader([1, 2], prefetch=depth))


def test_a_transform_changes_x_alone_and_keeps_the_form():
    data = TensorDataset(IMAGES, LABELS, LABELS * 2)
    for (x, y, z), (a, b, c) in zip(DataLoader(data, 3, transform=AUGMENT), DataLoader(data, 3)):
        assert (x.data != a.data).any() and x.dtype == a.dtype
        assert y.data.tolist() == b.data.tolist() and z.data.tolist() == c.data.tolist()
    (alone,) = next(iter(DataLoader(TensorDataset(IMAGES), 3, transform=lambda images, rng: images * 2)))
    assert (alone.data == IMAGES[:3] * 2).all()


def test_a_transform_leaves_the_dataset_as_it_is():
    before = IMAGES.copy()
    list(loader(prefetch=2))
    np.testing.assert_array_equal(IMAGES, before)


# -- the same batch, whoever asks -----------------------------------------------------------------------------------


@DEPTHS
def test_a_batch_depends_on_seed_epoch_and_number_alone(ahead):
    for epoch in (0, 1, 5):
        straight = loader()
        straight.set_epoch(epoch)
        wanted = told(straight)
        for k in range(5):
            skipping, resuming, walking = (loader(prefetch=ahead) for _ in range(3))
            skipping.set_epoch(epoch)
            assert told(itertools.islice(skipping, k, None)) == wanted[k:]
            resuming.load_state_dict({"epoch": epoch, "batch": k})
            assert told(resuming) == wanted[k:]
            walking.set_epoch(epoch)
            assert told(itertools.islice(walking, k)) == wanted[:k]
            np.random.random(3)  # NumPy's global generator, and the package's, have no part in it
            tt.rand(3)


def test_epochs_seeds_and_batches_have_chances_of_their_own():
    going, firsts = loader(shuffle=False), []
    for _ in range(4):
        firsts.append(told(going)[0])
    firsts += [told(loader(shuffle=False, seed=seed))[0] for seed in range(4)]
    assert len({data for _, _, data, _ in firsts}) == 8
    twice = DataLoader(TensorDataset(np.ones((4, 1, 6, 6), np.float32), np.zeros(4)), 2, transform=AUGMENT)
    one, two = told(twice)
    assert one != two


@DEPTHS
def test_each_whole_pass_goes_on_to_the_next_epoch(ahead):
    going, told_to = loader(prefetch=ahead), loader()
    for epoch in range(3):
        assert going.state_dict() == {"epoch": epoch, "batch": 0}
        told_to.set_epoch(epoch)
        assert told(going) == told(told_to)


@DEPTHS
def test_a_broken_pass_does_not(ahead):
    broken = loader(prefetch=ahead)
    first = told(itertools.islice(broken, 2))
    assert broken.epoch == 0
    assert told(broken)[:2] == first and broken.epoch == 1
    for batch in broken:
        assert len(batch.x) == 3
        break
    with pytest.raises(ArithmeticError):
        for _ in broken:
            raise ArithmeticError
    assert broken.epoch == 1


@DEPTHS
def test_choosing_an_epoch_in_mid_pass_changes_the_next_one_only(ahead):
    straight = loader()
    wanted = [told(straight) for _ in range(4)]
    chosen, seen = loader(prefetch=ahead), []
    for batch in chosen:
        seen.append(batch)
        chosen.set_epoch(3)
    assert told(seen) == wanted[0] and told(chosen) == wanted[3] and chosen.epoch == 4


# -- interrupted and resumed -----------------------------------------------------------------------------------------


@DEPTHS
@pytest.mark.parametrize("other", [0, 2])
def test_an_interrupted_epoch_goes_on_where_it_was(ahead, other):
    straight = loader()
    wanted = told(straight) + told(straight)
    for k in range(1, 8):
        first = loader(prefetch=ahead)
        seen = list(itertools.islice(itertools.chain(first, first), k))
        state = first.state_dict()
        assert state == {"epoch": (k - 1) // 4, "batch": (k - 1) % 4 + 1}  # given out, not made ahead
        second = loader(prefetch=other)
        second.load_state_dict(state)
        assert second.state_dict() == state
        rest = list(second)
        if k <= 4:
            rest += list(second)
        assert told(seen + rest) == wanted
        assert second.state_dict() == {"epoch": 2, "batch": 0}


def test_a_state_is_used_once():
    resumed = loader()
    resumed.load_state_dict({"epoch": 1, "batch": 2})
    assert [len(told(resumed)) for _ in range(3)] == [2, 4, 4]
    resumed.load_state_dict({"epoch": 1, "batch": 4})
    assert told(resumed) == [] and resumed.epoch == 2


@pytest.mark.parametrize("batch", [-1, 5, 100])
def test_a_state_of_another_loader_is_refused(batch):
    mine = loader()
    with pytest.raises(ValueError, match=f"has 4 batches here, the state is at {batch}"):
        mine.load_state_dict({"epoch": 0, "batch": batch})
    assert mine.state_dict() == {"epoch": 0, "batch": 0}


ROWS = np.random.default_rng(0).normal(size=(N, 5)).astype(np.float32)


def noisy(x, rng):
    return x + rng.normal(size=x.shape).astype(x.dtype)


def begin(seed=0):
    tt.manual_seed(seed)
    model = Sequential(Linear(5, 8), Dropout(0.4), ReLU(), Linear(8, 3))
    return Trainer(model, Adam(model.parameters(), lr=0.03))


def rows(ahead):
    return DataLoader(TensorDataset(ROWS, LABELS % 3), 3, shuffle=True, transform=noisy, seed=9, prefetch=ahead)


def weights(trainer):
    return [p.data.tobytes() for p in trainer.model.parameters()]


@pytest.mark.parametrize("ahead", [0, 3])
def test_a_killed_and_resumed_training_ends_in_the_same_bits(tmp_path, ahead):
    """Killed after any step, by an error that nobody catches; resumed by others, who know the checkpoint alone."""

    class Killed(BaseException):
        pass

    def kill(trainer):
        if trainer.steps == at:
            raise Killed

    straight = begin()
    straight.fit(rows(0), 3)
    assert straight.steps == 12
    for at in range(2, 12):
        first = begin()
        first.callbacks = [kill]
        with pytest.raises(Killed):
            first.fit(rows(ahead), 3, checkpoint=tmp_path / "run", every=1)
        second = begin(seed=at)
        second.load(tmp_path / "run")
        assert second.steps == at - 1  # the step under way is lost, and taken again
        second.fit(rows(3 - ahead), 3)
        assert weights(second) == weights(straight) and second.history == straight.history


def test_a_trainer_stopped_in_mid_epoch_leaves_no_thread_and_goes_on():
    straight = begin()
    straight.fit(rows(0), 2)
    before, stopped, data = threading.enumerate(), begin(), rows(2)
    stopped.callbacks = [lambda t: t.stop() if t.steps in (2, 5) else None]
    for steps in (2, 5, 8):
        stopped.fit(data, 2)
        assert stopped.steps == steps and threading.enumerate() == before
    assert weights(stopped) == weights(straight)


# -- errors, and who is left -----------------------------------------------------------------------------------------


class Rotten(Dataset):
    """Its sixth example cannot be read."""

    def __len__(self):
        return 8

    def __getitem__(self, i):
        return self.read(i), i

    def read(self, i):
        if i == 5:
            raise OSError(f"example {i} cannot be read")
        return np.full((1, 4, 4), i)


def spoil(images, rng):
    if (images == 5).any():
        raise OSError("5 cannot be transformed")
    return images


def misplace(examples):
    if any(y == 5 for _, y in examples):
        raise OSError("5 cannot be collated")
    return collate(examples)


FIVES = [(np.full((1, 4, 4), i), i) for i in range(8)]


@DEPTHS
@pytest.mark.parametrize(
    ("dataset", "options", "culprit"),
    [(Rotten(), {}, "read"), (FIVES, {"transform": spoil}, "spoil"), (FIVES, {"collate_fn": misplace}, "misplace")],
    ids=["dataset", "transform", "collate_fn"],
)
def test_errors_arrive_where_they_belong_with_their_traceback(ahead, dataset, options, culprit):
    seen = []
    with pytest.raises(OSError, match=r"5.* cannot be") as caught:
        for batch in DataLoader(dataset, 2, prefetch=ahead, **options):
            seen += batch.y.data.tolist()
    assert seen == [0, 1, 2, 3]
    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert frames[-1] == culprit and "test_errors_arrive_where_they_belong_with_their_traceback" in frames


@pytest.mark.parametrize("ahead", [1, 3])
@pytest.mark.parametrize("way", ["break", "error", "interrupt", "close", "dropped", "end", "never begun"])
def test_nobody_is_left_behind(ahead, way):
    """A thread is there in mid-pass; whichever way the pass is left, it is gone right after."""
    before, during = set(threading.enumerate()), []

    def look():
        during.extend(set(threading.enumerate()) - before)

    mine = loader(batch_size=1, prefetch=ahead)
    if way == "break":
        for _ in mine:
            look()
            break
    elif way in ("error", "interrupt"):
        error = ArithmeticError if way == "error" else KeyboardInterrupt
        with pytest.raises(error):
            for _ in mine:
                look()
                raise error
    elif way == "end":
        for _ in mine:
            during = list(set(threading.enumerate()) - before) or during
    else:
        batches = iter(mine)
        if way != "never begun":
            next(batches)
            look()
        if way == "close":
            batches.close()
        del batches
        gc.collect()
    assert set(threading.enumerate()) == before
    assert [thread.daemon for thread in during] == ([] if way == "never begun" else [True])


def test_after_a_break_no_batch_is_made():
    asked = []

    class Asked(Squares):
        def __getitem__(self, i):
            asked.append(i)
            return super().__getitem__(i)

    for _ in DataLoader(Asked(100), 1, prefetch=3):
        break
    count = len(asked)
    assert count <= 4
    gc.collect()
    assert len(asked) == count


def test_two_passes_at_once_do_not_disturb_each_other():
    one, two = loader(prefetch=2), loader(prefetch=1)
    wanted = told(loader())
    both = list(zip(one, two))
    assert told(a for a, _ in both) == told(b for _, b in both) == wanted


def test_the_end_of_a_pass_can_race_with_nobody():
    """Many short passes: ends, breaks and errors, one after the other."""
    for i in range(150):
        source = iter(range(i % 4))
        for j in prefetch(source, 1 + i % 3):
            if j == i % 3:
                break


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
def test_normalize_gives_float32_whatever_it_is_given(dtype):
    assert normalize(np.ones((1, 1, 2, 2), dtype), mean=[0.5], std=[0.5]).dtype == np.float32


def test_a_transform_changes_a_batch_that_is_one_tensor():
    images = [np.full((1, 2, 2), i, np.uint8) for i in range(3)]
    [batch] = DataLoader(images, 3, transform=flip)
    assert isinstance(batch, Tensor) and batch.shape == (3, 1, 2, 2)


def test_a_transform_of_what_is_no_tensor_says_what_helps():
    with pytest.raises(TypeError, match="a transform changes a tensor, got dict: let collate_fn do it"):
        list(DataLoader([{"x": 1.0}], transform=flip))


# -- chance without a seed -----------------------------------------------------------------------------------------


@DEPTHS
def test_manual_seed_decides_every_pass_of_a_loader_without_a_seed(ahead):
    loader = DataLoader(TensorDataset(LABELS), 4, shuffle=True, prefetch=ahead)
    passes = []
    for _ in range(2):
        manual_seed(3)
        passes += [[x.tolist() for (x,) in loader] for _ in range(2)]
    assert passes[:2] == passes[2:] and passes[0] != passes[1]
    assert sorted(x for batch in passes[0] for x in batch) == LABELS.tolist()


def test_a_loader_without_chance_draws_nothing_and_an_own_generator_leaves_the_package_s():
    state = manual_seed(3).bit_generator.state
    list(DataLoader(TensorDataset(LABELS), 4))
    options = {"shuffle": True, "batch_size": 4}
    first, again = (
        [x.tolist() for (x,) in DataLoader(TensorDataset(LABELS), **options, generator=Generator().manual_seed(1))]
        for _ in range(2)
    )
    assert first == again and manual_seed(3).bit_generator.state == state


def test_a_pass_with_a_drawn_seed_goes_on_where_it_stopped():
    def made():
        return DataLoader(TensorDataset(IMAGES, LABELS), 3, shuffle=True, transform=AUGMENT)

    loader = made()
    batches = iter(loader)
    next(batches), next(batches)
    state = loader.state_dict()
    other = made()
    other.load_state_dict(state)
    for (x, y), (a, b) in zip(batches, other, strict=True):
        assert np.array_equal(x.data, a.data) and np.array_equal(y.data, b.data)


def test_a_split_is_drawn_from_the_package_s_generator_or_another():
    def parts(generator=None):
        return [part.indices.tolist() for part in random_split(list(range(10)), [7, 3], generator)]

    manual_seed(5)
    first, second = parts(), parts()
    manual_seed(5)
    assert parts() == first != second and parts(Generator().manual_seed(2)) == parts(Generator().manual_seed(2))


def test_workers_make_batches_ahead_and_texts_stay_texts():
    examples = [("a", 1), ("b", 2), ("c", 3)]
    assert DataLoader(examples, 2, num_workers=2, pin_memory=True).ahead == 2
    assert [(x, y.tolist()) for x, y in DataLoader(examples, 2, num_workers=1)] == [(["a", "b"], [1, 2]), (["c"], [3])]
    with pytest.raises(ValueError, match="worker_init_fn"):
        DataLoader(examples, worker_init_fn=print)


# -- nothing is accepted and then ignored --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "examples", [[None, None], [1.0, None], [(1.0, None), (2.0, None)], [{"a": None}, {"a": 1}], ["a", None]]
)
def test_a_none_among_the_examples_is_named(examples):
    with pytest.raises(TypeError, match="an example is None"):
        next(iter(DataLoader(examples, 2)))


def test_a_subset_by_a_mask_is_where_it_is_true():
    data = TensorDataset(np.array([10, 20, 30, 40]))
    for mask in (np.array([True, False, True, False]), [True, False, True, False], Tensor(np.array([1, 0, 1, 0]) > 0)):
        assert [x.item() for (x,) in Subset(data, mask)] == [10, 30]
    with pytest.raises(ValueError, match=r"a mask of 4 examples has their length, got shape \(2,\)"):
        Subset(data, [True, False])
    with pytest.raises(TypeError, match="whole numbers or a mask, got float64"):
        Subset(data, [0.5, 1.0])
    assert len(Subset(data, [])) == 0


SAMPLERS = {
    "list": [3, 1, 2], "tuple": (3, 1, 2), "array": np.array([3, 1, 2]), "tensor": Tensor(np.array([3, 1, 2])),
    "dict": {3: 0, 1: 0, 2: 0}, "range": range(3, 0, -1),
    "generator": (i for i in (3, 1, 2)), "iterator": iter([3, 1, 2]),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLERS)
def test_any_iterable_of_numbers_is_a_sampler_epoch_after_epoch(name):
    loader = DataLoader(TensorDataset(np.arange(5)), 2, sampler=SAMPLERS[name])
    expected = [[3, 2], [1]] if name == "range" else [[3, 1], [2]]
    for _ in range(2):
        assert [batch[0].tolist() for batch in loader] == expected
    assert len(loader) == 2
