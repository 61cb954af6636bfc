"""What is true of a model in production: nothing acknowledged is lost, and no alarm is more frequent than it says.

SciPy is the oracle for statistics where it is installed; clocks are moved by hand; processes are killed for good.
"""

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from tinytorch.mlops import (
    Batcher,
    BatchQueue,
    Busy,
    Canary,
    Hysteresis,
    Late,
    Monitor,
    OnlineDetector,
    Registry,
    RegistryError,
    Request,
    Retraining,
    RollingStatistics,
    advantage,
    bin_edges,
    classifier_threshold,
    classifier_two_sample,
    expected_run_length,
    fingerprint,
    histogram,
    ks_statistic,
    ks_threshold,
    lineage,
    once_live,
    promotion_gate,
    psi,
    psi_of_counts,
    psi_threshold,
)

ROOT = Path(__file__).parents[1]
MEASURES = ROOT / "chapters" / "measures"


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "models", clock=iter(range(1000)).__next__)


def weights(number, size=4):
    return {"weight": np.full((size, size), number, np.float32), "bias": np.arange(size)}


# -- the registry ----------------------------------------------------------------------------------------------------


def test_what_is_registered_comes_back(registry):
    state = {
        **weights(1),
        "scalar": np.float64(2.5),
        "empty": np.zeros((0, 3), np.float32),
        "big": np.arange(3, dtype=">i4"),
    }
    assert registry.register("digits", state, {"accuracy": np.float32(0.5)}, {"parent": None}) == 1
    loaded = registry.load("digits", 1)
    for name, array in state.items():
        assert np.array_equal(loaded[name], array)
        assert loaded[name].dtype == np.asarray(array).dtype.newbyteorder("<")
    known = registry.version("digits", 1)
    assert (known.stage, known.metrics, known.lineage) == ("candidate", {"accuracy": 0.5}, {"parent": None})
    assert known.fingerprint == fingerprint(state)


def test_versions_count_up_by_name(registry):
    assert [registry.register("a", weights(n)) for n in range(3)] == [1, 2, 3]
    assert registry.register("b", weights(0)) == 1
    assert registry.names() == ["a", "b"]
    assert [known.version for known in registry.versions("a")] == [1, 2, 3]
    assert registry.versions("nobody") == []


def test_equal_weights_are_one_file(registry):
    for number in (1, 2, 1):
        registry.register("a", weights(number))
    assert len(list((registry.folder / "weights").iterdir())) == 2


def test_one_version_is_live_and_one_the_canary(registry):
    for number in range(3):
        registry.register("a", weights(number))
    assert registry.live("a") is None
    registry.promote("a", 1)
    registry.promote("a", 2, "canary", "looks good")
    assert (registry.live("a"), registry.at("a", "canary")) == (1, 2)
    registry.promote("a", 2)
    assert (registry.live("a"), registry.at("a", "canary")) == (2, None)
    assert [known.stage for known in registry.versions("a")] == ["retired", "live", "candidate"]
    assert np.array_equal(registry.load("a")["weight"], weights(1)["weight"])
    registry.promote("a", 3, "canary")
    registry.promote("a", 1, "canary")
    assert [known.stage for known in registry.versions("a")] == ["canary", "live", "retired"]


def test_a_rollback_goes_back_step_by_step(registry):
    for number in range(3):
        registry.register("a", weights(number))
        registry.promote("a", number + 1)
    assert registry.rollback("a", "errors") == 2
    assert registry.rollback("a") == 1
    with pytest.raises(RegistryError, match="cannot be rolled back"):
        registry.rollback("a")
    assert registry.live("a") == 1
    assert [known.stage for known in registry.versions("a")] == ["live", "rolled back", "rolled back"]
    registry.promote("a", 3)
    assert registry.rollback("a") == 1


def test_promoting_the_live_version_again_changes_nothing(registry):
    registry.register("a", weights(0))
    registry.promote("a", 1)
    before = registry.history("a")
    registry.promote("a", 1)
    assert registry.history("a") == before


def test_the_log_tells_what_happened_in_order(registry):
    registry.register("a", weights(0))
    registry.register("a", weights(1))
    registry.promote("a", 1, reason="first")
    registry.promote("a", 2, reason="better")
    registry.rollback("a", "worse after all")
    told = [(change.version, change.stage, change.reason) for change in registry.history("a")]
    assert told == [
        (1, "candidate", "registered"), (2, "candidate", "registered"), (1, "live", "first"),
        (1, "retired", "version 2 takes its place"), (2, "live", "better"),
        (2, "rolled back", "worse after all"), (1, "live", "version 2 was rolled back"),
    ]  # fmt: skip
    times = [change.at for change in registry.history("a")]
    assert times == sorted(times)


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a" * 101, "a b", "a\n"])
def test_a_name_that_could_be_a_path_is_refused(registry, name):
    with pytest.raises(RegistryError, match="a name is made of"):
        registry.register(name, weights(0))


