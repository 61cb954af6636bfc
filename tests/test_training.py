"""What is true of training: one step whatever its parts, and the same weights whoever pulled the plug."""

import copy
import itertools
import json
import math
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import pytorch

import tinytorch as tt
from tinytorch import serialization
from tinytorch.environment import generator
from tinytorch.layers import Dropout, Linear, Module, Parameter, ReLU, Sequential
from tinytorch.losses import cross_entropy, mse_loss
from tinytorch.optimizers import SGD, Adam, AdamW, CosineAnnealingLR, OneCycleLR, RMSprop, StepLR
from tinytorch.tensor import Tensor
from tinytorch.training import (
    AveragingTrainer,
    Batch,
    Batches,
    Trainer,
    accuracy,
    clip_grad_norm_,
    generators,
    stalled,
)

ROOT = Path(__file__).parents[1]
rng = np.random.default_rng(7)
X = rng.normal(size=(22, 5)).astype(np.float32)
Y = rng.integers(0, 3, 22)
BATCHES = 6  # of four, the last one of two
EPOCHS = 3


def begin(seed=0, own_rng=True, accumulate=1, kind=Adam, trainer=Trainer, **options):
    """A trainer that uses everything that a checkpoint has to hold: two kinds of dropout, a schedule, metrics."""
    tt.manual_seed(seed)
    mine = np.random.default_rng(seed + 100) if own_rng else None
    model = Sequential(Linear(5, 8), Dropout(0.4), ReLU(), Sequential(Dropout(0.3, rng=mine)), Linear(8, 3))
    optimizer = kind(model.parameters(), lr=0.03)
    schedule = CosineAnnealingLR(optimizer, T_max=20)
    metrics = {"accuracy": accuracy}
    return trainer(model, optimizer, schedule=schedule, clip=0.5, accumulate=accumulate, metrics=metrics, **options)


def data():
    return Batches(X, Y, size=4, seed=3)


def validation():
    return Batches(X[:7], Y[:7], size=4, shuffle=False)


def everything(trainer):
    """All that a trainer is, as bytes that can be compared."""
    arrays, rest = trainer.state_dict()
    return {name: (a.dtype, a.shape, a.tobytes()) for name, a in arrays.items()}, json.dumps(rest, sort_keys=True)


def uninterrupted(**options):
    trainer = begin(**options)
    trainer.fit(data(), EPOCHS, validation())
    return everything(trainer)


# -- batches -------------------------------------------------------------------------------------------------------


def test_batches_hold_every_example_once_with_its_target():
    x = np.arange(22)[:, None] * np.ones(2)
    for shuffle in (True, False):
        batches = Batches(x, np.arange(22), size=4, shuffle=shuffle)
        seen = [(b.x.data, b.y.data) for b in batches]
        assert [len(y) for _, y in seen] == [4] * 5 + [2] and len(batches) == 6
        assert all((x[:, 0] == y).all() for x, y in seen)
        order = np.concatenate([y for _, y in seen])
        assert sorted(order) == list(range(22)) and (list(order) == list(range(22))) is not shuffle


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(seed, epoch):
        batches = Batches(X, np.arange(22), seed=seed)
        batches.set_epoch(epoch)
        tt.rand(3)
        return np.concatenate([b.y.data for b in batches]).tolist()

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_what_cannot_be_cut_into_batches_is_refused():
    with pytest.raises(ValueError, match="got 22 and 21"):
        Batches(X, Y[1:])
    with pytest.raises(ValueError, match="1 or more, got 0"):
        Batches(X, Y, size=0)


# -- clipping ------------------------------------------------------------------------------------------------------


