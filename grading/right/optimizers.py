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


@right("sgd_step", "takes one number after the other")
def sgd_numbers(p, g, velocity, *, lr, momentum=0.0, nesterov=False):
    for i in np.ndindex(p.shape):
        velocity[i] = momentum * velocity[i] + g[i]
        p[i] -= lr * (g[i] + momentum * velocity[i] if nesterov else velocity[i])


@right("sgd_step", "returns early where there is no momentum")
def sgd_early(p, g, velocity, *, lr, momentum=0.0, nesterov=False):
    if not momentum:
        velocity[...] = g
        p -= lr * g
        return
    velocity *= momentum
    velocity += g
    p -= lr * (g + momentum * velocity) if nesterov else lr * velocity


@right("sgd_step", "blends twice, and copies")
def sgd_copied(p, g, velocity, *, lr, momentum=0.0, nesterov=False):
    def blend(old):
        return momentum * old + g

    np.copyto(velocity, blend(velocity))
    look = np.where(nesterov, blend(velocity), velocity)
    np.copyto(p, p - np.multiply(look, lr), casting="same_kind")


# -- rmsprop_step -----------------------------------------------------------------------------------------------------


@right("rmsprop_step", "assigns into the arrays")
def rmsprop_assigned(p, g, square, *, lr, alpha=0.99, eps=1e-8):
    square[:] = alpha * square + (1 - alpha) * g**2
    p[:] = p - lr * g / (square**0.5 + eps)


@right("rmsprop_step", "goes a share of the way to the new square")
def rmsprop_share(p, g, square, *, lr, alpha=0.99, eps=1e-8):
    square += (1 - alpha) * (g * g - square)
    p -= lr / (np.sqrt(square) + eps) * g


@right("rmsprop_step", "weighs old and new by np.average")
def rmsprop_average(p, g, square, *, lr, alpha=0.99, eps=1e-8):
    np.copyto(square, np.average([square, np.square(g)], axis=0, weights=[alpha, 1 - alpha]))
    np.add(p, -lr * np.divide(g, eps + np.power(square, 0.5)), out=p)


@right("rmsprop_step", "squares the weighted gradient")
def rmsprop_weighted(p, g, square, *, lr, alpha=0.99, eps=1e-8):
    scaled = math.sqrt(1 - alpha) * g
    square[...] = square * alpha + scaled * scaled
    scale = np.sqrt(square)
    scale += eps
    p -= lr * (g / scale)


@right("rmsprop_step", "takes one number after the other")
def rmsprop_numbers(p, g, square, *, lr, alpha=0.99, eps=1e-8):
    square -= (1 - alpha) * square
    square += (1 - alpha) * np.abs(g) ** 2
    for i, slope in np.ndenumerate(g):
        p[i] -= lr * slope / (math.sqrt(square[i]) + eps)


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


