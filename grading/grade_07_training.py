"""Chapter 07, training: the step, the loop around it, what it is judged by, and where it goes on.

Methods are reached by probes that train something small enough to compute by hand: z = x @ w, no bias, by gradient
descent with momentum on the mean squared error. X (N, D) inputs, y (N,) targets, w (D,) weights.
"""

import numpy as np
from hypothesis import strategies as st
from strategies import distinct, example, filled, shapes, whole_numbers

from tito.rubrics.compare import close, holds, refuses, same
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("07", module="training")

NAN = float("nan")

rubric.exercise("accuracy", difficulty=1, minutes=6)
rubric.exercise("clip_grad_norm_", difficulty=2, minutes=12)
rubric.exercise("stalled", difficulty=1, minutes=6)
rubric.exercise("Trainer.step", difficulty=3, minutes=25)
rubric.exercise("Trainer.train_epoch", difficulty=2, minutes=18)
rubric.exercise("Trainer.evaluate", difficulty=3, minutes=25)
rubric.exercise("Trainer.load_state_dict", difficulty=2, minutes=15)


# -- accuracy ---------------------------------------------------------------------------------------------------------


@st.composite
def scored(draw, dims=1):
    """Logits (..., C) without ties, and a target (...)."""
    shape, classes = draw(shapes(dims=dims, least=1)), draw(st.integers(2, 4))
    rows = int(np.prod(shape))
    logits = np.stack([draw(distinct((classes,))) for _ in range(rows)]).reshape(*shape, classes)
    return logits, draw(filled(shape, st.integers(0, classes - 1), np.int64))


@rubric.probe
def share_right(tt, logits, target):
    tensors = tt.Tensor(logits), tt.Tensor(target)
    share = tt.training.accuracy(*tensors)
    return share, isinstance(share, tt.Tensor), [list(tensor.data.shape) for tensor in tensors]


@rubric.check("accuracy", points=1)
@given(
    scored(dims=2),
    always=[
        (np.array([[1, 2, 0], [3, 0, 1], [0, 1, 2]]), np.array([1, 0, 0])),
        (np.array([[-np.inf, -1e30], [1e30, np.inf]], np.float32), np.array([1, 1])),
        (np.array([[[1.0, 2.0], [2.0, 1.0]], [[1.0, 2.0], [2.0, 1.0]]], np.float16), np.array([[1, 1], [1, 1]])),
        (np.array([[5.0], [6.0]]), np.array([0, 0])),
        (np.array([1.0, 2.0]), np.array(1)),
        (np.array([[2, 2, 0], [0, 3, 3], [1, 1, 1], [9, 0, 0]]), np.array([1, 1, 0, 0])),
        (np.array([[1e8, 1e8 + 1]]), np.array([0])),  # equal in float32 only
    ],
)
def largest_score_at_the_target(student, logits, target):
    """A row counts if its largest score, the first of equal ones, is at its target; the answer is the share of such
    rows, over all axes."""
    hits = logits.argmax(axis=-1) == target
    mistakes = {
        "this is how many are right, not their share": hits.sum(),
        "the share that is wrong": 1 - hits.mean(),
        "this is in per cent": 100 * hits.mean(),
    }
    share, a_tensor, left = student.share_right(logits, target)
    close(share, float(hits.mean()), "accuracy", mistakes=mistakes, index=True)
    holds(not a_tensor, "the answer is a Tensor, not a Python number")
    same(left, [list(logits.shape), list(target.shape)], "the shapes of the caller's tensors, afterwards")


@rubric.check("accuracy", points=1)
@given(
    scored(),
    st.sampled_from(["a column", "one more"]),
    always=[
        *[(np.eye(2), np.array([0, 1]), kind) for kind in ("a column", "one more", "one for all")],
        (np.ones((2, 2, 3)), np.array([[0, 1], [1, 2]]), "the first of each row"),
    ],
)
def shapes_that_do_not_fit_are_named(student, logits, target, kind):
    """A target (B, 1) would be compared with every row of the batch: both shapes are named, nothing is computed."""
    bad = {
        "a column": target[:, None],
        "one more": np.append(target, 0),
        "one for all": np.array(target.flat[0]),
        "the first of each row": target[..., :1],
    }[kind]
    refuses("ValueError", student.share_right, logits, bad, mentioning=[str(logits.shape), str(bad.shape)])


# -- clip_grad_norm_ --------------------------------------------------------------------------------------------------


@rubric.probe
def clipped(tt, gradients, max_norm, kind):
    tensors = []
    for i, gradient in enumerate(gradients):  # the second was frozen when it had its gradient
        tensor = tt.Tensor(np.zeros(np.shape(gradient) if gradient is not None else (), kind), requires_grad=i != 1)
        if gradient is not None:
            tensor.grad = tt.Tensor(np.array(gradient, kind, order="F"))  # as a transposed product has it
        tensors.append(tensor)
    before = [t.grad for t in tensors]
    norm = tt.training.clip_grad_norm_(iter(tensors), max_norm)
    kept = all(t.grad is g for t, g in zip(tensors, before))
    return norm, [None if t.grad is None else t.grad.data for t in tensors], kept


