"""What is true of benchmarks: every clock is moved by hand, every generator is seeded, and no machine is measured."""

import json
import math
from itertools import permutations
from statistics import median

import numpy as np
import pytest

from tinytorch.benchmarking import (
    Estimate,
    Latency,
    Report,
    as_sample,
    latency,
    median_interval,
    paired_ratio,
    percentile,
    poisson_arrivals,
    queue_latencies,
    single_stream,
    sustained_rate,
    take_turns,
    throughput,
    trend,
    tukey_fences,
    verdict,
)


class ByHand:
    """A clock that stands still unless a task moves it; it remembers who did."""

    def __init__(self):
        self.now, self.log, self.slower = 0.0, [], 1.0

    def __call__(self):
        return self.now

    def task(self, name, seconds, first=0.0):
        """A function that takes so long, and `first` more the first time."""

        def run():
            self.now += self.slower * (seconds + (first if name not in self.log else 0.0))
            self.log.append(name)

        return run


@pytest.fixture
def clock():
    return ByHand()


def rng(seed=0):
    return np.random.default_rng(seed)


# -- samples -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [[], [[1.0]], 3.0, [1.0, math.nan], [math.inf], [-1.0, 2.0]])
def test_what_is_no_sample_is_refused_wherever_one_is_wanted(wrong):
    wanting = (
        as_sample,
        latency,
        tukey_fences,
        trend,
        lambda x: percentile(x, 50),
        lambda x: median_interval(x, rng()),
    )
    for function in (*wanting, lambda x: queue_latencies(x, x), lambda x: sustained_rate(x, 1.0, rng())):
        with pytest.raises(ValueError, match="seconds"):
            function(wrong)


def test_a_sample_is_a_copy_in_float64():
    x = np.array([1, 2], np.float16)
    sample = as_sample(x)
    sample[0] = 9
    assert sample.dtype == np.float64 and x.tolist() == [1, 2]


def test_the_first_queries_are_not_counted(clock):
    found = single_stream(clock.task("a", 2.0, first=50.0), clock, queries=4, warmup=1)
    assert found.tolist() == [2.0] * 4 and len(clock.log) == 5
    assert single_stream(clock.task("b", 2.0, first=50.0), clock, queries=2, warmup=0).tolist() == [52.0, 2.0]


# -- turns ---------------------------------------------------------------------------------------------------------


def test_each_turn_has_each_function_once_and_the_order_changes(clock):
    tasks = {name: clock.task(name, seconds, first=90.0) for name, seconds in (("a", 1.0), ("b", 2.0), ("c", 4.0))}
    found = take_turns(tasks, clock, rng(), turns=12, warmup=2)
    assert {name: set(each.tolist()) for name, each in found.items()} == {"a": {1.0}, "b": {2.0}, "c": {4.0}}
    turns = np.reshape(clock.log[6:], (12, 3))
    assert sorted(clock.log[:6]) == ["a", "a", "b", "b", "c", "c"]
    assert all(sorted(turn) == ["a", "b", "c"] for turn in turns.tolist()) and len({*map(tuple, turns)}) > 2


def test_turns_are_drawn_by_the_generator_that_is_given():
    def order(seed):
        clock = ByHand()
        take_turns({name: clock.task(name, 1.0) for name in "abc"}, clock, rng(seed), turns=8)
        return clock.log

    assert order(1) == order(1) != order(2)


@pytest.mark.parametrize(("names", "turns"), [("", 3), ("ab", 0)])
def test_nothing_to_compare_is_refused(clock, names, turns):
    with pytest.raises(ValueError, match=f"{len(names)} functions, {turns} turns"):
        take_turns({name: clock.task(name, 1.0) for name in names}, clock, rng(), turns=turns)


def test_a_machine_that_slows_down_fools_blocks_and_not_pairs(clock):
    """The same task twice, while each call makes the machine slower by a hundredth."""

    def task():
        clock.now += clock.slower
        clock.slower *= 1.01

    first, second = single_stream(task, clock, 40, 0), single_stream(task, clock, 40, 0)
    assert median(second) / median(first) > 1.4
    turns = take_turns({"a": task, "b": task}, clock, rng(), turns=40)
    ratio = paired_ratio(turns["a"], turns["b"], rng())
    assert 0.98 < ratio.low <= ratio.value <= ratio.high < 1.02 and verdict(ratio) == "no difference"


# -- percentiles and intervals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 10, 100, 101])
def test_a_percentile_is_the_first_value_that_enough_do_not_exceed(n):
    values = rng(n).permutation(n) + 1.0
    for q in (0, 1, 10, 50, 51, 90, 95, 99, 99.9, 100):
        wanted = next(v for v in sorted(values) if 100 * (values <= v).sum() >= q * n)
        assert percentile(values, q) == wanted
        assert percentile(values, q) == np.percentile(values, q, method="inverted_cdf")


def test_a_percentile_has_no_rounding_in_its_rank():
    assert percentile(range(1, 26), 28) == 7  # 28 / 100 * 25 is 7.000000000000001