def with_gradients(arrays):
    tensors = [Tensor(np.zeros_like(a), requires_grad=True) for a in arrays]
    for t, a in zip(tensors, arrays):
        t.grad = Tensor(a.copy())
    return tensors


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from([(), (3,), (2, 4), (0, 2), (1,)]), max_size=4), st.floats(1e-3, 1e3), st.integers(0, 99)
)
def test_clipping_agrees_with_torch(shapes, max_norm, seed):
    torch = pytorch()
    draw = np.random.default_rng(seed)
    arrays = [np.asarray(10 * draw.normal(size=shape), np.float32) for shape in shapes]
    ours = with_gradients(arrays)
    theirs = [torch.zeros(a.shape, requires_grad=True) for a in arrays]
    for t, a in zip(theirs, arrays):
        t.grad = torch.from_numpy(a.copy())
    norm = clip_grad_norm_(ours, max_norm)
    assert norm == pytest.approx(float(torch.nn.utils.clip_grad_norm_(theirs, max_norm)), rel=1e-5)
    for mine, t in zip(ours, theirs):
        np.testing.assert_allclose(mine.grad.data, t.grad.numpy(), rtol=1e-5, atol=1e-6)
        assert mine.grad.dtype == np.float32


def test_clipping_at_infinity_measures_only_and_of_nothing_is_zero():
    [x] = with_gradients([np.array([3.0, 4.0])])
    assert clip_grad_norm_([x], math.inf) == 5 and x.grad.data.tolist() == [3, 4]
    assert clip_grad_norm_([Tensor(1.0, requires_grad=True)], 1.0) == 0
    assert clip_grad_norm_([], 1.0) == 0


def test_float16_and_exploded_gradients_are_clipped_not_lost():
    for dtype, size, rtol in ((np.float16, 6e4, 5e-3), (np.float32, 3e38, 1e-5), (np.float64, 1e150, 1e-12)):
        [x] = with_gradients([np.array([size, -size], dtype)])
        clip_grad_norm_([x], 1.0)
        np.testing.assert_allclose(x.grad.data, np.array([1, -1]) / math.sqrt(2), rtol=rtol)


def test_a_gradient_that_is_not_a_number_stays_visible():
    [x] = with_gradients([np.array([np.nan, 1.0])])
    assert math.isnan(clip_grad_norm_([x], 1.0)) and np.isnan(x.grad.data[0])


@pytest.mark.parametrize("clip", [0, -1, math.nan])
def test_a_clip_that_would_turn_round_is_refused(clip):
    model = Linear(1, 1)
    with pytest.raises(ValueError, match="norm above 0"):
        Trainer(model, SGD(model.parameters()), clip=clip)


# -- accumulation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SGD, RMSprop, Adam, AdamW])
@pytest.mark.parametrize("sizes", [(8,), (4, 4), (1, 2, 5), (3, 3, 2), (1,) * 8])
def test_accumulation_equals_the_large_batch(kind, sizes):
    def weights(parts):
        tt.manual_seed(0)
        model = Sequential(Linear(5, 8), ReLU(), Linear(8, 3))
        trainer = Trainer(model, kind(model.parameters(), lr=0.01), clip=0.3)
        ends = np.cumsum([0, *parts])
        batches = [Batch(Tensor(X[a:b]), Tensor(Y[a:b])) for a, b in itertools.pairwise(ends)]
        losses = [trainer.step(batches) for _ in range(5)]
        return np.array(losses), np.concatenate([p.data.ravel() for p in model.parameters()])

    for yours, whole in zip(weights(sizes), weights((8,))):
        np.testing.assert_allclose(yours, whole, rtol=2e-4, atol=2e-6)


def test_steps_agree_with_torch():
    """Accumulation over unequal micro-batches, clipping and a schedule, against torch on the large batch."""
    torch = pytorch()
    tt.manual_seed(0)
    model = Sequential(Linear(5, 8), ReLU(), Linear(8, 3))
    theirs = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    with torch.no_grad():
        for layer, other in ((model[0], theirs[0]), (model[2], theirs[2])):
            other.weight.copy_(torch.from_numpy(layer.weight.data.T.copy()))
            other.bias.copy_(torch.from_numpy(layer.bias.data.copy()))
    optimizer, adam = SGD(model.parameters(), lr=0.1, momentum=0.9), None
    trainer = Trainer(model, optimizer, schedule=StepLR(optimizer, 3, 0.5), clip=0.4)
    adam = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(adam, 3, 0.5)
    for _ in range(10):
        loss = trainer.step([Batch(Tensor(X[a:b]), Tensor(Y[a:b])) for a, b in ((0, 3), (3, 4), (4, 22))])
        adam.zero_grad()
        other = torch.nn.functional.cross_entropy(theirs(torch.from_numpy(X)), torch.from_numpy(Y))
        other.backward()
        norm = torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.4)
        adam.step()
        schedule.step()
        assert loss == pytest.approx(other.item(), rel=1e-4)
        assert trainer.step_norm == pytest.approx(norm.item(), rel=1e-4)
    np.testing.assert_allclose(model[2].weight.data.T, theirs[2].weight.detach().numpy(), rtol=1e-3, atol=1e-5)


