"""2017: Attention writes.

Attention reverses what it reads: Vaswani et al., 2017. A GPT learns Shakespeare's letters, once by the recipe of GPT-2,
Radford et al., 2019, once by that of 2025: Muon, Jordan et al., 2024, and each part of it taken out.
"""

import math
import re
import time
from functools import partial
from pathlib import Path

import numpy as np

from tinytorch import nn
from tinytorch.attention import attention_scores, attention_weights, causal_mask, masked
from tinytorch.datasets import DataUnavailable, tiny_shakespeare
from tinytorch.environment import keep_freed_memory, manual_seed
from tinytorch.losses import cross_entropy
from tinytorch.optimizers import Adam, AdamW, Muon
from tinytorch.parallel import ParallelTrainer, Shared
from tinytorch.tensor import Tensor, no_grad
from tinytorch.tokenization import CharTokenizer
from tinytorch.training import Trainer
from tinytorch.transformers import GPT, TransformerConfig, generate, next_token_loss

NEEDS = (
    "environment", "tensor", "activations", "layers", "losses", "autograd", "optimizers", "training", "dataloader",
    "convolutions", "tokenization", "embeddings", "attention", "transformers",
)  # fmt: skip
PRESETS = ("standard", "quick", "long", "parts")
CONTEXT, BATCH, WARM_UP, LOOKS = 128, 16, 50, 10
SEEDS = 3  # of each network of the preset parts

# What each preset trains, and for how many seconds of a core: of the process's clock, so that others do no harm.
PARTS: dict[str, dict] = {
    "layer norm": {"norm": "layer"},
    "learned positions": {"positions": "learned"},
    "free queries and keys": {"normalized_qk": False},
    "gelu": {"activation": "gelu"},
    "outputs not zero": {"zero_outputs": False},
    "tied head": {"tied": True},
    "no soft cap": {"soft_cap": None},
    "AdamW alone": {},
}
PLANS = {
    "standard": {"classic": 300, "modern": 300},
    "quick": {"classic": 60, "modern": 60},
    "long": {"modern": 900},
    "parts": dict.fromkeys(["modern", *PARTS], 60),
}

# -- attention proves itself ------------------------------------------------------------------------------------------

SYMBOLS, LENGTH = 10, 12  # a sequence of so many digits, a mark, and the answer


def puzzles(rng: np.random.Generator, task: str, count: int):
    """Inputs (count, 2 LENGTH), and targets: -100, not judged, to the mark; then the sequence or its mirror image."""
    x = rng.integers(0, SYMBOLS, (count, LENGTH))
    answer = x[:, ::-1] if task == "reversal" else x
    whole = np.concatenate([x, np.full((count, 1), SYMBOLS), answer], axis=1)
    targets = whole[:, 1:].copy()
    targets[:, :LENGTH] = -100
    return whole[:, :-1], targets


class Nothing(nn.Module):
    """What stands in for attention: each place hears nothing of the others."""

    def forward(self, x, *_):
        return x * 0


