"""Cells: the code of a chapter, found in its Markdown and run in one namespace.

`cells(text)` lists what runs, in the order of the page. A `ChapterRun` is one run of one chapter: a fresh import of
tinytorch, fresh seeds, a fresh matplotlib, an empty scratch folder as the working directory. The book's directives and
the chapter tests both run their cells here; nothing in this module knows Sphinx.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import importlib
import importlib.util
import io
import linecache
import random
import re
import shutil
import sys
import tempfile
import traceback
import warnings
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy
from markdown_it import MarkdownIt
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.front_matter import front_matter_plugin
from mdit_py_plugins.myst_role import myst_role_plugin

from tito.book import figures

PARSER = MarkdownIt("commonmark").enable("table")
PARSER.use(front_matter_plugin).use(dollarmath_plugin).use(colon_fence_plugin).use(myst_role_plugin)
VERBATIM = {"live", "listing", "literalinclude", "math", "code-block", "eval-rst", "toctree", "figure", "image", "raw"}


# -- finding cells ------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """A fence or a role: its name ("{live}", "python"), its argument, options and text; line is that of its text."""

    name: str
    argument: str
    text: str
    line: int
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """Code of a chapter. kind is live, eval, python (a plain fence) or doctest; line is that of its first line."""

    kind: str
    source: str
    line: int
    options: dict[str, str] = field(default_factory=dict)


def cells(text: str) -> list[Cell]:
    """Everything of a chapter that runs, in the order of the page; directives inside directives included."""
    found = []
    for block in blocks(text):
        kind = {"{live}": "live", "{eval}": "eval", "python": "python"}.get(block.name, "")
        if not block.name.startswith("{") and block.text.lstrip().startswith(">>>"):
            kind = "doctest"
        if kind:
            found.append(Cell(kind, block.text, block.line, block.options))
    return found


def blocks(text: str, first: int = 1) -> Iterator[Block]:
    """Every fence, directive and `{eval}` role of a page, in its order, whatever it stands in."""
    for token in PARSER.parse(text):
        line = first + token.map[0] if token.map else first
        if token.type in ("fence", "colon_fence"):
            name, _, argument = token.info.strip().partition(" ")
            options, skipped = _options(token.content) if name.startswith("{") else ({}, 0)
            inside = "".join(token.content.splitlines(True)[skipped:])
            yield Block(name, argument.strip(), inside, line + 1 + skipped, options)
            if name.startswith("{") and name.strip("{}") not in VERBATIM:
                yield from blocks(inside, line + 1 + skipped)
        for child in token.children or ():
            if child.type == "myst_role" and child.meta["name"] == "eval":
                yield Block("{eval}", "", child.content, line)
            elif child.type in ("softbreak", "hardbreak"):
                line += 1


def _options(content: str) -> tuple[dict[str, str], int]:
    """A directive's `:name: value` lines, and how many lines to skip to the code below them."""
    options, lines, skipped = {}, content.splitlines(), 0
    while skipped < len(lines) and (match := re.match(r":([\w-]+):\s*(.*)", lines[skipped])):
        options[match[1]] = match[2]
        skipped += 1
    while skipped < len(lines) and not lines[skipped].strip():
        skipped += 1
    return options, skipped