def test_an_epochs_last_step_takes_what_is_left():
    taken = []
    trainer = begin(accumulate=4, callbacks=[lambda t: taken.append(t.batch)])
    trainer.fit(data(), 2)
    assert taken == [4, 6, 4, 6] and trainer.steps == 4
    assert [record["seen"] for record in trainer.history] == [22, 22]


@pytest.mark.parametrize("accumulate", [0, -1])
def test_a_step_of_no_batches_is_refused(accumulate):
    with pytest.raises(ValueError, match="1 micro-batch or more"):
        begin(accumulate=accumulate)


# -- metrics, evaluation, history ----------------------------------------------------------------------------------


def test_accuracy_names_both_shapes():
    with pytest.raises(ValueError, match=r"\(4, 3\) and \(4, 1\)"):
        accuracy(Tensor(np.zeros((4, 3))), Tensor(np.zeros((4, 1), int)))
    assert accuracy(Tensor(np.eye(3)[None]), Tensor(np.array([[0, 1, 0]]))) == pytest.approx(2 / 3)


def test_evaluation_is_that_of_one_large_batch():
    trainer = begin()
    parts, whole = (trainer.evaluate(Batches(X, Y, size=size)) for size in (4, 100))
    assert parts == pytest.approx(whole, rel=1e-5) and set(parts) == {"loss", "accuracy"}


def test_evaluation_draws_nothing_records_nothing_and_leaves_the_mode():
    trainer = begin()
    for mode in (True, False):
        trainer.model.train(mode)
        before = everything(trainer)
        trainer.evaluate(validation())
        assert everything(trainer) == before
        assert all(module.training is mode for module in trainer.model.modules())
        assert all(p.grad is None for p in trainer.model.parameters())


def test_evaluating_and_training_on_nothing_is_refused():
    trainer = begin()
    with pytest.raises(ValueError, match="one example or more"):
        trainer.evaluate([])
    with pytest.raises(ValueError, match="one example or more"):
        trainer.fit(Batches(X[:0], Y[:0]), 1)


def test_history_has_a_record_for_each_epoch():
    trainer = begin()
    assert trainer.fit(data(), 2, validation()) is trainer.history
    assert [set(record) for record in trainer.history] == [{"loss", "seen", "lr", "val_loss", "val_accuracy"}] * 2
    judged = trainer.evaluate(validation())
    assert trainer.history[-1]["val_loss"] == judged["loss"]
    assert trainer.history[-1]["lr"] == trainer.optimizer.param_groups[0]["lr"]
    assert all(type(value) in (int, float) for record in trainer.history for value in record.values())


def test_the_epochs_loss_is_the_mean_over_its_examples():
    seen = []
    trainer = begin(callbacks=[lambda t: seen.append((t.step_loss, min(4, 22 - 4 * (t.batch - 1))))])
    trainer.fit(data(), 1)
    assert trainer.history[0]["loss"] == pytest.approx(sum(loss * n for loss, n in seen) / 22)


def test_it_learns_and_fit_goes_on_from_where_it_stands():
    split = tt.datasets.digits()
    tt.manual_seed(0)
    model = Sequential(Linear(64, 32), ReLU(), Linear(32, 10))
    trainer = Trainer(model, Adam(model.parameters(), lr=0.01), metrics={"accuracy": accuracy})
    trainer.fit(Batches(split.x_train, split.y_train), 2)
    trainer.fit(Batches(split.x_train, split.y_train), 6, Batches(split.x_test, split.y_test, size=256))
    assert len(trainer.history) == 6 and trainer.history[-1]["val_accuracy"] > 0.93


def test_any_loss_and_any_callable_metric_fit():
    model = Sequential(Linear(5, 1))
    metrics = {"off": lambda z, y: np.float32(np.abs(z.data - y.data).mean())}
    trainer = Trainer(model, SGD(model.parameters(), lr=0.01), mse_loss, metrics=metrics)
    targets = X.sum(axis=1, keepdims=True)
    history = trainer.fit(Batches(X, targets), 3, Batches(X, targets))
    assert history[-1]["val_off"] < history[0]["val_off"]