def solve(stage, task: str, steps: int, attends: bool = True) -> dict:
    """Train on puzzles; the share of new answers' digits that are right, and who looked where."""
    manual_seed(stage.seed)
    model = GPT(TransformerConfig(SYMBOLS + 1, context=2 * LENGTH, width=64, layers=2, heads=2))
    if not attends:
        for block in model.transformer.blocks:
            block.attention = Nothing()
    name = task if attends else f"{task}, deaf"
    rng, curve = np.random.default_rng(stage.seed), []
    trainer = Trainer(model, Adam(model.parameters(), 3e-3), next_token_loss, clip=1.0)
    x, y = puzzles(np.random.default_rng([stage.seed, 1]), task, 1000)
    for step in stage.steps(name, steps, note=lambda: f"{curve[-1]:.1%} right" if curve else ""):
        trainer.step([tuple(map(Tensor, puzzles(rng, task, 64)))])
        if (step + 1) % (steps // 10) == 0:
            with no_grad():
                right = model(x).data.argmax(axis=-1) == y
            curve.append(right[y != -100].mean())
    maps = heads(model, x[0]) if attends else []
    return {
        "accuracy": curve[-1], "whole": right[y != -100].reshape(len(x), -1).all(axis=1).mean(), "curve": curve,
        "steps": steps, "symbols": SYMBOLS, "length": LENGTH, "example": x[0], "maps": [hexed(one) for one in maps],
    }  # fmt: skip


def heads(model: GPT, ids: np.ndarray) -> np.ndarray:
    """Where each head of each block looks, while ids (T,) are read: (L heads, T, T)."""
    found = []
    with no_grad():
        x = model.tokens(ids[None])
        x = x if model.transformer.positions is None else model.transformer.positions(x)
        for block in model.transformer.blocks:
            q, k, _ = block.attention.project(*[block.norm1(x)] * 3)
            scores = attention_scores(block.prepare(q, 0), block.prepare(k, 0))
            found.append(attention_weights(masked(scores, causal_mask(len(ids), len(ids)))).data[0])
            x = block(x, is_causal=True)
    return np.concatenate(found)


def hexed(x: np.ndarray) -> str:
    """Numbers of 0..1 as bytes, in hexadecimal digits."""
    return (255 * x).astype(np.uint8).tobytes().hex()


# -- two recipes ------------------------------------------------------------------------------------------------------


class Together:
    """Several optimizers, as one."""

    def __init__(self, *members):
        self.members = members
        self.param_groups = [group for one in members for group in one.param_groups]

    def step(self):
        for one in self.members:
            one.step()

    def zero_grad(self):
        for one in self.members:
            one.zero_grad()

    def state_dict(self):
        return {f"{i}.{name}": x for i, one in enumerate(self.members) for name, x in one.state_dict().items()}

    def load_state_dict(self, state):
        for i, one in enumerate(self.members):
            own = {name: x for name, x in state.items() if name.startswith(f"{i}.")}
            one.load_state_dict({name.partition(".")[2]: x for name, x in own.items()})


def recipe(name: str, vocabulary: int):
    """A model, its optimizer, and the largest norm of its gradient."""
    if name == "classic":
        model = GPT(TransformerConfig(vocabulary, CONTEXT))
        return model, Together(AdamW(model.parameters(), 2e-3, (0.9, 0.95), weight_decay=0.1)), 1.0
    model = GPT(TransformerConfig.modern(vocabulary, context=CONTEXT, **PARTS.get(name, {})))
    if model.head is None:
        model.tokens.weight.data *= 0.02  # as a head, the table has to begin small
    table = model.tokens.weight if model.head is None else model.head.weight
    others = [p for p in model.others() if p is not table]
    small = AdamW([{"params": others}, {"params": [table], "lr": 0.005}], 0.02, (0.8, 0.95), weight_decay=0.0)
    if name == "AdamW alone":
        return model, Together(AdamW(model.matrices(), 3e-3, (0.9, 0.95), weight_decay=0.0), small), None
    return model, Together(Muon(model.matrices(), 0.04, weight_decay=0.0), small), None


def rate(step: int, progress: float) -> float:
    """The share of the full rate: it rises over WARM_UP steps, stays, and falls to nothing over the second half."""
    return min((step + 1) / WARM_UP, 1, 2 * (1 - progress))


def windows(ids: np.ndarray):
    """Inputs and targets (N, CONTEXT), side by side, as many as the text holds."""
    n = (len(ids) - 1) // CONTEXT * CONTEXT
    return ids[:n].reshape(-1, CONTEXT), ids[1 : n + 1].reshape(-1, CONTEXT)


def judged(model: GPT, x: np.ndarray, y: np.ndarray):
    """The mean loss of each window (N,), in nats per character; the share of characters that came first of all."""
    losses, right = [], 0
    model.eval()
    with no_grad():
        for some in np.array_split(np.arange(len(x)), math.ceil(len(x) / 64)):
            logits = Shared(model, 2)(Tensor(x[some]))
            rows = cross_entropy(logits.reshape(-1, logits.shape[-1]), y[some].ravel(), reduction="none")
            losses.append(rows.data.reshape(y[some].shape).mean(axis=1))
            right += (logits.data.argmax(axis=-1) == y[some]).sum()
    model.train()
    return np.concatenate(losses), right / y.size


def learn(stage, name: str, texts: tuple, tokenizer: CharTokenizer, seconds: float, steps: int = 0, again: int = 0):
    """Train by a recipe for so many seconds of a core, or so many steps: the model, what was measured, its losses.

    Each time that it is trained again it has another seed.
    """
    seed = stage.seed + again
    manual_seed(seed)
    model, optimizer, clip = recipe(name, len(tokenizer))
    name += f", seed {seed}" if again else ""
    trainer = ParallelTrainer(model, optimizer, next_token_loss, clip=clip)
    # Seconds of steps alone, and a running mean of the loss. The trainer keeps them, and its history, in checkpoints.
    trainer.running = {"cpu": 0.0, "wall": 0.0, "loss": math.log(len(tokenizer))}
    full = [group["lr"] for group in optimizer.param_groups]
    path = going_on(stage, name, trainer)
    train, (x, y) = texts[0], windows(texts[1])

    def progress() -> float:
        return trainer.steps / steps if steps else trainer.running["cpu"] / seconds

    def look() -> None:
        val = judged(model, x[::4], y[::4])[0].mean()
        piece = "".join(written(model, tokenizer, "\n", 80, seed))
        trainer.history.append({**trainer.running, "steps": trainer.steps, "val_loss": float(val), "sample": piece})
        stage.say(f"{name}, {progress():.0%}: {val:.3f} nats a character. {' '.join(piece.split())}")
        trainer.save(path)

    for _ in stage.until(name, progress, lambda: f"{trainer.steps} steps, loss {trainer.running['loss']:.2f}"):
        spent, cpu, wall = trainer.running, time.process_time(), time.perf_counter()
        for group, lr in zip(optimizer.param_groups, full):
            group["lr"] = lr * rate(trainer.steps, progress())
        starts = np.random.default_rng([seed, trainer.steps]).integers(0, len(train) - CONTEXT, BATCH)
        at = starts[:, None] + np.arange(CONTEXT)
        loss = trainer.step([(Tensor(train[at]), Tensor(train[at + 1]))])
        trainer.steps += 1
        spent["loss"] += (loss - spent["loss"]) * max(0.02, 1 / trainer.steps)
        spent["cpu"] += time.process_time() - cpu
        spent["wall"] += time.perf_counter() - wall
        if progress() * LOOKS >= len(trainer.history) + 1:
            look()
        elif stage.stopping:
            trainer.save(path)
    losses, right = judged(model, x, y)
    stage.say(f"{name}: {losses.mean():.3f} nats a character of new text, after {trainer.steps} steps.")
    return model, {
        "loss": losses.mean(), "error": losses.std() / math.sqrt(len(losses)), "accuracy": right,
        "weights": sum(p.numel() for p in model.parameters()), "steps": trainer.steps, "curve": trainer.history,
    }, losses  # fmt: skip


def going_on(stage, name: str, trainer: Trainer):
    """Load the checkpoint of a training, if it has one; where it stands."""
    path = stage.folder / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        try:
            trainer.load(path)
            stage.say(f"{name}: going on after step {trainer.steps}.")
        except ValueError as error:
            stage.say(f"{name}: starting over, because the checkpoint does not fit: {error}")
    return path


# -- what it writes ---------------------------------------------------------------------------------------------------


def written(model: GPT, tokenizer: CharTokenizer, prompt: str, count: int, seed: int):
    """The characters that follow a prompt, one by one."""
    model.eval()
    for token in generate(model, tokenizer.encode(prompt), count, seed=seed):
        yield tokenizer.decode([token])
    model.train()


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower())


