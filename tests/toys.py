"""The toy course, and files of a student's that replace one body of it."""

from pathlib import Path

from tito.course import Course
from tito.grading.judge import grade
from tito.grading.report import Report
from tito.rubrics import stubs

TOY = Course(Path(__file__).parent / "toy")
SCALING = (TOY.package / "scaling.py").read_text(encoding="utf-8")
FULL = {"double": 4, "share": 2, "Scaler.apply": 2, "Scaler.describe": 2}


def instead(**bodies: str) -> str:
    """The reference of Scaling with other bodies; a dot in a name is written as two underscores."""
    source = SCALING
    for name, body in bodies.items():
        source = stubs.with_body(source, name.replace("__", "."), body)
    return source


def graded(source: str, **options) -> Report:
    """A grading of Scaling with this source."""
    return grade("01", course=TOY, source=source, **{"deadline": 4.0, **options})


def points(report: Report) -> dict[str, int]:
    return {exercise.name: exercise.points for exercise in report.exercises}
