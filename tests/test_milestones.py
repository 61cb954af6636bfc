"""Milestones: the real scripts, small; and on the toy course what is typed, what is shown, what is kept."""

import ast
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from rich.console import Console
from toys import SCALING, TOY
from typer.testing import CliRunner

from tinytorch.datasets import Split
from tinytorch.tensor import Tensor
from tito import cli, course
from tito.course import program
from tito.history import milestones, runner
from tito.work.workspace import Workspace

ROOT = Path(__file__).parents[1]
COURSE = course.Course(ROOT)
REAL = milestones.milestones(COURSE)
each = pytest.mark.parametrize("one", REAL, ids=lambda one: one.name)
WITH_PRESETS = [milestones.wanted(COURSE, one.name, preset)[0] for one in REAL for preset in one.presets or ("",)]


# -- the scripts of the course -----------------------------------------------------------------------------------------


def test_the_milestones_are_those_of_history():
    assert [one.name for one in REAL][:3] == ["1957", "1969", "1986"]
    assert all(one.title and not one.title.endswith(".") for one in REAL)


@each
def test_a_script_is_short_and_has_a_page(one):
    script_lines, page_lines = (210, 180) if one.name == "1998" else (120, 100)  # seven networks, not one or two
    assert len(one.path.read_text(encoding="utf-8").splitlines()) < script_lines
    page = one.path.with_suffix(".md").read_text(encoding="utf-8")
    assert len(page.splitlines()) < page_lines and f"{{literalinclude}} {one.path.name}" in page


