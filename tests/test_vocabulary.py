"""The vocabulary of a page: what each of its words does, and how much of each a chapter may hold."""

import html
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tito import course
from tito.book import listing, spans
from tito.book.cells import PARSER, Block, CellError, ChapterRun, blocks, cells, unasserted
from tito.book.terms import definitions, parts
from tito.outcomes import Mismatch
from tito.rubrics import rubric, stubs
from tito.rubrics.compare import about

ROOT = Path(__file__).parents[1]
CHAPTERS = course.Course(ROOT).chapters()
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)

# -- limits: what a chapter may hold ---------------------------------------------

WORDS, QUOTED = 6500, 600
EXEMPT: dict[str, set[str]] = {}  # by limit, chapters that do not keep it yet; who mends one takes it out


def prose(markdown: str) -> str:
    """The words of a page outside its fences and its front matter."""
    lines, tokens = markdown.split("\n"), PARSER.parse(markdown)
    for token in tokens:
        if token.type in ("fence", "colon_fence", "front_matter") and token.map:
            lines[slice(*token.map)] = [""] * (token.map[1] - token.map[0])
    return "\n".join(lines)


def quoted_lines(chapter: course.Chapter, text: str) -> int:
    """Lines of the package that a chapter quotes outside its folds: listings, and the contracts of exercises."""
    total = 0
    for block in outside_folds(text):
        path = ROOT / "src" / "tinytorch" / f"{block.options.get('module', chapter.name).replace('.', '/')}.py"
        if block.name == "{listing}" and "fold" not in block.options:
            shown = spans.spans(path.read_text(encoding="utf-8"), block.argument)
            length = sum(last - first + 1 for first, last in shown)
            total += length if length <= listing.LONG else 0
        elif block.name == "{exercise}":
            total += len(stubs.contract(path.read_text(encoding="utf-8"), block.argument).split("\n"))
    return total


def outside_folds(text: str) -> Iterator[Block]:
    """The blocks of a page that stand in no answer."""
    found = list(blocks(text))
    folded = [(block.line, block.line + block.text.count("\n")) for block in found if block.name == "{answer}"]
    return (block for block in found if not any(first <= block.line < last for first, last in folded))


def before(markdown: str) -> Iterator[tuple[str, str]]:
    """Each fence at the top level of a page with what stands right above it: paragraph_close, another fence."""
    above = ""
    for token in PARSER.parse(markdown):
        if token.level == 0 and token.type in ("fence", "colon_fence"):
            name = token.info.strip().partition(" ")[0]
            yield name, above
            above = name
        elif (token.level == 0 and token.type.endswith("_close")) or token.type in ("math_block", "html_block"):
            above = token.type


def unannounced(markdown: str) -> int:
    """Listings without a sentence right above them."""
    said = ("paragraph_close", "bullet_list_close", "ordered_list_close")
    return sum(name == "{listing}" and above not in said for name, above in before(markdown))


def unanswered(markdown: str) -> int:
    """Predictions that are not followed at once by the cell, or the answer, that they are about."""
    order = list(before(markdown))
    following = [name for name, above in order if above == "{predict}"]
    asked = sum(name == "{predict}" for name, _ in order)
    return asked - sum(name in ("{live}", "{frames}", "{answer}", "{experiment}") for name in following)


def recalled(markdown: str) -> int:
    """How many questions the page asks at its end."""
    texts = [block.text for block in blocks(markdown) if block.name == "{recall}"]
    return sum(len(re.findall(r"^: ", text, re.MULTILINE)) for text in texts)


def broken(chapter: course.Chapter) -> set[str]:
    """The limits that a chapter does not keep."""
    text = chapter.markdown.read_text(encoding="utf-8")
    experiments = sum(block.name == "{experiment}" for block in blocks(text))
    exercises = rubric.load(chapter.number).exercises.values()
    asked = sum(exercise.accounting is not None for exercise in exercises)
    kept = {
        "words": len(prose(text).split()) <= WORDS,
        "quoted": quoted_lines(chapter, text) <= QUOTED,
        "sentence": unannounced(text) == 0,
        "predict": unanswered(text) == 0,
        "recall": recalled(text) == 5,
        "experiment": experiments == 1,
        "exercises": 4 <= len(exercises) - asked <= 9,
        "points": 10 <= sum(exercise.points for exercise in exercises) <= 25,
        "accounting": asked >= (3 if chapter.number >= "10" else 0),
    }
    return {limit for limit, holds in kept.items() if not holds}


