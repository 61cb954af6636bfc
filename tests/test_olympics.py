"""What is true of events, races and scores: clocks are moved by hand, generators are seeded, no machine is measured."""

import itertools
import math

import numpy as np
import pytest

from tinytorch.benchmarking import Estimate
from tinytorch.layers import Sequential
from tinytorch.olympics import (
    DATA,
    DIGITS,
    DISCIPLINES,
    EVENTS,
    MARK,
    TASKS,
    WINDOW,
    Examples,
    Gate,
    Recipe,
    baseline,
    class_mistakes,
    combined,
    draw,
    exact_ratio,
    gain_of,
    keeps_limit,
    late_bound,
    loss_ratio,
    nats,
    pareto_front,
    predict,
    puzzle_mistakes,
    quality,
    race,
    ranking,
    ratios_of,
    score_entry,
    source_of,
    train_baseline,
)
from tinytorch.quantization import stored_bytes

TEXT = np.random.default_rng(0).integers(0, 65, 4 * WINDOW)  # stands in for a text of 65 characters


def rng(seed=0):
    return np.random.default_rng(seed)


def part_of(event):
    """Something to draw from, without a download."""
    if event.data == "Tiny Shakespeare":
        return TEXT
    if event.data == "CIFAR-10":
        return Examples(rng().integers(0, 256, (20, 3, 32, 32), np.uint8), rng().integers(0, 10, 20))
    return source_of(event).held


each_event = pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)

# -- events --------------------------------------------------------------------------------------------------------


@each_event
def test_an_event_names_what_there_is(event):
    assert event.task in TASKS and event.data in DATA and EVENTS[event.name] is event
    assert set(event.measures) <= {"latency", "throughput", "memory", "size", "accuracy", "seconds"}
    assert all(weight > 0 for weight in event.measures.values())
    assert event.gate.metric == TASKS[event.task].metric


@each_event
def test_a_baseline_answers_and_its_answers_are_judged(event):
    x, y = draw(event, part_of(event), rng(), 3)
    model = baseline(event).eval()
    before = x.copy()
    losses = TASKS[event.task].losses(predict(event, model, x), y)
    assert losses.shape == (3,) and np.isfinite(losses).all() and (losses >= 0).all()
    assert math.isfinite(quality(event, losses)) and (x == before).all()


@each_event
def test_the_same_seed_makes_the_same_baseline_and_draws_the_same_inputs(event):
    one, same, other = (baseline(event, seed).state_dict() for seed in (0, 0, 1))
    assert all((one[name] == same[name]).all() for name in one)
    assert any((one[name] != other[name]).any() for name in one)
    first, again, fresh = (draw(event, part_of(event), rng(seed), 5).x for seed in (0, 0, 1))
    assert (first == again).all() and (first != fresh).any()


@pytest.mark.parametrize("name", ["mlp_sprint", "transformer_decathlon", "language"])
def test_training_by_the_recipe_lowers_the_loss(name):
    event, seen = EVENTS[name], []
    short = type(event)(**{**vars(event), "recipe": Recipe(60, 8, 3e-3)})
    model = train_baseline(short, part_of(short), after=lambda step, loss: seen.append(loss))
    assert len(seen) == 60 and np.mean(seen[-10:]) < np.mean(seen[:10])
    assert not model.training


def test_the_sprints_baseline_reaches_its_gate_on_digits_that_it_never_saw():
    event = EVENTS["mlp_sprint"]
    learn, held = source_of(event)
    shared = {row.tobytes() for row in learn.x} & {row.tobytes() for row in held.x}
    assert not shared and len(learn.x) + len(held.x) == 1797
    x, y = draw(event, held, rng(7), 1000)
    losses = TASKS[event.task].losses(predict(event, train_baseline(event, learn), x), y)
    assert event.gate.passes(quality(event, losses))


def test_images_are_never_drawn_twice_alike():
    event = EVENTS["cnn_marathon"]
    x, _ = draw(event, source_of(event).held, rng(), 500)
    assert len({row.tobytes() for row in x}) == 500 and x.dtype == np.float32