@pytest.mark.parametrize("q", [-1, 101, math.nan])
def test_a_percentile_beyond_all_values_is_refused(q):
    with pytest.raises(ValueError, match="0 to 100"):
        percentile([1, 2], q)


def chances(n):
    """The distribution of the median of n draws from 1..n, n odd: P(median <= k), by the binomial distribution."""
    half = (n + 1) // 2
    return [
        sum(math.comb(n, m) * (k / n) ** m * (1 - k / n) ** (n - m) for m in range(half, n + 1)) for k in range(n + 1)
    ]


@pytest.mark.parametrize(("n", "level"), [(5, 0.5), (7, 0.9), (9, 0.8), (11, 0.5), (15, 0.9)])
def test_the_bootstrap_of_a_median_has_the_ends_that_can_be_worked_out(n, level):
    values = 10.0 ** np.arange(1, n + 1)
    tail, exact = (1 - level) / 2, chances(n)
    low, high = (next(k for k in range(n + 1) if exact[k] >= share) for share in (tail, 1 - tail))
    found = median_interval(rng(n).permutation(values), rng(7), draws=20_000, level=level)
    assert found == pytest.approx((values[n // 2], values[low - 1], values[high - 1]))


def test_an_interval_of_the_median_holds_the_truth_about_as_often_as_it_says():
    """Skewed times, as they are: of 300 samples of 25, the interval at 90 % holds the true median in most."""
    draw = rng(3)
    intervals = [median_interval(draw.lognormal(0, 0.5, 25), draw, draws=400, level=0.9) for _ in range(300)]
    assert 0.85 < np.mean([interval.low <= 1 <= interval.high for interval in intervals]) < 0.97


def test_more_runs_make_a_narrower_interval():
    few, many = (median_interval(rng(1).exponential(1, n), rng(2)) for n in (20, 2000))
    assert many.high - many.low < (few.high - few.low) / 4


def test_an_interval_is_drawn_by_the_generator_that_is_given():
    values = rng(0).random(9)
    assert (
        median_interval(values, rng(1), 50)
        == median_interval(values, rng(1), 50)
        != median_interval(values, rng(2), 50)
    )
    assert median_interval([1, 2, 3, 4], rng(), draws=1)[1:] == (3.0, 3.0)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_is_a_share(level):
    with pytest.raises(ValueError, match=f"between 0 and 1, got {level}"):
        median_interval([1, 2], rng(), level=level)


def test_fences_leave_the_tail_outside():
    values = [*range(100, 200), 1000, 5]
    low, high = tukey_fences(values)
    assert (low, high) == (124 - 1.5 * 51, 175 + 1.5 * 51)
    assert tukey_fences([3, 3, 3, 9]) == (3, 3)


# -- comparisons -----------------------------------------------------------------------------------------------------


def test_the_ratio_is_of_pairs():
    ours, theirs = np.array([1.0, 20, 300]), np.array([2.0, 10, 200])
    ratio = paired_ratio(ours, theirs, rng(), draws=4000)
    assert ratio == (1.5, 0.5, 2.0) and median(ours) / median(theirs) == 2


def test_times_that_are_no_pairs_are_refused():
    with pytest.raises(ValueError, match="2 of ours and 3 of theirs"):
        paired_ratio([1, 2], [1, 2, 3], rng())
    with pytest.raises(ValueError, match="too coarse"):
        paired_ratio([1, 2], [1, 0], rng())


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.5, 2, "no difference"), (0.4, 2, "undecided"), (0.5, 2.1, "undecided"), (0.1, 0.9, "faster"),
        (0.6, 0.9, "no difference"), (1.5, 3, "slower"), (0.1, 1, "undecided"), (1, 3, "undecided"),
    ],
)  # fmt: skip
def test_a_verdict_stands_on_the_ends_of_the_interval(low, high, said):
    assert verdict(Estimate(1.0, low, high), margin=1.0) == said


def test_a_margin_of_nothing_leaves_no_room_for_sameness():
    assert verdict(Estimate(1.0, 0.999, 1.001), margin=0) == "undecided"
    assert verdict(Estimate(1.0, 1.0, 1.0), margin=0) == "no difference"


# -- trends ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [[1, 2, 3, 4], [1, 1, 2, 3, 3], [1, 1, 1, 5], [2, 7, 7, 7, 9, 9]])
def test_z_is_a_standard_score_over_all_orders(values):
    """Of all orders of the values the mean of z is 0 and its variance 1: equal values counted right."""
    z = np.array([trend(order).z for order in permutations(values)])
    assert z.mean() == pytest.approx(0, abs=1e-12) and z.var() == pytest.approx(1)


def test_a_trend_agrees_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    for seed in range(5):
        values = rng(seed).integers(5, 30, 25) + seed * np.arange(25.0)
        kendall = stats.kendalltau(np.arange(25), values, method="asymptotic")
        slope = stats.theilslopes(values).slope
        found = trend(values)
        assert 2 * stats.norm.sf(abs(found.z)) == pytest.approx(kendall.pvalue)
        assert found.change == pytest.approx(24 * slope / np.median(values))