@each_chapter
def test_a_chapter_keeps_the_limits_or_is_exempt_for_a_reason(chapter):
    exempt = {limit for limit, numbers in EXEMPT.items() if chapter.number in numbers}
    assert broken(chapter) == exempt, "one that is exempt and obeys is to leave the list"


@each_chapter
def test_every_exercise_says_how_hard_and_how_long_it_is(chapter):
    exercises = rubric.load(chapter.number).exercises.values()
    assert [exercise.name for exercise in exercises if not (exercise.difficulty and exercise.minutes)] == []


def test_counts_are_right():
    text = "---\ntitle: x y\n---\n\nTwo words.\n\n```{answer}\nnot these words\n```\n\n# And three more\n"
    assert prose(text).split() == ["Two", "words.", "#", "And", "three", "more"]
    listings = "A sentence.\n\n```{listing} a\n```\n\n```{listing} b\n```\n\n## Title\n\n```{listing} c\n```\n"
    assert unannounced(listings) == 2
    predicts = "```{predict}\n?\n```\n\n```{live}\n1\n```\n\n```{predict}\n?\n```\n\nAh.\n\n```{live}\n1\n```\n"
    assert unanswered(predicts) == 1
    assert recalled("```{recall}\nA?\n: B.\n\nC?\n: D: E.\n```\n") == 2
    folded = "````{answer}\n```{listing} mul_vjp\n```\n````\n"
    chapter = course.Course(ROOT).chapter("05")
    assert quoted_lines(chapter, folded) == 0
    assert quoted_lines(chapter, folded + "```{listing} sub_vjp\n```\n```{exercise} mul_vjp\n```\n") == 4 + 7
    assert quoted_lines(chapter, "```{listing} sub_vjp\n:fold: given\n```\n```{listing} Graph\n```\n") == 0


# -- claims ----------------------------------------------------------------------


@pytest.fixture(autouse=True)
def same_package():
    """A run imports the package anew; the other tests of this process keep the one they have."""
    kept = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "tinytorch"}
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "tinytorch"]:
        del sys.modules[name]
    sys.modules.update(kept)


@pytest.fixture
def run(tmp_path):
    run = ChapterRun(tmp_path / "01_x.md")
    run.run("fast, slow = 1.5, 3.0\nwords = ['a']", 1)
    return run


@pytest.mark.parametrize("claim", ["fast < slow", "fast < slow; len(words) == 1", "0 < fast <\n slow", ""])
def test_a_true_claim_says_nothing(run, claim):
    run.claim(claim, 7)


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        ("2 * fast < fast", ["line 7: the claim `2 * fast < fast` is false", "2 * fast = 3.0", "fast = 1.5"]),
        ("fast < slow; words == ['b']", ["`words == ['b']` is false", "words = ['a']"]),
        ("not (fast < slow and words)", ["fast = 1.5", "slow = 3.0"]),
        ("fast < quick", ["NameError", "line 7"]),
        ("1 < 2", ["`1 < 2` says nothing"]),
        ("fast = 2", ["`fast = 2` says nothing"]),
        ("fast <", ["no expression"]),
    ],
)
def test_a_false_claim_tells_the_values(run, claim, told):
    with pytest.raises(CellError) as problem:
        run.claim(claim, 7)
    assert [words for words in told if words not in str(problem.value)] == []


def test_the_chapter_tests_hold_claims_too(run):
    role, option = cells("It is faster {claim}`slow < fast`.\n\n```{live}\n:claims: fast > slow\nprint(1)\n```\n")
    for cell in (role, option):
        with pytest.raises(CellError, match="is false"):
            run.check(cell)


