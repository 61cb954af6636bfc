"""The rooms of tito: which may import which, and that none reaches into another's private names."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

TITO = Path(__file__).parents[1] / "src" / "tito"
FLOORS = [
    {"cli"},
    {"history", "measure", "serving", "classroom", "doctor"},
    {"grading"},
    {"work"},
    {"sandbox", "rubrics"},
    {"course", "outcomes", "launch", "data"},
]
HEIGHT = {room: -floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FILES = [path for path in TITO.rglob("*.py") if path.relative_to(TITO).parts[0] not in ("__init__.py", "__main__.py")]
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(TITO).as_posix())


def room(path: Path) -> str:
    """The room that a file stands in; a file of tito's own folder is a room of its own."""
    return path.relative_to(TITO).parts[0].removesuffix(".py")


def imported(source: str) -> set[str]:
    """The rooms that a source imports from."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "tito":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tito."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("tito.")}
    return found


def forbidden(here: str, others: set[str]) -> set[str]:
    """The rooms among others that a file of this room may not import from."""
    if here == "book":
        return others - {"book", "rubrics", "work", "course", "outcomes", "launch"}
    ground = HEIGHT[here] == min(HEIGHT.values())
    lower = {other for other in HEIGHT if HEIGHT[other] < HEIGHT[here] or ground}
    return others - lower - {here}


@each_file
def test_arrows_point_down(path):
    assert not forbidden(room(path), imported(path.read_text(encoding="utf-8")))


def test_an_arrow_that_points_up_is_found():
    assert imported("import tito.cli\nfrom tito import sandbox, course\nfrom tito.work.source import Source\n") == {
        "cli", "sandbox", "course", "work",
    }  # fmt: skip
    assert forbidden("rubrics", {"sandbox", "rubrics", "course"}) == {"sandbox"}
    assert forbidden("grading", {"cli", "history", "work", "data"}) == {"cli", "history"}
    assert forbidden("book", {"rubrics", "sandbox", "grading"}) == {"sandbox", "grading"}


@pytest.mark.parametrize("module", ["tito.book.listing", "tito.rubrics.rubric", "tito.work.workspace"])
def test_a_rubric_is_read_without_a_worker_in_sight(module):
    code = f"import sys, {module}; print([name for name in sys.modules if name.startswith('tito.sandbox')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


DOCUMENTED = {"os._exit", "sys._getframe"}  # names of the system's own that begin with an underscore


def reaches_into(source: str) -> list[str]:
    """Every `other._name`: an underscored name of something that is neither self, cls nor super().

    What Python's own documentation offers, such as os._exit, is nobody's private name where that module is imported.
    """
    tree = ast.parse(source)
    imports = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    allowed = {name for name in DOCUMENTED if name.partition(".")[0] in imports}
    return [
        f"{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith(("__", "_repr_"))
        if ast.unparse(node.value) not in ("self", "cls", "super()") and ast.unparse(node) not in allowed
    ]


@each_file
def test_no_file_reads_the_underscored_names_of_another(path):
    assert reaches_into(path.read_text(encoding="utf-8")) == []


def test_a_reach_into_another_is_found():
    assert reaches_into("self._a\nsuper()._b\nx.__dict__\nx._c") == ["4: x._c"]
    assert reaches_into("import os, sys\nos._exit(0)\nos._wrap_close\nsys._getframe(1)\nmine.os._exit") == [
        "3: os._wrap_close", "5: mine.os._exit",
    ]  # fmt: skip
    assert reaches_into("from mine import os\nos._exit(0)") == ["2: os._exit"]


@each_file
def test_no_module_is_renamed_at_its_import(path):
    modules = {other.stem for other in FILES} | {other.parent.name for other in FILES}
    renamed = [
        alias.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tito"
        for alias in node.names
        if alias.asname not in (None, alias.name) and alias.name in modules
    ]
    assert renamed == []


def commands(app, before: str = "tito") -> list[str]:
    """Every command as it is typed: tito start, tito milestone run."""
    found = []
    for name, command in app.commands.items():
        found += commands(command, f"{before} {name}") if hasattr(command, "commands") else [f"{before} {name}"]
    return found


def test_every_command_is_documented():
    from typer.main import get_command

    from tito.cli import main

    pages = [
        TITO.parents[1] / "README.md",
        TITO.parents[1] / "CONTRIBUTING.md",
        *(TITO.parents[1] / "docs").glob("*.md"),
    ]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    assert [command for command in commands(get_command(main)) if command not in text] == []
