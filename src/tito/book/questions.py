"""Questions: what a reader does before reading on. Predictions, answers that open on a click, recall, experiments.

What opens is a `fold`, the browser's own <details>: no script. The editions for print decide what becomes of each.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)


class fold(nodes.General, nodes.Element):
    """What opens when its `summary` is clicked."""


def visit_fold(self: HTML5Translator, node: fold) -> None:
    self.body.append(self.starttag(node, "details", CLASS="fold"))
    self.body.append(f"<summary>{self.encode(node['summary'])}</summary>\n")


def depart_fold(self: HTML5Translator, node: fold) -> None:
    self.body.append("</details>\n")


class Question(SphinxDirective):
    """What these directives share: words of its own that are parsed as the page is."""

    has_content = True

    def warn(self, problem: str) -> list[nodes.Node]:
        logger.warning("%s", problem, location=(self.env.docname, self.lineno), type=self.name)
        return [nodes.literal_block(problem, problem, language="none", classes=["live-error"])]


class Predict(Question):
    """A question to answer before reading on; what the next cell shows stays folded until then."""

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        box = nodes.admonition(classes=["predict"])
        box += nodes.title("", "Predict")
        box += self.parse_content_to_nodes()
        self.env.temp_data["predict"] = box
        return [box]


class Answer(Question):
    """A model answer, folded. The argument is what to click on."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        self.env.temp_data.pop("predict", None)  # this answers it, not the next cell
        answer = fold(summary=self.arguments[0] if self.arguments else "Answer", classes=["answer"])
        outer = self.env.temp_data.get("folded", False)
        self.env.temp_data["folded"] = True
        answer += self.parse_content_to_nodes()
        self.env.temp_data["folded"] = outer
        return [answer]


class Recall(Question):
    """Questions on this chapter and earlier ones: a line each, the answer after a colon on the next, folded."""

    def run(self) -> list[nodes.Node]:
        parsed = self.parse_content_to_nodes()
        if len(parsed) != 1 or not isinstance(parsed[0], nodes.definition_list):
            return self.warn("recall: each question is a line, and below it its answer after a colon and a space")
        questions = nodes.enumerated_list(enumtype="arabic", prefix="", suffix=".", classes=["recall"])
        for pair in parsed[0].findall(nodes.definition_list_item):
            term, definition = (next(iter(pair.findall(kind))) for kind in (nodes.term, nodes.definition))
            answer = fold("", *definition.children, summary="Answer", classes=["answer"])
            questions += nodes.list_item("", nodes.paragraph("", "", *term.children), answer)
        return [questions]


class Experiment(Question):
    """An open question without a grade: what to vary, a cell to start from, what a good answer shows."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        box = nodes.container(classes=["experiment"])
        words, messages = self.parse_inline(self.arguments[0], lineno=self.lineno)
        label = nodes.inline("", "Experiment", classes=["experiment-label"])
        box += nodes.paragraph("", "", label, nodes.Text(" "), *words, *messages, classes=["experiment-title"])
        box += self.parse_content_to_nodes()
        live = any("live" in part["classes"] for part in box.findall(nodes.container))
        if not live or not any("answer" in part["classes"] for part in box.findall(fold)):
            return self.warn("experiment: it needs a {live} cell to start from, and an {answer} on what is good")
        return [box]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(fold, html=(visit_fold, depart_fold))
    app.add_directive("predict", Predict)
    app.add_directive("answer", Answer)
    app.add_directive("recall", Recall)
    app.add_directive("experiment", Experiment)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
