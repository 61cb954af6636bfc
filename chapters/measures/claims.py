"""Claims: what people repeat about these systems, and a function each that measures it.

A function under @claim returns numbers by name; the sentence beside it is the claim. `tito claims` runs each as
`python chapters/measures/claims.py adam`, in a process of its own, and docs/claims.md says what the numbers make of the
sentence. Programs are compared in turns, by CPU time (chapter 19); memory is what arrays take, by tracemalloc.
"""

import contextlib
import io
import itertools
import json
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tinytorch as tt
from tinytorch import nn
from tinytorch.benchmarking import latency, paired_ratio, single_stream, take_turns
from tinytorch.environment import keep_freed_memory, machine

Numbers = dict[str, Any]
claims: dict[str, tuple[str, Callable[[], Numbers]]] = {}
MILESTONES = Path(__file__).parents[1] / "milestones"


def claim(says: str) -> Callable:
    """Register a function under its name, with the sentence that it measures."""

    def register(function: Callable[[], Numbers]) -> Callable[[], Numbers]:
        claims[function.__name__] = (says, function)
        return function

    return register


# -- how it is measured ----------------------------------------------------------------------------------------------


def times_as_long(slow: Callable[[], Any], fast: Callable[[], Any], turns: int = 15, calls: int = 1) -> list[float]:
    """How many times as long slow takes, with its interval; fast is called so often in each turn."""

    def often() -> None:
        for _ in range(calls):
            fast()

    seconds = take_turns({"slow": slow, "fast": often}, time.process_time, np.random.default_rng(0), turns)
    return [calls * number for number in paired_ratio(seconds["slow"], seconds["fast"], np.random.default_rng(1))]


def peak_of(function: Callable[[], Any]) -> int:
    """The most bytes that arrays took while the function ran, above what was there before; it ran once already."""
    function()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    function()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    return peak


