"""Coverage: what of each graded body the prepared cases reach, on every one of several seeds.

    python -m tito.grading.coverage 05      the same as: nox -s coverage -- 05

A body is rewritten so that it records where it has been, and graded as ever. Places are its statements; both outcomes
of every condition (if, while, a ternary, a filter of a comprehension, each part of `and` and `or`); and the end of
every for loop, which one that always breaks or returns does not have.
"""

import ast
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from tito.course import Course, default
from tito.grading.mutants import Scorer
from tito.rubrics import stubs
from tito.rubrics.rubric import load

SEEDS = (1, 2, 3)

RECORDER = '''
_been = set()


def _at(place, value=True):
    """The value, and a note that this place has had it."""
    _been.add((place, bool(value)))
    return value


def _places():
    return [list(one) for one in sorted(_been)]


'''


@dataclass(frozen=True)
class Place:
    """A line of a body, what stands there, and what is said of each outcome that it should have."""

    line: int
    text: str
    outcomes: Mapping[bool, str]


STATEMENT, LOOP = {True: "never reached"}, {True: "never comes to its end"}
CONDITION = {False: "never false", True: "never true"}


# -- bodies that record where they have been --------------------------------------------------------------------------


class Recording(ast.NodeTransformer):
    """Rewrites a body; `places` has what it records, by number."""

    def __init__(self, first: int):
        """`first` is the line of the file on which the body begins."""
        self.first, self.places = first, list[Place]()

    def note(self, node: ast.AST, outcomes: Mapping[bool, str], value: ast.expr) -> ast.Call:
        """_at(number, value) for a new place, told as the node stands now."""
        line, text = self.first + getattr(node, "lineno", 1) - 1, ast.unparse(node).split("\n")[0].rstrip(":")
        self.places.append(Place(line, textwrap.shorten(text, 80, placeholder=" ..."), outcomes))
        return ast.Call(ast.Name("_at", ast.Load()), [ast.Constant(len(self.places) - 1), value], [])

    def reached(self, node: ast.AST, outcomes: Mapping[bool, str] = STATEMENT) -> ast.stmt:
        """A statement that notes that this place is reached."""
        return ast.Expr(self.note(node, outcomes, ast.Constant(True)))

    def condition(self, test: ast.expr) -> ast.expr:
        """The condition, with a note of its outcome, or of each part's. A constant has only one."""
        if isinstance(test, ast.Constant):
            return test
        if isinstance(test, ast.BoolOp):
            test.values = [self.condition(part) for part in test.values]
            return test
        call = self.note(test, CONDITION, test)
        call.args[1] = self.visit(test)
        return call

    def block(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Every statement with a note before it, and what is in it rewritten."""
        return [one for statement in statements for one in (self.reached(statement), self.visit(statement))]

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for name, value in ast.iter_fields(node):
            if name == "test":
                setattr(node, name, self.condition(value))
            elif name == "ifs":
                setattr(node, name, [self.condition(test) for test in value])
            elif isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(node, name, self.block(value))
            elif isinstance(value, list):
                setattr(node, name, [self.visit(one) if isinstance(one, ast.AST) else one for one in value])
            elif isinstance(value, ast.AST):
                setattr(node, name, self.visit(value))
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """As a value: parts before the last decide whether the next is looked at; the last is what comes out."""
        node.values = [*(self.condition(part) for part in node.values[:-1]), self.visit(node.values[-1])]
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        end = self.reached(node, LOOP)
        self.generic_visit(node)
        node.orelse = [end, *node.orelse]
        return node


def recording(source: str, name: str) -> tuple[str, list[Place]]:
    """The source with a body of `name` that records where it has been, and the places."""
    rewrite, tree = (
        Recording(stubs.definitions(source)[name].body),
        ast.parse(textwrap.dedent(stubs.body(source, name))),
    )
    tree.body = rewrite.block(tree.body)
    return stubs.with_body(source, name, ast.unparse(ast.fix_missing_locations(tree))), rewrite.places


def lacking(places: Sequence[Place], been: Sequence[Sequence[object]]) -> list[str]:
    """What was never reached, in the order of the lines."""
    known = {(number, outcome) for number, outcome in been}
    found = [
        (place.line, number, f"line {place.line}: {place.text}: {said}")
        for number, place in enumerate(places)
        for outcome, said in place.outcomes.items()
        if (number, outcome) not in known
    ]
    return [text for _, _, text in sorted(found)]


# -- a chapter --------------------------------------------------------------------------------------------------------


def uncovered(number: str, course: Course | None = None, seeds: Sequence[int] = SEEDS) -> dict[str, list[str]]:
    """For each exercise of a chapter, what its prepared cases do not reach on at least one of these seeds."""
    course = course or default()
    found: dict[str, list[str]] = {name: [] for name in load(number, course).exercises}
    for seed in seeds:
        with Scorer(number, course, seed, deadline=60.0) as scorer:
            for name in found:
                found[name] += [text for text in _uncovered(scorer, name) if text not in found[name]]
    return found


def _uncovered(scorer: Scorer, name: str) -> list[str]:
    """What the cases of one seed do not reach. Raises the Outcome of a check that the reference does not pass."""
    exercise, reference = scorer.grading.rubric.exercises[name], scorer.grading.reference
    source, places = recording(reference, name)
    session = scorer.session(exercise)
    session.ask({"do": "patch", "source": RECORDER + stubs.append("", source, [name])})
    for check in exercise.checks:
        check.run(session, scorer.grading.seed, live=False)
    been = session.ask({"do": "call", "name": "_places", "arguments": [], "keywords": {}})
    session.ask({"do": "patch", "source": stubs.append("", reference, [name])})
    return lacking(places, been)


def main(arguments: list[str]) -> None:
    """What is not reached, of one chapter or of every chapter that has a rubric. Exit code 1 where there is any."""
    course, console, any_found = default(), Console(), False
    wanted = [course.chapter(one) for one in arguments] or course.chapters()
    for chapter in [chapter for chapter in wanted if chapter.rubric_path.is_file()]:
        with console.status(f"chapter {chapter.number}"):
            found = uncovered(chapter.number, course)
        whole = sum(not lines for lines in found.values())
        console.print(f"Chapter {chapter.number}: {whole} of {len(found)} bodies are reached in every part.")
        for name, lines in found.items():
            for line in lines:
                any_found = True
                console.print(Text(f"  {name}, {line}", style="red"), soft_wrap=True)
    sys.exit(1 if any_found else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
