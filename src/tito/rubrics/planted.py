"""Planted answers: mistakes students really make, which a rubric must catch, and other ways to be right.

grading/planted/autograd.py holds at least three for every graded name. Most are edits: a text that stands exactly once
in the body of the reference's definition, and what the mistake writes there. Several such pairs may follow each other:

    wrong("unbroadcast", "takes the mean for the sum", "return g.sum", "return g.mean")

Where the thinking differs, and not a word or two, the answer is a definition whose statements replace the reference's:

    @wrong("mul_vjp", "keeps x and y where they are")
    def kept(g, z, x, y):
        return g * x, g * y

grading/right/autograd.py holds, in the same two forms, right answers that are written in other ways: none may lose a
point.

    right("unbroadcast", "takes one axis at a time", "...", "...")

The files are read, never run. The reference's definition keeps its own name, decorators and signature; what the
statements mention (np, other names of the module) is found in the chapter's module.
"""

import ast
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tito.rubrics import stubs


@dataclass(frozen=True)
class Planted:
    """One answer: to which exercise, what the mistake or the way is, and the statements or the edits that make it."""

    exercise: str
    mistake: str
    body: str = ""
    edits: tuple[tuple[str, str], ...] = ()

    def into(self, reference: str) -> str:
        """The reference's source with this answer in place of its own. Raises ValueError if an edit does not apply."""
        body = self.body or self._edited(textwrap.dedent(stubs.body(reference, self.exercise)))
        return stubs.with_body(reference, self.exercise, body)

    def _edited(self, body: str) -> str:
        """The reference's statements with every text replaced, all at the same time."""
        where = f"{self.exercise}, {self.mistake!r}"
        for text, _ in self.edits:
            if (count := body.count(text)) != 1:
                raise ValueError(f"{where}: {text!r} must stand once in the reference's body, and stands {count} times")
        edits = dict(self.edits)
        edited, count = re.subn("|".join(map(re.escape, edits)), lambda found: edits[found[0]], body)
        if count != len(self.edits):
            raise ValueError(f"{where}: the texts {', '.join(map(repr, edits))} overlap in the reference's body")
        return edited


def wrong(exercise: str, mistake: str, *edits: str) -> Callable[[Any], Any]:
    """A wrong answer to an exercise: by its edits (text, instead, ...), or as the definition that it decorates."""
    return lambda function: function


def right(exercise: str, way: str, *edits: str) -> Callable[[Any], Any]:
    """A right answer that is written in another way: by its edits, or as the definition that it decorates."""
    return lambda function: function


def planted(path: Path) -> list[Planted]:
    """The answers in a file, wrong ones or right ones, in order."""
    if not path.is_file():
        return []
    source, found = path.read_text(encoding="utf-8"), []
    for node in ast.parse(source).body:
        where = f"{path.name}:{node.lineno}"
        if isinstance(node, ast.FunctionDef) and node.decorator_list:
            exercise, mistake, *texts = _arguments(node.decorator_list[0], where)
            assert not texts, f"{where}: a definition is the whole answer and takes no edits"
            lines = source.split("\n")[node.body[0].lineno - 1 : node.end_lineno]
            found.append(Planted(exercise, mistake, textwrap.dedent("\n".join(lines)) + "\n"))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            exercise, mistake, *texts = _arguments(node.value, where)
            assert texts and len(texts) % 2 == 0, f"{where}: needs pairs of a text and what stands there instead"
            found.append(Planted(exercise, mistake, edits=tuple(zip(texts[::2], texts[1::2]))))
    return found


def _arguments(call: ast.expr, where: str) -> list[str]:
    assert isinstance(call, ast.Call) and len(call.args) >= 2, (
        f"{where}: needs wrong(exercise, mistake, ...) or right(exercise, way, ...)"
    )
    return [ast.literal_eval(argument) for argument in call.args]