def exponent(sizes: list[int], costs: list[float]) -> float:
    """p, where the costs grow with the p-th power of the sizes."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def seconds_of(function: Callable[[], Any], runs: int = 7) -> float:
    """The CPU seconds of one call: the median of some, without those of the first."""
    return latency(single_stream(function, time.process_time, runs, warmup=1)).p50


# -- training ---------------------------------------------------------------------------------------------------------


@claim("Adam holds three times the parameters")
def adam() -> Numbers:
    """Bytes of all that is as large as the weights of a small GPT, and a training step's peak, over its weights."""
    from tinytorch.transformers import GPT, TransformerConfig, next_token_loss

    model = GPT(TransformerConfig(65, context=128, width=256, layers=4, heads=4))
    optimizer = tt.optim.Adam(model.parameters(), lr=1e-3)
    ids = np.random.default_rng(0).integers(0, 65, (8, 129))

    def step() -> None:
        loss = next_token_loss(model(ids[:, :-1]), ids[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    passing = peak_of(step)
    weights = sum(p.nbytes for p in model.parameters())
    gradients = sum(p.grad.nbytes for p in model.parameters())
    averages = sum(x.nbytes for name, x in optimizer.state_dict().items() if name.endswith((".m", ".v")))
    with_averages, with_gradients = weights + averages, weights + averages + gradients
    return {
        "megabytes of weights": weights / 1e6,
        "weights and averages, over weights": with_averages / weights,
        "with gradients": with_gradients / weights,
        "with what a step of 8 sequences needs": (with_averages + passing) / weights,
    }


@claim("Half precision halves memory")
def half() -> Numbers:
    """A file of weights in float16 over one in float32; and how long a product of matrices takes in NumPy's float16."""
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    state = model.state_dict()
    with tempfile.TemporaryDirectory() as folder:
        sizes = []
        for dtype in (np.float32, np.float16):
            path = Path(folder) / "weights.safetensors"
            tt.serialization.save({name: array.astype(dtype) for name, array in state.items()}, path)
            sizes.append(path.stat().st_size)
    single = np.random.default_rng(0).random((128, 128), np.float32)
    halves = single.astype(np.float16)
    rounded = np.abs(halves.astype(np.float32) / single - 1).max()
    return {
        "file over file": sizes[1] / sizes[0],
        "a product takes times as long": times_as_long(lambda: halves @ halves, lambda: single @ single, 7, calls=20),
        "largest relative error of a weight": float(rounded),
    }


# -- growth -----------------------------------------------------------------------------------------------------------


@claim("Attention grows as the square of the length")
def attention() -> Numbers:
    """The powers with which time and memory grow: of attention, of attention in blocks, and of a whole GPT."""
    from tinytorch.attention import blockwise_attention, scaled_dot_product_attention
    from tinytorch.transformers import GPT, TransformerConfig, flops_per_token

    short, long = [64, 128, 256], [512, 1024, 2048]
    draw = np.random.default_rng(0)
    q = {n: tt.Tensor(draw.standard_normal((1, 2, n, 64), np.float32)) for n in long}
    ids = {n: draw.integers(0, 65, (1, n)) for n in short}
    config = TransformerConfig(65, context=2048, width=256, layers=2, heads=4)
    model = GPT(config).eval()
    attend = lambda n: lambda: scaled_dot_product_attention(q[n], q[n], q[n])
    in_blocks = lambda n: lambda: blockwise_attention(q[n], q[n], q[n])
    write = lambda n: lambda: model(ids[n])
    with tt.no_grad():
        return {
            "time of attention": exponent(long, [seconds_of(attend(n)) for n in long]),
            "memory of attention, recorded": exponent(long, [recorded_peak(q[n]) for n in long]),
            "time in blocks": exponent(long, [seconds_of(in_blocks(n)) for n in long]),
            "memory in blocks": exponent(long, [peak_of(in_blocks(n)) for n in long]),
            "time of a GPT of width 256, 64 to 256 places": exponent(short, [seconds_of(write(n)) for n in short]),
            "places at which the square is half of all products": next(
                n for n in range(1, 10**5) if flops_per_token(config, n) >= 2 * flops_per_token(config, 0)
            ),
        }


def recorded_peak(q: tt.Tensor) -> int:
    """The peak of an attention that keeps its weights for the way back."""
    from tinytorch.attention import scaled_dot_product_attention

    x = tt.Tensor(q.data, requires_grad=True)

    def there_and_back() -> None:
        with tt.enable_grad():
            scaled_dot_product_attention(x, x, x).sum().backward()

    return peak_of(there_and_back)


# -- smaller, sooner --------------------------------------------------------------------------------------------------


@claim("A key-value cache makes writing ten times faster")
def cache() -> Numbers:
    """How many times as long a GPT takes to write a text if it reads all of it again for each token; the same text."""
    from tinytorch.memoization import caches_for
    from tinytorch.transformers import GPT, TransformerConfig, generate

    tt.manual_seed(0)
    model = GPT(TransformerConfig(65, context=512, width=128, layers=4, heads=4)).eval()
    texts: dict[bool, list[int]] = {}

    def write(count: int, cached: bool) -> None:
        caches = caches_for(model) if cached else None
        texts[cached] = list(generate(model, [0], count, temperature=0, caches=caches))

    found: Numbers = {}
    for count in (16, 64, 512):
        seconds = {
            cached: seconds_of(lambda c=cached, n=count: write(n, c), 3 - (count > 64)) for cached in (False, True)
        }
        assert texts[True] == texts[False]
        found[f"a text of {count} tokens"] = seconds[False] / seconds[True]
    return found


@claim("int8 takes a quarter of the size")
def eight_bits() -> Numbers:
    """Bytes of weights in int8, and of everything in the file, over those in float32: of an MLP and of a GPT."""
    from tinytorch.quantization import quantize_model, save_quantized
    from tinytorch.transformers import GPT, TransformerConfig

    tt.manual_seed(0)
    draw = np.random.default_rng(0)
    mlp = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    gpt = GPT(TransformerConfig(65, context=128, width=128, layers=4, heads=4)).eval()
    found: Numbers = {}
    for name, model, batch in (
        ("MLP", mlp, tt.Tensor(draw.random((64, 784), np.float32))),
        ("GPT", gpt, draw.integers(0, 65, (4, 128))),
    ):
        small = quantize_model(model, [batch])
        matrices = {n: x for n, x in small.state_dict().items() if x.dtype == np.int8}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            save_quantized(small, path)
            size = path.stat().st_size
        whole = sum(p.nbytes for p in model.parameters())
        found[f"{name}, weights"] = sum(x.nbytes for x in matrices.values()) / sum(
            4 * x.size for x in matrices.values()
        )
        found[f"{name}, the file"] = size / whole
    return found


@claim("70 % of the weights can go")
def pruning() -> Numbers:
    """New digits read right by a wide and by a narrow network: whole, with the smallest 70 % cut, and trained on."""
    from tinytorch.compression import Pruner, magnitude_mask, prunable
    from tinytorch.datasets import digits
    from tinytorch.training import Batches, Trainer, accuracy

    data = digits()

    def trained(model: Any, epochs: int, callbacks: tuple = ()) -> Any:
        optimizer = tt.optim.Adam(model.parameters(), lr=0.002)
        Trainer(model, optimizer, callbacks=callbacks).fit(Batches(data.x_train, data.y_train), epochs)
        return model

    def right(model: Any) -> float:
        with tt.no_grad():
            return float(accuracy(model.eval()(tt.Tensor(data.x_test)), tt.Tensor(data.y_test)))

    found: Numbers = {}
    for name, width in (("wide", 256), ("narrow", 8)):
        tt.manual_seed(70)
        model = trained(nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10)), 20)
        found[f"{name}, whole"] = right(model)
        for p in prunable(model).values():
            p.data[~magnitude_mask(p.data, 0.7)] = 0
        found[f"{name}, cut"] = right(model)
        pruner = Pruner(model, lambda step: 0.7, every=10**9)
        found[f"{name}, cut and trained on"] = right(trained(model, 8, (pruner,)))
    return found


