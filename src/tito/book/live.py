"""Live cells: `{live}` runs Python while the book is built and shows what it did; `{eval}` puts a value into prose.

`{claim}` shows nothing and holds what the sentence beside it says; `{frames}` shows a picture step by step.

A cell that fails, or draws without `:alt:`, is a warning with its traceback, so `sphinx-build -W` fails; a false claim
is one with its values. The cells after a failed one are shown and not run. A page depends on all of src/tinytorch, on
the recorded measurements and on this package: change a function and its numbers are measured again.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from tito.book import ROOT
from tito.book.cells import FRAMES, MOST, CellError, ChapterRun, Output, unasserted
from tito.book.questions import fold

logger = logging.getLogger(__name__)


def session(env: BuildEnvironment) -> ChapterRun:
    """The running session of the page being read, begun by its first cell."""
    found = env.temp_data.get("live_session")
    if found is None:
        found = env.temp_data["live_session"] = ChapterRun(env.doc2path(env.docname))
        sources = ("src/tinytorch/**/*.py", "chapters/**/*.json", "docs/leaderboard/*.json", "src/tito/book/*.py")
        for path in sorted(path for pattern in sources for path in ROOT.glob(pattern)):
            env.note_dependency(str(path))
    return found


def block(text: str, kind: str, language: str = "none") -> nodes.literal_block:
    return nodes.literal_block(text, text, language=language, classes=[kind])


class Live(SphinxDirective):
    """Python that runs, above what it shows."""

    framed = False
    has_content = True
    option_spec = {
        "alt": directives.unchanged_required,
        "caption": directives.unchanged_required,
        "claims": directives.unchanged_required,
        "raises": directives.unchanged_required,
        "hide-code": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        source = "\n".join(self.content)
        cell = nodes.container(classes=["live"])
        self.set_source_info(cell)
        shown = self.shown(self.output(source))
        failed = self.env.temp_data.get("live_failed", False)
        question = self.env.temp_data.pop("predict", None) if shown and not failed else None
        if "hide-code" not in self.options and (text := unasserted(source) if question is not None else source):
            cell += block(text, "live-code", "python")
        if question is not None:
            question["classes"].append("below")  # there is room for what was predicted
            shown = [fold("", *shown, summary="Show what happens", classes=["outcome"])]
        cell += shown
        return [cell] if cell.children else []  # a hidden cell may have nothing to show

    def shown(self, output: Output) -> list[nodes.Node]:
        """What the cell did, as parts of the page."""
        parts: list[nodes.Node] = []
        if output.text:
            parts.append(block(output.text.rstrip("\n"), "live-text"))
        if output.error:
            parts.append(block(output.error, "live-error"))
        parts += [self.figure(drawing) for drawing in output.drawings]
        return parts + ([self.steps(output.frames)] if output.frames else [])

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
        if (output.drawings or output.frames) and not self.options.get("alt"):
            logger.warning("a figure needs `:alt:`", location=(self.env.docname, line), type="live")
        if self.framed != bool(output.frames) or len(output.frames) > MOST:
            logger.warning("%s", FRAMES, location=(self.env.docname, line), type="live")
        hold(self.env, self.options.get("claims", ""), line)
        return output

    def image(self, drawing: str, words: str = "") -> nodes.raw:
        """A drawing that a screen reader takes for an image, described by `:alt:` and these words."""
        alt = " ".join([nodes.unescape(self.options.get("alt", "")), words]).strip()
        labelled = f'<svg role="img" aria-label="{html.escape(alt)}" '
        return nodes.raw(alt, drawing.replace("<svg ", labelled, 1), format="html")

    def figure(self, drawing: str) -> nodes.figure:
        """The drawing as a figure of the page."""
        figure = nodes.figure(classes=["live-figure"])
        figure += self.image(drawing)
        return self.captioned(figure)

    def captioned(self, figure: nodes.figure) -> nodes.figure:
        if caption := self.options.get("caption"):
            words, messages = self.parse_inline(caption, lineno=self.lineno)
            figure += nodes.caption("", "", *words, *messages)
        return figure

    def steps(self, frames: Sequence[tuple[str, str]]) -> nodes.figure:
        """A picture step by step: a numbered button for each, and no script; a row in print."""
        name = f"frames-{self.env.new_serialno('frames')}"
        figure = nodes.figure(classes=["live-figure", "frames"])
        for n in range(1, len(frames) + 1):
            button = f'<input type="radio" name="{name}" id="{name}-{n}"{" checked" if n == 1 else ""}>'
            button += f'<label for="{name}-{n}"><span class="visually-hidden">Step </span>{n}</label>'
            figure += nodes.raw("", button, format="html")
        for n, (words, drawing) in enumerate(frames, 1):
            frame = nodes.container(classes=["frame"])
            frame += self.image(drawing, words)
            number = nodes.inline("", f"{n}. ", classes=["frame-number"])
            frame += nodes.paragraph("", "", number, nodes.Text(words), classes=["frame-words"])
            figure += frame
        return self.captioned(figure)


class Frames(Live):
    """A cell that ends with a list of (words, drawing): a picture step by step."""

    framed = True


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


class Claim(SphinxRole):
    """What the sentence beside it says, as expressions that must hold. Nothing is shown."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        hold(self.env, self.text, self.lineno)
        return [], []


def hold(env: BuildEnvironment, claims: str, line: int) -> None:
    """Warn of a claim that is false; after a cell that failed nothing can be told."""
    if env.temp_data.get("live_failed"):
        return
    try:
        session(env).claim(claims, line)
    except CellError as problem:
        logger.warning("%s", problem, location=(env.docname, line), type="claim")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("live", Live)
    app.add_directive("frames", Frames)
    app.add_role("eval", Eval())
    app.add_role("claim", Claim())
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
