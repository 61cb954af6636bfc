"""A session: the conversation with one worker. Requests go in, values come out, errors are told as outcomes."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from tito.outcomes import Mismatch, NotStarted, Outcome, Protocol, StudentError
from tito.sandbox.connection import Connection

Explain = Callable[[Any], Outcome]


class Session:
    """What was asked and answered: `request` and `last`, and whether any was `answered` with a value so far."""

    def __init__(
        self,
        connection: Connection,
        probes: Mapping[str, str],
        explain: Explain,
        in_place: Mapping[str, Collection[str]] | None = None,
    ):
        """`in_place` has, for a function or probe, the parameters that it is asked to write into."""
        self.connection, self.probes, self.explain, self.in_place = connection, probes, explain, in_place or {}
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
        self.request = request
        self.last = self.value(request)
        self.answered = True
        return self.last

    def value(self, request: dict[str, Any]) -> Any:
        reply = self.connection.ask(request)
        changed = self.changed(request, reply.get("changed", []))
        if "error" in reply:
            outcome = self.explain(reply["error"])
            outcome.details["changed"] = changed
            raise outcome
        if changed:
            raise changed
        return reply["value"]

    def changed(self, request: dict[str, Any], told: Any) -> Mismatch | None:
        """What there is to say about an argument that the call wrote into, unless it is asked to."""
        for one in told if isinstance(told, list) else [told]:
            match one:
                case {"turn": int(turn), "place": int() | str() as place, "name": str(name)}:
                    if name not in self.in_place.get(request.get("name", ""), ()):
                        return Mismatch(
                            f"{name} was changed", kind="changed", what=name, argument=_argument(request, turn, place),
                            diagnosis="what a caller hands over stays as it is: write into an array of your own",
                        )  # fmt: skip
                case _:
                    raise Protocol("the program told of its arguments in no known form")
        return None


def _argument(request: Mapping[str, Any], turn: int, place: int | str) -> Any:
    """The judge's own copy of an argument of a call, or of one call of a batch; None if there is none such."""
    if isinstance(place, str):
        return request.get("keywords", {}).get(place)
    calls = request["arguments"] if request["do"] == "batch" else [request.get("arguments", [])]
    return calls[turn][place] if 0 <= turn < len(calls) and 0 <= place < len(calls[turn]) else None


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
        outcome = StudentError(f"{kind}: {message}" if message else kind, kind=kind, where=place(frames))
        if str(builtin := error.get("builtin", "")).isidentifier():
            outcome.details["diagnosis"] = (
                f"{builtin} is another one here, made for tensors: Python's own is builtins.{builtin} (import builtins)"
            )
        return outcome

    return explain
