"""Right answers to chapter 06, written in other ways: none may lose a point.

Read, never run; see tito/rubrics/planted.py.
"""

import math

import numpy as np

from tinytorch.optimizers import cosine_lr, orthogonalized
from tito.rubrics.planted import right

# -- sgd_step ---------------------------------------------------------------------------------------------------------


@right("sgd_step", "assigns into the arrays")
def sgd_assigned(p, g, velocity, *, lr, momentum=0.0, nesterov=False):
    velocity[...] = momentum * velocity + g
    direction = g + momentum * velocity if nesterov else velocity
    p[...] = p - lr * direction


@right("sgd_step", "uses NumPy's out=")
def sgd_out(p, g, velocity, *, lr, momentum=0.0, nesterov=False):
    np.multiply(velocity, momentum, out=velocity)
    np.add(velocity, g, out=velocity)
    if nesterov:
        g = g + momentum * velocity
    else:
        g = velocity
    np.subtract(p, lr * g, out=p)


@right("sgd_step", "takes Nesterov's step in two parts")
def sgd_parts(p, g, velocity, *, lr, momentum=0.0, nesterov=False):
    velocity *= momentum
    velocity += g
    if not nesterov:
        p -= lr * velocity
        return
    p -= lr * momentum * velocity
    p -= lr * g


# -- rmsprop_step -----------------------------------------------------------------------------------------------------


@right("rmsprop_step", "assigns into the arrays")
def rmsprop_assigned(p, g, square, *, lr, alpha=0.99, eps=1e-8):
    square[:] = alpha * square + (1 - alpha) * g**2
    p[:] = p - lr * g / (square**0.5 + eps)


@right("rmsprop_step", "goes a share of the way to the new square")
def rmsprop_share(p, g, square, *, lr, alpha=0.99, eps=1e-8):
    square += (1 - alpha) * (g * g - square)
    p -= lr / (np.sqrt(square) + eps) * g


@right("rmsprop_step", "works in g's memory")
def rmsprop_in_g(p, g, square, *, lr, alpha=0.99, eps=1e-8):
    square *= alpha
    square += (1 - alpha) * np.square(g)
    g /= np.sqrt(square) + eps
    g *= lr
    p -= g


# -- adam_step --------------------------------------------------------------------------------------------------------


