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


class Isolation(Protocol):
    """Starts a worker for a job folder that holds worker.py, wire.py, scratch/ and tree/; ends all it started."""

    name: str

    def start(self, job: Path) -> "subprocess.Popen[bytes]": ...

    def end(self, process: "subprocess.Popen[bytes]") -> None: ...


class Weak:
    """A child process of its own session; killed as a group."""

    name = "weak"

    def start(self, job: Path) -> "subprocess.Popen[bytes]":
        site = Path(np.__file__).resolve().parent.parent
        command = [sys.executable, "-I", "-S", "-B", str(job / "worker.py"), str(site), str(job / "tree")]
        return subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=job / "scratch",
            env=environment(job),
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


def environment(job: Path) -> dict[str, str]:
    """All that a worker's environment holds. One BLAS thread: small products are faster, and nobody waits for cores."""
    threads = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    kept = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    scratch = str(job / "scratch")
    return {**dict.fromkeys(threads, "1"), "HOME": scratch, "TMPDIR": scratch, "LANG": "C.UTF-8", **kept}


LAYERS: list[type[Isolation]] = [Weak]  # from weak to strong


def strongest() -> Isolation:
    """The strongest isolation there is here."""
    return LAYERS[-1]()