def known(text: str, vocabulary: set[str]) -> dict:
    """How many words of a text there are, and how many of them are in a vocabulary."""
    found = words(text)
    return {"words": len(found), "known": sum(word in vocabulary for word in found)}


def bigrams(train: np.ndarray, test: np.ndarray, tokenizer: CharTokenizer, count: int, rng: np.random.Generator):
    """What counting pairs of letters comes to: its loss on new text, and a text that it writes."""
    pairs = np.ones((len(tokenizer), len(tokenizer)))  # as if each had been seen once: none is impossible
    np.add.at(pairs, (train[:-1], train[1:]), 1)
    p = pairs / pairs.sum(axis=1, keepdims=True)
    ids = [int(train[0])]
    for u in rng.random(count):
        ids.append(int((p[ids[-1]].cumsum() < u).sum()))
    return -np.log(p[test[:-1], test[1:]]).mean(), tokenizer.decode(ids)


def interest(maps: np.ndarray, ids: np.ndarray, spaces: np.ndarray) -> dict:
    """The mean weight that each of maps (H, T, T) has on the letter before, on spaces, on what followed this letter."""
    at = np.arange(len(ids))
    followed = np.zeros((len(ids), len(ids)), bool)
    followed[:, 1:] = ids[:, None] == ids[:-1]
    kinds = {"before": at[:, None] - 1 == at, "space": np.broadcast_to(spaces, followed.shape), "followed": followed}
    even = np.tri(len(ids)) / (at[:, None] + 1)  # who looks at all alike
    return {
        kind: {"heads": (maps * where).sum(axis=(1, 2)) / len(ids), "even": (even * where).sum() / len(ids)}
        for kind, where in kinds.items()
    }