# -- cells below a prediction, frames ----------------------------------------------


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("x = 1\nassert x == 1\nprint(x)", "x = 1\nprint(x)"),
        ("for x in y:\n    assert x, (\n        y\n    )\nz", "for x in y:\n    ...\nz"),
        ("def f():\n    assert a\n    return b\n", "def f():\n    return b"),
        ("assert a", ""),
    ],
)
def test_asserts_do_not_give_an_output_away(source, shown):
    assert unasserted(source) == shown


def test_frames_are_words_and_drawings(run):
    source = "class D:\n    def _repr_svg_(self):\n        return '<svg/>'\n"
    source += "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\n[('one', D()), ('two', fig)]"
    frames = run.run(source, 1).frames
    assert [words for words, _ in frames] == ["one", "two"]
    assert frames[0][1] == "<svg/>" and frames[1][1].startswith("<svg ")
    for text in ("```{frames}\n:alt: x\n[('one', 2)]\n```", f"```{{live}}\n:alt: x\n{source}\n```"):
        with pytest.raises(CellError, match="ends with a list"):
            run.check(cells(text)[0])


def test_a_prefix_that_another_library_chose_for_svg_does_not_reach_the_page(run):
    ElementTree.register_namespace("drawn", "http://www.w3.org/2000/svg")
    (drawing,) = run.run("import matplotlib.pyplot as plt\nfig, ax = plt.subplots()", 1).drawings
    assert drawing.startswith("<svg ") and "drawn" not in drawing


# -- numbers that are asked ---------------------------------------------------------


def test_a_number_is_right_within_its_tolerance():
    about(1_005, 1_000, 0.01, "bytes")
    about(0.5, 0.502, 0.01, "of the peak")


@pytest.mark.parametrize(
    ("yours", "told"),
    [
        (1_011, "too large"),
        (989.0, "too small"),
        (250, "too small by a factor of 4"),
        (8_000, "too large by a factor of 8"),
        (-1_000, "too small"),
        pytest.param(10**400, "too large", id="400 zeros"),
        (float("nan"), "not a number"),
        ("1000", "not a number"),
        (True, "not a number"),
        (None, "not a number"),
    ],
)
def test_a_wrong_number_is_told_without_the_right_one(yours, told):
    with pytest.raises(Mismatch) as problem:
        about(yours, 1_000, 0.01, "bytes")
    assert told in problem.value.message + str(problem.value.details.get("diagnosis"))
    assert "expected" not in problem.value.details


@pytest.mark.parametrize(
    ("yours", "factor"),
    [(30_210, "1000"), (29_500, "1000"), (60.3, "2"), (1_910, "64"), (2_200, ""), (25_000, ""), (10**400, "")],
    ids=str,
)
def test_a_factor_is_the_roundest_that_the_tolerance_leaves(yours, factor):
    with pytest.raises(Mismatch) as problem:
        about(yours, 30, 0.02, "ms")
    assert problem.value.details["diagnosis"] == (f"too large by a factor of {factor}" if factor else "")


def test_accounting_stands_in_the_stub_and_not_in_the_framework():
    graded = rubric.load("05")
    stub = stubs.stub(graded.source, graded.exercises, "05")
    assert stub.index("class Graph") < stub.index(rubric.ACCOUNTS) < stub.index("def graph_bytes():")
    assert stub.rstrip().endswith('raise NotImplementedError("chapter 05: graph_bytes")')
    assert "graph_bytes" not in course.chapter("05").source.read_text(encoding="utf-8")


def test_effort_has_bounds():
    with pytest.raises(ValueError, match="difficulty from 1 to 3"):
        rubric.Rubric("01", module="x").exercise("f", difficulty=4, minutes=5)


# -- terms ---------------------------------------------------------------------------


def test_a_definition_has_a_term_words_to_show_and_a_meaning():
    assert parts("overfitting: learning\naccidents") == ("overfitting", "overfitting", "learning accidents")
    assert parts("logit <logits>: a score: raw") == ("logit", "logits", "a score: raw")
    with pytest.raises(ValueError, match="`term: what it means`"):
        parts("overfitting")
    text = "A {define}`x: an\nunknown` and\n\n````{answer}\n{define}`y <ys>: another`\n````\n"
    assert list(definitions(text)) == [("x", "an unknown"), ("y", "another")]


