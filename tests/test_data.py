"""tito data: what is listed, what is fetched, what is said when it cannot be."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from tinytorch import datasets
from tito import cli, data


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYTORCH_DATA", str(tmp_path))
    return tmp_path


def tito(*arguments):
    result = CliRunner().invoke(cli.main, ["data", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_the_folder_is_the_setting_else_the_users_cache(folder, monkeypatch):
    assert datasets.data_root() == folder
    monkeypatch.setenv("TINYTORCH_DATA", "~/sets")
    assert datasets.data_root() == Path.home() / "sets"
    monkeypatch.delenv("TINYTORCH_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert datasets.data_root() == Path("/cache/tinytorch")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert datasets.data_root() == Path.home() / ".cache" / "tinytorch"


def test_the_list_says_what_is_here(folder):
    (folder / "tinyshakespeare").mkdir()
    (folder / "tinyshakespeare" / "input.txt").write_text("To be")
    (folder / "mnist").mkdir()
    (folder / "mnist" / "train-images-idx3-ubyte.gz.part").write_text("half")
    assert tito() == (
        0,
        "digits       1,797 digits of 8x8 pixels                       in the package\n"
        "mnist        70,000 digits of 28x28 pixels, 11 MB             begun\n"
        "cifar10      60,000 photographs of 3x32x32 pixels, 170 MB     not here\n"
        "shakespeare  1.1 million characters, 1 MB                     damaged: input.txt\n\n"
        f"They are kept in {folder}. Fetch one: tito data mnist\n",
    )


def test_files_that_are_here_are_here(folder, monkeypatch):
    source = datasets.Download("a/b", (), "md5", "0cc175b9c0f1b6a831c399e269772661")
    one = data.DataSet("a", "one letter", (source, source._replace(path="a/c")), datasets.digits)
    assert data.state(one, folder) == "not here"
    (folder / "a").mkdir()
    (folder / "a" / "b").write_text("a")
    assert data.state(one, folder) == "begun"
    (folder / "a" / "c").write_text("a")
    assert data.state(one, folder) == "here"
    cifar = folder / datasets.CIFAR10_FOLDER
    cifar.mkdir(parents=True)
    for name in datasets.CIFAR10_FILES:
        (cifar / name).touch()
    assert data.state(data.named("cifar10"), folder) == "here"


def test_a_bar_follows_each_file(monkeypatch):
    text = io.StringIO()
    with data.bars(Console(file=text, width=120, force_terminal=True, color_system=None)) as show:
        show("train-images", 500, 1000)
        show("train-images", 1000, 1000)
        show("labels", 10, 0)  # a server that does not say how much
    assert "train-images" in text.getvalue() and "1.0/1.0 kB" in text.getvalue() and "labels" in text.getvalue()


def test_fetching(folder, monkeypatch):
    def load(root, progress):
        assert root == folder
        progress("letters", 5, 5)
        (folder / "letters").write_text("abcde")
        return np.zeros(5)

    one = data.DataSet("letters", "five letters", (datasets.Download("letters", (), "md5", ""),), load)
    monkeypatch.setattr(data, "SETS", (one,))
    code, output = tito("letters")
    assert code == 0 and output.endswith(f"letters is here, whole, in {folder}: five letters.\n")
    assert (folder / "letters").read_text() == "abcde"


def test_what_cannot_be_fetched_says_what_helps(folder, monkeypatch):
    monkeypatch.setattr(datasets, "MNIST", tuple(source._replace(mirrors=()) for source in datasets.MNIST))
    code, output = tito("mnist")
    assert code == 2 and "train-images-idx3-ubyte.gz is not here and could not be fetched" in output
    assert f"Place it at {folder / 'mnist' / 'train-images-idx3-ubyte.gz'}" in output and "digits()" in output


def test_ctrl_c_says_that_the_part_is_kept(monkeypatch):
    def load(root, progress):
        raise KeyboardInterrupt

    one = data.DataSet("letters", "five letters", (datasets.Download("letters", (), "md5", ""),), load)
    monkeypatch.setattr(data, "SETS", (one,))
    code, output = tito("letters")
    assert code == 130 and "tito data letters goes on from there" in output


def test_digits_need_no_fetching_and_others_have_names():
    assert tito("digits") == (0, "digits is in the package: 1,797 digits of 8x8 pixels.\n")
    code, said = tito("imagenet")
    assert code == 2 and "there is no data set 'imagenet'; there are: digits, mnist, cifar10" in said
    assert "tito data mnist" in tito("--help")[1]
