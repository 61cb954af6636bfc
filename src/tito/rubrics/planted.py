"""Planted wrong answers: mistakes students really make, each of which a rubric must catch.

grading/planted/autograd.py holds, for every graded name, at least three definitions like

    @wrong("mul_vjp", "keeps x and y where they are")
    def kept(g, z, x, y):
        return g * x, g * y

The file is read, never run: the statements replace those of the reference's definition, which keeps its own name,
decorators and signature. What the statements mention (np, other names of the module) is found in the chapter's module.
"""

import ast
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tito.rubrics import stubs


@dataclass(frozen=True)
class Planted:
    """One wrong answer: to which exercise, what the mistake is, and the statements that make it."""

    exercise: str
    mistake: str
    body: str

    def into(self, reference: str) -> str:
        """The reference's source with this answer in place of its own."""
        return stubs.with_body(reference, self.exercise, self.body)


def wrong(exercise: str, mistake: str) -> Callable[[Any], Any]:
    """Marks a definition as a wrong answer to an exercise."""
    return lambda function: function


def planted(path: Path) -> list[Planted]:
    """The wrong answers in a file, in order."""
    if not path.is_file():
        return []
    source, found = path.read_text(encoding="utf-8"), []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.decorator_list:
            call = node.decorator_list[0]
            assert isinstance(call, ast.Call), f"{path.name}:{node.lineno}: @wrong(exercise, mistake) is missing"
            exercise, mistake = (ast.literal_eval(argument) for argument in call.args)
            lines = source.split("\n")[node.body[0].lineno - 1 : node.end_lineno]
            found.append(Planted(exercise, mistake, textwrap.dedent("\n".join(lines)) + "\n"))
    return found
