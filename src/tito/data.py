"""Data sets on this machine: where they lie, which are here, and a bar while one comes.

The library says which folder that is, and takes a callback for its progress.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from tinytorch import datasets
from tito.course import CourseError


@dataclass(frozen=True)
class DataSet:
    """One data set: its files, and how it is loaded."""

    name: str
    what: str
    sources: tuple[datasets.Download, ...]
    load: Callable[..., object]


SETS = (
    DataSet("digits", "1,797 digits of 8x8 pixels", (), datasets.digits),
    DataSet("mnist", "70,000 digits of 28x28 pixels, 11 MB", datasets.MNIST, datasets.mnist),
    DataSet("cifar10", "60,000 photographs of 3x32x32 pixels, 170 MB", (datasets.CIFAR10,), datasets.cifar10),
    DataSet("shakespeare", "1.1 million characters, 1 MB", (datasets.TINY_SHAKESPEARE,), datasets.tiny_shakespeare),
)


def named(name: str) -> DataSet:
    """The data set of this name. Raises CourseError, listing what there is."""
    for data_set in SETS:
        if data_set.name == name:
            return data_set
    raise CourseError(f"there is no data set {name!r}; there are: {', '.join(data_set.name for data_set in SETS)}")


def state(data_set: DataSet, folder: Path) -> str:
    """Whether a data set is here and whole, in a few words."""
    if not data_set.sources:
        return "in the package"
    if data_set.name == "cifar10" and datasets.unpacked(folder / datasets.CIFAR10_FOLDER, datasets.CIFAR10_FILES):
        return "here"
    files = [(folder / source.path, source) for source in data_set.sources]
    if all(not path.is_file() for path, _ in files):
        begun = any(path.with_name(path.name + ".part").is_file() for path, _ in files)
        return "begun" if begun else "not here"
    broken = [path.name for path, source in files if path.is_file() and not datasets.verified(path, source)]
    if broken:
        return f"damaged: {', '.join(broken)}"
    return "here" if all(path.is_file() for path, _ in files) else "begun"


@contextmanager
def bars(console: Console) -> Iterator[datasets.Progress]:
    """A progress callback that draws a bar for each file."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console) as progress:
        tasks: dict[str, TaskID] = {}

        def show(name: str, have: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=None)
            progress.update(tasks[name], completed=have, total=total or None)

        yield show


def fetch(data_set: DataSet, folder: Path, console: Console) -> None:
    """Make sure that a data set is here and whole. Raises DataUnavailable, saying what would help."""
    if data_set.sources:
        with bars(console) as show:
            data_set.load(folder, show)
