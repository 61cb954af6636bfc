"""The course: which chapters exist, and where their parts stand.

One name in four places: chapters/05_autograd.md, src/tinytorch/autograd.py, grading/grade_05_autograd.py,
tests/test_autograd.py. The order is the listing of chapters/; nothing else lists it.
"""

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType


class CourseError(Exception):
    """Something asked of the course that it does not have. The message says what it has."""


@dataclass(frozen=True)
class Chapter:
    """One chapter: a number, a name, and its files under the course's root."""

    number: str
    name: str
    root: Path

    @property
    def markdown(self) -> Path:
        return self.root / "chapters" / f"{self.number}_{self.name}.md"

    @property
    def source(self) -> Path:
        return self.root / "src" / "tinytorch" / f"{self.name}.py"

    @property
    def rubric_path(self) -> Path:
        return self.root / "grading" / f"grade_{self.number}_{self.name}.py"

    @property
    def planted_path(self) -> Path:
        return self.root / "grading" / "planted" / f"{self.name}.py"

    @property
    def right_path(self) -> Path:
        return self.root / "grading" / "right" / f"{self.name}.py"

    @property
    def title(self) -> str:
        """The title in the Markdown's front matter, else its first heading, else its name."""
        text = self.markdown.read_text(encoding="utf-8") if self.markdown.exists() else ""
        found = re.search(r"^(?:title:|#) *(.+?) *$", text, re.MULTILINE)
        return found[1].strip("\"'") if found else self.name.capitalize()


@dataclass(frozen=True)
class Tier:
    """A part of the course: the chapters from the first number to the last. Chapter 00 stands in one without a name."""

    name: str
    first: str
    last: str


TIERS = (
    Tier("", "00", "00"),
    Tier("Foundation", "01", "07"),
    Tier("Architecture", "08", "13"),
    Tier("Optimization", "14", "19"),
    Tier("Olympics and production", "20", "21"),
)


@dataclass(frozen=True)
class Course:
    """A repository that holds chapters/, src/tinytorch/ and grading/."""

    root: Path

    @property
    def package(self) -> Path:
        return self.root / "src" / "tinytorch"

    @property
    def equivalents_path(self) -> Path:
        return self.root / "grading" / "equivalents.toml"

    def chapters(self) -> list[Chapter]:
        """The chapters in order."""
        names = [re.fullmatch(r"(\d\d)_(\w+)\.md", path.name) for path in (self.root / "chapters").glob("*.md")]
        return sorted((Chapter(n[1], n[2], self.root) for n in names if n), key=lambda chapter: chapter.number)

    def chapter(self, wanted: str) -> Chapter:
        """The chapter called "05", "5" or "autograd". Raises CourseError, listing what exists."""
        for chapter in self.chapters():
            if wanted.zfill(2) == chapter.number or wanted.removesuffix(".py") == chapter.name:
                return chapter
        listing = ", ".join(f"{chapter.number} {chapter.name}" for chapter in self.chapters())
        raise CourseError(f"there is no chapter {wanted!r}; there are: {listing or 'none yet'}")

    def tiers(self) -> list[tuple[Tier, list[Chapter]]]:
        """The tiers that have chapters, with them."""
        every = [(tier, [one for one in self.chapters() if tier.first <= one.number <= tier.last]) for tier in TIERS]
        return [(tier, chapters) for tier, chapters in every if chapters]

    def before(self, chapter: Chapter) -> list[Chapter]:
        """The chapters before this one."""
        return [other for other in self.chapters() if other.number < chapter.number]


def find_root(start: Path | None = None) -> Path:
    """The repository's root: above this file (an editable install), else above the current folder."""
    here = start or Path(__file__).resolve()
    for folder in [*here.parents, Path.cwd(), *Path.cwd().parents]:
        if (folder / "chapters").is_dir() and (folder / "src" / "tinytorch").is_dir():
            return folder
    raise CourseError(
        "no TinyTorch course here: neither tito's own folder nor the current one (or a folder above it) holds "
        "chapters/ and src/tinytorch/. Change into a clone of the repository."
    )


def default() -> Course:
    """The course this tool belongs to."""
    return Course(find_root())


def chapters() -> list[Chapter]:
    return default().chapters()


def chapter(wanted: str) -> Chapter:
    return default().chapter(wanted)


def program(path: Path) -> ModuleType:
    """A Python file of the course (a rubric, a milestone) as a module of its own, run now."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
