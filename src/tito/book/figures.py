"""Figures: matplotlib drawings as SVG that belongs to the page, in light and in dark.

The house style draws ink in one sentinel colour; `inline` turns it (and black) into `currentColor`, so text and axes
follow the theme. Text stays text, in the font of the page. Data is drawn in six mid-tones that keep a contrast of 3:1
on white and on near-black and stay apart for colour-blind readers. The same cell gives the same bytes.
"""

from __future__ import annotations

import io
import re
from typing import Any
from xml.etree import ElementTree

INK = "#123456"  # replaced by currentColor
PALETTE = {
    "blue": "#2b7fc3",
    "orange": "#d3650c",
    "green": "#17906a",
    "pink": "#c25f9b",
    "ochre": "#a6810f",
    "grey": "#808080",
}

HOUSE: Any = {
    "figure.figsize": (6.4, 3.4),
    "figure.dpi": 96,
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "axes.facecolor": "none",
    "savefig.transparent": True,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.18,
    "grid.linewidth": 0.6,
    "patch.edgecolor": INK,
    "hatch.color": INK,
    "boxplot.boxprops.color": INK,
    "boxplot.capprops.color": INK,
    "boxplot.whiskerprops.color": INK,
    "boxplot.flierprops.color": INK,
    "font.size": 11.5,
    "axes.titlesize": 12.5,
    "axes.titleweight": "normal",
    "axes.labelsize": 11.5,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "legend.fontsize": 10.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "lines.linewidth": 1.9,
    "image.cmap": "viridis",
    "image.interpolation": "nearest",
    "svg.fonttype": "none",
    "svg.hashsalt": "tinytorch",
}

TAG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"


def begin() -> None:
    """A clean matplotlib in the house style, with no window and no open figure."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    plt.close("all")
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(HOUSE)
    matplotlib.rcParams["axes.prop_cycle"] = plt.cycler(color=list(PALETTE.values()))


def collect(prefix: str) -> list[str]:
    """Every open figure as inline SVG; none is open afterwards. Ids start with prefix."""
    import matplotlib.pyplot as plt

    return [taken(plt.figure(number), f"{prefix}-{n}") for n, number in enumerate(plt.get_fignums(), 1)]


def taken(figure: Any, prefix: str) -> str:
    """One figure as inline SVG; it is closed."""
    import matplotlib.pyplot as plt

    buffer = io.StringIO()
    for axes in figure.axes:
        if axes.images:
            axes.grid(False)
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return inline(buffer.getvalue(), prefix)


def inline(svg: str, prefix: str) -> str:
    """An SVG file as an element of a page: no prolog, no style sheet, unique ids, ink in currentColor."""
    root = ElementTree.fromstring(svg.replace(INK, "currentColor").replace("#000000", "currentColor"))
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == TAG + "metadata" or child.find(TAG + "style") is not None:
                parent.remove(child)
    used = {name for pair in re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg) for name in pair}
    for element in root.iter():
        tidy(element, prefix, used)
    width, height = (float(root.attrib[side].removesuffix("pt")) * 96 / 72 for side in ("width", "height"))
    root.attrib.update({"width": f"{width:.0f}", "height": f"{height:.0f}", "fill": "currentColor"})
    root.attrib.update({"stroke-linejoin": "round", "stroke-linecap": "butt"})
    ElementTree.register_namespace("", TAG[1:-1])  # here, since other libraries register a prefix of their own
    return re.sub(r">\s+<", "><", ElementTree.tostring(root, encoding="unicode")).strip()


def tidy(element: ElementTree.Element, prefix: str, used: set[str]) -> None:
    """Make one element's ids unique, its style plain attributes, its font the page's own (unless monospace)."""
    given = dict(element.attrib)
    element.attrib.clear()
    for declaration in filter(str.strip, given.pop("style", "").split(";")):
        key, value = declaration.split(":", 1)
        given |= font(value.strip()) if key.strip() == "font" else {key.strip(): value.strip()}
    for key, value in given.items():
        if key == "id":
            if value in used:
                element.set(key, f"{prefix}-{value}")
        elif key == HREF:
            element.set("href", re.sub("^#", f"#{prefix}-", re.sub(r"\s", "", value)))
        elif key == "font-family":
            if "Mono" in value:
                element.set(key, "monospace")
        elif not value.startswith("rotate(-0 "):
            element.set(key, value.replace("url(#", f"url(#{prefix}-"))


def font(shorthand: str) -> dict[str, str]:
    """`italic 700 10px 'DejaVu Sans'` as attributes, as matplotlib before 3.11 writes it."""
    match = re.fullmatch(r"(italic |oblique )?(\w+ )?([\d.]+px) (.*)", shorthand)
    if match is None:
        raise ValueError(f"cannot read the font of a figure: {shorthand!r}")
    parts = zip(("font-style", "font-weight", "font-size", "font-family"), match.groups(), strict=True)
    return {key: value.strip() for key, value in parts if value}
