"""Right answers to chapter 21, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import math

import numpy as np

from tinytorch.mlops import Decision, as_values
from tito.rubrics.planted import right

# -- psi_of_counts ----------------------------------------------------------------------------------------------------

right("psi_of_counts", "subtracts logarithms", "np.log(q / p)", "(np.log(q) - np.log(p))")
right("psi_of_counts", "turns both signs", "(q - p) * np.log(q / p)", "(p - q) * np.log(p / q)")


@right("psi_of_counts", "smooths first, and divides by what is there then")
def psi_smoothed_first(expected, found, smoothing=0.5):
    if smoothing > 0:
        a, b = np.array(expected, dtype=float) + smoothing, np.array(found, dtype=float) + smoothing
        p, q = a / a.sum(axis=-1)[..., None], b / b.sum(axis=-1)[..., None]
        return np.sum(q * np.log(q / p) + p * np.log(p / q), axis=-1)
    raise ValueError("smooth a little")


# -- ks_statistic -----------------------------------------------------------------------------------------------------

right("ks_statistic", "tries each value once", "np.concatenate([x, y])", "np.unique(np.concatenate([x, y]))")
right(
    "ks_statistic",
    "takes the larger of two directions",
    "np.abs(shares[0] - shares[1]).max()",
    "max((shares[0] - shares[1]).max(), (shares[1] - shares[0]).max())",
)


@right("ks_statistic", "compares every value with every other")
def distance_by_tables(reference, window):
    x, y = as_values(reference), as_values(window)
    every = np.concatenate([x, y])[:, None]
    return np.max(np.abs((x <= every).mean(axis=1) - (y <= every).mean(axis=1)))


@right("ks_statistic", "counts the steps at each value")
def distance_by_steps(reference, window):
    x, y = as_values(reference), as_values(window)
    every, place = np.unique(np.concatenate([x, y]), return_inverse=True)
    steps = np.zeros(len(every))
    np.add.at(steps, place[: len(x)], 1 / len(x))
    np.add.at(steps, place[len(x) :], -1 / len(y))
    return float(abs(np.cumsum(steps)).max())


# -- Hysteresis.update ------------------------------------------------------------------------------------------------

right(
    "Hysteresis.update",
    "writes the branches out",
    "speaks = value < self.off if self.raised else value > self.on",
    "if self.raised:\n    speaks = value < self.off\nelse:\n    speaks = value > self.on",
)


@right("Hysteresis.update", "keeps the last values")
def update_by_memory(self, value):
    if not hasattr(self, "last"):
        self.last = []
    self.last = [*self.last, value][-self.after :]
    if len(self.last) == self.after:
        if not self.raised and all(v > self.on for v in self.last):
            self.raised, self.last = True, []
        elif self.raised and all(v < self.off for v in self.last):
            self.raised, self.last = False, []
    return self.raised


@right("Hysteresis.update", "counts down")
def update_counting_down(self, value):
    if (value < self.off) if self.raised else (value > self.on):
        self.against -= 1
    else:
        self.against = 0
    if self.against <= -self.after:
        self.raised = not self.raised
        self.against = 0
    return self.raised


# -- expected_run_length ----------------------------------------------------------------------------------------------

right(
    "expected_run_length",
    "multiplies by an inverse",
    "np.linalg.solve(np.eye(limit) - stays, np.ones(limit))",
    "np.linalg.inv(np.eye(limit) - stays).sum(axis=1)",
)


@right("expected_run_length", "eliminates fractions")
def run_length_of_fractions(steps, chances, limit):
    from fractions import Fraction

    chances = [float(c) for c in chances]
    if limit < 1 or min(chances) < 0 or not math.isclose(sum(chances), 1):
        raise ValueError("no chances")
    ways = [(int(s), c) for s, c in zip(steps, chances) if c > 0]
    if max(s for s, _ in ways) <= 0:
        return math.inf
    rows = [[Fraction(0)] * (limit + 1) for _ in range(limit)]
    for i, row in enumerate(rows):
        row[i] += 1
        row[limit] += 1
        for s, c in ways:
            if i + s < limit:
                row[max(i + s, 0)] -= Fraction(c)
    for i in range(limit - 1, 0, -1):
        for row in rows[:i]:
            share = row[i] / rows[i][i]
            row[:] = [a - share * b for a, b in zip(row, rows[i])]
    return float(rows[0][limit] / rows[0][0])


@right("expected_run_length", "follows the walk's distribution until little is left of it")
def run_length_by_following(steps, chances, limit):
    steps, chances = np.asarray(steps), np.asarray(chances, float)
    if limit < 1 or np.any(chances < 0) or not np.isclose(chances.sum(), 1):
        raise ValueError("no chances")
    if np.all(steps[chances > 0] <= 0):
        return np.inf
    move = np.zeros((limit, limit))
    for i in range(limit):
        to = np.maximum(i + steps, 0)
        np.add.at(move[i], to[to < limit], chances[to < limit])
    power, total = move, np.eye(limit)
    for _ in range(60):  # 1 + M + M^2 + ... = (1 + M)(1 + M^2)(1 + M^4)...
        total = total + total @ power
        power = power @ power
    return float(total[0].sum())


# -- promotion_gate ---------------------------------------------------------------------------------------------------

right(
    "promotion_gate",
    "adds up the other tail",
    "sum(math.comb(differ, k) for k in range(better, differ + 1)) / 2**differ",
    "sum(math.comb(differ, k) for k in range(worse + 1)) / 2**differ",
)


@right("promotion_gate", "subtracts, and adds up fractions")
def gate_by_differences(candidate, live, level=0.05):
    from fractions import Fraction

    a, b = np.array(candidate).astype(int), np.array(live).astype(int)
    if a.shape != b.shape or a.ndim != 1 or not (level > 0 and level < 1):
        raise ValueError("pairs and a level, please")
    d = a - b
    better, worse = int((d == 1).sum()), int((d == -1).sum())
    n = better + worse
    chance = float(sum(Fraction(math.comb(n, k), 2**n) for k in range(better, n + 1)))
    return Decision(promote=chance <= level, better=better, worse=worse, chance=chance)


@right("promotion_gate", "goes from coin to coin with logarithms")
def gate_by_logarithms(candidate, live, level=0.05):
    ours, theirs = np.asarray(candidate, bool), np.asarray(live, bool)
    if ours.ndim != 1 or theirs.ndim != 1 or len(ours) != len(theirs):
        raise ValueError("pairs")
    if not 0 < level < 1:
        raise ValueError("a level")
    better, worse = int(np.sum(ours > theirs)), int(np.sum(ours < theirs))
    n = better + worse
    ways = 0
    way = 1
    for k in range(n + 1):
        if k >= better:
            ways += way
        way = way * (n - k) // (k + 1)
    chance = ways / (1 << n)
    return Decision(chance <= level, better, worse, chance)


# -- BatchQueue.take --------------------------------------------------------------------------------------------------


@right("BatchQueue.take", "changes the queue in place")
def take_in_place(self, now):
    late = [each for each in self.requests if now >= each.deadline]
    for each in late:
        self.requests.remove(each)
    batch = []
    if self.requests and (len(self.requests) >= self.most or now - self.requests[0].arrived >= self.wait):
        while self.requests and len(batch) < self.most:
            batch.append(self.requests.pop(0))
    return batch, late


@right("BatchQueue.take", "returns early")
def take_early(self, now):
    alive, late = [], []
    for request in self.requests:
        (late if request.deadline <= now else alive).append(request)
    self.requests = alive
    if not alive or (len(alive) < self.most and alive[0].arrived + self.wait > now):
        return [], late
    self.requests = alive[self.most :]
    return alive[: self.most], late


@right("BatchQueue.take", "asks for the oldest by its time")
def take_by_oldest(self, now):
    late = [r for r in self.requests if r.deadline <= now]
    rest = [r for r in self.requests if r not in late]
    oldest = min((r.arrived for r in rest), default=math.inf)
    ready = len(rest) >= self.most or oldest <= now - self.wait
    batch = rest[: self.most] if ready else []
    self.requests = rest[len(batch) :]
    return batch, late


# -- accounting -------------------------------------------------------------------------------------------------------

right("smallest_lead", "counts", "math.ceil(math.log2(1 / 0.01))", "next(n for n in range(99) if 0.5**n <= 0.01)")
right("smallest_lead", "tells the number", "math.ceil(math.log2(1 / 0.01))", "7")
right("smallest_lead", "divides logarithms", "math.ceil(math.log2(1 / 0.01))", "math.ceil(math.log(100) / math.log(2))")
right("mean_wait_ms", "tells the number", "(10 + 7 + 4 + 1) / 4", "5.5")
right("mean_wait_ms", "adds up", "(10 + 7 + 4 + 1) / 4", "sum(10 - 3 * k for k in range(4)) / 4")
right("mean_wait_ms", "takes the middle", "(10 + 7 + 4 + 1) / 4", "(10 + 1) / 2")
right("weights_on_disk", "tells the number", "5 * 4 * numbers", "2_187_720")
right("weights_on_disk", "multiplies otherwise", "5 * 4 * numbers", "20 * numbers")
right("weights_on_disk", "takes one of six away", "5 * 4 * numbers", "(6 - 1) * numbers * 4")
