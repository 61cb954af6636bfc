"""Planted wrong answers: how a file of them is read, and what an edit makes of the reference."""

import ast
import builtins
import importlib
import symtable
import textwrap

import pytest

from tito.course import default
from tito.rubrics import stubs
from tito.rubrics.planted import Planted, planted
from tito.rubrics.rubric import load

CHAPTERS = [chapter for chapter in default().chapters() if chapter.rubric_path.is_file()]

LINE = '''\
class Line:
    def at(self, x):
        """y = k x + c"""
        # What does k scale?
        y = self.k * x
        return y + self.c
'''


def edited(*edits: tuple[str, str]) -> list[str]:
    return Planted("Line.at", "a mistake", edits=edits).into(LINE).split("\n")


def test_edits_change_the_body_alone():
    assert edited(("+ ", "- ")) == [*LINE.split("\n")[:5], "        return y - self.c", ""]


def test_edits_read_the_reference_and_not_each_other():
    lines = edited(("self.k", "self.c"), ("self.c", "self.k"))
    assert lines[4:6] == ["        y = self.c * x", "        return y + self.k"]


def test_an_edit_may_add_and_remove_lines_from_the_left_margin():
    assert edited(("return y", "y -= 1\nreturn y"))[4:7] == [
        "        y = self.k * x",
        "        y -= 1",
        "        return y + self.c",
    ]
    assert edited(("y = self.k * x\n", ""))[4] == "        return y + self.c"


@pytest.mark.parametrize(("text", "count"), [("self.m", 0), ("self", 2), ("What does k scale", 0)])
def test_a_text_must_stand_exactly_once_in_the_body(text, count):
    with pytest.raises(ValueError, match=f"Line.at, 'a mistake': '{text}' must stand once .* stands {count} times"):
        edited((text, "0"))


def test_texts_must_not_overlap():
    with pytest.raises(ValueError, match=r"'y = self.k', 'self.k \* x' overlap"):
        edited(("y = self.k", "y = 1"), ("self.k * x", "x"))


def read(tmp_path, text: str) -> list[Planted]:
    (tmp_path / "line.py").write_text(text)
    return planted(tmp_path / "line.py")


def test_a_file_holds_edits_and_definitions(tmp_path):
    assert read(
        tmp_path,
        'wrong("Line.at", "subtracts", "+", "-")\n'
        'wrong("Line.at", "is another line", "self.k", "2", "self.c", "3")\n'
        '@wrong("Line.at", "forgets k")\ndef forgets(self, x):\n    y = x\n    return y + self.c\n',
    ) == [
        Planted("Line.at", "subtracts", edits=(("+", "-"),)),
        Planted("Line.at", "is another line", edits=(("self.k", "2"), ("self.c", "3"))),
        Planted("Line.at", "forgets k", body="y = x\nreturn y + self.c\n"),
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('\nwrong("Line.at", "does nothing")\n', "line.py:2: needs pairs"),
        ('wrong("Line.at", "forgets what to write", "+", "-", "self.k")\n', "line.py:1: needs pairs"),
        ('wrong("Line.at")\n', "line.py:1: needs wrong\\(exercise, mistake"),
        ("@wrong\ndef forgets(self, x):\n    return x\n", "needs wrong\\(exercise, mistake"),
        ('@wrong("Line.at", "is both", "+", "-")\ndef both(self, x):\n    return x\n', "takes no edits"),
    ],
)
def test_an_answer_that_cannot_be_meant_is_an_error(tmp_path, text, error):
    with pytest.raises(AssertionError, match=error):
        read(tmp_path, text)


# -- the course's own files ----------------------------------------------------------------------------------------


def definition(source: str, name: str) -> str:
    return textwrap.dedent(stubs.reference(source, name))


def unknown(source: str, module: object) -> set[str]:
    """The global names that a definition mentions and neither its module nor Python has."""

    def mentioned(table: symtable.SymbolTable) -> set[str]:
        own = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
        return own.union(*map(mentioned, table.get_children()))

    functions = symtable.symtable(source, "answer", "exec").get_children()
    return set().union(*map(mentioned, functions)) - vars(module).keys() - vars(builtins).keys()


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)
def test_every_answer_applies_differs_and_knows_its_names(chapter):
    """An answer that fails for a name that is missing would lose its points for the wrong reason."""
    source, seen = load(chapter.number).source, set()
    module = importlib.import_module(f"tinytorch.{load(chapter.number).module}")
    for answer in planted(chapter.planted_path) + planted(chapter.right_path):
        own, name = definition(answer.into(source), answer.exercise), (answer.exercise, answer.mistake)
        assert ast.dump(ast.parse(own)) != ast.dump(ast.parse(definition(source, answer.exercise))), name
        assert unknown(own, module) == set(), name
        assert name not in seen
        seen.add(name)
