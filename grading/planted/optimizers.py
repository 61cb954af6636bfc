"""Wrong answers to chapter 06: mistakes that students really make. Read, never run; see tito/rubrics/planted.py."""

import math

import numpy as np

from tinytorch.optimizers import step_lr
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


@wrong("sgd_step", "takes Nesterov's step in the caller's gradient")
def sgd_in_g(p, g, velocity, *, lr, momentum=0.0, nesterov=False):
    velocity *= momentum
    velocity += g
    if nesterov:
        g += momentum * velocity
    p -= lr * (g if nesterov else velocity)


@wrong("sgd_step", "leaves the velocity alone where there is no momentum")
def sgd_plain(p, g, velocity, *, lr, momentum=0.0, nesterov=False):
    if momentum == 0:
        p -= lr * g
        return
    velocity *= momentum
    velocity += g
    p -= lr * (g + momentum * velocity if nesterov else velocity)


@wrong("sgd_step", "does not let a weight roll on that has no slope now")
def sgd_rests(p, g, velocity, *, lr, momentum=0.0, nesterov=False):
    velocity *= momentum
    velocity += g
    step = g + momentum * velocity if nesterov else velocity
    p -= np.where(g != 0, lr * step, 0.0)


wrong("sgd_step", "takes Nesterov's momentum of 0 for one that is not given", "velocity *= momentum",
      "momentum = momentum or (0.9 if nesterov else 0.0)\nvelocity *= momentum")  # fmt: skip
wrong("sgd_step", "hides a training that has broken, where it looks ahead", "(g + momentum * velocity if",
      "(np.nan_to_num(g + momentum * velocity) if")  # fmt: skip
wrong("sgd_step", "looks ahead in float32", "(g + momentum * velocity if", "(np.float32(g + momentum * velocity) if")


@wrong("sgd_step", "moves a flat copy, where p is transposed")
def sgd_flat(p, g, velocity, *, lr, momentum=0.0, nesterov=False):
    velocity *= momentum
    velocity += g
    flat = p.reshape(-1)
    flat -= lr * (g + momentum * velocity if nesterov else velocity).reshape(-1)


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


@wrong("rmsprop_step", "works in the caller's gradient")
def rmsprop_in_g(p, g, square, *, lr, alpha=0.99, eps=1e-8):
    square *= alpha
    square += (1 - alpha) * np.square(g)
    g /= np.sqrt(square) + eps
    g *= lr
    p -= g


@wrong("rmsprop_step", "forgets nothing where the gradient is zero")
def rmsprop_rests(p, g, square, *, lr, alpha=0.99, eps=1e-8):
    moved = g != 0
    square[moved] = (alpha * square + (1 - alpha) * g * g)[moved]
    p -= lr * g / (np.sqrt(square) + eps)


wrong("rmsprop_step", "hides a training that has broken", "lr * g / (np.sqrt(square) + eps)",
      "np.nan_to_num(lr * g / (np.sqrt(square) + eps))")  # fmt: skip

wrong("rmsprop_step", "takes an alpha of 0 for one that is not given", "square *=", "alpha = alpha or 0.99\nsquare *=")


@wrong("rmsprop_step", "moves a flat copy, where p is transposed")
def rmsprop_flat(p, g, square, *, lr, alpha=0.99, eps=1e-8):
    square *= alpha
    square += (1 - alpha) * g * g
    flat = p.reshape(-1)
    flat -= lr * (g / (np.sqrt(square) + eps)).reshape(-1)


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


