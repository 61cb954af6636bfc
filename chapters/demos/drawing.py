"""What demos draw with: pictures of characters for Rich, which say the same with colours and without.

Colours are safe for the colour-blind: after Okabe and Ito, and cividis. A painted cell holds a character of the same
weight in its own colour: where colours are not shown, the character is.
"""

import functools
from collections.abc import Iterable, Mapping
from textwrap import wrap

import numpy as np
from rich.table import Table
from rich.text import Text

BLUE, ORANGE, GREEN, PURPLE = "#2b8cc4", "#d55e00", "#009e73", "#cc79a7"  # to be read on dark and on light
INKS = (BLUE, ORANGE, GREEN, PURPLE)
CIVIDIS = ((0, 34, 78), (66, 78, 108), (124, 123, 120), (187, 174, 108), (254, 232, 56))
BALANCE = ((86, 180, 233), (28, 28, 28), (230, 159, 0))  # blue is negative, orange positive
WEIGHTS = " ░▒▓█"


@functools.cache
def colour(share: float, scale: tuple = CIVIDIS) -> str:
    """The colour at a share from 0 to 1 of a scale."""
    at = share * (len(scale) - 1)
    k = min(int(at), len(scale) - 2)
    return "#" + "".join(f"{round(a + (at - k) * (b - a)):02x}" for a, b in zip(scale[k], scale[k + 1]))


def beside(*pictures, gap: int = 3) -> Table:
    """Pictures in a row."""
    row = Table.grid(padding=(0, gap))
    row.add_row(*pictures)
    return row


def lines(rows: Iterable[Text | str]) -> Text:
    """Rows below each other, none of them wrapped."""
    whole = Text("\n", no_wrap=True, overflow="crop").join(r if isinstance(r, Text) else Text(r) for r in rows)
    whole.no_wrap, whole.overflow = True, "crop"
    return whole


def paragraphs(text: str, most: int, width: int = 76) -> Text:
    """A text in lines of this width, its own line breaks kept; the last lines, at most so many."""
    rows = [row for part in text.strip().split("\n") for row in wrap(part, width) or [""]]
    return lines(rows[-most:])


def heat(x, low: float | None = None, high: float | None = None, marks: Mapping | None = None, wide: int = 2) -> Text:
    """A matrix as painted cells, from low to high (its own extremes); marks {(i, j): "A"} stand on their cells."""
    x = np.asarray(x, float)
    low, high = (x.min() if low is None else low), (x.max() if high is None else high)
    share = np.clip((x - low) / (high - low or 1), 0, 1)
    return _painted(share, lambda s: (WEIGHTS[round(4 * s)] * wide, colour(s)), marks or {}, wide)


def signed(x, largest: float | None = None, marks: Mapping | None = None, wide: int = 2) -> Text:
    """A matrix as painted cells, blue and - below zero, orange and + above; NaN is a cell not there yet.

    Cells 1 wide have no room for the sign: it is in the colour alone.
    """
    x = np.asarray(x, float)
    share = np.clip(x / (largest or np.nanmax(np.abs(x), initial=1e-12)), -1, 1)

    def cell(s: float) -> tuple[str, str]:
        weight = WEIGHTS[round(4 * abs(s))]
        said = weight + (" " if weight == " " else "-" if s < 0 else "+")
        return said[:wide], colour((s + 1) / 2, BALANCE)

    return _painted(share, cell, marks or {}, wide)


def _painted(share: np.ndarray, cell, marks: Mapping, wide: int) -> Text:
    rows = []
    for i, row in enumerate(np.round(64 * share) / 64):
        rows.append(Text())
        for j, s in enumerate(row):
            text, ink = ("·".rjust(wide), "") if np.isnan(s) else cell(float(s))
            if (i, j) in marks:
                rows[-1].append(str(marks[i, j]).center(wide), "bold white on black")
            else:
                rows[-1].append(text, ink and f"{ink} on {ink}")
    return lines(rows)


def numbers(x, form: str = "{:4g}", lit: Iterable = (), hidden: Iterable = ()) -> Text:
    """A matrix as numbers; the cells (i, j) that are lit stand in brackets, hidden ones are a dot."""
    x, lit, hidden = np.atleast_2d(np.asarray(x)), set(lit), set(hidden)
    rows = [Text() for _ in x]
    for (i, j), value in np.ndenumerate(x):
        said = form.format(value.item())
        said = "·".rjust(len(said)) if (i, j) in hidden else said
        rows[i].append(f"[{said}]" if (i, j) in lit else f" {said} ", f"bold {ORANGE}" if (i, j) in lit else "")
    return lines(rows)