def test_callbacks_see_every_step_and_may_stop():
    seen = []

    def watch(trainer):
        seen.append((trainer.steps, trainer.batch, trainer.step_loss > 0, trainer.step_norm > 0))
        if trainer.steps == 8:
            trainer.stop()

    trainer = begin(callbacks=[watch])
    trainer.fit(data(), EPOCHS)
    assert seen == [(i + 1, i % BATCHES + 1, True, True) for i in range(8)]
    assert trainer.stopping and (trainer.epoch, trainer.batch, len(trainer.history)) == (1, 2, 1)


# -- early stopping ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "patience", "answer"),
    [
        ([], 1, False),
        ([1], 1, False),
        ([1, 1], 1, True),
        ([1, 2], 2, False),
        ([2, 1, 3, 3], 2, True),
        ([3, 2, 1], 1, False),
    ],
)
def test_stalled(values, patience, answer):
    assert stalled([{"loss": v} for v in values], "loss", patience) is answer


class Told(Trainer):
    """A trainer whose validation says what it is told to."""

    script = [5.0, 4.0, 3.0, 4.0, 3.0, 6.0, 1.0, 1.0]

    def evaluate(self, data):
        return {"loss": self.script[self.epoch]}


def test_early_stopping_stops_and_stays_stopped():
    model = Linear(5, 3)
    trainer = Told(model, SGD(model.parameters()))
    assert [record["val_loss"] for record in trainer.fit(data(), 8, validation(), patience=2)] == [5, 4, 3, 4, 3]
    trainer.fit(data(), 8, validation(), patience=2)  # whoever resumes a run that has stopped finds it done
    assert trainer.epoch == 5
    trainer.fit(data(), 8, validation(), patience=3)
    assert trainer.epoch == 6
    assert len(trainer.fit(data(), 8, validation())) == 8


# -- the mean of many steps ----------------------------------------------------------------------------------------


def weights(model):
    return np.concatenate([p.data.ravel() for p in model.parameters()])


def path_of(trainer):
    """The weights after each of 18 steps; then those of the mean."""
    path = []
    trainer.callbacks = [lambda t: path.append(weights(t.model))]
    trainer.fit(data(), EPOCHS)
    return np.array(path), weights(trainer.mean)


def test_the_mean_remembers_every_step_evenly_and_then_the_last_ones_best():
    path, mean = path_of(begin(trainer=AveragingTrainer, share=0.05))  # 18 steps of the first 20
    assert mean == pytest.approx(path.mean(axis=0), abs=1e-6)
    path, mean = path_of(begin(trainer=AveragingTrainer, share=0.5))
    halves = 0.5 ** np.r_[17, 17:0:-1]  # the first step counts as what was before it
    assert halves.sum() == 1 and mean == pytest.approx(halves @ path, abs=1e-6)


def test_the_mean_is_judged_and_the_model_is_trained():
    plain = begin()
    plain.fit(data(), EPOCHS, validation())
    averaging = begin(trainer=AveragingTrainer, share=0.2)
    averaging.fit(data(), EPOCHS, validation())
    assert np.array_equal(weights(plain.model), weights(averaging.model))
    own, mean = averaging.model, averaging.mean
    assert averaging.history[-1]["val_loss"] != plain.history[-1]["val_loss"]
    judge = Trainer(mean, plain.optimizer, metrics=plain.metrics)
    assert averaging.evaluate(validation()) == judge.evaluate(validation())
    with pytest.raises(ValueError, match="one example or more"):
        averaging.evaluate([])
    assert averaging.model is own, "what fails while the mean is judged leaves the model in its place"


@pytest.mark.parametrize("share", [0, -0.1, 1.5, math.nan])
def test_a_mean_that_does_not_move_towards_the_model_is_refused(share):
    with pytest.raises(ValueError, match="above 0 and up to 1"):
        begin(trainer=AveragingTrainer, share=share)


