"""Chapter 08, data loaders: order, batches, transforms, and a thread that works ahead.

Images are small arrays (B, C, H, W) in which no two pixels are equal, so that each says where it came from. Chance is a
generator whose seed the judge knows, so that every transform has one right answer. What `prefetch` does is watched from
a thread of the probe's own: a body that waits for ever is told so, and costs its own check only.
"""

import numpy as np
from hypothesis import strategies as st
from strategies import example, filled, shapes

from tito.outcomes import TimedOut
from tito.rubrics.compare import close, holds, refuses, same
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("08", module="dataloader")

rubric.exercise("shuffled", difficulty=1, minutes=4)
rubric.exercise("BatchSampler.__iter__", difficulty=2, minutes=8)
rubric.exercise("collate", difficulty=2, minutes=12)
rubric.exercise("normalize", difficulty=1, minutes=8)
rubric.exercise("crop", difficulty=2, minutes=12)
rubric.exercise("flip", difficulty=1, minutes=6)
rubric.exercise("prefetch", difficulty=3, minutes=30)


# -- shuffled ---------------------------------------------------------------------------------------------------------

rubric.doctests("shuffled", points=1)


def keys(n, *entropy):
    return np.random.PCG64(list(entropy)).random_raw(n)


def ordered(values):
    return np.argsort(values, kind="stable")


@rubric.check("shuffled", points=1)
@given(
    st.integers(4, 8),
    st.integers(1, 4),
    st.integers(0, 3),
    always=[
        *[(5, 1, 0), (6, 1, 2), (6, 2, 1), (6, 1, 9), (6, 2**40 + 1, 1), (6, 0, 2**33), (1, 1, 1), (0, 1, 1)],
        (6, 2**62 + 1, 1),  # a seed as `drawn_seed` draws it: too long for a float
        (12, 67886, 1),  # the 24 bits that float32 has are alike in two of these keys
    ],
)
def seed_and_epoch_choose_the_order(student, n, seed, epoch):
    """Every number below n once, in the order of the keys that PCG64([seed, epoch]) draws: another epoch, another."""
    drawn, right = keys(n, seed, epoch), ordered(keys(n, seed, epoch))
    yours = student.shuffled(n, seed, epoch)
    mistakes = {
        "the epoch is not in it": ordered(keys(n, seed, 0)),
        "the seed is not in it": ordered(keys(n, 0, epoch)),
        "seed and epoch are exchanged": ordered(keys(n, epoch, seed)),
        "seed and epoch are added: seed 1, epoch 0 is seed 0, epoch 1 then": ordered(keys(n, seed + epoch)),
        "this is the rank of each key: argsort once, not twice": ordered(right),
        "these are the keys: argsort tells which number stands where": np.sort(drawn),
        "this is backwards: the smallest key comes first": right[::-1],
        "NumPy's own permutation may change with its version": np.random.default_rng([seed, epoch]).permutation(n),
    }
    if isinstance(yours, np.ndarray) and yours.shape == (n,) and not any(np.array_equal(yours, m) for m in mistakes):
        holds(len(set(yours.tolist())) == n, "a number comes twice: another one never comes", yours=yours)
    close(yours, right, "the order", mistakes=mistakes)


# -- BatchSampler.__iter__ --------------------------------------------------------------------------------------------


@rubric.probe
def batches_of(tt, order, batch_size, drop_last):
    class Order(tt.dataloader.Sampler):
        """An order that can be walked through, and no more: it has no index. Every second pass goes backwards."""

        passes = 0

        def __len__(self):
            return len(order)

        def __iter__(self):
            self.passes += 1
            return iter(order if self.passes % 2 else order[::-1])

    sampler = tt.dataloader.BatchSampler(Order(), batch_size, drop_last)
    return [list(sampler), list(sampler), len(sampler)]


