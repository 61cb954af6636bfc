"""Benchmarks: the same lines on TinyTorch and on PyTorch, each in a process of its own.

The names are PyTorch's, so one source serves both: `tt` is whichever framework is asked for. Tokenizers are compared
with Hugging Face's library, whose names are its own. Each benchmark builds what it needs and returns the function to
repeat, with how many operations one call of it counts as.

`tito compare` starts this file as `python chapters/measures/benchmarks.py tinytorch mlp` and talks to it by lines: it
writes how many calls to make, and reads a JSON object with the seconds that they took. Every turn begins anew, so that
all time the same steps: a network that has learned its batches by heart computes with numbers too small to be fast.
"""

import importlib
import importlib.metadata
import itertools
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.datasets import tiny_shakespeare

Benchmark = tuple[Callable[[], Any], int]
SHARES = int(os.environ.get("TINYTORCH_SHARES", "1"))  # among how many threads of its own TinyTorch shares a batch


def mlp(tt: Any) -> Benchmark:
    """A whole training step: MLP 784-128-64-10, batch 64, cross-entropy, Adam."""
    rng = np.random.default_rng(0)
    tt.manual_seed(0)
    nn = tt.nn
    hidden = [nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU()]
    model = nn.Sequential(*hidden, nn.Linear(64, 10))
    optimizer = tt.optim.Adam(model.parameters(), lr=1e-3)
    images, labels = rng.random((16, 64, 784), np.float32), rng.integers(0, 10, (16, 64))
    pairs = [(tt.tensor(x), tt.tensor(y)) for x, y in zip(images, labels)]
    return training_step(tt, model, optimizer, pairs), 1


def training_step(tt: Any, model: Any, optimizer: Any, pairs: list, loss: Any = None) -> Callable[[], None]:
    """Forwards, backwards, and the optimizer's step, on one batch after the other. The usual loss is cross entropy."""
    batches, loss = itertools.cycle(pairs), loss or tt.nn.functional.cross_entropy

    def step() -> None:
        x, y = next(batches)
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()

    return step


def cnn(tt: Any, normalized: bool = False, channels_last: bool = False) -> Benchmark:
    """A whole training step: four 3 x 3 convolutions on 3 x 32 x 32, two poolings, two linear layers, SGD.

    On several threads TinyTorch gives each a part of the batch; PyTorch has its own way.
    """
    rng = np.random.default_rng(0)
    tt.manual_seed(0)
    nn, layers = tt.nn, list[Any]()
    for inputs, outputs in ((3, 32), (32, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1)]
        layers += [nn.BatchNorm2d(outputs)] if normalized else []
        layers += [nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if inputs == outputs else []
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 8 * 8, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = tt.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)
    images, labels = rng.random((4, 64, 3, 32, 32), np.float32), rng.integers(0, 10, (4, 64))
    pairs = [(tt.tensor(x), tt.tensor(y)) for x, y in zip(images, labels)]
    if channels_last and tt.__name__ == "torch":
        model = model.to(memory_format=tt.channels_last)
        pairs = [(x.to(memory_format=tt.channels_last), y) for x, y in pairs]
    if tt.__name__ == "tinytorch" and SHARES > 1:
        from tinytorch.parallel import ParallelTrainer

        trainer, batches = ParallelTrainer(model, optimizer, threads=SHARES), itertools.cycle(pairs)
        return lambda: trainer.step([next(batches)]), 1
    return training_step(tt, model, optimizer, pairs), 1


def cnn_bn(tt: Any) -> Benchmark:
    """The same with BatchNorm after every convolution."""
    return cnn(tt, normalized=True)


def cnn_last(tt: Any) -> Benchmark:
    """The same as cnn, where PyTorch too is told to keep the channels of a pixel together: its other layout."""
    return cnn(tt, channels_last=True)


def gpt(tt: Any) -> Benchmark:
    """A whole training step of a GPT: vocabulary 65, width 128, 4 layers of 4 heads, 16 texts of 128 tokens, AdamW."""
    rng = np.random.default_rng(0)
    tt.manual_seed(0)
    model, loss = (our_gpt if tt.__name__ == "tinytorch" else their_gpt)(tt)
    optimizer = tt.optim.AdamW(model.parameters(), lr=1e-3)
    texts = [tt.tensor(ids) for ids in rng.integers(0, 65, (4, 16, 129))]
    pairs = [(ids[:, :-1], ids[:, 1:]) for ids in texts]
    if tt.__name__ == "tinytorch" and SHARES > 1:
        from tinytorch.parallel import ParallelTrainer

        trainer, batches = ParallelTrainer(model, optimizer, loss, threads=SHARES), itertools.cycle(pairs)
        return lambda: trainer.step([next(batches)]), 1
    return training_step(tt, model, optimizer, pairs, loss), 1


