"""Batches prefetched: the next is read while this one teaches.

A batch takes 80 ms to come from a slow disk, and 80 ms to learn from. Time goes to the right; a digit is the batch.
"""

import time

from drawing import BLUE, ORANGE, lines
from rich.text import Text

from tinytorch.dataloader import DataLoader, TensorDataset
from tinytorch.datasets import digits
from tinytorch.environment import manual_seed
from tinytorch.layers import Linear, ReLU, Sequential
from tinytorch.optimizers import Adam
from tinytorch.training import Trainer

COUNT, SIZE, WAIT, WIDE, COLUMN = 10, 128, 0.08, 66, 0.028  # COLUMN is in seconds, as WAIT is


class SlowDisk(TensorDataset):
    """A dataset whose batches take WAIT to come; `spans` has when each began and ended."""

    def batch(self, at):
        start = time.perf_counter()
        time.sleep(WAIT)
        found = super().batch(at)
        self.spans.append((start, time.perf_counter()))
        return found


def lane(name: str, spans: list, start: float, ink: str) -> Text:
    """A line of time, in which the n-th span is written in the last digit of n."""
    row = [" "] * WIDE
    for n, span in enumerate(spans):
        first, last = (round((moment - start) / COLUMN) for moment in span)
        for k in range(first, min(last, WIDE)):
            row[k] = str(n % 10)
    return Text(f"{name:9}").append("".join(row), ink)


def frames(stage):
    manual_seed(stage.seed)
    data = SlowDisk(*digits(test=1797 - COUNT * SIZE)[:2])
    model = Sequential(Linear(64, 128), ReLU(), Linear(128, 10))
    trainer, above, seconds = Trainer(model, Adam(model.parameters())), [], []
    for ahead in (0, 2):
        data.spans, learned, start = [], [], time.perf_counter()
        for batch in DataLoader(data, SIZE, prefetch=ahead):
            before = time.perf_counter()
            while time.perf_counter() < before + WAIT:
                trainer.step([batch])
            learned.append((before, time.perf_counter()))
            lanes = lane("reading", list(data.spans), start, BLUE), lane("learning", learned, start, ORANGE)
            yield lines([*above, f"{ahead} batches ahead", *lanes]), f"Batch {len(learned)} of {COUNT} ...", 0
        seconds.append(learned[-1][1] - start)
        above += [f"{ahead} batches ahead", *lanes, f"{'':9}{COUNT} batches in {seconds[-1]:.2f} s", ""]
    said = f"Reading ahead takes {seconds[1] / seconds[0]:.0%} of the time. Learning alone would take half of it."
    yield lines(above), said, 2
