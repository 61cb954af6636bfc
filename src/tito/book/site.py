"""What is true of the built book in a browser: `python -m tito.book.site`, the same as `nox -s site`.

Each page is opened in headless Chromium, wide and narrow, light and dark. Looked for: what axe-core calls serious or
critical, errors on the console, text that leaves the screen, code that scrolls in too many boxes, links that lead
nowhere, words that the search must find. Exit code 0 if there is none of it, or no browser; it says which.
"""

from __future__ import annotations

import functools
import http.server
import importlib.util
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from tito.book import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = {1400: 3, 390: 10}  # a screen's width, and how many boxes of a chapter may scroll there
THEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
SEARCHES = ("overfitting", "learning rate")

SCROLLING = """() => [...document.querySelectorAll('.bd-article pre')]
    .filter(box => box.checkVisibility() && box.scrollWidth > box.clientWidth + 1).length"""
OUTSIDE = """() => {
    const wide = document.documentElement.clientWidth;
    const clipped = box => { for (let b = box; b; b = b.parentElement) {
        if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(b).overflowX)) return true; } return false; };
    return [...document.querySelectorAll('.bd-article *')]
        .filter(box => box.checkVisibility() && box.getBoundingClientRect().right > wide + 1 && !clipped(box))
        .map(box => `${box.tagName.toLowerCase()}.${box.className}`).slice(0, 3); }"""


@dataclass(frozen=True)
class Fault:
    """What is wrong, on which page, on what kind of screen."""

    page: str
    screen: str
    what: str

    def __str__(self) -> str:
        return f"{self.page} ({self.screen}): {self.what}"


# -- links ---------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """The places that a page has, and where its links lead."""

    def __init__(self, path: Path):
        super().__init__()
        self.places, self.links = set[str](), set[str]()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        self.places |= {place for place in (facts.get("id"), facts.get("name")) if place}
        if tag in ("a", "link") and (href := facts.get("href")):
            self.links.add(href)


def pages(book: Path) -> list[Path]:
    """Every page of the book."""
    return sorted(path for path in book.rglob("*.html") if "_static" not in path.relative_to(book).parts)


def dead_links(book: Path) -> list[Fault]:
    """Links inside the book whose page or place is not there."""
    parsed = {path: Page(path) for path in pages(book)}
    faults = []
    for path, page in parsed.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            here = target / "index.html" if target.is_dir() else target
            place = unquote(parts.fragment)
            if not here.is_file() or (place and here in parsed and place not in parsed[here].places):
                faults.append(Fault(path.relative_to(book).as_posix(), "any screen", f"a link leads nowhere: {link}"))
    return faults


# -- in the browser ------------------------------------------------------------------------------------------------


def missing() -> str:
    """What is not here that this needs; "" if all is."""
    if not any(map(shutil.which, BROWSERS)):
        return f"a browser: one of {', '.join(BROWSERS)}"
    for name in ("playwright", "axe_playwright_python"):
        if importlib.util.find_spec(name) is None:
            return f"{name}: pip install -e '.[site]'"
    return ""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder's address, on this machine only: search and fonts need one."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def in_the_browser(book: Path, only: str = "") -> Iterator[Fault]:
    """What is wrong with pages as they are seen."""
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    executable = next(filter(None, map(shutil.which, BROWSERS)))
    with served(book) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        for width, most in WIDTHS.items():
            for theme in THEMES:
                screen = f"{width} wide, {theme}"
                context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
                tab, said = context.new_page(), list[str]()
                tab.on("console", functools.partial(_note, said))
                tab.on("pageerror", functools.partial(_note_error, said))
                for path in pages(book):
                    name = path.relative_to(book).as_posix()
                    if only not in name:
                        continue
                    tab.goto(f"{address}/{name}", wait_until="load")
                    yield from (Fault(name, screen, f"the console says: {text}") for text in said)
                    said.clear()
                    yield from (Fault(name, screen, text) for text in _seen(tab, most, name, Axe()))
                context.close()
        yield from (Fault("search.html", "1400 wide, light", text) for text in _searched(browser, address))
        browser.close()


def _note(said: list[str], message: Any) -> None:
    if message.type == "error":
        said.append(f"{message.text} {message.location.get('url', '')}".strip())


def _note_error(said: list[str], error: Any) -> None:
    said.append(str(error))


def _seen(tab: Any, most: int, name: str, axe: Any) -> Iterator[str]:
    scrolling = tab.evaluate(SCROLLING)
    if name.startswith("chapters/") and scrolling > most:
        yield f"{scrolling} boxes of code scroll, {most} may"
    if outside := tab.evaluate(OUTSIDE):
        yield f"leaves the screen: {', '.join(outside)}"
    for found in axe.run(tab, options={"preload": False}).response["violations"]:
        if found["impact"] in ("serious", "critical"):
            where = "; ".join(" ".join(node["target"]) for node in found["nodes"][:2])
            yield f"axe: {found['id']}, {len(found['nodes'])} times, {where}"


def _searched(browser: Any, address: str) -> Iterator[str]:
    tab = browser.new_page()
    for words in SEARCHES:
        tab.goto(f"{address}/search.html?q={words.replace(' ', '+')}")
        tab.wait_for_timeout(2500)
        results = tab.locator("#search-results li")
        texts = [results.nth(i).inner_text() for i in range(min(5, results.count()))]
        if not any(words in text.lower() for text in texts):
            yield f"the first results for {words!r} do not show it: {[text[:60] for text in texts]}"


def main(arguments: list[str]) -> int:
    book = ROOT / "build" / "book"
    if not (book / "index.html").is_file():
        print("there is no book yet: nox -s book builds it")
        return 2
    faults = dead_links(book)
    if lacking := missing():
        print(f"Links only: the rest is left out for want of {lacking}")
    else:
        faults += in_the_browser(book, *arguments)
    for fault in faults:
        print(fault)
    print(f"{len(pages(book))} pages, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
