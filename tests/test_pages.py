"""The book itself: every page is built without a warning, so every cell has run and every claim holds."""

import os
import subprocess
import sys

import pytest

from tito.book import ROOT
from tito.book.cells import cells

PAGES = sorted((ROOT / "chapters").rglob("[0-9]*_*.md"))


def test_the_book_is_built_without_a_warning():
    """Into build/book, as `nox -s book` builds it."""
    command = [sys.executable, "-m", "sphinx", "-E", "-W", "--keep-going", "-q", "docs", "build/book"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert (ROOT / "build" / "book" / "index.html").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_build_runs_all_code_of_a_page(page):
    """It would only show a plain fence of Python: `pytest chapters` alone would run it."""
    assert {cell.kind for cell in cells(page.read_text(encoding="utf-8"))} <= {"live", "frames", "eval", "claim"}