@st.composite
def some_gradients(draw):
    """Two or three gradients of different shapes, not all zero."""
    found = [draw(shapes(sides=2).flatmap(whole_numbers)) for _ in range(draw(st.integers(1, 2)))]
    return [*found, draw(filled((2,), st.integers(1, 4)))]


def length(gradients):
    return float(np.sqrt(sum((g**2).sum() for g in gradients)))


@rubric.check("clip_grad_norm_", points=1)
@given(
    some_gradients(),
    st.sampled_from([0.5, 0.9, 1.0, 1.5, 4.0]),
    st.integers(0, 2),
    st.booleans(),
    always=[
        ([np.array([3.0, 4.0])], 0.9, 0, False),
        ([np.array([3.0]), np.array([[4.0]])], 0.9, 1, True),
        ([np.zeros(2), np.zeros((0, 2))], 1.0, 2, True),
        ([], 1.0, 0, True),
    ],
)
def the_norm_is_of_all_together(student, gradients, ratio, at, idle):
    """The answer is the root of the sum of *all* squares, as it was before scaling. A .grad of None is passed over."""
    handed_in = [*gradients[:at], None, *gradients[at:]] if idle else gradients
    norm, yours, _ = student.clipped(handed_in, ratio * (length(gradients) or 1.0), "float64")
    same([g is None for g in yours], [g is None for g in handed_in], "which gradients are None")
    mistakes = {
        "this is the norm afterwards": min(ratio, 1.0) * length(gradients),
        "this is the square of the norm": length(gradients) ** 2,
        "these norms are added up: lay the gradients end to end": sum(length([g]) for g in gradients),
    }
    close(norm, length(gradients), "the norm", mistakes=mistakes)


@rubric.check("clip_grad_norm_", points=1)
@given(
    some_gradients(),
    st.sampled_from([0.25, 0.5, 1.0, 2.0, 8.0]),
    always=[
        *[([np.array([3.0, 4.0])], ratio) for ratio in (0.0, 0.9, 1.0, 2.0, np.inf)],
        ([np.array(3.0), np.array([[4.0]])], 0.9),
        ([example(2, 2)], 0.5),
        ([np.zeros(2)], 0.0),
    ],
)
def shorter_in_the_same_direction(student, gradients, ratio):
    """All gradients are scaled by one number, in place, so that |g| is max_norm; a g that is short enough stays."""
    _, yours, kept = student.clipped(gradients, ratio * length(gradients), "float64")
    for mine, g in zip(yours, gradients):
        mistakes = {"it is scaled though |g| is small enough": ratio * g, "it is not scaled at all": g}
        close(mine, min(ratio, 1.0) * g, "a gradient", mistakes=mistakes)
    holds(kept, "a .grad is another tensor than before: whoever holds the old one does not see it scaled")


@rubric.check("clip_grad_norm_", points=1, examples=10)
@given(
    some_gradients(),
    st.sampled_from([1e20, 1e25]),
    st.just("float32"),
    always=[
        ([np.array([3.0, 4.0])], 1e20, "float32"),
        ([np.array([3.0, 4.0])], 1e-25, "float32"),
        ([np.array([3.0, 4.0])], 512.0, "float16"),
    ],
)
def exploded_gradients_are_measured(student, gradients, scale, kind):
    """This is what clipping is for: 1e20 fits into a float32, its square does not. Square in float64."""
    norm, yours, _ = student.clipped([scale * g for g in gradients], 1.0, kind)
    close(norm, scale * length(gradients), "the norm", rtol=1e-4, atol=0)
    for mine, g in zip(yours, gradients):
        expected = g / length(gradients) if scale > 1 else scale * g
        close(mine, expected.astype(kind), "a gradient", rtol=1e-4 if kind == "float32" else 1e-2, atol=0)


@rubric.probe
def clipped_alone(tt, gradient, max_norm, kind):
    ones = np.ones(np.shape(gradient))
    x = tt.layers.Parameter(ones) if kind == "Parameter" else tt.Tensor(ones, requires_grad=True)
    x.grad = tt.Tensor(np.array(gradient))
    norm = tt.training.clip_grad_norm_(x, max_norm)
    return norm, x.grad, x, isinstance(norm, int | float)


@rubric.probe
def clipped_none(tt, kind, max_norm):
    parameters = {"used up": (p for p in ()), "empty": [], "one": [tt.Tensor(1.0, requires_grad=True)]}[kind]
    return tt.training.clip_grad_norm_(parameters, max_norm)


