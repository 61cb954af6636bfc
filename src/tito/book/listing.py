"""Listings: the files of src/tinytorch, quoted by name with their real line numbers; and what is graded.

An unknown name is a warning, so renaming an object fails the book. An exercise opens in steps: the contract stands, the
hint and then the solution are folded. Its points, difficulty and minutes come from the rubric.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from tito import course
from tito.book import ROOT, spans
from tito.book.questions import fold
from tito.rubrics import rubric, stubs

LONG = 40  # lines that a listing may have before it is folded

logger = logging.getLogger(__name__)


class Quoting(SphinxDirective):
    """What listings and exercises share: the chapter's file, and blocks of it."""

    def chapter(self) -> tuple[str, str]:
        """The number and name of the chapter being read."""
        match = re.fullmatch(r"chapters/(\d\d)_(\w+)", self.env.docname)
        return (match[1], match[2]) if match else ("", "")

    def module(self) -> str:
        return str(self.options.get("module") or self.chapter()[1])

    def path(self) -> Path:
        return ROOT / "src" / "tinytorch" / (self.module().replace(".", "/") + ".py")

    def source(self) -> str:
        """The text of the module; the page is built again when it changes. Raises KeyError if there is none."""
        self.env.note_dependency(str(self.path()))
        if not self.path().is_file():
            raise KeyError(f"there is no src/tinytorch/{self.module()}.py")
        return self.path().read_text(encoding="utf-8")

    def quote(self, text: str, first: int, *classes: str) -> nodes.literal_block:
        block = nodes.literal_block(text, text, language="python", linenos=True, classes=["quoted", *classes])
        block["highlight_args"] = {"linenostart": first}
        self.set_source_info(block)
        return block

    def caption(self, caption: str) -> nodes.paragraph:
        return nodes.paragraph("", "", nodes.literal(caption, caption), classes=["listing-file"])

    def warn(self, problem: str) -> list[nodes.Node]:
        logger.warning("%s", problem, location=(self.env.docname, self.lineno), type=self.name)
        return [nodes.literal_block(problem, problem, language="none", classes=["live-error"])]


class Listing(Quoting):
    """Definitions of the chapter's module, or a ruler section of it, as they stand in the file."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {
        "module": directives.unchanged_required,
        "caption": directives.unchanged_required,
        "fold": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        try:
            source = self.source()
            shown = spans.spans(source, self.arguments[0])
        except KeyError as problem:
            return self.warn(f"listing: {problem.args[0]}")
        box = nodes.container(classes=["listing"])
        box += self.caption(f"src/tinytorch/{self.module().replace('.', '/')}.py")
        box += [self.quote(spans.text(source, span), span[0]) for span in shown]
        if caption := self.options.get("caption"):
            words, messages = self.parse_inline(caption, lineno=self.lineno)
            box += nodes.paragraph("", "", *words, *messages, classes=["listing-caption"])
        length = sum(last - first + 1 for first, last in shown)
        if "fold" not in self.options and (length <= LONG or self.env.temp_data.get("folded")):
            return [box]
        summary = self.options.get("fold") or f"{self.arguments[0].replace(' ', ', ')}: {length} lines"
        return [fold("", box, summary=summary, classes=["given"])]


class Exercise(Quoting):
    """One graded definition: its contract, the command that grades it; below, folded, the hint and the solution."""

    required_arguments = 1
    has_content = True
    option_spec = {"module": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        name, (number, _) = self.arguments[0], self.chapter()
        try:
            asked, source = self.graded(number, name)
            [(begin, end)] = spans.spans(source, name)
        except KeyError as problem:
            return self.warn(f"exercise: {problem.args[0]}")
        box = self.box(asked)
        box += self.parse_content_to_nodes()
        box += self.quote(stubs.contract(source, name), stubs.definitions(source)[name].first)
        box += self.command(number, name)
        box += self.hint(source, name)
        solution = fold(summary="Solution", classes=["reference"], body=stubs.body(source, name))
        solution += self.quote(spans.text(source, (begin, end)), begin)
        box += solution
        return [box]

    def graded(self, number: str, name: str) -> tuple[rubric.Exercise, str]:
        """What the rubric says of it, and the chapter's program. Raises KeyError if the rubric does not grade it."""
        path = course.chapter(number).rubric_path
        self.env.note_dependency(str(path))
        source, graded = self.source(), rubric.load(number)
        if name not in graded.exercises:
            raise KeyError(f"{path.name} does not grade {name!r}; it grades {', '.join(graded.exercises)}")
        asked = graded.exercises[name]
        return asked, graded.source if asked.accounting else source

    def box(self, asked: rubric.Exercise) -> nodes.container:
        """The frame with its title: what it is worth, how hard it is, how long it takes."""
        label = "Accounting" if asked.accounting else "Exercise"
        kinds = ["exercise", "accounting"] if asked.accounting else ["exercise"]
        box = nodes.container(classes=kinds, ids=[nodes.make_id(f"exercise-{asked.name}")])
        title = [nodes.inline("", label, classes=["exercise-label"]), nodes.Text(" ")]
        title.append(nodes.literal(asked.name, asked.name))
        worth = "1 point" if asked.points == 1 else f"{asked.points:g} points"
        facts = [nodes.inline("", worth, classes=["points"])]
        if asked.minutes:
            dots = "\u25cf" * asked.difficulty + "\u25cb" * (3 - asked.difficulty)
            level = f'<span class="difficulty" role="img" aria-label="difficulty {asked.difficulty} of 3">{dots}</span>'
            facts += [nodes.raw("", level, format="html")]
            facts += [nodes.inline("", f"{asked.minutes} min", classes=["minutes"])]
        box += nodes.paragraph("", "", *title, *facts, classes=["exercise-title"])
        return box

    def hint(self, source: str, name: str) -> list[nodes.Node]:
        """The stub's comment, folded; none where there is none."""
        lines = stubs.hints(source, name)
        if not lines:
            return []
        hint = fold(summary="Hint", classes=["hint"], exercise=name)
        hint += nodes.literal_block("\n".join(lines), "\n".join(lines), language="python")
        return [hint]

    def command(self, number: str, name: str) -> nodes.container:
        where = nodes.literal("", f"work/{self.module()}.py")
        line = f"nox -s grade-{number} -- -k {name}"
        row = nodes.container(classes=["exercise-command"])
        row += nodes.paragraph("", "", nodes.Text("Write it in "), where, nodes.Text(", then grade it:"))
        row += nodes.literal_block(line, line, language="none")
        return row


class Asked(Exercise):
    """A number that is asked: the question; folded, the hint, and the model answer with what our counter finds."""

    def run(self) -> list[nodes.Node]:
        name, (number, _) = self.arguments[0], self.chapter()
        try:
            asked, source = self.graded(number, name)
        except KeyError as problem:
            return self.warn(f"accounting: {problem.args[0]}")
        if asked.accounting is None:
            return self.warn(f"accounting: {name} asks for no number; it is an {{exercise}}")
        box = self.box(asked)
        box += self.parse_content_to_nodes()
        box += self.parse_text_to_nodes(stubs.definitions(source)[name].doc)
        box += self.command(number, name)
        box += self.hint(source, name)
        body = stubs.body(source, name)
        solution = fold(summary="Solution", classes=["reference"], body=body)
        solution += nodes.literal_block(textwrap.dedent(body).strip(), textwrap.dedent(body).strip(), language="python")
        solution += nodes.paragraph("", f"Our counter finds {asked.accounting.told()}.")
        box += solution
        return [box]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("listing", Listing)
    app.add_directive("exercise", Exercise)
    app.add_directive("accounting", Asked)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
