"""Handouts: a student's file holds no answer, an instructor's holds them all, and both are set as they should be."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tito import course
from tito.book import handouts
from tito.book.cells import blocks
from tito.rubrics import rubric

ROOT = Path(__file__).parents[1]
NUMBER = "05"
CHAPTER = course.Course(ROOT).chapter(NUMBER)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("handouts")


@pytest.fixture(scope="module", autouse=True)
def epoch():
    """What byte-identical files need."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        yield


@pytest.fixture(scope="module")
def pages(folder):
    """The chapter's page in both editions."""
    return {
        edition: handouts.page(place, f"chapters/{CHAPTER.markdown.stem}")
        for edition, place in handouts.rendered(folder / "html", NUMBER).items()
    }


@pytest.fixture(scope="module")
def files(pages, folder):
    """The chapter as PDF in both editions."""
    try:
        handouts.weasyprint()
    except SystemExit as problem:
        pytest.skip(f"no PDF can be made here: {problem}")
    for edition, page in pages.items():
        handouts.handout([page], edition, folder / f"{edition}.pdf")
    return {edition: folder / f"{edition}.pdf" for edition in pages}


@pytest.fixture(scope="module")
def texts(files):
    """The text of every page of both PDFs."""
    pypdf = pytest.importorskip("pypdf")
    return {edition: [page.extract_text() for page in pypdf.PdfReader(path).pages] for edition, path in files.items()}


def model_answers():
    """What the chapter folds away besides solutions: runs of words on one line of its Markdown without markup."""
    for block in blocks(CHAPTER.markdown.read_text(encoding="utf-8")):
        if block.name == "{recall}":
            text = "\n".join(re.findall(r"^: .*(?:\n  .*)*", block.text, re.MULTILINE))
        elif block.name == "{answer}" and "{listing}" not in block.text:
            text = block.text
        else:
            continue
        plain = [part for part in re.split(r"[`$*{}\"'\\\n]", text) if len(part.split()) > 5]
        assert plain
        yield from plain


# -- answers -------------------------------------------------------------------


def own():
    return {line for line, owner in handouts.answers().items() if owner.startswith(NUMBER)}


def test_every_exercise_has_lines_to_look_for():
    owners = {owner.split()[1] for owner in handouts.answers().values() if owner.startswith(NUMBER)}
    assert owners == set(rubric.load(NUMBER).exercises)


def test_no_answer_stands_in_the_text_or_the_cells_of_a_chapter():
    texts = {chapter.number: chapter.markdown.read_text(encoding="utf-8") for chapter in course.Course(ROOT).chapters()}
    assert {number: found for number, text in texts.items() if (found := handouts.leaks(text))} == {}


def test_no_answer_stands_on_a_students_page(pages):
    assert handouts.leaks(handouts.words(pages["student"].body)) == {}
    assert own() <= set(handouts.leaks(handouts.words(pages["instructor"].body)))


def test_no_answer_stands_in_a_students_file(texts):
    assert handouts.leaks("\n".join(texts["student"])) == {}
    missing = own() - set(handouts.leaks("\n".join(texts["instructor"])))
    assert not missing


def test_model_answers_are_for_instructors(texts):
    joined = {edition: handouts.squeezed("".join(text)) for edition, text in texts.items()}
    sentences = [sentence for part in model_answers() for sentence in re.split(r"(?<=[.?:;]) ", part)]
    parts = [part for part in map(handouts.squeezed, sentences) if len(part) > 20]
    assert not [part for part in parts if part in joined["student"]]
    found = [part for part in parts if part in joined["instructor"]]
    assert len(found) > 0.8 * len(parts)  # the others go on over a page's end


def test_a_page_with_an_answer_is_refused(folder):
    line = next(line for line, owner in handouts.answers().items() if owner == f"{NUMBER} mul_vjp")
    place = folder / "leaking"
    place.mkdir()
    (place / "good.html").write_text("<pre>return x</pre>")
    handouts.checked(place)
    (place / "bad.html").write_text(f'<p>Try <code><span class="pre">{line}</span></code></p>')
    with pytest.raises(SystemExit, match=re.escape(f"{NUMBER} mul_vjp: {line}")):
        handouts.checked(place)


def test_short_answers_are_found_as_they_stand(monkeypatch):
    monkeypatch.setattr(handouts, "answers", lambda: {"return g": "05 x", "a_long_name(of, things) * two": "05 y"})
    assert handouts.leaks("return g * y\nreturn gg") == {"return g": "05 x"}
    assert handouts.leaks("return g.T\nreturn gg, my.return g") == {}
    assert handouts.leaks("a_long_name(of,\n   things) * two") == {"a_long_name(of, things) * two": "05 y"}


def test_predicted_outputs_are_for_instructors(pages):
    """Below a prediction a student has rules to write on; the instructor sees what happened."""
    predicted = pages["instructor"].body.count('<details class="outcome fold"')
    assert predicted > 10
    assert "Show what happens" not in pages["student"].body
    shown = re.findall(r'<details class="[^"]*outcome.*?</details>', pages["instructor"].body, re.DOTALL)
    texts = [handouts.words(re.sub("<summary>.*?</summary>", "", part)).strip() for part in shown]
    long = [text for text in texts if len(text) > 40 and "<svg" not in text]
    assert long
    assert [text for text in long if text in handouts.words(pages["student"].body)] == []


