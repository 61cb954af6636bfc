"""Wrong answers to chapter 21: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import math
from statistics import NormalDist

import numpy as np

from tinytorch.mlops import Decision, as_level, as_values
from tito.rubrics.planted import wrong

# -- psi_of_counts ----------------------------------------------------------------------------------------------------

wrong("psi_of_counts", "is the divergence in one direction", "(q - p) * np.log(q / p)", "q * np.log(q / p)")
wrong("psi_of_counts", "has the wrong sign", "np.log(q / p)", "np.log(p / q)")
wrong("psi_of_counts", "takes another base", "np.log(q / p)", "np.log10(q / p)")
wrong("psi_of_counts", "compares counts, not shares", "(counts + smoothing) / total", "counts + smoothing")
wrong("psi_of_counts", "forgets that smoothing adds to the total", " + smoothing * counts.shape[-1]", "")
wrong("psi_of_counts", "adds smoothing once", "smoothing * counts.shape[-1]", "smoothing")
wrong("psi_of_counts", "smooths by a number of its own", "(counts + smoothing)", "(counts + 0.5)")
wrong(
    "psi_of_counts",
    "smooths the shares",
    "(counts + smoothing) / total",
    "counts / total + smoothing / counts.shape[-1]",
)
wrong("psi_of_counts", "sums over everything", "* np.log(q / p)).sum(-1)", "* np.log(q / p)).sum()")
wrong("psi_of_counts", "sums over windows", "counts.sum(-1, keepdims=True)", "counts.sum()")
wrong("psi_of_counts", "takes the mean over bins", "* np.log(q / p)).sum(-1)", "* np.log(q / p)).mean(-1)")
wrong("psi_of_counts", "takes no smoothing without a word", "if not smoothing > 0:", "if False:")


@wrong("psi_of_counts", "leaves out bins that are empty, in place of smoothing")
def psi_without_empty_bins(expected, found, smoothing=0.5):
    if not smoothing > 0:
        raise ValueError("smoothing")
    a, b = np.asarray(expected, float), np.asarray(found, float)
    p, q = a / np.maximum(a.sum(-1, keepdims=True), 1), b / np.maximum(b.sum(-1, keepdims=True), 1)
    both = (p > 0) & (q > 0)
    return (np.where(both, q - p, 0) * np.log(np.where(both, q, 1) / np.where(both, p, 1))).sum(-1)


@wrong("psi_of_counts", "smooths in the caller's own counts")
def psi_smooths_in_place(expected, found, smoothing=0.5):
    if not smoothing > 0:
        raise ValueError("smoothing")
    a, b = np.asarray(expected, np.float64), np.asarray(found, np.float64)
    a += smoothing
    b += smoothing
    p, q = a / a.sum(-1, keepdims=True), b / b.sum(-1, keepdims=True)
    return ((q - p) * np.log(q / p)).sum(-1)


# -- ks_statistic -----------------------------------------------------------------------------------------------------

wrong("ks_statistic", "keeps the sign", "np.abs(shares[0] - shares[1]).max()", "(shares[0] - shares[1]).max()")
wrong("ks_statistic", "tries the reference's values only", "np.concatenate([x, y])", "x")
wrong("ks_statistic", "tries the window's values only", "np.concatenate([x, y])", "y")
wrong("ks_statistic", "divides both by one number", "/ len(row)", "/ len(x)")
wrong("ks_statistic", "takes the mean difference", ".max()", ".mean()")
wrong(
    "ks_statistic",
    "does not sort",
    "np.sort(as_values(reference)), np.sort(as_values(window))",
    "as_values(reference), as_values(window)",
)
wrong(
    "ks_statistic",
    "takes any numbers",
    "np.sort(as_values(reference)), np.sort(as_values(window))",
    "np.sort(reference), np.sort(window)",
)


@wrong("ks_statistic", "compares ranks as if the two were of one size")
def distance_of_sorted(reference, window):
    x, y = np.sort(as_values(reference)), np.sort(as_values(window))
    n = min(len(x), len(y))
    return float(np.abs(x[:n] - y[:n]).max())


@wrong("ks_statistic", "steps over equal values one by one")
def distance_by_steps(reference, window):
    x, y = as_values(reference), as_values(window)
    order = np.argsort(np.concatenate([x, y]), kind="stable")
    steps = np.concatenate([np.full(len(x), 1 / len(x)), np.full(len(y), -1 / len(y))])[order]
    return float(np.abs(np.cumsum(steps)).max())


@wrong("ks_statistic", "sorts the caller's own arrays")
def distance_sorts(reference, window):
    as_values(reference), as_values(window)
    if isinstance(reference, np.ndarray):
        reference.sort()
    x, y = np.sort(reference), np.sort(window)
    every = np.concatenate([x, y])
    shares = [np.searchsorted(row, every, side="right") / len(row) for row in (x, y)]
    return float(np.abs(shares[0] - shares[1]).max())


# -- Hysteresis.update ------------------------------------------------------------------------------------------------

wrong("Hysteresis.update", "has one limit", "value < self.off", "value < self.on")
wrong("Hysteresis.update", "goes on at the limit", "value > self.on", "value >= self.on")
wrong("Hysteresis.update", "goes off at the limit", "value < self.off", "value <= self.off")
wrong(
    "Hysteresis.update", "never forgets what was in a row", "self.against + 1 if speaks else 0", "self.against + speaks"
)
wrong("Hysteresis.update", "keeps counting after a change", "not self.raised, 0", "not self.raised, self.against")
wrong("Hysteresis.update", "needs one more", "self.against == self.after", "self.against > self.after")
wrong(
    "Hysteresis.update",
    "goes on at once, and is slow to go off only",
    "self.against == self.after",
    "self.against == (self.after if self.raised else 1)",
)
wrong(
    "Hysteresis.update",
    "goes off at once",
    "self.against == self.after",
    "self.against == (1 if self.raised else self.after)",
)
wrong("Hysteresis.update", "never goes off", "not self.raised, 0", "True, 0")
wrong(
    "Hysteresis.update",
    "tells what it was before",
    "speaks = ",
    "before = self.raised\nspeaks = ",
    "return self.raised",
    "return before",
)
wrong("Hysteresis.update", "takes NaN for a value above", "value > self.on", "not value <= self.on")


@wrong("Hysteresis.update", "counts for both directions at once")
def update_of_two_counts(self, value):
    self.against = self.against + 1 if value > self.on or value < self.off else 0
    if self.against >= self.after:
        self.raised = value > self.on
    return self.raised


@wrong("Hysteresis.update", "keeps its state in the class")
def update_of_the_class(self, value):
    kind = type(self)
    if self.against == 0 and not hasattr(self, "known"):
        self.known = True
    state, count = getattr(kind, "state", False), getattr(kind, "count", 0)
    speaks = value < self.off if state else value > self.on
    count = count + 1 if speaks else 0
    if count == self.after:
        state, count = not state, 0
    kind.state, kind.count = state, count
    self.raised = state
    return state


# -- expected_run_length ----------------------------------------------------------------------------------------------

wrong(
    "expected_run_length",
    "falls below 0",
    "max(0, place + int(move))",
    "place + int(move)",
    "if target < limit:",
    "if 0 <= target < limit:",
)
wrong(
    "expected_run_length",
    "alarms above the limit",
    "stays = np.zeros((limit, limit))",
    "limit += 1\nstays = np.zeros((limit, limit))",
)
wrong("expected_run_length", "keeps one way to each place", "+= weight", "= weight")
wrong("expected_run_length", "turns the table", "stays[place, target]", "stays[target, place]")
wrong(
    "expected_run_length", "does not count the last value", "return float(lengths[0])", "return float(lengths[0]) - 1"
)
wrong("expected_run_length", "starts in the middle", "lengths[0]", "lengths[limit // 2]")
wrong("expected_run_length", "tells the mean over places", "lengths[0]", "lengths.mean()")
wrong(
    "expected_run_length",
    "asks what is no solution",
    "if not (moves[weights > 0] > 0).any():",
    "if not (moves > 0).any():",
)
wrong(
    "expected_run_length",
    "asks nothing of the chances",
    "(weights < 0).any() or not abs(weights.sum() - 1) <= 1e-9",
    "False",
)
wrong("expected_run_length", "takes chances below 0", "(weights < 0).any() or ", "")


@wrong("expected_run_length", "divides the way by the mean step")
def run_length_by_mean(steps, chances, limit):
    weights = np.asarray(chances, float)
    if limit < 1 or (weights < 0).any() or not abs(weights.sum() - 1) <= 1e-9:
        raise ValueError("chances")
    mean = float(np.asarray(steps) @ weights)
    return limit / mean if mean > 0 else math.inf


@wrong("expected_run_length", "gives up after a hundred values")
def run_length_by_summing(steps, chances, limit):
    weights = np.asarray(chances, float)
    if limit < 1 or (weights < 0).any() or not abs(weights.sum() - 1) <= 1e-9:
        raise ValueError("chances")
    if not any(s > 0 and w > 0 for s, w in zip(steps, weights)):
        return math.inf
    there, total = np.eye(limit)[0], 0.0
    for _ in range(20):
        total += there.sum()
        after = np.zeros(limit)
        for place in range(limit):
            for step, weight in zip(steps, weights):
                target = max(0, place + int(step))
                if target < limit:
                    after[target] += there[place] * weight
        there = after
    return float(total)


# -- promotion_gate ---------------------------------------------------------------------------------------------------

wrong("promotion_gate", "leaves out what was seen", "range(better, differ + 1)", "range(better + 1, differ + 1)")
wrong(
    "promotion_gate",
    "takes the chance of what was seen alone",
    "range(better, differ + 1)",
    "range(better, better + 1)",
)
wrong("promotion_gate", "asks for the live model", "range(better, differ + 1)", "range(worse, differ + 1)")
wrong("promotion_gate", "counts all examples as coins", "differ = better + worse", "differ = len(ours)")
wrong("promotion_gate", "promotes below the level only", "chance <= as_level(level)", "chance < as_level(level)")
wrong(
    "promotion_gate",
    "promotes whoever is ahead",
    "Decision(chance <= as_level(level)",
    "Decision(better > worse and as_level(level) > 0",
)
wrong("promotion_gate", "exchanges better and worse", "level), better, worse", "level), worse, better")
wrong("promotion_gate", "takes any level", "as_level(level)", "level")
wrong(
    "promotion_gate",
    "takes what are no pairs",
    "ours.shape != theirs.shape or ours.ndim != 1",
    "False",
    "(ours & ~theirs)",
    "(ours[: len(theirs)] & ~theirs[: len(ours)])",
    "(theirs & ~ours)",
    "(theirs[: len(ours)] & ~ours[: len(theirs)])",
)
wrong("promotion_gate", "is for both directions", "/ 2**differ", "/ 2**differ * 2")
wrong("promotion_gate", "divides with floats", "/ 2**differ", "/ 2.0**differ")


@wrong("promotion_gate", "takes the bell curve for coins")
def gate_by_normal(candidate, live, level=0.05):
    ours, theirs = np.asarray(candidate, bool), np.asarray(live, bool)
    if ours.shape != theirs.shape or ours.ndim != 1:
        raise ValueError("pairs")
    better, worse = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    z = (better - worse) / math.sqrt(better + worse) if better + worse else -math.inf
    chance = 1 - NormalDist().cdf(z) if z > -math.inf else 1.0
    return Decision(chance <= as_level(level), better, worse, chance)


@wrong("promotion_gate", "compares accuracies as if of different examples")
def gate_unpaired(candidate, live, level=0.05):
    ours, theirs = np.asarray(candidate, bool), np.asarray(live, bool)
    if ours.shape != theirs.shape or ours.ndim != 1:
        raise ValueError("pairs")
    better, worse = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    n = max(len(ours), 1)
    pooled = (ours.sum() + theirs.sum()) / (2 * n)
    spread = math.sqrt(2 * pooled * (1 - pooled) / n) or 1.0
    chance = 1 - NormalDist().cdf((better - worse) / n / spread)
    return Decision(chance <= as_level(level), better, worse, chance)


# -- BatchQueue.take --------------------------------------------------------------------------------------------------

wrong(
    "BatchQueue.take", "computes what is too late", "size = self.most if", "others = self.requests\nsize = self.most if"
)
wrong(
    "BatchQueue.take",
    "is never late at the deadline itself",
    "if request.deadline <= now]",
    "if request.deadline < now]",
    "if not request.deadline <= now]",
    "if not request.deadline < now]",
)
wrong("BatchQueue.take", "counts the late as company", "full = len(others)", "full = len(self.requests)")
wrong("BatchQueue.take", "asks how long a late one has waited", "others[0].arrived", "self.requests[0].arrived")
wrong("BatchQueue.take", "asks how long the last one has waited", "others[0].arrived", "others[-1].arrived")
wrong("BatchQueue.take", "waits a moment too long", "+ self.wait <= now", "+ self.wait < now")
wrong("BatchQueue.take", "never waits", "full or (others and others[0].arrived + self.wait <= now)", "others")
wrong("BatchQueue.take", "waits until it is full", "full or (others and others[0].arrived + self.wait <= now)", "full")
wrong(
    "BatchQueue.take",
    "takes all that are there",
    "others[size:]",
    "others[len(others) if size else 0 :]",
    "return others[:size], late",
    "return others[: len(others) if size else 0], late",
)
wrong("BatchQueue.take", "loses those that stay", "self.requests = others[size:]", "self.requests = []")
wrong("BatchQueue.take", "leaves the batch in the queue", "self.requests = others[size:]", "self.requests = others")
wrong(
    "BatchQueue.take",
    "takes the newest first",
    "return others[:size], late",
    "return others[::-1][:size], late",
    "self.requests = others[size:]",
    "self.requests = others[: len(others) - size]",
)
wrong(
    "BatchQueue.take",
    "keeps the late until something is taken",
    "self.requests = others[size:]",
    "self.requests = others[size:] if size else self.requests",
)
wrong("BatchQueue.take", "waits for more than enough", "len(others) >= self.most", "len(others) > self.most")

# -- accounting -------------------------------------------------------------------------------------------------------

wrong("smallest_lead", "rounds down", "math.ceil", "math.floor")
wrong("smallest_lead", "asks for 0.05", "0.01", "0.05")
wrong("smallest_lead", "takes natural logarithms", "math.log2", "math.log")
wrong("mean_wait_ms", "takes half of the wait", "(10 + 7 + 4 + 1) / 4", "10 / 2")
wrong("mean_wait_ms", "fills the batch", "(10 + 7 + 4 + 1) / 4", "sum(3 * k for k in range(8)) / 8")
wrong("mean_wait_ms", "leaves out the one at 9 ms", "(10 + 7 + 4 + 1) / 4", "(10 + 7 + 4) / 3")
wrong("weights_on_disk", "keeps every version", "5 * 4", "6 * 4")
wrong("weights_on_disk", "counts float64", "5 * 4", "5 * 8")
wrong("weights_on_disk", "keeps only the last", "5 * 4", "4")


# -- more, of every exercise ------------------------------------------------------------------------------------------

wrong(
    "psi_of_counts",
    "clips shares to 1e-4, as programs in banks do",
    "p, q = shares",
    "p, q = (np.maximum(share, 1e-4) for share in shares)",
)

wrong("psi_of_counts", "clips shares to 1e-6", "p, q = shares", "p, q = (np.maximum(share, 1e-6) for share in shares)")

wrong("psi_of_counts", "adds 1e-9 to both shares", "p, q = shares", "p, q = (share + 1e-9 for share in shares)")

wrong(
    "ks_statistic",
    "float32: values that differ little are equal",
    "np.sort(as_values(reference)), np.sort(as_values(window))",
    "np.sort(as_values(reference).astype(np.float32)), np.sort(as_values(window).astype(np.float32))",
)

wrong(
    "ks_statistic",
    "rounds values to six decimals",
    "np.sort(as_values(reference)), np.sort(as_values(window))",
    "np.sort(np.round(as_values(reference), 6)), np.sort(np.round(as_values(window), 6))",
)

wrong(
    "ks_statistic",
    "tries a thousand x on a grid",
    "np.concatenate([x, y])",
    "np.linspace(min(x[0], y[0]), max(x[-1], y[-1]), 1001)",
)

wrong(
    "Hysteresis.update",
    "infinity is no number either",
    "speaks = value < self.off if self.raised else value > self.on",
    "speaks = math.isfinite(value) and (value < self.off if self.raised else value > self.on)",
)

wrong("Hysteresis.update", "sizes without signs", "speaks = ", "value = abs(value)\nspeaks = ")

wrong("Hysteresis.update", "whole values", "speaks = ", "value = int(value) if value == value else value\nspeaks = ")

wrong("expected_run_length", "norms the caller's chances", "if not (moves", "weights /= weights.sum()\nif not (moves")


@wrong("expected_run_length", "trusts solve to tell that there is no solution")
def trusts_solve_to_tell(steps, chances, limit):
    moves, weights = np.asarray(steps, np.int64), np.asarray(chances, np.float64)
    if limit < 1 or (weights < 0).any() or not abs(weights.sum() - 1) <= 1e-9:
        raise ValueError("no chances")
    stays = np.zeros((limit, limit))
    for place in range(limit):
        for move, weight in zip(moves, weights):
            target = max(0, place + int(move))
            if target < limit:
                stays[place, target] += weight
    try:
        return float(np.linalg.solve(np.eye(limit) - stays, np.ones(limit))[0])
    except np.linalg.LinAlgError:
        return math.inf


@wrong("expected_run_length", "follows the walk for ten thousand values")
def follows_the_walk_for(steps, chances, limit):
    moves, weights = np.asarray(steps, np.int64), np.asarray(chances, np.float64)
    if limit < 1 or (weights < 0).any() or not abs(weights.sum() - 1) <= 1e-9:
        raise ValueError("no chances")
    if not (moves[weights > 0] > 0).any():
        return math.inf
    stays = np.zeros((limit, limit))
    for place in range(limit):
        for move, weight in zip(moves, weights):
            target = max(0, place + int(move))
            if target < limit:
                stays[place, target] += weight
    there, total = np.eye(limit)[0], 0.0
    for _ in range(10_000):
        total += there.sum()
        there = there @ stays
        if there.sum() < 1e-12:
            break
    return float(total)


wrong("promotion_gate", "compares with 1 - level", "chance <= as_level(level)", "1 - chance >= 1 - as_level(level)")

wrong("promotion_gate", "compares a rounded chance", "chance <= as_level(level)", "round(chance, 4) <= as_level(level)")


@wrong("promotion_gate", "1 minus the other tail, in floats")
def minus_the_other_tail(candidate, live, level=0.05):
    ours, theirs = np.asarray(candidate, bool), np.asarray(live, bool)
    if ours.shape != theirs.shape or ours.ndim != 1:
        raise ValueError("pairs")
    better, worse = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    n = better + worse
    chance = 1 - sum(math.comb(n, k) for k in range(better)) / 2**n
    return Decision(chance <= as_level(level), better, worse, chance)


wrong(
    "BatchQueue.take",
    "tells the late ones itself",
    "others = ",
    "for request in late:\n    request.answer.set_exception(Late('too late'))\nothers = ",
)

wrong("BatchQueue.take", "a tuple for a list", "return others[:size], late", "return tuple(others[:size]), tuple(late)")

wrong(
    "BatchQueue.take",
    "late is a generator",
    "late = [request for request in self.requests if request.deadline <= now]",
    "late = (request for request in self.requests if request.deadline <= now)",
)