@rubric.check("clip_grad_norm_", points=1)
def one_tensor_or_several(student):
    """One tensor will do for a list of one; of none the norm is 0. A generator that is used up is refused, and so is a
    norm below 0. A NaN is not hidden."""
    for kind in ("Tensor", "Parameter"):
        norm, yours, x, a_number = student.clipped_alone(np.array([3.0, 4.0]), 1.0, kind)
        close(norm, 5.0, f"the norm of one {kind}")
        holds(a_number, "the norm is a Tensor or an array, not a Python number")
        close(yours, np.array([0.6, 0.8]), "its gradient")
        close(np.asarray(x), np.ones(2), "its own numbers, afterwards")
    norm, *_ = student.clipped_alone(np.array([NAN, 4.0]), 1.0, "Tensor")
    close(norm, NAN, "the norm of a gradient that holds a NaN")
    close(student.clipped_none("empty", 1.0), 0.0, "the norm of an empty list")
    refuses("ValueError", student.clipped_none, "used up", 1.0)
    refuses("ValueError", student.clipped_none, "one", -1.0)


# -- stalled ----------------------------------------------------------------------------------------------------------

falls = st.lists(st.integers(0, 4).map(float), max_size=7)


def since_the_best(values):
    values = [np.inf if np.isnan(value) else value for value in values]
    return len(values) - 1 - values.index(min(values)) if values else 0


rubric.doctests("stalled", points=1)


@rubric.check("stalled", points=1)
@given(
    falls,
    st.integers(1, 3),
    st.sampled_from(["loss", "val_loss"]),
    always=[
        ([], 1, "loss"),
        ([2.0], 1, "loss"),
        ([1.0, 2.0, 1.0], 2, "val_loss"),
        ([1.0, 2.0], 2, "loss"),
        ([1.0, NAN, NAN], 2, "loss"),
        ([NAN, 1.0, 0.0], 1, "val_loss"),
        ([NAN, 1.0, 2.0], 2, "loss"),
        ([1.0, 2.0, 0.0, 3.0], 2, "loss"),
        ([1.0, 0.0, 2.0], 1, "loss"),
        ([-1.0, -2.0, 0.0], 1, "loss"),
        ([-1.0, -2.0, 0.0], 2, "loss"),
        ([1.0, 1.0 - 1e-12, 2.0], 2, "loss"),
        ([1.5, 1.25, 2.0], 2, "loss"),
        ([2e12, 1e12], 1, "loss"),
        ([0.0, 1.0, 2.0], 3, "loss"),
        ([1.0, NAN], 2, "loss"),
        ([NAN, NAN], 2, "loss"),
        ([NAN, NAN, NAN], 2, "loss"),
        ([NAN, 1e6, 2e6], 2, "loss"),
    ],
)
def epochs_since_the_lowest(student, values, patience, monitor):
    """The lowest value lies `patience` epochs back or more; of equal ones, the first counts, and no NaN. No epoch, no
    stall."""
    other = "val_loss" if monitor == "loss" else "loss"
    history = [{other: float(-i), monitor: value} for i, value in enumerate(values)]
    same(student.stalled(history, monitor, patience), since_the_best(values) >= patience, "stalled")


# -- Trainer.step -----------------------------------------------------------------------------------------------------


@rubric.probe
def one_step(tt, w, batches, lr, clip, decay, steps):
    class Line(tt.layers.Module):
        def __init__(self):
            self.w = [tt.layers.Parameter(np.array([number])) for number in w]  # each a parameter of its own
            self.unused = tt.layers.Parameter(np.array(w))

        def forward(self, x):
            passes.append(len(x))
            first, *others = [tt.Tensor(x.data[:, [i]]) @ number for i, number in enumerate(self.w)]
            outputs.append(sum(others, first))
            return outputs[-1]

    def loss(z, y):
        asked.append(any(z is output for output in outputs))
        return tt.losses.mse_loss(z, y)

    passes, outputs, asked = [], [], []
    model = Line()
    optimizer = tt.optimizers.SGD([{"params": [model.unused]}, {"params": model.w}], lr=lr, momentum=0.5)
    schedule = None if decay is None else tt.optimizers.StepLR(optimizer, step_size=1, gamma=decay)
    called = []
    options = {"schedule": schedule, "clip": clip, "callbacks": [called.append]}
    trainer = tt.training.Trainer(model, optimizer, loss, **options)
    pairs = [tt.training.Batch(tt.Tensor(x), tt.Tensor(y)) for x, y in batches]
    for p in model.parameters():
        p.grad = tt.Tensor(np.full(p.shape, 100.0))  # of somebody who walked back before
    given = list(pairs)
    losses = [trainer.step(pairs) for _ in range(int(steps))]
    left = {
        **{name: getattr(trainer, name) for name in ("epoch", "batch", "steps", "running", "history")},
        "callbacks called": len(called),
        "model in training mode": model.training,
        "micro-batches in their order": len(pairs) == len(given) and all(a is b for a, b in zip(pairs, given)),
        "one pass through the model for each": len(passes) <= steps * len(given),
        "the trainer's loss, of (outputs, y)": bool(asked) and all(asked),
        "the loss is a Python number": all(isinstance(loss, int | float) for loss in losses),
    }
    moved = np.concatenate([number.data for number in model.w])
    return [
        moved,
        np.array([float(loss) for loss in losses]),
        float(trainer.step_norm),
        optimizer.param_groups[0]["lr"],
        left,
    ]