# -- the page ------------------------------------------------------------------------

HEAD = "---\ntitle: {}\nable: [read]\nbuilds_on: []\nreading: 5\nworking: 7\n---\n\n"
WALK = '''"""A walk."""


def step(x):
    """One step."""
    # Which way?
    return x + 1
'''
RUBRIC = '''from tito.rubrics.rubric import Rubric

rubric = Rubric("10", module="walk")
rubric.exercise("step", difficulty=2, minutes=4)


@rubric.check("step", points=3)
def one_more(student):
    """One more."""


@rubric.accounting(points=1, unit="steps", counted=lambda: 1200, difficulty=1, minutes=3)
def steps_taken():
    """How many *steps*?"""
    # Count.
    return 12 * 100
'''
GOOD = """
A {define}`walk: a series of steps`, faster {claim}`1 + step < 50` than a {term}`walk`.

```{live}
:claims: step == 2
step = 2
print("before")
```

```{predict}
What?
```

```{live}
silent = 1
```

```{live}
assert step == 2
print("the outcome")
```

```{exercise} step
```

```{accounting} steps_taken
```

```{frames}
:alt: Two frames.
:hide-code:
class D:
    def _repr_svg_(self):
        return "<svg ></svg>"


[("First.", D()), ("Second.", D())]
```

````{experiment} What if?
Try.

```{live}
1 + 1
```

```{answer}
A curve.
```
````

```{recall}
One?
: It is **one**.

Two?
: Two.
```
"""
BAD = {  # chapter: (its text, the line and the words of its warning)
    "11_claim": ("```{live}\nratio = 2.5\n```\n\nIt is slower.\n{claim}`ratio < 1`\n", 13, "ratio = 2.5"),
    "12_option": ("```{live}\n:claims: 1 + x == 3\nx = 1\n```\n", 11, "the claim `1 + x == 3` is false"),
    "13_recall": ("```{recall}\nNo answer?\n```\n", 9, "below it its answer"),
    "14_experiment": ("```{experiment} What if\nTry.\n```\n", 9, "a {live} cell to start from"),
    "15_term": ("A {define}`word`.\n", 9, "`term: what it means`"),
    "16_frames": ("```{frames}\n:alt: x\n1 + 1\n```\n", 11, "ends with a list of (words, drawing)"),
    "17_number": ("```{accounting} step\n```\n", 9, "does not grade 'step'"),
}


