"""Stubs: cut by lines, so that what is kept is kept to the letter."""

import ast

import pytest
from toys import FULL, SCALING, TOY, graded, points

from tito.course import default
from tito.rubrics import stubs
from tito.rubrics.rubric import load

STUB = stubs.stub(SCALING, FULL, "01")
CHAPTERS = [chapter for chapter in default().chapters() if chapter.rubric_path.is_file()]


def test_a_stub_keeps_signature_docstring_and_hint():
    assert stubs.reference(STUB, "double") == (
        "def double(x: np.ndarray) -> np.ndarray:\n"
        '    """2 x\n\n    >>> double(np.array([1.0, 2.0]))\n    array([2., 4.])\n    """\n'
        "    # Once more of the same: x and x.\n"
        '    raise NotImplementedError("chapter 01: double")\n'
    )


def test_a_stub_changes_nothing_else():
    cut = set(SCALING.split("\n")) - set(STUB.split("\n"))
    assert cut == {
        "    y = x + x",
        "    return y",
        "    # a comment below the last statement belongs to the body",
        "    return x / count(x)",
        "        return self.k * x",
        '        return f"{super().describe()} {self.k}"',
    }


def test_stubs_score_zero_and_say_not_started():
    report = graded(STUB)
    assert report.points == 0
    assert set(report.states.values()) == {"not started"}


@pytest.mark.parametrize("name", FULL)
def test_restoring_one_body_restores_exactly_its_points(name):
    restored = stubs.with_body(STUB, name, stubs.body(SCALING, name))
    assert points(graded(restored)) == {other: FULL[other] if other == name else 0 for other in FULL}


def test_hints():
    assert stubs.hint(SCALING, "Scaler.apply") == "self.k is the factor."
    assert stubs.hint(SCALING, "given") == ""


def test_a_body_on_its_header_is_refused_by_name():
    with pytest.raises(ValueError, match="f: a body on the line of its header"):
        stubs.stub("def f(x): return x\n", ["f"], "01")


def test_decorators_nested_functions_and_deep_comments():
    body = "        @c\n        def g(): return 1\n        return g\n        # in\n"
    source = f"@a\n@b(\n    1)\nclass C:\n    @property\n    def f(self):\n{body}    # out\n"
    assert stubs.definitions(source)["C"].first == 1
    assert stubs.stub(source, ["C.f"], "01").split("\n")[4:] == [
        "    @property",
        "    def f(self):",
        '        raise NotImplementedError("chapter 01: C.f")',
        "    # out",
        "",
    ]


def test_appended_definitions_win_and_lines_stay():
    text = stubs.append(STUB, SCALING, ["share", "Scaler.describe"])
    assert text.startswith(STUB)
    space: dict = {"__name__": "toy"}
    exec(compile(text.replace("from tinytorch.counting import count", "count = len"), "toy", "exec"), space)
    assert space["Scaler"](2.0).describe() == "named 2.0"
    assert space["share"](space["np"].ones(2)).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)
def test_every_graded_function_has_a_hint(chapter):
    source = load(chapter.number).source
    assert [name for name in load(chapter.number).exercises if not stubs.hint(source, name)] == []


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)
def test_every_stub_compiles(chapter):
    rubric = load(chapter.number)
    names = rubric.exercises
    stub = stubs.stub(rubric.source, names, chapter.number)
    ast.parse(stub)
    assert stub.count('raise NotImplementedError("chapter') == len(names)
    assert TOY.chapters()[0].number == "00"


@pytest.mark.parametrize("name", ["double", "share", "Scaler.apply", "Scaler.describe"])
def test_a_variant_is_read_where_the_source_has_the_definition(name):
    for body in ("return 7", "y = x\n# why\nreturn y\n# the end"):
        variant = stubs.with_body(SCALING, name, body)
        text = stubs.varied(SCALING, name, variant)
        assert text == stubs.reference(variant, name) and body.partition("\n")[0] in text
        assert stubs.later(name, text) == stubs.append("", variant, [name]).removeprefix("\n\n")


def test_a_variant_of_something_else_is_refused():
    variant = stubs.with_body(SCALING, "share", "return 7")
    with pytest.raises(ValueError, match="differs from the source outside double"):
        stubs.varied(SCALING, "double", variant)
