"""Text appears: a transformer learns to write.

What milestone 2017 trained writes, if it is here. Else a small GPT reads Shakespeare, if he is here, or this book.
"""

from itertools import accumulate
from pathlib import Path

import numpy as np
from drawing import paragraphs, plot
from rich.console import Group

from tinytorch.datasets import TINY_SHAKESPEARE, tiny_shakespeare
from tinytorch.environment import manual_seed
from tinytorch.optimizers import AdamW
from tinytorch.tokenization import CharTokenizer
from tinytorch.training import Trainer
from tinytorch.transformers import GPT, TransformerConfig, generate, next_token_loss

STEPS, BATCH, CONTEXT, LOOKS = 240, 12, 48, (1, 80, 240)


def written(model, tokenizer, count: int, seed: int):
    """What a model writes, letter by letter: all of it so far."""
    tokens = generate(model, tokenizer.encode("\n"), count, temperature=0.8, seed=seed)
    return (paragraphs(text, most=17) for text in accumulate(tokenizer.decode([token]) for token in tokens))


def learning(model, tokenizer, text: str, seed: int):
    """Train for STEPS steps; what the model writes before, on the way and at the end."""
    trainer = Trainer(model, AdamW(model.parameters(), betas=(0.9, 0.95)), next_token_loss, clip=1.0)
    ids, rng, losses = np.array(tokenizer.encode(text)), np.random.default_rng(seed), []
    for step in range(1, STEPS + 1):
        trainer.optimizer.param_groups[0]["lr"] = 5e-3 * min(step / 20, 1, 2 - 2 * step / STEPS)
        starts = rng.integers(0, len(ids) - CONTEXT, (BATCH, 1)) + np.arange(CONTEXT)
        losses.append(trainer.step([(ids[starts], ids[starts + 1])]))
        curve = plot({"the loss of each step": (range(step), losses)}, (0, STEPS), (1.5, 5), 60, 6)
        said = f"Step {step}: the loss is {np.mean(losses[-20:]):.2f}."
        for page in written(model, tokenizer, 120, seed) if step in LOOKS else ():
            yield Group(curve, "", page), said, 0.01
        yield Group(curve, "", page), said, 1.2 if step in LOOKS else 0


def frames(stage):
    manual_seed(stage.seed)
    if arrays := stage.kept("modern"):
        tokenizer = CharTokenizer(map(chr, arrays.pop("alphabet")))
        model = GPT(TransformerConfig.modern(len(tokenizer), context=128))
        model.load_state_dict(arrays)
    else:
        pages = [page.read_text("utf-8") for page in sorted(Path(__file__).parents[1].glob("[0-9]*.md"))]
        prose = "\n".join(line for line in "\n".join(pages).split("\n") if line[:1].isupper())
        text = tiny_shakespeare(stage.data) if (stage.data / TINY_SHAKESPEARE.path).is_file() else prose
        tokenizer = CharTokenizer(text)
        model = GPT(TransformerConfig(len(tokenizer), CONTEXT, 64, layers=2, heads=4, positions="rotary"))
        yield from learning(model, tokenizer, text, stage.seed)
    for page in written(model, tokenizer, 320, stage.seed):
        yield page, "It writes ...", 0.01
    yield page, "Written letter by letter, each drawn from what the model expects there.", 2
