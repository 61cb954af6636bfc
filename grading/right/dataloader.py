"""Right answers to chapter 08, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import threading
from itertools import islice

import numpy as np

from tinytorch.dataloader import Pipeline, bundle, collate, image_axes, stacked
from tinytorch.tensor import Tensor
from tinytorch.training import Batch
from tito.rubrics.planted import right

# -- shuffled ---------------------------------------------------------------------------------------------------------

right("shuffled", "sorts by the array's own method", "np.argsort(np.random.PCG64([seed, epoch]).random_raw(n), ",
      "np.random.PCG64([seed, epoch]).random_raw(n).argsort(")  # fmt: skip
right("shuffled", "sorts the keys with mergesort", 'kind="stable"', 'kind="mergesort"')


@right("shuffled", "sorts numbers by their keys")
def shuffled_sorted(n, seed, epoch=0):
    keys = np.random.PCG64([seed, epoch]).random_raw(n).tolist()
    return np.array(sorted(range(n), key=keys.__getitem__), np.int64)


@right("shuffled", "draws the keys one by one")
def shuffled_one_by_one(n, seed, epoch=0):
    bits = np.random.PCG64([seed, epoch])
    keys = [bits.random_raw() for _ in range(n)]
    order = list(range(n))
    order.sort(key=lambda i: keys[i])
    return np.fromiter(order, np.int64, n)


@right("shuffled", "selects the smallest again and again")
def shuffled_selected(n, seed, epoch=0):
    keys = dict(enumerate(np.random.PCG64([seed, epoch]).random_raw(n).tolist()))
    order = np.empty(n, np.int64)
    for place in range(n):
        order[place] = min(keys, key=keys.get)
        del keys[order[place]]
    return order


# -- BatchSampler.__iter__ --------------------------------------------------------------------------------------------


@right("BatchSampler.__iter__", "collects numbers until there are enough")
def batches_collected(self):
    at = []
    for i in self.sampler:
        at.append(i)
        if len(at) == self.batch_size:
            yield at
            at = []
    if at and not self.drop_last:
        yield at


@right("BatchSampler.__iter__", "cuts a list")
def batches_cut(self):
    order = list(self.sampler)
    for start in range(0, len(order), self.batch_size):
        batch = order[start : start + self.batch_size]
        if not self.drop_last or len(batch) == self.batch_size:
            yield batch


@right("BatchSampler.__iter__", "returns an iterator over a list of lists")
def batches_returned(self):
    order, size = [*self.sampler], self.batch_size
    end = len(order) - len(order) % size if self.drop_last else len(order)
    return iter([order[start : min(start + size, end)] for start in range(0, end, size)])


@right("BatchSampler.__iter__", "takes the first of each batch by itself")
def batches_from_the_first(self):
    order, end = iter(self.sampler), object()
    while (first := next(order, end)) is not end:
        at = [first, *islice(order, self.batch_size - 1)]
        if self.drop_last and len(at) != self.batch_size:
            return
        yield at


@right("BatchSampler.__iter__", "groups by the number of the batch")
def batches_grouped(self):
    import itertools

    for _, group in itertools.groupby(enumerate(self.sampler), lambda pair: pair[0] // self.batch_size):
        at = [i for _, i in group]
        if len(at) == self.batch_size or not self.drop_last:
            yield at


@right("BatchSampler.__iter__", "goes on until StopIteration")
def batches_until_it_stops(self):
    order = iter(self.sampler)
    while True:
        at = []
        try:
            while len(at) < self.batch_size:
                at.append(next(order))
        except StopIteration:
            if at and not self.drop_last:
                yield at
            return
        yield at


# -- collate ----------------------------------------------------------------------------------------------------------


@right("collate", "asks for the stacked ones last, and names columns")
def collate_columns(examples):
    kind = examples[0]
    if isinstance(kind, (tuple, list)):
        columns = list(zip(*examples, strict=True))
        return bundle(list(map(collate, columns)))
    if isinstance(kind, dict):
        batch = {}
        for key in kind:
            batch[key] = collate([example[key] for example in examples])
        return batch
    return stacked(examples)


@right("collate", "compares lengths itself, and makes the Batch itself")
def collate_lengths(examples):
    first = examples[0]
    if isinstance(first, dict):
        return {key: collate([example[key] for example in examples]) for key in first}
    if not isinstance(first, (tuple, list)):
        return stacked(examples)
    if any(len(example) != len(first) for example in examples):
        raise ValueError("examples have different numbers of parts")
    columns = [collate([example[i] for example in examples]) for i in range(len(first))]
    return Batch(*columns) if len(columns) == 2 else tuple(columns)


@right("collate", "matches the first example")
def collate_matched(examples):
    match examples[0]:
        case dict() as first:
            return {key: collate(tuple(example[key] for example in examples)) for key in first}
        case tuple() | list():
            return bundle(tuple(collate(column) for column in zip(*examples, strict=True)))
        case _:
            return stacked(examples)


@right("collate", "appends to columns, and asks for a mapping first")
def collate_into_columns(examples):
    from collections.abc import Mapping

    head, *_ = examples
    if isinstance(head, Mapping):
        return {key: collate([example[key] for example in examples]) for key in head}
    if isinstance(head, (str, bytes, np.ndarray, Tensor, int, float, np.generic)) or head is None:
        return stacked(examples)
    columns = [[] for _ in head]
    for example in examples:
        for column, part in zip(columns, example, strict=True):
            column.append(part)
    return bundle([collate(column) for column in columns])


@right("collate", "walks in an inner function")
def collate_walks(examples):
    def walk(rows):
        kind = type(rows[0])
        if issubclass(kind, dict):
            keys = rows[0].keys()
            return {key: walk([row[key] for row in rows]) for key in keys}
        if issubclass(kind, (list, tuple)):
            return bundle([*map(walk, zip(*rows, strict=True))])
        return stacked(rows)

    return walk(list(examples))


@right("collate", "stacks arrays itself, and leaves the rest")
def collate_stacks_arrays(examples):
    first = examples[0]
    if isinstance(first, dict):
        return {key: collate([example[key] for example in examples]) for key in first}
    if isinstance(first, tuple | list):
        parts = [collate(column) for column in zip(*examples, strict=True)]
        if len(parts) == 2:
            x, y = parts
            return Batch(x=x, y=y)
        return tuple(parts)
    if all(isinstance(x, np.ndarray) for x in examples) and len({x.shape for x in examples}) == 1:
        return Tensor(np.concatenate([x[None] for x in examples]))
    return stacked(examples)


# -- normalize --------------------------------------------------------------------------------------------------------


@right("normalize", "as the formula says, in float32")
def normalize_formula(images, rng=None, *, mean, std):
    image_axes(images)
    x = images.astype(np.float32)
    if images.dtype == np.uint8:
        x = x / 255
    mean = np.asarray(mean, np.float32).reshape(1, -1, 1, 1)
    std = np.asarray(std, np.float32).reshape(1, -1, 1, 1)
    return (x - mean) / std


@right("normalize", "in float64, and rounds at the end")
def normalize_wide(images, rng=None, *, mean, std):
    x = images / 255.0 if images.dtype == np.uint8 else images
    mean, std = (np.array(value, np.float64)[:, None, None] for value in (mean, std))
    return np.float32((x - mean) / std)


@right("normalize", "one channel after the other")
def normalize_channels(images, rng=None, *, mean, std):
    z = np.array(images, dtype=np.float32)
    if images.dtype == np.uint8:
        z /= 255
    for c in range(z.shape[1]):
        z[:, c] -= mean[c]
        z[:, c] /= std[c]
    return z


@right("normalize", "multiplies and adds in a copy of its own")
def normalize_own_copy(images, rng=None, *, mean, std):
    z = np.array(images, np.float32)
    spread = np.array(std, np.float32)
    unit = np.float32(255 if images.dtype == np.uint8 else 1)
    z *= (1 / (unit * spread))[:, None, None]
    z -= (np.array(mean, np.float32) / spread)[:, None, None]
    return z


@right("normalize", "moves the channels to the end")
def normalize_channels_last(images, rng=None, *, mean, std):
    x = np.moveaxis(images, 1, -1)
    x = x / 255 if images.dtype == np.uint8 else x
    return np.moveaxis((x - np.asarray(mean)) / np.asarray(std), -1, 1).astype(np.float32)


@right("normalize", "looks bytes up in a table of 256")
def normalize_by_table(images, rng=None, *, mean, std):
    if images.dtype == np.uint8:
        table = [((np.arange(256) / 255 - m) / s).astype(np.float32) for m, s in zip(mean, std)]
        return np.stack([table[c][images[:, c]] for c in range(images.shape[1])], axis=1)
    planes = [(images[:, c].astype(float) - m) / s for c, (m, s) in enumerate(zip(mean, std))]
    return np.stack(planes, axis=1).astype(np.float32)


# -- crop -------------------------------------------------------------------------------------------------------------


@right("crop", "stacks one window after the other")
def crop_stacked(images, rng, padding=4):
    b, _, h, w = images.shape
    corners = rng.integers(0, 2 * padding + 1, (2, b))
    wide = np.pad(images, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    return np.stack([image[:, y : y + h, x : x + w] for image, (y, x) in zip(wide, corners.T)])


@right("crop", "fills zeros of the images' kind")
def crop_filled(images, rng, padding=4):
    b, c, h, w = image_axes(images)
    dy, dx = rng.integers(0, 2 * padding + 1, size=(2, b))
    padded = np.zeros((b, c, h + 2 * padding, w + 2 * padding), images.dtype)
    padded[:, :, padding : padding + h, padding : padding + w] = images
    z = np.empty_like(images)
    for i in range(b):
        z[i] = padded[i, :, dy[i] : dy[i] + h, dx[i] : dx[i] + w]
    return z


@right("crop", "takes rows and columns by number")
def crop_by_number(images, rng, padding=4):
    b, c, h, w = image_axes(images)
    dy, dx = rng.integers(0, 2 * padding + 1, (2, b))
    padded = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    rows, columns = dy[:, None] + np.arange(h), dx[:, None] + np.arange(w)
    at = np.arange(b)[:, None, None, None], np.arange(c)[:, None, None]
    return padded[*at, rows[:, None, :, None], columns[:, None, None, :]]


@right("crop", "draws dy first, then dx")
def crop_two_draws(images, rng, padding=4):
    b, _, h, w = images.shape
    dy = rng.integers(0, 2 * padding + 1, b)
    dx = rng.integers(0, 2 * padding + 1, b)
    wide = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    return np.array([wide[i, :, dy[i] : dy[i] + h, dx[i] : dx[i] + w] for i in range(b)])


@right("crop", "moves by -p to p, without a frame")
def crop_moves(images, rng, padding=4):
    b, _, h, w = images.shape
    out = np.zeros_like(images)
    for i, (y, x) in enumerate(rng.integers(-padding, padding + 1, (2, b)).T):
        to_y, to_x = slice(max(-y, 0), max(min(h, h - y), 0)), slice(max(-x, 0), max(min(w, w - x), 0))
        from_y, from_x = slice(max(y, 0), max(min(h, h + y), 0)), slice(max(x, 0), max(min(w, w + x), 0))
        out[i, :, to_y, to_x] = images[i, :, from_y, from_x]
    return out


@right("crop", "clips the numbers, and masks what lies outside")
def crop_masks(images, rng, padding=4):
    b, c, h, w = images.shape
    dy, dx = rng.integers(0, 2 * padding + 1, (2, b)) - padding
    rows, columns = dy[:, None] + np.arange(h), dx[:, None] + np.arange(w)
    inside = ((rows >= 0) & (rows < h))[:, None, :, None] & ((columns >= 0) & (columns < w))[:, None, None, :]
    taken = images[
        np.arange(b)[:, None, None, None],
        np.arange(c)[:, None, None],
        rows.clip(0, h - 1)[:, None, :, None],
        columns.clip(0, w - 1)[:, None, None, :],
    ]
    return np.where(inside, taken, images.dtype.type(0))


# -- flip -------------------------------------------------------------------------------------------------------------


@right("flip", "mirrors those of a copy that are chosen")
def flip_copy(images, rng, p=0.5):
    chosen = rng.random(len(images)) < p
    z = images.copy()
    z[chosen] = images[chosen, :, :, ::-1]
    return z


@right("flip", "one image after the other")
def flip_each(images, rng, p=0.5):
    draws = rng.random(images.shape[0])
    return np.stack([np.flip(image, -1) if draw < p else image for image, draw in zip(images, draws)])


@right("flip", "takes columns by number")
def flip_columns(images, rng, p=0.5):
    b, _, _, w = image_axes(images)
    columns = np.where((rng.random(b) < p)[:, None], np.arange(w)[::-1], np.arange(w))
    return np.take_along_axis(images, columns[:, None, None, :], axis=3)


@right("flip", "draws one by one")
def flip_draws_one_by_one(images, rng, p=0.5):
    out = np.empty_like(images)
    for i in range(len(images)):
        out[i] = images[i, ..., ::-1] if rng.random() < p else images[i]
    return out


@right("flip", "copies mirrored ones over")
def flip_writes_where(images, rng, p=0.5):
    out = np.array(images)
    np.copyto(out, images[:, :, :, ::-1], where=rng.random((len(images), 1, 1, 1)) < p)
    return out


@right("flip", "mirrors all, and puts back those that stay")
def flip_uniform(images, rng, p=0.5):
    keep = rng.uniform(size=images.shape[0]) >= p
    z = np.flip(images, axis=3).copy()
    z[keep] = images[keep]
    return z


# -- prefetch ---------------------------------------------------------------------------------------------------------


@right("prefetch", "asks for the reason first")
def prefetch_reason(items, depth=2):
    line = Pipeline(depth)
    maker = threading.Thread(target=line.make, args=(items,), daemon=True)
    maker.start()
    try:
        item, reason = line.ready.get()
        while reason is None:
            line.room.release()
            yield item
            item, reason = line.ready.get()
        if not isinstance(reason, StopIteration):
            raise reason
    finally:
        line.abandon()
        maker.join()


@right("prefetch", "walks with iter")
def prefetch_iter(items, depth=2):
    line = Pipeline(depth)
    thread = threading.Thread(target=lambda: line.make(items), daemon=True)
    thread.start()
    try:
        for item, reason in iter(line.ready.get, None):
            if reason is None:
                line.room.release()
                yield item
            elif isinstance(reason, StopIteration):
                break
            else:
                raise reason
    finally:
        line.abandon()
        thread.join()


@right("prefetch", "is a generator inside a function")
def prefetch_inside(items, depth=2):
    line = Pipeline(depth)

    def take():
        thread = threading.Thread(target=line.make, args=[items])
        thread.daemon = True
        thread.start()
        try:
            while True:
                item, reason = line.ready.get()
                if reason is not None:
                    if type(reason) is StopIteration:
                        return
                    raise reason
                line.room.release()
                yield item
        finally:
            line.abandon()
            thread.join()

    return take()


@right("prefetch", "a condition and a deque of its own")
def prefetch_condition(items, depth=2):
    from collections import deque

    made, ends, changed, over = deque(), [], threading.Condition(), []

    def make():
        try:
            source = iter(items)
            while True:
                with changed:
                    changed.wait_for(lambda: over or len(made) < depth)
                    if over:
                        return
                item = next(source)
                with changed:
                    made.append(item)
                    changed.notify_all()
        except BaseException as error:
            with changed:
                ends.append(error)
                changed.notify_all()

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while True:
            with changed:
                changed.wait_for(lambda: made or ends)
                if not made:
                    break
                item = made.popleft()
                changed.notify_all()
            yield item
        if not isinstance(ends[0], StopIteration):
            raise ends[0]
    finally:
        with changed:
            over.append(True)
            changed.notify_all()
        thread.join()


@right("prefetch", "tidies up by an ExitStack")
def prefetch_stack(items, depth=2):
    from contextlib import ExitStack

    line = Pipeline(depth)
    thread = threading.Thread(target=line.make, args=(items,), daemon=True)
    with ExitStack() as stack:
        thread.start()
        stack.callback(thread.join)
        stack.callback(line.abandon)
        while True:
            item, reason = line.ready.get()
            match reason:
                case None:
                    line.room.release()
                    yield item
                case StopIteration():
                    return
                case _:
                    raise reason


@right("prefetch", "takes and raises in an inner function")
def prefetch_taken(items, depth=2):
    line = Pipeline(depth)
    thread = threading.Thread(target=line.make, kwargs={"items": items})
    thread.daemon = True

    def taken():
        item, reason = line.ready.get()
        if reason is None:
            line.room.release()
            return [item]
        if isinstance(reason, StopIteration):
            return []
        raise reason

    try:
        thread.start()
        while batch := taken():
            yield batch[0]
    finally:
        line.abandon()
        thread.join()


# -- steps_taken ------------------------------------------------------------------------------------------------------

right("steps_taken", "takes the rest away first", "10 * (50_047 // 128)", "10 * (50_047 - 50_047 % 128) // 128")
right("steps_taken", "answers with a float", "10 * (50_047 // 128)", "10.0 * (50_047 // 128)")


@right("steps_taken", "counts whole batches one by one")
def steps_counted():
    steps, left = 0, 50_047
    while left >= 128:
        steps, left = steps + 1, left - 128
    return steps * 10