def test_errors_say_what_is_there(registry):
    registry.register("a", weights(0))
    with pytest.raises(RegistryError, match=r"a has no version 7, it has \[1\]"):
        registry.load("a", 7)
    with pytest.raises(RegistryError, match="no version in the stage 'live'"):
        registry.load("a")
    with pytest.raises(RegistryError, match="a stage is one of candidate, canary"):
        registry.promote("a", 1, "best")
    with pytest.raises(RegistryError, match="no version 2"):
        registry.promote("a", 2)
    assert len(registry.history("a")) == 1


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RegistryError, match="there can be no registry"):
        Registry(tmp_path / "file")


def test_a_lineage_tells_data_and_code_apart():
    data, code = {"x": np.zeros((2, 2)), "y": np.array([0, 1])}, "def train(): ..."
    one = lineage(data, code, {"rate": 0.1}, parent=3)
    assert one == lineage(dict(reversed(data.items())), code, {"rate": 0.1}, 3)
    assert one["parameters"] == {"rate": 0.1} and one["parent"] == 3
    assert one["data"] != lineage({**data, "y": np.array([1, 1])}, code, {})["data"]
    assert one["data"] != lineage({**data, "x": np.zeros((4, 1))}, code, {})["data"]
    assert one["code"] != lineage(data, code + "\n", {})["code"]