@rubric.probe
def walks_of(tt, order, batch_size):
    """Two walks in turn through an order that has no length, each list emptied once it was seen, and a third after a
    walk that was left at its first batch."""

    class Order:
        def __iter__(self):
            return iter(order)

    def seen(at):
        kept = list(at)
        if isinstance(at, list):
            at.clear()
        return kept

    sampler = tt.dataloader.BatchSampler(Order(), batch_size)
    walks, in_turn, end = [iter(sampler), iter(sampler)], [[], []], object()
    for _ in range(len(order) + 1):
        for walk, batches in zip(walks, in_turn):
            if (at := next(walk, end)) is not end:
                batches.append(seen(at))
    sampler = tt.dataloader.BatchSampler(Order(), batch_size)
    next(iter(sampler), None)
    return [*in_turn, list(sampler)]


ORDERS = [([], 1), ([3, 1, 2, 0], 2), ([2, 0, 1], 2), ([1, 0], 2), ([1, 0], 3), ([4, 1, 3, 0, 2], 4)]
orders = st.integers(0, 7).flatmap(lambda n: st.permutations(range(n)))


def cut(order, size, drop_last):
    pieces = [order[i : i + size] for i in range(0, len(order), size)]
    return [piece for piece in pieces if len(piece) == size or not drop_last]


def told(yours, right, what):
    """Why these are not the batches, where one can say it; then the plain comparison."""
    lists_only(yours)
    holds([] not in yours, f"{what}: there is an empty one", yours=yours, expected=right)
    same(yours, right, what)


def lists_only(yours):
    holds(all(isinstance(batch, list) for batch in yours), "a batch is a list of numbers", yours=yours)


@rubric.check("BatchSampler.__iter__", points=1)
@given(orders, st.integers(1, 4), always=ORDERS)
def every_number_once_in_order(student, order, batch_size):
    """Lists of batch_size numbers in the order that the sampler has in this pass; the last holds what is left, and none
    is empty. An order may have no length, and a pass knows nothing of another one."""
    first, second, count = student.batches_of(order, batch_size, False)
    right = cut(order, batch_size, False)
    lists_only(first)
    holds(first != cut(order, batch_size, True) or first == right, "the short batch at the end is missing", yours=first)
    told(first, right, "the list of batches")
    same(second, cut(order[::-1], batch_size, False), "the list of a second pass, for which the order was turned round")
    same(len(first), count, "the number of batches, beside len()")
    one, other, after = student.walks_of(order, batch_size)
    told(one, right, "the list of one of two passes that take turns")
    told(other, right, "the list of the other of two passes that take turns")
    told(after, right, "the list of a pass after one that was left at its first batch")


@rubric.check("BatchSampler.__iter__", points=1)
@given(orders, st.integers(1, 4), always=ORDERS)
def short_ones_may_be_dropped(student, order, batch_size):
    """With drop_last a batch that is not full is left out: the last one, and only if it is short."""
    first, _, count = student.batches_of(order, batch_size, True)
    right = cut(order, batch_size, True)
    lists_only(first)
    holds(len(first) >= len(right), "a full batch is missing", yours=first, expected=right)
    holds(all(len(batch) == batch_size for batch in first), "a short batch is left", yours=first, expected=right)
    told(first, right, "the list of batches")
    same(len(first), count, "the number of batches, beside len()")


# -- collate ----------------------------------------------------------------------------------------------------------

rubric.doctests("collate", points=1)


@rubric.probe
def collated(tt, examples, as_tensors):
    """The batch as a tree: what kind each node is, and what stands below it; and whether the examples are as they were.

    With `as_tensors` arrays are Tensors, and pairs are Batches already.
    """

    def wrapped(value):
        if isinstance(value, np.ndarray):
            return tt.Tensor(value) if as_tensors else value
        if isinstance(value, dict):
            return {key: wrapped(item) for key, item in value.items()}
        if as_tensors and isinstance(value, tuple) and len(value) == 2:
            return tt.dataloader.Batch(*map(wrapped, value))
        return type(value)(map(wrapped, value)) if isinstance(value, (tuple, list)) else value

    def tree(value):
        if isinstance(value, dict):
            return ["dict", {str(key): tree(item) for key, item in value.items()}]
        if isinstance(value, (tuple, list)):
            return [type(value).__name__, [tree(item) for item in value]]
        return [type(value).__name__, value.data if isinstance(value, tt.Tensor) else str(value)]

    own = [wrapped(example) for example in examples]
    kept, shown = list(own), repr(own)
    batch = tree(tt.dataloader.collate(own))
    return batch, len(own) == len(kept) and all(a is b for a, b in zip(own, kept)) and repr(own) == shown


