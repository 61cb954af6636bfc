"""What can come of a check. Each outcome is an exception that carries its state and what a student is told.

States: passed, failed, not started, error, timed out, protocol; and "not graded" for trouble that is not the student's.
"""

from collections.abc import Mapping
from typing import Any


class Outcome(Exception):
    """A check that did not pass. `case` and `call` are filled in by whoever knows them."""

    state = "failed"

    def __init__(self, message: str, **details: Any):
        super().__init__(message)
        self.message = message
        self.details = details
        self.case: Mapping[str, Any] = {}
        self.call: dict[str, Any] | None = None

    @property
    def kind(self) -> tuple[str, ...]:
        """What stays the same while a case is made smaller."""
        return (self.state, str(self.details.get("kind", "")), str(self.details.get("what", "")))


class Mismatch(Outcome):
    """An answer that is not the expected one: what, yours, expected, diagnosis."""


class NotStarted(Outcome):
    """The stub is still there."""

    state = "not started"


class StudentError(Outcome):
    """The student's code raised, ended its process, or cannot be loaded."""

    state = "error"


class TimedOut(Outcome):
    """No answer within the deadline."""

    state = "timed out"


class Hung(TimedOut):
    """The file itself does not load within the deadline."""


class Protocol(Outcome):
    """The worker said something that is not an answer."""

    state = "protocol"


class Infrastructure(Exception):
    """The worker failed before its first word, or a check by itself: not the student's doing, and never scored 0."""