def imports(path):
    """The modules of the package that a file imports when it is imported."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tinytorch":
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    parts = {name.split(".")[1] for name in found if "." in name}
    return {name for name in parts if (COURSE.package / f"{name}.py").is_file()}


@each
def test_it_needs_every_chapter_that_it_imports(one):
    reached, waiting = set(), imports(one.path) | {"environment"}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= imports(COURSE.package / f"{name}.py") - reached
    reached -= {"datasets", "serialization", "kernels", "parallel"}  # given code, no chapter's
    assert reached <= set(one.needs), f"{one.path.name} also needs {reached - set(one.needs)}"


@pytest.mark.parametrize("one", WITH_PRESETS, ids=lambda one: one.stem)
def test_what_is_recorded_is_of_this_script_and_of_the_reference(one):
    """After a change of the script: tito milestone run YEAR --reference --record, also with each --preset"""
    recorded = json.loads(one.recorded.read_text(encoding="utf-8"))
    assert recorded["program"] == one.program, f"{one.path.name} has changed since its result was recorded"
    assert recorded["code"] == "reference" and recorded["chapters"] == []
    assert recorded["seed"] == int(one.name) and recorded["machine"]["cpu"] and recorded["machine"]["numpy"]
    assert set(recorded["seconds"]) == set(recorded["cpu"])
    assert str(ROOT) not in json.dumps(recorded)


def test_what_history_says_is_recorded():
    perceptron, xor, mlp, cnn = (json.loads(one.recorded.read_text())["measured"] for one in REAL[:4])
    assert perceptron["trained"]["accuracy"] > 0.95 > 0.6 > perceptron["untrained"]["accuracy"]
    assert perceptron["mistakes"][-1] == 0 and abs(perceptron["luck"]["mean"] - 0.5) < 0.05
    one, two = xor["kinds"]["one layer"], xor["kinds"]["two layers"]
    assert sum(one["solves"]) == 0 and one["lowest"] >= xor["chance"] - 1e-6 and xor["most_right"] == 3
    assert sum(two["solves"]) > 0.9 * two["runs"] and two["lowest"] < 0.01
    assert mlp["digits"]["accuracy"] > 0.95 and mlp["mnist"]["accuracy"] >= 0.98
    assert mlp["mnist"]["widths"] == [784, 128, 64, 10] and mlp["mnist"]["batch"] == 64
    assert cnn["mnist"]["accuracy"] >= 0.99 > mlp["mnist"]["accuracy"]
    assert cnn["residual"]["accuracy"] > 0.8 > 0.6 > max(cnn[name]["accuracy"] for name in ("mlp", "lenet1", "lenet5"))
    assert np.trace(cnn["residual"]["confusion"]) / 10_000 == cnn["residual"]["accuracy"]
    longer = json.loads(milestones.wanted(COURSE, "1998", "long")[0].recorded.read_text())["measured"]
    assert longer["residual"]["accuracy"] >= 0.9 > cnn["residual"]["accuracy"] >= 0.85


@pytest.fixture
def quiet(tmp_path):
    """Stages that print into a text."""

    def make(seed=0):
        made = runner.Stage(tmp_path / "state", seed, console=Console(file=io.StringIO(), width=200))
        made.text = made.console.file.getvalue
        return made

    return make


def script(year):
    return program(next(one.path for one in REAL if one.name == year))


def test_1957_learns_and_goes_on_where_it_stopped(quiet):
    program = script("1957")
    whole = program.run(quiet(seed=3))
    assert whole["accuracy"] > 0.95 and whole["mistakes"][-1] == 0
    shutil.rmtree(quiet().folder)
    stopped = quiet(seed=3)
    count = iter(range(3))
    stopped.save = lambda *arrays, save=stopped.save: (save(*arrays), next(count, None) == 2 and stopped.interrupt())
    with pytest.raises(runner.Stopped):
        program.run(stopped)
    resumed = program.run(quiet(seed=3))
    assert runner.plain(resumed) == runner.plain(whole)


def test_1969_one_layer_stays_at_chance_and_two_do_not(quiet):
    found = script("1969").run(quiet(), seeds=1, rates=(1.0,), steps=200)
    one, two = found["kinds"]["one layer"], found["kinds"]["two layers"]
    assert one["lowest"] >= found["chance"] - 1e-5 and one["solves"].tolist() == [0]
    assert two["lowest"] < 0.1 and two["solves"].tolist() == [1] and found["most_right"] == 3


def test_1986_reads_the_digits_where_mnist_is_missing(quiet, monkeypatch):
    program, shown = script("1986"), quiet()

    def missing(*_):
        raise program.DataUnavailable("train-images is not here and could not be fetched")

    monkeypatch.setattr(program, "mnist", missing)
    found = program.run(shown, epochs=2)
    assert "mnist" not in found and found["accuracy"] == found["digits"]["accuracy"]
    assert "MNIST is left out, the digits stand alone. train-images is not here" in " ".join(shown.text().split())


def test_1986_goes_on_to_mnist(quiet, monkeypatch):
    program, rng = script("1986"), np.random.default_rng(0)
    x, y = rng.random((128, 28, 28), np.float32), rng.integers(0, 10, 128)
    monkeypatch.setattr(program, "mnist", lambda *_: program.Split(x, y, x[:50], y[:50]))
    found = program.run(quiet(), epochs=1, mnist_epochs=2)
    assert found["mnist"]["widths"] == [784, 128, 64, 10] and len(found["mnist"]["curves"]["val_loss"]) == 2
    assert json.loads(json.dumps(runner.plain(found)))["accuracy"] == found["mnist"]["accuracy"]


@pytest.fixture
def photographs():
    """As CIFAR-10 comes, but few, and noise."""
    rng = np.random.default_rng(1998)
    x, y = rng.integers(0, 256, (256, 3, 32, 32)).astype(np.uint8), rng.integers(0, 10, 256)
    return Split(x, y, x[:50], y[:50])


def test_1998_runs_all_its_networks_and_looks_into_one(quiet, monkeypatch, photographs):
    program, rng = script("1998"), np.random.default_rng(0)
    x, y = rng.random((256, 28, 28), np.float32), rng.integers(0, 10, 256)
    monkeypatch.setattr(program, "cifar10", lambda *_: photographs)
    monkeypatch.setattr(program, "mnist", lambda *_: program.Split(x, y, x[:50], y[:50]))
    found = json.loads(json.dumps(runner.plain(program.run(quiet(), epochs=1))))
    assert [*found] == ["digits", "residual", "mlp", "lenet1", "lenet5", "mnist", "accuracy"]
    net = found["residual"]
    assert found["accuracy"] == net["accuracy"] == np.trace(net["confusion"]) / 50
    assert len(net["mistakes"]["pixels"]) == 12 and len(net["seen"]["maps"]) == 16 and len(net["seconds"]) == 1
    assert all(label != guess for label, guess in zip(net["mistakes"]["labels"], net["mistakes"]["guesses"]))


def test_1998_goes_on_where_it_stopped(quiet, monkeypatch, photographs):
    """The longer training, stopped in its second epoch and run again, ends where one that was not stopped ends."""
    program = script("1998")
    monkeypatch.setattr(program, "cifar10", lambda *_: photographs)
    whole = program.run(quiet(), preset="long", epochs=2)
    shutil.rmtree(quiet().folder)
    stopped = quiet()

    class Stopping(program.Averaging):
        def step(self, batches):
            if self.steps == 2:  # the first of the second epoch
                stopped.interrupt()
            return super().step(batches)

    with monkeypatch.context() as patched, pytest.raises(runner.Stopped):
        patched.setattr(program, "Averaging", Stopping)
        program.run(stopped, preset="long", epochs=2)
    found = program.run(quiet(), preset="long", epochs=2)
    assert found["residual"]["curves"] == whole["residual"]["curves"]
    assert found["residual"]["seen"] == whole["residual"]["seen"]


def test_1998_rates_rise_and_fall_and_again_half_as_high():
    rate = script("1998").triangles(20, 40)  # the top stands at 3, and at 20 + 6
    rates = np.array([rate(t, 1.0) for t in range(61)])
    np.testing.assert_allclose(
        rates[[0, 2, 3, 19, 20, 25, 26, 43, 60]], [1 / 3, 1, 1, 1 / 17, 1 / 12, 0.5, 0.5, 0.25, 0]
    )
    assert (rates[:-1] > 0).all()


def test_1998_filters_give_maps_of_variance_one_without_likeness():
    program, rng = script("1998"), np.random.default_rng(0)
    grey = rng.normal(128, 50, (200, 1, 32, 32)) + rng.normal(0, 25, (200, 3, 32, 32))  # colours alike, as they are
    x = grey.clip(0, 255).astype(np.uint8)
    data = Split(x, np.zeros(200, int), x, np.zeros(200, int))
    conv = program.whitening(data)
    z = conv(Tensor(program.scaling(data)(x[::50]))).data[..., 1:-1, 1:-1]  # where no edge comes in
    maps = z.transpose(1, 0, 2, 3).reshape(24, -1)
    np.testing.assert_allclose(maps[:12] @ maps[:12].T / maps.shape[1], np.eye(12), atol=0.01)
    np.testing.assert_array_equal(conv.weight.data[12:], -conv.weight.data[:12])
    loudness = np.linalg.norm(conv.weight.data[:12].reshape(12, -1), axis=1)
    assert (loudness < 1).sum() == 9  # the nine pixels' grey, which differs most, is turned up least
    assert not conv.weight.requires_grad


def test_1998_moves_images_into_their_own_mirror(photographs):
    image = photographs.x_train[0]
    windows = sliding_window_view(np.pad(image, [(0, 0), (2, 2), (2, 2)], mode="reflect"), (32, 32), axis=(1, 2))
    places = {window.tobytes() for window in windows.transpose(1, 2, 0, 3, 4).reshape(-1, 3, 32, 32)}
    moved = script("1998").moved(np.repeat(image[None], 400, axis=0), np.random.default_rng(0), by=2)
    assert {one.tobytes() for one in moved} == places and len(places) == 25


def test_1998_says_what_is_missing(quiet, monkeypatch):
    program, shown = script("1998"), quiet()

    def missing(*_):
        raise program.DataUnavailable("cifar-10-binary.tar.gz is not here")

    monkeypatch.setattr(program, "cifar10", missing)
    found = program.run(shown, epochs=1)
    assert [*found] == ["digits", "accuracy"] and "cifar-10-binary.tar.gz is not here" in shown.text()


def test_a_preset_has_results_of_its_own():
    plain, long = (milestones.wanted(COURSE, "1998", preset)[0] for preset in ("standard", "long"))
    assert plain.recorded.name == "1998_cnn.json" and long.recorded.name == "1998_cnn.long.json"
    with pytest.raises(course.CourseError, match="1998 has no preset 'short'; it has: standard, long"):
        milestones.wanted(COURSE, "1998", "short")
    with pytest.raises(course.CourseError, match="1957 has no preset 'long'; it has: none"):
        milestones.wanted(COURSE, "1957", "long")


# -- the stage ---------------------------------------------------------------------------------------------------------


def test_ctrl_c_lets_the_step_end_and_the_second_does_not_wait(quiet):
    shown, done = quiet(), []
    with pytest.raises(runner.Stopped):
        for step in shown.steps("steps", 5):
            done.append(step)
            if step == 2:
                shown.interrupt()
    assert done == [0, 1, 2] and set(shown.clock) == {"steps"} and set(quiet().clock) == {"steps"}
    with pytest.raises(KeyboardInterrupt):
        shown.interrupt()


def test_a_download_ends_at_ctrl_c(quiet):
    shown = quiet()
    shown.download("train", 10, 100)
    shown.interrupt()
    with pytest.raises(runner.Stopped):
        shown.download("train", 20, 100)


def test_a_checkpoint_that_does_not_fit_is_said_and_left(quiet):
    shown = quiet()
    shown.save("digits", {"weights": np.zeros(3)})
    script("1986").learn(shown, "digits", script("1986").digits(), (4,), 1, 0.01)
    assert "digits: starting over, because the checkpoint does not fit" in " ".join(shown.text().split())
    (shown.folder / "runs.safetensors").write_bytes(b"cut")
    assert shown.load("runs") == {} and "cannot be read" in shown.text()


def test_plain_values():
    given = {"a": np.float32(1 / 3), "b": [np.arange(2), (np.int64(1), True)], 1: None, "c": "x"}
    assert runner.plain(given) == {"a": 0.333333, "b": [[0, 1], [1, True]], "1": None, "c": "x"}


# -- on the toy course, from the command line --------------------------------------------------------------------------

SCRIPT = '''"""1900: Counting is done by machine."""

import os
import time

import numpy as np

from tinytorch.counting import count

NEEDS = ("counting",)


def run(stage):
    seen = stage.load("seen").get("seen", np.zeros(0)).tolist()
    for step in stage.steps("counts", 40, start=len(seen)):
        seen.append(count(np.zeros(step)))
        stage.save("seen", {"seen": np.array(seen)})
        time.sleep(float(os.environ.get("TOY_PAUSE", 0)))
    return {"accuracy": float(np.mean(np.array(seen) == np.arange(40))), "seen": seen}
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The toy course with a milestone, and an empty place for work."""
    root = tmp_path / "course"
    shutil.copytree(TOY.root, root, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(COURSE.package / "serialization.py", root / "src" / "tinytorch")
    (root / "chapters" / "milestones").mkdir()
    (root / "chapters" / "milestones" / "1900_counting.py").write_text(SCRIPT)
    monkeypatch.setattr(course, "find_root", lambda: root)
    monkeypatch.setenv("TINYTORCH_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("TINYTORCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    return course.Course(root)


def tito(*arguments):
    result = CliRunner().invoke(cli.main, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def built(toy, body="return int(x.size)"):
    """The student's counting, with all its points."""
    work = Workspace.of(toy)
    work.start(toy.chapter("00"))
    stub = work.file(toy.chapter("00")).read_text(encoding="utf-8")
    path = work.file(toy.chapter("00"))
    path.write_text(stub.replace('raise NotImplementedError("chapter 00: count")', "return int(x.size)"))
    assert tito("grade", "00")[0] == 0
    path.write_text(stub.replace('raise NotImplementedError("chapter 00: count")', body))
    return path


def test_what_is_not_built_is_refused_with_what_helps(toy):
    assert tito("milestone", "list") == (
        0,
        "1900  Counting is done by machine\n      needs 00 counting\n\n"
        "Run one: tito milestone run 1957    on the reference: --reference\n",
    )
    assert tito("milestone", "run", "1900") == (
        1,
        "1900: Counting is done by machine. It runs on your own code, and needs more of it:\n"
        "  00 counting        not started            tito start 00\n"
        "See it on the reference meanwhile: tito milestone run 1900 --reference\n",
    )
    tito("start", "00")
    assert "  00 counting        0/3 points             tito grade 00\n" in tito("milestone", "run", "1900")[1]
    assert "Milestones    1900 is waiting\n" in tito("status")[1]


def test_it_runs_on_the_students_chapters(toy, capfd):
    built(toy, "print('mine')\n    return int(x.size) if x.size != 7 else 8")
    assert "Milestones    1900 can run\n" in tito("status")[1]
    code, output = tito("milestone", "run", "counting")
    assert (code, output) == (
        0,
        "1900: Counting is done by machine.\nOn your own counting; the rest is given.\n"
        "97.5%. Written to work/milestones/1900_counting.json\n",
    )
    assert capfd.readouterr().out.count("mine\n") == 40
    kept = json.loads(Path("work/milestones/1900_counting.json").read_text())
    assert kept["code"] == "work" and kept["chapters"] == ["counting"] and kept["seed"] == 1900
    assert kept["accuracy"] == 0.975 and kept["measured"]["seen"][:8] == [0, 1, 2, 3, 4, 5, 6, 8]
    assert kept["machine"]["python"] and kept["machine"]["threads"] >= 1 and kept["when"] and kept["seconds"]["counts"]
    assert not list(Path("work/milestones/.state").iterdir())
    assert "97.5% on your code, " in tito("milestone", "list")[1] and "Milestones    1900 97.5%\n" in tito("status")[1]


def test_it_runs_on_the_reference_and_records_for_the_book(toy):
    code, output = tito("milestone", "run", "all", "--reference", "--seed", "5")
    assert code == 0 and "On the reference, all of it.\n100.0%. Written to work/milestones/1900_counting.ref" in output
    assert "Milestones    1900 100.0% by the reference\n" in tito("status")[1]
    assert json.loads(Path("work/milestones/1900_counting.reference.json").read_text())["seed"] == 5
    code, output = tito("milestone", "run", "1900", "--reference", "--record")
    assert code == 0 and "Written to course/chapters/milestones/results/1900_counting.json" in output


def test_what_is_next_after_all_points(toy):
    built(toy)
    (Workspace.of(toy).folder / "scaling.py").write_text(SCALING, encoding="utf-8")
    assert tito("grade", "01")[0] == 0
    assert tito("next")[1].split("\n")[1] == "Next    tito milestone run 1900"
    assert tito("milestone", "run", "1900")[0] == 0
    assert "nothing is left: all points of all chapters" in tito("next")[1]


def test_an_error_names_the_students_own_line(toy, capfd):
    path = built(toy, "return 1 / 0")
    assert tito("milestone", "run", "1900") == (
        1,
        "1900: Counting is done by machine.\nOn your own counting; the rest is given.\n"
        "1900 ended early. Mend that, then: tito milestone run 1900\n",
    )
    line = path.read_text().split("\n").index("    return 1 / 0") + 1
    assert f"ZeroDivisionError: division by zero\n  work/counting.py:{line} in count\n" in capfd.readouterr().out


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["run", "1999"], "there is no milestone '1999'; there are: 1900"),
        (["run", "1900", "--record"], "--record needs --reference"),
    ],
)
def test_what_is_not_there_is_said(toy, arguments, says):
    code, output = tito("milestone", *arguments)
    assert code == 2 and says in output


