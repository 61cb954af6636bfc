"""The workspace: work is never overwritten without a copy, and updates keep it."""

import json

import pytest
from toys import FULL, SCALING, TOY, instead

from tito.course import CourseError
from tito.grading.judge import grade
from tito.rubrics import stubs
from tito.work.workspace import Workspace, merge, write

CHAPTER = TOY.chapter("01")
STUB = stubs.stub(SCALING, FULL, "01")


@pytest.fixture
def workspace(tmp_path):
    return Workspace(TOY, tmp_path / "work")


def test_start_writes_the_stub_once(workspace):
    path = workspace.start(CHAPTER)
    assert path.read_text(encoding="utf-8") == STUB
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        workspace.start(CHAPTER)
    assert path.read_text() == "mine"


def test_the_place_is_a_setting(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYTORCH_WORK", str(tmp_path / "mine"))
    assert Workspace.of(TOY).folder == tmp_path / "mine"
    monkeypatch.delenv("TINYTORCH_WORK")
    assert Workspace.of(TOY).folder == TOY.root / "work"


def test_reset_keeps_every_version(workspace):
    path = workspace.start(CHAPTER)
    backups = []
    for text in ("first", "second", "third"):
        path.write_text(text)
        backups.append(workspace.reset(CHAPTER))
        assert path.read_text(encoding="utf-8") == STUB
    assert [backup.read_text() for backup in backups] == ["first", "second", "third"]


def test_diff_shows_the_students_lines(workspace):
    path = workspace.start(CHAPTER)
    path.write_text(stubs.with_body(STUB, "share", "return x / len(x)"), encoding="utf-8")
    changed = [line for line in workspace.diff(CHAPTER).split("\n") if line[:1] in "+-"]
    assert changed[2:4] == ['-    raise NotImplementedError("chapter 01: share")', "+    return x / len(x)"]


# -- update -----------------------------------------------------------------------------------------------------------

MINE = stubs.with_body(STUB, "share", "return x / len(x)  # mine")
NEWER = STUB.replace("def given(x", "def added(x):\n    return x\n\n\ndef given(x").replace("k x", "k times x")


def test_update_takes_given_code_and_keeps_bodies():
    new, update = merge(STUB, MINE, NEWER, list(FULL))
    assert new == stubs.with_body(NEWER, "share", "return x / len(x)  # mine")
    assert update.carried == ["share"] and update.kept == []


def test_update_keeps_what_a_student_added():
    new, update = merge(STUB, MINE + "\n\nimport math\n\n\ndef helper(x):\n    return math.pi * x\n", NEWER, list(FULL))
    assert update.kept == ["helper", "import math"]
    assert "def helper(x):\n    return math.pi * x" in new and "\nimport math" in new
    compile(new, "new", "exec")


def test_update_keeps_classes_methods_and_attributes():
    own = MINE + "\n\nclass Mine:\n    def f(self):\n        return 1\n"
    own = own.replace(
        "class Scaler(Named):", "class Scaler(Named):\n    size = 3\n\n    def more(self):\n        return 2\n"
    )
    new, update = merge(STUB, own, NEWER, list(FULL))
    assert update.kept == ["Scaler", "Mine"] and "\nclass Mine:\n    def f(self):" in new
    assert "#     size = 3" in new and "#     def more(self):" in new
    again, _ = merge(NEWER, new, NEWER, list(FULL))
    assert again == new


def test_update_keeps_both_where_given_code_was_edited():
    edited = MINE.replace("return double(x) + 1", "return double(x) + 2")
    new, update = merge(STUB, edited, NEWER.replace("double(x) + 1", "double(x) + 3"), list(FULL))
    assert update.kept == ["given"]
    assert "    return double(x) + 3" in new and "#     return double(x) + 2" in new


def test_update_keeps_both_where_the_signature_changed():
    changed = NEWER.replace("def share(x: np.ndarray)", "def share(x: np.ndarray, total: int)")
    new, update = merge(STUB, MINE, changed, list(FULL))
    assert update.kept == ["share"] and update.carried == []
    assert "#     return x / len(x)  # mine" in new and "total: int" in new


def test_update_keeps_a_signature_of_the_students_own():
    own = MINE.replace("def share(x: np.ndarray)", "def share(x)")
    new, update = merge(STUB, own, NEWER, list(FULL))
    assert update.carried == ["share"] and "def share(x) ->" in new and "# mine" in new


def test_update_backs_up_and_changes_nothing_the_second_time(workspace):
    path = workspace.start(CHAPTER)
    path.write_text(MINE.replace("return double(x) + 1", "return 7"), encoding="utf-8")
    done = workspace.update(CHAPTER)
    assert done.backup and "return 7" in done.backup.read_text(encoding="utf-8")
    assert grade("01", course=TOY, work=workspace.folder, only="share")["share"].points == 2
    assert "#     return 7" in path.read_text(encoding="utf-8")
    assert not workspace.update(CHAPTER).changed


def test_update_of_a_broken_file_names_the_line_and_leaves_it(workspace):
    path = workspace.start(CHAPTER)
    path.write_text("x = 1\ndef f(:\n")
    with pytest.raises(CourseError, match=r"scaling\.py:2: the file does not compile"):
        workspace.update(CHAPTER)
    assert path.read_text() == "x = 1\ndef f(:\n"


def test_update_brings_a_deleted_stub_back(workspace):
    path = workspace.start(CHAPTER)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(stubs.reference(text, "share"), ""), encoding="utf-8")
    workspace.update(CHAPTER)
    assert path.read_text(encoding="utf-8") == STUB