# -- stopped and resumed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accumulate, trainer", [(1, Trainer), (4, Trainer), (1, AveragingTrainer)])
def test_stopped_at_any_step_and_resumed_ends_in_the_same_bits(tmp_path, accumulate, trainer):
    wanted = uninterrupted(accumulate=accumulate, trainer=trainer)
    steps = json.loads(wanted[1])["steps"]
    assert steps == EPOCHS * math.ceil(BATCHES / accumulate)
    for at in range(1, steps + 1):
        stop = [lambda t, at=at: t.stop() if t.steps == at else None]
        first = begin(accumulate=accumulate, trainer=trainer, callbacks=stop)
        first.fit(data(), EPOCHS, validation(), checkpoint=tmp_path / "run")
        assert first.steps == at
        second = begin(seed=99, accumulate=accumulate, trainer=trainer)
        second.load(tmp_path / "run")
        assert everything(second) == everything(first)
        second.fit(data(), EPOCHS, validation())
        assert everything(second) == wanted, f"stopped after step {at}"


@pytest.mark.parametrize("kind", [SGD, RMSprop, Adam, AdamW])
def test_stopped_at_every_step_of_one_run_too(tmp_path, kind):
    """Each step by another trainer, that knows what the file says and nothing else."""
    wanted = uninterrupted(kind=kind)
    trainer, count = begin(kind=kind), 0
    while trainer.epoch < EPOCHS:
        trainer.callbacks = [Trainer.stop]
        trainer.fit(data(), EPOCHS, validation(), checkpoint=tmp_path / "run")
        trainer, count = begin(seed=count, kind=kind), count + 1
        trainer.load(tmp_path / "run")
    # A stop after an epoch's last step leaves its end to the next trainer, which goes on; one more ends the last.
    assert count == EPOCHS * BATCHES + 1 and everything(trainer) == wanted


CHILD = """
import sys, os
sys.path.insert(0, {tests!r})
from pathlib import Path
import test_training as t
path = Path({path!r})
trainer = t.begin(seed=os.getpid(), callbacks=[lambda trainer: print(trainer.steps, flush=True)])
if path.exists():
    trainer.load(path)
{extra}
trainer.fit(t.data(), t.EPOCHS, t.validation(), checkpoint=path, every=1)
trainer.save({done!r})
"""


def child(tmp_path, extra=""):
    code = CHILD.format(tests=str(ROOT / "tests"), path=str(tmp_path / "run"), done=str(tmp_path / "done"), extra=extra)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)


def at_the_end(path):
    trainer = begin(seed=5)
    trainer.load(path)
    return everything(trainer)


def test_killed_at_random_steps_and_resumed_ends_in_the_same_bits(tmp_path):
    """SIGKILL, again and again, at random moments: in a step, between steps, while a checkpoint is being written."""
    # A child's first generator state is its own, so that nothing but the checkpoint can make the runs equal.
    first = begin()
    first.save(tmp_path / "run")
    chance, kills = random.Random(11), 0
    while not (tmp_path / "done").exists():
        process = child(tmp_path)
        for _ in range(chance.randint(1, 4)):
            process.stdout.readline()
        time.sleep(chance.random() * 2e-3)
        if kills < 5:
            process.kill()
            kills += process.wait() != 0
        else:
            process.communicate()
    assert kills >= 3
    assert at_the_end(tmp_path / "done") == uninterrupted()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a single child")
def test_ctrl_c_finishes_the_step_and_leaves_a_checkpoint(tmp_path):
    begin().save(tmp_path / "run")
    extra = "import signal; signal.signal(signal.SIGINT, lambda *_: trainer.stop())\nt.EPOCHS = 10**6"
    process = child(tmp_path, extra)
    assert "9" in map(str.strip, iter(process.stdout.readline, ""))  # reads on until it is there
    process.send_signal(signal.SIGINT)
    told = [9, *map(int, process.communicate(timeout=300)[0].split())]
    assert process.returncode == 0
    trainer = begin(seed=1)
    trainer.load(tmp_path / "run")
    assert trainer.steps == told[-1] and told == list(range(9, told[-1] + 1))
    straight = begin(callbacks=[lambda t: t.stop() if t.steps == told[-1] else None])
    straight.fit(data(), 10**6, validation())
    assert everything(straight) == everything(trainer)