def our_gpt(tt: Any) -> tuple[Any, Callable]:
    """TinyTorch's own GPT, and its loss."""
    from tinytorch.transformers import GPT, TransformerConfig, next_token_loss

    return GPT(TransformerConfig(65)), next_token_loss


def their_gpt(torch: Any, context: int = 128) -> tuple[Any, Callable]:
    """The same network from PyTorch's parts, put together as in nanoGPT, and the loss.

    A cache (2, B, heads, context, width) a block, if given, is written into in place.
    """
    nn, functional = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(128), nn.LayerNorm(128)
            self.qkv, self.out = nn.Linear(128, 3 * 128), nn.Linear(128, 128)
            self.up, self.down = nn.Linear(128, 512), nn.Linear(512, 128)

        def forward(self, x: Any, cache: Any = None, start: int = 0) -> Any:
            q, k, v = (part.unflatten(-1, (4, 32)).transpose(1, 2) for part in self.qkv(self.norm1(x)).split(128, -1))
            if cache is not None:
                end = start + x.shape[1]
                cache[0, :, :, start:end], cache[1, :, :, start:end] = k, v
                k, v = cache[:, :, :, :end]
            z = functional.scaled_dot_product_attention(q, k, v, is_causal=x.shape[1] > 1)
            x = x + self.out(z.transpose(1, 2).flatten(-2))
            return x + self.down(functional.gelu(self.up(self.norm2(x)), approximate="tanh"))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(65, 128), nn.Embedding(context, 128)
            self.blocks, self.norm = nn.ModuleList(Block() for _ in range(4)), nn.LayerNorm(128)

        def forward(self, ids: Any, caches: Any = (None,) * 4, start: int = 0) -> Any:
            x = self.tokens(ids) + self.places.weight[start : start + ids.shape[1]]
            for block, cache in zip(self.blocks, caches):
                x = block(x, cache, start)
            return self.norm(x) @ self.tokens.weight.T

    return GPT(), lambda logits, y: functional.cross_entropy(logits.flatten(0, 1), y.flatten())


def writing(tt: Any) -> Benchmark:
    """A token of 256 that a GPT writes with a cache: vocabulary 65, width 128, 4 layers of 4 heads, one text."""
    tt.manual_seed(0)
    return (our_writer if tt.__name__ == "tinytorch" else their_writer)(tt), 256


def our_writer(tt: Any) -> Callable[[], list[int]]:
    """TinyTorch's GPT, its generate, its cache."""
    from tinytorch.memoization import caches_for
    from tinytorch.transformers import GPT, TransformerConfig, generate

    model = GPT(TransformerConfig(65, context=512)).eval()
    return lambda: list(generate(model, [1, 2, 3, 4], 256, temperature=0, caches=caches_for(model)))


def their_writer(torch: Any) -> Callable[[], list[int]]:
    """PyTorch's, with a cache by hand."""
    model = their_gpt(torch, context=512)[0].eval()

    @torch.inference_mode()
    def write() -> list[int]:
        caches, ids, start, tokens = torch.zeros(4, 2, 1, 4, 512, 32), torch.tensor([[1, 2, 3, 4]]), 0, list[int]()
        for _ in range(256):
            token = int(model(ids, caches, start)[0, -1].argmax())
            tokens.append(token)
            start, ids = start + ids.shape[1], torch.tensor([[token]])
        return tokens

    return write


def embedding(tt: Any) -> Benchmark:
    """2,048 of 1,000 vectors of 128 numbers looked up, there and back."""
    rng = np.random.default_rng(0)
    weight, ids = leaf(tt, 1000, 128), tt.tensor(rng.integers(0, 1000, (16, 128)))
    return there_and_back(tt, lambda: tt.nn.functional.embedding(ids, weight), weight), 1


def layer_norm(tt: Any) -> Benchmark:
    """2,048 rows of 128 numbers normalised, there and back."""
    x, weight, bias = leaf(tt, 16, 128, 128), leaf(tt, 128), leaf(tt, 128)
    return there_and_back(tt, lambda: tt.nn.functional.layer_norm(x, (128,), weight, bias), x, weight, bias), 1


