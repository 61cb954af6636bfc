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
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from rich.console import Console
from toys import SCALING, TOY
from typer.testing import CliRunner

from tinytorch.datasets import Split
from tinytorch.tensor import Tensor, no_grad
from tito import cli, course
from tito.course import program
from tito.history import milestones, runner
from tito.work.workspace import Workspace

ROOT = Path(__file__).parents[1]
COURSE = course.Course(ROOT)
REAL = milestones.milestones(COURSE)
each = pytest.mark.parametrize("one", REAL, ids=lambda one: one.name)
WITH_PRESETS = [milestones.wanted(COURSE, one.name, preset)[0] for one in REAL for preset in one.presets or ("",)]


def each_recorded(*which):
    """For these milestones."""
    return pytest.mark.parametrize("one", which, ids=lambda one: one.stem)


# -- the scripts of the course -----------------------------------------------------------------------------------------


def test_the_milestones_are_those_of_history():
    assert [one.name for one in REAL][:3] == ["1957", "1969", "1986"]
    assert all(one.title and not one.title.endswith(".") for one in REAL)


@each
def test_a_script_is_short_and_has_a_page(one):
    # seven networks, ten trainings, five variants of three networks: not one or two
    longer = {"1998": (210, 180), "2017": (400, 340), "2018": (205, 130), "2021": (155, 130)}
    script_lines, page_lines = longer.get(one.name, (120, 100))
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


@each_recorded(*WITH_PRESETS)
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


@each_recorded(*(one for one in WITH_PRESETS if one.name == "2017"))
def test_what_history_says_of_attention_is_recorded(one):
    found = json.loads(one.recorded.read_text(encoding="utf-8"))["measured"]
    assert found["source"] == "Tiny Shakespeare" and found["characters"]["test"] == 111_540
    assert found["puzzles"]["copying"]["accuracy"] >= 0.99 <= found["puzzles"]["reversal"]["accuracy"]
    assert abs(found["puzzles"]["deaf"]["accuracy"] - 0.1) < 0.02
    seconds = script("2017").PLANS[one.preset or "standard"]
    assert found["seconds"] == seconds
    loss = {name: np.mean(found[name].get("losses", found[name]["loss"])) for name in seconds}  # of all seeds
    for name, budget in seconds.items():
        assert budget <= found[name]["curve"][-1]["cpu"] < budget + 5
        assert loss["modern"] <= loss[name] + 0.02 and loss[name] < found["bigrams"]["loss"]


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


# -- 2017 --------------------------------------------------------------------------------------------------------------

TEXT = "The quick brown fox jumps over the lazy dog; and the dog, who was not quick, let it.\n" * 60


@pytest.fixture
def gpt(monkeypatch):
    """The script, on a short text and with a short memory."""
    program = script("2017")
    monkeypatch.setattr(program, "tiny_shakespeare", lambda *_: TEXT)
    monkeypatch.setattr(program, "CONTEXT", 16)
    monkeypatch.setattr(program, "BATCH", 4)
    return program


def test_2017_solves_puzzles_by_attention_alone(quiet, gpt):
    found = gpt.solve(quiet(), "reversal", 60)
    deaf = gpt.solve(quiet(), "reversal", 30, attends=False)
    assert found["accuracy"] > 0.9 > 0.2 > deaf["accuracy"] and len(found["maps"]) == 4 and not deaf["maps"]


@pytest.mark.parametrize("task", ["copying", "reversal"])
def test_2017_puzzles_are_judged_after_the_mark(gpt, task):
    x, y = gpt.puzzles(np.random.default_rng(0), task, 5)
    assert x.shape == y.shape == (5, 24) and (x[:, 12] == 10).all() and (y[:, :12] == -100).all()
    np.testing.assert_array_equal(y[:, 12:], x[:, :12][:, :: -1 if task == "reversal" else 1])
    np.testing.assert_array_equal(y[:, 12:-1], x[:, 13:])


