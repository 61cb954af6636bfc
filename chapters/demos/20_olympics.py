"""A race: who is first, who is right, and what counts.

All answer the same fresh digits. Who answers too few rightly has no score, however fast. Reddi et al., 2020.
"""

import time
from dataclasses import replace
from functools import partial

import numpy as np
from drawing import INKS, lines
from rich.text import Text

from tinytorch.layers import Linear, ReLU, Sequential
from tinytorch.olympics import EVENTS, TASKS, draw, predict, race, score_entry, source_of, train_baseline

TURNS, TRACK, EVENT = 120, 56, EVENTS["speed"]


def narrow(rng) -> Sequential:
    """64-24-10 with relu, where the baseline is 64-128-64-10."""
    return Sequential(Linear(64, 24, rng=rng), ReLU(), Linear(24, 10, rng=rng))


def tracks(found: dict[str, dict], share: float):
    """How far each runner has come, by its median time, when the first has come this share of the way to the end."""
    typical = {name: np.median(each["latency"]) for name, each in found.items()}
    rows = []
    for (name, seconds), ink in zip(typical.items(), INKS):
        at = round(share * TRACK * min(typical.values()) / seconds)
        rows.append(Text(f"{name:16}").append("·" * at + "●", ink).append(" " * (TRACK - at) + "|"))
    return lines(rows)


def frames(stage):
    part, rng = source_of(EVENT), np.random.default_rng(stage.seed)
    yield lines(["On your marks."]), "Two networks learn to read digits, one of them narrow ...", 0.1
    whole = train_baseline(EVENT, part.learn, stage.seed)
    small = train_baseline(replace(EVENT, baseline=narrow), part.learn, stage.seed)
    runners = {
        "baseline": partial(predict, EVENT, whole),
        "baseline again": partial(predict, EVENT, whole),
        "narrow": partial(predict, EVENT, small),
        "guesser": lambda x: np.eye(10)[[3] * len(x)],
    }
    found: dict[str, dict] = {name: {"latency": [], "losses": []} for name in runners}
    for turn in range(1, TURNS + 1):
        fresh = partial(draw, EVENT, part.held, rng, 8)
        for name, heat in race(runners, fresh, TASKS[EVENT.task].losses, time.perf_counter, rng, turns=1).items():
            found[name]["latency"] += [*heat.seconds]
            found[name]["losses"] += [*heat.losses]
        yield tracks(found, turn / TURNS), f"Turn {turn} of {TURNS} ...", 0.03
    board = [tracks(found, 1), "", f"{EVENT.title}; needs {EVENT.gate}", ""]
    for name in runners:
        made = score_entry(EVENT, found[name], found["baseline"], rng)
        said = f"{made.ratios['latency']} of the time" if made.passed else "the gate stays shut"
        board.append(f"{name:16}{made.quality:6.1%} right   {said:36}score {made.total:.2f}")
        yield lines(board), f"{name} is judged ...", 0.45
    yield lines(board), "A score is 1 over the end of the interval that lies nearer to 1; without the gate it is 0.", 2
