"""The worker: the one process in which a student's code runs. It answers; it never judges.

    python -I -S -B worker.py SITE TREE

SITE is the folder that holds numpy, TREE the folder that holds the composed tinytorch/. Standard input and output are
duplicated for the wire and then redirected, so that prints cannot reach it. This file and wire.py are copied into the
job: nothing else of the course is there.
"""

import contextlib
import io
import json
import os
import sys
from typing import Any

LIMITS = {"RLIMIT_AS": 4 << 30, "RLIMIT_CPU": 120, "RLIMIT_FSIZE": 16 << 20, "RLIMIT_NOFILE": 128, "RLIMIT_CORE": 0}


def main() -> None:
    site, tree = sys.argv[1:3]
    del sys.argv[1:]
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    _redirect()
    _limit()

    # NumPy is imported while its folder is on the path; its neighbours (torch, hypothesis...) never become importable.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:0] = [here, site]
    import numpy as np
    import wire  # type: ignore[import-not-found]  # copied beside this file

    sys.path[:2] = [tree]
    outgoing.write(wire.pack({"ready": [sys.version.split()[0], np.__version__]}))
    outgoing.flush()

    shop = Shop(tree)
    while frame := wire.read(incoming):
        request = wire.unpack(*frame)
        reply = {"id": request["id"], **shop.answer(request)}
        try:
            packed = wire.pack(reply)
        except wire.Malformed as error:
            packed = wire.pack({"id": request["id"], "error": {"type": "Answer", "message": str(error), "frames": []}})
        sys.stdout.flush()
        outgoing.write(packed)
        outgoing.flush()


def _redirect() -> None:
    """What is printed goes where standard error goes: the judge shows it, capped and labelled."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = sys.stderr = os.fdopen(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _limit() -> None:
    """Limits where the platform has them. Windows has none; macOS refuses some."""
    try:
        import resource
    except ModuleNotFoundError:
        return
    for name, value in LIMITS.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):
            kind = getattr(resource, name)
            hard = resource.getrlimit(kind)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (value, value))


class Shop:
    """Loads the student's module and answers requests about it."""

    def __init__(self, tree: str):
        self.tree = tree
        self.module: Any = None
        self.probes: dict[str, Any] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"value": getattr(self, "do_" + request["do"])(request)}
        except BaseException as error:  # SystemExit and KeyboardInterrupt are a student's answers too
            return {"error": self.describe(error)}

    # -- requests -----------------------------------------------------------------------------------------------------

    def do_load(self, request: dict[str, Any]) -> list[str]:
        """Import the module; answer with the graded names that it lacks."""
        import importlib

        self.tt = importlib.import_module("tinytorch")
        self.module = importlib.import_module("tinytorch." + request["module"])
        return [name for name in request["names"] if not self.has(name)]

    def do_call(self, request: dict[str, Any]) -> Any:
        return self.plain(self.find(request["name"])(*request["arguments"], **request["keywords"]))

    def do_batch(self, request: dict[str, Any]) -> Any:
        function = self.find(request["name"])
        return [self.plain(function(*arguments)) for arguments in request["arguments"]]

    def do_probe(self, request: dict[str, Any]) -> None:
        """Define a probe: it sees tt, np and its arguments."""
        import numpy as np

        space: dict[str, Any] = {"np": np, "tt": self.tt, "__name__": "probe"}
        exec(compile(request["source"], "<probe>", "exec"), space)
        probe = space[request["name"]]
        self.probes[request["name"]] = lambda *arguments, **keywords: probe(self.tt, *arguments, **keywords)

    def do_patch(self, request: dict[str, Any]) -> None:
        """Define again: as if the text stood at the end of the module."""
        exec(compile(request["source"], self.module.__file__, "exec"), vars(self.module))

    def do_examples(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        """Run the examples of a docstring one after the other; answer with what each printed or raised."""
        import numpy as np

        space, results = {"np": np, "tt": self.tt, **vars(self.module)}, []
        for source, mode in request["examples"]:
            printed, result = io.StringIO(), {}
            with contextlib.redirect_stdout(printed):
                try:
                    value = (eval if mode == "eval" else exec)(compile(source, "<example>", mode), space)
                    if mode == "eval" and value is not None:
                        print(repr(value))
                except BaseException as error:
                    result["error"] = self.describe(error)
            results.append({"printed": printed.getvalue()[:4000], **result})
        return results

    def do_modules(self, request: dict[str, Any]) -> dict[str, Any]:
        """What can be seen from here: for the test that asks."""
        files = [
            os.path.join(folder, name) for folder, _, names in os.walk(os.path.dirname(self.tree)) for name in names
        ]
        return {
            "modules": sorted(sys.modules),
            "path": list(sys.path),
            "files": [os.path.relpath(f, self.tree) for f in files],
        }

    # -- names and values ---------------------------------------------------------------------------------------------

    def has(self, name: str) -> bool:
        owner, _, last = name.rpartition(".")
        place = self.module
        for part in owner.split(".") if owner else []:
            place = getattr(place, part, None)
        return last in vars(place) if owner and place is not None else hasattr(place, last)

    def find(self, name: str) -> Any:
        if name in self.probes:
            return self.probes[name]
        first, *rest = name.split(".")
        place = getattr(self.module, first) if hasattr(self.module, first) else getattr(self.tt, first)
        for part in rest:
            place = getattr(place, part)
        return place

    def plain(self, value: Any) -> Any:
        """Tensors to their arrays, down through lists, tuples and dicts."""
        import numpy as np

        if isinstance(value, np.ndarray | np.generic):
            return value
        if isinstance(getattr(value, "data", None), np.ndarray) and type(value).__module__.startswith("tinytorch."):
            return value.data
        if isinstance(value, tuple):
            return tuple(self.plain(item) for item in value)
        if isinstance(value, list):
            return [self.plain(item) for item in value]
        if isinstance(value, dict):
            return {str(key): self.plain(item) for key, item in value.items()}
        return value

    def describe(self, error: BaseException) -> dict[str, Any]:
        """Type, message and the frames that stand in the tree; deepest last."""
        frames, trace = [], error.__traceback__
        while trace is not None:
            file, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
            if file.startswith(self.tree + os.sep):
                frames.append(
                    [os.path.relpath(file, self.tree).replace(os.sep, "/"), line, trace.tb_frame.f_code.co_name]
                )
            trace = trace.tb_next
        if isinstance(error, SyntaxError) and str(error.filename).startswith(self.tree + os.sep):
            frames.append(
                [os.path.relpath(str(error.filename), self.tree).replace(os.sep, "/"), error.lineno or 0, "compile"]
            )
            message = error.msg
        else:
            try:
                message = str(error)
            except Exception:  # a student's own __str__ may raise anything, and is told all the same
                message = "(an error whose text cannot be read)"
        return {
            "type": type(error).__name__[:80],
            "message": json.loads(json.dumps(message[:2000])),
            "frames": frames[-20:],
        }


if __name__ == "__main__":
    main()
