"""Terms: the field's words. `{define}` marks where a word is first used; the glossary and the index are made of these.

`term: what it means` shows the term. Where the sentence needs another form, `term <form>: what it means` shows that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from tito.book.cells import blocks

logger = logging.getLogger(__name__)
FORM = re.compile(r"(?P<term>[^:<]+?)\s*(?:<(?P<shown>[^>]+)>)?:\s+(?P<meaning>\S.*)", re.DOTALL)


def parts(text: str) -> tuple[str, str, str]:
    """The term, the word that the sentence shows, and what it means. Raises ValueError for another form."""
    match = FORM.fullmatch(" ".join(text.split()))
    if match is None:
        raise ValueError(f"a definition is `term: what it means` or `term <shown>: what it means`, got `{text}`")
    return match["term"], match["shown"] or match["term"], match["meaning"]


class Define(SphinxRole):
    """A word where it is first used: emphasised, in the index, and in the glossary."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        try:
            term, shown, _ = parts(self.text)
        except ValueError as problem:
            logger.warning("%s", problem, location=(self.env.docname, self.lineno), type="define")
            return [nodes.literal(self.text, self.text)], []
        place = nodes.make_id(f"define-{term}")
        index = addnodes.index(entries=[("single", term, place, "main", None)])
        return [index, nodes.emphasis("", shown, ids=[place], classes=["defined"])], []


def definitions(text: str) -> Iterator[tuple[str, str]]:
    """The terms that a page defines, and what they mean."""
    for block in blocks(text):
        if block.name == "{define}" and FORM.fullmatch(" ".join(block.text.split())):
            term, _, meaning = parts(block.text)
            yield term, meaning


class Terms(SphinxDirective):
    """Every definition of every chapter, in the order of the alphabet, with the chapter that it stands in."""

    def run(self) -> list[nodes.Node]:
        entries = list[tuple[str, str, str]]()
        for name in sorted(name for name in self.env.found_docs if re.fullmatch(r"chapters/\d\d_\w+", name)):
            path = Path(self.env.doc2path(name))
            self.env.note_dependency(str(path))
            entries += [(*pair, name) for pair in definitions(path.read_text(encoding="utf-8"))]
        if not entries:
            return [nodes.paragraph("", "No chapter defines a term yet.")]
        lines = [":sorted:", ""]
        for term, meaning, name in entries:
            number = name.partition("/")[2].partition("_")[0]
            sentence = meaning[0].upper() + meaning[1:].rstrip(".")
            lines += [term, f"  {sentence}. Chapter {{doc}}`{number} </{name}>`.", ""]
        return self.parse_text_to_nodes("\n".join(["```{glossary}", *lines, "```"]))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_role("define", Define())
    app.add_directive("terms", Terms)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
