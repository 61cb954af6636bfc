"""2021: A model in service, in a world that changes.

Sculley et al., 2015, had counted what surrounds a model in production; by now it has a name, MLOps. Digits are read,
day after day. They turn, a sensor begins to rust, another hand writes: nobody says so. A monitor sees it, a candidate
is trained and tried on a part of the traffic, and the service goes on meanwhile.
"""

import inspect
import shutil

import numpy as np

from tinytorch import nn
from tinytorch.datasets import digits
from tinytorch.environment import manual_seed
from tinytorch.mlops import Batcher, Canary, Monitor, Registry, Retraining, lineage
from tinytorch.optimizers import Adam
from tinytorch.tensor import Tensor, no_grad
from tinytorch.training import Batches, Trainer

NEEDS = (
    "environment", "tensor", "activations", "layers", "losses", "autograd", "optimizers", "training",
    "benchmarking", "mlops",
)  # fmt: skip
DAYS, A_DAY, KNOWN, NAME = 60, 300, 2000, "digits"
TURNED, SLANTED = ((np.cos(0.5), np.sin(0.5)), (-np.sin(0.5), np.cos(0.5))), ((1.0, 0.0), (0.7, 1.0))
WORLD = {  # from a day on: what has happened to the digits, where each pixel is looked up, and the grain of the sensor
    0: ("as they were", ((1.0, 0.0), (0.0, 1.0)), 0.0),
    12: ("turned by 29 degrees", TURNED, 0.0),
    28: ("turned, and a rusty sensor", TURNED, 0.25),
    44: ("another hand, another sensor", SLANTED, 0.05),
}


def seen(x: np.ndarray, day: int, rng: np.random.Generator) -> np.ndarray:
    """Digits (n, 64) as they come on a day: each pixel is read where the day's matrix says, between four others."""
    _, matrix, grain = WORLD[max(first for first in WORLD if first <= day)]
    at = np.einsum("ij,jrc->irc", np.array(matrix), np.indices((8, 8)) - 3.5) + 3.5
    low = np.floor(at).astype(int)
    images, out = np.pad(x.reshape(-1, 8, 8), ((0, 0), (8, 8), (8, 8))), np.zeros((len(x), 8, 8))
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        share = np.prod(1 - np.abs(at - low - np.array([down, right])[:, None, None]), axis=0)
        out += share * images[:, low[0] + down + 8, low[1] + right + 8]
    return (out.reshape(-1, 64) + grain * rng.standard_normal((len(x), 64))).astype(np.float32)


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10))


def answers(state, x: np.ndarray) -> np.ndarray:
    """Probabilities (n, 10) of the network that has these weights."""
    model = network()
    model.load_state_dict(state)
    with no_grad():
        return model(Tensor(x)).softmax(dim=-1).data


def train(state, x: np.ndarray, y: np.ndarray, epochs: int = 25):
    """A new state from another one, or from None."""
    model = network()
    if state is not None:
        model.load_state_dict(state)
    Trainer(model, Adam(model.parameters(), lr=3e-3)).fit(Batches(x, y, 32), epochs)
    return {name: array.copy() for name, array in model.state_dict().items()}


def right(state, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return answers(state, x).argmax(axis=1) == y


class Service:
    """What answers, what watches, what repairs. Requests are (key, image); answers say who gave them."""

    def __init__(self, folder, data, rng: np.random.Generator, seed: int):
        self.data, self.rng, self.seed = data, rng, seed
        self.registry = Registry(folder, clock=lambda: float(self.day))
        self.day, self.loaded = 0, dict[int, dict]()
        code = inspect.getsource(train)
        self.retraining = Retraining(self.registry, NAME, train, right, code, canary=lambda: Canary(0.25, 150))
        x, y = self.labelled()
        first = self.registry.register(NAME, train(None, x, y), lineage=lineage({"x": x, "y": y}, code, {"epochs": 25}))
        self.registry.promote(NAME, first, reason="the first one")
        self.watch()

    def labelled(self) -> tuple[np.ndarray, np.ndarray]:
        """Digits of today that somebody has looked at."""
        return seen(self.data.x_train, self.day, self.rng), self.data.y_train

    def sent(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Digits as users send them today, and what they mean."""
        at = self.rng.integers(0, len(self.data.x_test), count)
        return seen(self.data.x_test[at], self.day, self.rng), self.data.y_test[at]

    def state(self, who: str):
        version = self.registry.at(NAME, who)
        if version not in self.loaded:
            self.loaded[version] = self.registry.load(NAME, version)
        return self.loaded[version]

    def watch(self) -> None:
        """A monitor that knows how the live model answers today's digits, none of which it learned from."""
        x, _ = self.sent(KNOWN)
        self.monitor = Monitor(x, answers(self.state("live"), x), A_DAY, seed=self.seed)

    def answer(self, requests: list) -> list:
        """A batch: each request by the live model, or by the canary if its key falls to that."""
        canary = self.retraining.canary
        who = [canary.route(key) if canary else "live" for key, _ in requests]
        x = np.stack([image for _, image in requests])
        given = {one: answers(self.state(one), x) for one in set(who)}
        return [(one, given[one][i]) for i, one in enumerate(who)]

    def one_day(self, batcher: Batcher, frozen) -> dict:
        """Send a day's requests and wait for every answer; then look at them, and repair what has to be."""
        x, y = self.sent(A_DAY)
        asked = [batcher.submit((f"{self.day}.{i}", image), timeout=60) for i, image in enumerate(x)]
        who, p = zip(*(future.result() for future in asked))
        good = np.stack(p).argmax(axis=1) == y
        alarm, before = self.monitor.observe(x, np.stack(p), 0.0), self.registry.live(NAME)
        told = {"right": good.mean(), "unrepaired": right(frozen, x, y).mean(), "answered": len(p), "version": before}
        told["severity"] = max(finding.severity for finding in self.monitor.findings)
        if self.retraining.canary:
            states = [self.retraining.record(*each) for each in zip(who, good) if self.retraining.canary]
            if states[-1] == "promoted":
                self.watch()
        elif alarm:
            told["decision"] = str(self.retraining.drifted(*self.labelled(), f"drift of {told['severity']:.1f}"))
        return told


def run(stage, days: int = DAYS):
    manual_seed(stage.seed)
    shutil.rmtree(stage.folder / "registry", ignore_errors=True)  # of a run that was stopped
    service = Service(
        stage.folder / "registry", digits(test=897, seed=stage.seed), np.random.default_rng(stage.seed), stage.seed
    )
    frozen, told, last = service.registry.load(NAME), list[dict](), {"right": 0.0, "version": 1}
    note = lambda: f"day {service.day}: version {last['version']}, {last['right']:.1%} right"
    with Batcher(service.answer, most=32, wait=0.002, waiting=A_DAY) as batcher:
        for service.day in stage.steps("days", days, note=note):
            last = service.one_day(batcher, frozen)
            told.append(last)
            if "decision" in last:
                stage.say(f"Day {service.day}: alarm. A candidate is trained; {last['decision']}.")
    history = [(change.at, change.version, change.stage, change.reason) for change in service.registry.history(NAME)]
    columns = {name: [one[name] for one in told] for name in ("right", "unrepaired", "severity", "version", "answered")}
    world = [(first, what) for first, (what, _, _) in WORLD.items()]
    return {**columns, "sent": A_DAY * days, "history": history, "world": world, "accuracy": columns["right"][-1]}
