"""tito, the course tool, on the command line.

Exit codes: 0 all points (or done), 1 not all points, 2 asked for something that is not there.
"""

from tito.cli.common import app as main

# isort: off
# `tito --help` lists the commands in the order of these modules.
from tito.cli import chapters, standing, trying, play, demos, measures, machine, history, benchmark, serve
# isort: on

__all__ = [
    "benchmark", "chapters", "demos", "history", "machine", "main", "measures", "play", "serve", "standing", "trying",
]  # fmt: skip