def leaf(count):
    """`count` numbers, or arrays of one shape, that are to be stacked."""
    whole, halves = st.integers(0, 9), st.integers(0, 9).map(lambda n: n / 2)
    array = shapes(dims=2, least=1).flatmap(
        lambda shape: st.sampled_from([np.float32, np.int64, np.uint8, np.float64]).flatmap(
            lambda dtype: listed(filled(shape, st.integers(0, 9), dtype), count)
        )
    )
    return st.one_of(listed(whole, count), listed(halves, count), array)


def listed(strategy, count):
    return st.lists(strategy, min_size=count, max_size=count)


def forms(depth):
    """("leaf",), ("tuple" or "list", forms) or ("dict", forms)."""
    if not depth:
        return st.just(("leaf",))
    inner = st.lists(forms(depth - 1), min_size=1, max_size=3)
    return st.tuples(st.sampled_from(["tuple", "list", "dict"]), inner)


@st.composite
def structured(draw, depth):
    """One to three examples of one form."""
    count = draw(st.integers(1, 3))

    def build(form):
        kind, *parts = form
        if kind == "leaf":
            return draw(leaf(count))
        columns = [build(part) for part in parts[0]]
        if kind == "dict":
            return [dict(zip("abc", row)) for row in zip(*columns)]
        return [tuple(row) if kind == "tuple" else list(row) for row in zip(*columns)]

    return build(draw(forms(depth)))


def stack(examples):
    """The tree of a right answer."""
    first = examples[0]
    if isinstance(first, dict):
        return ["dict", {key: stack([example[key] for example in examples]) for key in first}]
    if isinstance(first, tuple | list):
        return ["Batch" if len(first) == 2 else "tuple", [stack(column) for column in zip(*examples)]]
    if isinstance(first, str):
        return ["list", [["str", text] for text in examples]]
    dtype = np.float32 if float in map(type, examples) else {int: np.int64, bool: np.bool_}.get(type(first))
    return ["Tensor", np.array(examples, dtype) if dtype else np.stack(examples)]


def compare(yours, expected, where="the batch"):
    (kind, inside), (right, parts) = yours, expected
    same(kind, right, f"the type of {where}")
    if right == "Tensor":
        return close(inside, parts, where)
    if right == "str":
        return same(inside, parts, where)
    if right == "dict":
        same(sorted(inside), sorted(parts), f"the keys of {where}")
        return [compare(inside[key], parts[key], f"{where}[{key!r}]") for key in parts]
    same(len(inside), len(parts), f"the length of {where}")
    return [compare(mine, part, f"{where}[{i}]") for i, (mine, part) in enumerate(zip(inside, parts))]


TOLD = [
    [1, 2**40],
    [0.5, 2.0],
    [(1, 0.5), (2, 1.5)],
    [[1, 2], [3, 4]],
    [(1,), (2,)],
    [(1, 2, 3), (4, 5, 6)],
    [{"a": (1, 2), "b": [3]}, {"a": (4, 5), "b": [6]}],
    [((1, {"a": 2}), 3), ((4, {"a": 5}), 6)],
    [np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)],
    [(np.uint8([1, 2]), np.float64([0.5])), (np.uint8([3, 4]), np.float64([1.5]))],
    [(7, 0.5)],
    [np.float32([1, 2])],
    [np.array(1), np.array(2)],
    [1, 0.5],
    [True, False],
    [np.uint8([1]), np.float32([0.5])],
    [("a", 1), ("bc", 2)],
    [{"a": 1, "b": 0.5}, {"b": 1.5, "a": 2}],
]


@rubric.check("collate", points=1)
@given(
    st.one_of(structured(0), structured(1), structured(2)),
    st.booleans(),
    always=[(examples, as_tensors) for examples in TOLD for as_tensors in (False, True)],
)
def the_form_stays_and_each_column_is_stacked(student, examples, as_tensors):
    """Numbers and arrays are stacked, texts listed, pairs are a Batch, other tuples a tuple, dicts a dict; inside of
    these, again. The examples stay as they are."""
    batch, unchanged = student.collated(examples, as_tensors)
    compare(batch, stack(examples))
    holds(unchanged, "the examples are not what they were before the call")


