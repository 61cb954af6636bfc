"""Editions: the same pages for a class. `-D edition=student` has room to write, `-D edition=instructor` has answers.

The choice is made while pages are written, from what was read once: both editions of a handout carry the same measured
numbers, and what a student must not see never reaches a student's page. Without the setting this is the book.
"""

from __future__ import annotations

import math
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from tito.book.questions import fold


class Edition(SphinxPostTransform):
    """Students get rules to write on for every answer and every predicted output, and the hints at the end.

    Instructors get short solutions.
    """

    default_priority = 5  # before anything looks at what is inside

    def run(self, **_: Any) -> None:
        answers = list(self.document.findall(fold))
        if self.config.edition == "student":
            self.collect([answer for answer in answers if "hint" in answer["classes"]])
            for answer in answers:
                if "hint" not in answer["classes"] and not given(answer):
                    answer.replace_self(space(room(answer)))
            for question in self.document.findall(nodes.admonition):
                if "predict" in question["classes"] and "below" not in question["classes"]:
                    question += space(2)
        elif self.config.edition == "instructor":
            for answer in answers:
                if "body" in answer:
                    shorten(answer)

    def collect(self, hints: list[fold]) -> None:
        """Move the hints to the end of the chapter, where only who looks for one sees it."""
        end = nodes.section(ids=["hints"], classes=["hints"])
        end += nodes.title("", "Hints")
        for hint in hints:
            name = hint["exercise"]
            end += nodes.paragraph("", "", nodes.literal(name, name))
            end += hint.children
            hint.parent.remove(hint)
        if hints:
            next(iter(self.document.findall(nodes.section))).append(end)


def given(answer: fold) -> bool:
    """Whether it holds listings only: code that was folded for its length, and no answer."""
    return all("listing" in part.get("classes", ()) for part in answer.children if isinstance(part, nodes.Element))


def room(answer: fold) -> int:
    """How many lines to leave for it: roughly what the answer fills when written or drawn by hand."""
    if "outcome" in answer["classes"]:
        drawn = any("live-figure" in part["classes"] for part in answer.findall(nodes.figure))
        return 6 if drawn else min(6, max(2, len(answer.astext().splitlines())))
    if "body" in answer:
        return max(4, 2 * math.ceil(len(answer["body"].splitlines()) / 2) + 2)
    return min(12, max(4, math.ceil(len(answer.astext().split()) / 10)))


def shorten(answer: fold) -> None:
    """A solution without what the stub above it shows already."""
    block, body = next(iter(answer.findall(nodes.literal_block))), answer["body"].rstrip("\n")
    if "highlight_args" not in block:  # of an accounting, whose stub is not shown
        return
    above = len(block.astext().split("\n")) - len(body.split("\n"))
    first = block["highlight_args"]["linenostart"] + above
    block.children, block.rawsource = [nodes.Text(body)], body
    block["highlight_args"] = {"linenostart": first}


def space(lines: int) -> nodes.container:
    box = nodes.container(classes=["space"])
    box += [nodes.container(classes=["rule"]) for _ in range(lines)]
    return box


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_config_value("edition", "", "html", str)
    app.add_post_transform(Edition)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
