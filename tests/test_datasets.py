"""What is true of the data sets: the digits of the package, and what comes from a network that may do anything."""

import gzip
import hashlib
import io
import os
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tinytorch import datasets
from tinytorch.datasets import DataUnavailable, Download, Split, data_root, digits, obtain, read_idx, verified


def test_digits_have_their_shapes_dtypes_and_range():
    data = digits()
    assert isinstance(data, Split) and data.x_train is data[0]
    assert [(part.shape, part.dtype) for part in data] == [
        ((1437, 64), np.float32),
        ((1437,), np.int64),
        ((360, 64), np.float32),
        ((360,), np.int64),
    ]
    assert data.x_train.min() == 0 and data.x_train.max() == 1
    assert set(data.y_train) == set(data.y_test) == set(range(10))


@pytest.mark.parametrize(("test", "seed"), [(1, 0), (360, 1), (1796, 2)])
def test_a_split_holds_every_digit_once(test, seed):
    whole, part = digits(), digits(test, seed)
    rows = lambda data: sorted(map(bytes, np.concatenate([data.x_train, data.x_test])))
    assert len(part.x_test) == len(part.y_test) == test
    assert rows(part) == rows(whole)
    counts = np.bincount(np.concatenate([part.y_train, part.y_test]))
    np.testing.assert_array_equal(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])


def test_a_seed_decides_the_split():
    assert all(np.array_equal(a, b) for a, b in zip(digits(seed=4), digits(seed=4)))
    assert not np.array_equal(digits(seed=4).y_test, digits(seed=5).y_test)


def test_labels_stay_with_their_images():
    """The nearest of ten mean images names most digits, so rows of x and y have not come apart."""
    data = digits()
    means = np.stack([data.x_train[data.y_train == k].mean(axis=0) for k in range(10)])
    nearest = ((data.x_test[:, None] - means) ** 2).sum(axis=-1).argmin(axis=1)
    assert (nearest == data.y_test).mean() > 0.85


@pytest.mark.parametrize("test", [0, -1, 1797, 5000])
def test_what_cannot_be_held_out_is_named(test):
    with pytest.raises(ValueError, match=f"1..1796 can be held out, got {test}"):
        digits(test)


# -- what comes from a network, or does not ----------------------------------------------------------------------------

