"""Benchmarking: a time is one draw from a distribution, and a comparison is about two distributions.

Notation: values (n,) are seconds of n runs, in the order in which they ran. A clock is a function that returns seconds,
such as time.perf_counter; rng is a generator that draws. Both are arguments everywhere: with a clock that a program
moves, a benchmark gives the same numbers on every machine.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import Any, NamedTuple

import numpy as np

Clock = Callable[[], float]

# -- runs ----------------------------------------------------------------------------------------------------------


def as_sample(values: Any) -> np.ndarray:
    """Seconds as an array of float64, (n,), a copy. Raises ValueError unless n >= 1 and all are finite and >= 0.

    >>> as_sample([1, 2])
    array([1., 2.])
    """
    sample = np.array(values, np.float64)
    if sample.ndim != 1 or not sample.size:
        raise ValueError(f"a sample is a row of at least one number of seconds, got shape {sample.shape}")
    if not (np.isfinite(sample) & (sample >= 0)).all():
        wrong = sample[~(np.isfinite(sample) & (sample >= 0))]
        raise ValueError(f"seconds are finite and not negative, got {wrong[0]} among {len(sample)}")
    return sample


def single_stream(function: Callable[[], Any], clock: Clock, queries: int = 100, warmup: int = 3) -> np.ndarray:
    """Seconds of each query, (queries,), where the next one is asked as soon as the last one is answered.

    The first `warmup` are asked and not counted. MLPerf's scenario of one impatient user: Reddi et al., 2020.
    """
    for _ in range(warmup):
        function()
    seconds = []
    for _ in range(queries):
        start = clock()
        function()
        seconds.append(clock() - start)
    return as_sample(seconds)


def take_turns(
    functions: Mapping[str, Callable[[], Any]], clock: Clock, rng: np.random.Generator, turns: int = 20, warmup: int = 1
) -> dict[str, np.ndarray]:
    """Seconds of each function, turn by turn: {name: function} -> {name: (turns,)}.

    First each function is called `warmup` times and not timed. Then every turn times each function once, in an order
    that rng draws anew for every turn, so that a change of the machine affects all of them. Raises ValueError for no
    functions, and for fewer than one turn.

    >>> found = take_turns({"a": int, "b": list}, clock=iter(range(99)).__next__, rng=np.random.default_rng(0), turns=3)
    >>> found["a"].tolist(), found["b"].tolist()
    ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0])
    """
    # rng.permutation(names) is the order of one turn. Read the clock right before a call and right after it, and put
    # nothing else in between.
    if not functions or turns < 1:
        raise ValueError(f"a comparison needs functions and turns, got {len(functions)} functions, {turns} turns")
    for function in functions.values():
        for _ in range(warmup):
            function()
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(turns):
        for name in rng.permutation(list(functions)):
            start = clock()
            functions[name]()
            seconds[name].append(clock() - start)
    return {name: np.array(each, np.float64) for name, each in seconds.items()}


# -- one number, and how sure it is ----------------------------------------------------------------------------------


def percentile(values: Any, q: float) -> float:
    """The smallest of the values that at least q percent of them do not exceed: one of the values itself.

    The 0th is the smallest value, the 100th the largest. Raises ValueError for q outside 0 to 100, and as as_sample
    does.

    >>> percentile([40, 10, 30, 20], 50), percentile([40, 10, 30, 20], 51), percentile([40, 10, 30, 20], 0)
    (20.0, 30.0, 10.0)
    """
    # In order, the k-th of n values has k / n of them at or below it. Which k is the first with 100 k >= q n? There is
    # no 0-th.
    ordered = np.sort(as_sample(values))
    if not 0 <= q <= 100:
        raise ValueError(f"a percentile is of 0 to 100 percent, got {q}")
    rank = max(1, math.ceil(q * len(ordered) / 100))
    return float(ordered[rank - 1])


class Estimate(NamedTuple):
    """A number that was measured, and the ends of its confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """
        >>> print(Estimate(1.5, 1.25, 2))
        1.5 [1.25, 2]
        """
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


