"""The page of commands: `{commands}` shows what every command says of itself, asked for while the page is made."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tito import launch
from tito.book import ROOT


class Commands(SphinxDirective):
    """A section for each command: its name, and its --help."""

    def run(self) -> list[nodes.Node]:
        for path in sorted((ROOT / "src" / "tito" / "cli").glob("*.py")):
            self.env.note_dependency(str(path))
        told = subprocess.run(
            [sys.executable, "-m", "tito.cli.manual"], env=launch.environment(), capture_output=True, check=True
        )
        return [self.entry(**command) for command in json.loads(told.stdout)]

    def entry(self, name: str, summary: str, help: str) -> nodes.section:
        section = nodes.section(ids=[nodes.make_id(name)], names=[nodes.fully_normalize_name(name)])
        section += nodes.title("", "", nodes.literal(name, name))
        section += nodes.literal_block(help, help, language="none", classes=["manual"])
        return section


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("commands", Commands)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
