"""The student's code as a check sees it: names are functions, arrays go in, arrays come out."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from tito.link import Link
from tito.outcome import NotStarted, Outcome, Protocol, StudentError


class Student:
    """`student.mul_vjp(g, z, x, y)` calls into the worker; so does `student.tensor.mul(x, y)` and any probe's name."""

    def __init__(self, link: Link, probes: dict[str, str], explain: Callable[[dict[str, Any]], Outcome]):
        self._link, self._probes, self._explain = link, probes, explain
        self._sent: set[str] = set()
        self._last: Any = None
        self._answered = False
        self._request: dict[str, Any] | None = None

    def __getattr__(self, name: str) -> "Remote":
        return Remote(self, name)

    def _ask(self, request: dict[str, Any]) -> Any:
        name = request.get("name")
        if name in self._probes and name not in self._sent:
            self._sent.add(name)
            self._value({"do": "probe", "name": name, "source": self._probes[name]})
        self._answered, self._request = False, request
        self._last = self._value(request)
        self._answered = True
        return self._last

    def _value(self, request: dict[str, Any]) -> Any:
        reply = self._link.ask(request)
        if "error" in reply:
            raise self._explain(reply["error"])
        return reply["value"]


class Remote:
    """One name of the student's code."""

    def __init__(self, student: Student, name: str):
        self._student, self._name = student, name

    def __getattr__(self, name: str) -> "Remote":
        return Remote(self._student, f"{self._name}.{name}")

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._student._ask(
            {"do": "call", "name": self._name, "arguments": list(arguments), "keywords": keywords}
        )

    def batch(self, calls: Sequence[Sequence[Any]]) -> list[Any]:
        """The answers to many calls in few round trips: arguments of each call in, one answer each out."""
        answers: list[Any] = []
        for start in range(0, len(calls), 64):
            part = [list(arguments) for arguments in calls[start : start + 64]]
            found = self._student._ask({"do": "batch", "name": self._name, "arguments": part})
            if not isinstance(found, list) or len(found) != len(part):
                raise Protocol("a batch came back with another number of answers")
            answers += found
        return answers


def explainer(chapter: str, exercise: str, place: Callable[[list[Any]], str]) -> Callable[[dict[str, Any]], Outcome]:
    """Turns an error that the worker reports into an outcome with the student's own file and line."""

    def explain(error: Any) -> Outcome:
        match error:
            case {"type": str(kind), "message": str(message), "frames": [*frames]}:
                pass
            case _:
                return Protocol("the program reported an error in no known form")
        if kind == "NotImplementedError" and (found := re.match(r"chapter (\d\d): ([\w.]+)", message)):
            if (found[1], found[2]) == (chapter, exercise):
                return NotStarted("not started yet")
            return NotStarted(f"needs chapter {found[1]}: {found[2]}, which is not started", needs=found[0])
        if kind == "ModuleNotFoundError" and (found := re.match(r"No module named '([\w.]+)'", message)):
            message = (
                f"import {found[1]}: while grading, a chapter sees NumPy, Python's own library and the chapters "
                "before it, nothing else"
            )
        if kind == "SystemExit":
            message = "the code asked Python to exit"
        if kind == "Answer":
            return StudentError(f"the answer cannot be sent: {message}", kind=kind)
        if kind == "SyntaxError":
            return StudentError(f"the file does not compile: {message}", kind=kind, where=place(frames))
        return StudentError(f"{kind}: {message}" if message else kind, kind=kind, where=place(frames))

    return explain
