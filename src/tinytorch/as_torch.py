"""As torch: a program that was written for PyTorch, run on TinyTorch.

    python -m tinytorch.as_torch program.py --its --arguments

In the program, and in the modules that it imports, `import torch` means this package: `torch.nn` is `tinytorch.nn`, and
so on, and `x.data` is a tensor in the memory of x. What TinyTorch lacks is an error that says so, where it is used.
Nothing of PyTorch's own is ever imported.
"""

import ast
import builtins
import sys
import traceback
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any

import numpy as np

import tinytorch
from tinytorch import nn
from tinytorch.optim.lr_scheduler import LRScheduler
from tinytorch.tensor import primitive

# -- what only programs for PyTorch ask ----------------------------------------------------------------------------


def compile(model: Any = None, **options: Any) -> Any:
    """The model or function as it is; as a decorator, too. There is nothing to compile to."""
    return model if model is not None else lambda function: function


def absent(name: str) -> Callable[..., Any]:
    """What stands for a name that programs import and may not call: calling it is the error."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"TinyTorch does not have {name}")

    return refuse


class GradScaler:
    """No scaling, for a program that asks for none: GradScaler(enabled=False). float16 would need it."""

    def __init__(self, device: str = "cpu", *, enabled: bool = True):
        if enabled:
            raise RuntimeError("TinyTorch does not have a GradScaler: pass enabled=False")

    def scale(self, loss: Any) -> Any:
        """The loss as it is."""
        return loss

    def unscale_(self, optimizer: Any) -> None:
        """Nothing: no gradient was scaled."""

    def step(self, optimizer: Any) -> None:
        """A step of the optimizer."""
        optimizer.step()

    def update(self) -> None:
        """Nothing: there is no scale."""


def answer(value: Any) -> Callable[..., Any]:
    """A function that always answers this."""
    return lambda *_: value


class Linear(nn.Linear):
    """z = x weight^T + bias: a weight is (out, in) as in PyTorch, so that an embedding can share it."""

    weight: tinytorch.Tensor

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        super().__init__(in_features, out_features, bias)
        self.weight = nn.Parameter(self.weight.data.T.copy())

    def forward(self, x: Any) -> tinytorch.Tensor:
        return linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


def linear(x: Any, weight: tinytorch.Tensor, bias: Any = None) -> tinytorch.Tensor:
    """x (..., in) times weight (out, in), plus bias."""
    return nn.functional.linear(x, weight.mT, bias)


def gelu(x: Any, approximate: str = "none") -> tinytorch.Tensor:
    """x times the probability that a normal number is below x; with "tanh", by the formula that GPT-2 trained with."""
    if approximate == "none":
        return x * 0.5 * (1 + tinytorch.erf(x * 0.5**0.5))
    return nn.functional.gelu(x, approximate=approximate)


class GELU(nn.Module):
    """gelu as a module."""

    def __init__(self, approximate: str = "none"):
        self.approximate = approximate

    def forward(self, x: Any) -> tinytorch.Tensor:
        return gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


def by_rows(fill: Callable[..., Any]) -> Callable[..., Any]:
    """An initialisation that counts what goes in and out, for matrices (out, in)."""

    @wraps(fill)
    def filled(x: tinytorch.Tensor, *arguments: Any, **options: Any) -> tinytorch.Tensor:
        if x.ndim != 2:
            return fill(x, *arguments, **options)
        with tinytorch.no_grad():
            fill(x.mT, *arguments, **options)
        return x

    return filled


class Function:
    """An operation whose derivative is written beside it: forward(ctx, ...) and backward(ctx, g), as static methods.

    `apply` calls it, on tensors and anything else. It returns one tensor. Raises TypeError for several.
    """

    @classmethod
    def apply(cls, *inputs: Any) -> tinytorch.Tensor:
        """The result of forward, with backward as its rule."""
        ctx: Any = Context()
        places = [i for i, x in enumerate(inputs) if isinstance(x, tinytorch.Tensor)]
        ctx.needs_input_grad = tuple(isinstance(x, tinytorch.Tensor) and x.requires_grad for x in inputs)

        def forward(*arrays: np.ndarray) -> np.ndarray:
            given = list(inputs)
            for place, array in zip(places, arrays):
                given[place] = tinytorch.Tensor(array)
            with tinytorch.no_grad():
                if hasattr(cls, "setup_context"):
                    z = cls.forward(*given)  # type: ignore[attr-defined]
                    cls.setup_context(ctx, tuple(given), z)
                else:
                    z = cls.forward(ctx, *given)  # type: ignore[attr-defined]
            if not isinstance(z, tinytorch.Tensor):
                raise TypeError(f"{cls.__name__}.forward returns one tensor here, got {type(z).__name__}")
            return z.data

        def rule(g: np.ndarray, z: np.ndarray, *arrays: np.ndarray, needs: Sequence[bool]) -> Any:
            with tinytorch.no_grad():
                found = cls.backward(ctx, tinytorch.Tensor(g))  # type: ignore[attr-defined]
            every = found if isinstance(found, tuple) else (found,)
            arrays_or_none = [None if every[place] is None else np.asarray(every[place].data) for place in places]
            return arrays_or_none[0] if len(places) == 1 else tuple(arrays_or_none)

        forward.__name__ = cls.__name__
        operation = primitive(forward)
        operation.vjp(rule)
        return operation(*[inputs[place] for place in places])


class Context:
    """What a Function's forward keeps for its backward: tensors, and any attribute."""

    saved_tensors: tuple = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors, as `saved_tensors`."""
        self.saved_tensors = tensors


def clip_grad_norm_(parameters: Any, max_norm: float) -> tinytorch.Tensor:
    """Shrink all gradients together to this norm, if it is larger; the norm that it was, as a tensor."""
    return tinytorch.tensor(nn.utils.clip_grad_norm_(parameters, max_norm))


class MultiStepLR(LRScheduler):
    """The rate times gamma at each of the milestones."""

    def __init__(self, optimizer: Any, milestones: Sequence[int], gamma: float = 0.1):
        falls = sorted(milestones)
        super().__init__(optimizer, lambda t, base: base * gamma ** bisect_right(falls, t))


class ExponentialLR(LRScheduler):
    """The rate times gamma at each step."""

    def __init__(self, optimizer: Any, gamma: float):
        super().__init__(optimizer, lambda t, base: base * gamma**t)


class LambdaLR(LRScheduler):
    """The first rate times a function of the number of the step, the same for all groups."""

    def __init__(self, optimizer: Any, lr_lambda: Callable[[int], float]):
        if not callable(lr_lambda):
            raise TypeError(f"LambdaLR takes one function here, got {type(lr_lambda).__name__}")
        super().__init__(optimizer, lambda t, base: base * lr_lambda(t))


# Names that tinytorch has no use for or means in another way, by the module of PyTorch where a program looks for them.
EXTRAS: dict[str, dict[str, Any]] = {
    "torch": {
        "__version__": "2.0.0+tinytorch",
        "compile": compile,
        "set_float32_matmul_precision": answer(None),
        "get_default_dtype": answer(tinytorch.float32),
    },
    "torch.cuda.amp": {"GradScaler": GradScaler, "autocast": absent("autocast")},
    "torch.amp": {"GradScaler": GradScaler, "autocast": absent("autocast")},
    "torch.backends": {},
    "torch.backends.cudnn": {
        "enabled": False,
        "deterministic": True,
        "benchmark": False,
        "is_available": answer(False),
    },
    "torch.backends.cuda": {"matmul": ModuleType("matmul"), "is_built": answer(False)},
    "torch.backends.mps": {"is_available": answer(False), "is_built": answer(False)},
    "torch.distributed": {
        "is_available": answer(False),
        "is_initialized": answer(False),
        "init_process_group": absent("torch.distributed"),
        "destroy_process_group": absent("torch.distributed"),
    },
    "torch.nn": {"Linear": Linear, "GELU": GELU},
    "torch.nn.functional": {"linear": linear, "gelu": gelu},
    "torch.nn.init": {
        name: by_rows(getattr(nn.init, name))
        for name in ("kaiming_normal_", "kaiming_uniform_", "xavier_normal_", "xavier_uniform_")
    },
    "torch.nn.utils": {"clip_grad_norm_": clip_grad_norm_},
    "torch.autograd": {"Function": Function},
    "torch.optim.lr_scheduler": {each.__name__: each for each in (MultiStepLR, ExponentialLR, LambdaLR)},
    "torch.nn.parallel": {"DistributedDataParallel": absent("DistributedDataParallel")},
    "torch.utils": {},
}
HOMES = {  # the modules of PyTorch that stand for one of TinyTorch's
    "torch": "tinytorch",
    "torch.nn": "tinytorch.nn",
    "torch.nn.functional": "tinytorch.nn.functional",
    "torch.nn.init": "tinytorch.nn.init",
    "torch.nn.utils": "tinytorch.nn.utils",
    "torch.optim": "tinytorch.optim",
    "torch.optim.lr_scheduler": "tinytorch.optim.lr_scheduler",
    "torch.utils.data": "tinytorch.data",
    "torch.autograd": "tinytorch.autograd",
    "torch.cuda": "tinytorch.cuda",
}

# -- the names -----------------------------------------------------------------------------------------------------


class Namesake(ModuleType):
    """A module under PyTorch's name: it has its extras, and hands out what its home in TinyTorch has."""

    def __init__(self, name: str, home: str | None, extras: dict[str, Any]):
        super().__init__(name, f"{home or 'TinyTorch'}, under the name of {name}.")
        self.__path__: list[str] = []  # it may have submodules
        self._home = home
        vars(self).update(extras)

    def __getattr__(self, name: str) -> Any:
        found = getattr(import_module(self._home), name, None) if self._home and not name.startswith("_") else None
        if found is None:
            raise AttributeError(f"TinyTorch does not have {self.__name__}.{name}", name=name, obj=self)
        return found

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *(dir(import_module(self._home)) if self._home else ())})


