"""Wrong answers to chapter 08: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import queue
import threading
from itertools import islice

import numpy as np

from tinytorch.dataloader import Pipeline, bundle, collate, image_axes, prefetch, stacked
from tinytorch.tensor import Tensor
from tito.rubrics.planted import wrong

# -- shuffled ---------------------------------------------------------------------------------------------------------

wrong("shuffled", "forgets the epoch: every pass has the same order", "[seed, epoch]", "seed")
wrong("shuffled", "forgets the seed", "seed", "0")
wrong("shuffled", "adds seed and epoch", "[seed, epoch]", "[seed + epoch, 0]")
wrong("shuffled", "exchanges seed and epoch", "[seed, epoch]", "[epoch, seed]")
wrong("shuffled", "answers with the sorted keys", "np.argsort", "np.sort", ', kind="stable"', "")
wrong("shuffled", "has two orders that take turns", "[seed, epoch]", "[seed, epoch % 2]")
wrong("shuffled", "keeps 16 bits of the seed", "[seed, epoch]", "[seed % 2**16, epoch]")
wrong("shuffled", "takes the seed for a float", "[seed, epoch]", "[int(float(seed)), epoch]")
wrong("shuffled", "keeps 24 bits of the keys", ".random_raw(n)", ".random_raw(n).astype(np.float32)")


@wrong("shuffled", "answers with the rank of each key")
def shuffled_ranks(n, seed, epoch=0):
    return np.argsort(np.argsort(np.random.PCG64([seed, epoch]).random_raw(n), kind="stable"), kind="stable")


@wrong("shuffled", "draws with replacement")
def shuffled_draws(n, seed, epoch=0):
    return (np.random.PCG64([seed, epoch]).random_raw(n) % n).astype(np.int64)


@wrong("shuffled", "uses the global generator")
def shuffled_global(n, seed, epoch=0):
    return np.random.permutation(n)


@wrong("shuffled", "takes NumPy's permutation, which is not promised to stay")
def shuffled_permutation(n, seed, epoch=0):
    return np.random.default_rng([seed, epoch]).permutation(n)


# -- BatchSampler.__iter__ --------------------------------------------------------------------------------------------

wrong(
    "BatchSampler.__iter__",
    "never drops the short batch",
    "if len(at) == self.batch_size or not self.drop_last:\n        yield at",
    "yield at",
)
wrong(
    "BatchSampler.__iter__",
    "draws an order once and never again",
    "order = iter(self.sampler)",
    'self.order = getattr(self, "order", None) or list(self.sampler)\norder = iter(self.order)',
)


@wrong("BatchSampler.__iter__", "drops the short batch always")
def batches_dropping(self):
    order = iter(self.sampler)
    while len(at := list(islice(order, self.batch_size))) == self.batch_size:
        yield at


@wrong("BatchSampler.__iter__", "ends with an empty batch where the size divides the number")
def batches_with_an_empty_one(self):
    at = []
    for i in self.sampler:
        at.append(i)
        if len(at) == self.batch_size:
            yield at
            at = []
    if not self.drop_last:
        yield at


@wrong("BatchSampler.__iter__", "drops the last batch although it is full")
def batches_dropping_a_full_one(self):
    order = list(self.sampler)
    pieces = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
    yield from pieces[:-1] if self.drop_last else pieces


@wrong("BatchSampler.__iter__", "clears and fills one and the same list")
def batches_in_one_list(self):
    at = []
    for i in self.sampler:
        at.append(i)
        if len(at) == self.batch_size:
            yield at
            at.clear()
    if at and not self.drop_last:
        yield at


@wrong("BatchSampler.__iter__", "begins the order anew for each batch")
def batches_from_the_start(self):
    for _ in range(len(self)):
        yield list(islice(self.sampler, self.batch_size))


@wrong("BatchSampler.__iter__", "numbers the examples itself, in their own order")
def batches_in_sequence(self):
    n = len(self.sampler)
    for start in range(0, n, self.batch_size):
        if start + self.batch_size <= n or not self.drop_last:
            yield list(range(start, min(start + self.batch_size, n)))


@wrong("BatchSampler.__iter__", "indexes a sampler, which has no index")
def batches_by_index(self):
    for start in range(0, len(self) * self.batch_size, self.batch_size):
        yield self.sampler[start : start + self.batch_size]


@wrong("BatchSampler.__iter__", "asks an order for its length")
def batches_counted(self):
    order = iter(self.sampler)
    for _ in range(len(self)):
        yield list(islice(order, self.batch_size))


@wrong("BatchSampler.__iter__", "keeps its batch: what a pass left behind comes in the next")
def batches_kept(self):
    self.at = getattr(self, "at", [])
    for i in self.sampler:
        self.at.append(i)
        if len(self.at) == self.batch_size:
            yield self.at
            self.at = []
    if self.at and not self.drop_last:
        yield self.at
    self.at = []


@wrong("BatchSampler.__iter__", "keeps its place: two passes at once share it")
def batches_sharing(self):
    self.order = iter(self.sampler)
    while at := list(islice(self.order, self.batch_size)):
        if len(at) == self.batch_size or not self.drop_last:
            yield at


@wrong("BatchSampler.__iter__", "makes all batches about equally long")
def batches_balanced(self):
    order = list(self.sampler)
    if self.drop_last:
        order = order[: len(order) // self.batch_size * self.batch_size]
    if order:
        yield from (part.tolist() for part in np.array_split(order, -(-len(order) // self.batch_size)))


@wrong("BatchSampler.__iter__", "looks at the end into the list that it has given away")
def batches_given_away(self):
    order = iter(self.sampler)
    while at := list(islice(order, self.batch_size)):
        if len(at) < self.batch_size and self.drop_last:
            return
        yield at
        if len(at) < self.batch_size:
            return


# -- collate ----------------------------------------------------------------------------------------------------------

wrong("collate", "makes a plain tuple of pairs", "bundle", "tuple")
wrong(
    "collate",
    "makes a Batch of every tuple",
    "return bundle([collate(column) for column in zip(*examples, strict=True)])",
    "x, y, *_ = [collate(column) for column in zip(*examples, strict=True)] * 2\n    return Batch(x, y)",
)
wrong(
    "collate",
    "stacks the columns without looking into them",
    "key: collate",
    "key: stacked",
    "collate(column)",
    "stacked(column)",
)
wrong("collate", "knows tuples, not lists", "tuple | list", "tuple")
wrong(
    "collate",
    "keeps the rows: a batch of pairs, not a pair of batches",
    "[collate(column) for column in zip(*examples, strict=True)]",
    "[collate(row) for row in examples]",
)
wrong(
    "collate",
    "stacks with NumPy: Python's floats are float64, and shapes are not named",
    "stacked(examples)",
    "Tensor(np.stack([x.data if isinstance(x, Tensor) else np.asarray(x) for x in examples]))",
)
wrong(
    "collate", "makes float32 of everything", "stacked(examples)", "Tensor(stacked(examples).data.astype(np.float32))"
)
wrong("collate", "loses in silence what one example has too few of", ", strict=True", "")
wrong(
    "collate",
    "empties the caller's list",
    "return stacked(examples)",
    "z = stacked(examples)\nif isinstance(examples, list):\n    examples.clear()\nreturn z",
)


wrong("collate", "takes a text for a list, whose letters are texts again", "tuple | list", "tuple | list | str")
wrong("collate", "leaves out what is None", "first = examples[0]",
      "examples = [example for example in examples if example is not None]\nfirst = examples[0]")  # fmt: skip
wrong(
    "collate",
    "takes the parts out of the caller's dicts",
    "example[key]",
    "example.pop(key)",
    "in first}",
    "in list(first)}",
)
wrong(
    "collate",
    "looks at the exact type: a Batch is no tuple",
    "isinstance(first, tuple | list)",
    "type(first) in (tuple, list)",
)
wrong(
    "collate",
    "loses what the first example has too few of",
    "[collate(column) for column in zip(*examples, strict=True)]",
    "[collate(column) for column in zip(*[example[: len(first)] for example in examples], strict=True)]",
)
wrong(
    "collate",
    "takes a dict's values by place, not by key",
    "{key: collate([example[key] for example in examples]) for key in first}",
    "dict(zip(first, [collate(column) for column in zip(*[example.values() for example in examples])]))",
)
wrong(
    "collate",
    "does not stack a single example",
    "return stacked(examples)",
    "return first if len(examples) == 1 and isinstance(first, Tensor) else stacked(examples)",
)
wrong(
    "collate",
    "makes whole numbers of all if the first is one",
    "return stacked(examples)",
    "z = stacked(examples)\nreturn Tensor(z.data.astype(np.int64)) if isinstance(first, int) else z",
)


@wrong("collate", "fills an array made for the first example: others are stretched to it")
def collate_fills(examples):
    first = examples[0]
    if isinstance(first, dict):
        return {key: collate([example[key] for example in examples]) for key in first}
    if isinstance(first, tuple | list):
        return bundle([collate(column) for column in zip(*examples, strict=True)])
    if not isinstance(first, np.ndarray):
        return stacked(examples)
    room = np.empty((len(examples), *first.shape), first.dtype)
    for i, example in enumerate(examples):
        room[i] = example
    return Tensor(room)


@wrong("collate", "knows no dicts")
def collate_without_dicts(examples):
    if isinstance(examples[0], tuple | list):
        return bundle([collate(column) for column in zip(*examples, strict=True)])
    return stacked(examples)


@wrong("collate", "pads to the largest shape unasked")
def collate_pads(examples):
    first = examples[0]
    if isinstance(first, dict):
        return {key: collate([example[key] for example in examples]) for key in first}
    if isinstance(first, tuple | list):
        return bundle([collate(column) for column in zip(*examples, strict=True)])
    if isinstance(first, np.ndarray):
        most = np.max([x.shape for x in examples], axis=0)
        return Tensor(np.stack([np.pad(x, [(0, m - n) for n, m in zip(x.shape, most)]) for x in examples]))
    return stacked(examples)


# -- normalize --------------------------------------------------------------------------------------------------------

wrong("normalize", "forgets that bytes count as x / 255", "255 if", "1 if")
wrong("normalize", "divides floats by 255 too", "255 if images.dtype == np.uint8 else 1", "255")
wrong("normalize", "divides by 256", "255", "256")
wrong(
    "normalize",
    "divides by the variance",
    "unit * spread",
    "unit * spread**2",
    "-center / spread",
    "-center / spread**2",
)
wrong(
    "normalize",
    "lets float64 spread over the batch",
    "np.multiply(images, scale, dtype=np.float32) + shift",
    "(images / unit - center) / spread",
)
wrong("normalize", "broadcasts mean and std along the columns", "(-1, 1, 1)", "-1")
wrong("normalize", "scales x, and forgets to scale the mean", "-center / spread", "-center")
wrong(
    "normalize",
    "writes into the images where they are float32",
    "images, scale,",
    "images, scale, out=images if images.dtype == np.float32 else None,",
)
wrong("normalize", "takes all integers for bytes", "images.dtype == np.uint8", 'images.dtype.kind in "iu"')
wrong("normalize", "takes all numbers without a sign for bytes", "images.dtype == np.uint8", 'images.dtype.kind == "u"')
wrong("normalize", "adds an epsilon to std", "(value, (-1, 1, 1)) for value in (mean, std)",
      "(value, (-1, 1, 1)) for value in (mean, np.add(std, 1e-5))")  # fmt: skip
wrong("normalize", "takes numbers below zero for zero", "np.multiply(images", "np.multiply(np.maximum(images, 0)")
wrong("normalize", "takes NaN for zero", "np.multiply(images", "np.multiply(np.nan_to_num(images)")
wrong("normalize", "rounds to half precision", "np.multiply(images", "np.multiply(images.astype(np.float16)")
wrong(
    "normalize",
    "returns the images themselves where nothing is to be done",
    "return np.multiply",
    "if images.dtype == np.float32 and (scale == 1).all() and not shift.any():\n    return images\nreturn np.multiply",
)
wrong(
    "normalize", "takes images with a number above 1 for bytes", "images.dtype == np.uint8", "images.max(initial=0) > 1"
)
wrong(
    "normalize",
    "keeps float64 where the images are",
    "images, scale, dtype=np.float32",
    "images, scale, dtype=np.result_type(images, np.float32)",
)
wrong(
    "normalize",
    "takes the first channel's numbers for all",
    "np.reshape(value, (-1, 1, 1))",
    "np.reshape(value, (-1, 1, 1))[:1]",
)


@wrong("normalize", "takes the batch's own mean and std")
def normalize_batch(images, rng=None, *, mean, std):
    x = images.astype(np.float32)
    z = (x - x.mean(axis=(0, 2, 3), keepdims=True)) / (x.std(axis=(0, 2, 3), keepdims=True) + np.float32(1e-8))
    return z.astype(np.float32)


@wrong("normalize", "writes into the images that it was given")
def normalize_in_place(images, rng=None, *, mean, std):
    image_axes(images)
    center, spread = (np.reshape(value, (-1, 1, 1)).astype(np.float32) for value in (mean, std))
    if images.dtype == np.uint8:
        images = images / np.float32(255)
    images -= center
    images /= spread
    return images


@wrong("normalize", "writes into mean and std where they are arrays of float32")
def normalize_into_mean(images, rng=None, *, mean, std):
    mean, std = np.asarray(mean, np.float32), np.asarray(std, np.float32)
    if images.dtype == np.uint8:
        mean *= 255
        std *= 255
    return (images.astype(np.float32) - mean.reshape(-1, 1, 1)) / std.reshape(-1, 1, 1)


@wrong("normalize", "divides whole numbers by whole numbers")
def normalize_whole(images, rng=None, *, mean, std):
    image_axes(images)
    unit = 255 if images.dtype == np.uint8 else 1
    center, factor = np.reshape(mean, (-1, 1, 1)), np.reciprocal(np.reshape(std, (-1, 1, 1)))
    return ((images / unit - center) * factor).astype(np.float32)


# -- crop -------------------------------------------------------------------------------------------------------------

wrong("crop", "exchanges dy and dx", "dy, dx = rng", "dx, dy = rng")
wrong("crop", "repeats the edges where zeros should come in", "images, edges", 'images, edges, mode="edge"')
wrong("crop", "never moves as far as it may: 2p is left out", "2 * padding + 1", "max(2 * padding, 1)")
wrong(
    "crop",
    "draws a pair for each image, where two rows were asked for",
    "(0, 2 * padding + 1, (2, b))",
    "(0, 2 * padding + 1, (b, 2)).T",
)
wrong("crop", "picks every window for every image", "np.arange(b)", ":")
wrong("crop", "draws the same numbers each time", "rng.integers", "np.random.default_rng(0).integers")
wrong("crop", "answers in float64", "return windows", "return np.float64(windows)")


@wrong("crop", "moves all images alike")
def crop_alike(images, rng, padding=4):
    _, _, h, w = image_axes(images)
    dy, dx = rng.integers(0, 2 * padding + 1, 2)
    edges = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    return np.pad(images, edges)[:, :, dy : dy + h, dx : dx + w].copy()


@wrong("crop", "rolls: what leaves at one side comes in at the other")
def crop_rolls(images, rng, padding=4):
    b, *_ = image_axes(images)
    dy, dx = rng.integers(0, 2 * padding + 1, (2, b)) - padding
    return np.stack([np.roll(image, (-y, -x), (1, 2)) for image, y, x in zip(images, dy, dx)])


@wrong("crop", "fills an array of floats")
def crop_floats(images, rng, padding=4):
    b, c, h, w = image_axes(images)
    dy, dx = rng.integers(0, 2 * padding + 1, (2, b))
    padded = np.zeros((b, c, h + 2 * padding, w + 2 * padding))
    padded[:, :, padding : padding + h, padding : padding + w] = images
    return np.stack([padded[i, :, dy[i] : dy[i] + h, dx[i] : dx[i] + w] for i in range(b)])


@wrong("crop", "writes the crops into the images that it was given")
def crop_in_place(images, rng, padding=4):
    b, _, h, w = image_axes(images)
    dy, dx = rng.integers(0, 2 * padding + 1, (2, b))
    padded = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    for i in range(b):
        images[i] = padded[i, :, dy[i] : dy[i] + h, dx[i] : dx[i] + w]
    return images


# -- flip -------------------------------------------------------------------------------------------------------------

wrong("flip", "mirrors top to bottom", "...", ":, :")
wrong("flip", "mirrors those that should stay", "images[..., ::-1], images", "images, images[..., ::-1]")
wrong("flip", "mirrors with probability 1 - p", "(b) < p", "(b) > p")
wrong("flip", "throws a fair coin, whatever p is", "rng.random(b) < p", "rng.integers(0, 2, b) == 1")
wrong("flip", "draws the same numbers each time", "rng.random", "np.random.default_rng(0).random")
wrong("flip", "answers in float64", "return np.where(mirrored, images", "return np.where(mirrored, np.float64(images)")


@wrong("flip", "mirrors all images or none")
def flip_all(images, rng, p=0.5):
    return images[..., ::-1] if rng.random() < p else images


@wrong("flip", "mirrors every image, whatever p is")
def flip_always(images, rng, p=0.5):
    rng.random(len(images))
    return images[..., ::-1]


@wrong("flip", "writes into the images that it was given")
def flip_in_place(images, rng, p=0.5):
    mirrored = rng.random(len(images)) < p
    images[mirrored] = images[mirrored][..., ::-1]
    return images


@wrong("flip", "chooses by column, not by image")
def flip_columns(images, rng, p=0.5):
    *_, w = image_axes(images)
    return np.where(rng.random(w) < p, images[..., ::-1], images)


wrong("flip", "returns the images themselves if none is chosen", "return np.where",
      "if not mirrored.any():\n    return images\nreturn np.where")  # fmt: skip
wrong("flip", "returns a view of them if all are chosen", "return np.where",
      "if mirrored.all():\n    return images[..., ::-1]\nreturn np.where")  # fmt: skip


# -- prefetch ---------------------------------------------------------------------------------------------------------

wrong(
    "prefetch",
    "releases room only when the caller comes back",
    "line.room",
    "yield item\n        line.room",
    "yield item",
    "",
)
wrong("prefetch", "never releases room", "line.room.release()", "")
wrong(
    "prefetch",
    "takes an error for the end",
    "isinstance(reason, StopIteration)",
    "reason is not None",
    "if reason is not None:\n            raise reason",
    "",
)
wrong(
    "prefetch",
    "raises another error in the place of the first",
    "raise reason",
    'raise RuntimeError(f"the thread failed: {reason}")',
)
wrong(
    "prefetch",
    "raises a copy of the error, whose traceback begins here",
    "raise reason",
    "raise type(reason)(*reason.args)",
)
wrong(
    "prefetch",
    "takes an item that is None for the end",
    "isinstance(reason, StopIteration)",
    "item is None and (reason is None or isinstance(reason, StopIteration))",
)
wrong(
    "prefetch",
    "raises the StopIteration, which becomes a RuntimeError in a generator",
    "if isinstance(reason, StopIteration):\n            return",
    "",
)
wrong("prefetch", "joins a thread that still waits for room", "line.abandon()", "")
wrong("prefetch", "does not join the thread", "thread.join()", "")
wrong("prefetch", "does not look at depth", "depth", "2")
wrong("prefetch", "starts a thread that keeps the program alive", ", daemon=True", "")


@wrong("prefetch", "passes the items on, and makes none ahead")
def prefetch_not(items, depth=2):
    yield from items


@wrong("prefetch", "makes all items at once")
def prefetch_list(items, depth=2):
    yield from list(items)


@wrong("prefetch", "makes the next items in the caller's own thread")
def prefetch_in_the_callers_thread(items, depth=2):
    source = iter(items)
    ahead = list(islice(source, depth))
    while ahead:
        yield ahead.pop(0)
        ahead += islice(source, 1)


@wrong("prefetch", "tidies up at the end only, not after a break")
def prefetch_without_finally(items, depth=2):
    line = Pipeline(depth)
    thread = threading.Thread(target=line.make, args=(items,), daemon=True)
    thread.start()
    while True:
        item, reason = line.ready.get()
        if isinstance(reason, StopIteration):
            break
        if reason is not None:
            raise reason
        line.room.release()
        yield item
    line.abandon()
    thread.join()


@wrong("prefetch", "makes one too many: it waits in the thread until the queue has a place")
def prefetch_by_a_bounded_queue(items, depth=2):
    ready, over = queue.Queue(depth), threading.Event()

    def make():
        try:
            for item in items:
                while not over.is_set():
                    try:
                        ready.put((item, None), timeout=0.01)
                        break
                    except queue.Full:
                        pass
                if over.is_set():
                    return
            ready.put((None, StopIteration()))
        except BaseException as error:
            ready.put((None, error))

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while True:
            item, reason = ready.get()
            if isinstance(reason, StopIteration):
                return
            if reason is not None:
                raise reason
            yield item
    finally:
        over.set()
        thread.join()


@wrong("prefetch", "runs the maker before it takes anything: start() is missing, make() is called here")
def prefetch_calls(items, depth=2):
    line = Pipeline(depth)
    thread = threading.Thread(target=line.make(items), daemon=True)
    thread.start()
    while True:
        item, reason = line.ready.get()
        if reason is not None:
            return
        line.room.release()
        yield item


wrong(
    "prefetch",
    "compares an item with None, which an array does for each of its numbers",
    "isinstance(reason, StopIteration)",
    "item == None and isinstance(reason, StopIteration)",
)


@wrong("prefetch", "has one line for all passes")
def prefetch_one_line(items, depth=2):
    prefetch.line = Pipeline(depth)
    thread = threading.Thread(target=prefetch.line.make, args=(items,), daemon=True)
    thread.start()
    try:
        while True:
            item, reason = prefetch.line.ready.get()
            if isinstance(reason, StopIteration):
                return
            if reason is not None:
                raise reason
            prefetch.line.room.release()
            yield item
    finally:
        prefetch.line.abandon()
        thread.join()


@wrong("prefetch", "takes an item that is an error for one that was raised")
def prefetch_raises_items(items, depth=2):
    line, end = Pipeline(depth), object()
    thread = threading.Thread(target=line.make, args=(items,), daemon=True)
    thread.start()
    try:
        while True:
            item, reason = line.ready.get()
            answer = end if isinstance(reason, StopIteration) else reason or item
            if answer is end:
                return
            if isinstance(answer, BaseException):
                raise answer
            line.room.release()
            yield item
    finally:
        line.abandon()
        thread.join()


# -- steps_taken ------------------------------------------------------------------------------------------------------

wrong("steps_taken", "counts the short batches, too", "50_047 // 128", "50_047 // 128 + 1")
wrong("steps_taken", "divides without rounding", "50_047 // 128", "50_047 / 128")
wrong("steps_taken", "fills batches across epochs", "10 * (50_047 // 128)", "(10 * 50_047) // 128")
wrong("steps_taken", "counts one epoch", "10 * (50_047 // 128)", "50_047 // 128")
