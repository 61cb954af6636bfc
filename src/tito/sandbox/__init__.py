"""Where student code runs: a folder of real files, a worker started in it, and the connection to that worker."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tito.sandbox.connection import Connection
from tito.sandbox.isolation import Isolation, strongest
from tito.sandbox.tree import job
from tito.sandbox.warden import remove

DEADLINE = 10.0  # seconds for all answers of a worker together


@contextmanager
def folder(fill: Callable[[Path], object] = lambda tree: None) -> Iterator[Path]:
    """A temporary job folder; `fill` writes the framework into its tree/."""
    place = Path(tempfile.mkdtemp(prefix="tito-")).resolve()
    try:
        fill(job(place))
        yield place
    finally:
        remove(str(place))


@contextmanager
def open(
    fill: Callable[[Path], object] = lambda tree: None,
    isolation: Isolation | None = None,
    deadline: float = DEADLINE,
) -> Iterator[Connection]:
    """A worker on a fresh tree, as the connection to it. Raises Infrastructure if it does not start."""
    with folder(fill) as place, Connection(isolation or strongest(), place, deadline) as connection:
        yield connection
