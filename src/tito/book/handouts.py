"""Handouts: chapters and the whole book as PDF, for students with room to write, for instructors with the answers.

    python -m tito.book.handouts 05     chapter 05
    python -m tito.book.handouts        every chapter, and the book

Sphinx reads the chapters once, which runs their cells, and writes the book's own HTML twice, once an edition.
WeasyPrint sets that in type under _static/print.css. A page that is read again shows new measurements; where nothing
changed nothing is read again, and with SOURCE_DATE_EPOCH set the same pages give the same bytes.
"""

from __future__ import annotations

import contextlib
import gc
import html
import importlib.util
import io
import itertools
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from pygments.formatters import HtmlFormatter

from tinytorch.environment import machine
from tito import course
from tito.book import ROOT
from tito.book.cells import blocks
from tito.rubrics import rubric, stubs

STATIC = ROOT / "docs" / "_static"
EDITIONS = {"student": "Student edition", "instructor": "Instructor edition: with the answers"}
GUIDES = ("students",)  # the pages of docs/ that the whole book has besides its first one
SUBTITLE = "A book you can run: a deep-learning framework on NumPy alone, written to be read."
SCALE = 0.8  # of a figure: its letters are then as large as those of the page
INK = "#15181c"
COLUMNS = 101  # of code on one line
LONG = 16  # letters of an answer that no other text has by chance
KEPT = 24  # lines of code without a blank one that no page break divides
INSTALL = """\
WeasyPrint makes the PDFs, and it needs Pango, a library of the operating system that pip cannot install:

  Debian, Ubuntu   sudo apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu
  Fedora           sudo dnf install pango
  macOS            brew install pango
                   and if it is not found then: export DYLD_FALLBACK_LIBRARY_PATH="$(brew --prefix)/lib"
  Windows          pacman -S mingw-w64-x86_64-pango      (in MSYS2)

It said: """


def weasyprint() -> ModuleType:
    """The library that sets HTML in type. Where it cannot be loaded, this ends with what to install."""
    if importlib.util.find_spec("weasyprint") is None:
        raise SystemExit("WeasyPrint makes the PDFs, and it is not here: pip install -e '.[course]'")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            import weasyprint
            import weasyprint.text.fonts
    except OSError as problem:
        raise SystemExit(INSTALL + str(problem).splitlines()[0]) from None
    return weasyprint


# -- pages: what Sphinx makes of the chapters -----------------------------------


@dataclass(frozen=True)
class Page:
    """One page of the book. Its ids begin with its name, so that several pages fit into one document."""

    name: str
    title: str
    body: str

    def sections(self) -> Iterator[tuple[str, str]]:
        """The id and the title of each."""
        for match in re.finditer(r'<section[^>]* id="([^"]+)">\s*(?:<span[^>]*></span>)*<h2>(.*?)</h2>', self.body):
            yield match[1], match[2]

    def exercises(self) -> Iterator[tuple[str, str, str]]:
        """The id, the name and the points of each."""
        pattern = r'<div class="exercise [^>]* id="([^"]+)">\s*<p class="exercise-title">.*?<code[^>]*>(.*?)</code>'
        for match in re.finditer(pattern + r'<span class="points">(.*?)</span>', self.body):
            yield match[1], re.sub("<[^>]*>", "", match[2]), match[3]


def rendered(folder: Path, only: str) -> dict[str, Path]:
    """The book's HTML, or that of one chapter, in both editions; the folder of each. A warning ends it."""
    folders = {}
    for edition in EDITIONS:
        folders[edition] = folder / edition
        options = ["-D", f"edition={edition}", "-D", f"only={only}", "-D", "html_permalinks=0"]
        command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(folder / "doctrees"), *options]
        if subprocess.run([*command, str(ROOT / "docs"), str(folders[edition])], cwd=ROOT).returncode:
            raise SystemExit("the pages were not built, so there is nothing to print")
    return folders


