"""Mechanical mutants: one small change to the body of one definition. Operators, signs, axes, transposes."""

import ast
import copy
import textwrap
from collections.abc import Iterator

from tito import stubs

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
    """(what was changed, the whole source with that change) for every small change to the body of `name`."""
    body = stubs.body(source, name)
    tree = ast.parse(textwrap.dedent(body))
    original, seen = ast.unparse(tree), set()
    for index, node in enumerate(ast.walk(tree)):
        for label, change in _changes(node):
            mutant = copy.deepcopy(tree)
            target = list(ast.walk(mutant))[index]
            change(target)
            text = ast.unparse(ast.fix_missing_locations(mutant))
            if text == original or text in seen or _in_a_raise(tree, node):
                continue
            seen.add(text)
            yield f"{name}:{getattr(node, 'lineno', 0)} {label}", stubs.with_body(source, name, text)


def _in_a_raise(tree: ast.AST, node: ast.AST) -> bool:
    return any(
        inner is node
        for statement in ast.walk(tree)
        if isinstance(statement, ast.Raise)
        for inner in ast.walk(statement)
    )


def _become(old: ast.AST, new: ast.AST) -> None:
    """Turn a node into another one in place."""
    new = copy.deepcopy(new)
    old.__class__ = new.__class__
    old.__dict__.clear()
    old.__dict__.update(new.__dict__)


def _changes(node: ast.AST):
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
                yield f"{ast.unparse(node)}: without part {i}", lambda n, i=i: n.values.pop(i)
        case ast.Constant(value=bool()):
            yield f"{node.value}: turned round", lambda n: setattr(n, "value", not n.value)
        case ast.Constant(value=int() | float()):
            yield f"{node.value}: one more", lambda n: setattr(n, "value", n.value + 1)
        case ast.Attribute(attr="T" | "mT"):
            yield f"{ast.unparse(node)}: not transposed", lambda n: _become(n, n.value)
        case ast.Attribute(attr=attr) if attr in NAMES:
            yield f"{ast.unparse(node)}: {NAMES[attr]}", lambda n: setattr(n, "attr", NAMES[n.attr])
        case ast.Call(keywords=keywords):
            for i, keyword in enumerate(keywords):
                yield f"{ast.unparse(node)}: without {keyword.arg}", lambda n, i=i: n.keywords.pop(i)
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
