"""Merging: the newest given code with the student's own bodies in it. Nothing that a student wrote is dropped."""

import ast
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

from tito.rubrics import stubs

KEPT = "# -- kept by tito update " + "-" * 90


@dataclass
class Update:
    """What an update did: bodies carried over, things kept at the end of the file, the backup."""

    carried: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    backup: Path | None = None
    changed: bool = True


def merge(base: str, mine: str, stub: str, graded: list[str]) -> tuple[str, Update]:
    """The new stub with the student's work in it. base: the stub that `mine` grew from."""
    update, new, tail = Update(), stub, []
    mine, _, before = mine.partition(KEPT)
    ours, theirs, fresh = (stubs.definitions(text) for text in (mine, base, stub))
    for name in graded:
        if name not in ours or (
            "raise NotImplementedError(" in (done := stubs.body(mine, name)) and done.count("\n") == 1
        ):
            continue
        update.carried.append(name)
        if ours[name].signature == fresh[name].signature:
            new = stubs.with_body(new, name, done)
            continue
        if name in theirs and theirs[name].signature == fresh[name].signature:  # the student's own change
            new = stubs.with_definition(new, name, stubs.reference(mine, name))
            continue
        update.carried.pop()
        tail.append(_commented(f"your {name}; its signature has changed", stubs.reference(mine, name)))
        update.kept.append(name)
    for name, text, own in _other(base, mine, graded):
        if own:
            tail.append(text)
        elif name in fresh and _same(text, stubs.reference(stub, name)):
            continue
        else:
            tail.append(_commented(f"your {name}; the given code stands above", text))
        update.kept.append(name)
    tail += [before] if before.strip() else []
    if tail:
        new = new.rstrip("\n") + "\n\n\n" + KEPT + "\n\n" + "\n\n\n".join(part.strip("\n") for part in tail) + "\n"
    return new, update


def _other(base: str, mine: str, graded: list[str]) -> list[tuple[str, str, bool]]:
    """What the student added (own) or changed outside the graded definitions: name, text, whether it is new."""
    before, after = stubs.definitions(base), stubs.definitions(mine)
    found: list[tuple[str, str, bool]] = []
    for name in after:
        owner = name.rpartition(".")[0]
        text = stubs.reference(mine, name)
        if any(other.startswith(f"{name}.") for other in after):  # a class is looked at member by member
            if name in before and not _members(text) <= _members(stubs.reference(base, name)):
                found.append((name, text, False))
            if name in before:
                continue
        if name in graded or any(name.startswith(f"{kept[0]}.") for kept in found):
            continue
        if name not in before and owner and owner in before:
            found.append((name, text, False))
        elif name not in before and not owner:
            found.append((name, text, True))
        elif name in before and not _same(text, stubs.reference(base, name)):
            found.append((name, text, False))
    known = {ast.dump(node) for node in ast.parse(base).body}
    for node in ast.parse(mine).body:
        defines = isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
        if not defines and ast.dump(node) not in known:
            text = "\n".join(mine.split("\n")[node.lineno - 1 : node.end_lineno])
            found.append((text.split("\n")[0], text, True))
    return found


def _members(text: str) -> set[str]:
    """The statements of a class that are no functions or classes."""
    [node] = ast.parse(textwrap.dedent(text)).body
    plain = [item for item in getattr(node, "body", []) if not isinstance(item, ast.FunctionDef | ast.ClassDef)]
    return {ast.dump(item) for item in plain}


def _same(text: str, other: str) -> bool:
    return [line.strip() for line in text.split("\n")] == [line.strip() for line in other.split("\n")]


def _commented(title: str, text: str) -> str:
    return "\n".join([f"# {title}:", *(f"# {line}".rstrip() for line in text.rstrip("\n").split("\n"))])