@claim("Checkpointing trades compute for memory")
def checkpointing() -> Numbers:
    """Peak memory and time of a step of 24 layers, computed twice in 4 segments, over those of the plain step."""
    from tinytorch.acceleration import checkpoint_sequential

    tt.manual_seed(0)
    layers = [nn.Sequential(nn.Linear(128, 128), nn.Tanh()) for _ in range(24)]
    whole = nn.Sequential(*layers)
    x = tt.Tensor(np.random.default_rng(0).random((2048, 128), np.float32))

    def plain() -> None:
        whole.zero_grad()
        (whole(x) ** 2).sum().backward()

    def again() -> None:
        whole.zero_grad()
        (checkpoint_sequential(layers, 4, x) ** 2).sum().backward()

    return {
        "peak memory": peak_of(again) / peak_of(plain),
        "time": times_as_long(again, plain, 9),
    }


# -- loops ------------------------------------------------------------------------------------------------------------


@claim("A naive convolution is 100 times slower")
def convolution() -> Numbers:
    """How many times as long loops take as conv2d: over every product, and over places with one product of matrices."""
    found: Numbers = {}
    for channels, size in ((1, 8), (3, 16), (16, 16)):
        draw = np.random.default_rng(0)
        x, weight = (
            draw.random((1, channels, size, size), np.float32),
            draw.random((channels, channels, 3, 3), np.float32),
        )
        shared = tt.Tensor(x), tt.Tensor(weight)
        fast = lambda shared=shared: nn.functional.conv2d(*shared)
        words = f"{channels} channel{'s' * (channels > 1)}, {size} x {size}"
        lists = x.tolist(), weight.tolist()
        np.testing.assert_allclose(by_products(*lists), fast().data, rtol=1e-3)
        np.testing.assert_allclose(by_places(x, weight), fast().data, rtol=1e-3)
        with tt.no_grad():
            found[f"every product, {words}"] = times_as_long(lambda lists=lists: by_products(*lists), fast, 7, calls=20)
            found[f"place by place, {words}"] = times_as_long(lambda x=x, w=weight: by_places(x, w), fast, 7, calls=5)
    return found


def by_products(x: list, weight: list) -> list:
    """A convolution as its definition says it: seven loops over Python's own numbers."""
    places, width = len(x[0][0]) - 2, len(x[0][0][0]) - 2
    result = []
    for image in x:
        maps = []
        for kernel in weight:
            rows = []
            for i in range(places):
                row = []
                for j in range(width):
                    total = 0.0
                    for c, channel in enumerate(kernel):
                        for di in range(3):
                            for dj in range(3):
                                total += image[c][i + di][j + dj] * channel[di][dj]
                    row.append(total)
                rows.append(row)
            maps.append(rows)
        result.append(maps)
    return result


