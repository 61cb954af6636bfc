"""tito doctor: what the course needs, looked at by using it."""

import platform
import sys
import tempfile
from dataclasses import dataclass

import numpy as np

from tito import sandbox
from tito.course import Course
from tito.outcomes import Infrastructure
from tito.sandbox.isolation import strongest
from tito.work.workspace import Workspace


@dataclass
class Finding:
    """One line: what it is, what was found, what to do if it is not fine."""

    name: str
    text: str
    fine: bool = True
    fix: str = ""


def examine(course: Course, workspace: Workspace) -> list[Finding]:
    """Python, NumPy and its BLAS, the course, the work folder, a worker that is really started."""
    version = platform.python_version()
    return [
        Finding(
            "Python",
            f"{version} at {sys.executable}",
            sys.version_info >= (3, 11),
            "TinyTorch needs Python 3.11 or newer",
        ),
        Finding("NumPy", f"{np.__version__}, {_blas()}", np.__version__ >= "2", "pip install 'numpy>=2'"),
        Finding("course", f"{len(course.chapters())} chapters in {course.root}"),
        _work(workspace),
        _worker(),
    ]


def _blas() -> str:
    config = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {}) if isinstance(config, dict) else {}
    return f"BLAS {blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _work(workspace: Workspace) -> Finding:
    folder = workspace.folder
    place = next(p for p in [folder, *folder.parents] if p.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return Finding(
            "work", f"{folder} cannot be written: {error.strerror}", False, "set TINYTORCH_WORK to a folder of yours"
        )
    begun = ", ".join(chapter.name for chapter in workspace.begun())
    return Finding("work", f"{folder}: {begun or 'empty, tito start 00 begins'}")


def _worker() -> Finding:
    isolation = strongest()
    try:
        with sandbox.open(isolation=isolation):
            return Finding("isolation", f"{isolation.name}: a worker starts and answers")
    except Infrastructure as error:
        return Finding("isolation", f"{isolation.name}: {error}", False, "is NumPy whole? python -c 'import numpy'")