@st.composite
def line_and_batches(draw, least=1):
    """Weights (D,), and batches (x (n, D), y (n,)) of different sizes."""
    d = draw(st.integers(1, 2))
    sizes = [draw(st.integers(1, 3)) for _ in range(draw(st.integers(least, 3)))]
    batches = [[draw(filled((n, d), st.integers(1, 3))), draw(filled((n,), st.integers(10, 20)))] for n in sizes]
    return draw(whole_numbers((d,), 3)), batches


def whole(batches):
    return np.concatenate([x for x, _ in batches]), np.concatenate([y for _, y in batches])


def mean_loss(w, x, y):
    return float(((x @ w - y) ** 2).mean())


def slope(w, x, y):
    return 2 * x.T @ (x @ w - y) / len(y)


UNEQUAL = [(example(3, 1), example(3, start=10)), (example(1, 1, start=2), example(1, start=20))]
LOST = [(example(2, 1), np.array([NAN, 1.0]))]
AT_REST = [(example(2, 1, start=10), example(2, start=10))]  # no error, and so no gradient
SQUARE = [(np.array([[1.0, 2.0]]), np.array([10.0])), (np.array([[3.0, 1.0], [2.0, 2.0]]), np.array([11.0, 12.0]))]
LINE, PLANE = np.array([1.0]), np.array([1.0, -1.0])
BEGINNING = {"epoch": 0, "batch": 0, "steps": 0, "running": {"loss": 0.0, "seen": 0}, "history": []}
AS_IT_WAS = {
    "callbacks called": 0,
    "model in training mode": True,
    "micro-batches in their order": True,
    "one pass through the model for each": True,
    "the trainer's loss, of (outputs, y)": True,
    "the loss is a Python number": True,
}


@rubric.check("Trainer.step", points=1)
@given(line_and_batches().map(lambda pair: (pair[0], pair[1][:1])), always=[(LINE, LOST)])
def one_batch_is_one_step(student, w, batches):
    """One batch: the weights move by -lr g, and the loss before the move is the answer. A NaN is not hidden."""
    x, y = whole(batches)
    moved, [loss], *_ = student.one_step(w, batches, 0.125, None, None, 1)
    mistakes = {"the weights have not moved": w, "this is uphill": w + 0.125 * slope(w, x, y)}
    close(moved, w - 0.125 * slope(w, x, y), "the weights", mistakes=mistakes)
    close(loss, mean_loss(w, x, y), "the loss")


@rubric.check("Trainer.step", points=1)
@given(line_and_batches(least=2), always=[(LINE, UNEQUAL)])
def accumulation_equals_the_large_batch(student, w, batches):
    """Micro-batches, whatever their sizes, move the weights as one batch of all their examples would, once. Each goes
    through the model once. A step leaves alone what is not its own: place, history, callbacks, mode, the caller's list.
    """
    x, y = whole(batches)
    slopes = [slope(w, *batch) for batch in batches]
    moved, [loss], _, _, left = student.one_step(w, batches, 0.125, None, None, 1)
    mistakes = {
        "the gradients are added up: weigh each by its share of the examples": w - 0.125 * sum(slopes),
        "every micro-batch counts the same, whatever its size": w - 0.125 * sum(slopes) / len(slopes),
        "only the last micro-batch is in it": w - 0.125 * slopes[-1],
    }
    close(moved, w - 0.125 * slope(w, x, y), "the weights", mistakes=mistakes)
    close(loss, mean_loss(w, x, y), "the loss")
    same(left, {**BEGINNING, **AS_IT_WAS}, "what a step answers and leaves alone")


@rubric.check("Trainer.step", points=1)
@given(
    line_and_batches(),
    st.sampled_from([0.25, 0.5, 2.0]),
    always=[*[(LINE, UNEQUAL, ratio) for ratio in (0.25, 2.0, np.inf)], (LINE, AT_REST, 0.25), (PLANE, SQUARE, 0.9)],
)
def clipped_when_all_have_spoken(student, w, batches, ratio):
    """The gradient of the whole step, of all parameters, is clipped once, before the optimizer sees it; `step_norm` is
    |g| before that. The schedule goes on all the same."""
    x, y = whole(batches)
    g = slope(w, x, y)
    norm = float(np.linalg.norm(g))
    clip = ratio * (norm or 1.0)
    moved, _, yours, *_ = student.one_step(w, batches, 0.125, clip, 0.5, 1)
    mistakes = {"the gradient is not clipped": w - 0.125 * g}
    close(moved, w - 0.125 * min(ratio, 1.0) * g, "the weights", mistakes=mistakes)
    unset = {"it is not set": np.nan}
    close(yours, norm, "step_norm", mistakes=unset)
    then = slope(moved, x, y)
    _, _, yours, rate, _ = student.one_step(w, batches, 0.125, clip, 0.5, 2)
    close(yours, float(np.linalg.norm(then)), "step_norm of the second step")
    close(rate, 0.125 * 0.5**2, "the learning rate after two steps")


