"""The book's machinery: what must break a build does, and what is built loads nothing from a network."""

import html
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tito import course
from tito.book import figures, spans
from tito.book.cells import CellError, ChapterRun, cells
from tito.rubrics import stubs

ROOT = Path(__file__).parents[1]
HEAD = "---\ntitle: {}\nable: [read `code`]\nbuilds_on: []\nreading: 5\nworking: 7\n---\n\n"
GOOD = """A sum is {eval}`1 + 1`, and $z = xy$.

```{live}
:alt: Two lines that cross.
:caption: A figure.
import matplotlib.pyplot as plt
fig, ax = plt.subplots()
ax.plot([1, 2], [2, 1], [1, 2], [1, 2])
print("printed")
```

```{live}
from tinytorch import walk
walk.step(20)
```

```{live}
:raises: ValueError
int("x")
```

```{live}
:hide-code:
hidden = 1
```

```{listing} step stride
```

```{literalinclude} ../src/tinytorch/walk.py
:pyobject: stride
:lineno-match:
```

$$
\\begin{align}
a &= b \\\\
c &= \\mathbb{R}
\\end{align}
$$

```{predict}
What comes?
```

```{answer}
This, see {py:obj}`tinytorch.walk.step`.
```
"""
WALK = '''"""A walk."""


def step(x):
    """One step."""
    # Which way?
    return x + 1


def stride(x):
    return 2 * x
'''
BAD = {  # chapter: (its text, the line and the words of its warning)
    "11_failing": ("```{live}\nx = 1\n\nx / 0\n```\n", 10, "ZeroDivisionError: division by zero"),
    "12_blind": ("```{live}\nimport matplotlib.pyplot as plt\nplt.plot([1])\n```\n", 10, "a figure needs `:alt:`"),
    "13_renamed": ("```{listing} Tensor.frobnicate\n:module: tensor\n```\n", 9, "Tensor.frobnicate"),
    "14_formula": ("As $\\frac{1}$ says.\n", 9, "KaTeX parse error"),
    "15_broken": ("```{live}\nfrom tinytorch import broken\nbroken.step(1)\n```\n", 10, "chapter 15: step"),
    "16_included": ("```{literalinclude} ../src/tinytorch/walk.py\n:pyobject: gone\n```\n", 9, "gone"),
    "17_value": ("It is {eval}`1 / 0`.\n", 9, "ZeroDivisionError"),
    "18_polite": ("```{live}\n:raises: ValueError\n1 + 1\n```\n", 11, "was to raise ValueError"),
    "19_ungraded": ("```{exercise} step\n```\n", 9, "does not grade 'step'"),
}


# -- a small book in a copy ----------------------------------------------------


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A repository with one small chapter, the real machinery, and the real package."""
    tree = tmp_path_factory.mktemp("course")
    guides = [path.name for path in (ROOT / "docs").glob("*.md") if path.name not in ("api.md", "glossary.md")]
    left_out = shutil.ignore_patterns("__pycache__", *guides)
    shutil.copytree(ROOT / "docs", tree / "docs", ignore=left_out)
    shutil.copytree(ROOT / "src", tree / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "chapters").mkdir()
    (tree / "grading").mkdir()
    (tree / "src" / "tinytorch" / "walk.py").write_text(WALK)
    (tree / "docs" / "index.md").write_text("# Small\n\n```{chapters}\n```\n\n```{toctree}\napi\nglossary\n```\n")
    (tree / "chapters" / "10_walk.md").write_text(HEAD.format("Walk") + GOOD)
    return tree


def build(tree, *options):
    command = [sys.executable, "-m", "sphinx", "-q", "-W", *options, "docs", "build"]
    environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def page(tree):
    """The chapter's page, built without a warning."""
    done = build(tree, "-E")
    assert done.returncode == 0, done.stderr
    return (tree / "build" / "chapters" / "10_walk.html").read_text(encoding="utf-8")


