"""Chapters: the folder chapters/ as part of the book, under the head that its front matter describes.

Sphinx reads docs/; `Book` adds chapters/NN_name.md and chapters/milestones/YYYY_name.md beside it, under these names.
No file is copied, so a warning names the file that you edit. `-D only=05` (or 1957) builds that page alone.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.project import Project
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from tito.course import TIERS

logger = logging.getLogger(__name__)


class Book(Project):
    """The documents of docs/, and the chapters."""

    folder: Path
    only = ""

    def discover(self, *args: Any, **options: Any) -> set[str]:
        super().discover(*args, **options)
        found = [
            *self.folder.glob(f"{self.only or '[0-9][0-9]'}_*.md"),
            *self.folder.glob(f"milestones/{self.only or '[0-9][0-9][0-9][0-9]'}_*.md"),
        ]
        self.docnames |= {f"chapters/{path.relative_to(self.folder).with_suffix('').as_posix()}" for path in found}
        return self.docnames

    def doc2path(self, docname: str, absolute: bool) -> Any:
        if not docname.startswith("chapters/"):
            return super().doc2path(docname, absolute)
        path = self.folder / f"{docname.removeprefix('chapters/')}.md"
        return type(self.srcdir)(path if absolute else os.path.relpath(path, self.srcdir))

    def path2doc(self, filename: str | os.PathLike[str]) -> str | None:
        path = Path(os.path.normpath(Path(self.srcdir) / filename))
        if path.parent in (self.folder, self.folder / "milestones") and path.suffix == ".md":
            return f"chapters/{path.relative_to(self.folder).with_suffix('').as_posix()}"
        return super().path2doc(filename)


def join(app: Sphinx) -> None:
    """Put a Book in the place of Sphinx's project."""
    book = Book(app.srcdir, app.config.source_suffix)
    book.folder = Path(os.path.normpath(Path(app.srcdir).parent / "chapters"))
    book.only = app.config.only
    book.restore(app.project)  # what was there in the last build
    app.project = app.env.project = book


def quieten(app: Sphinx, config: Config) -> None:
    """Links to the chapters that are left out lead nowhere: no warning."""
    if config.only:
        config.suppress_warnings += ["myst.xref_missing", "ref.doc", "ref.ref", "ref.obj", "ref.term", "toc.excluded"]


# -- front matter -------------------------------------------------------------


def front_matter(path: Path) -> dict[str, Any]:
    """What a page says of itself between its first two lines of dashes."""
    match = re.match(r"---\n(.*?)\n---\n", path.read_text(encoding="utf-8"), re.DOTALL)
    return yaml.safe_load(match[1]) if match else {}


class Head(SphinxTransform):
    """Number the title of a chapter, and say below it what it is for, what it needs, and how long it takes."""

    default_priority = 300

    def apply(self, **_: Any) -> None:
        docname = self.env.docname
        match = re.fullmatch(r"chapters/(?:milestones/)?(\d+)_\w+", docname)
        if match is None:
            return
        if "milestones/" in docname:  # the page shows what was recorded
            page = Path(self.env.doc2path(docname))
            for path in (page.parent / "results").glob(f"{page.stem}*.json"):
                self.env.note_dependency(str(path))
        facts = front_matter(Path(self.env.doc2path(docname)))
        section = next(iter(self.document.findall(nodes.section)), None)
        if section is None or "title" not in facts:
            logger.warning("a chapter needs front matter with a title", location=docname, type="chapter")
            return
        title = next(iter(section.findall(nodes.title)))
        title.insert(0, nodes.inline("", match[1], classes=["chapter-number"]))
        title.insert(1, nodes.Text(" "))
        section.insert(1, self.box(facts))
        if len([part for part in self.document.children if isinstance(part, nodes.section)]) > 1:
            logger.warning("the front matter holds the title: use ## for sections", location=docname, type="chapter")

    def box(self, facts: dict[str, Any]) -> nodes.container:
        box = nodes.container(classes=["chapter-head"])
        if facts.get("able"):
            box += nodes.paragraph("", "Afterwards you can", classes=["chapter-head-label"])
            goals = nodes.bullet_list()
            for goal in facts["able"]:
                goals += nodes.list_item("", nodes.paragraph("", "", *inline(goal)))
            box += goals
        facets = [*self.builds_on(facts), *times(facts)]
        if facets:
            box += nodes.paragraph("", "", *between(facets), classes=["chapter-facets"])
        return box

    def builds_on(self, facts: dict[str, Any]) -> list[nodes.Node]:
        """The chapters that this one needs; links where they exist."""
        links: list[nodes.Node] = []
        for number in facts.get("builds_on") or []:
            wanted = f"{int(number):02d}"
            found = [name for name in self.env.found_docs if name.startswith(f"chapters/{wanted}_")]
            links.append(chapter_link(found[0], wanted) if found else nodes.Text(wanted))
        return [nodes.inline("", "", nodes.Text("Builds on "), *between(links, ", "))] if links else []