def median_interval(values: Any, rng: np.random.Generator, draws: int = 1000, level: float = 0.95) -> Estimate:
    """The median of the values, and its interval by the bootstrap. Efron, 1979.

    Draw n of the n values, with replacement, and take the median; do it `draws` times. The ends of the interval are
    values of `percentile`: the middle `level` of these medians lie between them, with as many below as above. Raises
    ValueError for a level outside 0 to 1.

    >>> median_interval([3, 3, 3], np.random.default_rng(0))
    Estimate(value=3.0, low=3.0, high=3.0)
    """
    # rng.integers(0, n, (draws, n)) are the indices of all draws at once. np.median takes an axis. The interval's ends
    # are two percentiles of the medians: what share of them is left over at each side?
    sample = as_sample(values)
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, got {level}")
    drawn = sample[rng.integers(0, len(sample), (draws, len(sample)))]
    medians = np.median(drawn, axis=1)
    tail = 50 - 50 * level
    return Estimate(float(np.median(sample)), percentile(medians, tail), percentile(medians, 100 - tail))


def tukey_fences(values: Any) -> tuple[float, float]:
    """The limits outside of which a run is an outlier: 1.5 times the middle half's width beyond it. Tukey, 1977.

    >>> tukey_fences([10, 11, 12, 13, 14, 15, 16, 90])
    (5.0, 21.0)
    """
    first, third = percentile(values, 25), percentile(values, 75)
    reach = 1.5 * (third - first)
    return first - reach, third + reach


# -- two things compared -------------------------------------------------------------------------------------------


def paired_ratio(ours: Any, theirs: Any, rng: np.random.Generator, draws: int = 1000, level: float = 0.95) -> Estimate:
    """The median of ours / theirs, turn by turn, with its interval: (n,), (n,) -> a number near 1 if they are alike.

    Both of a turn ran on the machine as it was then, and its speed cancels. Raises ValueError for numbers of turns that
    differ, and if one of theirs took no time.

    >>> paired_ratio([1, 2, 4], [2, 4, 8], np.random.default_rng(0)).value
    0.5
    """
    # Divide first. The ratios are one sample, and you have a function for the interval of its median.
    x, y = as_sample(ours), as_sample(theirs)
    if x.shape != y.shape:
        raise ValueError(f"a pair is two times of one turn, got {len(x)} of ours and {len(y)} of theirs")
    if not y.all():
        raise ValueError("a ratio needs times above 0: one of theirs is 0, so the clock is too coarse for it")
    return median_interval(x / y, rng, draws, level)


def verdict(ratio: Estimate, margin: float = 0.02) -> str:
    """What the interval of our time over theirs shows, where a difference of `margin` does not matter.

    "no difference": the whole interval lies from 1 / (1 + margin) to 1 + margin, ends included.
    "faster", "slower": otherwise, if the whole interval lies below 1, or above 1. "undecided": in all other cases.

    >>> verdict(Estimate(0.8, 0.7, 0.9)), verdict(Estimate(1.0, 0.99, 1.01)), verdict(Estimate(1.0, 0.8, 1.2))
    ('faster', 'no difference', 'undecided')
    """
    # Ask in the order of the docstring. The value itself is not needed: the ends decide.
    if 1 / (1 + margin) <= ratio.low and ratio.high <= 1 + margin:
        return "no difference"
    if ratio.high < 1:
        return "faster"
    return "slower" if ratio.low > 1 else "undecided"


# -- a machine that does not stay the same -----------------------------------------------------------------------------


class Trend(NamedTuple):
    """The change of a sample from its first run to its last, as a part of the median, and how sure it is.

    On a machine that stays the same, z is mostly between -2 and 2.
    """

    change: float
    z: float


