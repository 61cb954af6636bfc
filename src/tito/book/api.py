"""The API page, read from the source itself: every public name of every module, in the file's order.

Nothing is imported, so a primitive is documented by the function under its decorator. `{api}` lists the modules of the
chapters in their order, then the others; each entry can be linked to as {py:obj}`tinytorch.tensor.mul`.
"""

from __future__ import annotations

import ast
import re
import textwrap
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tito import course
from tito.book import ROOT
from tito.book.chapters import inline

Function = ast.FunctionDef | ast.AsyncFunctionDef
PACKAGE = ROOT / "src" / "tinytorch"


def public(body: list[ast.stmt]) -> list[Function | ast.ClassDef]:
    """The definitions that a user may name, each once: a property's setter is the property."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = [node for node in body if isinstance(node, kinds) and not node.name.startswith("_")]
    return [node for node in found if f"{node.name}.setter" not in decorators(node)]


def decorators(node: Function | ast.ClassDef) -> list[str]:
    return [ast.unparse(decorator) for decorator in node.decorator_list]


def signature(node: Function | ast.ClassDef) -> str:
    """`mul(x, y)`; a class shows what it is made from; a property shows nothing."""
    if isinstance(node, ast.ClassDef):
        makers = [part for part in node.body if isinstance(part, Function) and part.name == "__init__"]
        if not makers:
            return ""
        return re.sub(r"^self(, )?", "", arguments(makers[0]))
    return arguments(node)


def arguments(node: Function) -> str:
    return f"{ast.unparse(node.args)})" + (f" -> {ast.unparse(node.returns)}" if node.returns else "")


def paragraphs(doc: str) -> list[nodes.Node]:
    """A docstring as it was written: paragraphs, `code`, indented formulas, doctests."""
    found: list[nodes.Node] = []
    for part in re.split(r"\n\s*\n", textwrap.dedent(doc).strip("\n")):
        if part.lstrip().startswith(">>>"):
            found.append(nodes.literal_block(part, part, language="pycon", classes=["doctest"]))
        elif part.startswith((" ", "\t")):
            text = textwrap.dedent(part)
            found.append(nodes.literal_block(text, text, language="none"))
        elif part.strip():
            found.append(nodes.paragraph("", "", *inline(part)))
    return found


class Api(SphinxDirective):
    """Every module of the package."""

    def run(self) -> list[nodes.Node]:
        chapters = {chapter.name: chapter for chapter in course.Course(ROOT).chapters()}
        others = [path.stem for path in sorted(PACKAGE.glob("*.py")) if path.stem not in {*chapters, "__init__"}]
        return [
            self.module(name, chapters.get(name))
            for name in [*chapters, *others]
            if (PACKAGE / f"{name}.py").is_file() and not name.startswith("_")
        ]

    def module(self, name: str, chapter: course.Chapter | None) -> nodes.section:
        path = PACKAGE / f"{name}.py"
        self.env.note_dependency(str(path))
        tree = ast.parse(path.read_text(encoding="utf-8"))
        section = nodes.section(ids=[f"tinytorch-{name}"], names=[f"tinytorch.{name}"])
        section += nodes.title("", "", nodes.literal("", f"tinytorch.{name}"))
        section += paragraphs(ast.get_docstring(tree) or "")
        if chapter and f"chapters/{chapter.number}_{name}" in self.env.found_docs:
            link = addnodes.pending_xref(
                "", nodes.inline("", f"{chapter.number} {chapter.title}"), refdomain="std", reftype="doc",
                reftarget=f"/chapters/{chapter.number}_{name}", refexplicit=True, refwarn=True,
            )  # fmt: skip
            section += nodes.paragraph("", "", nodes.Text("Chapter "), link)
        section += [self.entry(node, f"tinytorch.{name}") for node in public(tree.body)]
        return section

    def entry(self, node: Function | ast.ClassDef, prefix: str) -> addnodes.desc:
        """One definition: what kind it is, its signature, its docstring; a class's public methods below it."""
        full, marks = f"{prefix}.{node.name}", decorators(node)
        kind = "class" if isinstance(node, ast.ClassDef) else "method" if prefix.count(".") > 1 else "function"
        kind = "property" if "property" in marks else kind
        label = next((mark for mark in marks if mark in ("primitive", "classmethod", "staticmethod")), "")
        head = addnodes.desc_signature("", "", ids=[full], classes=["sig", "sig-object", "py"])
        for word in filter(None, [label or (kind if kind in ("class", "property") else "")]):
            head += addnodes.desc_annotation("", "", nodes.Text(word), addnodes.desc_sig_space())
        head += addnodes.desc_name("", node.name)
        if kind != "property" and (made := signature(node)):
            shown = re.sub(r"^(self|cls)(, )?", "", made) if kind == "method" else made
            head += nodes.inline("", f"({shown}", classes=["sig-arguments"])
        content = addnodes.desc_content("", *paragraphs(ast.get_docstring(node) or ""))
        if isinstance(node, ast.ClassDef):
            content += [self.entry(part, full) for part in public(node.body)]
        self.env.domains.python_domain.note_object(full, kind, full, location=head)
        return addnodes.desc("", head, content, domain="py", objtype=kind, desctype=kind, no_index=False)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("api", Api)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
