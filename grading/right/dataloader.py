"""Right answers to chapter 08, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import threading

import numpy as np

from tinytorch.dataloader import Pipeline, bundle, collate, image_axes, stacked
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


# -- steps_taken ------------------------------------------------------------------------------------------------------

right("steps_taken", "takes the rest away first", "10 * (50_047 // 128)", "10 * (50_047 - 50_047 % 128) // 128")
right("steps_taken", "answers with a float", "10 * (50_047 // 128)", "10.0 * (50_047 // 128)")


@right("steps_taken", "counts whole batches one by one")
def steps_counted():
    steps, left = 0, 50_047
    while left >= 128:
        steps, left = steps + 1, left - 128
    return steps * 10
