"""The tree a student's chapter is graded in: real files in a temporary folder, no hooks, nothing after the chapter.

Chapters before k come from the reference (isolated) or from the student's folder (integrated), chapter k is the text
given, and what is no chapter (facades, data sets) comes from the reference. A file that is missing is missing.
"""

import functools
import marshal
import shutil
import struct
from collections.abc import Collection, Mapping
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path

from tito.course import Chapter, Course

PIECES = ("worker.py", "wire.py", "warden.py", "landlock.py", "alone.py")


def compose(tree: Path, course: Course, chapter: Chapter, text: str, earlier: Path | None = None) -> Path:
    """Write tree/tinytorch: chapters before this one from `earlier` (default: the reference), this one from text."""
    folder = earlier or course.package
    sources = {other.name: folder / f"{other.name}.py" for other in course.before(chapter)}
    return _write(tree, course, sources, {chapter.name: text})


def play(tree: Path, course: Course, work: Path, only: Collection[str] | None = None) -> dict[str, str]:
    """Write tree/tinytorch with every chapter: the student's where there is one (and `only` names it, if given).

    Returns, for each chapter's name, "work" or "reference": where its code comes from.
    """
    names = [chapter.name for chapter in course.chapters()]
    mine = names if only is None else [name for name in names if name in only]
    theirs = {name: work / f"{name}.py" for name in mine if (work / f"{name}.py").is_file()}
    _write(tree, course, {name: theirs.get(name, course.package / f"{name}.py") for name in names}, {})
    return {name: "work" if name in theirs else "reference" for name in names}


def _write(tree: Path, course: Course, sources: Mapping[str, Path], texts: Mapping[str, str]) -> Path:
    package = tree / "tinytorch"
    chapters = {f"{chapter.name}.py" for chapter in course.chapters()}
    skipped = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(
        course.package, package, ignore=lambda d, names: {*skipped(d, names), *_top(d, names, course, chapters)}
    )
    for name, path in sources.items():
        if path.is_file():
            shutil.copyfile(path, package / f"{name}.py")
    for name, text in texts.items():
        (package / f"{name}.py").write_bytes(text.encode("utf-8"))
    for path in package.rglob("*.py"):
        original = course.package / path.relative_to(package)
        if path.stem not in texts and sources.get(path.stem, original) == original:
            _compile(path, original)
    return package


def _compile(path: Path, original: Path) -> None:
    """Put bytecode beside a file of the reference, so that not every worker has to compile the framework anew."""
    cache = Path(cache_from_source(str(path)))
    cache.parent.mkdir(exist_ok=True)
    cache.write_bytes(_bytecode(original, original.stat().st_mtime_ns))


@functools.lru_cache(maxsize=256)
def _bytecode(original: Path, changed: int) -> bytes:
    """What Python would keep in __pycache__ for this file, to be used without a look at the source."""
    code = SourceFileLoader(original.stem, str(original)).get_code(original.stem)
    return MAGIC_NUMBER + struct.pack("<I", 1) + source_hash(original.read_bytes()) + marshal.dumps(code)


def _top(folder: str, names: list[str], course: Course, chapters: set[str]) -> set[str]:
    return chapters.intersection(names) if Path(folder) == course.package else set()


def job(folder: Path) -> Path:
    """Put the worker's files into a job folder; returns the folder for its tree."""
    here = Path(__file__).parent
    for name in PIECES:
        shutil.copyfile(here / name, folder / name)
    (folder / "scratch").mkdir()
    return folder / "tree"
