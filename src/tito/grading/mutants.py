"""Mutants: wrong answers made by machine, and a scorer that tries many answers in one worker.

A mechanical mutant is one small change to the body of one definition: an operator, a sign, an axis, a transpose.
"""

import ast
import copy
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tito.course import Course, default
from tito.grading.judge import SEED, Grading
from tito.outcomes import Outcome
from tito.rubrics import stubs
from tito.rubrics.rubric import Exercise
from tito.sandbox import DEADLINE, Connection
from tito.sandbox.isolation import strongest
from tito.sandbox.session import Session
from tito.work.source import Source

# -- mechanical mutants -----------------------------------------------------------------------------------------------

OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.MatMult: ast.Mult,
}  # fmt: skip
COMPARISONS = {
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
NAMES = {"sum": "mean", "mean": "sum", "max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum",
         "exp": "log", "log": "exp", "any": "all", "all": "any", "argmax": "argmin", "sqrt": "square", "floor": "ceil",
         "ones": "zeros", "zeros": "ones", "ones_like": "zeros_like", "zeros_like": "ones_like"}  # fmt: skip


def mutants(source: str, name: str) -> Iterator[tuple[str, str]]:
    """(what was changed, the whole source with that change) for every small change to the body of `name`.

    No two changes are told alike: where a line has one several times, the second is told with (2).
    """
    body = textwrap.dedent(stubs.body(source, name))
    tree = ast.parse(body)
    original, seen, told = ast.unparse(tree), set(), Counter[str]()
    for index, node in enumerate(ast.walk(tree)):
        for label, edit in _changes(node):
            mutant = ast.parse(body)  # the same tree again, in much less time than a deep copy takes
            target = list(ast.walk(mutant))[index]
            edit(target)
            text = ast.unparse(ast.fix_missing_locations(mutant))
            if text == original or text in seen or _in_a_raise(tree, node) or _left_to_numpy(tree, node):
                continue
            seen.add(text)
            change = f"{name}:{getattr(node, 'lineno', 0)} {label}"
            told[change] += 1
            again = f" ({told[change]})" if told[change] > 1 else ""
            yield change + again, stubs.with_body(source, name, text)


def _in_a_raise(tree: ast.AST, node: ast.AST) -> bool:
    return any(
        inner is node
        for statement in ast.walk(tree)
        if isinstance(statement, ast.Raise)
        for inner in ast.walk(statement)
    )


def _left_to_numpy(tree: ast.AST, node: ast.AST) -> bool:
    """Whether this is the 1 of -1 in a reshape: NumPy works out a size for any negative number."""
    reshapes = [call for call in ast.walk(tree) if isinstance(call, ast.Call) and _called(call) == "reshape"]
    sizes = [size for call in reshapes for given in call.args for size in [given, *getattr(given, "elts", [])]]
    return any(isinstance(size, ast.UnaryOp) and size.operand is node for size in sizes)


def _called(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def _become(old: ast.AST, new: ast.AST) -> None:
    """Turn a node into another one in place."""
    new = copy.deepcopy(new)
    old.__class__ = new.__class__
    old.__dict__.clear()
    old.__dict__.update(new.__dict__)


def _without(node: ast.AST, field: str, index: int) -> None:
    getattr(node, field).pop(index)


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[Any], None]]]:
    match node:
        case ast.BinOp(op=op):
            if type(op) in OPERATORS:
                yield f"{ast.unparse(node)}: another operator", lambda n: setattr(n, "op", OPERATORS[type(n.op)]())
            if isinstance(op, ast.Sub | ast.Div | ast.MatMult | ast.Pow):
                yield f"{ast.unparse(node)}: exchanged", lambda n: n.__dict__.update(left=n.right, right=n.left)
            yield f"{ast.unparse(node)}: only the left", lambda n: _become(n, n.left)
            yield f"{ast.unparse(node)}: only the right", lambda n: _become(n, n.right)
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert(), operand=operand) if not isinstance(
            operand, ast.Constant
        ):
            yield f"{ast.unparse(node)}: without the sign", lambda n: _become(n, n.operand)
        case ast.Compare(ops=[op]) if type(op) in COMPARISONS:
            yield f"{ast.unparse(node)}: turned round", lambda n: setattr(n, "ops", [COMPARISONS[type(n.ops[0])]()])
        case ast.BoolOp(values=values):
            for i in range(len(values)):
                yield f"{ast.unparse(node)}: without part {i}", partial(_without, field="values", index=i)
        case ast.Constant(value=bool(value)):
            yield f"{value}: turned round", lambda n: setattr(n, "value", not n.value)
        case ast.Constant(value=int(value) | float(value)):
            yield f"{value}: one more", lambda n: setattr(n, "value", n.value + 1)
        case ast.Attribute(attr="T" | "mT"):
            yield f"{ast.unparse(node)}: not transposed", lambda n: _become(n, n.value)
        case ast.Attribute(attr=attr) if attr in NAMES:
            yield f"{ast.unparse(node)}: {NAMES[attr]}", lambda n: setattr(n, "attr", NAMES[n.attr])
        case ast.Call(keywords=keywords):
            for i, keyword in enumerate(keywords):
                yield f"{ast.unparse(node)}: without {keyword.arg}", partial(_without, field="keywords", index=i)
        case ast.AugAssign():
            yield f"{ast.unparse(node)}: = for it", lambda n: _become(n, ast.Assign(targets=[n.target], value=n.value))
            yield f"{ast.unparse(node)}: left out", lambda n: _become(n, ast.Pass())
        case ast.Expr(value=ast.Call()):
            yield f"{ast.unparse(node)}: left out", lambda n: _become(n, ast.Pass())
        case ast.Return(value=ast.Tuple(elts=[_, _])):
            yield f"{ast.unparse(node)}: exchanged", lambda n: n.value.elts.reverse()
        case ast.If() | ast.IfExp() | ast.While():
            yield f"if {ast.unparse(node.test)}: never", lambda n: setattr(n, "test", ast.Constant(False))
            if not isinstance(node, ast.While):
                yield f"if {ast.unparse(node.test)}: always", lambda n: setattr(n, "test", ast.Constant(True))


