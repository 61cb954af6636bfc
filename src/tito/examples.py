"""Doctests as checks: parsed in the judge, run in the worker, compared in the judge."""

from typing import Any

from tito.outcome import Mismatch, Protocol
from tito.student import Student


def parse(doc: str) -> list[tuple[str, str, str]]:
    """The examples of a docstring: source, mode ("eval", "single" or "exec"), what is shown below it."""
    from xdoctest.parser import DoctestParser

    parts = [part for part in DoctestParser().parse(doc) if not isinstance(part, str)]
    return [("\n".join(part.exec_lines), part.compile_mode or "exec", part.want or "") for part in parts]


def run_examples(student: Student, doc: str) -> None:
    """Fail at the first example that shows something else."""
    examples = parse(doc)
    results = student._ask({"do": "examples", "examples": [[source, mode] for source, mode, _ in examples]})
    if not isinstance(results, list) or len(results) != len(examples):
        raise Protocol("the examples came back with another number of answers")
    for (source, _, want), result in zip(examples, results):
        if "error" in result:
            outcome = student._explain(result["error"])
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
                yours=Text(result["printed"]),
                expected=Text(want),
            )


def agrees(want: str, printed: Any) -> bool:
    from xdoctest.checker import check_output
    from xdoctest.directive import RuntimeState

    return not want or (isinstance(printed, str) and check_output(printed, want, RuntimeState()))


class Text(str):
    """Shown as it is, without quotes."""

    def __repr__(self) -> str:
        return self.rstrip("\n") or "(nothing)"
