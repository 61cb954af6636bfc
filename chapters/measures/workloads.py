"""Workloads: for each chapter a small program that does what the chapter is about, for profiles and benchmarks.

A workload is named as its chapter's module. It builds what it needs, seeded, and returns the function to repeat; the
number beside it says how often, for a few seconds on one core. Each kind of work is a function of its own, because a
profile is read by functions. `tito profile 05` runs one under a profiler, and once without.
"""

import itertools
import json
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks import peak

import tinytorch as tt
from tinytorch import nn
from tinytorch.datasets import digits
from tinytorch.environment import machine
from tinytorch.tensor import observers

Step = Callable[[], Any]
workloads: dict[str, tuple[Callable[[], Step], int]] = {}


def workload(times: int) -> Callable:
    """Register a workload under its name, with how often a profile repeats its step."""

    def register(build: Callable[[], Step]) -> Callable[[], Step]:
        workloads[build.__name__] = (build, times)
        return build

    return register


def run(name: str) -> None:
    """Build a workload and repeat its step as often as a profile does."""
    build, times = workloads[name]
    tt.manual_seed(0)
    step = build()
    for _ in range(times):
        step()


def measure(name: str) -> dict[str, Any]:
    """What a workload takes when nobody profiles it: CPU seconds and bytes, and the primitives' parts of a step.

    The primitives are timed at their seam, by an observer, in a shorter second run.
    """
    build, times = workloads[name]
    before, start = peak(), time.process_time()
    run(name)
    facts = {"seconds": time.process_time() - start, "peak": peak(), "before": before}
    by_hand = five_lines_by_hand() if build is five else {}
    words = {"what": build.__doc__, "machine": str(machine())}
    return {**facts, **words, "times": times, "by_hand": by_hand, "primitives": at_the_seam(name)}


def at_the_seam(name: str) -> list[dict[str, Any]]:
    """Each primitive and each rule: its share of the time, and the bytes of new arrays that it returns in a step."""
    build, times = workloads[name]
    seconds: Counter[str] = Counter()
    nbytes: Counter[str] = Counter()

    def observer(name: str, taken: float, arrays: list, result: Any) -> None:
        seconds[name] += taken
        new = [z for z in (result if isinstance(result, tuple) else [result]) if isinstance(z, np.ndarray)]
        nbytes[name] += sum(z.nbytes for z in new if z.base is None)

    tt.manual_seed(0)
    step = build()
    observers.append(observer)
    repeats, start = max(times // 5, 1), time.perf_counter()
    for _ in range(repeats):
        step()
    whole = time.perf_counter() - start
    observers.remove(observer)
    return [
        {"name": name, "share": taken / whole, "made": nbytes[name] / repeats} for name, taken in seconds.most_common()
    ]


# -- 01: which known digit is nearest? -----------------------------------------------------------------------------


@workload(times=150)
def tensor() -> Step:
    """Nearest neighbours among the digits, twice: by broadcasting differences and by one matrix product."""
    data = digits()
    known, asked = tt.Tensor(data.x_train), tt.Tensor(data.x_test)

    def step():
        return by_broadcasting(asked, known), by_product(asked, known)

    return step


def by_broadcasting(asked: tt.Tensor, known: tt.Tensor, block: int = 20) -> list[tt.Tensor]:
    """The nearest of known to each asked: every difference is formed, in blocks of rows."""
    nearest = []
    for start in range(0, len(asked), block):
        difference = asked[start : start + block].unsqueeze(1) - known
        nearest.append((difference * difference).sum(dim=2).argmin(dim=1))
    return nearest


def by_product(asked: tt.Tensor, known: tt.Tensor) -> tt.Tensor:
    """The same: |x - y|^2 = |x|^2 - 2 x.y + |y|^2, and |x|^2 does not matter for which y is nearest."""
    return ((known * known).sum(dim=1) - 2 * (asked @ known.T)).argmin(dim=1)


# -- 02: one block of numbers through every activation -------------------------------------------------------------


@workload(times=1200)
def activations() -> Step:
    """Every activation on the same 100,000 numbers; softmax over rows of ten, as a classifier has them."""
    numbers = tt.randn(10_000, 10)
    functional = nn.functional
    names = ["relu", "leaky_relu", "sigmoid", "tanh", "softplus", "silu", "gelu", "softmax", "log_softmax"]

    def step():
        for name in names:
            getattr(functional, name)(numbers)

    return step


# -- 03: a wide network reads digits -------------------------------------------------------------------------------


@workload(times=1200)
def layers() -> Step:
    """The wide network in training mode, dropout and all, on a batch of digits; then its state, out and in."""
    model = nn.Sequential(
        nn.Linear(64, 1024), nn.ReLU(), nn.Dropout(0.5), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10)
    )
    images = tt.Tensor(digits().x_train[:128])

    def step():
        with tt.no_grad():
            model(images)
        model.load_state_dict(model.state_dict())

    return step


