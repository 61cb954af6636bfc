"""Chapter 06, optimizers: one step of each, decay, and four schedules.

p parameters, g gradients, t the number of a step, from 1. A step changes p and what it remembers in place, so probes
hand over arrays, take the steps and send back the very arrays they handed over.
"""

import math

import numpy as np
from hypothesis import strategies as st
from strategies import example, in_dtype, in_each_dtype, shapes, whole_numbers

from tito.rubrics.compare import close, holds
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("06", module="optimizers")

rubric.exercise("sgd_step", difficulty=2, minutes=12)
rubric.exercise("rmsprop_step", difficulty=2, minutes=12)
rubric.exercise("adam_step", difficulty=3, minutes=25)
rubric.exercise("decay", difficulty=2, minutes=5)
rubric.exercise("orthogonalized", difficulty=3, minutes=30)
rubric.exercise("step_lr", difficulty=1, minutes=4)
rubric.exercise("cosine_lr", difficulty=2, minutes=7)
rubric.exercise("linear_lr", difficulty=1, minutes=5)
rubric.exercise("one_cycle_lr", difficulty=2, minutes=12)

rates = st.sampled_from([1.0, 0.1, 0.5])
shares = st.sampled_from([0.5, 0.9, 0.75])


@st.composite
def some_steps(draw, most=3):
    """p, and the gradients of one to three steps, laid on each other: (steps, *shape)."""
    shape = draw(shapes(least=1))
    steps = draw(st.integers(1, most))
    return draw(whole_numbers(shape)), draw(whole_numbers((steps, *shape)))


# p, and the gradients of some steps: of every sign and size, and zero in any of them; of three axes; of no parameters
# at all; of a training that has broken. Probes lay p out column by column, so that a flat view of it may be a copy.
UPHILL = (
    np.array([1.0, -2.0, 0.0, 3.0]),
    np.array([[2.0, -1.0, 0.0, 0.0], [2.0, 300.0, 0.0, -4.0], [0.0, 2.0, 0.0, 0.0]]),
)
BLOCK = example(2, 1, 3), np.stack([example(2, 1, 3, start=-1), example(2, 1, 3, start=-2)])
NOTHING = np.zeros((0, 2)), np.zeros((2, 0, 2))
SINGLE = in_dtype(np.float32, *UPHILL)
BROKEN = np.array([1.0, 2.0]), np.array([[1.0, 3.0], [np.nan, 3.0]])


def fine(p):
    """The relative tolerance for what is computed from p: float64 keeps its digits on the way."""
    return 1e-9 if p.dtype == np.float64 else None


# -- sgd_step ---------------------------------------------------------------------------------------------------------

rubric.doctests("sgd_step", points=1)


@rubric.in_place("p")
def sgd(tt, p, gradients, lr, momentum, nesterov):
    p, velocity = np.asfortranarray(p), np.zeros_like(p)
    for g in gradients:
        tt.optimizers.sgd_step(p, g, velocity, lr=lr, momentum=momentum, nesterov=bool(nesterov))
    return p, velocity


def rolled(p, gradients, lr, momentum, nesterov):
    velocity = 0 * p
    for g in gradients:
        velocity = momentum * velocity + g
        p = p - lr * (g + momentum * velocity if nesterov else velocity)
    return p, velocity


@rubric.check("sgd_step", points=1)
@given(some_steps(), rates, always=[(*UPHILL, 0.1), (*NOTHING, 0.1), (*SINGLE, 0.1), (*BROKEN, 0.1)])
def downhill(student, p, gradients, lr):
    """Without momentum each step is lr * g, downhill, and the velocity is g. The array handed over has moved."""
    yours, velocity = student.sgd(p, gradients, lr, 0.0, False)
    mistakes = {
        "p has not moved: work in place, on the array that the caller holds": p,
        "this is uphill: a step goes against the gradient": p + lr * gradients.sum(axis=0),
    }
    close(yours, p - lr * gradients.sum(axis=0), "p", rtol=fine(p), mistakes=mistakes)
    close(velocity, gradients[-1], "velocity")


