"""KaTeX, run while the book is built: formulas reach the reader as HTML and MathML, without JavaScript or a network.

The script, style sheet and fonts stand in _static/katex (MIT licence). A formula that KaTeX cannot read is a warning.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from py_mini_racer import JSEvalException, MiniRacer
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

from tito.book import ROOT

logger = logging.getLogger(__name__)
SCRIPT = ROOT / "docs" / "_static" / "katex" / "katex.min.js"


class Katex:
    """One JavaScript engine for the whole build, begun by the first formula."""

    engine: MiniRacer | None = None

    def __call__(self, formula: str, display: bool) -> str:
        if self.engine is None:
            self.engine = MiniRacer()
            self.engine.eval(SCRIPT.read_text(encoding="utf-8"))
        options = {"displayMode": display, "throwOnError": True, "strict": "error"}
        return str(self.engine.call("katex.renderToString", formula, options))

    def close(self, *_: object) -> None:
        """Stop the engine: an open one keeps Python 3.13 from ending."""
        if self.engine is not None:
            self.engine.close()
            self.engine = None


katex = Katex()


def render(formula: str, display: bool, node: nodes.Element) -> str:
    try:
        return katex(formula, display)
    except JSEvalException as problem:
        reason = re.search(r"KaTeX parse error: .*|LaTeX-incompatible .*", str(problem))
        logger.warning("%s in %r", reason[0] if reason else problem, formula, location=node, type="katex")
        return f"<code>{formula.replace('&', '&amp;').replace('<', '&lt;')}</code>"


def formula(text: str) -> str:
    r"""A block as KaTeX wants it: numbering environments without their numbers, several lines aligned at &."""
    text = re.sub(r"\\(begin|end)\{(?:align|eqnarray)\*?\}", r"\\\1{aligned}", text.strip())
    text = re.sub(r"\\(begin|end)\{(?:gather|equation|multline)\*?\}", r"\\\1{gathered}", text)
    if r"\\" in text and r"\begin" not in text:
        return rf"\begin{{aligned}}{text}\end{{aligned}}"
    return text


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    self.body.append(render(node.astext(), False, node) + "</span>")
    raise nodes.SkipNode


def visit_displaymath(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    self.body.append(f'<div class="formula">{render(formula(node.astext()), True, node)}</div>')
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("katex", (visit_math, None), (visit_displaymath, None))
    app.add_css_file("katex/katex.min.css")
    app.connect("build-finished", katex.close)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