def bars(rows: Iterable[tuple[str, float, str]], most: float, width: int = 40, inks: Iterable[str] = (BLUE,)) -> Text:
    """A bar for each (name, value, note), as long as its share of the most."""
    rows, inks = list(rows), list(inks)
    longest = max((len(name) for name, _, _ in rows), default=0)
    found = []
    for i, (name, value, note) in enumerate(rows):
        eighths = round(8 * width * float(np.clip(value / most, 0, 1)))
        bar = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
        found.append(Text(f"{name:{longest}}  ").append(f"{bar:{width}}", inks[i % len(inks)]).append(f"  {note}"))
    return lines(found)


def columns(values, most: float, height: int = 8, ink: str = BLUE) -> Text:
    """A column for each value, as high as its share of the most."""
    eighths = np.round(8 * height * np.clip(np.asarray(values, float) / most, 0, 1)).astype(int)
    level = lambda row: "".join(" ▁▂▃▄▅▆▇█"[int(np.clip(e - 8 * row, 0, 8))] for e in eighths)
    return lines(Text(level(row), ink) for row in reversed(range(height)))


def labels(words: Mapping[str, str], places, width: int, height: int) -> Text:
    """Words, each in its ink, at their places (n, 2) on a map that just holds them, or as near as there is room."""
    places = np.asarray(places) - np.min(places, axis=0)
    share = places / np.maximum(places.max(axis=0), 1e-12)
    rows = [Text(" " * width) for _ in range(height)]
    for (word, ink), (x, y) in zip(words.items(), share):
        start, r = round(x * (width - len(word))), round(y * (height - 1))
        free = [i for i in range(height) if not rows[i].plain[max(0, start - 1) : start + len(word) + 1].strip()]
        r = min(free, key=lambda i: abs(i - r), default=r)
        rows[r] = Text.assemble(rows[r][:start], (word, ink), rows[r][start + len(word) :])
    return lines(rows)


def plot(
    curves: Mapping[str, tuple],
    x: tuple[float, float],
    y: tuple[float, float],
    width: int = 60,
    height: int = 14,
    dots: Iterable[str] = (),
    log: bool = False,
) -> Text:
    """Curves {name: (xs, ys)} within the ranges x and y, in braille of 2 x 4 dots a character; `log` is powers of ten.

    A curve ends with its number in the list of names below; those named in `dots` are points without a line.
    """
    scale = np.log10 if log else np.asarray
    low, high = map(float, scale(y))
    rows = [[(" ", "")] * width for _ in range(height)]
    bits = np.zeros((height, width), int)
    for k, (name, (xs, ys)) in enumerate(curves.items()):
        across = (np.asarray(xs, float) - x[0]) / (x[1] - x[0]) * (2 * width - 1)
        down = (high - np.asarray(scale(ys), float)) / (high - low) * (4 * height - 1)
        if name not in dots and len(across):
            at = np.linspace(0, len(across) - 1, 16 * width)
            across, down = (np.interp(at, np.arange(len(across)), values) for values in (across, down))
        places = [(round(r), round(c)) for r, c in zip(down, across) if 0 <= r <= 4 * height - 1 and 0 <= c < 2 * width]
        for r, c in places:
            bits[r // 4, c // 2] |= 1 << ((0, 1, 2, 6), (3, 4, 5, 7))[c % 2][r % 4]
            rows[r // 4][c // 2] = chr(0x2800 + bits[r // 4, c // 2]), INKS[k % len(INKS)]
        if places and name not in dots:
            rows[places[-1][0] // 4][places[-1][1] // 2] = str(k + 1), INKS[k % len(INKS)]
    labels = [f"{y[1]:8.3g} ", *[" " * 9] * (height - 2), f"{y[0]:8.3g} "]
    names = [(f"{k} {name}   ", INKS[(k - 1) % len(INKS)]) for k, name in enumerate(curves, 1)]
    return lines(
        [*(Text.assemble((label, "dim"), *row) for label, row in zip(labels, rows)), Text.assemble(" " * 9, *names)]
    )