def trend(values: Any) -> Trend:
    """Whether runs become slower or faster in the order in which they ran: Mann, 1945; Kendall, 1970; Sen, 1968.

    S is the number of pairs of runs of which the later took longer, minus those of which it took less. z is S over its
    standard deviation where all orders of these times are equally likely; 0 if all times are equal. The change is n - 1
    times the median slope of all pairs, over the median of the values. Looks at all n (n - 1) / 2 pairs. Raises
    ValueError for fewer than three runs, for a median of 0, and as as_sample does.

    >>> [round(number, 3) for number in trend([10, 11, 12, 13, 14])]
    [0.333, 2.449]
    """
    # Add the runs one by one: than how many runs before it is the k-th one slower? Any number of them is equally
    # likely. That gives a variance v(n) if all times differ; for t equal times subtract v(t). np.triu_indices(n, k=1)
    # are the indices of all pairs, the earlier ones and the later ones; np.unique(..., return_counts=True) counts.
    sample = as_sample(values)
    middle, n = np.median(sample), len(sample)
    if n < 3 or middle == 0:
        raise ValueError(f"a trend needs three runs and a median above 0, got {n} runs with median {middle:g}")
    earlier, later = np.triu_indices(n, k=1)
    rises = sample[later] - sample[earlier]
    counts = np.unique(sample, return_counts=True)[1]
    different, equal = (m * (m - 1) * (2 * m + 5) / 18 for m in (n, counts))
    variance = different - np.sum(equal)
    z = np.sign(rises).sum() / math.sqrt(variance) if variance else 0.0
    slope = np.median(rises / (later - earlier))
    return Trend(float((n - 1) * slope / middle), float(z))


# -- latency, and a queue --------------------------------------------------------------------------------------------


class Latency(NamedTuple):
    """Seconds within which half of the queries were answered, 95 of 100, and 99 of 100."""

    p50: float
    p95: float
    p99: float

    def __str__(self) -> str:
        """
        >>> print(Latency(0.001, 0.002, 0.0105))
        p50 1.00 ms, p95 2.00 ms, p99 10.50 ms
        """
        return ", ".join(f"{name} {1000 * seconds:.2f} ms" for name, seconds in self._asdict().items())


def latency(values: Any) -> Latency:
    """The percentiles that are usually reported.

    >>> latency(range(1, 101))
    Latency(p50=50.0, p95=95.0, p99=99.0)
    """
    return Latency(percentile(values, 50), percentile(values, 95), percentile(values, 99))


def throughput(function: Callable[[], Any], items: int, clock: Clock, repeats: int = 5) -> float:
    """Items a second, where all of them are there from the start and one call does them all: the best of `repeats`.

    MLPerf's offline scenario. Raises ValueError if the clock does not move.
    """
    fastest = float(single_stream(function, clock, repeats, warmup=1).min())
    if fastest == 0:
        raise ValueError("the clock did not move in one call: give the call more items")
    return items / fastest