@right("adam_step", "five lines, as the paper has them")
def adam_paper(p, g, m, v, t, *, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    p -= lr * m_hat / (np.sqrt(v_hat) + eps)


@right("adam_step", "goes a share of the way to the new means")
def adam_share(p, g, m, v, t, *, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m += (1 - beta1) * (g - m)
    v += (1 - beta2) * (g * g - v)
    c1, c2 = 1 - beta1**t, 1 - beta2**t
    p -= lr * (m / c1) / (np.sqrt(v / c2) + eps)


@right("adam_step", "puts the corrections into the rate and eps")
def adam_rate(p, g, m, v, t, *, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m *= beta1
    m += (1 - beta1) * g
    v *= beta2
    v += (1 - beta2) * g * g
    root = math.sqrt(1 - beta2**t)
    rate = lr * root / (1 - beta1**t)
    p[...] -= rate * m / (np.sqrt(v) + eps * root)


# -- decay ------------------------------------------------------------------------------------------------------------

right("decay", "subtracts the share", "p *= 1 - lr * weight_decay", "p -= lr * weight_decay * p")
right("decay", "assigns into p", "p *= 1 - lr * weight_decay", "p[...] = p * (1 - lr * weight_decay)")
right("decay", "multiplies with out=", "p *= 1 - lr * weight_decay", "np.multiply(p, 1.0 - weight_decay * lr, out=p)")

# -- orthogonalized ---------------------------------------------------------------------------------------------------


@right("orthogonalized", "multiplies from the right, whatever the shape")
def orthogonal_right(g, steps=5, eps=1e-7):
    x = g / max(float(np.sqrt((g * g).sum())), eps)
    for _ in range(steps):
        small = x.T @ x
        x = 3.4445 * x - 4.7750 * (x @ small) + 2.0315 * (x @ small @ small)
    return x


@right("orthogonalized", "works on the singular values themselves")
def orthogonal_svd(g, steps=5, eps=1e-7):
    u, s, vt = np.linalg.svd(g, full_matrices=False)
    s = s / max(float(np.sqrt(np.square(s).sum())), eps)
    for _ in range(steps):
        s = s * (3.4445 - 4.7750 * s**2 + 2.0315 * s**4)
    return (u * s) @ vt


@right("orthogonalized", "turns a tall matrix over, and calls itself")
def orthogonal_turned(g, steps=5, eps=1e-7):
    if g.shape[0] > g.shape[1]:
        return orthogonalized(g.T, steps, eps).T
    x = g / max(float(np.linalg.norm(g)), eps)
    for _ in range(steps):
        a = x @ x.T
        b = a @ x
        x = 3.4445 * x + -4.7750 * b + 2.0315 * (a @ b)
    return x


# -- step_lr ----------------------------------------------------------------------------------------------------------

right("step_lr", "cuts off by int", "t // step_size", "int(t / step_size)")
right(
    "step_lr", "calls math.pow", "base * gamma ** (t // step_size)", "base * math.pow(gamma, math.floor(t / step_size))"
)


@right("step_lr", "multiplies once for each step of the staircase")
def step_multiplied(t, base, step_size, gamma=0.1):
    rate = base
    for _ in range(t // step_size):
        rate *= gamma
    return rate


# -- cosine_lr --------------------------------------------------------------------------------------------------------


@right("cosine_lr", "by the square of half the angle's cosine")
def cosine_half(t, base, t_max, eta_min=0.0):
    return eta_min + (base - eta_min) * math.cos(math.pi * t / t_max / 2) ** 2


@right("cosine_lr", "as a share of each end")
def cosine_shares(t, base, t_max, eta_min=0.0):
    share = 0.5 * (1 + np.cos(np.pi * t / t_max))
    return float(share * base + (1 - share) * eta_min)


@right("cosine_lr", "from the middle, up and down")
def cosine_middle(t, base, t_max, eta_min=0.0):
    middle, height = (base + eta_min) / 2, (base - eta_min) / 2
    return middle + height * math.cos(math.pi * t / t_max)


# -- linear_lr --------------------------------------------------------------------------------------------------------


@right("linear_lr", "returns early where it has arrived")
def linear_early(t, base, start_factor=1 / 3, end_factor=1.0, total_iters=5):
    if t >= total_iters:
        return base * end_factor
    return base * (start_factor + (end_factor - start_factor) * t / total_iters)


@right("linear_lr", "weighs the two ends")
def linear_weighed(t, base, start_factor=1 / 3, end_factor=1.0, total_iters=5):
    share = min(1.0, t / total_iters)
    return base * start_factor * (1 - share) + base * end_factor * share


@right("linear_lr", "lets NumPy interpolate")
def linear_interpolated(t, base, start_factor=1 / 3, end_factor=1.0, total_iters=5):
    return float(np.interp(t, [0, total_iters], [base * start_factor, base * end_factor]))


# -- one_cycle_lr -----------------------------------------------------------------------------------------------------


@right("one_cycle_lr", "writes both half cosines down")
def one_cycle_written(t, max_lr, total_steps, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    top, last = pct_start * total_steps - 1, total_steps - 1
    low, share = max_lr / div_factor, 0.0
    if t <= top and top > 0:
        share = t / top
    elif t > top:
        low, share = low / final_div_factor, 1 - (t - top) / (last - top)
    return low + (max_lr - low) * (1 - math.cos(math.pi * share)) / 2


@right("one_cycle_lr", "counts the way down from the last step")
def one_cycle_from_the_end(t, max_lr, total_steps, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    top = float(total_steps * pct_start) - 1
    if t < top:
        return cosine_lr(top - t, max_lr, top, max_lr / div_factor)
    down = total_steps - 1 - top
    return cosine_lr(total_steps - 1 - t, max_lr / (div_factor * final_div_factor), down, max_lr)


@right("one_cycle_lr", "reaches the top by the way up")
def one_cycle_top(t, max_lr, total_steps, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    steps_up = pct_start * total_steps - 1
    start = max_lr / div_factor
    end = start / final_div_factor
    if steps_up > 0 and t <= steps_up:
        return cosine_lr(t, start, steps_up, max_lr)
    return cosine_lr(t - steps_up, max_lr, total_steps - 1 - steps_up, end)


# -- training_bytes ---------------------------------------------------------------------------------------------------

right("training_bytes", "counts 16 bytes a number", "4 * 4 * numbers", "16 * numbers")
right("training_bytes", "answers with a float", "4 * 4 * numbers", "16.0 * numbers")


@right("training_bytes", "adds up four kinds of arrays")
def training_added():
    weights = 4 * ((784 + 1) * 512 + (512 + 1) * 10)
    gradients = means = squares = weights
    return weights + gradients + means + squares
