"""2018: What a network costs is measured, and most of it is saved.

MLPerf begins, and systems are compared by rules: Reddi et al., 2020. Here the networks of 1986, 1998 and 2017, before
and after: fewer weights, Han et al., 2015; whole numbers of eight bits, Jacob et al., 2018; a cache of keys and values.
"""

import copy
import time
from itertools import islice, pairwise
from pathlib import Path

import numpy as np

from tinytorch import nn
from tinytorch.benchmarking import paired_ratio, take_turns
from tinytorch.compression import Pruner, save_sparse, shrink_network
from tinytorch.datasets import DataUnavailable, Split, digits, mnist, tiny_shakespeare
from tinytorch.environment import keep_freed_memory, manual_seed
from tinytorch.losses import cross_entropy
from tinytorch.memoization import caches_for
from tinytorch.optimizers import AdamW
from tinytorch.profiling import Profile
from tinytorch.quantization import quantize_model
from tinytorch.tensor import Tensor, no_grad
from tinytorch.tokenization import CharTokenizer
from tinytorch.training import Batches, Trainer, accuracy
from tinytorch.transformers import GPT, TransformerConfig, generate, next_token_loss

NEEDS = (
    "environment", "tensor", "activations", "layers", "losses", "autograd", "optimizers", "training", "dataloader",
    "convolutions", "tokenization", "embeddings", "attention", "transformers", "profiling", "quantization",
    "compression", "memoization", "benchmarking",
)  # fmt: skip
CONTEXT, WRITTEN, SHARE = 128, 120, 0.5  # places of the GPT, tokens that it writes, and what is pruned
TURNS = 20


def pictures(stage) -> tuple[Split, str]:
    """Handwritten digits (N, 1, H, W): MNIST, or those of the package. And which they are."""
    try:
        d, source = mnist(stage.data, stage.download), "MNIST"
    except DataUnavailable as error:
        stage.say(f"The digits of the package are taken instead. {error}")
        d, source = digits(seed=stage.seed), "the digits"
    x_train, x_test = (x.reshape(len(x), 1, round(x[0].size ** 0.5), -1) for x in (d.x_train, d.x_test))
    return Split(x_train, d.y_train, x_test, d.y_test), source


def text(stage) -> tuple[Split, int, str]:
    """Windows (N, CONTEXT) of Shakespeare and what follows, or of this book; how many characters there are."""
    try:
        whole, source = tiny_shakespeare(stage.data, stage.download), "Tiny Shakespeare"
    except DataUnavailable as error:
        stage.say(f"The book itself is read instead. {error}")
        pages = sorted(Path(__file__).parents[1].glob("[0-9]*.md"))
        whole, source = "".join(page.read_text(encoding="utf-8") for page in pages), "this book"
    tokenizer = CharTokenizer(whole)
    ids = np.array(tokenizer.encode(whole))
    n = (len(ids) - 1) // CONTEXT * CONTEXT
    x, y = ids[:n].reshape(-1, CONTEXT), ids[1 : n + 1].reshape(-1, CONTEXT)
    cut = len(x) * 9 // 10
    return Split(x[:cut], y[:cut], x[cut:], y[cut:]), len(tokenizer), source


def mlp(inputs: int) -> nn.Sequential:
    widths = pairwise((inputs, 256, 128))
    layers = [layer for a, b in widths for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(128, 10))


