"""Stubs: a source file cut by lines. Pure text; nothing is imported, formatting and comments survive.

A definition, and what is kept of it in a stub:

    @mul.vjp                             kept     first
    def mul_vjp(g, z, x, y):             kept
        '''z = x * y  =>  ...'''         kept
        # Which of x and y scales g?     kept     the hint
        return g * y, g * x              cut      body
                                                  last
"""

import ast
import functools
import textwrap
import threading
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Definition:
    """Where one definition stands. Lines count from 1; body is where the cut begins, header ends before it."""

    name: str
    first: int
    body: int
    last: int
    indent: int
    doc: str
    signature: str
    inline: bool

    @property
    def indentation(self) -> str:
        return " " * self.indent


def _begins(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _define(node: ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef, prefix: str, lines: list[str]) -> Definition:
    statements, doc = list(node.body), ast.get_docstring(node) or ""
    documented = bool(doc) and isinstance(statements[0], ast.Expr)
    header = statements[0].end_lineno or node.lineno if documented else 0
    rest = statements[1:] if documented else statements
    inline = bool(rest) and _begins(rest[0]) <= max(header, node.lineno)
    if rest:
        body = _begins(rest[0])
        last = _trailing_comments(lines, node.end_lineno or node.lineno, node.col_offset)
    else:
        body = last = (node.end_lineno or node.lineno) + 1
        last -= 1
    signature = "" if isinstance(node, ast.ClassDef) else ast.unparse(node.args)
    indent = rest[0].col_offset if rest and not inline else node.col_offset + 4
    return Definition(prefix + node.name, _begins(node), body, last, indent, doc, signature, inline)


def _trailing_comments(lines: list[str], last: int, outer: int) -> int:
    """Comments after the last statement that are indented deeper than the definition belong to its body."""
    end = last
    for number in range(last + 1, len(lines) + 1):
        text = lines[number - 1]
        if text.strip() and not (text.lstrip().startswith("#") and len(text) - len(text.lstrip()) > outer):
            break
        if text.strip():
            end = number
    return end


def definitions(source: str) -> dict[str, Definition]:
    """Every function, class and method of the source by dotted name. Raises SyntaxError."""
    with _parsing:
        return _definitions(source)


_parsing = threading.Lock()  # ast.parse in two threads at once fails in CPython 3.11


@functools.lru_cache(maxsize=256)
def _definitions(source: str) -> dict[str, Definition]:
    lines, found = source.split("\n"), {}

    def visit(nodes: Iterable[ast.stmt], prefix: str) -> None:
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found[prefix + node.name] = _define(node, prefix, lines)
                if isinstance(node, ast.ClassDef):
                    visit(node.body, f"{prefix}{node.name}.")

    visit(ast.parse(source).body, "")
    return found


def _find(source: str, name: str) -> Definition:
    known = definitions(source)
    if name not in known:
        raise KeyError(f"no definition of {name}; there are: {', '.join(known)}")
    return known[name]


def reference(source: str, name: str) -> str:
    """The text of one definition, decorators included, as it stands (still indented)."""
    found = _find(source, name)
    return "\n".join(source.split("\n")[found.first - 1 : found.last]) + "\n"


def body(source: str, name: str) -> str:
    """The statements of one definition below docstring and hint, as they stand."""
    found = _find(source, name)
    if found.inline:
        raise ValueError(f"{name}: a body on the line of its header cannot be cut; put it on a line of its own")
    return "\n".join(source.split("\n")[found.body - 1 : found.last]) + "\n"


def hints(source: str, name: str) -> list[str]:
    """The lines of the comment above the first statement, as they stand but for their indentation."""
    lines, number, found = source.split("\n"), _find(source, name).body - 1, []
    while number > 0 and lines[number - 1].lstrip().startswith("#"):
        found.append(lines[number - 1].strip())
        number -= 1
    return found[::-1]


def hint(source: str, name: str) -> str:
    """The comment above the first statement in one line: what a student is told first."""
    return " ".join(line.lstrip("#").strip() for line in hints(source, name))


def contract(source: str, name: str) -> str:
    """What a definition promises: decorators, signature, docstring; neither hint nor body."""
    found = _find(source, name)
    return "\n".join(source.split("\n")[found.first - 1 : found.body - 1 - len(hints(source, name))])


def with_body(source: str, name: str, text: str) -> str:
    """The source with the statements of one definition replaced; the text is re-indented to fit."""
    found, lines = _find(source, name), source.split("\n")
    if found.inline:
        raise ValueError(f"{name}: a body on the line of its header cannot be cut; put it on a line of its own")
    new = _shift(text, found.indentation).rstrip("\n").split("\n")
    return "\n".join(lines[: found.body - 1] + new + lines[found.last :])


def with_definition(source: str, name: str, text: str) -> str:
    """The source with one definition, decorators and all, replaced by another text."""
    found, lines = _find(source, name), source.split("\n")
    return "\n".join(lines[: found.first - 1] + text.rstrip("\n").split("\n") + lines[found.last :])


def stub(source: str, names: Iterable[str], number: str) -> str:
    """The source with the body of each named definition replaced by NotImplementedError.

    >>> print(stub('def f(x):\\n    # Twice.\\n    return 2 * x\\n', ["f"], "01"), end="")
    def f(x):
        # Twice.
        raise NotImplementedError("chapter 01: f")
    """
    for name in names:
        source = with_body(source, name, f'raise NotImplementedError("chapter {number}: {name}")')
    return source


def append(student: str, source: str, names: Iterable[str]) -> str:
    """The student's text, then the reference's definitions of these names: the later definition wins.

    Line numbers of the student's text stay. A method is defined in a function whose argument is called __class__, which
    is where Python's super() looks for the class, and then assigned to the student's class.
    """
    return "\n".join([student, "", *(later(name, reference(source, name)) for name in names)])


def later(name: str, text: str) -> str:
    """The text of a definition (still indented) as it can stand below all others, and wins over them."""
    owner, _, method = name.rpartition(".")
    text = textwrap.dedent(text)
    if not owner:
        return text
    made = f"_{name.replace('.', '_')}"
    text = f"def {made}(__class__):\n{_shift(text, '    ')}    return {method}\n"
    return text + f"\n\n{owner}.{method} = {made}({owner})\n"


def varied(source: str, name: str, variant: str) -> str:
    """The text of one definition in a variant of the source, which is the source in all other lines.

    The variant is not parsed, which takes most of the time where there are thousands. Raises ValueError if it differs
    elsewhere, too.
    """
    found, old, new = _find(source, name), source.split("\n"), variant.split("\n")
    last = len(new) - len(old) + found.last
    if new[: found.first - 1] != old[: found.first - 1] or new[last:] != old[found.last :]:
        raise ValueError(f"the variant differs from the source outside {name}, too")
    return "\n".join(new[found.first - 1 : last]) + "\n"


def _shift(text: str, indentation: str) -> str:
    """The text moved to this indentation; the inside of triple-quoted strings moves with it."""
    return textwrap.indent(textwrap.dedent(text), indentation)