class Absences:
    """The end of Python's search for a module: torch.anything that is not here is not in TinyTorch."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        """Raise ImportError for a module of torch; leave all others to the other finders."""
        if name.startswith("torch."):
            raise ImportError(f"TinyTorch does not have {name}", name=name)


def install() -> None:
    """Let `import torch`, and its submodules, mean this package from here on."""
    modules = {name: Namesake(name, HOMES.get(name), EXTRAS.get(name, {})) for name in sorted({*HOMES, *EXTRAS})}
    for name, module in modules.items():
        owner, _, own = name.rpartition(".")
        if owner:
            setattr(modules[owner], own, module)
    sys.modules.update(modules)
    sys.meta_path.insert(0, Absences)


# -- the program ---------------------------------------------------------------------------------------------------


def data_of(x: Any) -> Any:
    """What a program written for PyTorch means by x.data: of a tensor, a tensor in the same memory."""
    return x.detach() if isinstance(x, tinytorch.Tensor) else x.data


class DataAsTensor(ast.NodeTransformer):
    """Reads `x.data` as data_of(x), in the syntax tree of a program; what is assigned to `x.data` stays as it is."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if node.attr != "data" or not isinstance(node.ctx, ast.Load):
            return node
        call = ast.Call(ast.Name("__data_of__", ast.Load()), [node.value], [])
        return ast.fix_missing_locations(ast.copy_location(call, node))


