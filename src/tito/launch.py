"""How a subprocess is started: what it imports, how many threads it has, what is kept from it, Ctrl-C among that."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
TITO = Path(__file__).parents[1]  # the folder that tito is imported from


def pinned(threads: int) -> dict[str, str]:
    """The variables that give every matrix library so many threads. NumPy reads them once, when it is imported."""
    return dict.fromkeys(THREADS, str(threads))


def environment(*first: Path | str, **more: str) -> dict[str, str]:
    """This environment, with packages looked for in these folders before any other place, and more variables.

    Matrix libraries have one thread unless OPENBLAS_NUM_THREADS says otherwise, and nothing is compiled beside sources.
    tito itself stands behind the folders, so that a child can import it wherever it runs.
    """
    folders = [*map(str, first), *filter(None, [os.environ.get("PYTHONPATH")]), str(TITO)]
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "1")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(folders),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": threads if threads.isdigit() else "1",
        **more,
    }


def scrubbed(home: Path) -> dict[str, str]:
    """All that a worker's environment holds: one thread, and a folder to call home. Nothing of the caller's."""
    kept = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    return {**pinned(1), "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8", **kept}


@contextlib.contextmanager
def deaf() -> Iterator[None]:
    """Ctrl-C does nothing inside; a process that is started inside is deaf, too, until it says what is to happen."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread: no signal comes here
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
