"""Torch Olympics: events, entries that are raced against a baseline, and scores that chance hardly changes.

Notation: an entry answers inputs x (n, ...) with an array, one answer a row; y (n, ...) are the right ones; losses (n,)
say how wrong each answer is. A ratio is ours over the baseline's, so that less is better; a gain is about 1 over it.
Clocks, generators and data are arguments: nothing here reads a file, starts a process, or looks at the time by itself.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from tinytorch import datasets
from tinytorch.activations import log_softmax
from tinytorch.benchmarking import Clock, Estimate, as_sample, paired_ratio, percentile
from tinytorch.convolutions import AvgPool2d, Conv2d
from tinytorch.layers import Flatten, Linear, Module, ReLU, Sequential
from tinytorch.losses import cross_entropy
from tinytorch.optimizers import AdamW, LRScheduler
from tinytorch.tensor import Tensor, no_grad
from tinytorch.transformers import GPT, TransformerConfig, next_token_loss

# -- gates ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gate:
    """The quality that an entry needs: a metric of at least, or at most, a limit. Raises ValueError for both, or none.

    >>> print(Gate("accuracy", at_least=0.9), "and", Gate("nats", at_most=1.6))
    accuracy at least 0.9 and nats at most 1.6
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(f"a gate has one limit, got at_least {self.at_least} and at_most {self.at_most}")

    def passes(self, quality: float) -> bool:
        """Whether a quality reaches the limit or equals it. NaN and infinity never do.

        >>> gate = Gate("nats", at_most=1.6)
        >>> gate.passes(1.6), gate.passes(1.7), gate.passes(float("nan")), gate.passes(float("-inf"))
        (True, False, False, False)
        """
        # Only a finite number passes: math.isfinite. One of self.at_least and self.at_most is None; the other may be 0.
        least = -math.inf if self.at_least is None else self.at_least
        most = math.inf if self.at_most is None else self.at_most
        return bool(math.isfinite(quality) and least <= quality <= most)

    def __str__(self) -> str:
        bound = f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"
        return f"{self.metric} {bound}"


# -- data ----------------------------------------------------------------------------------------------------------


class Examples(NamedTuple):
    """Inputs and right answers, one a row."""

    x: np.ndarray
    y: np.ndarray


class Source(NamedTuple):
    """What an entry may learn from, and what it never sees before it is judged. Fresh inputs are drawn from either."""

    learn: Any
    held: Any


def digits_source(root: Any = None, progress: Any = None) -> Source:
    """The digits of the package, x (n, 64): those that chapter 03's split holds out are held."""
    x_train, y_train, x_test, y_test = datasets.digits()
    return Source(Examples(x_train, y_train), Examples(x_test, y_test))


def images_source(root: Any = None, progress: Any = None) -> Source:
    """The digits as images, x (n, 1, 8, 8)."""
    return Source(*(Examples(x.reshape(-1, 1, 8, 8), y) for x, y in digits_source()))


def cifar10_source(root: Any = None, progress: Any = None) -> Source:
    """CIFAR-10, x (n, 3, 32, 32) as bytes; its 10,000 test images are held."""
    x_train, y_train, x_test, y_test = datasets.cifar10(root, progress)
    return Source(Examples(x_train, y_train), Examples(x_test, y_test))