def test_a_page_shows_what_its_cells_did(page):
    text = html.unescape(re.sub(r"<[^>]*>", "", page))
    for shown in ("A sum is 2,", "printed\n", "walk.step(20)\n\n21\n", "ValueError: invalid literal", " 4def step(x):"):
        assert shown in re.sub(r"\n{3,}", "\n\n", text), shown
    assert 'role="img" aria-label="Two lines that cross."' in page
    assert re.findall(r"<title>(.*?) ", page) == ["10"]
    assert page.count('<div class="live ') == 3  # the hidden cell leaves no empty box


def test_formulas_need_no_script(page):
    assert page.count('<span class="katex">') == 2
    assert not re.search(r"<script[^>]*(katex|mathjax)", page)


def test_figures_follow_the_theme(page):
    svg = re.search(r"<svg role=.*?</svg>", page, re.DOTALL)[0]
    assert "currentColor" in svg
    assert figures.INK not in svg
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert len(ids) == len(set(ids))
    assert all(name.startswith("figure-10_walk-1-1-") for name in ids)
    assert set(re.findall(r'(?:url\(|href=")#([^")]+)', svg)) <= set(ids)


class Resources(HTMLParser):
    """What a browser fetches to show a page; what a reader may click on is not among it."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        if tag in ("link", "script", "img", "iframe", "source", "video", "audio", "embed", "object", "image", "use"):
            self.found += [value for key, value in attributes if key in ("src", "href", "data", "srcset") and value]


def test_nothing_comes_from_a_network(page, tree):
    for path in (tree / "build").rglob("*.html"):
        resources = Resources()
        resources.feed(path.read_text(encoding="utf-8"))
        assert resources.found
        assert [url for url in resources.found if re.match(r"(https?:)?//", url)] == [], path
    for path in (tree / "build").rglob("*.css"):
        css = path.read_text(encoding="utf-8")
        assert not re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^)\s]+", css), path


def test_a_change_in_the_source_is_measured_again(page, tree):
    path = tree / "src" / "tinytorch" / "walk.py"
    path.write_text(WALK.replace("x + 1", "x + 40"))
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime + 2))
    done = build(tree)
    path.write_text(WALK)
    assert done.returncode == 0, done.stderr
    assert "60\n" in (tree / "build" / "chapters" / "10_walk.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def broken(page, tree):
    """What a build says of chapters that each hold one defect."""
    stub = stubs.stub(WALK, ["step"], "15")
    (tree / "src" / "tinytorch" / "broken.py").write_text(stub)
    (tree / "src" / "tinytorch" / "ungraded.py").write_text(WALK)
    rubric = 'from tito.rubrics.rubric import Rubric\n\nrubric = Rubric("19", module="ungraded")\n'
    (tree / "grading" / "grade_19_ungraded.py").write_text(rubric)
    for name, (text, _, _) in BAD.items():
        (tree / "chapters" / f"{name}.md").write_text(HEAD.format(name) + text)
    done = build(tree, "-E")
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize("name", BAD)
def test_a_defect_breaks_the_build(broken, tree, name):
    _, line, words = BAD[name]
    path = re.escape(str(tree / "chapters" / f"{name}.md"))
    found = re.search(rf"{path}:{line}: WARNING: (.*?)(?=^/|\Z)", broken, re.DOTALL | re.MULTILINE)
    assert found, broken
    assert words in found[1]


def test_the_traceback_names_the_line_of_the_chapter(broken, tree):
    assert f'File "{tree / "chapters" / "11_failing.md"}", line 12, in <module>\n    x / 0' in broken


# -- cells ---------------------------------------------------------------------


def test_cells_are_found_wherever_they_stand():
    text = (
        "---\ntitle: x\n---\n\n::::{answer}\n\nFirst {eval}`a`\nand {eval}`b`.\n\n"
        "```{live}\n:alt: x\n\nc\n```\n::::\n\n```{listing} live\n```\n\n```python\nd\n```\n\n"
        "```\n>>> e\n```\n\n| {eval}`f` |\n|---|\n| {eval}`g` |\n\n```sh\nh\n```\n"
    )
    found = [(cell.kind, cell.source.strip(), cell.line) for cell in cells(text)]
    assert found == [
        ("eval", "a", 7), ("eval", "b", 8), ("live", "c", 13), ("python", "d", 21), ("doctest", ">>> e", 25),
        ("eval", "f", 28), ("eval", "g", 30),
    ]  # fmt: skip
    assert cells(text)[2].options == {"alt": "x"}


@pytest.fixture(autouse=True)
def same_package():
    """A session imports the package anew; the other tests of this process keep the one they have."""
    kept = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "tinytorch"}
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "tinytorch"]:
        del sys.modules[name]
    sys.modules.update(kept)


@pytest.fixture
def session(tmp_path):
    return ChapterRun(tmp_path / "01_x.md")


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("1 + 1", "2\n"),
        ("None", ""),
        ("1 + 1;", ""),
        ("print(1)\n'a'", "1\n'a'\n"),
        ("import warnings\nwarnings.warn('far', RuntimeWarning)\n1", "RuntimeWarning: far\n1\n"),
        ("import matplotlib.pyplot as plt\nplt.plot([1])", ""),
        ("import os\nos.listdir()", "[]\n"),
    ],
)
def test_a_cell_shows_what_a_prompt_would(session, source, shown):
    assert session.run(source, 1).text == shown


def test_cells_share_a_namespace_and_plain_fences_leave_none(session):
    session.run("x = 1", 1)
    python, doctest, wrong = cells("```python\nx = x + 1\n```\n```\n>>> x\n1\n```\n```\n>>> x\n2\n```\n")
    session.check(python)
    session.check(doctest)
    assert session.evaluate("x / 3", 9) == "0.3333"
    with pytest.raises(CellError, match="Expected"):
        session.check(wrong)


def test_other_warnings_are_errors(session):
    with pytest.raises(CellError, match="DeprecationWarning: old"):
        session.run("import warnings\nwarnings.warn('old', DeprecationWarning)", 1)


def test_the_same_cell_gives_the_same_bytes(tmp_path):
    source = "import numpy as np, matplotlib.pyplot as plt\nplt.plot(np.random.rand(9), label='$x$'); plt.legend()"
    first, second = (ChapterRun(tmp_path / "x.md").run(source, 1).drawings for _ in range(2))
    assert first == second
    assert len(first) == 1


def test_matplotlib_before_311_wrote_fonts_as_shorthand():
    assert figures.font("italic 700 10px 'DejaVu Sans'")["font-weight"] == "700"
    assert figures.font("10px 'A B', serif") == {"font-size": "10px", "font-family": "'A B', serif"}


# -- sources -------------------------------------------------------------------


def test_listings_join_neighbours_and_know_sections():
    source = "# -- one ---\n\n# why\na = 1\n\n\ndef b():\n    pass\n\n\n# -- two, too ---\n\ndef c():\n    pass\n"
    assert spans.spans(source, "b a") == [(3, 8)]
    assert spans.spans(source, "a c") == [(3, 4), (13, 14)]
    assert spans.spans(source, "two, too") == [(13, 14)]
    with pytest.raises(KeyError, match="is it"):
        spans.spans(source, "two, to")


# -- every graded body is used ---------------------------------------------------


@pytest.mark.parametrize("number", [chapter.number for chapter in course.Course(ROOT).chapters()])
def test_breaking_any_graded_body_fails_a_cell_of_its_chapter(number):
    command = [sys.executable, str(ROOT / "tests" / "breaking.py"), str(ROOT), number]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert not done.stdout.split(), f"no cell of chapter {number} notices that these are broken: {done.stdout}"