@rubric.check("collate", points=1, examples=8)
@given(
    shapes(dims=2, least=1).map(list),
    st.sampled_from(["bare", "pairs", "dicts"]),
    always=[([2], "bare"), ([1], "bare"), ([1, 2], "pairs"), ([2], "dicts")],
)
def what_does_not_fit_together_is_refused(student, shape, kind):
    """Shapes that differ are named in a ValueError, tuples of different lengths are one, too, a None is a TypeError:
    nothing is lost, stretched or left out in silence."""
    small, large = np.zeros(shape), np.zeros([*shape[:-1], shape[-1] + 1])
    make = {"bare": lambda x: x, "pairs": lambda x: (x, 1), "dicts": lambda x: {"x": x}}[kind]
    examples = [make(small), make(large)]
    for some in (examples, examples[::-1]):
        refuses("ValueError", student.collated, some, False, mentioning=[str(small.shape), str(large.shape)])
    for some in ([(small, 1), (small,)], [(small,), (small, 1)]):
        refuses("ValueError", student.collated, some, False)
    for some in ([small, None], [None, small], [(small, None), (small, None)]):
        refuses("TypeError", student.collated, some, False)


# -- normalize --------------------------------------------------------------------------------------------------------

rubric.doctests("normalize", points=1)


@st.composite
def pictures(draw, dtypes=(np.float32, np.uint8, np.int64)):
    """Images (B, C, H, W) in which no two pixels are equal, and none is zero."""
    shape = tuple(draw(st.integers(*ends)) for ends in [(1, 3), (1, 3), (2, 3), (2, 3)])
    dtype = draw(st.sampled_from(dtypes))
    return (1 + np.arange(np.prod(shape))).reshape(shape).astype(dtype)


@st.composite
def to_normalize(draw):
    """Bytes, or floats in 0..1; a mean and a standard deviation for each channel."""
    images = draw(pictures([np.float32, np.uint8]))
    if images.dtype == np.float32:
        images = images / np.float32(64)
    c = images.shape[1]
    spreads = st.sampled_from([0.25, 0.5, 2.0])
    return images, draw(listed(st.integers(0, 4).map(lambda n: n / 4), c)), draw(listed(spreads, c))


@rubric.probe
def normalized(tt, images, mean, std):
    own = images.copy()
    z = tt.dataloader.normalize(own, mean=mean, std=std)
    before, kept = np.array(z), own.copy()
    own += 1
    return before, np.array(z), kept


def left_alone(images, afterwards, answer, later):
    """What was given is as it was; and the answer stays when that is changed."""
    unchanged, apart = (np.array_equal(x, y, equal_nan=True) for x, y in [(images, afterwards), (answer, later)])
    holds(unchanged, "the images are not what they were: write into a new array", before=images, afterwards=afterwards)
    holds(apart, "the answer shares the images' memory: it changes when they do", before=answer, afterwards=later)


IMAGES = example(2, 2, 1, 3)
BYTES = np.array([0, 255, 1, 128], np.uint8).reshape(1, 2, 1, 2)
CHANNELS = [0.25, 1.0], [0.5, 2.0]
SMALL = np.float32([0.25, 1.0]), np.float32([2.0**-10, 2.0])  # arrays, and a std beside which an epsilon counts
PARTS = (IMAGES - 4) / 7  # below zero, too, and with more digits than float16 has
UNKNOWN = np.where(IMAGES == 3, np.nan, PARTS)