@rubric.check("Trainer.step", points=1)
@given(line_and_batches(), st.sampled_from([None, 0.5]), always=[(LINE, UNEQUAL, decay) for decay in (None, 0.5, 2.0)])
def steps_forget_and_the_schedule_follows(student, w, batches, decay):
    """The second step starts from no gradient, and at the learning rate that the schedule has moved on to. It is the
    optimizer's own, momentum and all."""
    x, y = whole(batches)
    lr = 0.0625
    first = w - lr * slope(w, x, y)
    velocity = slope(first, x, y) + 0.5 * slope(w, x, y)
    second = first - lr * (decay or 1.0) * velocity
    moved, losses, _, rate, _ = student.one_step(w, batches, lr, None, decay, 2)
    close(losses, np.array([mean_loss(w, x, y), mean_loss(first, x, y)]), "the losses")
    mistakes = {
        "the first step's gradient is still in it": second - lr * (decay or 1.0) * slope(w, x, y),
        "the schedule has not moved": first - lr * velocity,
        "the optimizer's momentum is not in it": first - lr * (decay or 1.0) * slope(first, x, y),
    }
    close(moved, second, "the weights after two steps", mistakes=mistakes)
    close(rate, lr * (decay or 1.0) ** 2, "the learning rate after two steps")


# -- Trainer.train_epoch ----------------------------------------------------------------------------------------------


@rubric.probe
def an_epoch(tt, count, accumulate, seen, epoch, stop_at, during, training):
    class Told:
        """Batches of one example that say which they are."""

        told = 0  # until it is told

        def set_epoch(self, epoch):
            self.told = epoch

        def __iter__(self):
            names = [100.0 * self.told + i for i in range(int(count))]
            return iter([tt.training.Batch(tt.Tensor(np.full((1, 1), n)), tt.Tensor(np.zeros(1))) for n in names])

    class Recorder(tt.training.Trainer):
        """A step that moves nothing, and remembers what it was given."""

        def step(self, micro_batches):
            taken.append([float(x.data[0, 0]) for x, _ in micro_batches])
            modes.append(all(module.training for module in self.model.modules()))
            if during and len(taken) == stop_at:
                self.stop()
            return float(len(taken))

    def after(micro_batches, loss):
        reported.append([float(x.data[0, 0]) for x, _ in micro_batches])
        losses.append(float(loss))
        trainer.count(micro_batches, loss)  # as fit does
        if not during and len(reported) == stop_at:
            trainer.stop()

    taken, modes, reported, losses, called = [], [], [], [], []
    model = tt.layers.Sequential(tt.layers.Linear(1, 1), tt.layers.Dropout(0.5)).train(bool(training))
    options = {"accumulate": int(accumulate), "callbacks": [called.append]}
    trainer = Recorder(model, tt.optimizers.SGD(model.parameters()), **options)
    trainer.epoch, trainer.batch, trainer.steps = int(epoch), int(seen), 10
    trainer.running, trainer.history = {"loss": 7.0, "seen": 5}, [{"loss": 8.0}]
    data = Told()
    ended = trainer.train_epoch(data, after)
    place = {name: getattr(trainer, name) for name in ("epoch", "batch", "steps", "stopping", "history")}
    place |= {"running": dict(trainer.running), "callbacks called": len(called)}
    trainer.epoch, trainer.batch, trainer.stopping, first = int(epoch) + 1, 0, False, len(taken)
    trainer.train_epoch(data, after)
    following = taken[first:]
    trainer.batch, trainer.stopping = 0, True  # asked for between two epochs
    wish = [trainer.train_epoch(data, after), trainer.stopping]
    return [taken[:first], reported[:first], losses[:first], modes[:first], ended, place, following, wish]


def counted(epoch, seen, taken, stopping):
    """Where the trainer is when after() has counted the steps taken, each of which lost as much as its number."""
    batches, losses = sum(map(len, taken)), sum((i + 1) * len(group) for i, group in enumerate(taken))
    running = {"loss": 7.0 + losses, "seen": 5 + batches}
    place = {"epoch": epoch, "batch": seen + batches, "steps": 10 + len(taken), "stopping": stopping}
    return {**place, "history": [{"loss": 8.0}], "running": running, "callbacks called": 0}


def groups(count, accumulate, seen, epoch):
    names = [100.0 * epoch + i for i in range(seen, count)]
    return [names[i : i + accumulate] for i in range(0, len(names), accumulate)]


sizes = st.integers(1, 7)