def by_places(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Two loops over the places of the result, with a product of NumPy's in each."""
    z = np.empty((len(x), len(weight), x.shape[2] - 2, x.shape[3] - 2), np.float32)
    flat = weight.reshape(len(weight), -1).T
    for i, j in itertools.product(range(z.shape[2]), range(z.shape[3])):
        z[:, :, i, j] = x[:, :, i : i + 3, j : j + 3].reshape(len(x), -1) @ flat
    return z


@claim("Vectorisation gives 10 to 100 times the speed")
def vectorisation() -> Numbers:
    """How many times as long a loop over a list takes as NumPy: an addition and a dot product, by length."""
    found: Numbers = {}
    for size in (3, 30, 1_000, 100_000):
        x, y = np.random.default_rng(0).random((2, size))
        a, b = x.tolist(), y.tolist()
        calls = max(1, 30_000 // size)
        pairs = {
            "addition": (lambda a=a, b=b: [p + q for p, q in zip(a, b)], lambda x=x, y=y: x + y),
            "dot product": (lambda a=a, b=b: sum(p * q for p, q in zip(a, b)), lambda x=x, y=y: x @ y),
        }
        for name, (loop, vector) in pairs.items():
            looped = lambda loop=loop, calls=calls: [loop() for _ in range(calls)] and None
            ratio = times_as_long(looped, vector, 11, calls=10 * calls)
            found[f"{name} of {size:,}"] = [number / calls for number in ratio]
    return found


# -- inference --------------------------------------------------------------------------------------------------------


@claim("Inference takes less than 100 ms")
def inference() -> Numbers:
    """Milliseconds of a user's wait, on the clock on the wall, at the 50th, 95th and 99th percentile."""
    from tinytorch.transformers import GPT, TransformerConfig

    draw = np.random.default_rng(0)
    small, gpt2 = TransformerConfig(65, context=128), TransformerConfig(50257, 1024, width=768, layers=12, heads=12)
    pooled = lambda a, b, **options: [nn.Conv2d(a, b, 5, **options), nn.Tanh(), nn.AvgPool2d(2)]
    lenet = [*pooled(1, 6, padding=2), *pooled(6, 16), nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 10)]
    image = tt.Tensor(draw.random((1, 1, 28, 28), np.float32))
    asked = {
        "MLP, one image": (nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)), image, 500),
        "LeNet-5, one image": (nn.Sequential(*lenet), image, 500),
        "small GPT, first token after 64": (GPT(small), draw.integers(0, 65, (1, 64)), 200),
        "as large as GPT-2, first token after 64": (GPT(gpt2), draw.integers(0, 50257, (1, 64)), 12),
    }
    found = {}
    for name, (model, x, queries) in asked.items():
        model.eval()
        with tt.no_grad():
            seconds = single_stream(lambda model=model, x=x: model(x), time.perf_counter, queries, warmup=2)
        found[name] = [1000 * number for number in latency(seconds)]
    return found


# -- parts ------------------------------------------------------------------------------------------------------------


@claim("95 % of the parts are shared between vision and language")
def shared() -> Numbers:
    """Of the lines that a GPT enters, the parts that a CNN and a vision transformer enter: by the milestone's cell."""
    from tito.book.cells import cells

    page = (MILESTONES / "2017_gpt.md").read_text(encoding="utf-8")
    cell = next(cell for cell in cells(page) if "def lines(" in cell.source)
    space: dict[str, Any] = {"np": np, "tt": tt, "nn": nn, "sys": sys, "Path": Path}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(cell.source, "2017_gpt.md", "exec"), space)
    used = space["used"]
    parts = {name: len(used["GPT"] & used[name]) / len(used["GPT"]) for name in ("CNN", "ViT")}
    return {
        "lines that a GPT enters": len(used["GPT"]),
        **{f"of them a {name}, too": part for name, part in parts.items()},
    }


if __name__ == "__main__":
    keep_freed_memory()
    tt.manual_seed(0)
    says, function = claims[sys.argv[1]]
    print(json.dumps({"says": says, "numbers": function(), "machine": str(machine())}))
