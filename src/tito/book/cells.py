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
ROLES = ("eval", "claim", "define")  # those whose text is more than prose
RUN = {"{live}", "{frames}", "{eval}", "{claim}", "python"}
VERBATIM = {"live", "frames", "listing", "accounting", "literalinclude", "math", "code-block", "eval-rst"}
VERBATIM |= {"toctree", "figure", "image", "raw"}


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
    """Code of a chapter. kind is live, frames, eval, claim, python (a plain fence) or doctest; line that of its top."""

    kind: str
    source: str
    line: int
    options: dict[str, str] = field(default_factory=dict)


def cells(text: str) -> list[Cell]:
    """Everything of a chapter that runs, in the order of the page; directives inside directives included."""
    found = []
    for block in blocks(text):
        kind = block.name.strip("{}") if block.name in RUN else ""
        if not block.name.startswith("{") and block.text.lstrip().startswith(">>>"):
            kind = "doctest"
        if kind:
            found.append(Cell(kind, block.text, block.line, block.options))
    return found


def blocks(text: str, first: int = 1) -> Iterator[Block]:
    """Every fence, every directive, and every role of ROLES of a page, in its order, whatever it stands in."""
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
            if child.type == "myst_role" and child.meta["name"] in ROLES:
                yield Block(f"{{{child.meta['name']}}}", "", child.content, line)
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


def unasserted(source: str) -> str:
    """Code without its assert statements, which may say what it shows; `...` where a block holds nothing else.

    >>> print(unasserted("for x in y:\\n    assert x\\nassert z\\nprint(y)"))
    for x in y:
        ...
    print(y)
    """
    lines: list[str | None] = list(source.split("\n"))
    for node in ast.walk(ast.parse(source)):
        for block in (getattr(node, part, None) for part in ("body", "orelse", "finalbody")):
            if not isinstance(block, list):  # a lambda has a body, too
                continue
            asserts = [one for one in block if isinstance(one, ast.Assert)]
            for one in asserts:
                lines[one.lineno - 1 : one.end_lineno] = [None] * ((one.end_lineno or one.lineno) - one.lineno + 1)
            if asserts and len(asserts) == len(block) and not isinstance(node, ast.Module):
                lines[asserts[0].lineno - 1] = " " * asserts[0].col_offset + "..."
    return "\n".join(line for line in lines if line is not None).strip("\n")


# -- claims -------------------------------------------------------------------


def sides(expression: ast.expr) -> Iterator[ast.expr]:
    """The parts of a claim whose values tell why it is false: what it compares, down to and, or and not."""
    if isinstance(expression, ast.BoolOp):
        for part in expression.values:
            yield from sides(part)
    elif isinstance(expression, ast.UnaryOp) and isinstance(expression.op, ast.Not):
        yield from sides(expression.operand)
    elif isinstance(expression, ast.Compare):
        yield from (part for part in (expression.left, *expression.comparators) if not isinstance(part, ast.Constant))


def brief(value: object) -> str:
    """A value in at most eighty letters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


# -- running cells ------------------------------------------------------------


MOST = 12  # frames that custom.css has buttons for
FRAMES = f"`{{frames}}`, and no other cell, ends with a list of (words, drawing), at most {MOST} of them"


class CellError(Exception):
    """A cell that failed; the message is its traceback, from the chapter's own line on."""


@dataclass(frozen=True)
class Output:
    """What a cell shows: text (printed, then its last expression), drawings (SVG), frames, the error it was to raise.

    Frames are what a list of pairs (words, drawing) shows.
    """

    text: str = ""
    drawings: tuple[str, ...] = ()
    frames: tuple[tuple[str, str], ...] = ()
    error: str = ""