@pytest.mark.parametrize("damage", ["cut", "gone", "other", "garbage", "turned"])
def test_a_damaged_file_is_told_and_the_others_stay(registry, damage):
    for number in (1, 2):
        registry.register("a", weights(number))
    registry.promote("a", 1)
    registry.promote("a", 2)
    file, other = (registry.folder / "weights" / f"{registry.version('a', v).fingerprint}.safetensors" for v in (2, 1))
    content = file.read_bytes()
    match damage:
        case "cut":
            file.write_bytes(content[: len(content) // 2])
        case "gone":
            file.unlink()
        case "other":
            file.write_bytes(other.read_bytes())
        case "garbage":
            file.write_bytes(os.urandom(200))
        case "turned":
            file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(RegistryError, match="version 2 of a"):
        registry.load("a")
    registry.rollback("a", "damaged")
    assert np.array_equal(registry.load("a")["weight"], weights(1)["weight"])
    assert registry.register("a", weights(2)) == 3  # which mends the file: it has the same weights
    assert np.array_equal(registry.load("a", 2)["weight"], weights(2)["weight"])


def test_a_database_that_is_none_is_told(tmp_path):
    (tmp_path / "registry.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(RegistryError, match="file is not a database"):
        Registry(tmp_path)


def test_sweep_deletes_what_nobody_names(registry):
    registry.register("a", weights(0))
    folder = registry.folder / "weights"
    (folder / ".lost.safetensors.12ab").touch()
    (folder / "lost.safetensors").touch()
    assert registry.sweep() == 0  # too young: another process may be about to name them
    assert registry.sweep(age=0) == 2
    assert np.array_equal(registry.load("a", 1)["weight"], weights(0)["weight"])


WRITER = """
import sys
import numpy as np
from tinytorch.mlops import Registry
registry = Registry(sys.argv[1])
print("ready", flush=True)
for number in range(int(sys.argv[2]), 10**9):
    version = registry.register("a", {"weight": np.full((40, 40), number, np.float32)}, {"number": number})
    print(version, number, flush=True)
    registry.promote("a", version, "live", str(number))
    print("live", version, flush=True)
"""


def start_writer(folder, first, limit=None):
    """A process that registers and promotes until it is ended; it prints what it was promised."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n" if limit else ""
    command = [sys.executable, "-c", limited + WRITER, str(folder), str(first)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def acknowledged(printed):
    """What a writer was promised: {version: number}, and the last version that it was told is live."""
    lines = [line.split() for line in printed.splitlines() if line != "ready"]
    versions = {int(words[0]): int(words[1]) for words in lines if words[0] != "live"}
    return versions, max((int(words[1]) for words in lines if words[0] == "live"), default=0)


def everything_is_there(registry, versions):
    known = {each.version: each for each in registry.versions("a")}
    for version, number in versions.items():
        assert known[version].metrics == {"number": number}
    for version in known:  # also those that nobody heard of are whole
        assert registry.load("a", version)["weight"][0, 0] == known[version].metrics["number"]
    assert sum(each.stage == "live" for each in known.values()) <= 1
    assert sorted(known) == list(range(1, len(known) + 1))


def test_a_killed_writer_loses_nothing_that_was_acknowledged(tmp_path):
    versions, live = {}, 0
    for attempt, delay in enumerate((0.0, 0.013, 0.031, 0.052, 0.077, 0.11)):
        writer = start_writer(tmp_path, 1000 * attempt)
        assert writer.stdout.readline() == "ready\n"
        time.sleep(delay)
        writer.kill()
        printed, _ = writer.communicate()
        whole = printed[: printed.rfind("\n") + 1]
        more, last = acknowledged(whole)
        versions, live = {**versions, **more}, max(live, last)
        registry = Registry(tmp_path)
        everything_is_there(registry, versions)
        assert (registry.live("a") or 0) >= live
    assert registry.register("a", {"weight": np.full((1, 1), 7, np.float32)}, {"number": 7}) == len(
        registry.versions("a")
    )


def test_two_processes_write_at_once(tmp_path):
    writers = [start_writer(tmp_path, first) for first in (0, 10_000)]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    time.sleep(0.5)
    printed = []
    for writer in writers:
        writer.send_signal(signal.SIGTERM)
        out, errors = writer.communicate()
        assert errors == ""
        printed.append(acknowledged(out[: out.rfind("\n") + 1])[0])
    assert all(printed) and not set(printed[0]) & set(printed[1])
    everything_is_there(Registry(tmp_path), printed[0] | printed[1])


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE is POSIX's")
@pytest.mark.parametrize("limit", [4096, 60_000, 200_000])
def test_a_full_disk_is_told_and_costs_nothing_acknowledged(tmp_path, limit):
    """No file may grow beyond the limit: first the weights do not fit, then the tables, then the log before them."""
    registry = Registry(tmp_path)
    registry.register("a", {"weight": np.full((1, 1), -1, np.float32)}, {"number": -1})
    writer = start_writer(tmp_path, 0, limit)
    if limit > 100_000:  # let the database grow first, which takes a while
        with registry._transaction() as database:
            database.execute("CREATE TABLE filler (bytes BLOB)")
            database.execute("INSERT INTO filler VALUES (zeroblob(180000))")
    printed, errors = writer.communicate(timeout=60)
    assert writer.returncode == 1
    assert "RegistryError" in errors.splitlines()[-1], errors
    everything_is_there(Registry(tmp_path), acknowledged(printed)[0])
    registry.register("a", {"weight": np.full((1, 1), 5, np.float32)}, {"number": 5})  # there is room again
    everything_is_there(Registry(tmp_path), {len(registry.versions("a")): 5})


def test_threads_share_a_registry(registry):
    registry.clock = time.time
    found: list[int] = []
    work = lambda number: found.extend(registry.register("a", weights(number + i)) for i in range(5))
    threads = [threading.Thread(target=work, args=[10 * number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, 21))


def test_history_says_which_versions_were_live_one_upon_the_other(registry):
    for number in range(3):
        registry.register("a", weights(number))
    assert once_live(registry.history("a")) == []
    registry.promote("a", 1)
    registry.promote("a", 2, "canary")
    registry.promote("a", 2, "rolled back")
    assert once_live(registry.history("a")) == [1]
    registry.promote("a", 3)
    registry.promote("a", 1)
    assert once_live(registry.history("a")) == [1, 3, 1]


# -- requests in batches ---------------------------------------------------------------------------------------------


def test_a_queue_has_limits():
    for wrong in ((0, 1.0, 5), (2, -1.0, 5), (4, 1.0, 3), (1, math.nan, 5)):
        with pytest.raises(ValueError, match="needs most >= 1"):
            BatchQueue(*wrong)
    queue = BatchQueue(most=1, wait=0.0, waiting=2)
    for number in range(2):
        queue.put(Request(number, 0.0))
    with pytest.raises(Busy, match="2 requests are waiting"):
        queue.put(Request(2, 0.0))
    assert [len(queue.take(0.0)[0]), len(queue.take(0.0)[0]), len(queue)] == [1, 1, 0]


def test_something_is_due_exactly_when_there_is_something_to_take():
    generator = rng()
    for _ in range(300):
        queue, now = BatchQueue(int(generator.integers(1, 4)), generator.integers(0, 5) / 4), 0.0
        for number in range(generator.integers(0, 6)):
            now += generator.integers(0, 3) / 4
            late = now + generator.integers(1, 8) / 4 if generator.random() < 0.5 else math.inf
            queue.put(Request(number, now, late))
        for _ in range(6):
            now += generator.integers(0, 3) / 4
            due = queue.due()
            batch, late = queue.take(now)
            assert bool(batch or late) == (due <= now) or (due == -math.inf and not queue.requests)


def test_a_deadline_that_is_no_number_is_none():
    queue = BatchQueue(most=1)
    queue.put(Request("a", 0.0, math.nan))
    assert [request.item for request in queue.take(0.0)[0]] == ["a"]


def test_requests_are_answered_in_batches():
    sizes, gate = [], threading.Event()

    def double(numbers):
        gate.wait()
        sizes.append(len(numbers))
        return [2 * number for number in numbers]

    with Batcher(double, most=4, wait=0.0) as batcher:
        answers = [batcher.submit(number) for number in range(9)]
        gate.set()
    assert [answer.result() for answer in answers] == [2 * number for number in range(9)]
    assert max(sizes) <= 4 and sum(sizes) == 9 and len(sizes) <= 4


def test_an_error_reaches_those_whose_item_causes_it():
    gate = threading.Event()

    def inverse(numbers):
        gate.wait()
        return [1 / number for number in numbers]

    with Batcher(inverse, most=8, wait=0.0) as batcher:
        answers = [batcher.submit(number) for number in (1, 2, 0, 4)]
        gate.set()
    assert [answer.exception() and type(answer.exception()) for answer in answers] == [
        None,
        None,
        ZeroDivisionError,
        None,
    ]
    assert answers[3].result() == 0.25


def test_too_few_answers_are_an_error():
    with Batcher(lambda items: items[1:], most=1, wait=0.0) as batcher:
        answer = batcher.submit("a")
    with pytest.raises(ValueError, match="given 1 items, and returned 0 answers"):
        answer.result()


def test_a_full_queue_refuses_and_recovers():
    gate, begun = threading.Event(), threading.Event()

    def slow(items):
        begun.set()
        gate.wait()
        return items

    with Batcher(slow, most=1, wait=0.0, waiting=2) as batcher:
        first = batcher.submit(0)
        begun.wait()
        waiting = [batcher.submit(number) for number in (1, 2)]
        assert len(batcher) == 2
        with pytest.raises(Busy):
            batcher.submit(3)
        gate.set()
        assert [answer.result() for answer in (first, *waiting)] == [0, 1, 2]
        assert batcher.submit(4).result() == 4


def test_the_late_and_those_who_went_away_are_not_computed():
    gate, begun, computed = threading.Event(), threading.Event(), []

    def slow(items):
        computed.extend(items)
        begun.set()
        gate.wait()
        return items

    with Batcher(slow, most=1, wait=0.0) as batcher:
        batcher.submit("first")
        begun.wait()
        late, gone, kept = batcher.submit("late", timeout=0.0), batcher.submit("gone"), batcher.submit("kept")
        assert gone.cancel()
        gate.set()
        assert isinstance(late.exception(), Late)
        assert kept.result() == "kept"
    assert computed == ["first", "kept"]


def test_closing_answers_what_waits_and_takes_no_more():
    batcher = Batcher(lambda items: items, most=100, wait=60.0, waiting=100)
    answers: list[Future] = [batcher.submit(number) for number in range(5)]
    batcher.close()
    assert [answer.result(timeout=0) for answer in answers] == list(range(5))
    with pytest.raises(RuntimeError, match="closed"):
        batcher.submit(5)
    batcher.close()


def test_many_threads_get_their_own_answers():
    with Batcher(lambda items: [item * item for item in items], most=16, wait=0.001, waiting=1000) as batcher:
        wrong: list[int] = []
        ask = lambda start: wrong.extend(n for n in range(start, start + 50) if batcher.submit(n).result() != n * n)
        threads = [threading.Thread(target=ask, args=[50 * number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


# -- the statistics, and SciPy's -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("draw", [lambda r, n: r.normal(size=n), lambda r, n: r.integers(0, 5, n)])
def test_the_distance_is_scipys(seed, draw):
    stats = pytest.importorskip("scipy.stats")
    reference, window = draw(rng(seed), 200), draw(rng(seed + 50), 70)
    assert math.isclose(ks_statistic(reference, window), stats.ks_2samp(reference, window).statistic, rel_tol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_index_is_scipys_divergence_in_both_directions(seed):
    stats = pytest.importorskip("scipy.stats")
    reference, window = rng(seed).normal(size=500), rng(seed + 9).normal(0.2, 1.5, size=80)
    edges = bin_edges(reference)
    p, q = ((histogram(row, edges) + 0.5) / (len(row) + 5) for row in (reference, window))
    assert math.isclose(psi(reference, window), stats.entropy(p, q) + stats.entropy(q, p), rel_tol=1e-12)


def test_the_advantage_is_scipys_u():
    stats = pytest.importorskip("scipy.stats")
    old, new = rng(1).integers(0, 9, 40), rng(2).integers(2, 11, 30)
    u = stats.mannwhitneyu(new, old).statistic
    assert math.isclose(advantage(old, new), 2 * u / (40 * 30) - 1, rel_tol=1e-12)


@pytest.mark.parametrize("level", [0.1, 0.05, 0.01])
@pytest.mark.parametrize(("m", "n"), [(500, 50), (1000, 200), (1000, 5000), (5000, 50), (5000, 5000)])
def test_the_thresholds_of_the_distance_are_scipys_exact_ones(m, n, level):
    """The exact chance that D is above our threshold is the level, within a tenth."""
    stats = pytest.importorskip("scipy.stats")
    rows = np.arange(m) / m, None
    threshold = ks_threshold(rows[0], n, level)
    step = math.lcm(m, n)
    above = (math.floor(threshold * step) + 1) / step
    sizes = m, n

    def chance(d):
        found = stats._stats_py._attempt_exact_2kssamp(*sizes, math.gcd(m, n), d, "two-sided")
        return found[2] if found[0] else pytest.skip("this SciPy has no exact distribution")

    assert 0.9 * level <= chance(above) <= 1.1 * level


def test_the_thresholds_of_the_index_are_those_of_a_chi_square_where_there_is_plenty():
    stats = pytest.importorskip("scipy.stats")
    reference = rng(3).normal(size=20_000)
    for level in (0.05, 0.01):
        wanted = stats.chi2.ppf(1 - level, 9) * (1 / 20_000 + 1 / 5000)
        assert math.isclose(psi_threshold(reference, 5000, level), wanted, rel_tol=0.04)


def test_the_exact_chance_of_coins_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    for better, worse in ((5, 0), (9, 3), (40, 31), (3, 8)):
        found = promotion_gate([1] * better + [0] * worse, [0] * better + [1] * worse)
        wanted = stats.binomtest(better, better + worse, 0.5, alternative="greater").pvalue
        assert math.isclose(found.chance, wanted, rel_tol=1e-12)


def test_the_canarys_chance_is_fishers():
    stats = pytest.importorskip("scipy.stats")
    canary = Canary(enough=20)
    for who, good, bad in (("canary", 14, 6), ("live", 90, 10)):
        for answer in [True] * good + [False] * bad:
            canary.record(who, answer)
    wanted = stats.fisher_exact([[6, 14], [10, 90]], alternative="greater").pvalue
    assert canary.done and math.isclose(canary.chance(), wanted, rel_tol=1e-9)


# -- what chance does ------------------------------------------------------------------------------------------------


def measured():
    sys.path.insert(0, str(MEASURES))
    try:
        import drift
    finally:
        sys.path.remove(str(MEASURES))
    return drift


@pytest.mark.parametrize(("name", "n", "windows"), [("psi", 50, 2000), ("ks", 50, 2000), ("classifier", 50, 400)])
def test_false_alarms_are_as_frequent_as_asked(name, n, windows):
    """A small version of chapters/measures/drift.py: the level lies in an interval of 99.9 %."""
    drift = measured()
    found = drift.counted(name, drift.rows if name == "classifier" else drift.normal, 1000, n, windows, (0.05,))
    share, spread = found["0.05"][0], math.sqrt(0.05 * 0.95 / windows)
    assert abs(share - 0.05) < 0.2 * 0.05 + 3.3 * spread


@pytest.mark.parametrize("name", ["psi", "ks"])
def test_equal_values_do_not_make_false_alarms_more_frequent(name):
    drift = measured()
    share = drift.with_ties(name, 100, 150, draws=1000)["0.05"][0]
    assert share < 0.05 + 3.3 * math.sqrt(0.05 * 0.95 / 150)


def test_of_two_values_alone_no_window_is_called_drift_for_rounding():
    """Where few values are possible, many windows have exactly the threshold: they do not exceed it."""
    reference = np.repeat([0.0, 1.0], [900, 100])
    generator, windows = rng(4), 400
    threshold = psi_threshold(reference, 50, 0.05)
    alarms = sum(psi(reference, generator.random(50) < 0.1) > threshold for _ in range(windows))
    assert alarms / windows < 0.05 + 3.3 * math.sqrt(0.05 * 0.95 / windows)


def test_the_recorded_false_alarms_are_within_a_fifth_of_the_level():
    """What chapter 21 shows: 10,000 windows of each size, at three levels."""
    found = json.loads((MEASURES / "drift.json").read_text())
    assert found["windows"] == {"psi": 10_000, "ks": 10_000, "classifier": 10_000}
    for sizes in found["clean"].values():
        assert list(map(int, sizes)) == [50, 100, 200, 500, 1000, 2000, 5000]
        for levels in sizes.values():
            for level, (share, low, high) in levels.items():
                assert 0.8 <= share / float(level) <= 1.2 and low <= share <= high


def test_the_usual_rule_fails_in_small_windows():
    found = json.loads((MEASURES / "drift.json").read_text())["one against the other"]
    assert found["50"]["psi above 0.1"] > 0.9
    assert found["1000"]["psi above 0.1"] < 0.001
    share = np.mean([psi(rng(seed).normal(size=50), rng(seed + 999).normal(size=50)) > 0.1 for seed in range(60)])
    assert share > 0.85


@pytest.mark.parametrize(("change", "least"), [(lambda x: x + 0.3, 0.95), (lambda x: 1.2 * x, 0.4), (lambda x: x, 0.0)])
def test_a_shift_is_seen(change, least):
    generator = rng(5)
    reference = generator.normal(size=5000)
    limits = {psi: psi_threshold(reference, 1000), ks_statistic: ks_threshold(reference, 1000)}
    for statistic, limit in limits.items():
        seen = np.mean([statistic(reference, change(generator.normal(size=1000))) > limit for _ in range(40)])
        assert seen >= least if least else seen < 0.2


def test_a_classifier_sees_what_no_single_column_shows():
    """Two columns that were independent move together: each of them is as it was, their sum is not."""
    generator = rng(6)
    reference = generator.normal(size=(2000, 2))
    one = generator.normal(size=(400, 1))
    window = np.hstack([one, 0.9 * one + math.sqrt(1 - 0.81) * generator.normal(size=(400, 1))])
    for column in range(2):
        assert ks_statistic(reference[:, column], window[:, column]) < ks_threshold(reference[:, column], 400, 0.001)
    rows = lambda x: np.column_stack([x, x[:, 0] * x[:, 1]])
    assert classifier_two_sample(rows(reference), rows(window), rng()) > classifier_threshold(2000, 400, 0.001)


def test_any_classifier_can_be_asked():
    told = classifier_two_sample(
        np.zeros((10, 1)), np.ones((10, 1)), rng(), train=lambda x, new: lambda rows: rows[:, 0]
    )
    assert told == 1.0
    assert (
        classifier_two_sample(np.zeros((10, 1)), np.ones((10, 1)), rng(), lambda x, new: lambda rows: 0 * rows[:, 0])
        == 0.0
    )


def test_what_cannot_be_tested_is_refused():
    for wrong in ((np.zeros((5, 2)), np.zeros((5, 3))), (np.zeros((5, 2)), np.zeros((1, 2)))):
        with pytest.raises(ValueError, match="two rows or more of the same columns"):
            classifier_two_sample(*wrong, rng())
    with pytest.raises(ValueError, match="finite"):
        classifier_two_sample(np.full((5, 2), np.nan), np.zeros((5, 2)), rng())
    for threshold in (psi_threshold, ks_threshold):
        with pytest.raises(ValueError, match="a level lies between 0 and 1"):
            threshold(np.arange(10.0), 5, 1.0)
    with pytest.raises(ValueError, match="2 bins or more"):
        bin_edges([1, 2], 1)
    with pytest.raises(ValueError, match="smoothing is above 0"):
        psi_of_counts([1], [2], 0)


def test_a_window_outside_of_everything_has_a_bin():
    reference = np.arange(100.0)
    assert histogram([-1e9, 1e9], bin_edges(reference)).tolist() == [1, *[0] * 8, 1]
    assert psi(np.zeros(50), np.full(50, -1.0)) > psi_threshold(np.zeros(50), 50)


# -- alarms ----------------------------------------------------------------------------------------------------------


def test_rolling_statistics_are_those_of_the_last_values():
    rolling, row = RollingStatistics(5), rng(7).normal(1e6, 1, 23)
    assert math.isnan(rolling.mean) and math.isnan(rolling.std) and math.isnan(rolling.quantile(0.5))
    for part in np.split(row, [1, 4, 15]):
        rolling.add(part)
    assert rolling.seen == 23
    assert np.array_equal(rolling.values, row[-5:])
    assert (rolling.mean, rolling.std) == (row[-5:].mean(), row[-5:].std())
    assert rolling.quantile(0.99) == np.quantile(row[-5:], 0.99)
    rolling.values[:] = 0
    assert rolling.mean == row[-5:].mean()
    with pytest.raises(ValueError, match="holds 1 or more"):
        RollingStatistics(0)


def test_limits_of_an_alarm_are_in_order():
    for wrong in ((1.0, 2.0, 1), (2.0, 1.0, 0), (math.nan, 1.0, 1)):
        with pytest.raises(ValueError, match="needs off <= on"):
            Hysteresis(*wrong)


def test_hysteresis_makes_fewer_changes_than_a_threshold():
    noisy = 1 + 0.2 * rng(8).normal(size=500)
    changes = lambda alarm: np.count_nonzero(np.diff([alarm.update(value) for value in noisy]))
    assert changes(Hysteresis(1.0, 1.0)) > 200
    assert changes(Hysteresis(1.2, 0.8, after=2)) < 50


def test_the_run_length_is_that_of_walks():
    steps, chances, limit = np.array([-2, 0, 1, 3]), np.array([0.5, 0.2, 0.2, 0.1]), 6
    generator, lengths = rng(9), []
    for _ in range(1500):
        place, count = 0, 0
        while place < limit:
            place, count = max(0, place + int(generator.choice(steps, p=chances))), count + 1
        lengths.append(count)
    spread = np.std(lengths) / math.sqrt(len(lengths))
    assert abs(expected_run_length(steps, chances, limit) - np.mean(lengths)) < 4 * spread


def test_the_run_length_of_a_normal_cusum_is_the_published_one():
    """Reference value 1/2, limit 4, one side: 336 values. Siegmund, 1985; Montgomery's tables have 168 for both."""
    steps = np.arange(-160, 161)
    edges = [NormalDist().cdf((step - 0.5) / 32 + 0.5) for step in (*steps, 161)]
    found = expected_run_length(steps, np.diff(edges) / (edges[-1] - edges[0]), 128)
    assert math.isclose(found, 336, rel_tol=0.02)


def test_false_alarms_come_at_the_run_length_asked_for():
    generator, values = rng(10), 30_000
    detector = OnlineDetector(generator.normal(size=20_000), run_length=300)
    steps, alarms, places = detector.steps(generator.normal(size=values)).T.tolist(), 0, [0, 0]
    for moves in steps:
        places = [max(0, place + move) for place, move in zip(places, moves)]
        if any(place >= limit for place, limit in zip(places, detector.limits)):
            alarms, places = alarms + 1, [0, 0]
    assert abs(alarms - values / 300) < 3.3 * math.sqrt(values / 300) + 0.1 * values / 300


@pytest.mark.parametrize("shift", [1.5, -1.5])
def test_a_shift_is_seen_soon_in_either_direction(shift):
    generator = rng(11)
    detector = OnlineDetector(np.exp(generator.normal(size=2000)), run_length=5000)
    told = [detector.update(float(np.exp(value))) for value in generator.normal(shift, size=60)]
    assert any(told[:40]) and detector.seen == 60


def test_the_detector_does_not_mind_the_scale():
    reference, values = rng(12).normal(size=500), rng(13).normal(0.4, size=300)
    one, other = OnlineDetector(reference, 200), OnlineDetector(np.exp(9 * reference), 200)
    assert [one.update(v) for v in values] == [other.update(float(np.exp(9 * v))) for v in values]


def test_a_detector_that_could_see_nothing_is_refused():
    with pytest.raises(ValueError, match="choose a smaller shift"):
        OnlineDetector(np.zeros(10))
    for wrong in ({"run_length": 1}, {"shift": 0.0}):
        with pytest.raises(ValueError, match="needs run_length > 1"):
            OnlineDetector(np.arange(10.0), **wrong)


def answers_of(x):
    """Probabilities of three classes by a fixed rule."""
    scores = np.exp(np.column_stack([x[:, 0], x[:, 1], -x[:, 0]]))
    return scores / scores.sum(1, keepdims=True)


def test_a_monitor_is_quiet_until_something_changes_and_again_after():
    generator = rng(14)
    reference = generator.normal(size=(2000, 6))
    monitor = Monitor(reference, answers_of(reference), size=100, level=0.001)
    watch = lambda x: monitor.observe(x, answers_of(x), seconds=0.01)
    assert not any(watch(generator.normal(size=(32, 6))) for _ in range(25))
    told = [watch(generator.normal(1.0, size=(50, 6))) for _ in range(4)]
    assert told == [False, False, False, True]
    assert {finding.name for finding in monitor.findings} == {"inputs", "confidence", "classes"}
    assert max(finding.severity for finding in monitor.findings) > 1
    while watch(generator.normal(size=(25, 6))):
        assert monitor.latency.seen < 100
    assert math.isclose(monitor.latency.mean, 0.01) and monitor.brightness.mean < 0.2


def test_broken_rows_are_counted_and_left_out():
    generator = rng(15)
    reference = generator.normal(size=(500, 2, 2))
    monitor = Monitor(reference, answers_of(reference.reshape(500, -1)), size=50)
    x = generator.normal(size=(60, 2, 2))
    p = answers_of(x.reshape(60, -1))
    x[:10, 0, 0], p[5:20, 1] = np.nan, np.inf
    monitor.observe(x, p, 0.1)
    assert (monitor.broken, monitor.findings) == (20, [])
    monitor.observe(x[20:30], p[20:30], 0.1)
    assert len(monitor.findings) == 3 and math.isfinite(monitor.confidence.mean)
    monitor.observe(np.zeros((0, 2, 2)), np.zeros((0, 3)), 0.1)
    assert monitor.confidence.seen == 50


# -- from a candidate to the live model ------------------------------------------------------------------------------


def test_the_gate_keeps_its_level():
    """Two models that are equally good: no more than the level of candidates are promoted."""
    generator = rng(16)
    promoted = [promotion_gate(*(generator.random((2, 300)) < 0.8), level=0.05).promote for _ in range(600)]
    assert np.mean(promoted) < 0.05 + 3.3 * math.sqrt(0.05 * 0.95 / 600)


def test_pairs_see_more_than_two_accuracies():
    """One per cent better on the same 2,000 examples: of 30 on which they differ, the candidate has 25."""
    live = np.arange(2000) < 1600
    candidate = live.copy()
    candidate[:5], candidate[-25:] = False, True
    assert promotion_gate(candidate, live).promote
    p, spread = 0.8, math.sqrt(2 * 0.8 * 0.2 / 2000)
    assert (0.01 / spread) < NormalDist().inv_cdf(0.95) and math.isclose(live.mean(), p)


def test_a_canary_keeps_a_user_with_one_model():
    canary = Canary(share=0.2)
    routes = {f"user {number}": canary.route(f"user {number}") for number in range(3000)}
    assert routes == {key: canary.route(key) for key in routes}
    assert abs(sum(who == "canary" for who in routes.values()) / 3000 - 0.2) < 0.03
    for wrong in ({"share": 0.0}, {"share": 1.0}, {"enough": 0}, {"level": 2.0}):
        with pytest.raises(ValueError):
            Canary(**wrong)


@pytest.mark.parametrize(("bad", "passes"), [(2, True), (40, False)])
def test_a_canary_is_judged_by_those_beside_it(bad, passes):
    canary = Canary(enough=100)
    for number in range(100):
        assert not canary.done
        canary.record("canary", number >= bad)
    for number in range(900):
        canary.record("live", number >= 27)
    assert canary.done and canary.passed() is passes


def nearest(state, x, y):
    return np.abs(x[:, None] - state["centres"]).argmin(1) == y


def train_centres(state, x, y):
    return {"centres": np.array([x[y == label].mean() for label in range(len(state["centres"]))])}


@pytest.fixture
def retraining(registry):
    registry.register("centres", {"centres": np.array([0.0, 4.0])})
    registry.promote("centres", 1)
    return Retraining(registry, "centres", train_centres, nearest, "code", canary=lambda: Canary(0.5, enough=20))


def labelled(shift, count=400, seed=17):
    y = rng(seed).integers(0, 2, count)
    return 4 * y + shift + rng(seed + 1).normal(size=count), y


def test_drift_leads_to_a_new_live_model(retraining, registry):
    decision = retraining.drifted(*labelled(3.0), reason="inputs moved", parameters={"rate": 1})
    assert decision.promote and registry.at("centres", "canary") == 2 and registry.live("centres") == 1
    known = registry.version("centres", 2)
    assert known.lineage["parent"] == 1 and known.lineage["parameters"] == {"rate": 1}
    assert known.metrics["accuracy"] > known.metrics["accuracy of the live one"]
    assert "inputs moved" in registry.history("centres")[-1].reason
    with pytest.raises(RuntimeError, match="is the canary still"):
        retraining.drifted(*labelled(3.0), reason="again")
    told = [retraining.record("canary", True) for _ in range(20)]
    assert told == [*["waiting"] * 19, "promoted"] and registry.live("centres") == 2
    with pytest.raises(RuntimeError, match="has no canary"):
        retraining.record("canary", True)


def test_without_drift_the_candidate_is_refused(retraining, registry):
    assert not retraining.drifted(*labelled(0.0), reason="a false alarm").promote
    assert [known.stage for known in registry.versions("centres")] == ["live", "refused"]
    assert retraining.canary is None


def test_a_bad_canary_goes(retraining, registry):
    retraining.drifted(*labelled(3.0), reason="inputs moved")
    for _ in range(200):
        retraining.record("live", True)
    assert [retraining.record("canary", False) for _ in range(20)][-1] == "rolled back"
    assert registry.live("centres") == 1
    assert registry.version("centres", 2).stage == "rolled back"


def test_a_review_puts_the_former_model_back(retraining, registry):
    assert retraining.review(*labelled(0.0)) is None
    retraining.drifted(*labelled(3.0), reason="inputs moved")
    for _ in range(20):
        retraining.record("canary", True)
    assert not retraining.review(*labelled(3.0, seed=30)).promote and registry.live("centres") == 2
    assert retraining.review(*labelled(0.0, seed=40)).promote
    assert registry.live("centres") == 1
    assert "the one before" in registry.history("centres")[-2].reason


def test_a_canary_that_a_stopped_process_left_is_retired_by_the_next(retraining, registry):
    retraining.drifted(*labelled(3.0), reason="inputs moved")
    again = Retraining(registry, "centres", train_centres, nearest, "code")
    assert again.drifted(*labelled(3.0, seed=50), reason="after a restart").promote
    assert [known.stage for known in registry.versions("centres")] == ["live", "retired", "canary"]


def test_whoever_waits_is_told_when_the_queue_itself_fails(monkeypatch):
    def broken(self, now):
        raise NotImplementedError("take")

    monkeypatch.setattr(BatchQueue, "take", broken)
    with Batcher(list, most=2, wait=0.0, waiting=9) as batcher:
        answer = batcher.submit(1)
        with pytest.raises(NotImplementedError, match="take"):
            answer.result(timeout=10)
