"""The warden: the first process of a job. It never runs a student's code; it outlives the worker and ends what is left.

    judge -> warden -> worker -> whatever a student's code starts

Where there is no fork (Windows) the worker is on its own. On Linux the warden inherits every process whose parent ends,
also one that left its session, so that nothing escapes it; elsewhere it ends the worker's process group. It acts when
the judge says so (SIGTERM), or is gone, however it went: then nobody holds the other end of standard input any more,
and the job's folder goes, too. The standard library only: this file is copied into the job.
"""

import contextlib
import os
import signal
import sys
import time

SUBREAPER, DEATH_SIGNAL = 36, 1  # of prctl(2)


class _Told(BaseException):
    """The judge said so."""


def divide(job: str) -> None:
    """Fork: the child returns and becomes the worker; the parent watches over it, and ends here."""
    if not hasattr(os, "fork"):
        return
    warden, worker, gone = os.getpid(), 0, False
    prctl(SUBREAPER, 1)
    try:
        signal.signal(signal.SIGTERM, _told)
        worker = os.fork()
        if not worker:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.setsid()
            prctl(DEATH_SIGNAL, signal.SIGKILL)
            if os.getppid() != warden:
                os._exit(1)
            return
        gone = _watch()
    except _Told:
        pass
    _sweep(worker)
    if gone:
        remove(job)
    os._exit(0)


def _told(*_: object) -> None:
    raise _Told


def _watch() -> bool:
    """Wait until nobody holds the other end of standard input."""
    import select

    os.closerange(1, 3)  # only the worker's end of these means something
    waiting = select.poll()
    waiting.register(0, 0)
    while not waiting.poll():
        pass
    return True


def _sweep(worker: int) -> None:
    """End every descendant: a child's children become the warden's own when it ends, until there are none."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for _ in range(1000):
        with contextlib.suppress(OSError):
            os.killpg(worker, signal.SIGKILL)
        for child in _children():
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)


def _children() -> list[int]:
    """The processes whose parent this is, where Linux tells."""
    with contextlib.suppress(OSError), open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(number) for number in file.read().split()]
    return []


def prctl(option: int, value: int = 0) -> int:
    """Linux's prctl(2); 0 elsewhere, without effect."""
    if sys.platform != "linux":
        return 0
    import ctypes

    return ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def remove(folder: str) -> None:
    """Delete a folder and all that is in it, however deep: what is inside a folder moves up before it is looked into.

    What cannot be deleted stays.
    """
    waiting, mark = [folder], os.urandom(8).hex()
    for place in waiting:
        with contextlib.suppress(OSError):
            os.chmod(place, 0o700)
            for number, entry in enumerate(os.scandir(place)):
                with contextlib.suppress(OSError):
                    if not entry.is_dir(follow_symlinks=False):
                        os.unlink(entry.path)
                        continue
                    os.chmod(entry.path, 0o700)
                    moved = os.path.join(folder, f"{mark}-{len(waiting)}-{number}")
                    os.rename(entry.path, moved)
                    waiting.append(moved)
    for place in reversed(waiting):
        with contextlib.suppress(OSError):
            os.rmdir(place)