def test_2017_maps_are_the_weights_by_which_attention_mixes(gpt):
    model, ids = gpt.recipe("modern", 11)[0], np.arange(10)
    with no_grad():
        for block in model.transformer.blocks:
            block.attention.out.weight[...] = Tensor(np.eye(128, dtype=np.float32))  # zeros, at first
        maps, x = gpt.heads(model, ids), model.tokens(ids[None])
        for i, block in enumerate(model.transformer.blocks):
            v = block.attention.project(*[block.norm1(x)] * 3)[2]
            mixed = (maps[4 * i : 4 * i + 4] @ v.data[0]).transpose(1, 0, 2).reshape(1, 10, 128)
            prepare = partial(block.prepare, start=0)
            theirs = block.attention(block.norm1(x), is_causal=True, prepare=prepare).data
            np.testing.assert_allclose(mixed, theirs, atol=1e-5)
            x = block(x, is_causal=True)
    assert maps.shape == (16, 10, 10) and not np.triu(maps, 1).any()


@pytest.mark.parametrize("name", ["classic", "modern", *script("2017").PARTS])
def test_2017_recipes_move_each_weight_once_and_differ_in_what_they_say(gpt, name):
    model, optimizer, _ = gpt.recipe(name, 11)
    moved = [p for group in optimizer.param_groups for p in group["params"]]
    assert sorted(map(id, moved)) == sorted(map(id, model.parameters()))
    ours, whole = vars(model.config), vars(gpt.recipe("modern", 11)[0].config)
    if name != "classic":
        assert {field for field in ours if ours[field] != whole[field]} == set(gpt.PARTS.get(name, {}))
    assert any(isinstance(one, gpt.Muon) for one in optimizer.members) == (name not in ("classic", "AdamW alone"))


def test_2017_rates_rise_stay_and_fall(gpt):
    rates = [
        gpt.rate(step, progress) for step, progress in [(0, 0.0), (24, 0.1), (49, 0.2), (80, 0.5), (90, 0.75), (99, 1)]
    ]
    np.testing.assert_allclose(rates, [0.02, 0.5, 1, 1, 0.5, 0])


def test_2017_words_and_pairs_are_counted(gpt):
    assert gpt.words("Fie, fie!  'Tis o'er; thou'lt") == ["fie", "fie", "tis", "o'er", "thou'lt"]
    assert gpt.known("the dog the cat", {"the", "dog"}) == {"words": 4, "known": 3}
    tokenizer = gpt.CharTokenizer("ab")
    ids = np.array(tokenizer.encode("abababab"))
    loss, text = gpt.bigrams(ids, ids, tokenizer, 2000, np.random.default_rng(0))
    assert loss == pytest.approx(-(4 * np.log(5 / 6) + 3 * np.log(4 / 5)) / 7)
    assert abs(text.count("ab") / text.count("a") - 5 / 6) < 0.05


def test_2017_interest_is_measured_against_even_weights(gpt):
    ids = np.array([0, 1, 0, 1])
    before = np.eye(4, k=-1)[None]
    found = gpt.interest(np.concatenate([before, np.tri(4)[None] / np.arange(1, 5)[:, None]]), ids, ids == 1)
    np.testing.assert_allclose(found["before"]["heads"], [0.75, (1 / 2 + 1 / 3 + 1 / 4) / 4])
    for one in found.values():
        assert one["heads"][1] == pytest.approx(one["even"])
    assert found["followed"]["heads"][0] == pytest.approx(0.5)  # at 2 it looks at 1, at 3 at 2: what followed
    assert found["space"]["heads"][0] == pytest.approx(0.25)  # at 2 it looks at 1


