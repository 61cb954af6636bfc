"""Law 2, the weave: the book is the whole program, and no cell repeats the package."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tito import course
from tito.book import spans
from tito.book.cells import Block, blocks, cells, names
from tito.rubrics import rubric

ROOT = Path(__file__).parents[1]
CHAPTERS = course.Course(ROOT).chapters()
GIVEN = ("kernels", "parallel", "onnx")  # modules of no chapter, of which the book shows every line all the same
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)


def public(dotted: str) -> bool:
    return not any(part.startswith("_") for part in dotted.split("."))


def quoted(chapter: course.Chapter, block: Block, module: str = "") -> str:
    """What a block shows of a module, the chapter's own or a given one, in the words of `{listing}`; else nothing."""
    module = module or chapter.name
    if block.name in ("{listing}", "{exercise}") and block.options.get("module", chapter.name) == module:
        return block.argument
    if block.name == "{literalinclude}" and block.argument.endswith(f"/tinytorch/{module}.py"):
        return block.options.get("pyobject", "")
    return ""


def missing(markdown: str, chapter: course.Chapter, source: str, module: str = "") -> list[str]:
    """The public definitions that no listing shows. A class counts when its public methods do, or, without any, all."""
    shown: set[int] = set()
    for block in blocks(markdown):
        if wanted := quoted(chapter, block, module):
            for first, last in spans.spans(source, wanted):
                shown |= set(range(first, last + 1))
    every = spans.places(source)
    known = {name: span for name, span in every.items() if public(name)}
    parts = {name: methods(name, known) or methods(name, every) for name in known}
    return [
        name
        for name, (first, last) in known.items()
        if "." not in name
        if not all(line in shown for line in lines(source, first, last))
        if not (parts[name] and all(every[part][0] in shown and every[part][1] in shown for part in parts[name]))
    ]


def methods(name: str, known: Iterable[str]) -> list[str]:
    return [other for other in known if other.startswith(name + ".")]


def lines(source: str, first: int, last: int) -> Iterator[int]:
    text = source.split("\n")
    return (number for number in range(first, last + 1) if text[number - 1].strip())


@each_chapter
def test_every_public_definition_stands_in_its_chapter(chapter):
    source = chapter.source.read_text(encoding="utf-8")
    left_out = missing(chapter.markdown.read_text(encoding="utf-8"), chapter, source)
    assert not left_out, f"{chapter.markdown.name} does not show {', '.join(left_out)}"


@pytest.mark.parametrize("given", GIVEN)
def test_every_public_definition_of_a_given_module_stands_in_one_chapter(given):
    source = (ROOT / "src" / "tinytorch" / f"{given}.py").read_text(encoding="utf-8")
    left_out = {c.number: missing(c.markdown.read_text(encoding="utf-8"), c, source, given) for c in CHAPTERS}
    number, fewest = min(left_out.items(), key=lambda item: len(item[1]))
    assert not fewest, f"no chapter shows {', '.join(fewest)} of {given}.py: chapter {number} comes closest"


def test_a_given_module_is_quoted_by_its_name(tmp_path):
    chapter = course.Chapter("05", "walk", tmp_path)
    source = "def a():\n    return 1\n\n\ndef b():\n    return 2\n"
    listing = "```{listing} a b\n```\n```{listing} a\n:module: given\n```\n"
    assert missing(listing, chapter, source) == []
    assert missing(listing, chapter, source, "given") == ["b"]


def test_a_definition_left_out_is_found(tmp_path):
    chapter = course.Chapter("05", "walk", tmp_path)
    source = "def a():\n    return 1\n\n\ndef b():\n    return 2\n\n\nclass C:\n    def m(self):\n        return 3\n"
    assert missing("```{listing} a\n```\n", chapter, source) == ["b", "C"]
    assert missing("```{listing} a b\n```\n:::{answer}\n```{listing} C.m\n```\n:::\n", chapter, source) == []


def test_a_class_without_public_methods_is_shown_by_all_its_others(tmp_path):
    chapter = course.Chapter("05", "walk", tmp_path)
    source = "class C:\n    def __len__(self):\n        return 1\n\n    def __iter__(self):\n        return 2\n"
    assert missing("```{listing} C.__len__\n```\n", chapter, source) == ["C"]
    assert missing("```{listing} C.__len__\n```\n```{exercise} C.__iter__\n```\n", chapter, source) == []


@each_chapter
def test_no_cell_defines_a_name_of_the_package(chapter):
    """Names of `operations` do not count: PyTorch's `t`, `norm` or `square` are also what a cell calls its numbers."""
    package = {}
    for path in (ROOT / "src" / "tinytorch").glob("*.py"):
        for name in spans.places(path.read_text(encoding="utf-8")):
            if public(name) and "." not in name and path.stem not in ("__init__", "operations"):
                package[name] = path.name
    for cell in cells(chapter.markdown.read_text(encoding="utf-8")):
        if cell.kind in ("live", "python"):
            taken = names(cell.source) & set(package)
            assert not taken, f"{chapter.markdown.name}:{cell.line} defines {taken}, as {package[min(taken)]} does"


def test_names_are_those_a_cell_binds():
    source = "import a\nb = [x for x in c]\nfor d, e in f:\n    g = 1\ndef h(i):\n    j = 1\n"
    source += "with k as l: pass\n(m := 1)\nn.o = 2\n"
    assert names(source) == {"b", "d", "e", "g", "h", "l", "m"}


@each_chapter
def test_what_is_graded_appears_in_its_exercise_and_nowhere_else(chapter):
    if not chapter.rubric_path.exists():
        pytest.fail(f"{chapter.markdown.name} has no rubric {chapter.rubric_path.name}")
    graded = list(rubric.load(chapter.number).exercises)
    found = list(blocks(chapter.markdown.read_text(encoding="utf-8")))
    boxes = [block.argument for block in found if block.name in ("{exercise}", "{accounting}")]
    assert sorted(boxes) == sorted(graded)
    source = chapter.source.read_text(encoding="utf-8")
    places = spans.places(source)
    for block in found:
        if block.name != "{exercise}" and (wanted := quoted(chapter, block)):
            for first, last in spans.spans(source, wanted):
                stands = [name for name in graded if name in places]
                given_away = [name for name in stands if first <= places[name][0] and places[name][1] <= last]
                assert not given_away, f"line {block.line}: the listing {wanted!r} shows {given_away}"


@each_chapter
def test_front_matter_says_what_a_reader_needs(chapter):
    from tito.book.chapters import front_matter

    facts = front_matter(chapter.markdown)
    assert set(facts) >= {"title", "able", "reading", "working"}
    assert all(int(number) < int(chapter.number) for number in facts.get("builds_on", []))
    assert not re.match(r"\d", str(facts["title"])), "the number comes from the file's name"
