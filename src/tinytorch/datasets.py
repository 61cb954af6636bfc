"""Data sets: arrays of real measurements.

`digits` is part of the package: 1,797 handwritten digits, 8x8 pixels of 17 grey levels, by E. Alpaydin and C. Kaynak
(UCI Machine Learning Repository, 1998, CC BY 4.0, https://doi.org/10.24432/C50P49). The others are downloaded once,
verified by checksum, and kept in a folder: `root`, else $TINYTORCH_DATA, else tinytorch in the user's
cache folder ($XDG_CACHE_HOME, else .cache in the home folder).
"""

import gzip
import hashlib
import http.client
import math
import os
import tarfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Progress = Callable[[str, int, int], None]  # (file name, bytes so far, bytes in all or 0)


class Split(NamedTuple):
    """Images and labels to learn from, and others to be judged on."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


# -- embedded ------------------------------------------------------------------------------------------------------


def digits(test: int = 360, seed: int = 0) -> Split:
    """The digits, shuffled by seed, with `test` of them held out: x (N, 64) float32 in 0..1, y (N,) int64 in 0..9.

    Each row of x is an 8x8 image, row by row. Raises ValueError unless 0 < test < 1797.

    >>> [part.shape for part in digits()]
    [(1437, 64), (1437,), (360, 64), (360,)]
    """
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as stored:
        x, y = stored["images"].reshape(-1, 64).astype(np.float32) / 16, stored["labels"].astype(np.int64)
    if not 0 < test < len(x):
        raise ValueError(f"of {len(x)} digits, 1..{len(x) - 1} can be held out, got {test}")
    order = np.random.default_rng(seed).permutation(len(x))
    learn, judge = order[test:], order[:test]
    return Split(x[learn], y[learn], x[judge], y[judge])


# -- downloaded ----------------------------------------------------------------------------------------------------


class Download(NamedTuple):
    """A file of a data set: where it lies under the root, where it can be had, and the checksum that it must have."""

    path: str
    mirrors: tuple[str, ...]
    algorithm: str
    checksum: str
    packed: bool = False  # the checksum is that of the gunzipped content


def _mnist(name: str, checksum: str) -> Download:
    mirrors = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
    return Download(f"mnist/{name}.gz", tuple(f"{mirror}{name}.gz" for mirror in mirrors), "md5", checksum, packed=True)


MNIST = (  # LeCun, Cortes and Burges, 1998
    _mnist("train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb"),
    _mnist("train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624"),
    _mnist("t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea"),
    _mnist("t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637"),
)
CIFAR10 = Download(  # Krizhevsky, 2009
    "cifar10/cifar-10-binary.tar.gz",
    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    "md5",
    "c32a1d4ab5d03f1284b67883e8d87530",
)
TINY_SHAKESPEARE = Download(  # Karpathy, 2015
    "tinyshakespeare/input.txt",
    ("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",),
    "sha256",
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)


def mnist(root: str | os.PathLike | None = None, progress: Progress | None = None) -> Split:
    """MNIST: x (60000, 28, 28) and (10000, 28, 28) float32 in 0..1, y int64 in 0..9."""
    parts = [read_idx(gzip.decompress(obtain(source, root, progress).read_bytes())) for source in MNIST]
    x_train, y_train, x_test, y_test = parts
    scale = np.float32(1 / 255)
    return Split(x_train * scale, y_train.astype(np.int64), x_test * scale, y_test.astype(np.int64))


def read_idx(data: bytes) -> np.ndarray:
    """An array of bytes from the IDX format: two zeros, a type, the number of axes, each size as 4 bytes, the elements.

    Raises ValueError if the data are not that, or too few.

    >>> read_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
    array([7, 8, 9], dtype=uint8)
    """
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise ValueError(f"not an IDX file of unsigned bytes: it starts with {data[:4]!r}")
    axes = data[3]
    shape = tuple(int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes))
    start = 4 + 4 * axes
    if len(data) - start != math.prod(shape):
        raise ValueError(
            f"an IDX file of shape {shape} holds {math.prod(shape)} elements, this one {len(data) - start}"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


CIFAR10_FOLDER = "cifar10/cifar-10-batches-bin"
CIFAR10_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6)) + ("test_batch.bin",)
CIFAR10_RECORDS = 10_000  # in each file
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def cifar10(root: str | os.PathLike | None = None, progress: Progress | None = None) -> Split:
    """CIFAR-10: x (50000, 3, 32, 32) and (10000, 3, 32, 32) uint8, y int64 in 0..9.

    CIFAR10_CLASSES names the classes. Pixels stay bytes: as float32 they would take 614 MB.
    """
    folder = data_root(root) / CIFAR10_FOLDER
    if not unpacked(folder, CIFAR10_FILES):
        unpack(obtain(CIFAR10, root, progress), folder, CIFAR10_FILES)
    parts = [read_cifar10(folder / name) for name in CIFAR10_FILES]
    x_train, y_train = (np.concatenate(part) for part in zip(*parts[:5]))
    return Split(x_train, y_train, *parts[5])


def read_cifar10(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one file: records of 1 label byte and 3 x 32 x 32 pixel bytes."""
    data, size = np.fromfile(path, np.uint8), CIFAR10_RECORDS * 3073
    if data.size != size:
        raise ValueError(f"{path} is damaged: it needs {size} bytes and has {data.size}; delete it to fetch it anew")
    records = data.reshape(-1, 3073)
    largest = int(np.max(records[:, 0]))
    if largest > 9:
        raise ValueError(f"{path} is damaged: it has a label {largest}; delete it to fetch it anew")
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)


CHECKSUMS = "checksums.txt"  # as `sha256sum` writes it