def cnn(size: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in pairwise((1, 16, 32)):
        layers += [nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * (size // 4) ** 2, 10))


class Subject:
    """A network and its data: how it learns, how good it is, what it does once when its time is taken."""

    def __init__(self, stage, name: str, model: nn.Module, data: Split, rate: float, batch: int):
        self.stage, self.name, self.model, self.data, self.rate, self.batch = stage, name, model, data, rate, batch
        self.writes = isinstance(model, GPT)
        self.loss = next_token_loss if self.writes else cross_entropy

    def learn(self, model: nn.Module, epochs: int, more: str = "", callback=None) -> nn.Module:
        """Train; more: what is told beside the name."""
        optimizer = AdamW(model.parameters(), self.rate)
        trainer = Trainer(model, optimizer, self.loss, metrics={"accuracy": accuracy})
        trainer.callbacks += [callback] if callback else []
        train = Batches(self.data.x_train, self.data.y_train, self.batch, seed=self.stage.seed)
        test = Batches(self.data.x_test, self.data.y_test, 200, shuffle=False)
        self.stage.fit(self.name + more, trainer, train, epochs, test)
        return model.eval()

    def pruned(self) -> nn.Module:
        """Half of its units less, or half of its weights; and trained once more."""
        if not self.writes:
            return self.learn(shrink_network(self.model, SHARE, Tensor(self.data.x_train[:500])), 1, ", pruned")
        model = copy.deepcopy(self.model)
        return self.learn(model, 1, ", pruned", Pruner(model, lambda step: SHARE, every=10**9))

    def eight_bits(self, model: nn.Module) -> nn.Module:
        return quantize_model(model, [self.input(slice(0, 500 if not self.writes else 32))])

    def input(self, which: slice) -> Tensor:
        return Tensor(self.data.x_train[which])

    def quality(self, model: nn.Module) -> float:
        """The share of new images that is right; of new characters that came first."""
        with no_grad():
            right = [
                model(Tensor(x)).data.argmax(axis=-1) == y
                for x, y in zip(np.array_split(self.data.x_test, 20), np.array_split(self.data.y_test, 20))
            ]
        return float(np.concatenate([part.ravel() for part in right]).mean())

    def once(self, model: nn.Module, cached: bool = False):
        """One image classified, or a short text written."""
        if self.writes:
            new = generate(model, [0], WRITTEN, seed=0, caches=caches_for(model) if cached else None)
            return list(islice(new, WRITTEN))
        with no_grad():
            return model(self.input(slice(0, 1)))

    def size(self, model: nn.Module) -> int:
        """Bytes of its file, zeros left out."""
        path = self.stage.folder / "weighed.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_sparse(model.state_dict(), path)
        return path.stat().st_size

    def profile(self) -> dict:
        """What one pass takes: operations, and the share of the time of the three that take most."""
        with Profile() as profile:
            self.once(self.model)
        rows = sorted(profile.by_operation().values(), key=lambda row: -row.own)
        total = sum(row.own for row in rows)
        return {"flops": sum(row.flops for row in rows), "most": {row.name: row.own / total for row in rows[:3]}}


def compared(subject: Subject, models: dict[str, tuple[nn.Module, bool]]) -> dict:
    """Size, quality and CPU seconds of each variant, and its time over that of the first, turn by turn."""
    rng, repeats = np.random.default_rng(subject.stage.seed), 1 if subject.writes else 20

    def work(model: nn.Module, cached: bool):
        return lambda: [subject.once(model, cached) for _ in range(repeats)]

    with subject.stage.timed(f"{subject.name}, benchmark"):
        calls = {name: work(*one) for name, one in models.items()}
        seconds = take_turns(calls, time.process_time, rng, TURNS)
    first = next(iter(models))
    return {
        name: {
            "bytes": subject.size(model), "quality": subject.quality(model),
            "seconds": float(np.median(seconds[name])) / repeats,
            "ratio": list(paired_ratio(seconds[name], seconds[first], rng)),
        }
        for name, (model, _) in models.items()
    }  # fmt: skip


def examined(subject: Subject, epochs: int) -> dict:
    """Train, profile, prune, quantize, cache, and compare all of it."""
    subject.learn(subject.model, epochs)
    profile = subject.profile()
    pruned = subject.pruned()
    variants = {
        "before": (subject.model, False),
        "pruned": (pruned, False),
        "int8": (subject.eight_bits(subject.model), False),
        **({"cached": (subject.model, True)} if subject.writes else {}),
        "after": (subject.eight_bits(pruned), subject.writes),
    }
    table = compared(subject, variants)
    for name, one in table.items():
        subject.stage.say(
            f"{subject.name}, {name}: {one['bytes'] / 1e3:.0f} kB, {one['quality']:.1%} right, "
            f"{1e3 * one['seconds']:.2f} ms, {one['ratio'][0]:.2f} times the time"
        )
    return {"profile": profile, "weights": sum(p.numel() for p in subject.model.parameters()), "table": table}


def run(stage, epochs: int = 2, texts: int | None = None):
    keep_freed_memory()
    manual_seed(stage.seed)
    images, of_images = pictures(stage)
    words, characters, of_text = text(stage)
    words = Split(words.x_train[:texts], words.y_train[:texts], words.x_test[:texts], words.y_test[:texts])
    size = images.x_train.shape[-1]
    sizes = {"context": CONTEXT, "width": 96, "layers": 2, "heads": 4}
    gpt = GPT(TransformerConfig.modern(characters, **sizes, zero_outputs=False))
    subjects = [
        Subject(stage, "mlp", mlp(size * size), images, 1e-3, 64),
        Subject(stage, "cnn", cnn(size), images, 2e-3, 64),
        Subject(stage, "gpt", gpt, words, 3e-3, 16),
    ]
    measured: dict = {one.name: examined(one, epochs) for one in subjects}
    about = {"images": of_images, "text": of_text, "written": WRITTEN, "share": SHARE, "turns": TURNS, "epochs": epochs}
    return {**measured, **about, "accuracy": measured["cnn"]["table"]["after"]["quality"]}