@rubric.check("normalize", points=1)
@given(
    to_normalize(),
    always=[
        (BYTES, *CHANNELS),
        *[(images, *CHANNELS) for images in (IMAGES.astype(kind) for kind in ["f4", "f8", "i8", "i4", "u2", "i1"])],
        (PARTS.astype("f2"), *CHANNELS),
        *[(images, *SMALL) for images in (BYTES, PARTS.astype("f4"), UNKNOWN.astype("f4"))],
        (BYTES, np.float64([0.25, 1.0]), np.float64([0.5, 2.0])),
        (BYTES, [0, 1], [2, 4]),
        (IMAGES.astype("f4"), [0, 0], [1, 1]),
        (IMAGES[:0].astype(np.uint8), *CHANNELS),
    ],
)
def each_channel_by_its_own(student, images, mean, std):
    """z = (x - mean) / std, channel by channel; bytes (uint8) are x / 255 first; a new array of float32 comes out, and
    x, mean and std stay as they are."""
    center, spread = (np.reshape(value, (1, -1, 1, 1)) for value in (mean, std))
    is_bytes = images.dtype == np.uint8
    x = images / 255 if is_bytes else images.astype(np.float64)
    right = ((x - center) / spread).astype(np.float32)
    mistakes = {
        "it is divided by the variance": (x - center) / spread**2,
        "it is multiplied by std": (x - center) * spread,
        "the mean is added": (x + center) / spread,
        "only x is divided by std, not the mean": x / spread - center,
        "these are all divided by the first channel's std": (x - center) / std[0],
        "the first channel's mean is taken from all": (x - mean[0]) / spread,
    }
    if is_bytes:
        mistakes["bytes are to count as x / 255"] = (images - center) / spread
        mistakes["there are 255 steps from 0 to 1, not 256"] = (images / 256 - center) / spread
    else:
        mistakes["only bytes (uint8) are divided by 255"] = (x / 255 - center) / spread
    if images.shape[1] == images.shape[3]:
        wrong = (x - np.reshape(mean, (1, 1, 1, -1))) / np.reshape(std, (1, 1, 1, -1))
        mistakes["mean and std run along the columns (W): the channel is axis 1"] = wrong
    yours, later, afterwards = student.normalized(images, mean, std)
    close(yours, right, "z", rtol=1e-4, atol=1e-5, mistakes=mistakes)
    left_alone(images, afterwards, yours, later)


# -- crop -------------------------------------------------------------------------------------------------------------

PICTURES = [example(3, 2, 2, 3, dtype=kind) for kind in (np.float32, np.float64, np.uint8, np.int64)]
MOVED = [*[(images, 1, 1) for images in PICTURES], *[(PICTURES[0], 2, p) for p in (0, 3)]]

rubric.doctests("crop", points=1)


@rubric.probe
def cropped(tt, images, seed, padding):
    own, rng = images.copy(), np.random.default_rng(seed)
    moved = tt.dataloader.crop(own, rng, padding)
    before, kept = np.array(moved), own.copy()
    own += 1
    return before, np.array(moved), kept, rng.random()


def window(image, dy, dx, padding, **how):
    """One image's window, at (dy, dx) of its padded self."""
    _, h, w = image.shape
    edge = ((0, 0), (padding, padding), (padding, padding))
    return np.pad(image, edge, **how)[:, dy : dy + h, dx : dx + w]


def windows(images, dy, dx, padding, **how):
    return np.stack([window(image, y, x, padding, **how) for image, y, x in zip(images, dy, dx)])


@rubric.check("crop", points=1)
@given(pictures(), st.integers(0, 5), st.integers(0, 3), always=MOVED)
def each_image_through_a_window_of_its_own(student, images, seed, padding):
    """Image b is the H x W window at (dy[b], dx[b]) of its zero-padded self, and all its channels move together."""
    rng = np.random.default_rng(seed)
    dy, dx = rng.integers(0, 2 * padding + 1, (2, len(images)))
    by, bx = 2 * padding - dy, 2 * padding - dx
    first = np.zeros_like(dy)
    one = np.random.default_rng(seed).integers(0, 2 * padding + 1, 2)
    across = np.random.default_rng(seed).integers(0, 2 * padding + 1, (len(images), 2)).T
    short = np.random.default_rng(seed).integers(0, max(2 * padding, 1), (2, len(images)))
    mistakes = {
        "no image is moved": images,
        "dy and dx are exchanged: dy moves along H, dx along W": windows(images, dx, dy, padding),
        "every image is moved like the first": windows(images, dy[0] + first, dx[0] + first, padding),
        "the images are moved the other way": windows(images, by, bx, padding),
        "what comes in at the edges is the edge, not zeros": windows(images, dy, dx, padding, mode="edge"),
        "what leaves at one side comes in at the other": windows(images, dy, dx, padding, mode="wrap"),
        "only H is moved": windows(images, dy, padding + first, padding),
        "only W is moved": windows(images, padding + first, dx, padding),
        "one dy and one dx are drawn for all images": windows(images, one[0] + first, one[1] + first, padding),
        "(B, 2) numbers are drawn: dy and dx are the rows of (2, B)": windows(images, *across, padding),
        "rng.integers leaves out its upper end: 2 * padding is a corner, too": windows(images, *short, padding),
    }
    yours, *_ = student.cropped(images, seed, padding)
    close(yours, windows(images, dy, dx, padding), "the crop", mistakes=mistakes)


