"""The student's code as a check sees it: names are functions, arrays go in, arrays come out."""

from collections.abc import Sequence
from typing import Any
from typing import Protocol as Interface

from tito.outcomes import Outcome, Protocol


class Session(Interface):
    """The conversation that a student's code answers in. The sandbox has the real one; a rubric knows this of it."""

    last: Any
    answered: bool
    request: dict[str, Any] | None

    @property
    def over(self) -> Outcome | None: ...

    def ask(self, request: dict[str, Any]) -> Any: ...

    def explain(self, error: Any) -> Outcome: ...


class Student:
    """`student.mul_vjp(g, z, x, y)` calls into the worker; so does the name of any probe."""

    def __init__(self, session: Session):
        self.session = session

    def __getattr__(self, name: str) -> "Remote":
        return Remote(self.session, name)


class Remote:
    """One name of the student's code."""

    def __init__(self, session: Session, name: str):
        self.session, self.name = session, name

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self.session.ask({"do": "call", "name": self.name, "arguments": list(arguments), "keywords": keywords})

    def batch(self, calls: Sequence[Sequence[Any]]) -> list[Any]:
        """The answers to many calls in few round trips: arguments of each call in, one answer each out."""
        answers: list[Any] = []
        for start in range(0, len(calls), 64):
            part = [list(arguments) for arguments in calls[start : start + 64]]
            found = self.session.ask({"do": "batch", "name": self.name, "arguments": part})
            if not isinstance(found, list) or len(found) != len(part):
                raise Protocol("a batch came back with another number of answers")
            answers += found
        return answers