@rubric.check("sgd_step", points=1)
@given(
    some_steps(),
    rates,
    shares,
    always=[(*UPHILL, 0.1, 0.9), (*BLOCK, 0.5, 0.5), (*NOTHING, 0.1, 0.9), (*SINGLE, 0.1, 0.9)],
)
def a_ball_that_rolls(student, p, gradients, lr, momentum):
    """The velocity keeps a share of itself and takes in every gradient; the parameters follow the velocity."""
    p_true, v_true = rolled(p, gradients, lr, momentum, False)
    mistake = {"the velocity has not changed: work in place, on the array that the caller holds": 0 * p}
    p_yours, v_yours = student.sgd(p, gradients, lr, momentum, False)
    close(v_yours, v_true, "velocity", rtol=fine(p), mistakes=mistake)
    close(p_yours, p_true, "p", rtol=fine(p))


@rubric.check("sgd_step", points=1)
@given(
    some_steps(),
    rates,
    shares,
    always=[
        (*UPHILL, 0.1, 0.9),
        (*UPHILL, 0.1, 0.0),
        (*BLOCK, 0.5, 0.5),
        (*SINGLE, 0.1, 0.9),
        (*BROKEN, 0.1, 0.9),
    ],
)
def nesterov_looks_ahead(student, p, gradients, lr, momentum):
    """Nesterov steps along g + momentum * v, with the new v: where the ball is about to be."""
    p_true, v_true = rolled(p, gradients, lr, momentum, True)
    plain, _ = rolled(p, gradients, lr, momentum, False)
    p_yours, v_yours = student.sgd(p, gradients, lr, momentum, True)
    close(v_yours, v_true, "velocity", rtol=fine(p))
    close(p_yours, p_true, "p", rtol=fine(p), mistakes={"this is momentum without Nesterov's look ahead": plain})


# -- rmsprop_step -----------------------------------------------------------------------------------------------------

rubric.doctests("rmsprop_step", points=1)


@rubric.in_place("p")
def rmsprop(tt, p, gradients, lr, alpha, eps):
    p, square = np.asfortranarray(p), np.zeros_like(p)
    for g in gradients:
        tt.optimizers.rmsprop_step(p, g, square, lr=lr, alpha=alpha, eps=eps)
    return p, square


@rubric.check("rmsprop_step", points=2)
@given(
    some_steps(),
    rates,
    shares,
    st.sampled_from([1e-8, 0.25, 2.0]),
    always=[
        (*UPHILL, 0.1, 0.9, 1e-8),
        (*UPHILL, 0.1, 0.9, 2.0),
        (*UPHILL, 0.1, 0.0, 1e-8),
        (*BLOCK, 0.1, 0.9, 1e-8),
        (*NOTHING, 0.1, 0.9, 1e-8),
        (*SINGLE, 0.1, 0.9, 2.0),
        (*BROKEN, 0.1, 0.9, 1e-8),
    ],
)
def each_by_its_own_scale(student, p, gradients, lr, alpha, eps):
    """The mean of the squares keeps a share alpha of itself; the step is g divided by its root, and eps beside it."""
    square, expected = 0 * p, p
    for g in gradients:
        square = alpha * square + (1 - alpha) * g**2
        expected = expected - lr * g / (np.sqrt(square) + eps)
    p_yours, square_yours = student.rmsprop(p, gradients, lr, alpha, eps)
    unchanged = {"it has not changed: work in place": 0 * p}
    close(square_yours, square, "square", rtol=fine(p), mistakes=unchanged)
    close(p_yours, expected, "p", rtol=fine(p), mistakes={"p has not moved: work in place": p})


@rubric.check("rmsprop_step", points=1)
@given(some_steps(), st.sampled_from([2.0, 10.0, 1000.0]), always=[(*UPHILL, 1000.0)])
def steps_have_no_unit(student, p, gradients, scale):
    """Measure the loss in other units, and every gradient is a multiple: the steps stay the same."""
    once, _ = student.rmsprop(p, gradients, 0.5, 0.75, 1e-12)
    again, _ = student.rmsprop(p, scale * gradients, 0.5, 0.75, 1e-12)
    holds(bool(np.all(gradients[-1] == 0)) or not np.array_equal(once, p), "p has moved", p=once)
    close(again, once, "p, with every gradient scaled", rtol=1e-6, atol=1e-8)


