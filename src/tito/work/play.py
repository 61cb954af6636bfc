"""Play: Python on the student's own framework, with the reference's chapters where there are none of the student's."""

import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

from tito import launch
from tito.sandbox.tree import play
from tito.work.workspace import Workspace


def run(workspace: Workspace, arguments: list[str], only: Collection[str] | None = None) -> int:
    """Run Python with these arguments on the composed tree, with `only` these chapters if given; its exit code."""
    with tempfile.TemporaryDirectory(prefix="tito-", ignore_cleanup_errors=True) as folder:
        tree = Path(folder).resolve()
        play(tree, workspace.course, workspace.folder, only)
        return subprocess.run([sys.executable, *arguments], env=launch.environment(tree), check=False).returncode
