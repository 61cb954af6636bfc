"""An entry for cpu_speedrun: the baseline itself, to begin from.

`train` gets a text as numbers (N,), of so many characters, and a seed that differs from run to run. It yields a model
whenever it wants to be looked at; the run ends at the first look whose loss is low enough. All of it counts, looks too:
a look shows the model 256 texts of 128 characters, one character of each at a time. A GPT of chapter 13 is read with
the caches of chapter 17. For another model, say reader(model, streams): it returns a function from ids (B,) to scores
(B, V).
"""

import numpy as np

from tinytorch.environment import keep_freed_memory, manual_seed
from tinytorch.optimizers import AdamW, Muon
from tinytorch.tensor import Tensor
from tinytorch.transformers import GPT, TransformerConfig, next_token_loss

CONTEXT, BATCH, STEPS, WARM_UP = 128, 16, 1000, 50
FIRST_LOOK, EVERY = 700, 50  # steps


def train(ids, characters, seed):
    keep_freed_memory()
    manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = GPT(TransformerConfig.modern(characters, context=CONTEXT))
    table = model.head.weight
    small = [p for p in model.others() if p is not table]
    groups = [{"params": small}, {"params": [table], "lr": 0.005}]
    matrices = Muon(model.matrices(), 0.04, weight_decay=0.0)
    optimizers = [matrices, AdamW(groups, 0.02, (0.8, 0.95), weight_decay=0.0)]
    full = [[group["lr"] for group in one.param_groups] for one in optimizers]
    for step in range(STEPS):
        share = min((step + 1) / WARM_UP, 1, 2 * (1 - step / STEPS))
        at = rng.integers(0, len(ids) - CONTEXT, BATCH)[:, None] + np.arange(CONTEXT + 1)
        model.train()
        model.zero_grad()
        next_token_loss(model(Tensor(ids[at[:, :-1]])), Tensor(ids[at[:, 1:]])).backward()
        for one, rates in zip(optimizers, full):
            for group, rate in zip(one.param_groups, rates):
                group["lr"] = rate * share
            one.step()
        if step + 1 >= FIRST_LOOK and (step + 1) % EVERY == 0:
            yield model