def page(folder: Path, docname: str) -> Page:
    """The article of a rendered page, without what surrounds it in the browser."""
    text = (folder / f"{docname}.html").read_text(encoding="utf-8")
    found = re.search(r'<article class="bd-article">(.*?)</article>', text, re.DOTALL)
    if found is None:
        raise SystemExit(f"{docname}.html has no article; has the theme changed?")
    name, body = docname.rpartition("/")[2], printable(found[1])
    title = re.search(r"<h1>(.*?)</h1>", body)
    return Page(name, title[1] if title else name, anchored(numbered(body, name), name))


def numbered(body: str, name: str) -> str:
    """A body whose figures and displayed formulas have numbers: Figure 5.1, (5.1). A page without a number has none."""
    match = re.match(r"(\d+)_", name)
    if match is None:
        return body
    figures, formulas = itertools.count(1), itertools.count(1)

    def figure(found: re.Match[str]) -> str:
        label = f'<span class="figure-number">Figure {int(match[1])}.{next(figures)}</span>'
        head, caption, tail = found[0].partition("<figcaption>")
        if caption:
            return head + caption + re.sub(r"<p>|$", lambda place: f"{place[0]}{label} ", tail, count=1)
        return found[0].removesuffix("</figure>") + f"<figcaption><p>{label}</p></figcaption></figure>"

    def equation(found: re.Match[str]) -> str:
        return f'{found[1]}<span class="eqno">({int(match[1])}.{next(formulas)})'

    body = re.sub(r'<figure class="live-figure.*?</figure>', figure, body, flags=re.DOTALL)
    return re.sub(r'(<div class="math[^>]*>.*?)<span class="eqno">\([^)]*\)', equation, body, flags=re.DOTALL)


def printable(body: str) -> str:
    """HTML for paper: drawings in ink and in the size of the page, code that fits."""
    begin = lambda found: f'<ol style="counter-reset: list-item {int(found[2]) - 1}"{found[1]}>'
    body = re.sub(r'<ol([^>]*) start="(\d+)"(?=>)', lambda found: begin(found)[:-1], body)
    body = re.sub(r'<span class="katex-mathml">.*?</math></span>', "", body, flags=re.DOTALL)
    body = re.sub(r"<pre>(.*?)</pre>", lambda code: f"<pre>{fitted(code[1])}</pre>", body, flags=re.DOTALL)
    return re.sub(r"<svg\b.*?</svg>", lambda drawing: inked(drawing[0]), body, flags=re.DOTALL)


def fitted(code: str) -> str:
    """Code whose long lines go on below their own beginning, and which is divided between pages at its blank lines."""
    code = re.sub(r'<span class="[nopw]">([^<]*)</span>', r"\1", code.replace("<span></span>", ""))  # not coloured
    found, chunk, gap = list[str](), list[str](), 0
    for line in [*code.strip("\n").split("\n"), None]:
        number, text = (0, "") if line is None else shown(line)
        if line is not None and text.strip() and not gap:
            chunk.append(broken(line))
        elif line is not None and not text.strip():
            gap += 1
            chunk += [line] * bool(number)
        else:
            kept = "chunk" if len(chunk) <= KEPT else "chunk long"
            blank = f' style="padding-bottom: {1.45 * gap:.2f}em"' if gap and "linenos" not in chunk[-1] else ""
            found.append(f'<span class="{kept}"{blank}>' + "\n".join(chunk) + "</span>")
            chunk, gap = [broken(line)] if line is not None else [], 0
    return "".join(found)


def shown(line: str) -> tuple[int, str]:
    """How wide the number of a line of code is, and its text."""
    number = re.match(r'<span class="linenos">([^<]*)</span>', line)
    return len(number[1]) if number else 0, html.unescape(
        re.sub('<span class="linenos">[^<]*</span>|<[^>]*>', "", line)
    )


def broken(line: str) -> str:
    """A line that is too long for the page, with breaks at spaces."""
    number, text = shown(line)
    hang = number + (2 if number else 0) + len(text) - len(text.lstrip()) + 4
    width, rest = COLUMNS - number, text
    pieces, begin = re.findall(r"<[^>]*>|&[^;]+;|.", line), 0
    while len(rest) > width and (at := rest.rfind(" ", len(rest) - len(rest.lstrip()) + 8, width)) > 0:
        begin += at
        seen = -number
        for i, piece in enumerate(pieces):
            seen += not piece.startswith("<")
            if seen == begin + 1:
                pieces[i] = "\n" + " " * hang
                break
        begin, rest, width = begin + 1, rest[at + 1 :], COLUMNS - hang
    return "".join(pieces)