@rubric.check("Trainer.train_epoch", points=2)
@given(sizes, st.integers(1, 3), st.integers(0, 2), always=[(5, 2, 1), (4, 2, 0), (0, 1, 0)])
def every_batch_once_in_order(student, count, accumulate, epoch):
    """Each step gets the next `accumulate` batches of this epoch, the last what is left: none twice, none lost."""
    taken, reported, losses, modes, ended, _, following, _ = student.an_epoch(
        count, accumulate, 0, epoch, None, False, False
    )
    wanted = groups(count, accumulate, 0, epoch)
    same(taken, wanted, "the batches of each step")
    same(reported, wanted, "what after() is told of")
    same(losses, [float(i + 1) for i in range(len(wanted))], "the losses that after() is told")
    same(modes, [True] * len(wanted), "whether the model and its parts were in training mode, at each step")
    same(ended, True, "the answer, at the end of the epoch")
    same(following, groups(count, accumulate, 0, epoch + 1), "the batches of each step, in the epoch after this one")


@rubric.check("Trainer.train_epoch", points=1)
@given(
    sizes,
    st.integers(1, 3),
    st.integers(0, 7),
    st.integers(0, 2),
    always=[(6, 2, 3, 1), (6, 2, 2, 0), (4, 2, 4, 1)],
)
def a_resumed_epoch_goes_on_where_it_was(student, count, accumulate, seen, epoch):
    """The batches that this epoch has seen already are passed over; if it has seen all, there is no step to take. What
    after() and fit() move is theirs: epoch, batch, steps, running, history; callbacks, too."""
    seen = min(seen, count)
    wanted = groups(count, accumulate, seen, epoch)
    taken, reported, _, modes, ended, place, *_ = student.an_epoch(count, accumulate, seen, epoch, None, False, False)
    same(taken, wanted, f"the batches of each step, {seen} having been seen")
    same(reported, wanted, f"what after() is told of, {seen} having been seen")
    same(modes, [True] * len(taken), "whether the model and its parts were in training mode, at each step")
    same(ended, True, "the answer, at the end of the epoch")
    same(place, counted(epoch, seen, wanted, False), "the trainer's place, when after() has counted the steps")


@rubric.check("Trainer.train_epoch", points=1)
@given(
    sizes,
    st.integers(1, 2),
    st.integers(1, 4),
    st.booleans(),
    always=[(5, 2, 1, False), (4, 2, 2, False), (4, 2, 3, False), (5, 2, 1, True)],
)
def stops_after_the_step_under_way(student, count, accumulate, stop_at, during):
    """When somebody has asked to stop, in a callback or while a step is under way, that step is reported as any other,
    and is the last. The answer is False. `stopping` stays, so that fit() sees it."""
    wanted = groups(count, accumulate, 0, 0)
    taken, reported, _, _, ended, place, _, wish = student.an_epoch(count, accumulate, 0, 0, stop_at, during, True)
    same(taken, wanted[:stop_at], f"the batches of each step, stopped {'in' if during else 'after'} step {stop_at}")
    same(reported, wanted[:stop_at], "what after() is told of")
    same(ended, stop_at > len(wanted), "the answer")
    same(wish, [False, True], "the answer, and stopping afterwards, where somebody asked before the first step")
    place_then = counted(0, 0, wanted[:stop_at], stop_at <= len(wanted))
    same(place, place_then, "the trainer's place, when after() has counted the steps")


# -- Trainer.evaluate -------------------------------------------------------------------------------------------------


@rubric.probe
def judged(tt, batches, p, training, metered, once):
    class Line(tt.layers.Module):
        def __init__(self):
            self.w = tt.layers.Parameter(np.ones(batches[0][0].shape[1]))
            self.dropout = tt.layers.Dropout(p)

        def forward(self, x):
            recorded.append(tt.is_grad_enabled())
            outputs.append(self.dropout(x) @ self.w)
            return outputs[-1]

    def loss(z, y):
        asked.append(any(z is output for output in outputs))
        return tt.losses.mse_loss(z, y)

    recorded, outputs, asked = [], [], []
    model = Line().train(bool(training))
    metrics = {"largest": lambda z, y: float(z.data.max()), "off": lambda z, y: float(abs(z.data - y.data).mean())}
    metrics = metrics if metered else None
    trainer = tt.training.Trainer(model, tt.optimizers.SGD(model.parameters()), loss, metrics=metrics)
    pairs = [tt.training.Batch(tt.Tensor(x), tt.Tensor(y)) for x, y in batches]
    trainer.step_loss = 0.5
    before = trainer.evaluate(iter(pairs) if once else pairs)
    found = trainer.evaluate(iter(pairs) if once else pairs)
    place = {name: getattr(trainer, name) for name in ("epoch", "batch", "steps", "running", "history", "step_loss")}
    place["a dict of its own each time"] = found is not before
    place["the trainer's loss, of (outputs, y)"] = bool(asked) and all(asked)
    return [found, recorded, place, model.training, model.dropout.training]


def example_means(batches, value):
    """The mean over all examples of a mean over each batch, and the mean of the batches' means."""
    each = [value(x.sum(axis=1), y) for x, y in batches]
    return float(np.average(each, weights=[len(x) for x, _ in batches])), float(np.mean(each))