class ChapterRun:
    """One run of one chapter, from its first cell on."""

    def __init__(self, path: Path | str, seed: int = 0) -> None:
        self.path = Path(path)
        self.count = 0
        self.drawings: list[str] = []
        self.frames: list[tuple[str, str]] = []
        self.namespace: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
        self.scratch = tempfile.mkdtemp(prefix="chapter-")
        weakref.finalize(self, shutil.rmtree, self.scratch, ignore_errors=True)
        linecache.checkcache(str(path))
        figures.begin()
        fresh(seed)

    def run(self, source: str, line: int, raises: str = "") -> Output:
        """Run a cell whose first line is `line` of the chapter. Raises CellError if it fails, or fails to fail."""
        self.count += 1
        self.drawings, self.frames = [], []
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
        return Output(printed.getvalue(), (*self.drawings, *plots), tuple(self.frames), error)

    def execute(self, source: str, line: int) -> None:
        """Run statements; show the value of a last expression as a prompt would, unless a semicolon or plot ends it."""
        tree = ast.parse("\n" * (line - 1) + source, str(self.path))
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, str(self.path), "exec", dont_inherit=True), self.namespace)
        if isinstance(last, ast.Expr):
            code = compile(ast.Expression(last.value), str(self.path), "eval", dont_inherit=True)
            value = eval(code, self.namespace)
            if stepwise(value):
                self.frames = [(words, self.drawing(picture, n)) for n, (words, picture) in enumerate(value, 1)]
            elif hasattr(value, "_repr_svg_"):  # it draws itself, as for a notebook
                self.drawings.append(value._repr_svg_())
            elif not (value is None or drawn(value) or source.rstrip().endswith(";")):
                print(repr(value))

    def drawing(self, picture: Any, n: int) -> str:
        """The n-th frame as SVG: what draws itself, or a figure of matplotlib's."""
        if hasattr(picture, "_repr_svg_"):
            return str(picture._repr_svg_())
        return figures.taken(picture, f"figure-{self.path.stem}-{self.count}-frame-{n}")

    def claim(self, source: str, line: int) -> None:
        """Hold that expressions, divided by semicolons, are true. Raises CellError with the values of a false one."""
        source = " ".join(source.split())
        try:
            statements = ast.parse(source).body
        except SyntaxError as problem:
            raise CellError(f'File "{self.path}", line {line}: no expression: {source} ({problem.msg})') from problem
        for statement in statements:
            text = ast.get_source_segment(source, statement) or source
            known = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)} & set(self.namespace)
            if not isinstance(statement, ast.Expr) or not known:
                raise CellError(f'File "{self.path}", line {line}: `{text}` says nothing of this chapter\'s names')
            if self.value(f"bool({text})", line):
                continue
            data = [name for name in sorted(known) if not callable(self.namespace[name])]
            shown = dict.fromkeys([*map(ast.unparse, sides(statement.value)), *data])
            values = "".join(f"\n  {part} = {brief(self.value(part, line))}" for part in shown)
            raise CellError(f'File "{self.path}", line {line}: the claim `{text}` is false{values}')

    def value(self, expression: str, line: int) -> Any:
        """The value of an expression. Raises CellError with its traceback."""
        try:
            with self.at_home(io.StringIO()):
                code = compile("\n" * (line - 1) + expression.strip(), str(self.path), "eval", dont_inherit=True)
                return eval(code, self.namespace)
        except Exception as problem:
            raise CellError(self.traceback(problem)) from problem

    def evaluate(self, expression: str, line: int) -> str:
        """The value of an expression as prose: text as it is, floats to four digits."""
        value = self.value(expression, line)
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    def check(self, cell: Cell) -> None:
        """Run any cell as a test. Plain fences see the chapter's names but leave none behind, as in the book."""
        if cell.kind in ("live", "frames"):
            output = self.run(cell.source, cell.line, cell.options.get("raises", ""))
            if (output.drawings or output.frames) and not cell.options.get("alt"):
                raise CellError(f'File "{self.path}", line {cell.line}: a figure needs `:alt:`')
            if (cell.kind == "frames") != bool(output.frames) or len(output.frames) > MOST:
                raise CellError(f'File "{self.path}", line {cell.line}: {FRAMES}')
            self.claim(cell.options.get("claims", ""), cell.line)
        elif cell.kind == "claim":
            self.claim(cell.source, cell.line)
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


def stepwise(value: object) -> bool:
    """Whether a value is a picture step by step: a list of pairs of words and something that can be drawn."""
    pairs = value if isinstance(value, list) and value else [None]
    return all(
        isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)
        and (hasattr(pair[1], "_repr_svg_") or type(pair[1]).__module__ == "matplotlib.figure")
        for pair in pairs
    )  # fmt: skip


def drawn(value: object) -> bool:
    """Whether a value is matplotlib's own (a line, an axes, a list of them): drawn, so not printed."""
    while isinstance(value, list | tuple) and value:
        value = value[0]
    if isinstance(value, numpy.ndarray) and value.dtype.kind == "O" and value.size:
        value = value.flat[0]
    return type(value).__module__.split(".")[0] in ("matplotlib", "mpl_toolkits")