def test_2017_trains_all_its_recipes_and_compares_them(quiet, gpt):
    found = json.loads(json.dumps(runner.plain(gpt.run(quiet(), "quick", steps=12, count=30))))
    assert found["accuracy"] == found["modern"]["accuracy"] and found["source"] == "Tiny Shakespeare"
    assert len(found["modern"]["curve"]) == 10 and found["modern"]["steps"] == 12 and len(found["modern"]["text"]) == 30
    assert len(found["modern"]["gaze"]["before"]["map"]) == 2 * 16 * 16
    gpt.PLANS["parts"] = dict.fromkeys(["modern", "gelu"], 1)
    parts = gpt.run(quiet(), "parts", steps=10, count=0)
    whole, part = (parts[name]["losses"] for name in ("modern", "gelu"))
    assert part[0] == parts["gelu"]["loss"] and len(set(part)) == len(set(whole)) == gpt.SEEDS
    np.testing.assert_allclose(parts["gelu"]["more"], part - whole)
    assert not parts["modern"]["more"].any() and "text" not in parts["gelu"]


def test_2017_what_was_trained_goes_on_with_a_prompt_and_answers(quiet, gpt, monkeypatch):
    monkeypatch.setattr(gpt, "tiny_shakespeare", lambda *_: "YOU:\n" + TEXT)
    gpt.run(quiet(), "quick", steps=10, count=0)
    shown = quiet()
    gpt.speak(shown, prompt="The quick", count=40)
    again = quiet()
    gpt.speak(again, prompt="The quick", count=40)
    assert len(shown.text()) == 41 and shown.text() == again.text()
    lines = iter(["the dog", "WHO?", "a fox"])
    chat = quiet()
    monkeypatch.setattr(chat, "ask", lambda what: next(lines, None))
    gpt.speak(chat, chat=True, count=20)
    assert "'W' is none of the" in chat.text() and len(chat.text()) > 60


def test_who_asks_before_anything_is_trained_is_told_what_to_do(tmp_path):
    here, trained = Workspace(COURSE, tmp_path), milestones.wanted(COURSE, "2017", "quick")[0]
    with pytest.raises(course.CourseError, match="First: tito milestone run 2017 --reference --preset quick"):
        milestones.speak(trained, here, True, 0, {"prompt": "ROMEO:"})
    with pytest.raises(course.CourseError, match="1957 does not write"):
        milestones.speak(milestones.wanted(COURSE, "1957")[0], here, True, 0, {"prompt": "ROMEO:"})


def test_2017_time_is_that_of_the_process(quiet, gpt):
    tokenizer = gpt.CharTokenizer(TEXT)
    ids = np.array(tokenizer.encode(TEXT))
    found = gpt.learn(quiet(), "modern", (ids, ids[:200]), tokenizer, seconds=0.5)[1]
    seconds = [look["cpu"] for look in found["curve"]]
    assert seconds == sorted(seconds) and seconds[-1] >= 0.5 and found["curve"][-1]["steps"] == found["steps"]


@pytest.mark.parametrize("name", ["classic", "modern"])
def test_2017_goes_on_where_it_stopped(quiet, gpt, name):
    tokenizer = gpt.CharTokenizer(TEXT)
    ids = np.array(tokenizer.encode(TEXT))

    def learn(stage):
        _, found, losses = gpt.learn(stage, name, (ids, ids[:200]), tokenizer, 1, steps=7)
        looks = [{key: look[key] for key in ("steps", "loss", "val_loss", "sample")} for look in found["curve"]]
        return losses.tolist(), looks

    whole = learn(quiet())
    shutil.rmtree(quiet().folder)
    stopped = quiet()

    class Stopping(gpt.ParallelTrainer):
        def step(self, batches):
            if self.steps == 3:
                stopped.interrupt()
            return super().step(batches)

    with pytest.MonkeyPatch.context() as patched, pytest.raises(runner.Stopped):
        patched.setattr(gpt, "ParallelTrainer", Stopping)
        learn(stopped)
    resumed = quiet()
    assert learn(resumed) == whole and "going on after step 4" in resumed.text()