def text_source(root: Any = None, progress: Any = None) -> Source:
    """Tiny Shakespeare as numbers of its 65 characters, in their order; the last tenth is held."""
    text = datasets.tiny_shakespeare(root, progress)
    number = {character: i for i, character in enumerate(sorted(set(text)))}
    ids = np.array([number[character] for character in text])
    return Source(ids[: len(ids) * 9 // 10], ids[len(ids) * 9 // 10 :])


def puzzle_source(root: Any = None, progress: Any = None) -> Source:
    """No data: puzzles are made when they are drawn."""
    return Source(None, None)


def noisy_images(part: Examples, rng: np.random.Generator, count: int) -> Examples:
    """Random images of a part, each with its own contrast and noise: float32, about 0..1."""
    at = rng.integers(0, len(part.x), count)
    x = part.x[at].astype(np.float32) / np.float32(255 if part.x.dtype == np.uint8 else 1)
    contrast = rng.uniform(0.8, 1.0, (count,) + (1,) * (x.ndim - 1)).astype(np.float32)
    return Examples(x * contrast + rng.normal(0, 0.03, x.shape).astype(np.float32), part.y[at])


WINDOW = 128  # characters that an entry reads before it predicts one


def windows(ids: np.ndarray, rng: np.random.Generator, count: int) -> Examples:
    """WINDOW characters from random places of a text, x (count, WINDOW), and the one that follows each, y (count,)."""
    at = rng.integers(0, len(ids) - WINDOW, count)[:, None] + np.arange(WINDOW + 1)
    return Examples(ids[at][:, :-1], ids[at][:, -1])


DIGITS = 8  # digits of a puzzle
DISCIPLINES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "copy": lambda x: x,
    "reverse": lambda x: x[:, ::-1],
    "sort": lambda x: np.sort(x, axis=1),
    "sort downwards": lambda x: np.sort(x, axis=1)[:, ::-1],
    "turn left": lambda x: np.roll(x, -1, axis=1),
    "turn right": lambda x: np.roll(x, 1, axis=1),
    "exchange halves": lambda x: np.roll(x, DIGITS // 2, axis=1),
    "exchange neighbours": lambda x: x.reshape(-1, DIGITS // 2, 2)[:, :, ::-1].reshape(-1, DIGITS),
    "add one": lambda x: (x + 1) % 10,
    "largest so far": lambda x: np.maximum.accumulate(x, axis=1),
}
MARK = 10 + len(DISCIPLINES)  # the token after which the answer stands


def puzzles(part: None, rng: np.random.Generator, count: int) -> Examples:
    """Prompts (count, DIGITS + 2), and answers (count, DIGITS): a discipline's token, some digits, the MARK.

    Digits are the tokens 0 to 9, the k-th of the DISCIPLINES is the token 10 + k.
    """
    which, x = rng.integers(0, len(DISCIPLINES), count), rng.integers(0, 10, (count, DIGITS))
    solved = np.stack([solve(x) for solve in DISCIPLINES.values()])  # (disciplines, count, DIGITS)
    prompts = np.concatenate([10 + which[:, None], x, np.full((count, 1), MARK)], axis=1)
    return Examples(prompts, solved[which, np.arange(count)])


# -- tasks ---------------------------------------------------------------------------------------------------------


def classify(model: Module, x: np.ndarray) -> np.ndarray:
    """A score for each class: (n, ...) -> (n, classes)."""
    return model(Tensor(x)).data


def continue_text(model: Any, x: np.ndarray) -> np.ndarray:
    """A score for each character that could follow: (n, T) -> (n, V). It never shows a model what it is asked for."""
    return model(x[:, -model.config.context :]).data[:, -1]


def solve_puzzles(model: Module, x: np.ndarray) -> np.ndarray:
    """The likeliest tokens, one after the other, all computed again for each: (n, DIGITS + 2) -> (n, DIGITS)."""
    ids = x
    for _ in range(DIGITS):
        ids = np.concatenate([ids, model(ids).data[:, -1].argmax(axis=1)[:, None]], axis=1)
    return ids[:, x.shape[1] :]


def check_answers(answers: np.ndarray, rows: int, axes: int) -> None:
    """Raise ValueError, saying what was given, unless answers are numbers, with so many axes and one row for each."""
    if answers.ndim != axes or len(answers) != rows or answers.dtype.kind not in "fiu" or not answers.size:
        raise ValueError(f"{rows} answers of {axes} axes are needed, got {answers.dtype} of shape {answers.shape}")


def class_mistakes(answers: Any, y: np.ndarray) -> np.ndarray:
    """1 unless the right class alone has the highest score, and all are finite: (n, classes), (n,) -> (n,).

    >>> class_mistakes(np.array([[0.1, 0.9], [0.5, 0.5], [np.nan, 9.0]]), np.array([1, 0, 1])).tolist()
    [0.0, 1.0, 1.0]
    """
    answers = np.asarray(answers)
    check_answers(answers, len(y), axes=2)
    best = answers == answers.max(axis=1, keepdims=True)
    right = np.isfinite(answers).all(axis=1) & (best.sum(axis=1) == 1) & (answers.argmax(axis=1) == y)
    return 1.0 - right


def nats(answers: Any, y: np.ndarray) -> np.ndarray:
    """-ln p[y], with p the softmax of the scores; infinity where a score is not finite: (n, V), (n,) -> (n,).

    The judge normalises, so that no answer can give probabilities that sum to more than 1.

    >>> nats(np.array([[0.0, 0.0], [0.0, np.nan]]), np.array([1, 0])).round(3).tolist()
    [0.693, inf]
    """
    answers = np.asarray(answers)
    check_answers(answers, len(y), axes=2)
    finite = np.isfinite(answers).all(axis=1)
    told = log_softmax(Tensor(np.where(finite[:, None], answers, 0).astype(np.float64))).data
    return np.where(finite, -told[np.arange(len(y)), y], np.inf)


def puzzle_mistakes(answers: Any, y: np.ndarray) -> np.ndarray:
    """1 where any token is not the right one: (n, DIGITS), (n, DIGITS) -> (n,).

    >>> puzzle_mistakes(np.array([[1, 2], [1, 3]]), np.array([[1, 2], [1, 2]])).tolist()
    [0.0, 1.0]
    """
    answers = np.asarray(answers)
    check_answers(answers, len(y), axes=2)
    if answers.shape != y.shape:
        raise ValueError(f"answers of shape {y.shape} are needed, got {answers.shape}")
    return (answers != y).any(axis=1).astype(np.float64)


class Task(NamedTuple):
    """How a model of ours answers, how wrong its answers are, what it learns from, and how its mistakes compare."""

    answer: Callable[[Any, np.ndarray], np.ndarray]
    losses: Callable[[Any, np.ndarray], np.ndarray]
    loss: Callable[[Any, Examples], Tensor]
    metric: str  # "accuracy", the share of right answers, or "nats"


def class_loss(model: Module, batch: Examples) -> Tensor:
    """The cross entropy of a batch."""
    return cross_entropy(model(Tensor(batch.x)), batch.y)


def text_loss(model: Any, batch: Examples) -> Tensor:
    """The nats of the last characters, as many as the context holds."""
    whole = np.concatenate([batch.x, batch.y[:, None]], axis=1)[:, -model.config.context - 1 :]
    return next_token_loss(model(whole[:, :-1]), whole[:, 1:])


def puzzle_loss(model: Module, batch: Examples) -> Tensor:
    """The nats of the answers' tokens; what stands before the MARK is not judged."""
    whole = np.concatenate([batch.x, batch.y], axis=1)
    targets = whole[:, 1:].copy()
    targets[:, : DIGITS + 1] = -100
    return next_token_loss(model(whole[:, :-1]), targets)


TASKS = {
    "classify": Task(classify, class_mistakes, class_loss, "accuracy"),
    "continue": Task(continue_text, nats, text_loss, "nats"),
    "solve": Task(solve_puzzles, puzzle_mistakes, puzzle_loss, "accuracy"),
}

# -- events --------------------------------------------------------------------------------------------------------


class Recipe(NamedTuple):
    """How the baseline is trained: AdamW, a rate that rises for a tenth of the steps and then falls to 0."""

    steps: int
    batch: int
    rate: float


@dataclass(frozen=True)
class Event:
    """What is asked, on which data, how good an answer has to be, what an entry is compared with, and what counts.

    `task` and `data` are names in TASKS and DATA; `baseline` makes a network that has learned nothing; `measures` has
    the weight of each measure in the combined score.
    """

    name: str
    title: str
    task: str
    data: str
    gate: Gate
    baseline: Callable[[np.random.Generator], Module]
    recipe: Recipe
    measures: Mapping[str, float]


class Data(NamedTuple):
    """Where data come from, and how fresh inputs are drawn from a part of them."""

    source: Callable[..., Source]
    draw: Callable[[Any, np.random.Generator, int], Examples]


DATA = {
    "digits": Data(digits_source, noisy_images),
    "digit images": Data(images_source, noisy_images),
    "CIFAR-10": Data(cifar10_source, noisy_images),
    "Tiny Shakespeare": Data(text_source, windows),
    "puzzles": Data(puzzle_source, puzzles),
}


def sprint_mlp(rng: np.random.Generator) -> Module:
    """64-128-64-10, with relu: 17,226 parameters."""
    layers: list[Module] = []
    for inputs, outputs in pairwise((64, 128, 64, 10)):
        layers += [Linear(inputs, outputs, rng=rng), ReLU()]
    return Sequential(layers[:-1])


def marathon_cnn(rng: np.random.Generator) -> Module:
    """Two convolutions of 3x3 on 8x8 images, 16 and 32 channels wide, each followed by a mean of 2x2."""
    first, second = Conv2d(1, 16, 3, padding=1, rng=rng), Conv2d(16, 32, 3, padding=1, rng=rng)
    return Sequential(first, ReLU(), AvgPool2d(2), second, ReLU(), AvgPool2d(2), Flatten(), Linear(128, 10, rng=rng))


def colour_cnn(rng: np.random.Generator) -> Module:
    """Three convolutions on 32x32 images in three colours."""
    layers: list[Module] = []
    for inputs, outputs in pairwise((3, 32, 64, 128)):
        layers += [Conv2d(inputs, outputs, 3, padding=1, rng=rng), ReLU(), AvgPool2d(2)]
    return Sequential(*layers, Flatten(), Linear(128 * 16, 10, rng=rng))


def puzzle_gpt(rng: np.random.Generator) -> Module:
    """A GPT of two blocks, 64 wide, for MARK + 1 tokens."""
    return GPT(TransformerConfig(MARK + 1, context=2 * DIGITS + 2, width=64, layers=2, heads=4), rng=rng)


def text_gpt(rng: np.random.Generator) -> Module:
    """A GPT of two blocks, 64 wide, for the 65 characters of Tiny Shakespeare."""
    return GPT(TransformerConfig(65, context=64, width=64, layers=2, heads=4), rng=rng)


def speedrun_gpt(rng: np.random.Generator) -> Module:
    """A GPT of four blocks, 128 wide, of today's parts."""
    return GPT(TransformerConfig.modern(65, context=WINDOW), rng=rng)


def events_by_name(*events: Event) -> dict[str, Event]:
    """Events by their names."""
    return {event.name: event for event in events}


SPRINT, ACCURATE = Recipe(600, 64, 3e-3), Gate("accuracy", at_least=0.95)
EVENTS = events_by_name(
    Event(
        "mlp_sprint", "MLP sprint: one digit at a time", "classify", "digits", ACCURATE, sprint_mlp, SPRINT,
        {"latency": 4, "throughput": 1, "memory": 1, "size": 2, "accuracy": 2},
    ),
    Event(
        "cnn_marathon", "CNN marathon: digits by the batch", "classify", "digit images",
        Gate("accuracy", at_least=0.97), marathon_cnn, Recipe(1500, 64, 1e-2),
        {"latency": 1, "throughput": 4, "memory": 2, "size": 1, "accuracy": 2},
    ),
    Event(
        "transformer_decathlon", "Transformer decathlon: ten kinds of puzzles", "solve", "puzzles",
        Gate("accuracy", at_least=0.95), puzzle_gpt, Recipe(1500, 64, 3e-3),
        {"latency": 1, "throughput": 1, "memory": 1, "size": 1, "accuracy": 1},
    ),
    Event(
        "cifar10_accuracy", "CIFAR-10: accuracy alone", "classify", "CIFAR-10", Gate("accuracy", at_least=0.6),
        colour_cnn, Recipe(2000, 64, 2e-3), {"accuracy": 1},
    ),
    Event(
        "language", "Language: nats for a character of Tiny Shakespeare", "continue", "Tiny Shakespeare",
        Gate("nats", at_most=2.1), text_gpt, Recipe(1000, 16, 5e-3), {"accuracy": 1},
    ),
    Event("speed", "Speed: one digit, at once", "classify", "digits", ACCURATE, sprint_mlp, SPRINT, {"latency": 1}),
    Event("size", "Size: digits from few bytes", "classify", "digits", ACCURATE, sprint_mlp, SPRINT, {"size": 1}),
    Event(
        "cpu_speedrun", "CPU speedrun: seconds of training to 1.60 nats", "continue", "Tiny Shakespeare",
        Gate("nats", at_most=1.6), speedrun_gpt, Recipe(3000, 16, 3e-3), {"seconds": 1},
    ),
)  # fmt: skip


def source_of(event: Event, root: Any = None, progress: Any = None) -> Source:
    """The data of an event; `datasets` downloads those that are not part of the package, or finds them in its cache."""
    return DATA[event.data].source(root, progress)


def draw(event: Event, part: Any, rng: np.random.Generator, count: int) -> Examples:
    """Fresh inputs and their right answers from a part of the event's data, `learn` or `held`.

    >>> x, y = draw(EVENTS["transformer_decathlon"], None, np.random.default_rng(0), count=2)
    >>> x.shape, y.shape
    ((2, 10), (2, 8))
    """
    return DATA[event.data].draw(part, rng, count)


def baseline(event: Event, seed: int = 0) -> Module:
    """The network of an event that entries are compared with, before it is trained."""
    return event.baseline(np.random.default_rng(seed))


def train_baseline(event: Event, part: Any, seed: int = 0, after: Callable[[int, float], Any] | None = None) -> Module:
    """The baseline, trained by the event's recipe on fresh inputs from a part; `after` gets each step and its loss."""
    model, recipe, rng = baseline(event, seed), event.recipe, np.random.default_rng([seed, 1])
    optimizer, up = AdamW(model.parameters(), recipe.rate), max(1, recipe.steps // 10)
    falling = lambda t, base: base * min((t + 1) / up, (recipe.steps - t) / (recipe.steps - up))
    schedule = LRScheduler(optimizer, falling)
    for step in range(recipe.steps):
        optimizer.zero_grad()
        loss = TASKS[event.task].loss(model, draw(event, part, rng, recipe.batch))
        loss.backward()
        optimizer.step()
        schedule.step()
        if after is not None:
            after(step, loss.item())
    return model.eval()


def predict(event: Event, model: Module, x: np.ndarray) -> np.ndarray:
    """What a model of ours answers, without gradients, as an array."""
    with no_grad():
        return TASKS[event.task].answer(model, x)


def quality(event: Event, losses: np.ndarray) -> float:
    """The metric of the event's gate over all answers: the share that is right, or the mean of their nats.

    >>> quality(EVENTS["mlp_sprint"], np.array([0.0, 1.0, 0.0, 0.0]))
    0.75
    """
    mean = float(np.mean(losses))
    return 1 - mean if TASKS[event.task].metric == "accuracy" else mean


# -- a race --------------------------------------------------------------------------------------------------------

Contestant = Callable[[np.ndarray], Any]


class Heat(NamedTuple):
    """What one contestant did in a race: the seconds of each turn, (turns,), and the losses of all its answers."""

    seconds: np.ndarray
    losses: np.ndarray


def race(
    contestants: Mapping[str, Contestant],
    fresh: Callable[[], Examples],
    judge: Callable[[Any, np.ndarray], np.ndarray],
    clock: Clock,
    rng: np.random.Generator,
    turns: int = 20,
    warmup: int = 1,
) -> dict[str, Heat]:
    """Every contestant answers the same fresh inputs, turn by turn; what was timed is what is judged.

    Each turn takes x, y from fresh() once, and draws an order of the names with rng.permutation. A contestant gets a
    copy of x. The clock is read right before it is called, and again once its answers are in a new NumPy array, so that
    nothing is left to be computed later. judge(answers, y) gives their losses, after the clock was read. The first
    `warmup` turns are run in the same way, and left out. Raises ValueError for no contestants, or fewer than one turn.
    """
    # A contestant gets a copy of x, so that it cannot spoil it for the next one, and never y. np.array(...) makes an
    # array of whatever was returned, and a copy of an array: do that before the clock is read the second time.
    if not contestants or turns < 1:
        raise ValueError(f"a race needs contestants and turns, got {len(contestants)} contestants, {turns} turns")
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    losses: dict[str, list[np.ndarray]] = {name: [] for name in contestants}
    for turn in range(warmup + turns):
        x, y = fresh()
        for name in rng.permutation(list(contestants)):
            given = x.copy()
            start = clock()
            answers = np.array(contestants[name](given))
            taken = clock() - start
            if turn >= warmup:
                seconds[name].append(taken)
                losses[name].append(judge(answers, y))
    return {name: Heat(np.array(seconds[name], np.float64), np.concatenate(losses[name])) for name in contestants}


# -- ratios --------------------------------------------------------------------------------------------------------

LEAST = 3  # turns: with fewer an interval says nothing
LEVEL = 0.99  # of each interval: with five measures, one of five is more often good by chance


def exact_ratio(ours: float, theirs: float) -> Estimate:
    """Ours over theirs, of numbers without chance, such as bytes. Raises ValueError unless both are finite, above 0.

    >>> exact_ratio(25, 100)
    Estimate(value=0.25, low=0.25, high=0.25)
    """
    if not (0 < ours < math.inf and 0 < theirs < math.inf):
        raise ValueError(f"a ratio needs two finite numbers above 0, got {ours} and {theirs}")
    return Estimate(*[ours / theirs] * 3)


def loss_ratio(
    ours: Any, theirs: Any, metric: str, rng: np.random.Generator, draws: int = 1000, level: float = LEVEL
) -> Estimate:
    """How our mistakes compare with theirs on the same inputs, by the bootstrap over inputs: (n,), (n,).

    For "accuracy" (ours + 1) / (theirs + 1), the numbers of mistakes: one is added, so that 0 is never divided by. For
    "nats" the ratio of the perplexities, e^(mean of ours - mean of theirs). Raises ValueError for losses that are not
    finite and for numbers of them that differ.
    """
    x, y = as_sample(ours), as_sample(theirs)
    if x.shape != y.shape:
        raise ValueError(f"both answer the same inputs, got {len(x)} losses of ours and {len(y)} of theirs")

    def ratio(a: np.ndarray, b: np.ndarray) -> float:
        return (a.sum() + 1) / (b.sum() + 1) if metric == "accuracy" else math.exp(a.mean() - b.mean())

    places = (rng.integers(0, len(x), len(x)) for _ in range(draws))
    found, tail = [ratio(x[at], y[at]) for at in places], 50 - 50 * level
    return Estimate(float(ratio(x, y)), percentile(found, tail), percentile(found, 100 - tail))


def ratios_of(
    event: Event, ours: Mapping[str, Any], theirs: Mapping[str, Any], rng: np.random.Generator
) -> dict[str, Estimate]:
    """Ours over the baseline's, for each measure of the event: less is better in all of them.

    "latency", "throughput" and "seconds" are seconds (turns,) of one input, of a batch, of training, turn by turn;
    "memory" and "size" numbers of bytes; "accuracy" comes from "losses" (n,). Raises ValueError, naming it, for a
    measure that is missing, and for fewer turns than LEAST.
    """
    found: dict[str, Estimate] = {}
    for name in event.measures:
        key = "losses" if name == "accuracy" else name
        if key not in ours or key not in theirs:
            raise ValueError(f"{event.name} measures {name}, got {', '.join(ours)} and {', '.join(theirs)}")
        if name == "accuracy":
            found[name] = loss_ratio(ours[key], theirs[key], TASKS[event.task].metric, rng)
        elif name in ("memory", "size"):
            found[name] = exact_ratio(ours[key], theirs[key])
        elif len(ours[key]) < LEAST:
            raise ValueError(f"{name} needs {LEAST} turns or more, got {len(ours[key])}")
        else:
            found[name] = paired_ratio(ours[key], theirs[key], rng, level=LEVEL)
    return found


# -- scores --------------------------------------------------------------------------------------------------------


def gain_of(ratio: Estimate, margin: float = 0.02) -> float:
    """The gain of a ratio ours / baseline's, where less is better: 1 over the number of its interval nearest to 1.

    It is 1 if the interval contains 1, and also if that number lies from 1 / (1 + margin) to 1 + margin, ends included.
    Raises ValueError unless the interval is of finite numbers above 0, the lower one first.

    >>> gain_of(Estimate(0.5, 0.4, 0.8)), gain_of(Estimate(0.9, 0.7, 1.1)), gain_of(Estimate(2.0, 1.25, 3.0))
    (1.25, 1.0, 0.8)
    """
    # Which number of the interval is nearest to 1 if all of it lies below 1, and which if all of it lies above? First
    # raise the error unless 0 < low <= high < infinity; of NaN, no such comparison is true.
    if not 0 < ratio.low <= ratio.high < math.inf:
        raise ValueError(f"a gain needs an interval of finite numbers above 0, got {ratio.low} to {ratio.high}")
    nearest = min(max(ratio.low, 1.0), ratio.high)
    return 1.0 if 1 / (1 + margin) <= nearest <= 1 + margin else 1 / nearest


def combined(gains: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The weighted geometric mean: the product of g^(w / W) over all names, with W the sum of the weights.

    Twice as good in one thing and half as good in another, of equal weight, is 1. Raises ValueError unless both have
    the same names, all gains are finite and above 0, and no weight is negative or all of them 0.
    Fleming and Wallace, 1986.

    >>> round(combined({"latency": 4.0, "size": 1.0}, {"latency": 1, "size": 1}), 6)
    2.0
    """
    # A product of many numbers can overflow before the root is taken: add up logarithms instead. What is the logarithm
    # of g^(w / W)?
    if set(gains) != set(weights):
        raise ValueError(f"gains and weights need the same names, got {sorted(gains)} and {sorted(weights)}")
    if not all(0 < g < math.inf for g in gains.values()):
        raise ValueError(f"gains are finite numbers above 0, got {dict(gains)}")
    if not all(0 <= w < math.inf for w in weights.values()) or not any(weights.values()):
        raise ValueError(f"weights are not negative, and not all 0, got {dict(weights)}")
    whole = sum(weights.values())
    return math.exp(sum(weights[name] / whole * math.log(g) for name, g in gains.items()))


@dataclass(frozen=True)
class Score:
    """The result of an entry in an event. `total` is its score: 0 if the gate is not passed, else the combined gains.

    `interval` is the same mean of 1 over the ratios themselves, with one for each end: it says how sure the total is.
    It is None if the gate is not passed.
    """

    event: str
    quality: float
    passed: bool
    ratios: Mapping[str, Estimate]
    gains: Mapping[str, float]
    total: float
    interval: Estimate | None


def score_entry(event: Event, ours: Mapping[str, Any], theirs: Mapping[str, Any], rng: np.random.Generator) -> Score:
    """The score of ours against the baseline, from what `ratios_of` takes; "losses" (n,) decide about the gate.

    Nothing is compared if the gate is not passed.
    """
    reached = quality(event, ours["losses"])
    if not event.gate.passes(reached):
        return Score(event.name, reached, False, {}, {}, 0.0, None)
    found = ratios_of(event, ours, theirs, rng)
    gains = {name: gain_of(ratio) for name, ratio in found.items()}
    mean = lambda field: combined({name: 1 / getattr(r, field) for name, r in found.items()}, event.measures)
    interval = Estimate(mean("value"), mean("high"), mean("low"))
    return Score(event.name, reached, True, found, gains, combined(gains, event.measures), interval)


# -- tables --------------------------------------------------------------------------------------------------------


def ranking(totals: Mapping[str, Estimate]) -> dict[str, int]:
    """The rank of each entry: 1, and one more for each that is surely better, with its interval wholly above.

    More is better; intervals that touch are not wholly above each other. The best ranks come first; of equal ranks, the
    higher value.

    >>> ranking({"a": Estimate(2.0, 1.8, 2.2), "b": Estimate(3.0, 2.1, 4.0), "c": Estimate(1.0, 0.9, 1.1)})
    {'b': 1, 'a': 1, 'c': 3}
    """
    # How many others have a low end above this one's high end? Then sort the names by two things: a tuple as the key.
    ranks = {name: 1 + sum(other.low > own.high for other in totals.values()) for name, own in totals.items()}
    return {name: ranks[name] for name in sorted(ranks, key=lambda name: (ranks[name], -totals[name].value))}


def pareto_front(costs: Any) -> np.ndarray:
    """True for each entry that no other one beats: costs (n, m), less is better, -> (n,) of bool.

    One beats another if it costs no more in anything, and less in something. Raises ValueError unless costs are a
    table, and for NaN, which cannot be compared. Pareto, 1906.

    >>> pareto_front([[1, 9], [5, 5], [6, 5], [9, 1]]).tolist()
    [True, True, False, True]
    """
    # costs[:, None] against costs[None] compares each with each: (n, n, m). Entry j is beaten if some i is nowhere
    # worse and somewhere better.
    costs = np.asarray(costs, np.float64)
    if costs.ndim != 2 or np.isnan(costs).any():
        raise ValueError(f"costs are a table of numbers, (entries, measures), got shape {costs.shape} or a NaN in it")
    nowhere_worse = (costs[:, None] <= costs[None]).all(axis=2)
    somewhere_better = (costs[:, None] < costs[None]).any(axis=2)
    return ~(nowhere_worse & somewhere_better).any(axis=0)


# -- a limit that holds --------------------------------------------------------------------------------------------


def late_bound(late: int, queries: int, level: float = 0.99) -> float:
    """An upper bound, at this level, on the true share of late queries, if `late` of n = `queries` were late.

    If the true share is s, then `late` of them or fewer are late with the chance

        sum over k = 0..late of  C(n, k) s^k (1 - s)^(n - k),

    which falls as s grows. The bound is the s at which it is 1 - level; 1 if all were late. It is right to 1e-9, also
    for a million queries. Raises ValueError unless 0 <= late <= queries, queries >= 1 and 0 < level < 1. Clopper and
    Pearson, 1934.

    >>> round(late_bound(0, 459), 5), round(late_bound(10, 1000), 5), late_bound(3, 3)
    (0.00998, 0.02004, 1.0)
    """
    # You cannot solve this for s, but you can compute it for any s, and it falls from 1 to 0: halve an interval that
    # contains the bound, 60 times. C(n, k) overflows for large n, and s^k becomes 0; their logarithms do not:
    # ln C(n, k) = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1). math.log1p(-s) is the logarithm of
    # 1 - s, precise for small s.
    if not 0 <= late <= queries or queries < 1:
        raise ValueError(f"of 1 query or more, 0 to all are late, got {late} of {queries}")
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, got {level}")
    if late == queries:
        return 1.0
    k = np.arange(late + 1)
    ways = np.array([math.lgamma(queries + 1) - math.lgamma(i + 1) - math.lgamma(queries - i + 1) for i in k])
    low, high = 0.0, 1.0
    for _ in range(60):
        s = (low + high) / 2
        chance = np.exp(ways + k * math.log(s) + (queries - k) * math.log1p(-s)).sum()
        low, high = (s, high) if chance > 1 - level else (low, s)
    return high


def keeps_limit(latencies: Any, limit: float, q: float = 99, level: float = 0.99) -> bool:
    """Whether q percent of all queries are answered within `limit` seconds, by `late_bound` at `level`: (n,) -> bool.

    It is not enough that q percent of those measured were.
    """
    sample = as_sample(latencies)
    return late_bound(int((sample > limit).sum()), len(sample), level) <= 1 - q / 100


# -- divisions -----------------------------------------------------------------------------------------------------

DIVISIONS = {
    "closed": "the baseline's network with the baseline's weights, which the judge brings; how they are kept and "
    "computed is free",
    "open": "any network with any weights, brought by the entry",
}