def inked(drawing: str) -> str:
    if 'role="img"' not in drawing[:200]:  # a root sign or a brace of KaTeX
        return drawing
    tag, rest = re.split(r"(?<=>)", drawing, maxsplit=1)
    smaller = lambda side: f'{side[1]}="{float(side[2]) * SCALE:.1f}"'
    tag = re.sub(r'(?<= )(width|height)="([\d.]+)"', smaller, tag)
    rest = re.sub(r"(<g [^>]*)(?<= )opacity=", r"\1fill-opacity=", rest)  # a faint group loses its centred words
    return (tag + rest).replace("currentColor", INK)


def anchored(body: str, name: str) -> str:
    """A body whose ids, and links to them, begin with the name of their page."""
    tag = lambda match: re.sub(r'(?<= )(id="|href="#)', rf"\g<1>{name}--", match[0])
    pieces = re.split(r"(<svg\b.*?</svg>)", body, flags=re.DOTALL)  # the ids of a drawing are unique already
    return "".join(piece if i % 2 else re.sub(r"<[a-z][^>]*>", tag, piece) for i, piece in enumerate(pieces))


def linked(body: str, names: list[str]) -> str:
    """Links to pages that are in the document lead there; those to other pages are words."""

    def link(match: re.Match[str]) -> str:
        target, text = html.unescape(match[1]), match[2]
        if re.match(r"https?:|mailto:|#", target):
            return match[0]
        path, _, place = target.partition("#")
        name = Path(path).stem
        return f'<a class="across" href="#{name}{"--" + place if place else ""}">{text}</a>' if name in names else text

    return re.sub(r'<a [^>]*?href="([^"]*)"[^>]*>(.*?)</a>', link, body, flags=re.DOTALL)


# -- answers: what a student's file must not hold ------------------------------------


def answers() -> dict[str, str]:
    """Every line of a graded body that is given nowhere, in no stub, no other code, no cell; and whose it is."""
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "src" / "tinytorch").rglob("*.py")}
    bodies, run = dict[str, str](), set[str]()
    for chapter in course.Course(ROOT).chapters():
        graded = rubric.load(chapter.number)
        names, source = list(graded.exercises), graded.source
        for name in names:
            bodies |= {line.strip(): f"{chapter.number} {name}" for line in stubs.body(source, name).split("\n")}
        sources[chapter.source] = stubs.stub(source, names, chapter.number)
        run |= cell_lines(chapter.markdown.read_text(encoding="utf-8"))
    given = squeezed("\n".join(sources.values()))
    secret = {line: owner for line, owner in bodies.items() if re.search(r"\w", line) and line not in run}
    return {line: owner for line, owner in secret.items() if squeezed(line) not in given}


def cell_lines(markdown: str) -> set[str]:
    """What the cells of a chapter run in front of every reader, line by line; those in a folded answer are not."""
    found = list(blocks(markdown))
    folded = "\n".join(block.text for block in found if block.name == "{answer}")
    cells = (block.text for block in found if block.name == "{live}" and block.text not in folded)
    return {line.strip() for text in cells for line in text.split("\n")}


def squeezed(text: str) -> str:
    """Text without its white space, which a page may change."""
    return re.sub(r"\s", "", text)


def leaks(text: str) -> dict[str, str]:
    """The answers that stand in a text, and whose they are. Long ones are found across lines."""
    joined = squeezed(text)

    def stands(answer: str) -> bool:
        if len(squeezed(answer)) >= LONG:
            return squeezed(answer) in joined
        return re.search(rf"(?<![\w.]){re.escape(answer)}(?![\w.(\[])", text) is not None

    return {answer: owner for answer, owner in answers().items() if stands(answer)}


def words(page: str) -> str:
    """The text of a rendered page, without the numbers of lines."""
    return html.unescape(re.sub("<[^>]*>", "", re.sub('<span class="linenos">[^<]*</span>', "", page)))


# -- documents: pages between a cover and the last number ----------------------------


