"""The worker: the one process in which a student's code runs. It answers; it never judges.

    python -I -S -B worker.py SITE TREE

SITE is the folder that holds numpy, TREE the folder that holds the composed tinytorch/. Standard input and output are
duplicated for the wire and then redirected, so that prints cannot reach it. This file, wire.py, warden.py,
landlock.py and alone.py are copied into the job: nothing else of the course is there.
"""

import ast
import builtins
import contextlib
import functools
import io
import json
import linecache
import os
import struct
import sys
from typing import Any

LIMITS = {"RLIMIT_AS": 4 << 30, "RLIMIT_CPU": 120, "RLIMIT_FSIZE": 16 << 20, "RLIMIT_NOFILE": 128, "RLIMIT_CORE": 0}


def main() -> None:
    site, tree = sys.argv[1:3]
    del sys.argv[1:]
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, here)
    import landlock  # type: ignore[import-not-found]  # copied beside this file, as warden and wire are
    import warden  # type: ignore[import-not-found]

    warden.divide(here)
    landlock.confine(os.path.join(here, "scratch"))
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    _redirect()
    _limit(here)

    # NumPy is imported while its folder is on the path; its neighbours (torch, hypothesis...) never become importable.
    sys.path.insert(1, site)
    import alone  # type: ignore[import-not-found]  # noqa: F401  here, because its folder is about to leave the path
    import numpy as np
    import wire  # type: ignore[import-not-found]

    sys.path[:2] = [tree]
    np.seterr(all="ignore")  # the judge sends infinities and zeros, too: a warning would say nothing of the code
    outgoing.write(wire.pack({"ready": [sys.version.split()[0], np.__version__]}))
    outgoing.flush()

    shop = Shop(tree)
    while frame := wire.read(incoming):
        request = wire.unpack(*frame)
        if request["do"] == "lane":
            shop.lane(request, incoming, outgoing)
            continue
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


