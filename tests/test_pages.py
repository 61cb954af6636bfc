"""The book itself: every page is built without a warning, so every cell has run and every claim holds."""

import os
import subprocess
import sys

import pytest

from tito.book import ROOT
from tito.book.cells import cells

PAGES = sorted((ROOT / "chapters").rglob("[0-9]*_*.md"))


def only_claims(said: str) -> bool:
    """Whether all that a build complains of are claims that were false."""
    warnings = [line for line in said.splitlines() if "WARNING: " in line]
    return bool(warnings) and all("the claim `" in line and "is false" in line for line in warnings)


def test_the_book_is_built_without_a_warning():
    """Into build/book, as `nox -s book` builds it.

    A claim about times can be false because another program took the machine for a moment: then the book is built once
    more, and no claim may be false.
    """
    command = [sys.executable, "-m", "sphinx", "-E", "-W", "--keep-going", "-q", "docs", "build/book"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    for _ in range(2):
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8")
        if not only_claims(done.stderr):
            break
    assert done.returncode == 0, done.stderr
    assert (ROOT / "build" / "book" / "index.html").is_file()


def test_a_build_is_repeated_for_claims_alone():
    claim = 'x.md:1: WARNING: File "x.md", line 1: the claim `faster > 2` is false\n  faster = 0.9 [claim]\n'
    other = "x.md:2: WARNING: undefined label\n"
    assert only_claims(claim) and only_claims(2 * claim)
    assert not only_claims(claim + other) and not only_claims(other) and not only_claims("")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_build_runs_all_code_of_a_page(page):
    """It would only show a plain fence of Python: `pytest chapters` alone would run it."""
    assert {cell.kind for cell in cells(page.read_text(encoding="utf-8"))} <= {"live", "frames", "eval", "claim"}
