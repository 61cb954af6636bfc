"""Every command as it describes itself: `python -m tito.cli.manual` prints [{"name", "summary", "help"}, ...] as JSON.

The page of commands is made from it, in a process of its own: what makes the book runs no code of a student.
"""

import json
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from tito.cli import main

WIDTH = 88


def commands(command: Any, name: str = "tito", above: Any = None) -> Iterator[dict[str, str]]:
    """A command, if it does something itself, and those below it, in the order in which --help lists them."""
    context = command.context_class(command, info_name=name.rpartition(" ")[2], parent=above, terminal_width=WIDTH)
    below = getattr(command, "commands", {})
    if above is not None and not below:
        yield {"name": name, "summary": command.get_short_help_str(limit=200), "help": command.get_help(context)}
    for part, inner in below.items():
        yield from commands(inner, f"{name} {part}", context)


if __name__ == "__main__":
    print(json.dumps(list(commands(get_command(main)))))