def entry(target: str, words: str, kind: str = "") -> str:
    """A line of the contents; print.css adds the dots and the number of the page."""
    return f'<li class="{kind}"><a href="#{target}">{words}</a></li>'


def contents(pages: list[Page]) -> str:
    """Chapters and their sections; of a single chapter the sections and the exercises."""
    if len(pages) > 1:
        lists = [("whole", "Contents", [row for page in pages for row in chapter_rows(page)])]
    else:
        sections = [entry(*section) for section in pages[0].sections()]
        graded = pages[0].exercises()
        exercises = [entry(at, f"<code>{name}</code> <small>{points}</small>") for at, name, points in graded]
        lists = [("", "Contents", sections), ("", "Exercises", exercises)]
    navs = (
        f'<nav class="contents {kind}"><h2>{title}</h2><ol>{"".join(rows)}</ol></nav>'
        for kind, title, rows in lists
        if rows
    )
    return f'<div class="lists">{"".join(navs)}</div>'


def chapter_rows(page: Page) -> list[str]:
    return [entry(page.name, page.title, "chapter"), *(entry(*section) for section in page.sections())]


def cover(pages: list[Page], edition: str) -> str:
    """The first page: what this is, for whom, whose copy, what is in it."""
    about = f'<p class="subtitle">{SUBTITLE}</p>' if len(pages) > 1 else ""
    title = f'<p class="cover-title">{pages[0].title}</p>{about}<p class="edition">{EDITIONS[edition]}</p>'
    if edition == "student":
        title += '<p class="owner"><span>Name</span><span>Date</span></p>'
    if len(pages) > 1:
        return f'<header class="cover book">{title}</header>{contents(pages)}'
    head = re.search(r'<div class="chapter-head.*?</div>', pages[0].body, re.DOTALL)
    title = f'<p class="series">TinyTorch</p>{title}{linked(head[0], []) if head else ""}'
    return f'<header class="cover">{title}{contents(pages)}</header>'


def index(pages: list[Page]) -> str:
    """The field's words and the exercises, each with the page that it stands on."""
    rows = list[tuple[str, str]]()
    for page in pages:
        for at, term in re.findall(r'<em class="defined" id="([^"]+)">(.*?)</em>', page.body, re.DOTALL):
            rows.append((term.lower(), entry(at, " ".join(term.split()))))
        rows += [(name.lower(), entry(at, f"<code>{name}</code>")) for at, name, _ in page.exercises()]
    listed = "".join(row for _, row in sorted(rows))
    listing = f'<nav class="contents"><ol>{listed}</ol></nav>'
    return f'<article id="book-index" class="part index"><h1>Index</h1>{listing}</article>'


