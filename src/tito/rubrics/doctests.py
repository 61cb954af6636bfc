"""Doctests as checks: parsed in the judge, run in the worker, compared in the judge."""

import math
import re
from typing import Any

from tito.outcomes import Mismatch, Protocol
from tito.rubrics.student import Session

SCALAR = re.compile(r"\bnp\.u?(?:int|float)\d+\(([^()]*)\)")
FLOAT = re.compile(r"\s*-?\d+(\.\d+(e[+-]?\d+)?|e[+-]?\d+)\s*")


def parse(doc: str) -> list[tuple[str, str, str]]:
    """The examples of a docstring: source, mode ("eval", "single" or "exec"), what is shown below it."""
    from xdoctest.parser import DoctestParser

    parts = [part for part in DoctestParser().parse(doc) if not isinstance(part, str)]
    return [("\n".join(part.exec_lines), part.compile_mode or "exec", part.want or "") for part in parts]


def run_examples(session: Session, doc: str) -> None:
    """Fail at the first example that shows something else."""
    examples = parse(doc)
    results = session.ask({"do": "examples", "examples": [[source, mode] for source, mode, _ in examples]})
    if not isinstance(results, list) or len(results) != len(examples):
        raise Protocol("the examples came back with another number of answers")
    for (source, _, want), result in zip(examples, results):
        if "error" in result:
            outcome = session.explain(result["error"])
            raised = f"{result['error'].get('type')}: {result['error'].get('message')}"
            if want.startswith("Traceback") and want.strip().splitlines()[-1].strip() == raised.strip():
                continue
            outcome.details.setdefault("shown", {})["example"] = source
            raise outcome
        if not agrees(want, result["printed"]):
            raise Mismatch(
                "an example shows something else",
                kind="example",
                shown={"example": source},
                yours=_text(result["printed"]),
                expected=_text(want),
            )


def agrees(want: str, printed: Any) -> bool:
    """Whether an example showed what it should. NumPy's 0.5 counts as 0.5, whatever its repr says of its type.

    A float alone may differ in its last digits: they tell in which order it was computed.
    """
    from xdoctest.checker import check_output
    from xdoctest.directive import RuntimeState

    if not want or not isinstance(printed, str):
        return not want
    plain = SCALAR.sub(r"\1", printed)
    if FLOAT.fullmatch(plain) and FLOAT.fullmatch(want):
        return math.isclose(float(plain), float(want), rel_tol=1e-12)
    return check_output(plain, want, RuntimeState())


def _text(shown: Any) -> str:
    """What was shown, as a report prints it: (nothing) where there is nothing to see."""
    return str(shown).rstrip("\n") or "(nothing)"