def build(tree: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "sphinx", "-q", "-E", "-W", "--keep-going", "docs", "build"]
    environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A repository with one small chapter."""
    tree = tmp_path_factory.mktemp("course")
    guides = [path.name for path in (ROOT / "docs").glob("*.md") if path.name != "glossary.md"]
    left_out = shutil.ignore_patterns("__pycache__", "leaderboard", *guides)
    shutil.copytree(ROOT / "docs", tree / "docs", ignore=left_out)
    shutil.copytree(ROOT / "src", tree / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "docs" / "index.md").write_text("# Small\n\n```{chapters}\n```\n\n```{toctree}\nglossary\ngenindex\n```\n")
    for folder in ("chapters", "grading"):
        (tree / folder).mkdir()
    (tree / "src" / "tinytorch" / "walk.py").write_text(WALK)
    (tree / "grading" / "grade_10_walk.py").write_text(RUBRIC)
    text = GOOD.replace("{claim}`1 + step < 50` ", "") + "\nAgain {claim}`step < 50`.\n"
    (tree / "chapters" / "10_walk.md").write_text(HEAD.format("Walk") + text)
    return tree


@pytest.fixture(scope="module")
def page(tree):
    done = build(tree)
    assert done.returncode == 0, done.stderr
    return (tree / "build" / "chapters" / "10_walk.html").read_text(encoding="utf-8")


def words(part: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", part)).split())


def test_the_output_below_a_prediction_is_folded(page):
    outcomes = re.findall(r'<details class="[^"]*outcome.*?</details>', page, re.DOTALL)
    assert [words(part) for part in outcomes] == ["Show what happens the outcome"]
    assert "assert step" not in words(page)
    assert "before" in words(page.split("Predict")[0])


def test_an_exercise_opens_in_steps(page):
    box = page[page.index('id="exercise-step"') : page.index('id="exercise-steps-taken"')]
    stands, hint, solution = re.split(r"<summary>(?:Hint|Solution)</summary>", box)
    assert words(stands).startswith('id="exercise-step"> Exercise step 3 points ●●○ 4 min 4 def step ( x ): 5')
    assert "Which way?" not in stands and "return" not in stands and "NotImplementedError" not in stands
    assert "# Which way?" in words(hint) and "return" not in hint
    assert "return x + 1" in words(solution)
    assert 'aria-label="difficulty 2 of 3"' in box


def test_a_number_is_asked_in_the_page(page):
    box = words(page[page.index('id="exercise-steps-taken"') :].split("figure")[0])
    for shown in ("Accounting steps_taken 1 point ●○○ 3 min How many steps ?", "Our counter finds 1,200 steps."):
        assert shown in box
    assert "<em>steps</em>" in page


def test_frames_have_a_button_each_and_words_of_their_own(page):
    figure = re.search(r'<figure class="live-figure frames.*?</figure>', page, re.DOTALL)[0]
    buttons = re.findall(r'<input type="radio" name="(.*?)" id="(.*?)"( checked)?><label for="(.*?)">', figure)
    assert [(name, checked, one == other) for name, one, checked, other in buttons] == [
        ("frames-0", " checked", True), ("frames-0", "", True),
    ]  # fmt: skip
    assert re.findall('aria-label="(.*?)"', figure) == ["Two frames. First.", "Two frames. Second."]
    assert figure.count('<div class="frame ') == 2


def test_recall_and_experiments_fold_their_answers(page):
    box = re.search(r'<ol class="[^"]*recall.*?</ol>', page, re.DOTALL)[0]
    assert words(box) == "One? Answer It is one . Two? Answer Two."
    assert '<div class="experiment ' in page and "Experiment What if?" in words(page)


def test_terms_go_to_the_glossary_and_the_index(tree, page):
    assert '<em class="defined" id="define-walk">walk</em>' in page
    glossary = (tree / "build" / "glossary.html").read_text(encoding="utf-8")
    assert "walk" in words(glossary) and "A series of steps. Chapter 10 ." in words(glossary)
    assert 'href="../glossary.html#term-walk"' in page
    index = (tree / "build" / "genindex.html").read_text(encoding="utf-8")
    assert 'href="chapters/10_walk.html#define-walk"' in index


@pytest.fixture(scope="module")
def broken_build(page, tree):
    """What a build says of chapters that each hold one defect."""
    for name, (text, _, _) in BAD.items():
        (tree / "chapters" / f"{name}.md").write_text(HEAD.format(name) + text)
    (tree / "src" / "tinytorch" / "number.py").write_text(WALK)
    (tree / "grading" / "grade_17_number.py").write_text(
        'from tito.rubrics.rubric import Rubric\n\nrubric = Rubric("17", module="number")\n'
    )
    done = build(tree)
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize("name", BAD)
def test_a_defect_breaks_the_build(broken_build, tree, name):
    _, line, said = BAD[name]
    path = re.escape(str(tree / "chapters" / f"{name}.md"))
    found = re.search(rf"{path}:{line}: WARNING: (.*?)(?=^/|\Z)", broken_build, re.DOTALL | re.MULTILINE)
    assert found, broken_build
    assert said in found[1]


def test_a_false_claim_names_what_it_says_and_the_values(broken_build, tree):
    path = tree / "chapters" / "11_claim.md"
    assert f'{path}:13: WARNING: File "{path}", line 13: the claim `ratio < 1` is false\n  ratio = 2.5' in broken_build