# -- 04: how wrong, over a large vocabulary ------------------------------------------------------------------------


@workload(times=250)
def losses() -> Step:
    """Cross-entropy over 10,000 classes, by indices and by a one-hot matrix; then a regression's two losses."""
    logits, target = tt.randn(256, 10_000), tt.randint(0, 10_000, (256,))
    guess, truth = tt.randn(1000, 1000), tt.randn(1000, 1000)

    def step():
        nn.functional.cross_entropy(logits, target)
        with_one_hot(logits, target)
        nn.functional.mse_loss(guess, truth)
        nn.functional.l1_loss(guess, truth)

    return step


def with_one_hot(logits: tt.Tensor, target: tt.Tensor) -> tt.Tensor:
    """Cross-entropy by multiplying with a matrix of zeros and ones."""
    one_hot = np.zeros(logits.shape, np.float32)
    one_hot[np.arange(len(target)), target.data] = 1
    return -(nn.functional.log_softmax(logits) * one_hot).sum(dim=1).mean()


# -- 05: a step downhill by hand -----------------------------------------------------------------------------------


@workload(times=6000)
def autograd() -> Step:
    """Forwards, backwards, and a step against the gradient: digits in batches of 128, two hidden layers of 256."""
    data = digits()
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
    batches = cycle(data.x_train, data.y_train, 128)

    def step():
        x, y = next(batches)
        loss = nn.functional.cross_entropy(model(x), y)
        model.zero_grad()
        loss.backward()
        downhill(model, 0.3)

    return step


def downhill(model: nn.Module, rate: float) -> None:
    """Move every weight a little against its slope."""
    with tt.no_grad():
        for weight in model.parameters():
            weight -= rate * weight.grad


def cycle(x: np.ndarray, y: np.ndarray, size: int) -> itertools.cycle:
    """Whole batches of x and y, in order, over and over."""
    starts = range(0, len(x) - size + 1, size)
    return itertools.cycle([(tt.Tensor(x[at : at + size]), tt.Tensor(y[at : at + size])) for at in starts])


# -- 06: the optimizer's share of a step ---------------------------------------------------------------------------


@workload(times=2500)
def optimizers() -> Step:
    """A whole training step with Adam: the network for MNIST, 109,386 weights, a batch of 64 random images."""
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = tt.optim.Adam(model.parameters(), lr=1e-3)
    x, y = tt.Tensor(rng.random((64, 784), np.float32)), tt.Tensor(rng.integers(0, 10, 64))

    def step():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


# -- 07: a training run --------------------------------------------------------------------------------------------


@workload(times=120)
def training() -> Step:
    """Three epochs of the digits with everything a run has: clipping, a schedule, evaluation, checkpoints."""
    from tinytorch.training import Batches, Trainer, accuracy

    data = digits()
    folder = tempfile.TemporaryDirectory(prefix="workload-")

    def step():
        model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
        optimizer = tt.optim.AdamW(model.parameters(), lr=3e-3)
        schedule = tt.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=3 * 45)
        trainer = Trainer(model, optimizer, schedule=schedule, clip=1.0, metrics={"accuracy": accuracy})
        test = Batches(data.x_test, data.y_test, size=360, shuffle=False)
        checkpoint = Path(folder.name) / "run.safetensors"
        trainer.fit(Batches(data.x_train, data.y_train), 3, validation=test, checkpoint=checkpoint)
        return trainer

    return step


# -- 08: images out of files and arrays, changed and learned from --------------------------------------------------


@workload(times=80)
def dataloader() -> Step:
    """An epoch over 1,437 images as bytes and one over 64 compressed files: cropped, normalised, a step for a batch."""
    from tinytorch.dataloader import Compose, DataLoader, TensorDataset, crop, normalize
    from tinytorch.training import Trainer

    data = digits()
    images = (255 * data.x_train).astype(np.uint8).reshape(-1, 1, 8, 8)
    change = Compose([partial(crop, padding=1), partial(normalize, mean=[0.3], std=[0.38])])
    packed = [packed_scan(image) for image in images[:64]]
    files = list(zip(packed, data.y_train))
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    trainer = Trainer(model, tt.optim.Adam(model.parameters(), lr=1e-3))
    options: dict[str, Any] = {"shuffle": True, "transform": change}
    from_arrays = DataLoader(TensorDataset(images, data.y_train), 32, **options)
    from_files = DataLoader(files, 32, collate_fn=unpacked_batch, **options)

    def step():
        for batch in itertools.chain(from_arrays, from_files):
            trainer.step([batch])

    return step