def test_a_trend_sees_slopes_and_steps_and_no_single_slow_run():
    still = 10 + rng(5).random(60)
    assert abs(trend(still).z) < 2.5
    slow = still.copy()
    slow[-1] = 1000
    assert abs(trend(slow).z) < 2.5 and abs(trend(slow).change) < 0.05
    assert trend(still * np.linspace(1, 1.2, 60)).z > 5
    assert trend(np.concatenate([still[:30], 0.8 * still[30:]])).z < -5


def test_nothing_that_changes_is_no_trend():
    assert trend([4.0] * 9) == (0.0, 0.0)


@pytest.mark.parametrize("values", [[1.0, 2.0], [0, 0, 0, 5.0]])
def test_what_has_no_trend_is_refused(values):
    with pytest.raises(ValueError, match=f"{len(values)} runs"):
        trend(values)


# -- latency and the queue ---------------------------------------------------------------------------------------------


def test_latency_tells_three_percentiles():
    found = latency(rng().permutation(1000) + 1)
    assert found == Latency(500, 950, 990) and "p99 990000.00 ms" in str(found)


def test_throughput_is_of_the_fastest_call(clock):
    assert throughput(clock.task("a", 4.0, first=8.0), 20, clock) == 5
    with pytest.raises(ValueError, match="did not move"):
        throughput(lambda: None, 20, clock)


def test_arrivals_come_at_their_rate_without_memory():
    arrivals = poisson_arrivals(50.0, 200_000, rng(1))
    gaps = np.diff(arrivals)
    assert (
        (gaps >= 0).all()
        and gaps.mean() == pytest.approx(0.02, rel=0.02)
        and gaps.std() == pytest.approx(0.02, rel=0.02)
    )
    assert np.corrcoef(gaps[1:], gaps[:-1])[0, 1] == pytest.approx(0, abs=0.01)
    per_second = np.bincount(arrivals.astype(int))[:-1]
    assert per_second.var() == pytest.approx(per_second.mean(), rel=0.1)  # as Poisson's numbers are


@pytest.mark.parametrize("rate", [0, -1.0, math.nan])
def test_a_rate_is_above_zero(rate):
    with pytest.raises(ValueError, match="above 0"):
        poisson_arrivals(rate, 3, rng())


def test_a_queue_waits_as_the_formulas_say():
    """Poisson arrivals, load r: the mean wait is r s / (2 (1 - r)) for equal service, twice it at random."""
    arrivals = poisson_arrivals(0.7, 300_000, rng(2))
    equal = queue_latencies(arrivals, np.ones(300_000)) - 1
    chance = rng(3).exponential(1, 300_000)
    assert equal.mean() == pytest.approx(0.7 / 0.6, rel=0.04)
    assert (queue_latencies(arrivals, chance) - chance).mean() == pytest.approx(0.7 / 0.3, rel=0.06)


def test_a_queue_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="got 2 and 1"):
        queue_latencies([0, 1], [1])
    with pytest.raises(ValueError, match="in order"):
        queue_latencies([1, 0], [1, 1])


def test_the_sustained_rate_is_the_border():
    taken, limit = rng(4).uniform(0.5, 1.5, 10_000), 5.0
    rate = sustained_rate(taken, limit, rng(9))
    gaps = poisson_arrivals(1.0, 10_000, rng(9))
    below, above = (percentile(queue_latencies(gaps / (share * rate), taken), 99) for share in (0.999, 1.001))
    assert 0.3 < rate < 1 and below <= limit < above
    assert sustained_rate(taken, 1.0, rng(9)) == 0
    assert sustained_rate(taken, limit, rng(9), q=50) > rate
    with pytest.raises(ValueError, match="too coarse"):
        sustained_rate([0, 0], limit, rng(9))


# -- reports -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def report():
    rows = {"ours": Estimate(1.5, 1.25, 2.0), "theirs <3": Estimate(3.0, 2.5, 4.0)}
    return Report("step", "ms", rows, runs=20, machine="a machine", date="2026-01-02", command="nox -s bench")


def test_a_report_survives_its_text(report):
    again = Report.from_json(report.to_json())
    assert again == report and isinstance(again.rows["ours"], Estimate)
    assert set(json.loads(report.to_json())) == {"title", "unit", "rows", "runs", "machine", "date", "command"}


@pytest.mark.parametrize("text", ["", "[]", '{"rows": {}}', '{"title": "a"}', '{"rows": {"a": {"low": 1}}}'])
def test_what_is_no_report_is_refused(text):
    with pytest.raises(ValueError, match="not a report"):
        Report.from_json(text)


def test_a_report_in_markdown_says_what_it_stands_on(report):
    lines = report.to_markdown().split("\n")
    assert lines[0] == "| step | ms | interval |" and lines[2] == "| ours | 1.5 | 1.25 to 2 |"
    assert lines[5] == "20 runs each. a machine. 2026-01-02. nox -s bench"


def test_a_drawing_has_its_intervals_to_scale(report):
    svg = report._repr_svg_()
    assert "M253.8 26H310.0" in svg and "M347.5 52H460.0" in svg  # 160 for 0, 460 for 4
    assert "theirs &lt;3" in svg and 'cx="272.5"' in svg