def names(source: str) -> set[str]:
    """The names that a cell binds at its top level: by def, class, assignment, for or with; imports do not count."""
    found, waiting = set(), list[ast.AST](ast.parse(source).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif not isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            waiting.extend(ast.iter_child_nodes(node))
    return found


# -- running cells ------------------------------------------------------------


class CellError(Exception):
    """A cell that failed; the message is its traceback, from the chapter's own line on."""


@dataclass(frozen=True)
class Output:
    """What a cell shows: text (printed, then its last expression), drawings (SVG), and the error it was to raise."""

    text: str = ""
    drawings: tuple[str, ...] = ()
    error: str = ""


class ChapterRun:
    """One run of one chapter, from its first cell on."""

    def __init__(self, path: Path | str, seed: int = 0) -> None:
        self.path = Path(path)
        self.count = 0
        self.drawings: list[str] = []
        self.namespace: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
        self.scratch = tempfile.mkdtemp(prefix="chapter-")
        weakref.finalize(self, shutil.rmtree, self.scratch, ignore_errors=True)
        linecache.checkcache(str(path))
        figures.begin()
        fresh(seed)

    def run(self, source: str, line: int, raises: str = "") -> Output:
        """Run a cell whose first line is `line` of the chapter. Raises CellError if it fails, or fails to fail."""
        self.count += 1
        self.drawings = []
        printed = io.StringIO()
        error = ""
        try:
            with self.at_home(printed):
                self.execute(source, line)
        except (Exception, SystemExit) as problem:
            error = "".join(traceback.format_exception_only(problem)).strip()
            if not raises or not is_a(problem, raises):
                raise CellError(self.traceback(problem)) from problem
        if raises and not error:
            raise CellError(f'File "{self.path}", line {line}: the cell was to raise {raises} and did not')
        plots = figures.collect(f"figure-{self.path.stem}-{self.count}")
        return Output(printed.getvalue(), (*self.drawings, *plots), error)

    def execute(self, source: str, line: int) -> None:
        """Run statements; show the value of a last expression as a prompt would, unless a semicolon or plot ends it."""
        tree = ast.parse("\n" * (line - 1) + source, str(self.path))
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, str(self.path), "exec", dont_inherit=True), self.namespace)
        if isinstance(last, ast.Expr):
            code = compile(ast.Expression(last.value), str(self.path), "eval", dont_inherit=True)
            value = eval(code, self.namespace)
            if hasattr(value, "_repr_svg_"):  # it draws itself, as for a notebook
                self.drawings.append(value._repr_svg_())
            elif not (value is None or drawn(value) or source.rstrip().endswith(";")):
                print(repr(value))

    def evaluate(self, expression: str, line: int) -> str:
        """The value of an expression as prose: text as it is, floats to four digits."""
        try:
            with self.at_home(io.StringIO()):
                code = compile("\n" * (line - 1) + expression.strip(), str(self.path), "eval", dont_inherit=True)
                value = eval(code, self.namespace)
        except Exception as problem:
            raise CellError(self.traceback(problem)) from problem
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    def check(self, cell: Cell) -> None:
        """Run any cell as a test. Plain fences see the chapter's names but leave none behind, as in the book."""
        if cell.kind == "live":
            output = self.run(cell.source, cell.line, cell.options.get("raises", ""))
            if output.drawings and not cell.options.get("alt"):
                raise CellError(f'File "{self.path}", line {cell.line}: a figure needs `:alt:`')
        elif cell.kind == "eval":
            self.evaluate(cell.source, cell.line)
        else:
            kept = self.namespace
            self.namespace = dict(kept)
            try:
                self.doctest(cell) if cell.kind == "doctest" else self.run(cell.source, cell.line)
            finally:
                self.namespace = kept

    def doctest(self, cell: Cell) -> None:
        """Run a block of >>> lines. Raises CellError with what was expected and what came."""
        test = doctest.DocTestParser().get_doctest(
            cell.source, self.namespace, self.path.name, str(self.path), cell.line - 1
        )
        report: list[str] = []
        runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        if runner.run(test, out=report.append, clear_globs=False).failed:
            raise CellError("".join(report))

    @contextlib.contextmanager
    def at_home(self, printed: io.StringIO) -> Iterator[None]:
        """Run in the scratch folder with output captured. A RuntimeWarning is output; any other warning an error."""
        with (
            contextlib.chdir(self.scratch),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("error")
            warnings.simplefilter("default", RuntimeWarning)
            warnings.showwarning = lambda message, category, *_: print(f"{category.__name__}: {message}")
            yield

    def traceback(self, problem: BaseException) -> str:
        """The traceback without this module's own frames."""
        trace = problem.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename in (__file__, contextlib.__file__):
            trace = trace.tb_next
        return "".join(traceback.format_exception(type(problem), problem, trace)).rstrip()


def fresh(seed: int = 0) -> None:
    """Forget what an earlier chapter did: reimport tinytorch when asked for it, and seed every generator."""
    for name in [name for name in sys.modules if name.split(".")[0] == "tinytorch"]:
        del sys.modules[name]
    random.seed(seed)
    numpy.random.seed(seed)
    numpy.set_printoptions(precision=4, suppress=False)
    if importlib.util.find_spec("tinytorch") and importlib.util.find_spec("tinytorch.environment"):
        importlib.import_module("tinytorch.environment").manual_seed(seed)


def is_a(problem: BaseException, name: str) -> bool:
    """Whether the error's class, or a base of it, has this name."""
    return name in {kind.__name__ for kind in type(problem).__mro__} - {"object", "BaseException"}


def drawn(value: object) -> bool:
    """Whether a value is matplotlib's own (a line, an axes, a list of them): drawn, so not printed."""
    while isinstance(value, list | tuple) and value:
        value = value[0]
    if isinstance(value, numpy.ndarray) and value.dtype.kind == "O" and value.size:
        value = value.flat[0]
    return type(value).__module__.split(".")[0] in ("matplotlib", "mpl_toolkits")