def test_a_signal_handler_may_stop_a_training(tmp_path):
    trainer = begin(callbacks=[lambda t: signal.raise_signal(signal.SIGINT) if t.steps == 4 else None])
    before = signal.signal(signal.SIGINT, lambda *_: trainer.stop())
    try:
        trainer.fit(data(), EPOCHS, checkpoint=tmp_path / "run")
    finally:
        signal.signal(signal.SIGINT, before)
    assert trainer.steps == 4 and (tmp_path / "run").exists()


def test_checkpoints_are_written_when_asked_for(tmp_path):
    written = []

    class Watched(Trainer):
        def save(self, path):
            written.append(self.steps)

    model = Linear(5, 3)
    for options, wanted in (
        ({}, []),
        ({"checkpoint": "x"}, [6, 12]),
        ({"checkpoint": "x", "every": 4}, [4, 6, 8, 12, 12]),
    ):
        written.clear()
        Watched(model, SGD(model.parameters())).fit(data(), 2, **options)
        assert written == wanted


def test_loading_twice_from_one_state_is_the_same_twice():
    trainer = begin()
    trainer.callbacks = [lambda t: t.stop() if t.steps == 8 else None]
    trainer.fit(data(), EPOCHS, validation())
    state, ends = copy.deepcopy(trainer.state_dict()), []
    trainer.callbacks = []
    for _ in range(2):
        trainer.load_state_dict(*state)
        trainer.fit(data(), EPOCHS, validation())
        ends.append(everything(trainer))
    assert ends[0] == ends[1] == uninterrupted()


# -- what is in a checkpoint ---------------------------------------------------------------------------------------


def test_generators_are_the_packages_and_those_that_modules_own():
    model = begin().model
    assert list(generators(model)) == ["package", "5.rng"]
    assert generators(model)["package"] is generator
    assert list(generators(begin(own_rng=False).model)) == ["package"]


@pytest.mark.parametrize("bits", [np.random.MT19937, np.random.Philox, np.random.SFC64, np.random.PCG64DXSM])
def test_any_kind_of_generator_survives(tmp_path, bits):
    def trainer(seed):
        model = Sequential(Dropout(0.5, rng=np.random.Generator(bits(seed))), Linear(5, 3))
        return Trainer(model, SGD(model.parameters()))

    first, second = trainer(1), trainer(2)
    first.fit(data(), 1)
    first.save(tmp_path / "run")
    second.load(tmp_path / "run")
    np.testing.assert_array_equal(second.model[0].rng.random(5), first.model[0].rng.random(5))


def test_a_checkpoint_is_a_safetensors_file(tmp_path):
    theirs = pytest.importorskip("safetensors")
    trainer = begin()
    trainer.fit(data(), 1, checkpoint=tmp_path / "run")
    with theirs.safe_open(tmp_path / "run", "np") as file:
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        rest = json.loads(file.metadata()["trainer"])
    np.testing.assert_array_equal(found["model.0.weight"], trainer.model[0].weight.data)
    assert rest["steps"] == BATCHES and rest["history"] == trainer.history


def test_numbers_that_are_not_finite_survive(tmp_path):
    trainer = begin()
    trainer.history = [{"loss": math.nan, "val_loss": math.inf}]
    trainer.model[0].weight.data[0] = np.nan
    trainer.save(tmp_path / "run")
    other = begin(seed=1)
    other.load(tmp_path / "run")
    assert everything(other) == everything(trainer)


# -- what is no checkpoint -----------------------------------------------------------------------------------------


def refused(trainer, path, says):
    """Loading raises a ValueError that names the file, and leaves everything as it was."""
    before, draw = everything(trainer), copy.deepcopy(generator)
    with pytest.raises(ValueError, match=says) as caught:
        trainer.load(path)
    assert str(path) in str(caught.value)
    assert everything(trainer) == before
    assert generator.random() == draw.random()


@pytest.fixture
def small(tmp_path):
    """A small checkpoint in the middle of an epoch, and a trainer of the same kind that stands elsewhere."""

    def trainer(seed):
        tt.manual_seed(seed)
        model = Sequential(Linear(1, 1), Dropout(0.5))
        optimizer = SGD(model.parameters(), momentum=0.5)
        trainer = Trainer(model, optimizer, mse_loss, schedule=StepLR(optimizer, 2))
        trainer.fit(Batches(np.ones((4, 1)), np.ones((4, 1)), size=1), seed)
        return trainer

    trainer(2).save(tmp_path / "small")
    return trainer(1), tmp_path / "small"