# -- progress ---------------------------------------------------------------------------------------------------------


def record(workspace, **options):
    report = grade("01", course=TOY, work=workspace.folder, integrated=False, **options)
    workspace.record(report.number, report.entry())


def test_progress_is_kept_by_exercise(workspace):
    workspace.start(CHAPTER)
    workspace.file(CHAPTER).write_text(instead(double="return x"), encoding="utf-8")
    record(workspace)
    workspace.file(CHAPTER).write_text(SCALING, encoding="utf-8")
    record(workspace, only="double")
    known = workspace.progress()["chapters"]["01"]["exercises"]
    assert {name: entry["points"] for name, entry in known.items()} == FULL


def test_damaged_progress_is_set_aside(workspace):
    write(workspace.progress_path, '{"chapters": ')
    assert workspace.progress() == {"chapters": {}}
    assert [path.read_text() for path in workspace.folder.glob("progress.damaged-*.json")] == ['{"chapters": ']


def test_writing_is_all_or_nothing(tmp_path):
    path = tmp_path / "x.json"
    write(path, json.dumps([1]))
    with pytest.raises(UnicodeEncodeError):
        write(path, "[2, \ud800]")
    assert path.read_text() == "[1]" and list(tmp_path.iterdir()) == [path]


# -- the student's own earlier chapters -------------------------------------------------------------------------------


def integrated(tmp_path, counting: str | None, scaling: str = SCALING):
    (tmp_path / "scaling.py").write_text(scaling, encoding="utf-8")
    if counting is not None:
        (tmp_path / "counting.py").write_text(counting, encoding="utf-8")
    return grade("01", course=TOY, work=tmp_path)


def test_an_earlier_chapter_that_is_missing_is_named(tmp_path):
    report = integrated(tmp_path, None)
    assert report.passed and report.integrated.missing == ["counting.py"]


def test_names_that_an_earlier_chapter_lacks_are_named(tmp_path):
    report = integrated(tmp_path, "def other():\n    pass\n")
    assert report.passed and report.integrated.missing == ["counting.count"]


def test_an_earlier_chapter_that_does_not_compile_is_named(tmp_path):
    assert integrated(tmp_path, "def (").integrated.missing == ["counting.py (it does not compile)"]


def test_an_unfinished_earlier_chapter_costs_only_the_integrated_points(tmp_path):
    source = (TOY.package / "counting.py").read_text(encoding="utf-8")
    report = integrated(tmp_path, stubs.stub(source, ["count"], "00"))
    assert report.passed
    assert report.integrated.points == {**FULL, "share": 0}
    assert report.integrated.needs == ["chapter 00: count"]


def test_a_wrong_earlier_chapter_shows_in_the_integrated_points(tmp_path):
    report = integrated(tmp_path, "def count(x):\n    return 1 + x.size\n")
    assert report.passed and report.integrated.points == {**FULL, "share": 0}


def test_a_crash_in_the_integrated_grade_costs_one_exercise(tmp_path):
    report = integrated(tmp_path, "import os\n\n\ndef count(x):\n    os._exit(0)\n")
    assert report.passed and report.integrated.points == {**FULL, "share": 0}