def test_puzzles_are_what_their_disciplines_say():
    x, y = draw(EVENTS["transformer_decathlon"], None, rng(), 200)
    assert x.shape == (200, DIGITS + 2) and (x[:, -1] == MARK).all()
    names = list(DISCIPLINES)
    assert set(x[:, 0] - 10) == set(range(len(names)))
    wanted = {
        "copy": lambda d: d, "reverse": lambda d: d[::-1], "sort": sorted, "sort downwards": lambda d: sorted(d)[::-1],
        "turn left": lambda d: d[1:] + d[:1], "turn right": lambda d: d[-1:] + d[:-1],
        "exchange halves": lambda d: d[4:] + d[:4],
        "exchange neighbours": lambda d: [d[i ^ 1] for i in range(8)],
        "add one": lambda d: [(i + 1) % 10 for i in d],
        "largest so far": lambda d: [max(d[: i + 1]) for i in range(8)],
    }  # fmt: skip
    assert list(wanted) == names
    for prompt, answer in zip(x.tolist(), y.tolist()):
        assert answer == wanted[names[prompt[0] - 10]](prompt[1:-1])


def test_the_character_asked_for_is_not_among_those_shown():
    x, y = draw(EVENTS["language"], np.arange(1000), rng(), 50)
    assert (x[:, 0] + WINDOW == y).all() and (np.diff(x) == 1).all() and x.shape == (50, WINDOW)


# -- gates and judges ----------------------------------------------------------------------------------------------


def test_a_gate_has_one_limit():
    for limits in ({}, {"at_least": 0.5, "at_most": 0.9}):
        with pytest.raises(ValueError, match="one limit"):
            Gate("accuracy", **limits)


def test_scores_that_decide_nothing_are_mistakes():
    flat = np.zeros((4, 10))
    assert class_mistakes(flat, np.arange(4)).tolist() == [1, 1, 1, 1]
    inf = np.where(np.eye(4, 10) == 1, np.inf, 0)
    assert class_mistakes(inf, np.arange(4)).tolist() == [1, 1, 1, 1]


def test_nats_cannot_be_bought_by_large_scores():
    """Any scores promise 1 in all: their exponentials over the vocabulary, as the judge normalises them, sum to 1."""
    scores = rng().normal(0, 50, (1, 65)).astype(np.float32)
    told = [nats(scores, np.array([k]))[0] for k in range(65)]
    assert math.isclose(sum(math.exp(-t) for t in told), 1, rel_tol=1e-9)
    assert nats(np.full((2, 65), 1e30, np.float32), np.array([0, 5])) == pytest.approx(math.log(65))


def test_nats_equal_pytorchs():
    torch = pytest.importorskip("torch")
    scores, y = rng().normal(0, 3, (20, 65)), rng().integers(0, 65, 20)
    theirs = torch.nn.functional.cross_entropy(torch.tensor(scores), torch.tensor(y), reduction="none").numpy()
    np.testing.assert_allclose(nats(scores, y), theirs, rtol=1e-12)


@pytest.mark.parametrize("judge", [class_mistakes, nats, puzzle_mistakes])
@pytest.mark.parametrize("answers", [
    np.zeros(3), np.zeros((2, 8)), np.zeros((4, 8)), np.zeros((3, 0)), np.zeros((3, 8), object), "none", None,
    np.zeros((3, 8), complex), np.zeros((3, 8), bool),
])  # fmt: skip
def test_what_is_no_answer_is_refused(judge, answers):
    y = np.zeros((3, 8), int) if judge is puzzle_mistakes else np.zeros(3, int)
    with pytest.raises(ValueError, match="answers"):
        judge(answers, y)


def test_a_puzzle_is_solved_wholly_or_not():
    y = np.arange(16).reshape(2, 8)
    almost = y.copy()
    almost[1, 7] = 0
    assert puzzle_mistakes(almost, y).tolist() == [0, 1]
    assert puzzle_mistakes(np.where(y == 3, np.nan, y), y).tolist() == [1, 0]
    with pytest.raises(ValueError, match=r"\(2, 8\)"):
        puzzle_mistakes(y[:, :7], y)


# -- a race --------------------------------------------------------------------------------------------------------


class ByHand:
    """A clock that stands still unless somebody works."""

    now = 0.0

    def __call__(self):
        return self.now


def sums(x):
    return x.sum(axis=1)


def held_race(contestants, turns=5):
    clock, chance = ByHand(), rng(3)
    fresh = lambda: Examples(*(lambda x: (x, x.sum(axis=1)))(chance.integers(0, 9, (4, 3))))
    timed = {name: (lambda x, f=function: f(x, clock)) for name, function in contestants.items()}
    judge = lambda answers, y: (answers != y).astype(float)
    return race(timed, fresh, judge, clock, rng(), turns=turns)