@rubric.check("crop", points=1)
@given(pictures(), st.integers(0, 5), st.integers(0, 3), always=MOVED)
def nothing_else_changes(student, images, seed, padding):
    """The answer is a copy, the images stay as they are, and rng has drawn dy and dx for each image, nothing else."""
    rng = np.random.default_rng(seed)
    rng.integers(0, 2 * padding + 1, (2, len(images)))
    yours, later, afterwards, drawn = student.cropped(images, seed, padding)
    same(list(yours.shape), list(images.shape), "the shape of the crop")
    same(yours.dtype.name, images.dtype.name, "the dtype of the crop")
    left_alone(images, afterwards, yours, later)
    holds(drawn == rng.random(), "rng has drawn something else than integers(0, 2 * padding + 1, (2, B))")


# -- flip -------------------------------------------------------------------------------------------------------------

rubric.doctests("flip", points=1)


@rubric.probe
def flipped(tt, images, seed, p):
    own, rng = images.copy(), np.random.default_rng(seed)
    mirrored = tt.dataloader.flip(own, rng, p)
    before, kept = np.array(mirrored), own.copy()
    own += 1
    return before, np.array(mirrored), kept, rng.random()


@rubric.check("flip", points=1)
@given(
    pictures(),
    st.integers(0, 9),
    st.sampled_from([0.5, 0.0, 0.2, 1.0]),
    always=[
        *[(images, 0, 0.5) for images in PICTURES],
        *[(PICTURES[0], 0, p) for p in (0.0, 0.2, 0.7, 1.0)],
    ],
)
def left_to_right_where_chance_says_so(student, images, seed, p):
    """Image b is mirrored, left to right, where rng.random(B)[b] < p; the others, and what was given, stay. The answer
    is a new array, even if no image is mirrored, or all are."""
    rng = np.random.default_rng(seed)
    chosen = (rng.random(len(images)) < p).reshape(-1, 1, 1, 1)
    every, none, other = images[..., ::-1], images, np.where(chosen, images, images[..., ::-1])
    mistakes = {}
    if not chosen.any():
        mistakes["it is mirrored, though rng.random(B)[b] is not below p"] = every
    elif chosen.all():
        mistakes["it is not mirrored, though rng.random(B)[b] is below p"] = none
    else:
        one = np.random.default_rng(seed).random() < p
        mistakes["one draw decides for the whole batch"] = every if one else none
        mistakes["these are mirrored where they should stay"] = other
        mistakes["all images are mirrored, whatever chance says"] = every
        mistakes["no image is mirrored"] = none
    ways = {
        "mirrored top to bottom: W is the last axis": images[:, :, ::-1],
        "turned by half a turn: only W is mirrored": images[:, :, ::-1, ::-1],
        "the channels are in reverse, not the columns": images[:, ::-1],
        "the batch is in reverse, not the columns": images[::-1],
    }
    mistakes |= {say: np.where(chosen, way, images) for say, way in ways.items()}
    yours, later, afterwards, drawn = student.flipped(images, seed, p)
    close(yours, np.where(chosen, images[..., ::-1], images), "the answer", mistakes=mistakes)
    left_alone(images, afterwards, yours, later)
    holds(drawn == rng.random(), "rng has drawn something else than random(B): one number for each image")


# -- prefetch ---------------------------------------------------------------------------------------------------------