def attention(tt: Any) -> Benchmark:
    """Causal attention of 16 texts of 128 tokens in 4 heads of 32 numbers, there and back."""
    q, k, v = (leaf(tt, 16, 4, 128, 32) for _ in range(3))
    attend = tt.nn.functional.scaled_dot_product_attention
    return there_and_back(tt, lambda: attend(q, k, v, is_causal=True), q, k, v), 1


def cross_entropy(tt: Any) -> Benchmark:
    """The loss of 2,048 predictions among 65 classes, there and back."""
    logits, target = leaf(tt, 2048, 65), tt.tensor(np.random.default_rng(0).integers(0, 65, 2048))
    return there_and_back(tt, lambda: tt.nn.functional.cross_entropy(logits, target), logits), 1


def leaf(tt: Any, *shape: int) -> Any:
    """Normal numbers that ask for a gradient."""
    return tt.tensor(np.random.default_rng(0).standard_normal(shape, np.float32), requires_grad=True)


def there_and_back(tt: Any, function: Callable[[], Any], *leaves: Any) -> Callable[[], None]:
    """Compute, and go back with a gradient of ones to leaves that have none yet."""
    g = tt.ones_like(function())

    def once() -> None:
        for x in leaves:
            x.grad = None
        function().backward(g)

    return once


def add(tt: Any) -> Benchmark:
    """A recorded addition of two tensors of ten elements."""
    x, y = tt.tensor([1.0] * 10, requires_grad=True), tt.tensor([2.0] * 10)

    def adds():
        for _ in range(100):
            x + y

    return adds, 100


def chain(tt: Any) -> Benchmark:
    """An operation forwards and backwards, in a chain of 200 multiplications of ten elements."""
    x, y = tt.tensor([1.0] * 10, requires_grad=True), tt.tensor([1.0] * 10)

    def there_and_back():
        x.grad = None
        z = x
        for _ in range(200):
            z = z * y
        z.sum().backward()

    return there_and_back, 200


def bpe_train(library: Any) -> Benchmark:
    """A thousand merges learned from Tiny Shakespeare, 1.1 MB: byte-level BPE, here or by Hugging Face's tokenizers."""
    text = tiny_shakespeare()
    return lambda: learned(library, text), 1


def learned(library: Any, text: str) -> Any:
    """A tokenizer with 256 bytes and 1,000 merges."""
    if library.__name__ == "tinytorch":
        return library.tokenization.BytePairTokenizer.train(text, 1256)
    level = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.pre_tokenizer = level
    options = {"initial_alphabet": level.alphabet(), "show_progress": False}
    tokenizer.train_from_iterator([text], library.trainers.BpeTrainer(vocab_size=1256, **options))
    return tokenizer


def bpe_encode(library: Any) -> Benchmark:
    """A thousand bytes of the same text encoded, each time by a tokenizer that has seen nothing yet."""
    from tinytorch.tokenization import BytePairTokenizer, to_json

    text = tiny_shakespeare()
    ours = BytePairTokenizer.train(text, 1256)
    file = json.dumps(to_json(ours))

    def encode() -> list[int]:
        if library.__name__ == "tinytorch":
            return BytePairTokenizer(ours.tokens, ours.merges).encode(text)
        return library.Tokenizer.from_str(file).encode(text).ids

    return encode, len(text.encode()) // 1000


steps, parts = (mlp, cnn, cnn_bn, cnn_last, gpt), (embedding, layer_norm, attention, cross_entropy)
every = (*steps, *parts, writing, add, chain, bpe_train, bpe_encode)
benchmarks = {function.__name__: function for function in every}


def peak() -> int:
    """The most memory that this process ever had, in bytes.

    Where Linux tells it for this program alone, that is taken: ru_maxrss also remembers the program that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def version(framework: str) -> str:
    """The installed version; an unpacked source tree may have none."""
    try:
        return importlib.metadata.version(framework)
    except importlib.metadata.PackageNotFoundError:
        return "from source"


def serve(framework: str, name: str) -> None:
    """Repeat a benchmark as often as each line of standard input says, and answer with what it took."""
    from tinytorch.environment import keep_freed_memory

    kept = keep_freed_memory()  # the same setting for both
    tt = importlib.import_module(framework)
    if framework == "torch":
        tt.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    for line in sys.stdin:
        calls, begin = int(line), time.process_time()
        function, operations = benchmarks[name](tt)
        for _ in range(max(calls // 10, 1)):
            function()
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(calls):
            function()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - start
        price = {"wall": wall / calls / operations, "cpu": cpu / calls / operations}
        facts = {"peak": peak(), "spent": time.process_time() - begin, "kept": kept, "version": version(framework)}
        print(json.dumps({**price, **facts}), flush=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