def test_a_module_that_the_framework_lacks(toy):
    path = milestones.milestones(toy)[0].path
    path.write_text(SCRIPT.replace('("counting",)', '("counting", "flying")'))
    assert tito("milestone", "run", "1900", "--reference") == (
        1,
        "1900: Counting is done by machine. The framework has no flying yet.\n",
    )
    assert "  flying             not in the course yet\n" in tito("milestone", "run", "1900")[1]


@pytest.mark.skipif(os.name != "posix", reason="sends Ctrl-C to a process group")
def test_ctrl_c_keeps_what_was_done_and_the_next_run_goes_on(toy, tmp_path):
    program = (
        f"from pathlib import Path; from tito import cli, course; course.find_root = lambda: Path({str(toy.root)!r})"
    )
    command = [sys.executable, "-c", f"{program}; cli.main()", "milestone", "run", "1900", "--reference"]
    env = {**os.environ, "TOY_PAUSE": "0.05", "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True)
    state = lambda: list(tmp_path.glob("work/milestones/.state/*/seen.safetensors"))
    for _ in range(600):
        if state() or process.poll() is not None:
            break
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    shown, _ = process.communicate(timeout=30)
    assert process.returncode == 130, shown
    assert "Stopped, and kept. Go on: tito milestone run 1900 --reference    start over: " in shown
    assert state() and not Path("work/milestones/1900_counting.reference.json").exists()
    kept = runner.Stage(state()[0].parent).load("seen")["seen"]
    assert 0 < len(kept) < 40
    assert tito("milestone", "run", "1900", "--reference")[0] == 0 and not state()


def test_fresh_forgets_and_another_seed_does_not_go_on(toy):
    workspace = Workspace.of(toy)
    [one] = milestones.milestones(toy)
    for seed in (1900, 4):
        folder = milestones.state_folder(one, workspace, True, seed)
        runner.Stage(folder).save("seen", {"seen": np.full(40, -1.0)})
    assert "0.0%. Written" in tito("milestone", "run", "1900", "--reference")[1]  # it went on from what was kept
    assert not list(folder.parent.iterdir())
    runner.Stage(folder).save("seen", {"seen": np.full(40, -1.0)})
    assert "100.0%. Written" in tito("milestone", "run", "1900", "--reference", "--seed", "4", "--fresh")[1]


def test_help_has_examples():
    assert "tito milestone run 1957" in tito("--help")[1] and "--reference" in tito("milestone", "--help")[1]
    assert "tito milestone run 1986 --fresh" in tito("milestone", "run", "--help")[1]
    assert "tito milestone list" in tito("milestone", "list", "--help")[1]