@rubric.probe
def taken_from(tt, items, depth, failure):
    """Take everything that a source yields, up to its end or its error."""
    import builtins
    import threading
    import traceback

    # What is found by its name here is an item like any other, though no == and no isinstance tells it from an end.
    odd = {"an array": np.array([1, 2]), "an error": ValueError("an item")}

    def the_source():
        makers.append(threading.current_thread())
        yield from [odd.get(item, item) for item in items]
        if failure is not None:
            raise getattr(builtins, failure)("no more film")

    def take():
        try:
            for item in tt.dataloader.prefetch(the_source(), depth):
                taken.append(next((name for name, value in odd.items() if value is item), item))
        except BaseException as error:
            frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
            raised.append([type(error).__name__, str(error), "the_source" in frames])

    makers, taken, raised = [], [], []
    caller = threading.Thread(target=take, daemon=True)
    caller.start()
    caller.join(2.0)
    return {
        "taken": list(taken),
        "raised": list(raised),
        "by the caller": caller in makers,
        "hangs": caller.is_alive(),
    }


def watch(answer):
    """What a probe saw; told as timed out if the caller still waits."""
    if answer["hangs"]:
        count = len(answer.get("taken", []))
        done = f", after {count} item{'s' * (count > 1)}" if count else ""
        raise TimedOut(
            f"the caller waits for ever{done}: does the thread run, is room released and the line abandoned?"
        )
    return answer


@rubric.probe
def taken_in_turn(tt, items, depth):
    """Two at once: one item of each, again and again."""
    import threading

    def take():
        both = [tt.dataloader.prefetch(iter(items), depth), tt.dataloader.prefetch(iter(items[::-1]), depth)]
        taken.extend(list(pair) for pair in zip(*both))

    taken = []
    caller = threading.Thread(target=take, daemon=True)
    caller.start()
    caller.join(2.0)
    return {"taken": list(taken), "hangs": caller.is_alive()}


things = st.lists(st.sampled_from([1, 2, 3, 0, None, "", False]), max_size=6)
OWN = "the caller's own thread makes the items: they are to be made in another one"


@rubric.check("prefetch", points=1)
@given(
    things,
    st.integers(1, 3),
    always=[([], 1), ([None], 1), ([1, None, 2, False, ""], 2), (["an array", "an error", 1], 2)],
)
def the_same_items_in_order(student, items, depth):
    """What the source yields, all of it, in order, made in another thread. None, an array and an error are items like
    any others, and two such lines do not get in each other's way."""
    seen = watch(student.taken_from(items, depth, None))
    same(seen["raised"], [], "what was raised")
    same(seen["taken"], items, "the list of items")
    holds(not seen["by the caller"], OWN)
    in_turn = watch(student.taken_in_turn(items, depth))
    same(in_turn["taken"], [list(pair) for pair in zip(items, items[::-1])], "the list of pairs from two at once")


@rubric.check("prefetch", points=1, examples=15)
@given(
    things,
    st.integers(1, 3),
    st.sampled_from(["ArithmeticError", "OSError", "KeyboardInterrupt"]),
    always=[([], 1, "OSError"), ([1, None, 2], 1, "ArithmeticError"), ([None], 3, "KeyboardInterrupt")],
)
def an_error_comes_after_the_items_before_it(student, items, depth, error):
    """An error in the source is raised at the caller, after the items made before it, with its type, text and trace."""
    seen = watch(student.taken_from(items, depth, error))
    same(seen["taken"], items, "the list of items before the error")
    holds(seen["raised"] != [], f"{error} is lost: the caller takes it for the end")
    kind, message, in_source = seen["raised"][0]
    same([kind, message], [error, "no more film"], "the error")
    holds(in_source, "the traceback does not reach into the source: raise the error itself, not one like it")
    holds(not seen["by the caller"], OWN)


@rubric.probe
def made_while_held(tt, depth, held):
    """How many items are begun while the caller holds on to one; counted when no more seem to come."""
    import threading

    def source():
        for i in range(20):
            with progress:
                makers.append(threading.current_thread())
                progress.notify_all()
            yield i

    def take():
        for taken, _ in enumerate(tt.dataloader.prefetch(source(), depth), 1):
            if taken == held:
                with progress:
                    progress.wait_for(lambda: len(makers) >= held + depth, 2.0)
                    progress.wait_for(lambda: len(makers) > held + depth, 0.05)
                    counts.append(len(makers))
                counted.set()
                break

    makers, counts, progress, counted = [], [], threading.Condition(), threading.Event()
    # A thread is a daemon if the one that starts it is, unless told otherwise: so this one is none.
    caller = threading.Thread(target=take, daemon=False)
    caller.start()
    hangs = not counted.wait(4.0) and caller.is_alive()
    daemons = all(maker.daemon for maker in makers)
    return {"made": counts, "by the caller": caller in makers, "daemons": daemons, "hangs": hangs}


