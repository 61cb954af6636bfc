"""The course is what its folders list."""

from pathlib import Path

import pytest
from toys import TOY

from tito import course
from tito.course import Course, CourseError


def test_chapters_come_from_the_listing():
    assert [(chapter.number, chapter.name, chapter.title) for chapter in TOY.chapters()] == [
        ("00", "counting", "Counting"),
        ("01", "scaling", "Scaling"),
    ]
    assert [chapter.name for chapter in TOY.before(TOY.chapter("01"))] == ["counting"]


@pytest.mark.parametrize("wanted", ["01", "1", "scaling", "scaling.py"])
def test_a_chapter_has_several_names(wanted):
    assert TOY.chapter(wanted).rubric_path == TOY.root / "grading" / "grade_01_scaling.py"


def test_a_title_may_stand_in_front_matter(tmp_path):
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters" / "03_layers.md").write_text('---\ntitle: "Layers, and what they hold"\n---\n# Other\n')
    (tmp_path / "chapters" / "notes.md").write_text("no chapter")
    assert [chapter.title for chapter in Course(tmp_path).chapters()] == ["Layers, and what they hold"]


def test_what_is_not_there_is_said_with_what_is():
    with pytest.raises(CourseError, match="there is no chapter '7'; there are: 00 counting, 01 scaling"):
        TOY.chapter("7")


def test_the_root_is_found_from_the_tool_or_from_here(tmp_path, monkeypatch):
    assert Path(__file__).resolve().parent.parent == course.find_root()
    monkeypatch.chdir(TOY.root / "grading")
    assert course.find_root(tmp_path / "elsewhere.py") == TOY.root
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CourseError, match="no TinyTorch course here"):
        course.find_root(tmp_path / "elsewhere.py")


def test_every_chapter_stands_in_one_tier():
    found = [(tier.name, one.number) for tier, chapters in course.default().tiers() for one in chapters]
    assert [number for _, number in found] == [chapter.number for chapter in course.chapters()]
    names = dict.fromkeys(name for name, _ in found)
    assert list(names)[:4] == ["", "Foundation", "Architecture", "Optimization"]
    numbers = {name: [number for tier, number in found if tier == name] for name in names}
    assert numbers["Foundation"] == ["01", "02", "03", "04", "05", "06", "07"]
    assert numbers["Architecture"] == ["08", "09", "10", "11", "12", "13"]
    assert numbers["Optimization"] == ["14", "15", "16", "17", "18", "19"]
