"""Spans: which lines of a file a listing shows. Pure text, so the weave test reads them as the book does.

A file is divided by ruler comments (`# -- rules ----`); what stands between two of them is a section.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable

from tito.rubrics import stubs

RULER = re.compile(r"# -- (.+?) -*\s*")
Span = tuple[int, int]  # first and last line, both counted from 1


def places(source: str) -> dict[str, Span]:
    """Every definition by dotted name, with the comment right above it; top-level assignments count."""
    lines = source.split("\n")
    found = {name: (place.first, place.last) for name, place in stubs.definitions(source).items()}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name in [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]:
                found.setdefault(name, (node.lineno, node.end_lineno or node.lineno))
    return {name: (commented(lines, first), last) for name, (first, last) in found.items()}


def commented(lines: list[str], first: int) -> int:
    """The first line of the comment that touches line `first` from above."""
    while first > 1 and lines[first - 2].lstrip().startswith("#") and not RULER.fullmatch(lines[first - 2]):
        first -= 1
    return first


def sections(source: str) -> dict[str, Span]:
    """The ruler sections by title, without the ruler and the blank lines around."""
    lines, found = source.split("\n"), {}
    rulers = [(number, match[1]) for number, line in enumerate(lines, 1) if (match := RULER.fullmatch(line))]
    ends = [*(number for number, _ in rulers[1:]), len(lines) + 1]
    for (number, title), end in zip(rulers, ends):
        within = [n for n in range(number + 1, end) if lines[n - 1].strip()]
        if within:
            found[title] = (within[0], within[-1])
    return found


def spans(source: str, wanted: str) -> list[Span]:
    """The lines that `{listing} wanted` shows: definitions by name, in the file's order, or one section.

    Neighbours with only blank lines between are one span. Raises KeyError with what was probably meant.
    """
    known, titled = places(source), sections(source)
    if wanted.strip() in titled and wanted.strip() not in known:
        return [titled[wanted.strip()]]
    missing = [name for name in wanted.split() if name not in known]
    if missing:
        near = difflib.get_close_matches(missing[0], [*known, *titled], n=3, cutoff=0.5)
        raise KeyError(f"no definition or section {missing[0]!r}" + (f"; is it {' or '.join(near)}?" if near else ""))
    return merged(source, (known[name] for name in wanted.split()))


def merged(source: str, parts: Iterable[Span]) -> list[Span]:
    """Spans in order; those that touch, overlap, or have only blank lines between them become one."""
    lines, found = source.split("\n"), list[Span]()
    for first, last in sorted(parts):
        if found and not any(line.strip() for line in lines[found[-1][1] : first - 1]):
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def text(source: str, span: Span) -> str:
    """The lines of a span."""
    return "\n".join(source.split("\n")[span[0] - 1 : span[1]])