# -- many answers, one worker -----------------------------------------------------------------------------------------


class Scorer:
    """Tries many versions of single definitions in one worker, on the prepared cases, without shrinking.

    The same worker, wire and checks as in a grade; a version is defined anew in the loaded module, as if it stood at
    the end of the file, and the reference's definition is put back afterwards. For honest wrong answers only.
    """

    def __init__(self, number: str, course: Course | None = None, seed: int = SEED, deadline: float = 2.0):
        course = course or default()
        self.grading = Grading(course, course.chapter(number), seed, strongest(), deadline)
        self.connection: Connection | None = None
        self.opened: Any = None

    def __enter__(self) -> "Scorer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def score(self, name: str, source: str, quick: bool = False) -> tuple[int, dict[str, Outcome]]:
        """Points of one exercise if its definition stood as in this source; and the outcome of each check that lost.

        quick: stop at the first check that loses.
        """
        exercise, lost, points = self.grading.rubric.exercises[name], {}, 0
        session = self.session(exercise)
        try:
            self.patch(session, name, source)
        except Outcome as outcome:
            self.stop()
            return 0, {check.name: outcome for check in exercise.checks}
        for check in exercise.checks:
            try:
                check.run(session, self.grading.seed, live=False)
                points += check.points
            except Outcome as outcome:
                lost[check.name] = outcome
                if quick:
                    break
        if session.over:
            self.stop()
        else:
            self.patch(session, name, self.grading.reference)
        return points, lost

    def patch(self, session: Session, name: str, source: str) -> None:
        """Define a name in the worker as it stands in a source that is the reference in all other lines."""
        text = stubs.later(name, stubs.varied(self.grading.reference, name, source))
        session.ask({"do": "patch", "source": text})

    def session(self, exercise: Exercise) -> Session:
        """A session with the worker, which is started where there is none, with the deadline anew.

        Loading the reference does not count: a mutant has all its time for itself.
        """
        if self.connection is None:
            self.opened = self.grading.worker(self.grading.reference)
            self.connection = self.opened.__enter__()
        self.connection.budget = DEADLINE
        source = Source("reference", self.grading.reference, self.grading.chapter.name)
        session = self.grading.session(exercise, source, self.connection)
        self.connection.budget = self.connection.deadline
        return session

    def stop(self) -> None:
        """End the worker. The next session starts another one."""
        if self.connection is not None:
            self.opened.__exit__(None, None, None)
            self.connection = None