def colophon(pages: list[Page]) -> str:
    """What a copy was made with, on what machine, when; and what has changed in its chapter since the last release."""
    made = ", ".join(f"{name} {version(name)}" for name in ("numpy", "sphinx", "weasyprint", "matplotlib"))
    when = date.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())))
    parts = [f"<p>Every number was measured on {html.escape(str(machine()))}, unless a recorded run names its own.</p>"]
    parts.append(f"<p>Made with Python {platform.python_version()}, {made}, and KaTeX, on {when}.</p>")
    numbers = [match[1] for page in pages if (match := re.match(r"(\d\d)_", page.name))]
    if len(pages) == 1 and numbers:
        parts.append(changes(numbers[0], (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")))
    return f'<section class="colophon"><h2>Colophon</h2>{"".join(parts)}</section>'


def changes(number: str, log: str) -> str:
    """The entries of the changelog's first part that name a chapter, alone or in a range, as a list."""
    _, unreleased, released = re.split(r"^## ", log, maxsplit=2, flags=re.MULTILINE)
    entries = [" ".join(entry.split()) for entry in re.findall(r"^- (.*?)(?=^- |^#|\Z)", unreleased, re.M | re.S)]
    found = [one for one in entries if any(first <= number <= last for first, last in chapters_named(one))]
    since = f"Since release {released.split()[0]}"
    if not found:
        return f"<p>{since}, nothing has changed in this chapter.</p>"
    told = re.sub("`(.*?)`", r"<code>\1</code>", "".join(f"<li>{html.escape(one)}</li>" for one in found))
    return f"<p>{since}:</p><ul>{told}</ul>"


def chapters_named(entry: str) -> list[tuple[str, str]]:
    """The ranges of chapters that an entry names: Chapter 10; chapters 00 to 13."""
    ranges = re.findall(r"[Cc]hapters (\d\d) to (\d\d)", entry)
    return ranges + [(one, one) for one in re.findall(r"[Cc]hapters? (\d\d)\b(?! to)", entry)]


def document(pages: list[Page], edition: str) -> str:
    """A cover and the pages, as one HTML document."""
    names, kind = [page.name for page in pages], "part" if len(pages) > 1 else "only"
    articles = (f'<article id="{page.name}" class="{kind}">{linked(page.body, names)}</article>' for page in pages)
    title = re.sub(r"<[^>]*>", "", pages[0].title)
    title = f"{title if len(pages) > 1 else f'TinyTorch {title}'}, {edition} edition"
    head = f'<meta charset="utf-8"><title>{title}</title><meta name="author" content="the TinyTorch authors">'
    back = (index(pages) if len(pages) > 1 else "") + colophon(pages)
    body = f"<body>{cover(pages, edition)}{''.join(articles)}{back}</body>"
    return f'<!doctype html><html lang="en" class="{edition}"><head>{head}</head>{body}</html>'


def print_pdf(text: str, path: Path) -> None:
    """Set a document in type. The file appears when it is whole."""
    library = weasyprint()
    fonts = library.text.fonts.FontConfiguration()
    colours = library.CSS(string=HtmlFormatter(style="friendly").get_style_defs(".highlight"))
    ours = [library.CSS(STATIC / sheet, font_config=fonts) for sheet in ("katex/katex.min.css", "print.css")]
    path.parent.mkdir(parents=True, exist_ok=True)
    gc.disable()  # everything is in use until the end, and looking for what is not takes a tenth of the time
    unfinished = path.with_suffix(".part")
    library.HTML(string=text, base_url=str(STATIC)).write_pdf(
        unfinished, stylesheets=[colours, *ours], font_config=fonts, pdf_tags=True
    )
    unfinished.replace(path)
    gc.enable()


# -- the command -----------------------------------------------------------------


def handout(pages: list[Page], edition: str, path: Path) -> str:
    """One PDF; what was written, and how long that took."""
    start = time.perf_counter()
    print_pdf(document(pages, edition), path)
    return f"{os.path.relpath(path)}  {path.stat().st_size / 1e6:.1f} MB, {time.perf_counter() - start:.1f} s"


def checked(folder: Path) -> Path:
    """A folder of student pages in which no answer stands."""
    for path in sorted(folder.rglob("*.html")):
        if found := leaks(words(path.read_text(encoding="utf-8"))):
            lines = "\n".join(f"  {owner}: {line}" for line, owner in found.items())
            raise SystemExit(f"{path.name} would show students these answers, so nothing is printed:\n{lines}")
    return folder


def main(arguments: list[str]) -> None:
    """Both editions of one chapter, or of every chapter and of the book."""
    weasyprint()
    only = course.Course(ROOT).chapter(arguments[0]).number if arguments else ""
    target, jobs = ROOT / "build" / "handouts", []
    folders = rendered(target / "html" / (only or "book"), only)
    checked(folders["student"])
    chapters = sorted(f"chapters/{path.stem}" for path in (ROOT / "chapters").glob(f"{only or '[0-9][0-9]'}_*.md"))
    milestones = sorted((ROOT / "chapters" / "milestones").glob("[0-9][0-9][0-9][0-9]_*.md"))
    for edition, folder in folders.items():
        pages = [page(folder, docname) for docname in chapters]
        if not only:
            front = [page(folder, docname) for docname in ("index", *GUIDES)]
            back = [page(folder, f"chapters/milestones/{path.stem}") for path in milestones]
            back.append(page(folder, "glossary"))
            jobs.append(([*front, *pages, *back], edition, target / f"tinytorch_{edition}.pdf"))
        jobs += [([one], edition, target / f"{one.name}_{edition}.pdf") for one in pages]
    with ProcessPoolExecutor() as pool:
        for waiting in [pool.submit(handout, *job) for job in jobs]:
            print(waiting.result(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