# -- adam_step --------------------------------------------------------------------------------------------------------

rubric.doctests("adam_step", points=1)


@rubric.in_place("p")
def adam(tt, p, gradients, lr, beta1, beta2, eps):
    p, m, v = np.asfortranarray(p), np.zeros_like(p), np.zeros_like(p)
    options = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps}
    for t, g in enumerate(gradients, start=1):
        tt.optimizers.adam_step(p, g.copy(), m, v, t, **options)
    return p, m, v


def adapted(p, gradients, lr, beta1, beta2, eps, corrected=True):
    m, v = 0 * p, 0 * p
    for t, g in enumerate(gradients, start=1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        c1, c2 = (1 - beta1**t, 1 - beta2**t) if corrected else (1, 1)
        p = p - lr * (m / c1) / (np.sqrt(v / c2) + eps)
    return p, m, v


@rubric.check("adam_step", points=1)
@given(
    some_steps(),
    shares,
    st.sampled_from([0.999, 0.9, 0.5]),
    always=[
        (*UPHILL, 0.9, 0.999),
        (*UPHILL, 0.5, 0.9),
        (*NOTHING, 0.9, 0.999),
        (*SINGLE, 0.9, 0.999),
        (*BROKEN, 0.9, 0.999),
    ],
)
def two_running_means(student, p, gradients, beta1, beta2):
    """m follows the gradients, v follows their squares; each keeps its beta of itself."""
    _, m, v = adapted(p, gradients, 0.1, beta1, beta2, 1e-8)
    _, m_yours, v_yours = student.adam(p, gradients, 0.1, beta1, beta2, 1e-8)
    close(m_yours, m, "m", rtol=fine(p), mistakes={"m has not changed: work in place": 0 * p})
    close(v_yours, v, "v", rtol=fine(p), mistakes={"v has not changed: work in place": 0 * p})


@rubric.check("adam_step", points=1)
@given(
    some_steps(most=1),
    rates,
    shares,
    st.sampled_from([0.999, 0.9]),
    always=[(UPHILL[0], UPHILL[1][:1], 0.1, 0.9, 0.999), (UPHILL[0], 1e-4 * UPHILL[1][:1], 0.1, 0.9, 0.999)],
)
def the_first_step_is_lr(student, p, gradients, lr, beta1, beta2):
    """With their bias corrected, the first m is g and the first v is g^2: the first step is lr, whatever g is."""
    yours, _, _ = student.adam(p, gradients, lr, beta1, beta2, 1e-12)
    uncorrected, _, _ = adapted(p, gradients, lr, beta1, beta2, 1e-12, corrected=False)
    mistakes = {"the bias of m and v is not corrected": uncorrected}
    close(yours, p - lr * np.sign(gradients[0]), "p", rtol=1e-6, mistakes=mistakes)


@rubric.check("adam_step", points=2)
@given(
    some_steps(),
    rates,
    shares,
    st.sampled_from([0.999, 0.9]),
    st.sampled_from([1e-8, 0.25, 2.0]),
    always=[
        (*UPHILL, 0.1, 0.9, 0.999, 1e-8),
        (*UPHILL, 0.1, 0.5, 0.9, 2.0),
        (*UPHILL, 0.1, 0.0, 0.0, 1e-8),
        (*BLOCK, 0.1, 0.9, 0.999, 1e-8),
        (np.ones(1), np.ones((12, 1)), 0.1, 0.9, 0.999, 1e-8),
        (*NOTHING, 0.1, 0.9, 0.999, 1e-8),
        (*SINGLE, 0.1, 0.9, 0.999, 0.25),
        (*BROKEN, 0.1, 0.9, 0.999, 1e-8),
    ],
)
def bias_is_corrected_at_every_step(student, p, gradients, lr, beta1, beta2, eps):
    """At step t the weights in m sum to 1 - beta1^t, those in v to 1 - beta2^t: divide by them; then comes eps."""
    expected, _, _ = adapted(p, gradients, lr, beta1, beta2, eps)
    uncorrected, _, _ = adapted(p, gradients, lr, beta1, beta2, eps, corrected=False)
    yours, _, _ = student.adam(p, gradients, lr, beta1, beta2, eps)
    mistakes = {"p has not moved: work in place": p, "the bias of m and v is not corrected": uncorrected}
    close(yours, expected, "p", rtol=fine(p), mistakes=mistakes)


# -- decay ------------------------------------------------------------------------------------------------------------


@rubric.in_place("p")
def decayed(tt, p, lr, weight_decay):
    held = np.asfortranarray(p)
    tt.optimizers.decay(held, lr=lr, weight_decay=weight_decay)
    return held


@rubric.check("decay", points=1)
@given(
    shapes(least=1).flatmap(whole_numbers),
    rates,
    st.sampled_from([0.5, 0.25, 0.1]),
    always=[
        (UPHILL[0], 0.1, 0.5),
        (UPHILL[0], 0.1, 0.0),
        (UPHILL[0], 1.0, 3.0),
        (BLOCK[0], 0.1, 0.5),
        (NOTHING[0], 0.1, 0.5),
        *in_each_dtype(example(2, start=-1), 0.1, 0.5),
    ],
)
def weights_shrink_by_themselves(student, p, lr, weight_decay):
    """Each weight loses the same share, lr * weight_decay, in the caller's array, be it a transposed one or not."""
    mistakes = {
        "p has not changed: work in place": p,
        "lr is missing": p - weight_decay * p,
        "each lost the same amount, not the same share": p - lr * weight_decay,
    }
    close(student.decayed(p, lr, weight_decay), p - lr * weight_decay * p, "p", rtol=fine(p), mistakes=mistakes)


# -- orthogonalized ---------------------------------------------------------------------------------------------------


def strengthened(g, steps, eps=1e-7):
    """U p(S) V^T by the singular values themselves, for p taken `steps` times."""
    u, s, vt = np.linalg.svd(g.astype(np.float64), full_matrices=False)
    s = s / max(float(np.linalg.norm(s)), eps)
    for _ in range(steps):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return (u * s) @ vt


matrices = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(whole_numbers)
SKEW = np.array([[3.0, 1.0, 0.0], [0.0, 2.0, -1.0]])
SQUARE = np.array([[3.0, 1.0], [0.0, 2.0]])
TINY = 1e-9 * SKEW


@rubric.check("orthogonalized", points=1)
@given(
    matrices,
    st.integers(0, 6),
    st.sampled_from([1e-7, 100.0]),
    always=[
        *[(g, steps, 1e-7) for g in (SKEW, SKEW.T) for steps in (1, 5)],
        (SQUARE, 2, 1e-7),
        (SQUARE, 6, 1e-7),
        (SKEW @ SKEW.T, 2, 1e-7),
        (example(3, 1), 2, 1e-7),
        (100 * SKEW, 0, 1e-7),
        (np.zeros((2, 3)), 5, 1e-7),
        (SKEW, 5, 100.0),
    ],
)
def singular_values_go_to_one(student, g, steps, eps):
    """g over its norm, or eps; then in each step p(s) of each singular value s. What turns a vector, U and V, stays."""
    mistakes = {
        "this is one step fewer": strengthened(g, max(steps - 1, 0), eps) if steps else np.nan,
        "this is one step more": strengthened(g, steps + 1, eps),
    }
    close(student.orthogonalized(g, steps, eps), strengthened(g, steps, eps), "the matrix", mistakes=mistakes)


@rubric.check("orthogonalized", points=1)
@given(
    matrices.filter(np.any),
    always=[SKEW, SKEW.T, TINY, 1e6 * SKEW, np.zeros((3, 2)), *[in_dtype(np.float32, a)[0] for a in (SKEW, SKEW.T)]],
)
def five_steps_and_no_more(student, g):
    """Without a number of steps there are five. float32 stays float32, and nothing is divided by a norm below eps."""
    yours = student.orthogonalized(g)
    close(yours, strengthened(g, 5).astype(g.dtype), "the matrix", rtol=1e-4, atol=1e-4)


# -- step_lr ----------------------------------------------------------------------------------------------------------


@rubric.check("step_lr", points=1)
@given(
    st.integers(0, 12),
    rates,
    st.integers(1, 4),
    st.sampled_from([0.5, 0.1]),
    always=[
        *[(t, 0.5, 3, 0.1) for t in (0, 2, 3, 8)],
        (3, 0.5, 1, 2.0),
        (5, 0.5, 2, 1.0),
        (12, 0.1, 1, 0.1),
        (4000, 0.5, 2, 0.999),
    ],
)
def a_staircase(student, t, base, step_size, gamma):
    """The rate falls by a factor gamma (or rises, if gamma is above 1) after every step_size steps; level between."""
    expected = base
    for k in range(1, t + 1):
        expected = expected * gamma if k % step_size == 0 else expected
    close(student.step_lr(t, base, step_size, gamma), expected, "the rate", rtol=1e-9, atol=0)


# -- cosine_lr --------------------------------------------------------------------------------------------------------


@rubric.check("cosine_lr", points=1)
@given(rates, st.integers(1, 9), st.sampled_from([0.0, 0.25]), always=[(1.0, 4, 0.25), (0.1, 5, 0.25)])
def from_base_to_eta_min(student, base, t_max, eta_min):
    """It starts at base, ends at eta_min, and is half way between them in the middle."""
    close(student.cosine_lr(0, base, t_max, eta_min), base, "the rate at t = 0")
    close(student.cosine_lr(t_max, base, t_max, eta_min), eta_min, "the rate at t = t_max")
    close(student.cosine_lr(t_max / 2, base, t_max, eta_min), (base + eta_min) / 2, "the rate half way")


@rubric.check("cosine_lr", points=1)
@given(
    st.integers(0, 6),
    rates,
    st.integers(1, 6),
    st.sampled_from([0.0, 0.25]),
    always=[(1, 1.0, 4, 0.0), (3, 1.0, 4, 0.25), (1, 0.1, 4, 0.25), (6, 1.0, 4, 0.25), (6, 1.0, 2.5, 0.25)],
)
def half_a_cosine(student, t, base, t_max, eta_min):
    """Between its ends it follows half a cosine wave: level, steep, level. After t_max the wave goes on."""
    expected = eta_min + (base - eta_min) * (1 + math.cos(math.pi * t / t_max)) / 2
    straight = base + (eta_min - base) * t / t_max
    close(student.cosine_lr(t, base, t_max, eta_min), expected, "the rate", mistakes={"a straight line": straight})


# -- linear_lr --------------------------------------------------------------------------------------------------------

rubric.doctests("linear_lr", points=1)


@rubric.check("linear_lr", points=1)
@given(
    st.integers(0, 8),
    rates,
    st.sampled_from([0.25, 0.1, 0.5]),
    st.sampled_from([1.0, 0.5]),
    st.integers(1, 6),
    always=[
        *[(t, 0.5, 0.25, 1.0, 4) for t in (0, 1, 4, 6)],
        *[(t, 0.5, 1.0, 0.25, 4) for t in (0, 1, 4, 6)],
        (3, 0.5, 0.0, 2.0, 4),
        (2, 0.5, 0.5, 0.5, 4),
        (4, 0.5, 1.0, 0.0, 4),
    ],
)
def a_ramp_and_a_plateau(student, t, base, start_factor, end_factor, total_iters):
    """The factor goes in a straight line, and stays where it has arrived."""
    expected = base * np.interp(t, [0, total_iters], [start_factor, end_factor])
    further = base * (start_factor + (end_factor - start_factor) * t / total_iters)
    yours = student.linear_lr(t, base, start_factor, end_factor, total_iters)
    close(yours, float(expected), "the rate", mistakes={"the line goes on after total_iters": further})


# -- one_cycle_lr -----------------------------------------------------------------------------------------------------


@st.composite
def cycles(draw):
    """total_steps, the step of the top, and pct_start that puts it there."""
    total = draw(st.integers(4, 12))
    top = draw(st.integers(1, total - 2))
    return total, top, (top + 1) / total


@rubric.check("one_cycle_lr", points=1)
@given(
    cycles(),
    rates,
    st.sampled_from([25.0, 4.0]),
    st.sampled_from([1e4, 10.0]),
    always=[(10, 2, 0.3, 0.5, 25.0, 1e4), (10, 6, 0.7, 0.5, 4.0, 10.0)],
)
def three_corners(student, total, top, pct_start, max_lr, div_factor, final_div_factor):
    """It starts at max_lr / div_factor, reaches max_lr at its top, and ends far below its start."""
    options = {"pct_start": pct_start, "div_factor": div_factor, "final_div_factor": final_div_factor}
    start = max_lr / div_factor
    for t, expected, name in (
        (0, start, "the rate at t = 0"),
        (top, max_lr, "the rate at the top"),
        (total - 1, start / final_div_factor, "the rate at the last step"),
    ):
        close(student.one_cycle_lr(t, max_lr, total, **options), expected, name, rtol=1e-6, atol=1e-12)


@rubric.check("one_cycle_lr", points=2)
@given(
    cycles(),
    st.integers(0, 11),
    rates,
    st.sampled_from([25.0, 4.0]),
    st.sampled_from([1e4, 10.0]),
    always=[
        *[(10, 4, 0.5, t, 0.5, 4.0, 10.0) for t in (0, 1, 3, 4, 5, 8, 9)],
        (10, 0, 0.1, 0, 0.5, 4.0, 10.0),
        (10, -1, 0.0, 3, 0.5, 4.0, 10.0),
        *[(5, 0.5, 0.3, t, 0.5, 4.0, 10.0) for t in (0, 1)],
    ],
)
def two_half_cosines(student, total, top, pct_start, t, max_lr, div_factor, final_div_factor):
    """Half a cosine up to the top, another one down from it; the top may lie between two steps, at t = 0, or before."""
    t = min(t, total - 1)
    start = max_lr / div_factor
    low, share = (start, t / top) if t < top else (start / final_div_factor, 1 - (t - top) / (total - 1 - top))
    expected = low + (max_lr - low) * (1 - math.cos(math.pi * share)) / 2
    options = {"pct_start": pct_start, "div_factor": div_factor, "final_div_factor": final_div_factor}
    close(student.one_cycle_lr(t, max_lr, total, **options), expected, "the rate", rtol=1e-6, atol=1e-9)


# -- accounting -------------------------------------------------------------------------------------------------------


def bytes_in_training():
    """What weights, gradients and Adam's two means take."""
    import tinytorch as tt
    from tinytorch import nn, optim

    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(784, 512, rng=rng), nn.ReLU(), nn.Linear(512, 10, rng=rng))
    optimizer = optim.Adam(model.parameters())
    model(tt.zeros(1, 784)).sum().backward()
    remembered = [array for name, array in optimizer.state_dict().items() if name.endswith((".m", ".v"))]
    arrays = [a for p in model.parameters() for a in (p.data, p.grad.data)]
    return sum(array.nbytes for array in (*arrays, *remembered))


@rubric.accounting(points=1, unit="bytes", counted=bytes_in_training, tolerance=0, difficulty=1, minutes=5)
def training_bytes():
    """How many bytes do the parameters, their gradients, and what Adam remembers of them take together, in float32? The
    network is `nn.Linear(784, 512)`, a ReLU and `nn.Linear(512, 10)`."""
    # How many numbers has a layer, its bias included? How many arrays of this size are there?
    numbers = 784 * 512 + 512 + 512 * 10 + 10
    return 4 * 4 * numbers