several = line_and_batches(least=2).map(lambda pair: pair[1])


@rubric.check("Trainer.evaluate", points=2)
@given(several, always=[(UNEQUAL,), ([*LOST, *UNEQUAL],)])
def every_example_counts_the_same(student, batches):
    """Each mean is over all examples, whatever the sizes of the batches: the loss, and every metric by its name."""
    found, *_ = student.judged(batches, 0.0, True, True, False)
    values = {
        "loss": lambda z, y: ((z - y) ** 2).mean(),
        "largest": lambda z, y: z.max(),
        "off": lambda z, y: abs(z - y).mean(),
    }
    same(sorted(found), sorted(values), "the names")
    for name, value in values.items():
        right, of_means = example_means(batches, value)
        close(found[name], right, name, mistakes={"this is the mean of the batches' means": of_means})


@rubric.check("Trainer.evaluate", points=1, examples=10)
@given(several, st.booleans(), always=[(UNEQUAL, True), (UNEQUAL, False)])
def judged_as_it_will_be_used(student, batches, training):
    """In evaluation mode: dropout is off. Afterwards the model is in the mode that it was in, and the trainer where it
    was. There may be no metric."""
    found, _, place, *modes = student.judged(batches, 0.9, training, False, False)
    same(sorted(found), ["loss"], "the names, without a metric")
    right, _ = example_means(batches, lambda z, y: ((z - y) ** 2).mean())
    close(found["loss"], right, "the loss of a model with dropout")
    same(modes, [training, training], f"the modes afterwards, training having been {training}")
    kept = {**BEGINNING, "step_loss": 0.5}
    asked = {"a dict of its own each time": True, "the trainer's loss, of (outputs, y)": True}
    same(place, {**kept, **asked}, "what evaluate asks, and leaves alone")


@rubric.probe
def judged_unrecorded(tt):
    model = tt.layers.Linear(1, 2)
    trainer = tt.training.Trainer(model, tt.optimizers.SGD(model.parameters()))
    with tt.no_grad():
        found = trainer.evaluate([tt.training.Batch(tt.Tensor(np.ones((1, 1), np.float32)), tt.Tensor(np.array([1])))])
        recording = tt.is_grad_enabled()
    return [isinstance(found["loss"], int | float), recording]


@rubric.probe
def judged_on_nothing(tt, training):
    model = tt.layers.Linear(1, 1).train(bool(training))
    trainer = tt.training.Trainer(model, tt.optimizers.SGD(model.parameters()))
    try:
        return [trainer.evaluate([]), model.training, tt.is_grad_enabled()]
    except ValueError:
        return ["refused", model.training, tt.is_grad_enabled()]


@rubric.check("Trainer.evaluate", points=1, examples=10)
@given(several, st.booleans(), always=[(UNEQUAL, True), (UNEQUAL, False)])
def nothing_is_recorded_and_nothing_made_up(student, batches, training):
    """Nobody will walk back from here: under no_grad, no graph is built; whether gradients are recorded is then as it
    was. Means are Python numbers. The data may be an iterator: walk it once. Of no examples, there is no mean: refuse,
    and leave the mode as it was found."""
    found, recorded, *_ = student.judged(batches, 0.0, True, True, True)
    same(any(recorded), False, "whether gradients were recorded")
    right, _ = example_means(batches, lambda z, y: abs(z - y).mean())
    close(found["off"], right, "a metric of an iterator's examples")
    answer, mode, recording = student.judged_on_nothing(training)
    same(answer, "refused", "what evaluate says of no examples")
    same(mode, training, "the mode afterwards, no examples having been there")
    same(recording, True, "whether gradients are recorded afterwards")
    a_number, recording = student.judged_unrecorded()
    holds(a_number, "the loss is a Tensor or an array of float32, not a Python number: no checkpoint can hold it")
    same(recording, False, "whether gradients are recorded afterwards, in somebody's no_grad()")


# -- Trainer.load_state_dict ------------------------------------------------------------------------------------------