def packed_scan(image: np.ndarray) -> bytes:
    """A digit as a large scan on grainy paper, compressed."""
    grain = np.random.default_rng(0).integers(0, 16, (256, 256)).astype(np.uint8)
    ink = np.kron(image[0] // 17 * 15, np.ones((32, 32), np.uint8))
    return zlib.compress(ink + grain, 1)


def unpacked_batch(examples: list[tuple[bytes, int]]) -> Any:
    """Files and labels as a batch: every file unpacked, shrunk, and stacked."""
    from tinytorch.dataloader import collate

    return collate([(shrunk(unpacked(file)), label) for file, label in examples])


def unpacked(file: bytes) -> np.ndarray:
    """The pixels in a file."""
    return np.frombuffer(zlib.decompress(file), np.uint8)


def shrunk(pixels: np.ndarray) -> np.ndarray:
    """A scan's pixels, averaged over squares: (1, 8, 8)."""
    return pixels.reshape(1, 8, 32, 8, 32).mean(axis=(2, 4), dtype=np.float32).astype(np.uint8)


# -- 09: a convolutional network on images -----------------------------------------------------------------------------


@workload(times=20)
def convolutions() -> Step:
    """A training step of four convolutions with BatchNorm, ReLU and pooling: 64 random images of 3 x 32 x 32."""

    def block(channels: int, filters: int) -> list[nn.Module]:
        return [nn.Conv2d(channels, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()]

    rng = np.random.default_rng(0)
    first, second = [*block(3, 32), *block(32, 32)], [*block(32, 64), *block(64, 64)]
    model = nn.Sequential(*first, nn.MaxPool2d(2), *second, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64 * 8 * 8, 10))
    optimizer = tt.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x = tt.Tensor(rng.standard_normal((64, 3, 32, 32), np.float32))
    y = tt.Tensor(rng.integers(0, 10, 64))

    def step():
        loss = there(model, x, y)
        back(optimizer, loss)
        optimizer.step()
        return loss

    return step


def there(model: nn.Module, x: tt.Tensor, y: tt.Tensor) -> tt.Tensor:
    """Forwards, to the loss."""
    return nn.functional.cross_entropy(model(x), y)


def back(optimizer: tt.optim.Optimizer, loss: tt.Tensor) -> None:
    """Backwards, to the gradients."""
    optimizer.zero_grad()
    loss.backward()


# -- 10: merges learned from a text, and the text encoded with them -------------------------------------------------


@workload(times=15)
def tokenization() -> Step:
    """500 merges learned from Python's own reference texts, and these encoded by a tokenizer that has seen nothing."""
    from pydoc_data import topics

    from tinytorch.tokenization import BytePairTokenizer

    text = "".join(topics.topics.values())

    def step():
        return BytePairTokenizer.train(text, 256 + 500).encode(text)

    return step


# -- 11: vectors for words -----------------------------------------------------------------------------------------


@workload(times=500)
def embeddings() -> Step:
    """A step of word2vec, 5,000 words of 64 numbers, 512 pairs with 5 negatives: with a graph and Adam, and by hand."""
    from tinytorch.embeddings import SkipGram

    rng = np.random.default_rng(0)
    model = SkipGram(5000, 64)
    optimizer = tt.optim.Adam(model.parameters(), lr=1e-3)
    center, context = (table.weight.data.copy() for table in (model.center, model.context))
    pairs, negatives = rng.integers(0, 5000, (512, 2)), rng.integers(0, 5000, (512, 5))

    def step():
        with_a_graph(model, optimizer, pairs, negatives)
        by_hand(center, context, pairs, negatives)

    return step


def with_a_graph(model: nn.Module, optimizer: tt.optim.Optimizer, pairs: np.ndarray, negatives: np.ndarray) -> None:
    """Forwards, backwards, and Adam, which moves every row."""
    loss = model(pairs, negatives)
    back(optimizer, loss)
    optimizer.step()


def by_hand(center: np.ndarray, context: np.ndarray, pairs: np.ndarray, negatives: np.ndarray) -> None:
    """The rows that are named move, and no others."""
    from tinytorch.embeddings import skip_gram_step

    skip_gram_step(center, context, pairs, negatives, lr=1e-3)


# -- 12: attention with its linear layers ------------------------------------------------------------------------------


@workload(times=120)
def attention() -> Step:
    """A training step of MultiHeadAttention(128, heads=4), causal: 8 random sequences of 256 places."""
    from tinytorch.attention import MultiHeadAttention

    rng = np.random.default_rng(0)
    model = MultiHeadAttention(128, heads=4)
    optimizer = tt.optim.AdamW(model.parameters(), lr=0.001)
    x, y = (tt.Tensor(rng.standard_normal((8, 256, 128), np.float32)) for _ in range(2))

    def step():
        loss = nn.functional.mse_loss(model(x, is_causal=True), y)
        back(optimizer, loss)
        optimizer.step()
        return loss

    return step


# -- 13: a small GPT -----------------------------------------------------------------------------------------------


@workload(times=40)
def transformers() -> Step:
    """A training step of a GPT of four blocks, 128 wide, by AdamW: 4 random sequences of 128 tokens out of 65."""
    from tinytorch.transformers import GPT, TransformerConfig, next_token_loss

    model = GPT(TransformerConfig(65, context=128))
    optimizer = tt.optim.AdamW(model.parameters(), lr=0.001)
    ids = np.random.default_rng(0).integers(0, 65, (4, 129))

    def step():
        loss = next_token_loss(model(ids[:, :-1]), ids[:, 1:])
        back(optimizer, loss)
        optimizer.step()
        return loss

    return step


# -- 14: a profile of a small network ------------------------------------------------------------------------------


@workload(times=300)
def profiling() -> Step:
    """A training step of a small convolutional network on 128 digits inside a profile, and the tables of it."""
    from tinytorch.profiling import Profile

    data = digits()
    hidden = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    model = nn.Sequential(*hidden, nn.Flatten(), nn.Linear(32 * 16, 10))
    optimizer = tt.optim.Adam(model.parameters(), lr=0.001)
    batches = cycle(data.x_train.reshape(-1, 1, 8, 8), data.y_train, 128)

    def step():
        x, y = next(batches)
        with Profile() as profile:
            back(optimizer, there(model, x, y))
            with profile.region("optimizer"):
                optimizer.step()
        return read_through(profile)

    return step


def read_through(profile: Any) -> list[str]:
    """The tables of a profile, and its flame."""
    return [profile.table(), profile.module_table(), profile.flame()]


# -- 16: a small network learns from a large one, and is pruned while it learns ------------------------------------


@workload(times=700)
def compression() -> Step:
    """A step of a student of 64-128-10, taught by 64-256-256-10; masks are chosen at every tenth step."""
    from tinytorch.compression import Distiller, Pruner

    data = digits()
    teacher = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
    student = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = tt.optim.Adam(student.parameters(), lr=1e-3)
    distiller, pruner = Distiller(student, optimizer, teacher=teacher), Pruner(student, lambda step: 0.9, every=10)
    batches = cycle(data.x_train, data.y_train, 128)

    def step():
        loss = distiller.step([next(batches)])
        pruner(distiller)
        return loss

    return step


# -- 19: what is made of measured times ------------------------------------------------------------------------------


@workload(times=25)
def benchmarking() -> Step:
    """Of 400 times: the medians of two programs and of their ratio, a trend, and the rate that a server keeps."""
    from tinytorch.benchmarking import median_interval, paired_ratio, sustained_rate, trend

    rng = np.random.default_rng(0)
    ours, theirs = rng.lognormal(0, 0.1, (2, 400))

    def step():
        for seconds in (ours, theirs):
            median_interval(seconds, rng)
        paired_ratio(ours, theirs, rng)
        trend(ours)
        return sustained_rate(theirs, 10.0, rng)

    return step


# -- 20: what an entry's measured rows are made into -----------------------------------------------------------------


@workload(times=20)
def olympics() -> Step:
    """The score of an entry to the MLP sprint: 300 turns of each kind, 10,000 answers; then a limit and a front."""
    from tinytorch.olympics import EVENTS, keeps_limit, pareto_front, score_entry

    rng = np.random.default_rng(0)
    rows = rng.lognormal(0, 0.1, (4, 300))
    wrong = (rng.random((2, 10_000)) < 0.02).astype(float)
    ours, theirs = (
        {"latency": rows[i], "throughput": rows[2 + i], "memory": 1e5 + i, "size": 2e4 + i, "losses": wrong[i]}
        for i in range(2)
    )
    latencies, costs = rng.exponential(1.0, 20_000), rng.random((100, 3))

    def step():
        keeps_limit(latencies, 5.0)
        pareto_front(costs)
        return score_entry(EVENTS["mlp_sprint"], ours, theirs, rng)

    return step


# -- 18: a step in little memory ---------------------------------------------------------------------------------------


@workload(times=60)
def acceleration() -> Step:
    """A step of eight linear layers with GELU, 128 wide, in 3 checkpointed segments; 512 rows, 4,096 classes."""
    from tinytorch.acceleration import checkpoint_sequential, fused_cross_entropy

    layers = [part for _ in range(8) for part in (nn.Linear(128, 128), nn.GELU())]
    head = nn.Linear(128, 4096, bias=False)
    optimizer = tt.optim.SGD([*nn.Sequential(*layers).parameters(), *head.parameters()], lr=0.01)
    rng = np.random.default_rng(0)
    x, y = tt.Tensor(rng.standard_normal((512, 128), np.float32)), rng.integers(0, 4096, 512)

    def step():
        loss = fused_cross_entropy(checkpoint_sequential(layers, 3, x), head.weight, y)
        back(optimizer, loss)
        optimizer.step()
        return loss

    return step


# -- 15: a network of whole numbers --------------------------------------------------------------------------------


@workload(times=40)
def quantization() -> Step:
    """An int8 network, a convolution and two linear layers, on 64 random images of 28 x 28 pixels."""
    from tinytorch.quantization import quantize_model

    half = nn.MaxPool2d(2)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), half, nn.Flatten(),
        nn.Linear(8 * 14 * 14, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    x = tt.rand(64, 1, 28, 28)
    small = quantize_model(model, [x])

    def step():
        with tt.no_grad():
            return small(x)

    return step


# -- 17: writing with a cache ------------------------------------------------------------------------------------------


@workload(times=8)
def memoization() -> Step:
    """200 tokens written by a GPT of four blocks, 128 wide, one by one, with a cache of keys and values."""
    from tinytorch.memoization import caches_for
    from tinytorch.transformers import GPT, TransformerConfig, generate

    model = GPT(TransformerConfig(65, context=256)).eval()
    return lambda: list(generate(model, [1, 2, 3, 4], 200, seed=0, caches=caches_for(model)))


# -- 21: a monitor, and a gate ---------------------------------------------------------------------------------------


@workload(times=600)
def mlops() -> Step:
    """A monitor's window of 200 digits, in batches of 20, with three tests; and a gate for 400 answers."""
    from tinytorch.mlops import Monitor, promotion_gate

    rng, images = np.random.default_rng(0), digits().x_train.reshape(-1, 64)
    answers = rng.dirichlet(np.ones(10), len(images))
    monitor = Monitor(images[:1000], answers[:1000], size=200)
    candidate, live = rng.random((2, 400)) < 0.8

    def step():
        for start in range(1000, 1200, 20):
            monitor.observe(images[start : start + 20], answers[start : start + 20], 0.001)
        return promotion_gate(candidate, live)

    return step


# -- five lines, to see whom a profiler charges --------------------------------------------------------------------


@workload(times=1)
def five() -> Step:
    """Two products, a threshold, an exponential and a sum, written one below the other."""
    return five_lines


def five_factors() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = (256, 512), (512, 512), (512, 256)
    x, v, w = (rng.normal(0, 0.05, shape).astype(np.float32) for shape in shapes)
    return x, v, w


def five_lines(times: int = 2000) -> None:
    """Five operations; a profiler says how long each line took."""
    x, v, w = five_factors()
    for _ in range(times):
        a = x @ v
        b = np.maximum(a, 0)
        c = b @ w
        d = np.exp(c)
        d.sum()


def five_lines_by_hand(times: int = 500) -> dict[str, float]:
    """The same lines with a clock read after each: every line's share of the time."""
    x, v, w = five_factors()
    clock, taken = time.perf_counter, np.zeros(5)
    for _ in range(times):
        t0 = clock()
        a = x @ v
        t1 = clock()
        b = np.maximum(a, 0)
        t2 = clock()
        c = b @ w
        t3 = clock()
        d = np.exp(c)
        t4 = clock()
        d.sum()
        taken += np.diff([t0, t1, t2, t3, t4, clock()])
    names = ("a = x @ v", "b = np.maximum(a, 0)", "c = b @ w", "d = np.exp(c)", "d.sum()")
    return dict(zip(names, (taken / taken.sum()).tolist()))


if __name__ == "__main__":
    if sys.argv[1] == "--measure":
        print(json.dumps(measure(sys.argv[2])))
    else:
        run(sys.argv[1])