def test_hints_stand_at_the_end_for_students_and_in_place_for_instructors(pages):
    hint = "# Shapes alone decide"
    assert pages["student"].body.count(hint) == 1
    assert pages["student"].body.index("Further reading</h2>") < pages["student"].body.index(hint)
    assert pages["instructor"].body.index(hint) < pages["instructor"].body.index("The walk</h2>")


# -- pages ---------------------------------------------------------------------


def test_both_editions_show_the_same_measurements(pages):
    values = [re.findall(r'class="live-value">([^<]*)<', page.body.split("Reflect</h2>")[0]) for page in pages.values()]
    assert values[0] == values[1] != []


def test_pages_are_numbered_and_the_contents_know_where(texts):
    for text in texts.values():
        for number, page in enumerate(text, 1):
            assert f"page {number}/{len(text)}" in page
        at = int(re.search(r"Reflect[ .]+(\d+)", text[0])[1])
        assert re.search(r"^Reflect$", text[at - 1], re.MULTILINE)


def test_listings_keep_the_numbers_of_the_file(texts):
    lines = CHAPTER.source.read_text(encoding="utf-8").split("\n")
    number = next(i for i, line in enumerate(lines, 1) if line.startswith("def numeric_gradient("))
    for text in texts.values():
        assert f"{number} def numeric_gradient(" in re.sub(" +", " ", "\n".join(text))


def test_the_same_pages_give_the_same_bytes(pages, files, folder):
    handouts.handout([pages["student"]], "student", folder / "again.pdf")
    assert (folder / "again.pdf").read_bytes() == files["student"].read_bytes()


def test_drawings_are_black_on_paper():
    drawing = '<svg role="img" width="100" height="50" stroke="currentColor"><g opacity=".8"></g></svg>'
    printed = handouts.printable(f"currentColor {drawing}")
    assert printed.startswith(f'currentColor <svg role="img" width="80.0" height="40.0" stroke="{handouts.INK}">')
    assert '<g fill-opacity=".8">' in printed


def test_long_lines_go_on_below_their_beginning():
    number = '<span class="linenos">  7</span>'
    line = f'{number}    <span class="sd">' + "&quot;ab cdef " * 20 + "</span>"
    first, second = handouts.broken(line).split("\n")[:2]
    assert handouts.shown(first)[0] == 3
    assert len(handouts.shown(first)[1]) + 3 <= handouts.COLUMNS
    assert len(second) - len(second.lstrip()) == 3 + 2 + 4 + 4
    assert handouts.squeezed(handouts.words(handouts.broken(line))) == handouts.squeezed(handouts.words(line))
    assert handouts.broken("x" * 300) == "x" * 300


def test_links_lead_into_the_document_or_are_words():
    body = '<a class="x" href="03_a.html#b">one</a> <a href="../api.html">two</a> <a href="https://x.y">three</a>'
    shown = '<a class="across" href="#03_a--b">one</a> two <a href="https://x.y">three</a>'
    assert handouts.linked(body, ["03_a"]) == shown


# -- what is missing is named ---------------------------------------------------


def test_a_missing_library_gets_the_command_that_installs_it(tmp_path):
    (tmp_path / "weasyprint.py").write_text("raise OSError(\"cannot load library 'libpango-1.0-0'\")")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT / 'src'}"}
    command = [sys.executable, "-m", "tito.book.handouts", NUMBER]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "sudo apt install libpango-1.0-0" in done.stderr
    assert "brew install pango" in done.stderr
    assert "libpango-1.0-0'" in done.stderr
    assert "Traceback" not in done.stderr


def test_figures_and_formulas_are_numbered_in_a_chapter_and_nowhere_else():
    body = (
        '<figure class="live-figure"><svg></svg></figure><div class="math" id="a"><span class="eqno">(1)</span></div>'
        '<figure class="live-figure frames"><svg></svg><figcaption>\n<p>Words.</p></figcaption></figure>'
    )
    found = handouts.numbered(body, "05_autograd")
    assert '<figcaption><p><span class="figure-number">Figure 5.1</span></p></figcaption></figure>' in found
    assert '<p><span class="figure-number">Figure 5.2</span> Words.</p>' in found and ">(5.1)</span>" in found
    assert handouts.numbered(body, "index") == body


def test_the_index_has_words_and_exercises_in_the_order_of_the_alphabet():
    words = '<em class="defined" id="05_a--define-b">walk</em> <em class="defined" id="05_a--define-a">Chain\nrule</em>'
    found = handouts.index([handouts.Page("05_a", "05 A", words)])
    assert found.index('<a href="#05_a--define-a">Chain rule</a>') < found.index('<a href="#05_a--define-b">walk</a>')


def test_a_handout_lists_what_has_changed_in_its_chapter():
    entries = "- Chapters 03 to 06 have `x`,\n  all of them.\n- Chapter 10, too.\n"
    log = f"# Log\n\n## Unreleased\n\n{entries}\n## 0.1.0\n\n- Chapter 05.\n"
    told = "<p>Since release 0.1.0:</p><ul><li>Chapters 03 to 06 have <code>x</code>, all of them.</li></ul>"
    assert handouts.changes("05", log) == told
    assert "Chapter 10, too" in handouts.changes("10", log) and "nothing has changed" in handouts.changes("11", log)
