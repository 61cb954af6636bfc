"""Wrong answers to chapter 06: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import math

import numpy as np

from tito.rubrics.planted import wrong

# -- sgd_step ---------------------------------------------------------------------------------------------------------

wrong("sgd_step", "goes uphill", "p -= lr", "p += lr")
wrong("sgd_step", "makes a new p", "p -= lr", "p = p - lr")
wrong("sgd_step", "takes a running mean, as Adam does", "velocity += g", "velocity += (1 - momentum) * g")
wrong("sgd_step", "ignores nesterov", "(g + momentum * velocity if nesterov else velocity)", "velocity")
wrong("sgd_step", "puts the rate into the velocity, and again into the step", "velocity += g", "velocity += lr * g")
wrong("sgd_step", "adds the velocity into g", "velocity += g", "velocity += g\ng[...] = velocity")
wrong("sgd_step", "keeps the rate in half precision", "p -= lr", "p -= float(np.float16(lr))")


@wrong("sgd_step", "makes a new velocity, which is lost when the function ends")
def sgd_forgets_velocity(p, g, velocity, *, lr, momentum=0.0, nesterov=False):
    velocity = momentum * velocity + g
    p -= lr * (g + momentum * velocity if nesterov else velocity)


# -- rmsprop_step -----------------------------------------------------------------------------------------------------

wrong("rmsprop_step", "divides by the mean of the squares, without the root", "np.sqrt(square)", "square")
wrong("rmsprop_step", "puts eps under the root", "(np.sqrt(square) + eps)", "np.sqrt(square + eps)")
wrong("rmsprop_step", "swaps alpha and 1 - alpha", "square *= alpha", "square *= 1 - alpha", "(1 - alpha)", "alpha")
wrong("rmsprop_step", "leaves eps out: 0 / 0 where nothing has moved", "(np.sqrt(square) + eps)", "np.sqrt(square)")
wrong("rmsprop_step", "keeps the rate in half precision", "p -= lr", "p -= float(np.float16(lr))")


@wrong("rmsprop_step", "adds up all squares and forgets none, as Adagrad does")
def rmsprop_adagrad(p, g, square, *, lr, alpha=0.99, eps=1e-8):
    square += g * g
    p -= lr * g / (np.sqrt(square) + eps)


@wrong("rmsprop_step", "steps first and looks at the gradient afterwards")
def rmsprop_late(p, g, square, *, lr, alpha=0.99, eps=1e-8):
    p -= lr * g / (np.sqrt(square) + eps)
    square *= alpha
    square += (1 - alpha) * g * g


# -- adam_step --------------------------------------------------------------------------------------------------------

wrong("adam_step", "does not correct the bias", "1 - beta1**t, math.sqrt(1 - beta2**t)", "1, 1")
wrong("adam_step", "counts the steps from 0", "beta1**t", "beta1 ** (t + 1)", "beta2**t", "beta2 ** (t + 1)")
wrong("adam_step", "forgets the square", "np.multiply(g, g, out=g)", "np.abs(g, out=g)")
wrong("adam_step", "corrects both means with the same beta", "beta2**t", "beta1**t")
wrong("adam_step", "leaves eps out: 0 / 0 where nothing has moved", "step += eps * root_c2", "")
wrong("adam_step", "does not correct eps with the root it stands beside", "eps * root_c2", "eps")


@wrong("adam_step", "corrects in place, so that the correction is remembered")
def adam_corrects_in_place(p, g, m, v, t, *, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m += (1 - beta1) * (g - m)
    v += (1 - beta2) * (g * g - v)
    m /= 1 - beta1**t
    v /= 1 - beta2**t
    p -= lr * m / (np.sqrt(v) + eps)


@wrong("adam_step", "puts eps under the root")
def adam_eps_inside(p, g, m, v, t, *, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m += (1 - beta1) * (g - m)
    v += (1 - beta2) * (g * g - v)
    c1, c2 = 1 - beta1**t, 1 - beta2**t
    p -= lr * (m / c1) / np.sqrt(v / c2 + eps)


@wrong("adam_step", "uses g up before v has seen it")
def adam_g_too_early(p, g, m, v, t, *, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    g *= 1 - beta1
    m *= beta1
    m += g
    v *= beta2
    v += (1 - beta2) * g * g
    c1, c2 = 1 - beta1**t, 1 - beta2**t
    p -= lr * (m / c1) / (np.sqrt(v / c2) + eps)


# -- decay ------------------------------------------------------------------------------------------------------------

wrong("decay", "forgets lr", "lr *", "")
wrong("decay", "makes a new p", "p *= 1 - lr * weight_decay", "p = p * (1 - lr * weight_decay)")
wrong("decay", "keeps what it should lose", "1 - lr", "lr")
wrong(
    "decay", "computes the share in half precision", "1 - lr * weight_decay", "float(np.float16(1 - lr * weight_decay))"
)


@wrong("decay", "takes the same amount from all, whatever their size")
def decay_constant(p, *, lr, weight_decay):
    p -= lr * weight_decay * np.sign(p)


# -- orthogonalized ---------------------------------------------------------------------------------------------------

wrong("orthogonalized", "does not divide by the norm", "wide / max(float(np.linalg.norm(wide)), eps)", "1.0 * wide")
wrong("orthogonalized", "divides by each row's norm", "max(float(np.linalg.norm(wide)), eps)",
      "np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), eps)")  # fmt: skip
wrong("orthogonalized", "divides by the largest entry", "float(np.linalg.norm(wide))", "float(np.abs(wide).max())")
wrong("orthogonalized", "divides zero by zero", "max(float(np.linalg.norm(wide)), eps)", "float(np.linalg.norm(wide))")
wrong("orthogonalized", "raises the entries to powers, not the singular values", "gram = x @ x.T", "gram = x * x",
      "-4.7750 * gram + 2.0315 * (gram @ gram)) @ x", "-4.7750 * gram + 2.0315 * (gram * gram)) * x")  # fmt: skip
wrong("orthogonalized", "hands a tall matrix back as a wide one", "x if wide is g else x.T", "x")
wrong("orthogonalized", "forgets the fifth power", " + 2.0315 * (gram @ gram)", "")
wrong("orthogonalized", "takes one step, whatever is asked", "range(steps)", "range(1)")


# -- step_lr ----------------------------------------------------------------------------------------------------------

wrong("step_lr", "divides without cutting off: a slope, not a staircase", "t // step_size", "t / step_size")
wrong("step_lr", "multiplies where it should raise to a power", "**", "*")
wrong("step_lr", "falls one step late", "t // step_size", "(t - 1) // step_size if t else 0")
wrong("step_lr", "falls once and never again", "t // step_size", "min(t // step_size, 1)")
wrong("step_lr", "never rises", "gamma **", "min(gamma, 1) **")

# -- cosine_lr --------------------------------------------------------------------------------------------------------

wrong("cosine_lr", "runs through a whole wave", "math.pi", "2 * math.pi")
wrong("cosine_lr", "puts eta_min below a full height", "(base - eta_min)", "base")
wrong("cosine_lr", "takes degrees for radians", "math.pi", "180")
wrong("cosine_lr", "never rises", "(base - eta_min)", "abs(base - eta_min)")


@wrong("cosine_lr", "forgets the 1 +: half of it is below zero")
def cosine_bare(t, base, t_max, eta_min=0.0):
    return eta_min + (base - eta_min) * math.cos(math.pi * t / t_max)


@wrong("cosine_lr", "is a straight line")
def cosine_straight(t, base, t_max, eta_min=0.0):
    return base + (eta_min - base) * t / t_max


# -- linear_lr --------------------------------------------------------------------------------------------------------

wrong("linear_lr", "goes on rising after the warm-up", "min(t, total_iters)", "t")
wrong(
    "linear_lr", "starts from 0, whatever start_factor is", "start_factor + (end_factor - start_factor)", "end_factor"
)
wrong("linear_lr", "takes end_factor for the height of the rise", "(end_factor - start_factor)", "end_factor")
wrong("linear_lr", "forgets base", "base * ", "")
wrong("linear_lr", "never falls", "(end_factor - start_factor)", "abs(end_factor - start_factor)")

# -- one_cycle_lr -----------------------------------------------------------------------------------------------------

wrong("one_cycle_lr", "does not start the way down at its own zero", "t - top, max_lr, last - top", "t, max_lr, last")
wrong("one_cycle_lr", "ends at max_lr / final_div_factor", "start / final_div_factor", "max_lr / final_div_factor")
wrong(
    "one_cycle_lr",
    "has its top one step late",
    "top, last = pct_start * total_steps - 1, total_steps - 1\nstart = max_lr / div_factor",
    "top, last, start = pct_start * total_steps, total_steps, max_lr / div_factor",
)
wrong("one_cycle_lr", "goes back to where it started", " / final_div_factor", "")
wrong(
    "one_cycle_lr", "rises in a straight line", "cosine_lr(t, start, top, max_lr)", "start + (max_lr - start) * t / top"
)
wrong("one_cycle_lr", "ignores pct_start", "pct_start", "0.3")
wrong("one_cycle_lr", "ignores div_factor", "max_lr / div_factor", "max_lr / 25")
wrong("one_cycle_lr", "ignores final_div_factor", "final_div_factor", "1e4")


# -- training_bytes ---------------------------------------------------------------------------------------------------

wrong("training_bytes", "forgets the gradients", "4 * 4 * numbers", "3 * 4 * numbers")
wrong("training_bytes", "counts the parameters alone", "4 * 4 * numbers", "4 * numbers")
wrong("training_bytes", "forgets the biases", "784 * 512 + 512 + 512 * 10 + 10", "784 * 512 + 512 * 10")
wrong("training_bytes", "takes a float32 for eight bytes", "4 * 4 * numbers", "4 * 8 * numbers")
