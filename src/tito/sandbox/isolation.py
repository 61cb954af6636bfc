"""Isolation: what stands between a student's code and the machine.

weak     child processes: -I -S -B, an empty environment, its own sys.path, no terminal, rlimits, a deadline, a folder
         that only the user may enter, a judge whose memory and environment cannot be read (Linux, not root), and at
         the end everything that was started is ended, by a warden. Where Linux has Landlock, it writes in its own
         scratch folder only, and neither signals nor looks into other processes. It does not stop reading what the
         user may read (the reference and other jobs, too) or the network; without Landlock, neither writing what the
         user may write, nor signals. Enough for grading oneself.
strong   bubblewrap or a container: the place for it is LAYERS.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from tito import launch
from tito.sandbox.warden import prctl

GET_DUMPABLE, SET_DUMPABLE = 3, 4  # of prctl(2)
GRACE = 3.0  # seconds that a warden has to end all there is


class Isolation(Protocol):
    """Starts a program for a job folder that holds the worker's files, scratch/ and tree/; ends all it started."""

    name: str

    def start(self, job: Path) -> "subprocess.Popen[bytes]": ...

    def end(self, process: "subprocess.Popen[bytes]", job: Path) -> None: ...

    def attended(self, job: Path, program: str) -> int: ...


class Weak:
    """A child process of its own session, with a warden before it."""

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

    def end(self, process: "subprocess.Popen[bytes]", job: Path) -> None:
        """Have the warden end all it started, and itself; do it in its stead where it cannot."""
        process.terminate()
        try:
            process.wait(timeout=GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.returncode:
            _end_strays(job)

    def attended(self, job: Path, program: str) -> int:
        """Run a program of the job folder at the terminal, with somebody before it; returns its exit code."""
        env = launch.scrubbed(job / "scratch")
        return subprocess.run(command(job, program), check=False, cwd=job / "scratch", env=env).returncode


@contextlib.contextmanager
def unreadable() -> Iterator[None]:
    """Meanwhile no other process of the same user reads this one's environment or memory. Linux; root still may."""
    before = prctl(GET_DUMPABLE)
    prctl(SET_DUMPABLE, 0)
    try:
        yield
    finally:
        prctl(SET_DUMPABLE, before)


def command(job: Path, program: str) -> list[str]:
    """Python alone, with NumPy's folder and the composed tree as the program's arguments."""
    site = Path(np.__file__).resolve().parent.parent
    return [sys.executable, "-I", "-S", "-B", str(job / program), str(site), str(job / "tree")]


def _end_strays(job: Path) -> None:
    """End what still runs in the environment of a job, where Linux tells: for a warden that was killed."""
    mark = os.fsencode(f"HOME={job / 'scratch'}")
    for _ in range(100):
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return


# By the name of an isolation: what it does not stop, in a sentence for who is about to grade with it.
LEAVES_OPEN = {"weak": "Weak isolation, for your own code: it stops neither the network nor access to your files."}
LAYERS: list[type[Isolation]] = [Weak]  # from weak to strong


def strongest() -> Isolation:
    """The strongest isolation there is here."""
    return LAYERS[-1]()
