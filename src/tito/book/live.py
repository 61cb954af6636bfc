"""Live cells: `{live}` runs Python while the book is built and shows what it did; `{eval}` puts a value into prose.

A cell that fails, or draws without `:alt:`, is a warning with its traceback, so `sphinx-build -W` fails. The cells
after a failed one are shown and not run. A page depends on all of src/tinytorch, on the recorded measurements and on
this package: change a function and its numbers are measured again.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from tito.book import ROOT
from tito.book.cells import CellError, ChapterRun, Output

logger = logging.getLogger(__name__)


def session(env: BuildEnvironment) -> ChapterRun:
    """The running session of the page being read, begun by its first cell."""
    found = env.temp_data.get("live_session")
    if found is None:
        found = env.temp_data["live_session"] = ChapterRun(env.doc2path(env.docname))
        sources = ("src/tinytorch/**/*.py", "chapters/**/*.json", "src/tito/book/*.py")
        for path in sorted(path for pattern in sources for path in ROOT.glob(pattern)):
            env.note_dependency(str(path))
    return found


def block(text: str, kind: str, language: str = "none") -> nodes.literal_block:
    return nodes.literal_block(text, text, language=language, classes=[kind])


class Live(SphinxDirective):
    """Python that runs, above what it shows."""

    has_content = True
    option_spec = {
        "alt": directives.unchanged_required,
        "caption": directives.unchanged_required,
        "raises": directives.unchanged_required,
        "hide-code": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        source = "\n".join(self.content)
        cell = nodes.container(classes=["live"])
        self.set_source_info(cell)
        if "hide-code" not in self.options:
            cell += block(source, "live-code", "python")
        output = self.output(source)
        if output.text:
            cell += block(output.text.rstrip("\n"), "live-text")
        if output.error:
            cell += block(output.error, "live-error")
        for drawing in output.drawings:
            cell += self.figure(drawing)
        return [cell] if cell.children else []  # a hidden cell may have nothing to show

    def output(self, source: str) -> Output:
        line = self.lineno + self.content_offset + 1
        if self.env.temp_data.get("live_failed"):
            return Output()
        try:
            output = session(self.env).run(source, line, self.options.get("raises", ""))
        except CellError as problem:
            self.env.temp_data["live_failed"] = True
            logger.warning("a live cell failed\n%s", problem, location=(self.env.docname, line), type="live")
            return Output(error=str(problem))
        if output.drawings and not self.options.get("alt"):
            logger.warning("a figure needs `:alt:`", location=(self.env.docname, line), type="live")
        return output

    def figure(self, drawing: str) -> nodes.figure:
        """The drawing as a figure of the page: an image to a screen reader, described by `:alt:`."""
        alt = nodes.unescape(self.options.get("alt", ""))
        label = alt.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
        figure = nodes.figure(classes=["live-figure"])
        figure += nodes.raw(alt, drawing.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1), format="html")
        if caption := self.options.get("caption"):
            words, messages = self.parse_inline(caption, lineno=self.lineno)
            figure += nodes.caption("", "", *words, *messages)
        return figure


class Eval(SphinxRole):
    """The value of an expression, in the sentence that needs it."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        if self.env.temp_data.get("live_failed"):
            return [nodes.literal(self.text, self.text)], []
        try:
            value = session(self.env).evaluate(self.text, self.lineno)
        except CellError as problem:
            self.env.temp_data["live_failed"] = True
            logger.warning("{eval} failed\n%s", problem, location=(self.env.docname, self.lineno), type="live")
            value = self.text
        return [nodes.inline(self.text, value, classes=["live-value"])], []


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("live", Live)
    app.add_role("eval", Eval())
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