def honest(x, clock):
    clock.now += 10
    return sums(x)


def test_an_honest_contestant_is_as_good_as_itself():
    heats = held_race({"a": honest, "b": honest})
    assert (heats["a"].seconds == 10).all() and (heats["b"].seconds == 10).all()
    assert not heats["a"].losses.any() and len(heats["a"].losses) == 20


def test_answers_kept_from_an_earlier_turn_are_wrong():
    kept = []

    def caching(x, clock):
        if not kept:
            clock.now += 10
            kept.append(sums(x))
        return kept[0]

    heats = held_race({"honest": honest, "caching": caching})
    assert (heats["caching"].seconds == 0).all() and heats["caching"].losses.mean() > 0.5


def test_a_contestant_that_spoils_its_inputs_harms_nobody():
    def spoiling(x, clock):
        answers = honest(x, clock)
        x[...] = 0
        return answers

    heats = held_race({"honest": honest, "spoiling": spoiling}, turns=10)
    assert not heats["honest"].losses.any() and not heats["spoiling"].losses.any()


def test_work_that_is_left_for_later_is_timed():
    class Later:
        def __init__(self, x, clock):
            self.x, self.clock = x, clock

        def __array__(self, dtype=None, copy=None):
            return np.asarray(honest(self.x, self.clock), dtype)

    assert (held_race({"lazy": Later})["lazy"].seconds == 10).all()


# -- ratios --------------------------------------------------------------------------------------------------------


def test_ratios_of_losses_see_pairs():
    """Both fail on the same inputs, ours on one more: the ratio is surely not less than 1."""
    theirs = (np.arange(200) < 50).astype(float)
    ours = (np.arange(200) < 51).astype(float)
    found = loss_ratio(ours, theirs, "accuracy", rng())
    assert found.value == 52 / 51 and found.low >= 1
    alike = loss_ratio(theirs, theirs, "accuracy", rng())
    assert alike == Estimate(1.0, 1.0, 1.0)
    assert loss_ratio(np.zeros(9), np.zeros(9), "accuracy", rng()).value == 1


def test_a_ratio_of_nats_is_one_of_perplexities():
    theirs = rng().uniform(1, 3, 300)
    found = loss_ratio(theirs - math.log(2), theirs, "nats", rng())
    assert found.value == pytest.approx(0.5) and found.low == pytest.approx(0.5)


def test_losses_that_are_no_numbers_have_no_ratio():
    for ours in ([1.0, math.inf], [1.0, math.nan], [1.0]):
        with pytest.raises(ValueError):
            loss_ratio(ours, [1.0, 1.0], "nats", rng())


@pytest.mark.parametrize(("ours", "theirs"), [(0, 5), (5, 0), (-1, 5), (math.nan, 5), (5, math.inf)])
def test_an_exact_ratio_needs_numbers_above_0(ours, theirs):
    with pytest.raises(ValueError, match="above 0"):
        exact_ratio(ours, theirs)


def test_a_measure_that_is_missing_is_named():
    event = EVENTS["mlp_sprint"]
    with pytest.raises(ValueError, match="mlp_sprint measures latency"):
        ratios_of(event, {"losses": np.zeros(5)}, {"losses": np.zeros(5)}, rng())


def test_two_turns_are_too_few():
    event = EVENTS["speed"]
    with pytest.raises(ValueError, match="3 turns"):
        ratios_of(event, {"latency": [1.0, 1.0]}, {"latency": [1.0, 1.0]}, rng())


# -- scores --------------------------------------------------------------------------------------------------------


def measured(chance, speed=1.0, size=1000.0, mistakes=20):
    """What an entry might have reached, with the noise of a machine."""
    return {
        "latency": speed * chance.lognormal(0, 0.1, 30), "throughput": speed * chance.lognormal(0, 0.1, 30),
        "memory": 500.0, "size": size, "losses": (np.arange(1000) < mistakes).astype(float),
    }  # fmt: skip


def test_an_entry_that_is_the_baseline_scores_1():
    """Of 100 races of the baseline against itself, at most one, by chance, ends with a gain or a loss."""
    event, earned = EVENTS["speed"], []
    for seed in range(100):
        ours, theirs = measured(rng([seed, 0])), measured(rng([seed, 1]))
        earned.append(score_entry(event, ours, theirs, rng(seed)).total)
    assert sum(total != 1 for total in earned) <= 1