@rubric.probe
def resumed(tt, before, after, own_rng):
    import copy

    tt.set_grad_enabled(True)  # even if an evaluation has left it off

    class Wrapped(tt.layers.Module):
        """Its weights' names begin with model, in the state with model.model; a buffer counts the passes."""

        def __init__(self, model):
            self.model = model
            self.passes = tt.layers.Buffer(np.zeros(1, np.float32))

        def forward(self, x):
            self.passes.data += 1
            return self.model(x)

    def begin(seed):
        tt.manual_seed(seed)
        rng = np.random.default_rng(seed) if own_rng else None
        layers = tt.layers.Linear(3, 4), tt.layers.Dropout(0.5, rng=rng), tt.layers.Linear(4, 2)
        model = Wrapped(tt.layers.Sequential(*layers))
        optimizer = tt.optimizers.Adam(model.parameters(), lr=0.1)
        schedule = None if own_rng else tt.optimizers.StepLR(optimizer, step_size=2, gamma=0.5)
        trainer = tt.training.Trainer(model, optimizer, schedule=schedule)
        return trainer, [tt.training.Batch(tt.Tensor(x), tt.Tensor(y)) for x, y in pairs]

    def go(trainer, batches, steps):
        for i in range(steps):
            part = [batches[(trainer.steps + i) % 3]]
            trainer.running["loss"] += trainer.step(part)
            trainer.running["seen"] += 2
            trainer.history.append({"loss": trainer.running["loss"]})
        trainer.steps += steps
        trainer.epoch, trainer.batch = trainer.steps // 3, trainer.steps % 3

    def told(trainer):
        tensors = [*trainer.model.parameters(), *trainer.model.buffers()]
        weights = np.concatenate([tensor.data.ravel() for tensor in tensors])
        position = [trainer.epoch, trainer.batch, trainer.steps, trainer.running, trainer.history]
        return weights, trainer.optimizer.param_groups[0]["lr"], copy.deepcopy(position)

    rng = np.random.default_rng(0)
    pairs = [(rng.normal(size=(2, 3)).astype(np.float32), rng.integers(0, 2, 2)) for _ in range(3)]
    trainer, batches = begin(1)
    go(trainer, batches, int(before))
    trainer.optimizer.param_groups[0]["lr"] *= 0.75  # by hand: it is not the schedule's
    arrays, rest = copy.deepcopy(trainer.state_dict())
    go(trainer, batches, int(after))
    wanted = told(trainer)
    trainer, batches = begin(2)
    go(trainer, batches, 4)  # all of it is to be forgotten
    kept, kept_rest = copy.deepcopy((arrays, rest))
    trainer.load_state_dict(arrays, rest)
    at_once = told(trainer)[2]
    go(trainer, batches, int(after))
    unchanged = arrays.keys() == kept.keys() and all(np.array_equal(arrays[name], kept[name]) for name in kept)
    return [list(wanted), list(told(trainer)), at_once, unchanged and rest == kept_rest]


spans = (st.integers(1, 3), st.integers(1, 3))


@rubric.check("Trainer.load_state_dict", points=2, examples=8)
@given(*spans, always=[(2, 3), (3, 1), (1, 2)])
def the_same_weights_bit_for_bit(student, before, after):
    """Stop, load into another trainer, go on: weights, buffers, Adam's memory, learning rate and dropout as if never
    stopped."""
    wanted, yours, _, _ = student.resumed(before, after, False)
    holds(np.array_equal(yours[0], wanted[0]), "the weights or buffers differ from those of a run that never stopped")
    same(yours[1], wanted[1], "the learning rate")


@rubric.check("Trainer.load_state_dict", points=1, examples=8)
@given(*spans, always=[(2, 3), (3, 1), (1, 2)])
def its_place_and_its_history(student, before, after):
    """It knows where it is: epoch, batch and step, the sums of this epoch, and the history."""
    wanted, yours, at_once, _ = student.resumed(before, after, False)
    same(at_once[:3], [before // 3, before % 3, before], "epoch, batch and steps after loading")
    same(yours[2], wanted[2], "epoch, batch, steps, running and history at the end")


@rubric.check("Trainer.load_state_dict", points=1, examples=8)
@given(*spans, always=[(2, 3), (3, 1), (1, 2)])
def a_state_stays_as_it_was(student, before, after):
    """Neither loading nor training on changes the state: it may be loaded again. A Dropout's own rng goes on, and there
    need not be a schedule."""
    wanted, yours, _, unchanged = student.resumed(before, after, True)
    holds(np.array_equal(yours[0], wanted[0]), "the weights or buffers differ from those of a run that never stopped")
    same(unchanged, True, "whether the state is as it was")


# -- accounting -------------------------------------------------------------------------------------------------------


def bytes_of_a_checkpoint():
    """What the float32 arrays of a trainer's state take: the weights, and the optimizer's memory."""
    from tinytorch import nn, optim
    from tinytorch.training import Trainer

    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(784, 128, rng=rng), nn.ReLU(), nn.Linear(128, 10, rng=rng))
    arrays, _ = Trainer(model, optim.AdamW(model.parameters())).state_dict()
    return sum(array.nbytes for array in arrays.values() if array.dtype == np.float32)


@rubric.accounting(points=1, unit="bytes", counted=bytes_of_a_checkpoint, tolerance=0, difficulty=1, minutes=6)
def checkpoint_bytes():
    """How many bytes do the float32 arrays of a checkpoint take? The network is `nn.Linear(784, 128)`, a ReLU and
    `nn.Linear(128, 10)`; the optimizer is AdamW. (Its options, such as the learning rate, are float64, and its counts
    of steps are whole numbers.)"""
    # A layer has a weight and a bias. What does AdamW remember of each of their numbers? Do
    # the gradients have to be kept, or does the next step make them anew?
    numbers = 784 * 128 + 128 + 128 * 10 + 10
    return 3 * 4 * numbers