def test_a_checkpoint_cut_short_anywhere_changes_nothing(small):
    trainer, path = small
    whole, before = path.read_bytes(), everything(trainer)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="small"):
            trainer.load(path)
    assert everything(trainer) == before
    path.write_bytes(whole)
    trainer.load(path)
    assert everything(trainer) != before


def test_a_checkpoint_with_a_flipped_bit_changes_nothing(small):
    trainer, path = small
    whole, before = path.read_bytes(), everything(trainer)
    chance = random.Random(3)
    header = 8 + int.from_bytes(whole[:8], "little")
    everywhere = [(place, chance.randrange(8)) for place in range(header)]
    for place, bit in everywhere + [(place, bit) for place in range(header, len(whole)) for bit in range(8)]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="small"):
            trainer.load(path)
    assert everything(trainer) == before


def test_a_foreign_file_changes_nothing(tmp_path):
    trainer = begin()
    (tmp_path / "text").write_text("epoch 3, loss 0.2")
    refused(trainer, tmp_path / "text", "not a safetensors file")
    serialization.save({"wte": np.zeros((4, 2))}, tmp_path / "weights")
    refused(trainer, tmp_path / "weights", "no checkpoint of a training: it holds wte")
    serialization.save(trainer.model.state_dict(), tmp_path / "model", {"format": "np"})
    refused(trainer, tmp_path / "model", "no checkpoint of a training")
    np.savez(tmp_path / "arrays.npz", x=np.zeros(3))
    refused(trainer, tmp_path / "arrays.npz", "not a safetensors file")
    with pytest.raises(FileNotFoundError):
        trainer.load(tmp_path / "none")


def other_model(layers, optimizer=lambda p: Adam(p, lr=0.03), schedule=lambda o: CosineAnnealingLR(o, 20)):
    model = Sequential(*layers)
    made = optimizer(model.parameters())
    return Trainer(model, made, schedule=schedule(made) if schedule else None)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: other_model([Linear(5, 9), Dropout(), ReLU(), Linear(9, 3)]), "generators"),
        (lambda: begin(own_rng=False), "generators"),
        (lambda: begin(kind=SGD), "optimizer are CosineAnnealingLR and Adam, here CosineAnnealingLR and SGD"),
        (lambda: begin(kind=AdamW), "here CosineAnnealingLR and AdamW"),
    ],
)
def test_another_training_changes_nothing(tmp_path, make, says):
    first = begin()
    first.fit(data(), 1, checkpoint=tmp_path / "run")
    refused(make(), tmp_path / "run", says)


def test_other_parts_are_named(tmp_path):
    first = other_model([Linear(5, 8), Linear(8, 3)])
    first.fit(data(), 1, checkpoint=tmp_path / "run")
    refused(other_model([Linear(5, 9), Linear(9, 3)]), tmp_path / "run", r"model.0.weight is float32 \(5, 8\), here")
    refused(other_model([Linear(5, 8)]), tmp_path / "run", "model.1.bias is only in the file")
    refused(other_model([Linear(5, 8), Linear(8, 3), Linear(3, 3)]), tmp_path / "run", "model.2.bias is only here")
    refused(other_model([Linear(5, 8), Linear(8, 3)], schedule=None), tmp_path / "run", "here none and Adam")
    double = other_model([Linear(5, 8), Linear(8, 3)])
    double.model[0].weight.data = double.model[0].weight.data.astype(np.float64)
    refused(double, tmp_path / "run", "model.0.weight is float32")


