"""The service in a process of its own, on the composed tree: signals go on to it, and it is waited for."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tito import launch
from tito.sandbox.tree import play
from tito.serving.server import Plan
from tito.work.workspace import Workspace


def serve(workspace: Workspace, plan: Plan, only: Collection[str]) -> int:
    """Run the service with `only` these chapters of the student's, until it ends; its exit code."""
    if not only:
        return wait(plan, launch.environment())
    with tempfile.TemporaryDirectory(prefix="tito-", ignore_cleanup_errors=True) as folder:
        tree = Path(folder).resolve()
        play(tree, workspace.course, workspace.folder, only)
        return wait(plan, launch.environment(tree))


def wait(plan: Plan, environment: Mapping[str, str]) -> int:
    """Run the server in this environment; its exit code."""
    command = [sys.executable, "-m", "tito.serving.server", replace(plan, parent=os.getpid()).text()]
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL) as child, passed_on(child):
        return child.wait()


@contextmanager
def passed_on(child: subprocess.Popen) -> Iterator[None]:
    """While it lasts, signals that end a program end the child, in its own time; Ctrl-C it hears by itself."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, lambda *_: child.terminate()) for number in numbers}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