@right("adam_step", "adds up the weights, and works in g's memory")
def adam_weights(p, g, m, v, t, *, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m[...] = m + (1 - beta1) * (g - m)
    g *= g
    v[...] = v + (1 - beta2) * (g - v)
    c1, c2 = ((1 - beta) * sum(beta**k for k in range(t)) for beta in (beta1, beta2))
    np.sqrt(v / c2, out=g)
    g += eps
    p -= lr * (m / c1) / g


@right("adam_step", "treats both means in one loop")
def adam_loop(p, g, m, v, t, *, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    hats = []
    for mean, new, beta in ((m, g, beta1), (v, g**2, beta2)):
        mean *= beta
        mean += (1 - beta) * new
        hats.append(mean / (1 - beta**t))
    p -= lr * hats[0] / (hats[1] ** 0.5 + eps)


@right("adam_step", "corrects m in the denominator")
def adam_denominator(p, g, m, v, t, *, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    np.add(beta1 * m, (1.0 - beta1) * g, out=m)
    np.add(beta2 * v, (1.0 - beta2) * np.power(g, 2), out=v)
    first, second = 1 - math.pow(beta1, t), 1 - math.pow(beta2, t)
    p -= lr * m / (first * (np.sqrt(v) / math.sqrt(second) + eps))


# -- decay ------------------------------------------------------------------------------------------------------------

right("decay", "subtracts the share", "p *= 1 - lr * weight_decay", "p -= lr * weight_decay * p")
right("decay", "assigns into p", "p *= 1 - lr * weight_decay", "p[...] = p * (1 - lr * weight_decay)")
right("decay", "multiplies with out=", "p *= 1 - lr * weight_decay", "np.multiply(p, 1.0 - weight_decay * lr, out=p)")
right("decay", "writes through p.flat", "p *= 1 - lr * weight_decay", "p.flat = (1 - lr * weight_decay) * p")


@right("decay", "takes one row after the other")
def decay_rows(p, *, lr, weight_decay):
    share = weight_decay * lr
    for i in range(len(p)):
        p[i] = p[i] - share * p[i]


@right("decay", "through an iterator")
def decay_iterated(p, *, lr, weight_decay):
    with np.nditer(p, op_flags=["readwrite"], flags=["zerosize_ok"]) as values:
        for value in values:
            value[...] = value - value * lr * weight_decay


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


@right("orthogonalized", "gathers the factors of every eigenvalue of x^T x")
def orthogonal_eigen(g, steps=5, eps=1e-7):
    x = g.astype(np.float64)
    x = x / max(np.linalg.norm(x), eps)
    squares, basis = np.linalg.eigh(x.T @ x)
    squares, factors = np.maximum(squares, 0), np.ones_like(squares)
    for _ in range(steps):
        gain = 3.4445 - 4.7750 * squares + 2.0315 * squares**2
        factors, squares = factors * gain, squares * gain**2
    return (x @ (basis * factors) @ basis.T).astype(g.dtype)


@right("orthogonalized", "sums over letters")
def orthogonal_einsum(g, steps=5, eps=1e-7):
    x = g / max(float(np.linalg.norm(g.ravel())), eps)
    while steps > 0:
        third = np.einsum("ij,kj,kl->il", x, x, x)
        fifth = np.einsum("ij,kj,kl->il", x, x, third)
        x = 3.4445 * x - 4.7750 * third + 2.0315 * fifth
        steps -= 1
    return x


@right("orthogonalized", "Horner's scheme, and a function that calls itself")
def orthogonal_horner(g, steps=5, eps=1e-7):
    def again(x, left):
        if left == 0:
            return x
        gram = x @ x.T
        eye = np.eye(len(x), dtype=x.dtype)
        return again((3.4445 * eye + gram @ (-4.7750 * eye + 2.0315 * gram)) @ x, left - 1)

    norm = np.linalg.norm(g, "fro").item()
    return again(g * (1 / (norm if norm > eps else eps)), steps)


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


@right("step_lr", "walks along the edges of the stairs")
def step_edges(t, base, step_size, gamma=0.1):
    for _ in range(step_size, t + 1, step_size):
        base *= gamma
    return base


right("step_lr", "by logarithms", "gamma ** (t // step_size)", "math.exp(math.log(gamma) * (t // step_size))")


@right("step_lr", "a product of equal factors")
def step_product(t, base, step_size, gamma=0.1):
    stairs, _ = divmod(t, step_size)
    return base * math.prod([gamma] * stairs)


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


@right("cosine_lr", "down from base by the square of a sine")
def cosine_sine(t, base, t_max, eta_min=0.0):
    return base - (base - eta_min) * math.sin(math.pi * t / (2 * t_max)) ** 2


@right("cosine_lr", "comes back by the way that it went")
def cosine_mirrored(t, base, t_max, eta_min=0.0):
    t = t % (2 * t_max)
    t = 2 * t_max - t if t > t_max else t
    return base - (base - eta_min) * (1 - math.cos(t / t_max * math.pi)) / 2


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


@right("linear_lr", "adds the slope step by step")
def linear_added(t, base, start_factor=1 / 3, end_factor=1.0, total_iters=5):
    rate, slope = base * start_factor, base * (end_factor - start_factor) / total_iters
    for _ in range(min(t, total_iters)):
        rate += slope
    return rate


@right("linear_lr", "counts from the end")
def linear_left(t, base, start_factor=1 / 3, end_factor=1.0, total_iters=5):
    left = max(total_iters - t, 0) / total_iters
    return base * (end_factor - (end_factor - start_factor) * left)


@right("linear_lr", "looks it up in a list of all rates")
def linear_listed(t, base, start_factor=1 / 3, end_factor=1.0, total_iters=5):
    return base * float(np.linspace(start_factor, end_factor, total_iters + 1)[min(t, total_iters)])


# -- one_cycle_lr -----------------------------------------------------------------------------------------------------


@right("one_cycle_lr", "writes both half cosines down")
def one_cycle_written(t, max_lr, total_steps, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    top, last = pct_start * total_steps - 1, total_steps - 1
    low, share = max_lr / div_factor, 0.0
    if t <= top and top > 0:
        share = t / top
    elif t >= top:
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


@right("one_cycle_lr", "by the squares of sine and cosine")
def one_cycle_squares(t, max_lr, total_steps, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    top = total_steps * pct_start - 1
    if t < top:
        return max_lr - (max_lr - max_lr / div_factor) * math.cos(math.pi * t / top / 2) ** 2
    end = max_lr / (div_factor * final_div_factor)
    return max_lr + (end - max_lr) * math.sin(math.pi / 2 * (t - top) / (total_steps - 1 - top)) ** 2


@right("one_cycle_lr", "as a list of phases")
def one_cycle_phases(t, max_lr, total_steps, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    start = max_lr / div_factor
    phases = [(pct_start * total_steps - 1, start, max_lr), (total_steps - 1, max_lr, start / final_div_factor)]
    begin = 0
    for until, low, high in phases:
        if t < until or until == total_steps - 1:
            return high + (low - high) / 2 * (math.cos(math.pi * (t - begin) / (until - begin)) + 1)
        begin = until


@right("one_cycle_lr", "one formula, between ends that it chooses")
def one_cycle_between(t, max_lr, total_steps, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    start, peak = max_lr / div_factor, pct_start * total_steps - 1
    begin, end, high, low = 0, peak, start, max_lr
    if t >= peak:
        begin, end, high, low = peak, total_steps - 1, max_lr, start / final_div_factor
    return (high + low) / 2 + (high - low) / 2 * math.cos(math.pi * (t - begin) / (end - begin))


# -- training_bytes ---------------------------------------------------------------------------------------------------

right("training_bytes", "counts 16 bytes a number", "4 * 4 * numbers", "16 * numbers")
right("training_bytes", "asks NumPy for the size", "4 * 4", "4 * np.dtype(np.float32).itemsize")
right("training_bytes", "answers with a float", "4 * 4 * numbers", "16.0 * numbers")


@right("training_bytes", "adds up four kinds of arrays")
def training_added():
    weights = 4 * ((784 + 1) * 512 + (512 + 1) * 10)
    gradients = means = squares = weights
    return weights + gradients + means + squares