def compiled(path: str) -> CodeType:
    """The code of a file written for PyTorch. Its module must have data_of under the name __data_of__."""
    tree = ast.parse(Path(path).read_bytes(), path)
    return builtins.compile(DataAsTensor().visit(tree), path, "exec")


class Loader(SourceFileLoader):
    """Loads a module that lies beside the program; nothing is read from a cache, and nothing put there."""

    def get_code(self, fullname: str) -> CodeType:
        return compiled(self.path)

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__data_of__"] = data_of
        super().exec_module(module)


class Beside:
    """Finds the modules of the program's own folder, which are written for PyTorch, too."""

    def __init__(self, folder: Path):
        self.folder = folder

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """A spec for a source file in the folder or below it; None for all else."""
        found = PathFinder.find_spec(name, [str(self.folder)] if path is None else path)
        if found is None or not isinstance(found.loader, SourceFileLoader):
            return None
        file = Path(found.loader.path)
        if not file.resolve().is_relative_to(self.folder):
            return None
        inside = found.submodule_search_locations
        return spec_from_file_location(
            name, file, loader=Loader(name, str(file)), submodule_search_locations=inside and list(inside)
        )


def run_program(path: str, arguments: list[str]) -> None:
    """Run a file as Python itself would: as `__main__`, with its arguments, its folder first among the imports."""
    main = ModuleType("__main__")
    vars(main).update(__file__=path, __builtins__=__builtins__, __data_of__=data_of)
    folder = Path(path).resolve().parent
    sys.argv, sys.path[0], sys.modules["__main__"] = [path, *arguments], str(folder), main
    sys.excepthook = print_error
    install()
    sys.meta_path.insert(1, Beside(folder))
    exec(compiled(path), vars(main))


def print_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an error as Python does, from the program's own first line on."""
    while (trace is not None and trace.tb_frame.f_globals.get("__name__") != "__main__") or ours(trace):
        trace = trace.tb_next if trace else None
    obj = getattr(error, "obj", None)
    if isinstance(error, AttributeError) and isinstance(obj, np.ndarray):
        error.add_note("In TinyTorch state_dict() holds NumPy's arrays, not tensors: torch.from_numpy(array) is one.")
    elif isinstance(error, AttributeError) and isinstance(obj, tinytorch.Tensor):
        error.add_note(f"TinyTorch's tensors do not have {error.name}.")
    traceback.print_exception(kind, error, trace)


def ours(trace: TracebackType | None) -> bool:
    """Whether a frame of a traceback is this file's."""
    return trace is not None and trace.tb_frame.f_code.co_filename == __file__


if __name__ == "__main__":
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_file():
        sys.exit("usage: python -m tinytorch.as_torch program.py [its arguments]")
    run_program(sys.argv[1], sys.argv[2:])
