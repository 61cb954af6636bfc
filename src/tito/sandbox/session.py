"""A session: the conversation with one worker. Requests go in, values come out, errors are told as outcomes."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from tito.outcomes import NotStarted, Outcome, Protocol, StudentError
from tito.sandbox.connection import Connection

Explain = Callable[[Any], Outcome]


class Session:
    """What was asked and answered: `request` and `last`, and whether the last request was `answered` with a value."""

    def __init__(self, connection: Connection, probes: Mapping[str, str], explain: Explain):
        self.connection, self.probes, self.explain = connection, probes, explain
        self.sent: set[str] = set()
        self.last: Any = None
        self.answered = False
        self.request: dict[str, Any] | None = None

    @property
    def over(self) -> Outcome | None:
        """Why the worker answers no more, if it does not."""
        return self.connection.over

    def ask(self, request: dict[str, Any]) -> Any:
        """The value of one request. A probe is sent before it is called for the first time. Raises an Outcome."""
        name = request.get("name", "")
        if name in self.probes and name not in self.sent:
            self.sent.add(name)
            self.value({"do": "probe", "name": name, "source": self.probes[name]})
        self.answered, self.request = False, request
        self.last = self.value(request)
        self.answered = True
        return self.last

    def value(self, request: dict[str, Any]) -> Any:
        reply = self.connection.ask(request)
        if "error" in reply:
            raise self.explain(reply["error"])
        return reply["value"]


def explainer(chapter: str, exercise: str, place: Callable[[list[Any]], str]) -> Explain:
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
