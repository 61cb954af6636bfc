"""Listings: the files of src/tinytorch, quoted by name with their real line numbers; exercises, predictions, answers.

An unknown name is a warning, so renaming an object fails the book. An exercise shows the stub that a student gets, with
the reference folded below; its points come from the rubric, its stub from the cutter that `tito start` uses.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

from tito import course
from tito.book import ROOT, spans
from tito.rubrics import rubric, stubs

logger = logging.getLogger(__name__)


class fold(nodes.General, nodes.Element):
    """What opens when its `summary` is clicked."""


def visit_fold(self: HTML5Translator, node: fold) -> None:
    self.body.append(self.starttag(node, "details", CLASS="fold"))
    self.body.append(f"<summary>{self.encode(node['summary'])}</summary>\n")


def depart_fold(self: HTML5Translator, node: fold) -> None:
    self.body.append("</details>\n")


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
    option_spec = {"module": directives.unchanged_required, "caption": directives.unchanged_required}

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
        return [box]


class Exercise(Quoting):
    """One graded definition: its stub, its points, the command that grades it, and the reference folded below."""

    required_arguments = 1
    has_content = True
    option_spec = {"module": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        name, (number, _) = self.arguments[0], self.chapter()
        try:
            source = self.source()
            first, last = spans.spans(source, name)[0]
            points = self.points(number, name)
            stub = stubs.reference(stubs.stub(source, [name], number), name)
        except KeyError as problem:
            return self.warn(f"exercise: {problem.args[0]}")
        box = nodes.container(classes=["exercise"], ids=[nodes.make_id(f"exercise-{name}")])
        title = [nodes.inline("", "Exercise", classes=["exercise-label"]), nodes.Text(" "), nodes.literal(name, name)]
        worth = "1 point" if points == 1 else f"{points:g} points"
        box += nodes.paragraph("", "", *title, nodes.inline("", worth, classes=["points"]), classes=["exercise-title"])
        box += self.parse_content_to_nodes()
        box += self.quote(stub.rstrip("\n"), stubs.definitions(source)[name].first)
        box += self.command(number, name)
        reference = fold(summary="Reference solution", classes=["reference"], body=stubs.body(source, name))
        reference += self.quote(spans.text(source, (first, last)), first)
        box += reference
        return [box]

    def points(self, number: str, name: str) -> float:
        """What the rubric gives for it. Raises KeyError if the rubric does not grade it."""
        path = course.chapter(number).rubric_path
        self.env.note_dependency(str(path))
        exercises = rubric.load(number).exercises
        if name not in exercises:
            raise KeyError(f"{path.name} does not grade {name!r}; it grades {', '.join(exercises)}")
        return exercises[name].points

    def command(self, number: str, name: str) -> nodes.container:
        where = nodes.literal("", f"work/{self.module()}.py")
        line = f"nox -s grade-{number} -- -k {name}"
        row = nodes.container(classes=["exercise-command"])
        row += nodes.paragraph("", "", nodes.Text("Write it in "), where, nodes.Text(", then grade it:"))
        row += nodes.literal_block(line, line, language="none")
        return row


class Predict(SphinxDirective):
    """A question to answer before reading on."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        box = nodes.admonition(classes=["predict"])
        box += nodes.title("", "Predict")
        box += self.parse_content_to_nodes()
        return [box]


class Answer(SphinxDirective):
    """A model answer, folded. The argument is what to click on."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        answer = fold(summary=self.arguments[0] if self.arguments else "Answer", classes=["answer"])
        answer += self.parse_content_to_nodes()
        return [answer]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(fold, html=(visit_fold, depart_fold))
    app.add_directive("listing", Listing)
    app.add_directive("exercise", Exercise)
    app.add_directive("predict", Predict)
    app.add_directive("answer", Answer)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
