"""Programs written for PyTorch run on TinyTorch, and come to the same numbers."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from oracles import pytorch

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))
NUMBER = re.compile(r"-?\d+\.\d+")


def run(*arguments, folder=None):
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, cwd=folder, timeout=120
    )


def as_torch(tmp_path, source, *arguments):
    (tmp_path / "program.py").write_text(source)
    return run("-m", "tinytorch.as_torch", "program.py", *arguments, folder=tmp_path)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_a_program_prints_the_same_on_both(program, tmp_path):
    pytorch()
    extra = ["--save-model", tmp_path / "model"] if program.stem == "classifier" else []
    ours, theirs = run("-m", "tinytorch.as_torch", program, *extra), run(program, *extra)
    assert (ours.returncode, ours.stderr, theirs.returncode) == (0, "", 0), ours.stderr + theirs.stderr
    assert NUMBER.sub("#", ours.stdout) == NUMBER.sub("#", theirs.stdout)
    numbers = [[float(number) for number in NUMBER.findall(done.stdout)] for done in (ours, theirs)]
    assert len(numbers[0]) >= 8
    np.testing.assert_allclose(*numbers, rtol=1e-4)


def test_a_program_runs_as_python_would_run_it(tmp_path):
    (tmp_path / "beside.py").write_text("import torch\nprint(__name__, torch.ones(2).sum().item())\n")
    source = "import sys, beside\nprint(__name__, sys.argv, __file__)\nif __name__ == '__main__':\n    sys.exit(3)\n"
    done = as_torch(tmp_path, source, "--lr", "0.1")
    assert done.returncode == 3 and done.stderr == ""
    assert done.stdout.splitlines() == ["beside 2.0", "__main__ ['program.py', '--lr', '0.1'] program.py"]


def test_a_traceback_begins_in_the_program(tmp_path):
    done = as_torch(tmp_path, "import torch\n\n\ndef f():\n    return torch.zeros(2) @ torch.zeros(3)\n\n\nf()\n")
    first, second, *_ = re.findall(r'File "(.*)", line (\d+)', done.stderr)
    assert done.returncode == 1 and (first, second) == (("program.py", "8"), ("program.py", "5"))
    assert "as_torch" not in done.stderr and "inner axes" in done.stderr
    assert as_torch(tmp_path, "x = (\n").stderr.splitlines()[0].endswith('program.py", line 1')


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("torch.fft", "torch.fft"),
        ("torch.nn.Transformer", "torch.nn.Transformer"),
        ("torch.nn.functional.ctc_loss", "torch.nn.functional.ctc_loss"),
        ("torch.optim.LBFGS", "torch.optim.LBFGS"),
        ("torch.cuda.Stream", "torch.cuda.Stream"),
    ],
)
def test_a_missing_name_is_an_attribute_error_that_says_so(tmp_path, line, name):
    done = as_torch(tmp_path, f"import torch\n{line}\n")
    assert done.returncode == 1 and re.search(rf"AttributeError: TinyTorch.*{re.escape(name)}", done.stderr), (
        done.stderr
    )


def test_a_missing_method_is_named_with_a_note_whose_tensors_lack_it(tmp_path):
    done = as_torch(tmp_path, "import torch\ntorch.zeros(1).lu()\n")
    last = done.stderr.splitlines()[-2:]
    assert "'Tensor' object has no attribute 'lu'" in last[0] and last[1] == "TinyTorch's tensors do not have lu."


@pytest.mark.parametrize("line", ["import torch.fx", "from torch.fx import wrap", "from torch import fx"])
def test_a_missing_module_is_an_import_error_that_says_so(tmp_path, line):
    done = as_torch(tmp_path, line + "\n")
    assert done.returncode == 1 and "ImportError: TinyTorch does not have torch.fx" in done.stderr


def test_a_linear_layer_has_pytorchs_weight(tmp_path):
    lines = """
        import torch
        from torch import nn
        layer = nn.Linear(3, 5000)
        assert layer.weight.shape == (5000, 3) and isinstance(layer, nn.Linear) and isinstance(layer, nn.Module)
        x = torch.ones(2, 3)
        assert torch.allclose(layer(x), nn.functional.linear(x, layer.weight, layer.bias))
        table = nn.Embedding(5000, 3)
        table.weight = layer.weight
        assert torch.equal(layer(table(torch.tensor([7])))[0, 7], layer.weight[7] @ layer.weight[7] + layer.bias[7])
        nn.init.kaiming_normal_(layer.weight)
        assert 0.77 < layer.weight.std().item() < 0.86  # sqrt(2 / 3), by what goes in
        layer(x).sum().backward()
        assert layer.weight.grad.shape == (5000, 3)
        print(layer)
    """
    done = as_torch(tmp_path, textwrap.dedent(lines))
    assert (done.stderr, done.stdout) == ("", "Linear(in_features=3, out_features=5000, bias=True)\n")


def test_what_common_programs_touch(tmp_path):
    source = """
import torch, torch.nn as nn, torch.nn.functional as F, torch.backends.cudnn as cudnn
from torch import Tensor, optim
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.distributed import init_process_group

