"""Editions: the same pages for a class. `-D edition=student` leaves out every answer, `-D edition=instructor` opens them.

The choice is made while pages are written, from what was read once: both editions of a handout carry the same measured
numbers, and what a student must not see never reaches a student's page. Without the setting this is the book.
"""

from __future__ import annotations

import math
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from listing import fold

EDITIONS = ("student", "instructor")


class Edition(SphinxPostTransform):
    """Rules to write on in the place of every fold, and below every prediction."""

    default_priority = 5  # before anything looks at what is inside

    def run(self, **_: Any) -> None:
        if self.config.edition != "student":
            return
        for answer in list(self.document.findall(fold)):
            answer.replace_self(space(room(answer)))
        for question in list(self.document.findall(nodes.admonition)):
            if "predict" in question["classes"]:
                question += space(2)


def room(answer: fold) -> int:
    """How many lines to leave for it: roughly what the answer fills when written by hand."""
    if "lines" in answer:
        return max(4, 2 * math.ceil(answer["lines"] / 2) + 2)
    return min(12, max(4, math.ceil(len(answer.astext().split()) / 10)))


def space(lines: int) -> nodes.container:
    box = nodes.container(classes=["space"])
    box += [nodes.container(classes=["rule"]) for _ in range(lines)]
    return box


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_config_value("edition", "", "html", str)
    app.add_post_transform(Edition)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