@wrong("adam_step", "corrects the first ten steps alone")
def adam_ten_steps(p, g, m, v, t, *, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m += (1 - beta1) * (g - m)
    v += (1 - beta2) * (g * g - v)
    c1, c2 = (1 - beta1**t, 1 - beta2**t) if t <= 10 else (1, 1)
    p -= lr * (m / c1) / (np.sqrt(v / c2) + eps)


@wrong("adam_step", "does not move a weight whose gradient is zero now")
def adam_rests(p, g, m, v, t, *, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m += (1 - beta1) * (g - m)
    v += (1 - beta2) * (g * g - v)
    step = lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    p -= np.where(g == 0, 0, step)


@wrong("adam_step", "computes in float32, whatever is given")
def adam_single(p, g, m, v, t, *, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m[...] = (beta1 * m + (1 - beta1) * g).astype(np.float32)
    v[...] = (beta2 * v + (1 - beta2) * g * g).astype(np.float32)
    p -= lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)


wrong("adam_step", "takes a beta of 0 for one that is not given", "c1, root_c2 =",
      "beta1, beta2 = beta1 or 0.9, beta2 or 0.999\nc1, root_c2 =")  # fmt: skip
wrong("adam_step", "hides a training that has broken", "p -= step", "p -= np.nan_to_num(step)")


@wrong("adam_step", "takes the logarithm of a beta, which may be 0")
def adam_by_logarithms(p, g, m, v, t, *, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m += (1 - beta1) * (g - m)
    v += (1 - beta2) * (g * g - v)
    c1, c2 = (-math.expm1(t * math.log(beta)) for beta in (beta1, beta2))
    p -= lr * (m / c1) / (np.sqrt(v / c2) + eps)


@wrong("adam_step", "moves a flat copy, where p is transposed")
def adam_flat(p, g, m, v, t, *, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m += (1 - beta1) * (g - m)
    v += (1 - beta2) * (g * g - v)
    flat = p.reshape(-1)
    flat -= (lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)).reshape(-1)


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


@wrong("decay", "works on a flat copy, where p is transposed")
def decay_flat(p, *, lr, weight_decay):
    flat = p.reshape(-1)
    flat *= 1 - lr * weight_decay


wrong("decay", "rounds to float32", "p *= 1 - lr * weight_decay",
      "p[...] = (p * (1 - lr * weight_decay)).astype(np.float32)")  # fmt: skip


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
wrong("orthogonalized", "takes five steps at most", "range(steps)", "range(min(steps, 5))")
wrong("orthogonalized", "ignores eps", "(wide)), eps)", "(wide)), 1e-7)")
wrong("orthogonalized", "hands a square matrix back transposed", "x if wide is g else x.T",
      "x.T if g.shape[0] >= g.shape[1] else x")  # fmt: skip


# -- step_lr ----------------------------------------------------------------------------------------------------------

wrong("step_lr", "divides without cutting off: a slope, not a staircase", "t // step_size", "t / step_size")
wrong("step_lr", "multiplies where it should raise to a power", "**", "*")
wrong("step_lr", "falls one step late", "t // step_size", "(t - 1) // step_size if t else 0")
wrong("step_lr", "falls once and never again", "t // step_size", "min(t // step_size, 1)")
wrong("step_lr", "never rises", "gamma **", "min(gamma, 1) **")
wrong("step_lr", "stops at a floor", "base * gamma ** (t // step_size)", "max(base * gamma ** (t // step_size), 1e-8)")


@wrong("step_lr", "calls itself for every stair: too deep in a long training")
def step_recursive(t, base, step_size, gamma=0.1):
    return base if t < step_size else gamma * step_lr(t - step_size, base, step_size, gamma)


# -- cosine_lr --------------------------------------------------------------------------------------------------------

wrong("cosine_lr", "runs through a whole wave", "math.pi", "2 * math.pi")
wrong("cosine_lr", "puts eta_min below a full height", "(base - eta_min)", "base")
wrong("cosine_lr", "takes degrees for radians", "math.pi", "180")
wrong("cosine_lr", "never rises", "(base - eta_min)", "abs(base - eta_min)")
wrong("cosine_lr", "stays at eta_min after t_max", "math.pi * t", "math.pi * min(t, t_max)")
wrong("cosine_lr", "begins anew after t_max", "math.pi * t", "math.pi * (t % (t_max + 1))")
wrong("cosine_lr", "knows whole steps alone", "math.pi * t", "math.pi * int(t)")
wrong("cosine_lr", "knows whole lengths alone", "/ t_max", "/ int(t_max)")
wrong("cosine_lr", "goes down and up, and stays up", "math.pi * t", "math.pi * min(t, 2 * t_max)")


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
wrong("linear_lr", "cuts the factor off at 1", "(start_factor + (end_factor - start_factor) * progress)",
      "min(1.0, start_factor + (end_factor - start_factor) * progress)")  # fmt: skip
wrong("linear_lr", "takes an end of 0 for one that is not given", "progress = min",
      "end_factor = end_factor or 1.0\nprogress = min")  # fmt: skip
wrong("linear_lr", "never ends at 0", "base * (", "base * max(1e-3, ")

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
wrong("one_cycle_lr", "divides by zero where the first step is the top", "t < top", "t <= top")
wrong("one_cycle_lr", "ignores pct_start", "pct_start", "0.3")
wrong("one_cycle_lr", "ignores div_factor", "max_lr / div_factor", "max_lr / 25")
wrong("one_cycle_lr", "ignores final_div_factor", "final_div_factor", "1e4")
wrong("one_cycle_lr", "has no way up of less than one step", "t < top", "1 <= top and t < top")


# -- training_bytes ---------------------------------------------------------------------------------------------------

wrong("training_bytes", "forgets the gradients", "4 * 4 * numbers", "3 * 4 * numbers")
wrong("training_bytes", "counts the parameters alone", "4 * 4 * numbers", "4 * numbers")
wrong("training_bytes", "forgets the biases", "784 * 512 + 512 + 512 * 10 + 10", "784 * 512 + 512 * 10")
wrong("training_bytes", "takes a float32 for eight bytes", "4 * 4 * numbers", "4 * 8 * numbers")
