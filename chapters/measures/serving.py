"""How many requests a second a service stands, by the rule of MLPerf's server scenario: 99 % within 100 ms.

`python chapters/measures/serving.py --record` takes about twelve minutes and writes serving.json beside this file;
chapter 21 shows it. Requests come by a Poisson process (Reddi et al., 2020). Each rate is tried for some seconds in a
search, the highest that held for 60 more. A rate holds if every request is answered and the 99th percentile, with the
interval that so few requests leave it, is within the limit. Of a text the time to its first token counts.

`python chapters/measures/serving.py --memory 600 --record` keeps a service under load for so many seconds, and adds
what memory it had meanwhile.

The machine should have nothing else to do: what other programs take, the service has not.
"""

import argparse
import asyncio
import gc
import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch import serialization
from tinytorch.environment import machine, manual_seed
from tinytorch.transformers import GPT, TransformerConfig
from tito.serving.live import Batching
from tito.serving.load import Answer, Clients, Running, bisected, p99_interval, poisson, request, running, told
from tito.serving.server import Plan
from tito.serving.training import trained

HERE = Path(__file__)
LIMIT, PROBE, FINAL, STEPS = 0.1, 5.0, 60.0, 6
RATES = {"mlp": (50.0, 3000.0), "cnn": (50.0, 3000.0), "gpt": (1.0, 200.0)}  # where the search looks, a second
ALONE = Batching(most=1, wait=0.0, texts=1)
TOKENS = 50  # of each text


def file_of(kind: str, folder: Path) -> Path:
    """A file with the weights of a model: trained digits, or a GPT as large as milestone 2017's, with random ones."""
    path = folder / f"{kind}.safetensors"
    if kind == "gpt":
        manual_seed(0)
        state = GPT(TransformerConfig.modern(65, context=128)).state_dict()
        serialization.save({**state, "alphabet": np.arange(32, 32 + 65)}, path)
    else:
        serialization.save(trained("digits" if kind == "mlp" else "digits-cnn")[0].state_dict(), path)
    return path


def asked(kind: str, i: int) -> bytes:
    """The i-th request, unlike those before it."""
    rng = np.random.default_rng(i)
    if kind == "gpt":
        prompt = "".join(map(chr, rng.integers(32, 97, 16)))
        return request("/models/gpt/write", {"prompt": prompt, "tokens": TOKENS, "seed": i})
    return request(f"/models/{kind}/read", {"image": rng.random(64).round(3).tolist()})


@contextmanager
def serving(kind: str, batching: Batching) -> Iterator[Running]:
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(folder, files=(str(file_of(kind, Path(folder))),), port=0, batching=batching)
        with running(plan) as service:
            yield service


# -- the highest rate -------------------------------------------------------------------------------------------------


def load(service: Running, kind: str, rate: float, seconds: float) -> list[Answer]:
    """Answers to requests that come with this rate. Python does not look for garbage meanwhile: that would be late."""
    gc.collect()
    gc.disable()
    requests = [asked(kind, i) for i in range(min(500, max(1, round(rate * seconds))))]

    async def run() -> list[Answer]:
        clients = Clients(service.port, patience=10)
        try:
            return await poisson(clients, lambda i: requests[i % 500], rate, seconds, np.random.default_rng(0))
        finally:
            clients.close()
            gc.enable()

    return asyncio.run(run())


def judged(kind: str, answers: list[Answer]) -> dict[str, Any]:
    """The 99th percentile with its interval, in ms, how each was answered, and whether that holds."""
    good = [answer for answer in answers if answer.status == 200]
    seconds = np.array([answer.first if kind == "gpt" else answer.seconds for answer in good])
    low, middle, high = (1e3 * value for value in p99_interval(seconds))
    return {
        "p99": [round(low, 2), round(middle, 2), round(high, 2) if np.isfinite(high) else None],
        "requests": len(answers),
        "answers": {str(key): count for key, count in told(answers).items()},
        "holds": bool(len(good) == len(answers) and (high if np.isfinite(high) else middle) <= 1e3 * LIMIT),
    }


def highest(kind: str, batching: Batching) -> dict[str, Any]:
    """The highest rate that held for 60 seconds, 0 if none did, the lowest that did not hold, and what was tried."""
    tried: list[dict[str, Any]] = []
    with serving(kind, batching) as service:

        def holds(rate: float, seconds: float = PROBE) -> bool:
            found = {"rate": round(rate, 2), "seconds": seconds, **judged(kind, load(service, kind, rate, seconds))}
            tried.append(found)
            print(f"  {kind}, {rate:7.1f} a second: p99 {found['p99']} ms, {found['answers']}", flush=True)
            time.sleep(1)
            return found["holds"]

        holds(RATES[kind][0], 2.0)  # what is slow at first is not counted
        low, high = bisected(holds, *RATES[kind], STEPS)
        while low >= RATES[kind][0]:
            if holds(low, FINAL):
                return {**tried[-1], "fails": round(high, 2), "tried": tried[1:]}
            low, high = 0.93 * low, low
    return {**tried[-1], "rate": 0.0, "fails": round(high, 2), "tried": tried[1:]}


def measured(kind: str) -> dict[str, Any]:
    """A model with batches and without."""
    return {way: highest(kind, batching) for way, batching in (("batched", Batching()), ("alone", ALONE))}


# -- memory -----------------------------------------------------------------------------------------------------------


def memory(seconds: float) -> dict[str, Any]:
    """The memory of a service, in MB, now and then while it is under load: digits and texts."""
    found: dict[str, Any] = {"seconds": [], "mlp": [], "gpt": [], "requests": 0}
    with serving("mlp", Batching()) as digits, serving("gpt", Batching()) as texts:
        began, every = time.monotonic(), max(2.0, seconds / 60)
        while (past := time.monotonic() - began) < seconds:
            answers = [*load(digits, "mlp", 200, every / 2), *load(texts, "gpt", 20, every / 2)]
            found["requests"] += len(answers)
            found["seconds"].append(round(past))
            found["mlp"].append(round(digits.resident() / 1e6, 2))
            found["gpt"].append(round(texts.resident() / 1e6, 2))
            print(f"  {past:5.0f} s: {found['mlp'][-1]} and {found['gpt'][-1]} MB, {told(answers)}", flush=True)
    return found


def keep(found: dict[str, Any]) -> None:
    """Write what was found into serving.json, beside what stands there of other models."""
    path = HERE.with_suffix(".json")
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"models": {}}
    facts = {"date": date.today().isoformat(), "machine": str(machine()), "limit": 1e3 * LIMIT, "tokens": TOKENS}
    models = {**before["models"], **found.pop("models", {})}
    everything = {**before, **facts, **found, "models": {kind: models[kind] for kind in RATES if kind in models}}
    path.write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kinds", nargs="*", default=list(RATES), help=f"which models: {', '.join(RATES)}; all if none")
    parser.add_argument("--memory", type=float, metavar="SECONDS", help="measure memory under load, for so long")
    parser.add_argument("--record", action="store_true", help="keep it for the book")
    options = parser.parse_args()
    kinds = [] if options.memory else options.kinds
    found = [{"memory": memory(options.memory)}] if options.memory else []
    for one in itertools.chain(found, ({"models": {kind: measured(kind)}} for kind in kinds)):
        if options.record:
            keep(one)


if __name__ == "__main__":
    main()