@rubric.check("prefetch", points=1)
def so_many_ahead_and_no_more(student):
    """While the caller works on an item, `depth` more are made in another thread, a daemon; then this one waits."""
    for depth, held in [(1, 1), (1, 3), (2, 1), (3, 4)]:
        seen = watch(student.made_while_held(depth, held))
        holds(seen["made"] != [], f"item {held} never came")
        [made] = seen["made"]
        shown = {"depth": depth, "item in work": held, "items made": made, "expected": held + depth}
        holds(made > held, "nothing is made ahead: the next item is begun when the caller asks for it", **shown)
        holds(
            made >= held + depth,
            "fewer than `depth` are made ahead: each item that is taken makes room for one",
            **shown,
        )
        holds(made <= held + depth, "too many are made ahead: memory has no bound then", **shown)
        holds(not seen["by the caller"], OWN)
        holds(seen["daemons"], "the thread is no daemon: a program that ends in mid-pass would wait for it for ever")


@rubric.probe
def left_early(tt, depth, taken, ending):
    """Leave in the middle of a pass, while the thread is at work on an item: who is left?"""
    import contextlib
    import threading

    def source():
        for i in range(20):
            made.append(i)
            if i == taken:
                at_work.set()
                gate.wait(0.1)
            yield i

    def leave():
        for count, _ in enumerate(tt.dataloader.prefetch(source(), depth), 1):
            if count == taken:
                at_work.wait(0.5)
                during.extend(others())
                if ending == "break":
                    break
                raise ArithmeticError("in the loop's body")

    def visit():
        with contextlib.suppress(ArithmeticError):
            leave()
        after.append(len(others()))
        after.append(len(made))
        gate.set()

    def others():
        return [thread for thread in threading.enumerate() if thread not in before and thread is not caller]

    before, at_work, gate = threading.enumerate(), threading.Event(), threading.Event()
    made, during, after = [], [], []
    caller = threading.Thread(target=visit, daemon=True)
    caller.start()
    caller.join(2.0)
    return {"during": len(during), "after": after, "hangs": not after}


@rubric.check("prefetch", points=1)
def who_stops_early_leaves_no_thread(student):
    """After a `break` or an error in the loop's body, the thread has ended, and has begun no other item."""
    for depth, taken, ending in [(1, 1, "break"), (2, 1, "error"), (3, 2, "break")]:
        seen = watch(student.left_early(depth, taken, ending))
        left, made = seen["after"]
        shown = {"depth": depth, "items taken": taken, "stopped by": ending, "threads left": left, "items made": made}
        holds(seen["during"], "no thread was at work before that", **shown)
        holds(left == 0, "a thread is left: abandon the line and join it, in a finally", **shown)
        holds(made <= taken + depth, "more items are made after that", **shown)


rubric.doctests("prefetch", points=1)  # the last: here a body that hangs would take the other checks with it


# -- accounting -------------------------------------------------------------------------------------------------------


def steps_of_a_loader():
    """The batches of ten epochs, by the loader's own length."""
    from tinytorch.dataloader import DataLoader, TensorDataset

    data = TensorDataset(np.zeros((50_047, 1), np.float32))
    return 10 * len(DataLoader(data, 128, shuffle=True, drop_last=True))


@rubric.accounting(points=1, unit="steps", counted=steps_of_a_loader, tolerance=0, difficulty=1, minutes=4)
def steps_taken():
    """How many steps does an optimizer take in 10 epochs over 50,047 examples, in batches of 128, if the short batch at
    the end of each epoch is dropped?"""
    # How many whole batches has one epoch? What is left over counts in none of them.
    return 10 * (50_047 // 128)