def test_what_fails_late_is_undone(tmp_path):
    """A state that fits in form, and fails in the middle of loading: all that was loaded by then is put back."""

    def trainer(total):
        tt.manual_seed(total)
        model = Sequential(Linear(5, 3), Dropout(0.5))
        optimizer = SGD(model.parameters(), lr=0.1)
        return Trainer(model, optimizer, schedule=OneCycleLR(optimizer, 1.0, total))

    long, short = trainer(50), trainer(8)
    long.fit(data(), 2, checkpoint=tmp_path / "long")
    short.fit(data(), 1)
    short.optimizer.param_groups[0]["lr"] = 0.123  # set by hand: not the schedule's
    refused(short, tmp_path / "long", "this cycle has 8 steps")

    arrays, rest = long.state_dict()
    for missing in rest:
        text = json.dumps({name: value for name, value in rest.items() if name != missing})
        serialization.save(arrays, tmp_path / "odd", {"trainer": text})
        refused(long, tmp_path / "odd", "belongs to another training")
    for text in ("{", "[]", "3", json.dumps({**rest, "generators": {"package": {"state": 3}}})):
        serialization.save(arrays, tmp_path / "odd", {"trainer": text})
        refused(long, tmp_path / "odd", "belongs to another training")


def test_a_checkpoint_sets_nothing_but_the_position(tmp_path):
    trainer = begin()
    arrays, rest = trainer.state_dict()
    serialization.save(arrays, tmp_path / "odd", {"trainer": json.dumps({**rest, "model": 1, "fit": 2})})
    trainer.load(tmp_path / "odd")
    assert isinstance(trainer.model, Module) and callable(trainer.fit)


def test_tied_and_unused_parameters_are_saved_once(tmp_path):
    class Tied(Module):
        def __init__(self):
            self.a, self.idle = Linear(5, 5, bias=False), Parameter(np.ones(2, np.float32))
            self.b = self.a

        def forward(self, x):
            return self.b(self.a(x))

    def trainer():
        model = Tied()
        return Trainer(model, Adam(model.parameters()), cross_entropy)

    first, second = trainer(), trainer()
    first.fit(data(), 1, checkpoint=tmp_path / "run")
    second.load(tmp_path / "run")
    assert everything(first) == everything(second)
    assert second.model.a is second.model.b


# -- nothing is accepted and then ignored --------------------------------------------------------------------------


def test_clipping_takes_one_tensor_and_refuses_a_generator_that_was_used():
    x = tt.zeros(2, requires_grad=True)
    x.grad = Tensor([3.0, 4.0])
    assert clip_grad_norm_(x, 1.0) == 5
    np.testing.assert_allclose(x.grad.data, [0.6, 0.8], rtol=1e-6)
    parameters = iter([x])
    clip_grad_norm_(parameters, 1.0)
    with pytest.raises(ValueError, match="was it used before"):
        clip_grad_norm_(parameters, 1.0)
    for norm in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="0 or more"):
            clip_grad_norm_([x], norm)


def test_a_nan_is_no_best_value():
    nan = float("nan")
    assert not stalled([{"loss": nan}, {"loss": 1.0}, {"loss": 0.5}], "loss", 2)
    assert stalled([{"loss": 1.0}, {"loss": nan}, {"loss": nan}], "loss", 2)
    assert stalled([{"loss": nan}] * 3, "loss", 2) and not stalled([{"loss": nan}] * 2, "loss", 2)


@pytest.mark.parametrize("kind", [Trainer, tt.training.AveragingTrainer, tt.parallel.ParallelTrainer])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda trainer: pickle.loads(pickle.dumps(trainer))])
def test_a_copy_of_a_trainer_trains_on_as_it_does(kind, copied):
    model = tt.nn.Sequential(tt.nn.Linear(4, 3), tt.nn.BatchNorm1d(3), tt.nn.ReLU(), tt.nn.Linear(3, 2))
    optimizer = tt.optim.Adam(model.parameters(), lr=0.1)
    trainer = kind(model, optimizer, schedule=tt.optim.lr_scheduler.StepLR(optimizer, 3), clip=1.0)
    data = Batches(np.random.default_rng(0).normal(size=(24, 4)).astype("f4"), np.arange(24) % 2, size=8)
    trainer.fit(data, 1)
    before = [p.data.copy() for p in model.parameters()]
    twin = copied(trainer)
    twin.fit(data, 2)
    assert all((p.data == kept).all() for p, kept in zip(model.parameters(), before))
    trainer.fit(data, 2)
    for ours, theirs in zip(trainer.model.parameters(), twin.model.parameters(), strict=True):
        np.testing.assert_array_equal(ours.data, theirs.data)
    assert trainer.history == twin.history