def poisson_arrivals(rate: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """When so many queries arrive, `rate` a second on average, each without regard to the others: (count,), rising.

    The gaps between them are exponential. MLPerf's server scenario. Raises ValueError for a rate that is not above 0.
    """
    if not rate > 0:
        raise ValueError(f"queries arrive at a rate above 0 a second, got {rate}")
    return np.cumsum(rng.exponential(1 / rate, count))


def queue_latencies(arrivals: Any, service: Any) -> np.ndarray:
    """Seconds from each arrival to its answer, by one server, first come, first served: (n,), (n,) -> (n,).

    A query is begun when it has arrived and the one before it is done; it then takes its service time. Raises
    ValueError for numbers that differ, and for arrivals that are not in order. Lindley, 1952.

    >>> queue_latencies([0, 1, 9], [4, 2, 1]).tolist()
    [4.0, 5.0, 1.0]
    """
    # Go through the queries in order and remember when the last one was done. Which of two times is later?
    arrived, taken = as_sample(arrivals), as_sample(service)
    if arrived.shape != taken.shape:
        raise ValueError(f"each query has an arrival and a service time, got {len(arrived)} and {len(taken)}")
    if (np.diff(arrived) < 0).any():
        raise ValueError("queries arrive in order, got one that arrives before the one in front of it")
    latencies, done = np.empty_like(taken), 0.0
    for i, arrival in enumerate(arrived):
        done = max(done, arrival) + taken[i]
        latencies[i] = done - arrival
    return latencies


def sustained_rate(service: Any, limit: float, rng: np.random.Generator, q: float = 99) -> float:
    """The most queries a second of which q percent are answered within `limit` seconds; 0 if single ones are too slow.

    MLPerf's number for a server. The queries arrive by chance and take the measured service times, over and over. The
    arrivals of all rates are the same but for their scale, so that a higher rate is never better: bisection finds it.
    """
    sample = as_sample(service)
    if not sample.any():
        raise ValueError("no query took any time: the clock is too coarse for them")
    taken = np.resize(sample, max(len(sample), 10_000))
    if percentile(taken, q) > limit:
        return 0.0
    gaps = poisson_arrivals(1.0, len(taken), rng)
    low, high = 0.0, 1 / taken.mean()  # above high, more queries come than can ever be answered
    for _ in range(20):
        rate = (low + high) / 2
        kept = percentile(queue_latencies(gaps / rate, taken), q) <= limit
        low, high = (rate, high) if kept else (low, rate)
    return float(low)


# -- reports -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """What was measured, on what, when, and by which command: enough for somebody else to repeat it.

    `runs` is the number of runs behind each estimate.
    """

    title: str
    unit: str
    rows: dict[str, Estimate]
    runs: int
    machine: str
    date: str
    command: str

    def to_json(self) -> str:
        """The report as a text that from_json reads."""
        return json.dumps({**asdict(self), "rows": {name: row._asdict() for name, row in self.rows.items()}}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """The report that to_json wrote. Raises ValueError for any other text."""
        try:
            facts = json.loads(text)
            return cls(**{**facts, "rows": {name: Estimate(**row) for name, row in facts["rows"].items()}})
        except (TypeError, KeyError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(f"this is not a report: {error}") from None

    def to_markdown(self) -> str:
        """A table of the estimates, and below it the runs, the machine, the date and the command."""
        lines = [f"| {self.title} | {self.unit} | interval |", "|---|---|---|"]
        lines += [f"| {name} | {row.value:.4g} | {row.low:.4g} to {row.high:.4g} |" for name, row in self.rows.items()]
        return "\n".join([*lines, "", f"{self.runs} runs each. {self.machine}. {self.date}. {self.command}"]) + "\n"

    def _repr_svg_(self) -> str:
        """A line for each interval, a dot for its estimate, on one axis from 0."""
        most = max((row.high for row in self.rows.values()), default=0.0) or 1.0
        drawn = []
        for i, (name, row) in enumerate(self.rows.items()):
            y, (x, low, high) = 26 + 26 * i, (160 + 300 * number / most for number in row)
            drawn.append(f'<text x="150" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
            drawn.append(f'<path d="M{low:.1f} {y}H{high:.1f}" stroke="currentColor" stroke-width="2"/>')
            drawn.append(f'<circle cx="{x:.1f}" cy="{y}" r="4"/><text x="472" y="{y + 4}">{row.value:.4g}</text>')
        bottom = 26 + 26 * len(self.rows)
        drawn.append(f'<path d="M160 {bottom - 10}H460" stroke="currentColor"/><text x="160" y="{bottom + 6}">0</text>')
        drawn.append(f'<text x="460" y="{bottom + 6}" text-anchor="end">{most:.4g} {escape(self.unit)}</text>')
        style = 'fill="currentColor" font-family="sans-serif" font-size="12"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 530 {bottom + 12}" width="530" {style}>'
        return head + "".join(drawn) + "</svg>"