CONTENT = np.random.default_rng(0).bytes(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


class Plan(NamedTuple):
    """How the server answers: it may drop the line after some bytes, so many times; or lie; or be something else."""

    content: bytes = CONTENT
    drops: int = 0
    after: int = 100_000
    ranges: bool = True
    status: int = 200
    length: bool = True


class Server(ThreadingHTTPServer):
    """Files by plans; `asked` keeps each request's path and range."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.plans: dict[str, Plan] = {}
        self.asked: list[tuple[str, str | None]] = []

    def source(self, path: str, plan: Plan, *mirrors: Plan, checksum: str = MD5) -> Download:
        """A source whose mirrors answer by these plans."""
        urls = []
        for i, each in enumerate((plan, *mirrors)):
            self.plans[f"/{i}/{path}"] = each
            urls.append(f"http://127.0.0.1:{self.server_port}/{i}/{path}")
        return Download(path, tuple(urls), "md5", checksum)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        plan, wanted = self.server.plans[self.path], self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        if plan.status != 200:
            self.send_error(plan.status)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and plan.ranges else 0
        if start >= len(plan.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(plan.content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(plan.content) - 1}/{len(plan.content)}")
        if plan.length:
            self.send_header("Content-Length", str(len(plan.content) - start))
        self.end_headers()
        body = plan.content[start:]
        if plan.drops:
            self.server.plans[self.path] = plan._replace(drops=plan.drops - 1)
            body = body[: plan.after]
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_file_is_fetched_once_verified_and_told_of(server, tmp_path):
    source, told = server.source("set/file", Plan()), []
    path = obtain(source, tmp_path, lambda *said: told.append(said))
    assert path.read_bytes() == CONTENT and files(tmp_path) == ["set/file"]
    assert told[-1] == ("file", len(CONTENT), len(CONTENT)) and told[0][1] < told[-1][1]
    assert obtain(source, tmp_path) == path and len(server.asked) == 1


def test_a_server_that_does_not_say_how_much(server, tmp_path):
    told = []
    obtain(server.source("file", Plan(length=False)), tmp_path, lambda *said: told.append(said))
    assert (tmp_path / "file").read_bytes() == CONTENT and {total for _, _, total in told} == {0}


@pytest.mark.parametrize("drops", [1, 3])
def test_a_line_that_drops_is_taken_up_where_it_broke(server, tmp_path, drops):
    obtain(server.source("file", Plan(drops=drops, after=90_000)), tmp_path)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == [
        None, "bytes=90000-", "bytes=180000-", "bytes=270000-"
    ][: drops + 1]  # fmt: skip


def test_a_line_that_keeps_dropping_leaves_a_part_for_the_next_time(server, tmp_path):
    source = server.source("file", Plan(drops=4, after=30_000))
    with pytest.raises(DataUnavailable, match=r"broke off 4 times, the last time with: 120,000 of 300,000 bytes"):
        obtain(source, tmp_path)
    assert files(tmp_path) == ["file.part"]
    obtain(source, tmp_path)
    assert files(tmp_path) == ["file"] and server.asked[-1][1] == "bytes=120000-"
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_line_that_drops_at_once(server, tmp_path):
    obtain(server.source("file", Plan(drops=2, after=0)), tmp_path)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_starts_over(server, tmp_path):
    obtain(server.source("file", Plan(drops=2, ranges=False)), tmp_path)
    assert (tmp_path / "file").read_bytes() == CONTENT and server.asked[1][1] == "bytes=100000-"


def test_a_part_that_is_whole_is_not_fetched_again(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT)
    obtain(server.source("file", Plan()), tmp_path)
    assert files(tmp_path) == ["file"] and server.asked == [("/0/file", f"bytes={len(CONTENT)}-")]


@pytest.mark.parametrize("part", [b"something else", CONTENT + b"more"], ids=["other bytes", "too long"])
def test_a_part_of_another_file_is_thrown_away(server, tmp_path, part):
    (tmp_path / "file.part").write_bytes(part)
    obtain(server.source("file", Plan()), tmp_path)
    assert (tmp_path / "file").read_bytes() == CONTENT and files(tmp_path) == ["file"]


def test_wrong_bytes_are_told_from_right_ones_and_never_kept(server, tmp_path):
    with pytest.raises(DataUnavailable, match="another md5 than"):
        obtain(server.source("file", Plan(content=b"<html>log in first</html>")), tmp_path)
    assert files(tmp_path) == []


@pytest.mark.parametrize("bad", [Plan(status=404), Plan(status=503), Plan(content=b"no"), Plan(drops=99, after=0)])
def test_the_next_mirror_helps(server, tmp_path, bad):
    obtain(server.source("file", bad, Plan()), tmp_path)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_what_helps_without_a_network_is_said(server, tmp_path):
    source = server.source("set/file", Plan(status=404), Plan(status=500))
    gone = source._replace(mirrors=(*source.mirrors, "http://127.0.0.1:9/file"))  # nobody listens there
    with pytest.raises(DataUnavailable) as said:
        obtain(gone, tmp_path)
    text = str(said.value)
    assert text.startswith("file is not here and could not be fetched:")
    assert "answers 404" in text and "answers 500" in text and "refused" in text
    assert f"Place it at {tmp_path / 'set' / 'file'}" in text and "TINYTORCH_DATA" in text and "digits()" in text


def test_a_damaged_file_is_found_and_replaced_only_by_a_whole_one(server, tmp_path):
    (tmp_path / "file").write_bytes(CONTENT[:-1] + b"?")
    source = server.source("file", Plan(status=404))
    with pytest.raises(DataUnavailable, match="file is damaged"):
        obtain(source, tmp_path)
    assert files(tmp_path) == ["file"]
    server.plans["/0/file"] = Plan()
    assert obtain(source, tmp_path).read_bytes() == CONTENT and files(tmp_path) == ["file"]


def test_a_folder_that_cannot_be_made_is_named(server, tmp_path):
    (tmp_path / "set").write_text("a file where a folder is needed")
    with pytest.raises(DataUnavailable, match="set"):
        obtain(server.source("set/file", Plan()), tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda z: z[:-20],
        lambda z: z[:50] + bytes(100) + z[150:],
        lambda z: b"",
        lambda z: b"no gzip",
        lambda z: z + b"x",
    ],
    ids=["cut short", "zeros inside", "empty", "another format", "something behind it"],
)
def test_damage_inside_a_gzip_file_is_found(tmp_path, damage):
    source = Download("file.gz", (), "md5", MD5, packed=True)
    (tmp_path / "file.gz").write_bytes(gzip.compress(CONTENT))
    assert verified(tmp_path / "file.gz", source)
    (tmp_path / "file.gz").write_bytes(damage(gzip.compress(CONTENT)))
    assert not verified(tmp_path / "file.gz", source)


def test_the_folder_is_the_given_one_else_the_setting_else_the_home(monkeypatch, tmp_path):
    monkeypatch.setenv("TINYTORCH_DATA", "~/sets")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_root(tmp_path / "here") == tmp_path / "here"
    assert data_root() == tmp_path / "sets"
    monkeypatch.setenv("TINYTORCH_DATA", "")
    assert data_root() == tmp_path / ".cache" / "tinytorch"


# -- formats -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"\0\0\x08", b"\0\0\x0d\x01\0\0\0\x01\0", b"\0\0\x08\x01\0\0\0\x05\1\2"])
def test_idx_files_that_are_none_are_refused(data):
    with pytest.raises(ValueError, match="IDX"):
        read_idx(data)


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(head + array.astype(np.uint8).tobytes())


def test_mnist_comes_from_four_files(server, tmp_path, monkeypatch):
    x, y = np.arange(2 * 28 * 28).reshape(2, 28, 28) % 256, np.array([3, 9])
    sources = []
    for name, array in [("a", x), ("b", y), ("c", x[:1]), ("d", y[:1])]:
        packed = idx(array)
        checksum = hashlib.md5(gzip.decompress(packed)).hexdigest()
        sources.append(server.source(f"mnist/{name}", Plan(packed), checksum=checksum)._replace(packed=True))
    monkeypatch.setattr(datasets, "MNIST", tuple(sources))
    data = datasets.mnist(tmp_path)
    assert [(part.shape, part.dtype) for part in data] == [
        ((2, 28, 28), np.float32), ((2,), np.int64), ((1, 28, 28), np.float32), ((1,), np.int64)
    ]  # fmt: skip
    np.testing.assert_allclose(data.x_train * 255, x, rtol=1e-6)
    assert data.y_train.tolist() == [3, 9] and data.y_train.flags.writeable


@pytest.fixture
def cifar(server, tmp_path, monkeypatch):
    """CIFAR-10 with ten records a file, served as an archive that holds more than it should."""
    monkeypatch.setattr(datasets, "CIFAR10_RECORDS", 10)
    rng, stored = np.random.default_rng(0), io.BytesIO()
    with tarfile.open(fileobj=stored, mode="w:gz") as archive:
        for name in [*datasets.CIFAR10_FILES, "../../outside", "readme.html"]:
            records = rng.integers(0, 256, (10, 3073), np.uint8)
            records[:, 0] %= 10
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = records.nbytes
            archive.addfile(member, io.BytesIO(records.tobytes()))
    content = stored.getvalue()
    source = server.source("cifar10/a.tar.gz", Plan(content), checksum=hashlib.md5(content).hexdigest())
    monkeypatch.setattr(datasets, "CIFAR10", source)
    return tmp_path / datasets.CIFAR10_FOLDER


def test_cifar10_unpacks_what_it_names_and_nothing_else(cifar, tmp_path):
    data = datasets.cifar10(tmp_path)
    assert data.x_train.shape == (50, 3, 32, 32) and data.x_test.shape == (10, 3, 32, 32)
    assert data.x_train.dtype == np.uint8 and data.y_train.dtype == np.int64
    assert sorted(path.name for path in cifar.iterdir()) == sorted([*datasets.CIFAR10_FILES, "checksums.txt"])
    assert not list(tmp_path.parent.rglob("outside"))


def test_cifar10_finds_a_damaged_file_and_unpacks_again(cifar, tmp_path, server):
    whole = datasets.cifar10(tmp_path)
    path = cifar / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert all(np.array_equal(a, b) for a, b in zip(datasets.cifar10(tmp_path), whole))
    (cifar / "test_batch.bin").unlink()
    assert all(np.array_equal(a, b) for a, b in zip(datasets.cifar10(tmp_path), whole))
    assert len(server.asked) == 1


def test_cifar10_files_that_somebody_placed_are_looked_at(cifar, tmp_path):
    datasets.cifar10(tmp_path)
    (cifar / "checksums.txt").unlink()
    path = cifar / "data_batch_1.bin"
    path.write_bytes(b"\x0b" + path.read_bytes()[1:])
    with pytest.raises(ValueError, match=r"data_batch_1\.bin is damaged: it has a label 11"):
        datasets.cifar10(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="needs 30730 bytes and has 30729"):
        datasets.cifar10(tmp_path)


def test_an_archive_that_lacks_a_file_is_named(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w"):
        pass
    with pytest.raises(ValueError, match=r"lacks a\.bin, b\.bin"):
        datasets.unpack(tmp_path / "a.tar", tmp_path / "out", ["b.bin", "a.bin"])
    assert not datasets.unpacked(tmp_path / "out", ["a.bin", "b.bin"])


# -- the real ones, where they are -------------------------------------------------------------------------------------


@pytest.fixture
def real():
    """The folder of real data, as the setting names it; a path in it must be there, or the test is skipped."""
    folder = os.environ.get("TINYTORCH_DATA")
    if not folder:
        pytest.skip("TINYTORCH_DATA names no folder of real data")

    def need(path):
        if not (Path(folder) / path).exists():
            pytest.skip(f"{folder} has no {path}")
        return Path(folder)

    return need


def test_mnist_is_what_it_should_be(real):
    data = datasets.mnist(real("mnist/train-images-idx3-ubyte.gz"))
    assert [part.shape for part in data] == [(60000, 28, 28), (60000,), (10000, 28, 28), (10000,)]
    assert data.x_train.min() == 0 and data.x_train.max() == 1 and data.x_train.dtype == np.float32
    assert np.bincount(data.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert abs(data.x_train.mean() - 0.1307) < 1e-4  # the mean that everybody normalizes by


def test_cifar10_is_what_it_should_be(real):
    data = datasets.cifar10(real(datasets.CIFAR10_FOLDER))
    assert data.x_train.shape == (50000, 3, 32, 32) and np.bincount(data.y_train).tolist() == [5000] * 10
    assert abs(data.x_train[:2000].mean() / 255 - 0.473) < 0.01


def test_tiny_shakespeare_is_what_it_should_be(real):
    text = datasets.tiny_shakespeare(real("tinyshakespeare/input.txt"))
    assert text.startswith("First Citizen:\nBefore we proceed") and len(text) == 1_115_394 and len(set(text)) == 65