def test_2017_reads_this_book_where_shakespeare_is_missing(quiet, gpt, monkeypatch):
    def missing(*_):
        raise gpt.DataUnavailable("input.txt is not here")

    monkeypatch.setattr(gpt, "tiny_shakespeare", missing)
    shown = quiet()
    text, source = gpt.corpus(shown)
    assert source == "this book" and "TinyTorch" in text and len(text) > 100_000
    assert "The book itself is read instead. input.txt is not here" in shown.text()


def test_2018_makes_three_networks_smaller(quiet, monkeypatch):
    program, rng = script("2018"), np.random.default_rng(0)
    x, y = rng.random((600, 12, 12), np.float32), rng.integers(0, 10, 600)
    monkeypatch.setattr(program, "mnist", lambda *_: program.Split(x, y, x[:50], y[:50]))
    monkeypatch.setattr(program, "tiny_shakespeare", lambda *_: "To be, or not to be: that is the question.\n" * 150)
    monkeypatch.setattr(program, "TURNS", 2)
    monkeypatch.setattr(program, "WRITTEN", 5)
    found = json.loads(json.dumps(runner.plain(program.run(quiet(), epochs=1))))
    variants = ["before", "pruned", "int8", "after"]
    assert [*found["mlp"]["table"]] == [*found["cnn"]["table"]] == variants
    assert [*found["gpt"]["table"]] == ["before", "pruned", "int8", "cached", "after"]
    for name in ("mlp", "cnn", "gpt"):
        table = found[name]["table"]
        assert (
            table["after"]["bytes"]
            < min(table[each]["bytes"] for each in ("pruned", "int8"))
            < table["before"]["bytes"]
        )
        assert table["before"]["ratio"] == [1, 1, 1] and all(0 <= one["quality"] <= 1 for one in table.values())
        assert found[name]["profile"]["flops"] > 0 and len(found[name]["profile"]["most"]) == 3
    assert found["gpt"]["table"]["cached"]["bytes"] == found["gpt"]["table"]["before"]["bytes"]
    assert found["accuracy"] == found["cnn"]["table"]["after"]["quality"] and found["images"] == "MNIST"


def test_2018_takes_what_the_package_has(quiet, monkeypatch):
    def missing(*_):
        raise program.DataUnavailable("it is not here")

    program, shown = script("2018"), quiet()
    for name in ("mnist", "tiny_shakespeare"):
        monkeypatch.setattr(program, name, missing)
    images, source = program.pictures(shown)
    assert images.x_train.shape == (1437, 1, 8, 8) and source == "the digits"
    words, characters, source = program.text(shown)
    assert source == "this book" and words.x_train.shape[1] == program.CONTEXT and words.y_train.max() < characters
    assert (words.x_train[0, 1:] == words.y_train[0, :-1]).all()
    assert shown.text().count("it is not here") == 2


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
    assert "Next    tito run FILE: every chapter, milestone and checkpoint is done" in tito("next")[1]


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


# -- 2021 --------------------------------------------------------------------------------------------------------------


def test_a_service_sees_a_change_repairs_itself_and_loses_no_request(tmp_path):
    """Twenty days: the digits turn on the twelfth."""
    stage = runner.Stage(tmp_path, seed=5, console=Console(file=io.StringIO()))
    found = script("2021").run(stage, days=20)
    assert sum(found["answered"]) == found["sent"] == 20 * 300
    stages = [(version, state) for _, version, state, _ in found["history"]]
    assert stages[:2] == [(1, "candidate"), (1, "live")] and (2, "canary") in stages and stages[-1] == (2, "live")
    alarm = next(at for at, _, _, reason in found["history"] if reason.startswith("drift"))
    assert 12 <= alarm <= 14
    right, unrepaired = (np.array(found[name]) for name in ("right", "unrepaired"))
    assert right[:12].mean() > 0.93 and right[12:14].mean() < 0.75
    assert right[-2:].mean() > 0.88 > 0.75 > unrepaired[12:].mean()