def gaze(model: GPT, ids: np.ndarray, tokenizer: CharTokenizer, shown: int = 40) -> dict:
    """Of each kind of interest the head that has most of it, and where it looks in the first letters."""
    maps = heads(model, ids)
    found = interest(maps, ids, np.isin(ids, tokenizer.encode(" \n")))
    for one in found.values():
        one["best"] = int(np.argmax(one["heads"]))
        one["map"] = hexed(maps[one["best"], :shown, :shown])
    return {"text": tokenizer.decode(ids[:shown]), "heads": maps.shape[0], **found}


# -- and answers ------------------------------------------------------------------------------------------------------


def speak(stage, prompt: str = "", chat: bool = False, count: int = 1000):
    """Go on with a prompt; or answer line by line, as the persons of a play do. By the modern model of the last run."""
    arrays = stage.kept("modern")
    tokenizer = CharTokenizer(map(chr, arrays.pop("alphabet")))
    model = recipe("modern", len(tokenizer))[0]
    model.load_state_dict(arrays)
    heard = "" if chat else prompt or "\n"
    for turn in range(10**6 if chat else 1):
        line = stage.ask("you: ") if chat else ""
        if line is None:
            return
        heard += f"YOU:\n{line}\n\n" if chat else ""
        try:
            ids = tokenizer.encode(heard)[-CONTEXT:]
        except ValueError as error:
            stage.say(str(error))
            heard = ""
            continue
        for piece in written(model, tokenizer, tokenizer.decode(ids), count, stage.seed + turn):
            heard += piece
            stage.console.print(piece, end="", markup=False)
            if chat and heard.endswith("\n\n"):
                break
        stage.say("")


# -- the run ----------------------------------------------------------------------------------------------------------


def corpus(stage) -> tuple[str, str]:
    """Shakespeare; where that is neither here nor to be had, the prose of this book. And which it is."""
    try:
        return tiny_shakespeare(stage.data, stage.download), "Tiny Shakespeare"
    except DataUnavailable as error:
        stage.say(f"The book itself is read instead. {error}")
        pages = sorted(Path(__file__).parents[1].glob("[0-9]*.md"))
        return "".join(page.read_text(encoding="utf-8") for page in pages), "this book"


def compare(measured: dict, losses: dict) -> None:
    """What each part taken out costs, seed by seed: its loss, less that of the whole network from the same seed."""
    means = {name: np.array([each.mean() for each in found]) for name, found in losses.items()}
    for name, found in means.items():
        measured[name] |= {"losses": found, "more": found - means["modern"]}


def run(stage, preset: str = "standard", steps: int = 0, count: int = 2000):
    keep_freed_memory()
    puzzle = partial(solve, stage, steps=steps or 100)
    measured: dict = {"puzzles": {
        "copying": puzzle("copying"), "reversal": puzzle("reversal"), "deaf": puzzle("reversal", attends=False),
    }}  # fmt: skip
    text, source = corpus(stage)
    cut = len(text) * 9 // 10
    tokenizer = CharTokenizer(text)
    train, test = (np.array(tokenizer.encode(part)) for part in (text[:cut], text[cut:]))
    measured |= {"source": source, "characters": {"train": len(train), "test": len(test), "kinds": len(tokenizer)}}
    vocabulary = set(words(text[:cut]))
    loss, babble = bigrams(train, test, tokenizer, 20_000, np.random.default_rng(stage.seed))
    measured |= {"bigrams": {"loss": loss, "text": babble[:300], **known(babble, vocabulary)}}
    measured["fresh"] = known(text[cut:], vocabulary)
    losses = {}
    for name, seconds in PLANS[preset].items():
        learning = partial(learn, stage, name, (train, test), tokenizer, seconds, steps)
        model, measured[name], first = learning()
        losses[name] = [first]
        if preset == "parts":
            losses[name] += [learning(again)[2] for again in range(1, SEEDS)]
            continue
        stage.keep(name, {**model.state_dict(), "alphabet": np.array(list(map(ord, tokenizer.characters)))})
        pieces = []
        for piece in written(model, tokenizer, "\n", count, stage.seed):
            pieces.append(piece)
            stage.console.print(piece, end="", markup=False)
        stage.say("")
        measured[name] |= {"text": "".join(pieces), **known("".join(pieces), vocabulary)}
        measured[name]["gaze"] = gaze(model, test[:CONTEXT], tokenizer)
    if preset == "parts":
        compare(measured, losses)
    return {**measured, "seconds": dict(PLANS[preset]), "accuracy": measured["modern"]["accuracy"]}