def test_a_true_gain_earns_less_than_its_value():
    event = EVENTS["speed"]
    found = score_entry(event, measured(rng(1), speed=0.5), measured(rng(2)), rng())
    assert 1 < found.total < 1 / found.ratios["latency"].value < 2.4
    assert found.interval.low == pytest.approx(found.total)


def test_behind_a_shut_gate_nothing_counts():
    event = EVENTS["mlp_sprint"]
    found = score_entry(event, measured(rng(), speed=1e-6, size=1.0, mistakes=60), measured(rng()), rng())
    assert not found.passed and found.total == 0 and found.interval is None and found.gains == {}
    missing = {"losses": np.full(10, np.nan)}
    assert score_entry(event, missing, missing, rng()).total == 0


def test_the_total_is_the_combined_gain_and_lies_within_its_interval():
    event = EVENTS["mlp_sprint"]
    found = score_entry(event, measured(rng(1), speed=0.5, size=250.0, mistakes=40), measured(rng(2)), rng())
    assert found.passed and found.quality == 0.96
    assert found.gains == {name: gain_of(ratio) for name, ratio in found.ratios.items()}
    assert found.total == combined(found.gains, event.measures)
    assert found.interval.low <= found.interval.value <= found.interval.high
    assert found.gains["size"] == 4 and found.gains["memory"] == 1 and found.gains["accuracy"] < 1


def test_the_order_of_entries_does_not_depend_on_the_baseline():
    """With another baseline all ratios change, and every total by the same factor."""
    weights = {"latency": 1, "size": 1}
    entries = [{"latency": 1.0, "size": 100.0}, {"latency": 4.0, "size": 20.0}]
    totals = []
    for base in ({"latency": 2.0, "size": 50.0}, {"latency": 8.0, "size": 10.0}):
        gains = [{name: base[name] / entry[name] for name in weights} for entry in entries]
        totals.append([combined(each, weights) for each in gains])
    assert totals[0][0] / totals[0][1] == pytest.approx(totals[1][0] / totals[1][1])


# -- tables and limits ---------------------------------------------------------------------------------------------


def test_ranks_are_gaps_and_ties():
    totals = {
        "slow": Estimate(1, 0.9, 1.1), "good": Estimate(2, 1.8, 2.2), "same": Estimate(2.1, 1.9, 2.3),
        "best": Estimate(5, 4, 6),
    }  # fmt: skip
    assert list(ranking(totals).items()) == [("best", 1), ("same", 2), ("good", 2), ("slow", 4)]
    assert ranking({}) == {}


def test_whatever_is_weighed_the_best_is_on_the_front():
    costs = rng(4).uniform(1, 10, (30, 3))
    front = pareto_front(costs)
    for weights in itertools.product([0.1, 1, 10], repeat=3):
        assert front[np.argmin(costs @ weights)]
    assert 0 < front.sum() < 30


def test_the_bound_equals_scipys():
    stats = pytest.importorskip("scipy.stats")
    for late, queries in [(0, 1), (0, 500), (7, 1000), (499, 500), (300, 20_000), (5000, 1_000_000)]:
        for level in (0.5, 0.9, 0.99, 0.999):
            wanted = stats.beta.ppf(level, late + 1, queries - late)
            assert late_bound(late, queries, level) == pytest.approx(wanted, rel=1e-7)


def test_the_bound_is_broken_no_more_often_than_it_says():
    """Of 2,000 tests of a server that is late in 2 % of all cases, about 5 % may end with a bound below that."""
    late = rng(5).binomial(500, 0.02, 2000)
    bounds = {int(k): late_bound(int(k), 500, 0.95) for k in set(late)}
    assert np.mean([bounds[int(k)] < 0.02 for k in late]) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


def test_a_limit_is_kept_surely_or_not():
    latencies = np.full(1000, 0.05)
    assert keeps_limit(latencies, 0.05) and not keeps_limit(latencies, 0.04)
    latencies[:5] = 1.0
    assert keeps_limit(latencies, 0.1, level=0.9) and not keeps_limit(latencies, 0.1, level=0.99)
    assert not keeps_limit(np.full(400, 0.01), 0.1), "400 queries, none of them late, are too few for 99 %"


def test_what_is_kept_of_the_sprints_baseline():
    assert isinstance(baseline(EVENTS["mlp_sprint"]), Sequential)
    assert stored_bytes(baseline(EVENTS["mlp_sprint"])) == 4 * 17_226
