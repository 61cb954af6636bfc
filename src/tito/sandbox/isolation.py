"""Isolation: what stands between a student's code and the machine.

weak     a child process: -I -S -B, an empty environment, its own sys.path, rlimits, a deadline, and at the end the
         whole process group is killed. It misses a process that leaves the group (setsid), the network, and reading
         what the user may read. Enough for grading oneself.
strong   bubblewrap or a container: the place for it is LAYERS.
"""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import numpy as np

from tito import launch


class Isolation(Protocol):
    """Starts a program for a job folder that holds worker.py, wire.py, scratch/ and tree/; ends all it started."""

    name: str

    def start(self, job: Path) -> "subprocess.Popen[bytes]": ...

    def end(self, process: "subprocess.Popen[bytes]") -> None: ...

    def attended(self, job: Path, program: str) -> int: ...


class Weak:
    """A child process of its own session; killed as a group."""

    name = "weak"

    def start(self, job: Path) -> "subprocess.Popen[bytes]":
        """Start worker.py with pipes to talk through."""
        return subprocess.Popen(
            command(job, "worker.py"),
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=job / "scratch",
            env=launch.scrubbed(job / "scratch"),
            start_new_session=os.name == "posix",
        )

    def end(self, process: "subprocess.Popen[bytes]") -> None:
        # The group is killed before the leader is waited for: until then its number cannot belong to anyone else.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()

    def attended(self, job: Path, program: str) -> int:
        """Run a program of the job folder at the terminal, with somebody before it; returns its exit code."""
        env = launch.scrubbed(job / "scratch")
        return subprocess.run(command(job, program), check=False, cwd=job / "scratch", env=env).returncode


def command(job: Path, program: str) -> list[str]:
    """Python alone, with NumPy's folder and the composed tree as the program's arguments."""
    site = Path(np.__file__).resolve().parent.parent
    return [sys.executable, "-I", "-S", "-B", str(job / program), str(site), str(job / "tree")]


LAYERS: list[type[Isolation]] = [Weak]  # from weak to strong


def strongest() -> Isolation:
    """The strongest isolation there is here."""
    return LAYERS[-1]()