def unpack(archive: Path, folder: Path, names: Iterable[str]) -> None:
    """Take named files, and nothing else, from an archive; each appears whole or not at all, their checksums last."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CHECKSUMS).unlink(missing_ok=True)
    wanted, checksums = set(names), []
    with tarfile.open(archive) as members:
        for member in members:
            name = Path(member.name).name
            content = members.extractfile(member) if member.isfile() and name in wanted else None
            if content is not None:
                data = content.read()
                _write(folder / name, data)
                checksums.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
                wanted.discard(name)
    if wanted:
        raise ValueError(f"{archive} lacks {', '.join(sorted(wanted))}")
    _write(folder / CHECKSUMS, "".join(checksums).encode())


def unpacked(folder: Path, names: Iterable[str]) -> bool:
    """Whether every file is there, and as it was unpacked. Files that somebody placed there have no checksums."""
    if not all((folder / name).is_file() for name in names):
        return False
    listed = (folder / CHECKSUMS).read_text().splitlines() if (folder / CHECKSUMS).is_file() else []
    return all(_digest(folder / name, "sha256") == checksum for checksum, name in map(str.split, listed))


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)


def tiny_shakespeare(root: str | os.PathLike | None = None, progress: Progress | None = None) -> str:
    """A million characters of Shakespeare's plays."""
    return obtain(TINY_SHAKESPEARE, root, progress).read_text(encoding="utf-8")


# -- fetching ------------------------------------------------------------------------------------------------------


class DataUnavailable(OSError):
    """A data set is neither here nor can it be fetched; the message says what to place where."""


def data_root(root: str | os.PathLike | None = None) -> Path:
    """The folder for data sets: the given one, else $TINYTORCH_DATA, else tinytorch in the user's cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "tinytorch")
    return Path(root or os.environ.get("TINYTORCH_DATA") or cache).expanduser()


def obtain(source: Download, root: str | os.PathLike | None = None, progress: Progress | None = None) -> Path:
    """The verified file of a source, fetched if it is not here or damaged.

    Raises DataUnavailable, saying what would help. A file stands under its own name only when all of it is right.
    """
    path = data_root(root) / source.path
    if path.is_file() and verified(path, source):
        return path
    state = f"is damaged (its {source.algorithm} is not {source.checksum})" if path.is_file() else "is not here"
    part, troubles = path.with_name(path.name + ".part"), []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for url in source.mirrors:
            if trouble := bring(source, url, part, progress):
                troubles.append(f"{url}: {trouble}")
            else:
                os.replace(part, path)
                return path
    except OSError as error:  # a folder that cannot be written, a full disk: another mirror would not help
        troubles.append(str(error))
    raise DataUnavailable(
        f"{path.name} {state} and could not be fetched:\n  "
        + "\n  ".join(troubles)
        + f"\nPlace it at {path}, or set TINYTORCH_DATA to a folder that has {source.path}."
        + "\nWithout any download there is tinytorch.datasets.digits()."
    )


def bring(source: Download, url: str, part: Path, progress: Progress | None = None) -> str:
    """Make part the verified file, going on with what an earlier run left; what went wrong, or nothing."""
    while True:
        begun = part.exists()
        try:
            fetch(url, part, progress)
        except Unfetched as error:
            return str(error)
        if verified(part, source):
            return ""
        part.unlink()
        if not begun:  # otherwise the earlier part may be to blame: once more, from nothing
            return f"the file that came has another {source.algorithm} than {source.checksum}"


class Unfetched(Exception):
    """A URL that could not be downloaded; the message says why."""


def fetch(url: str, part: Path, progress: Progress | None = None, attempts: int = 4, timeout: float = 30) -> None:
    """Download url to part, going on where an earlier attempt broke off. Raises Unfetched when attempts run out."""
    trouble: Exception | None = None
    for _ in range(attempts):
        have = part.stat().st_size if part.exists() else 0
        request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
        try:
            answer = urllib.request.urlopen(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            if error.code != 416 or not have:
                raise Unfetched(f"the server answers {error.code} {error.reason}") from None
            if error.headers.get("Content-Range", "").endswith(f"/{have}"):
                return  # nothing is left to send: the part is whole
            trouble = EOFError(f"the file there has not even {have:,} bytes")
            part.unlink()
        except urllib.error.URLError as error:  # no connection: another attempt would meet the same
            raise Unfetched(str(error.reason)) from None
        except (OSError, http.client.HTTPException) as error:
            trouble = error
        else:
            with answer:
                trouble = receive(answer, part, have, progress)
            if trouble is None:
                return
    raise Unfetched(f"broke off {attempts} times, the last time with: {trouble or type(trouble).__name__}")


def receive(answer: Any, part: Path, have: int, progress: Progress | None = None) -> Exception | None:
    """Append an answer to a part that has so many bytes, or write it anew; why it broke off, or None."""
    if have and (answer.status != 206 or not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")):
        have = 0  # a server that ignores Range starts over
    total = have + int(answer.headers.get("Content-Length") or -have)  # 0 if it does not say
    with part.open("ab" if have else "wb") as file:
        while True:
            try:
                chunk = answer.read(1 << 16)
            except (OSError, http.client.HTTPException) as error:
                return error
            if not chunk:
                break
            have += file.write(chunk)
            if progress:
                progress(part.name.removesuffix(".part"), have, total)
    return EOFError(f"{have:,} of {total:,} bytes") if have < total else None


def verified(path: Path, source: Download) -> bool:
    """Whether a file has the checksum of its source."""
    try:
        return _digest(path, source.algorithm, source.packed) == source.checksum
    except (EOFError, OSError, zlib.error):  # cut short, no gzip at all, or damaged inside
        return False


def _digest(path: Path, algorithm: str, packed: bool = False) -> str:
    digest = hashlib.new(algorithm)
    with gzip.open(path) if packed else path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
