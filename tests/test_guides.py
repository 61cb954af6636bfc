"""The guides are true: a command in a sh fence runs, one in a console fence is there, a first exercise goes as told."""

import json
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUIDES = sorted(
    path for path in (ROOT / "docs").glob("*.md") if re.search(r"^```(sh|console)$", path.read_text("utf-8"), re.M)
)
TIMES_OUT = 240
# Pages whose commands install, take minutes, or serve until stopped: what they name is looked for, and not run.
READ_ONLY = {"benchmarks", "claims", "instructors", "leaderboard", "maintainers", "serving", "students"}
# The code that a reader is told to write, by the page and by the line that it takes the place of.
TOLD = 'raise NotImplementedError("chapter 02: relu")'


def fences(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def commands(text: str, language: str) -> list[list[str]]:
    """The commands of every fence of a language, as words; a comment ends a line, && divides it."""
    told = [fence.replace("\\\n", " ") for fence in fences(text, language)]  # a backslash goes on in the next line
    lines = [line.removeprefix("$ ") for fence in told for line in fence.splitlines()]
    parts = [part for line in lines for part in re.split(r"&&|;|\|", line.split(" #")[0])]
    return [words for part in parts if (words := shlex.split(part.split(">")[0]))]


@cache
def manual() -> dict[str, str]:
    told = subprocess.run([sys.executable, "-m", "tito.cli.manual"], capture_output=True, check=True, cwd=ROOT)
    return {command["name"]: command["help"] for command in json.loads(told.stdout)}


@cache
def sessions() -> set[str]:
    told = subprocess.run([sys.executable, "-m", "nox", "--list"], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(re.findall(r"^[-*] ([\w-]+)", told.stdout, re.M))


def unknown(words: list[str]) -> str:
    """What a command names that is not there: a command of tito, an option, a session; "" if all is."""
    if words[0] == "nox":
        named = words[words.index("-s") + 1] if "-s" in words else ""
        return "" if not named or named in sessions() else f"session {named}"
    if words[0] != "tito" or words[1:] in ([], ["--help"]):
        return ""
    name = next((name for name in manual() if words[: len(name.split())] == name.split()), "")
    if not name:
        return f"command {' '.join(words[:3])}"
    options = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    return next((f"{option} of {name}" for option in options if option not in manual()[name]), "")


def test_what_is_not_there_is_found():
    assert unknown(["tito", "grad", "05"]) == "command tito grad 05"
    assert unknown(["tito", "grade", "05", "--sed", "7"]) == "--sed of tito grade"
    assert unknown(["nox", "-s", "grade-99"]) == "session grade-99"
    assert not unknown(["tito", "milestone", "run", "1957", "--reference"]) and not unknown(["nox", "-s", "tests"])


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_each_command_is_there(page):
    text = page.read_text(encoding="utf-8")
    assert [missing for words in commands(text, "(?:sh|console)") if (missing := unknown(words))] == []


class Reader:
    """Somebody who follows a page: types its commands, with a work folder of their own, and writes what it shows."""

    def __init__(self, work: Path):
        self.work = work
        self.env = {**os.environ, "TINYTORCH_WORK": str(work), "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1"}

    def types(self, words: list[str]) -> subprocess.CompletedProcess:
        start = [sys.executable, "-m", words[0]]
        return subprocess.run(
            [*start, *words[1:]],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=self.env,
            cwd=ROOT,
            timeout=TIMES_OUT,
        )

    def writes(self, body: str, before: str) -> str:
        """Put a body in the place of a text in the file of chapter 02; returns what stands there now."""
        path = self.work / "activations.py"
        source, indented = path.read_text(encoding="utf-8"), body.strip("\n").replace("\n", "\n    ")
        assert source.count(before) == 1
        path.write_text(source.replace(before, indented), encoding="utf-8")
        return indented


RUN = [page for page in GUIDES if page.stem not in READ_ONLY and fences(page.read_text("utf-8"), "sh")]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_each_command_of_sh_runs(page, tmp_path):
    """In their order, with one work folder; a grade of what is not right yet ends with 1, as it says."""
    reader = Reader(tmp_path / "work")
    for words in commands(page.read_text(encoding="utf-8"), "sh"):
        done = reader.types(words)
        graded = words[:2] == ["tito", "grade"]
        assert done.returncode in ((0, 1) if graded else (0,)), (words, done.stdout[-2000:], done.stderr[-2000:])
        assert not done.stderr, (words, done.stderr)


def test_the_first_exercise_goes_as_the_quick_start_says(tmp_path):
    text = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    told, wrong, right = fences(text, "python")
    assert told.strip() == TOLD
    reader = Reader(tmp_path / "work")
    reader.types(["tito", "start", "02"])
    there = reader.writes(wrong, TOLD)
    first = reader.types(["tito", "grade", "02", "-k", "relu"])
    assert first.returncode == 1 and "x was changed" in first.stdout
    reader.writes(right, there)
    second = reader.types(["tito", "grade", "02", "-k", "relu"])
    assert "relu     2/2  passed" in second.stdout, second.stdout
