"""What TinyTorch can do from the command line: `nox --list`.

Sessions run in the environment that nox itself runs in, so that a repeated run costs nothing but the work.
"""

import importlib.util
import os
import re
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
BOOK = ROOT / "build" / "book"
CHAPTERS = sorted(path.name[:2] for path in (ROOT / "chapters").glob("[0-9][0-9]_*.md"))
COMPARING = [
    path for path in (ROOT / "tests").glob("test_*.py") if re.search("pytorch|importorskip", path.read_text("utf-8"))
]
WORKLOADS = re.findall(
    r"^@workload.*\ndef (\w+)", (ROOT / "chapters" / "measures" / "workloads.py").read_text("utf-8"), re.MULTILINE
)
IN_PARALLEL = ("-n", "2", "--dist", "loadgroup", "--no-loadscope-reorder")  # in groups and order: tests/conftest.py
PROFILED = [number for number in CHAPTERS for name in WORKLOADS if (ROOT / f"chapters/{number}_{name}.md").exists()]

nox.options.default_venv_backend = "none"
nox.options.sessions = ["tour"]
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products are faster on one thread than waiting for a second


def python(session: nox.Session, *arguments: str, **options) -> None:
    """Run this environment's Python, after a look at whether the course is installed in it."""
    if importlib.util.find_spec("tito") is None or importlib.util.find_spec("sphinx") is None:
        session.error("the course is not installed here: pip install -e '.[course]'")
    session.run(sys.executable, *arguments, external=True, **options)


def build_book(session: nox.Session, *options: str) -> None:
    quiet = () if sys.stdout.isatty() else ("-q",)
    python(session, "-m", "sphinx", "-W", "--keep-going", *quiet, *options, "docs", str(BOOK))


@nox.session
def tour(session: nox.Session) -> None:
    """The default: train on handwritten digits, grade chapter 05, build the book, say what to do next."""
    python(session, "-m", "tito", "digits")
    python(session, "-m", "tito", "grade", "05", success_codes=[0, 1])
    session.log("building the book: every cell of every chapter runs, which takes a minute")
    build_book(session)
    python(session, "-m", "tito", "next")


for number in CHAPTERS:

    @nox.session(name=f"grade-{number}")
    def grade(session: nox.Session, number: str = number) -> None:
        """Grade one chapter: `nox -s grade-05 -- -k matmul` re-runs the checks that name matmul."""
        python(session, "-m", "tito", "grade", number, *session.posargs)


for number in PROFILED:

    @nox.session(name=f"profile-{number}")
    def profile(session: nox.Session, number: str = number) -> None:
        """Profile a chapter's workload into build/profiles; `-- --record` keeps the summary for the book."""
        python(session, "-m", "tito", "profile", number, *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Compare with PyTorch, where it is installed, in time and memory; `-- --record` keeps it for the book."""
    python(session, "-m", "tito", "compare", *session.posargs)


@nox.session
def claims(session: nox.Session) -> None:
    """Measure what people repeat about these systems; `-- -k adam` one of it; `-- --record` keeps it for the book."""
    python(session, "-m", "tito", "claims", *session.posargs)


@nox.session
def book(session: nox.Session) -> None:
    """Build the book into build/book, running every cell; any warning fails it."""
    build_book(session, "-E", *session.posargs)
    session.log(f"open {(BOOK / 'index.html').relative_to(ROOT)}")


@nox.session
def site(session: nox.Session) -> None:
    """Look at the built book in headless Chromium: contrast, overflow, links, search; `-- 05` at pages named so."""
    python(session, "-m", "tito.book.site", *session.posargs)


for number in CHAPTERS:

    @nox.session(name=f"handout-{number}")
    def handout(session: nox.Session, number: str = number) -> None:
        """Print one chapter into build/handouts: a PDF for students, with room to write, and one with the answers."""
        python(session, "-m", "tito.book.handouts", number)


@nox.session
def handouts(session: nox.Session) -> None:
    """Print every chapter and the whole book, for students and for instructors."""
    python(session, "-m", "tito.book.handouts")


@nox.session
def chapters(session: nox.Session) -> None:
    """Run every code block of every chapter as a test."""
    python(session, "-m", "pytest", "-p", "no:hypothesispytest", "chapters", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff (lint and format) and mypy."""
    for tool in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]):
        python(session, "-m", *tool)


@nox.session
def mutants(session: nox.Session) -> None:
    """How many wrong answers each rubric catches, and which survive; `nox -s mutants -- 05` tries one chapter."""
    python(session, "-m", "tito.grading.kills", *session.posargs, success_codes=[0, 1])


@nox.session
def coverage(session: nox.Session) -> None:
    """Which lines and branches of graded bodies no prepared case reaches; `-- 05` looks at one chapter."""
    python(session, "-m", "tito.grading.coverage", *session.posargs, success_codes=[0, 1])


@nox.session
def refused(session: nox.Session) -> None:
    """Which right answers, written in other ways, lose points with some seed; `-- 05 --seeds 100` for a chapter."""
    python(session, "-m", "tito.grading.refused", *session.posargs, success_codes=[0, 1])


@nox.session
def oracles(session: nox.Session) -> None:
    """Compare with PyTorch and other libraries: a test that skips for want of one fails."""
    files = [str(path.relative_to(ROOT)) for path in sorted(COMPARING)]
    python(session, "-m", "pytest", "--oracles", *IN_PARALLEL, *files, *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Everything that must pass: lint, docstrings, and the tests; one of these builds the book and runs its cells."""
    lint(session)
    python(session, "-m", "doctest", "README.md")
    python(session, "-m", "pytest", "-p", "no:hypothesispytest", "--xdoctest", "src")
    python(session, "-m", "pytest", *IN_PARALLEL, "tests", *session.posargs)