def chapter_link(docname: str, text: str) -> addnodes.pending_xref:
    target = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{docname}", "refexplicit": True, "refwarn": True}
    return addnodes.pending_xref("", nodes.inline("", text), **target)


def numbered(docname: str) -> str:
    """05 of chapters/05_autograd, 1957 of chapters/milestones/1957_perceptron."""
    return docname.rpartition("/")[2].partition("_")[0]


def times(facts: dict[str, Any]) -> list[nodes.Node]:
    """Reading and working time, in minutes."""
    labels = {"reading": "min to read", "working": "min to work"}
    return [nodes.inline("", f"{facts[key]} {label}") for key, label in labels.items() if key in facts]


def between(parts: list[nodes.Node], separator: str = " · ") -> list[nodes.Node]:
    return [piece for part in parts for piece in (nodes.Text(separator), part)][1:]


def inline(text: str) -> list[nodes.Node]:
    """Text with `code` in it."""
    parts = re.split(r"`([^`]+)`", text)
    return [nodes.literal(part, part) if i % 2 else nodes.Text(part) for i, part in enumerate(parts) if part]


# -- the table of chapters ------------------------------------------------------


class Chapters(SphinxDirective):
    """Every chapter there is: number, title, what you can do afterwards, and the times; and the book's contents.

    A line of its content, `Foundation: what it is about`, is an overview of a tier, which stands above its chapters.
    """

    caption, pattern = "Chapters", r"chapters/\d\d_\w+"
    has_content = True

    def run(self) -> list[nodes.Node]:
        docnames = sorted(name for name in self.env.found_docs if re.fullmatch(self.pattern, name))
        toctree = addnodes.toctree(
            caption=self.caption, entries=[(None, name) for name in docnames], includefiles=docnames,
            maxdepth=1, hidden=True, glob=False, parent=self.env.docname, numbered=0, titlesonly=True,
            includehidden=False, rawentries=[], rawcaption=self.caption,
        )  # fmt: skip
        listing = nodes.container(classes=["chapter-list", f"{self.caption.lower()}-list"])
        overviews = dict(line.split(": ", 1) for line in self.content)
        begins = {tier.first: tier.name for tier in TIERS if tier.name in overviews}
        for name in docnames:
            path = Path(self.env.doc2path(name))
            self.env.note_dependency(str(path))
            if tier := begins.get(numbered(name)):
                listing += nodes.paragraph("", tier, classes=["tier-title"])
                listing += nodes.paragraph("", overviews[tier], classes=["tier-overview"])
            listing += self.entry(name, front_matter(path))
        return [nodes.compound("", toctree, classes=["toctree-wrapper"]), listing]

    def entry(self, name: str, facts: dict[str, Any]) -> nodes.container:
        row = nodes.container(classes=["chapter-row"])
        title = [nodes.inline("", numbered(name), classes=["chapter-number"]), nodes.Text(" ")]
        title.append(chapter_link(name, str(facts.get("title", name))))
        row += nodes.paragraph("", "", *title, classes=["chapter-title"])
        for goal in (facts.get("able") or [])[:1]:
            row += nodes.paragraph("", "", *inline(goal), classes=["chapter-goal"])
        if times(facts):
            row += nodes.paragraph("", "", *between(times(facts)), classes=["chapter-facets"])
        return row


class Milestones(Chapters):
    """Every milestone: year, title, what you can do afterwards."""

    caption, pattern = "Milestones", r"chapters/milestones/\d{4}_\w+"


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_config_value("only", "", "env", str)
    app.connect("config-inited", quieten)
    app.connect("builder-inited", join, priority=1)
    app.add_transform(Head)
    app.add_directive("chapters", Chapters)
    app.add_directive("milestones", Milestones)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