def _limit(job: str) -> None:
    """Limits where the platform has them: those of a limits.json come first. Windows has none; macOS refuses some."""
    try:
        import resource
    except ModuleNotFoundError:
        return
    path = os.path.join(job, "limits.json")
    others = {}
    if os.path.isfile(path):
        with open(path, encoding="utf-8") as file:
            others = json.load(file)
    for name, value in {**LIMITS, **others}.items():
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
        """{"value": ...} or {"error": ...}; and {"changed": ...} beside it if a call wrote into its arguments."""
        self.changed: list[dict[str, Any]] = []
        reply: dict[str, Any]
        try:
            reply = {"value": getattr(self, "do_" + request["do"])(request)}
        except BaseException as error:  # SystemExit and KeyboardInterrupt are a student's answers too
            reply = {"error": self.describe(error)}
        return {**reply, "changed": self.changed[:8]} if self.changed else reply

    # -- requests -----------------------------------------------------------------------------------------------------

    def do_load(self, request: dict[str, Any]) -> list[str]:
        """Import the module; answer with the graded names that it lacks."""
        import importlib

        self.tt = importlib.import_module("tinytorch")
        self.module = importlib.import_module("tinytorch." + request["module"])
        return [name for name in request["names"] if not self.has(name)]

    def do_call(self, request: dict[str, Any]) -> Any:
        return self.call(self.find(request["name"]), request["arguments"], request["keywords"])

    def do_batch(self, request: dict[str, Any]) -> Any:
        function = self.find(request["name"])
        return [self.call(function, arguments, {}, turn) for turn, arguments in enumerate(request["arguments"])]

    def call(self, function: Any, arguments: list[Any], keywords: dict[str, Any], turn: int = 0) -> Any:
        """The function's answer. Arguments that are not afterwards what they were before go into `changed`."""
        before = [fingerprint(value) for value in (*arguments, *keywords.values())]
        try:
            return self.plain(function(*arguments, **keywords))
        finally:
            for place, value, print_ in zip(
                [*range(len(arguments)), *keywords], (*arguments, *keywords.values()), before
            ):
                if fingerprint(value) != print_:
                    self.changed.append({"turn": turn, "place": place, "name": parameter(function, place)})

    def do_probe(self, request: dict[str, Any]) -> None:
        """Define a probe: it sees tt, np and its arguments."""
        import numpy as np

        space: dict[str, Any] = {"np": np, "tt": self.tt, "__name__": "probe"}
        exec(compile(request["source"], "<probe>", "exec"), space)
        probe = space[request["name"]]
        self.probes[request["name"]] = functools.partial(probe, self.tt)

    def do_patch(self, request: dict[str, Any]) -> None:
        """Define again: as if the text stood at the end of the module. Where recording was left off it is on again."""
        exec(compile(request["source"], self.module.__file__, "exec"), vars(self.module))
        record: Any = getattr(sys.modules.get("tinytorch.tensor"), "set_grad_enabled", bool)
        record(True)

    def do_examples(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        """Run the examples of a docstring one after the other; answer with what each showed or raised."""
        import numpy as np

        space, results = {"np": np, "tt": self.tt, **vars(self.module)}, []
        for source, mode in request["examples"]:
            shown, result = Shown(sys.stdout), {}
            with contextlib.redirect_stdout(shown):
                try:
                    value = (eval if mode == "eval" else exec)(compile(source, "<example>", mode), space)
                    if mode == "eval" and value is not None:
                        shown.own += repr(value) + "\n"
                except BaseException as error:
                    result["error"] = self.describe(error)
            results.append({"printed": shown.own[:4000], **result})
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

    def do_alone(self, request: dict[str, Any]) -> dict[str, Any]:
        """Confine this process to itself; answer with its number, and what the system could do of it."""
        import alone
        import numpy as np

        site = os.path.dirname(os.path.dirname(np.__file__))
        return {"pid": os.getpid(), "confined": alone.confine(os.path.dirname(self.tree), site)}

    def lane(self, request: dict[str, Any], incoming: Any, outgoing: Any) -> None:
        """Answer rows with rows, and nothing else any more: lane.py says in which form."""
        import numpy as np
        import wire  # copied beside this file

        outgoing.write(wire.pack({"id": request["id"], "value": None}))
        outgoing.flush()
        function, dtype, shape = self.find(request["name"]), np.dtype(request["dtype"]), (-1, *request["shape"])
        head, codes = struct.Struct(">cBII").pack, {np.dtype(name): code for code, name in enumerate(wire.DTYPES)}
        while length := incoming.read(4):
            x = np.frombuffer(bytearray(incoming.read(int.from_bytes(length, "big"))), dtype).reshape(shape)
            try:
                z = np.ascontiguousarray(function(x))
                if z.ndim != 2 or len(z) != len(x) or z.dtype not in codes:
                    raise ValueError(f"{len(x)} rows of numbers are needed, got {z.dtype} of shape {z.shape}")
                told = head(b"A", codes[z.dtype], z.shape[1], z.nbytes) + z.tobytes()
            except BaseException as error:  # as in `answer`
                said = json.dumps(self.describe(error)).encode()
                told = head(b"E", 0, 0, len(said)) + said
            outgoing.write(told)
            outgoing.flush()

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
        told = {"type": type(error).__name__[:80], "message": message[:2000], "frames": frames[-20:]}
        if (name := self.builtin_meant(error)) and isinstance(error, TypeError | ValueError | AttributeError):
            told["builtin"] = name
        return json.loads(json.dumps(told))

    def builtin_meant(self, error: BaseException) -> str:
        """The name of a builtin that the tree's code redefines, if the error came of calling it as the builtin."""
        meant, trace = "", error.__traceback__
        while trace is not None:
            code, space = trace.tb_frame.f_code, {**trace.tb_frame.f_globals, **trace.tb_frame.f_locals}
            call = called(code, trace.tb_lasti) if code.co_filename.startswith(self.tree + os.sep) else None
            name = call.func.id if call is not None and isinstance(call.func, ast.Name) else ""
            own, builtin = space.get(name), getattr(builtins, name or "-", None)
            if call is not None and builtin and own is not None and own is not builtin and as_builtin(call, space):
                meant = name
            trace = trace.tb_next
        return meant


def called(code: Any, instruction: int) -> ast.Call | None:
    """The call that a piece of code was making, as its file has it; None if it was making none."""
    line, end, column, end_column = list(code.co_positions())[instruction // 2]
    if None in (line, end, column, end_column):
        return None
    lines = [linecache.getline(code.co_filename, number).encode() for number in range(line, end + 1)]
    lines[-1] = lines[-1][:end_column]
    lines[0] = lines[0][column:]
    with contextlib.suppress(SyntaxError, ValueError):
        node = ast.parse(b"".join(lines).strip(), mode="eval").body
        return node if isinstance(node, ast.Call) else None
    return None


def as_builtin(call: ast.Call, space: dict[str, Any]) -> bool:
    """Whether min, max, sum... are called as Python's own: with several numbers, a list, or a key."""
    if len(call.args) > 1 or any(keyword.arg in ("key", "default", "start") for keyword in call.keywords):
        return call.func.id != "pow" or len(call.args) > 2  # type: ignore[attr-defined]
    if not call.args:
        return False
    first = call.args[0]
    value = space.get(first.id) if isinstance(first, ast.Name) else None
    shown = ast.List | ast.Tuple | ast.Set | ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.Starred
    return isinstance(first, shown) or isinstance(value, list | tuple | set | dict | int | float)


class Shown(io.TextIOBase):
    """Standard output while an example runs: what the example prints is its result, all else goes on to `out`."""

    def __init__(self, out: Any):
        self.out, self.own = out, ""

    def write(self, text: str) -> int:
        if sys._getframe(1).f_code.co_filename == "<example>":
            self.own += text
            return len(text)
        return self.out.write(text)

    def flush(self) -> None:
        self.out.flush()


def fingerprint(value: Any) -> bytes:
    """Bytes that are equal for equal values only: an array with its dtype and shape, what lists and dicts hold."""
    import wire  # copied beside this file

    try:
        return wire.pack(value)
    except (wire.Malformed, ValueError, RecursionError):
        return b""  # what came over the wire could be packed: this is something else


def parameter(function: Any, place: int | str) -> str:
    """The name of the parameter that takes the argument at this place."""
    import inspect

    if isinstance(place, str):
        return place
    with contextlib.suppress(TypeError, ValueError, IndexError):
        return list(inspect.signature(function).parameters)[place]
    return f"argument {place + 1}"


if __name__ == "__main__":
    main()