assert not torch.cuda.is_available() and not torch.backends.mps.is_available() and torch.cuda.device_count() == 0
cudnn.benchmark = True
torch.backends.cuda.matmul.allow_tf32 = True
torch.set_float32_matmul_precision("high")
torch.manual_seed(1), torch.cuda.manual_seed(1), torch.cuda.manual_seed_all(1)
ptdtype = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}["float32"]
scaler = torch.cuda.amp.GradScaler(enabled=False)
model = torch.compile(nn.Linear(2, 1, bias=False))
optimizer = optim.AdamW(model.parameters(), lr=0.1)
scaler.scale(model(torch.ones(1, 2)).sum()).backward()
scaler.unscale_(optimizer), scaler.step(optimizer), scaler.update()
assert isinstance(model.weight, nn.Parameter) and isinstance(model.weight, Tensor) and model.weight.grad is not None

@torch.compile
def double(x):
    return 2 * x

@torch.inference_mode()
def silent(x):
    return double(x)

assert not silent(model.weight).requires_grad and double(model.weight).requires_grad
for wanted, call in (("DistributedData", lambda: DDP(model)), ("GradScaler", torch.cuda.amp.GradScaler)):
    try:
        call()
    except RuntimeError as error:
        assert wanted in str(error)
print("done", torch.__version__)
"""
    done = as_torch(tmp_path, source)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("done 2")


def test_data_is_a_tensor_in_the_same_memory_in_the_program_and_in_what_it_imports(tmp_path):
    (tmp_path / "layers.py").write_text("def fill(p, value):\n    p.data.fill_(value)\n")
    lines = """
        import argparse
        import torch
        from torch import nn
        from layers import fill

        m = nn.Linear(3, 2)
        fill(m.weight, 2.0)
        nn.init.constant_(m.bias.data, 3)
        m.bias.data = torch.tensor([1.0, 2.0])
        m.bias.data += 1
        m.weight.data[0] = 7
        y = m(torch.ones(4, 3))
        print(y.data.max(1, keepdim=True)[1].tolist())
        y.sum().backward()
        for p in m.parameters():
            p.data.add_(p.grad.data, alpha=-0.5)
            p.data -= 0.5 * p.grad.data
            p.grad.data.zero_()
        print(m.weight.tolist(), m.bias.tolist(), m.bias.grad.tolist(), y.data.requires_grad)
        print(argparse.Namespace(data=5).data, torch.utils.data.__name__, y.data.numpy().shape)
    """
    done = as_torch(tmp_path, textwrap.dedent(lines))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "[[0], [0], [0], [0]]",
        "[[3.0, 3.0, 3.0], [-2.0, -2.0, -2.0]] [-2.0, -1.0] [0.0, 0.0] False",
        "5 torch.utils.data (4, 2)",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layers.py", "program.py"]


def test_a_function_with_its_own_gradient(tmp_path):
    lines = """
        import torch

        class Rounded(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, scale):
                assert not torch.is_grad_enabled() and ctx.needs_input_grad == (True, False)
                return torch.round(x * scale) / scale

            @staticmethod
            def backward(ctx, g):
                return g, None

        class Product(torch.autograd.Function):
            @staticmethod
            def forward(x, y):
                return x * y

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_backward(*inputs)

            @staticmethod
            def backward(ctx, g):
                x, y = ctx.saved_tensors
                return g * y, g * x

        a, b = torch.tensor([0.26, -0.6], requires_grad=True), torch.tensor([3.0, 4.0])
        z = Rounded.apply(a, 4)
        (z * torch.tensor([1.0, 2.0])).sum().backward()
        print(z.tolist(), a.grad.tolist())
        Product.apply(a, b).sum().backward()
        print(a.grad.tolist(), b.grad)
        Product.apply(a, a).sum().backward()
        print(a.grad.tolist())
    """
    done = as_torch(tmp_path, textwrap.dedent(lines))
    assert (done.returncode, done.stderr) == (0, "")
    first, second, third = done.stdout.splitlines()
    assert first == "[0.25, -0.5] [1.0, 2.0]" and second == "[4.0, 6.0] None"
    np.testing.assert_allclose([float(x) for x in NUMBER.findall(third)], [4.52, 4.8], rtol=1e-6)


def test_schedules_that_only_programs_ask_for(tmp_path):
    lines = """
        import torch
        from torch.optim.lr_scheduler import ExponentialLR, LambdaLR, LRScheduler, MultiStepLR

        for make in (
            lambda o: MultiStepLR(o, [2, 4], gamma=0.5),
            lambda o: ExponentialLR(o, 0.5),
            lambda o: LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
        ):
            optimizer, rates = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0), []
            schedule = make(optimizer)
            assert isinstance(schedule, LRScheduler)
            for _ in range(4):
                rates.append(schedule.get_last_lr()[0])
                optimizer.step()
                schedule.step()
            print(rates)
        p = torch.nn.Parameter(torch.zeros(2))
        p.grad = torch.tensor([3.0, 4.0])
        print(torch.nn.utils.clip_grad_norm_([p], 10.0).item())
    """
    done = as_torch(tmp_path, textwrap.dedent(lines))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "[1.0, 1.0, 0.5, 0.5]",
        "[1.0, 0.5, 0.25, 0.125]",
        "[1.0, 0.5, 0.3333333333333333, 0.25]",
        "5.0",
    ]


def test_an_array_asked_for_a_tensor_s_method_gets_a_hint(tmp_path):
    done = as_torch(tmp_path, "import torch\ntorch.nn.Linear(2, 1).state_dict()['bias'].zero_()\n")
    assert "has no attribute 'zero_'" in done.stderr and "state_dict() holds NumPy's arrays" in done.stderr


def test_a_file_that_is_not_there(tmp_path):
    done = run("-m", "tinytorch.as_torch", tmp_path / "nothing.py")
    assert done.returncode == 1 and "usage" in done.stderr
