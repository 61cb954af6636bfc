"""Every code block of every chapter as a test: `pytest chapters`. One test for a cell, named by its line.

Sybil collects the blocks that `cells` finds and the book runs. A test first runs the cells above it that have not run
yet, so any one of them can be asked for alone.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Document, Example, Region, Sybil

from tito.book.cells import Cell, CellError, ChapterRun, cells


class Run:
    """One run of one chapter, as far as the tests have come."""

    def __init__(self, path: Path, plan: list[Cell]) -> None:
        self.session = ChapterRun(path)
        self.waiting = plan
        self.failed: Cell | None = None

    def reach(self, cell: Cell) -> str | None:
        """Run everything above the cell, then the cell; the traceback if one fails."""
        if self.failed:
            pytest.skip(f"the cell in line {self.failed.line} failed")
        while self.waiting and self.waiting[0].line <= cell.line:
            following = self.waiting.pop(0)
            try:
                self.session.check(following)
            except CellError as problem:
                self.failed = following
                return str(problem)
            if following == cell:
                break
        return None


def parse(document: Document) -> Iterator[Region]:
    """The cells as Sybil's regions: where each stands in the text, and how it is run."""
    plan = cells(document.text)
    starts = [0]
    for line in document.text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    end = 0
    for cell in plan:
        start = max(starts[cell.line - 1], end)
        role = cell.kind in ("eval", "claim")
        if role:
            start = document.text.index(f"{{{cell.kind}}}", start)
        end = start + max(1, len(cell.source) if role else 1)
        yield Region(start, end, cell, evaluate)


def evaluate(example: Example) -> str | None:
    document = example.document
    run = document.namespace.get("run")
    if run is None:
        run = document.namespace["run"] = Run(Path(document.path), cells(document.text))
    return run.reach(example.parsed)


pytest_collect_file = Sybil(parsers=[parse], patterns=["[0-9][0-9]_*.md", "[0-9][0-9][0-9][0-9]_*.md"]).pytest()
