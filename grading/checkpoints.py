"""Checkpoints: what your chapters can do together, as sixteen questions.

Each is a test of several chapters at once, on your own code. What is right is computed here, where your code never
runs: arrays go out, arrays come back.
"""

from math import comb

import numpy as np

import tinytorch.environment
from tinytorch import serialization
from tinytorch.datasets import digits
from tito.history.questions import Questions
from tito.rubrics.compare import close, holds, same

questions = Questions()
probe = questions.probe

# -- 01 the machine ---------------------------------------------------------------------------------------------------


@probe
def describe(tt, seed):
    here = tt.environment.machine()
    draws = [tt.environment.manual_seed(seed).random(4) for _ in range(2)]
    ran = []
    timing = tt.environment.timeit(lambda: ran.append(1), repeats=5)
    return {
        "machine": [here.cpu, here.cores, here.memory, here.python, here.numpy],
        "draws": draws,
        "timing": [timing.fastest, timing.median, timing.slowest],
        "ran": len(ran),
    }


@questions.ask("01", "Do I know the machine that I measure on?", needs="environment")
def knows_the_machine(student):
    """Your code names this machine as it is, repeats chance from a seed, and orders its timings."""
    found, here = student.describe(20), tinytorch.environment.machine()
    same(found["machine"], [here.cpu, here.cores, here.memory, here.python, here.numpy], "the machine")
    for draw in found["draws"]:
        close(draw, np.random.default_rng(20).random(4), "four random numbers from seed 20")
    fastest, median, slowest = found["timing"]
    holds(0 < fastest <= median <= slowest, "the median lies between the extremes", timing=found["timing"])
    holds(found["ran"] > 5, "a timing runs the function, warm-up included", runs=found["ran"])
    close(student.nbytes((60000, 28, 28), "float32"), 60000 * 28 * 28 * 4, "the bytes of MNIST")
    close(student.matmul_flops(64, 784, 128), 2 * 64 * 784 * 128, "the operations of its first layer")


# -- 02 tensors -------------------------------------------------------------------------------------------------------


@probe
def nearest_mean(tt, x, onehot, images):
    counts = tt.Tensor(onehot).sum(dim=0)
    means = (tt.Tensor(onehot).T @ tt.Tensor(x)) / counts.reshape(-1, 1)
    squares = (tt.Tensor(images).reshape(-1, 1, 64) - means) ** 2
    return means, squares.sum(dim=-1).argmin(dim=1)


@questions.ask("02", "Can I compute with tensors?", needs="environment tensor")
def reads_digits_by_their_means(student):
    """The nearest of ten mean images names most of the digits: matmul, broadcasting, reductions, in three lines."""
    data = digits(seed=2)
    onehot = np.eye(10, dtype=np.float32)[data.y_train]
    means, guess = student.nearest_mean(data.x_train, onehot, data.x_test)
    close(means, np.stack([data.x_train[data.y_train == k].mean(axis=0) for k in range(10)]), "the mean images")
    holds((guess == data.y_test).mean() > 0.85, "more than 85 % are named", named=(guess == data.y_test).mean())


# -- 03 activations ---------------------------------------------------------------------------------------------------


@probe
def hinges(tt, x, knots):
    return tt.activations.relu(tt.Tensor(x).reshape(-1, 1) - tt.Tensor(knots))


@probe
def shares(tt, logits):
    return tt.activations.softmax(tt.Tensor(logits), dim=-1)


@questions.ask("03", "Can I bend a straight line?", needs="environment tensor activations")
def bends_a_line_into_a_wave(student):
    """Sixteen of your hinges, added up, follow a sine; straight lines cannot. Your softmax turns scores into shares."""
    x, knots = np.linspace(0, 6, 200), np.linspace(-0.5, 5.5, 16)
    bent = student.hinges(x, knots)
    close(bent, np.maximum(x[:, None] - knots, 0), "the hinges")
    best = np.linalg.lstsq(bent, np.sin(x), rcond=None)[0]
    error = np.abs(bent @ best - np.sin(x)).max()
    holds(error < 0.05, "the sum of hinges follows the sine to 0.05", error=error)
    p = student.shares(np.array([[1000.0, 1000.0, 0.0], [-3.0, 0.0, 3.0]]))
    close(p.sum(axis=1), np.ones(2), "the sum of the shares")
    close(p[0], np.array([0.5, 0.5, 0.0]), "the shares of scores 1000, 1000, 0", atol=1e-6)


# -- 04 networks ------------------------------------------------------------------------------------------------------


@probe
def build_and_save(tt, x, seed):
    tt.manual_seed(seed)
    network = tt.nn.Sequential(tt.nn.Linear(64, 32), tt.nn.ReLU(), tt.nn.Linear(32, 10))
    for layer in (network[0], network[2]):
        layer.bias.data[...] = tt.randn(*layer.bias.shape).data
    tt.serialization.save(network.state_dict(), "network.safetensors")
    with open("network.safetensors", "rb") as file:
        return network(tt.Tensor(x)), np.frombuffer(file.read(), np.uint8)


@probe
def load_and_use(tt, x, stored):
    with open("network.safetensors", "wb") as file:
        file.write(stored.tobytes())
    network = tt.nn.Sequential(tt.nn.Linear(64, 32), tt.nn.ReLU(), tt.nn.Linear(32, 10))
    network.load_state_dict(tt.serialization.load("network.safetensors"))
    return network(tt.Tensor(x))


@questions.ask("04", "Can I build a network, save it and load it?", needs="environment tensor activations layers")
def a_network_survives_a_restart(student, restarted):
    """A network that is saved computes the same in another process, from the numbers that stand in the file."""
    x = digits(seed=4).x_test
    z, stored = student.build_and_save(x, 4)
    weights = stored_arrays(stored)
    same(sorted(weights), ["0.bias", "0.weight", "2.bias", "2.weight"], "the names in the file")
    hidden = np.maximum(x @ weights["0.weight"] + weights["0.bias"], 0)
    close(z, hidden @ weights["2.weight"] + weights["2.bias"], "what the network computes", rtol=1e-3, atol=1e-5)
    holds(weights["0.weight"].std() > 0.01, "the weights start at random", spread=weights["0.weight"].std())
    close(restarted.load_and_use(x, stored), z, "what it computes after a restart", rtol=0, atol=0)


def stored_arrays(stored):
    """The arrays of a safetensors file that came as bytes."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.safetensors")
        path.write_bytes(np.asarray(stored, np.uint8).tobytes())
        return serialization.load(path)


# -- 05 losses --------------------------------------------------------------------------------------------------------


@probe
def losses_of_a_network(tt, x, y, weight, bias):
    layer = tt.nn.Linear(*weight.shape)
    layer.weight.data[...], layer.bias.data[...] = weight, bias
    z = layer(tt.Tensor(x))
    return {
        "cross_entropy": tt.losses.cross_entropy(z, tt.Tensor(y)).item(),
        "mse": tt.losses.mse_loss(z, tt.Tensor(np.eye(10, dtype=np.float32)[y])).item(),
        "binary": tt.losses.binary_cross_entropy_with_logits(z, tt.Tensor(np.eye(10, dtype=np.float32)[y])).item(),
    }


@questions.ask("05", "Can I say how wrong a network is?", needs="environment tensor activations layers losses")
def three_ways_to_be_wrong(student):
    """Three losses of one network on the digits, with moderate weights and with some so large that e^x overflows."""
    data, rng = digits(seed=5), np.random.default_rng(5)
    x, y = data.x_test, data.y_test
    for size in (0.1, 300.0):
        weight, bias = (rng.normal(0, size, shape).astype(np.float32) for shape in [(64, 10), (10,)])
        z = x.astype(np.float64) @ weight + bias
        wanted = np.eye(10)[y]
        log_z = np.logaddexp.reduce(z, axis=1)
        found = student.losses_of_a_network(x, y, weight, bias)
        close(found["cross_entropy"], (log_z - z[np.arange(len(y)), y]).mean(), "cross-entropy", rtol=1e-3)
        close(found["mse"], ((z - wanted) ** 2).mean(), "the mean squared error", rtol=1e-3)
        close(found["binary"], (np.logaddexp(0, z) - wanted * z).mean(), "binary cross-entropy", rtol=1e-3)


# -- 06 gradients -----------------------------------------------------------------------------------------------------


@probe
def gradients_of_a_network(tt, x, y, w1, b1, w2, b2):
    w1, b1, w2, b2 = (tt.Tensor(value, requires_grad=True) for value in (w1, b1, w2, b2))
    hidden = tt.activations.tanh(tt.Tensor(x) @ w1 + b1)
    loss = tt.losses.cross_entropy(hidden @ w2 + b2 + hidden.mean(), tt.Tensor(y))
    loss.backward()
    return loss.item(), [w1.grad, b1.grad, w2.grad, b2.grad]


@questions.ask("06", "Can I get every gradient?", needs="environment tensor activations layers losses autograd")
def every_weight_knows_its_slope(student):
    """One walk back through a network with a branch gives the slope of each of its weights."""
    data, rng = digits(seed=6), np.random.default_rng(6)
    x, y = data.x_test[:50].astype(np.float64), data.y_test[:50]
    w1, b1, w2, b2 = (rng.normal(0, 0.3, shape) for shape in [(64, 12), (12,), (12, 10), (10,)])
    loss, found = student.gradients_of_a_network(x, y, w1, b1, w2, b2)
    hidden = np.tanh(x @ w1 + b1)
    z = hidden @ w2 + b2 + hidden.mean()
    log_z = np.logaddexp.reduce(z, axis=1, keepdims=True)
    close(loss, -(z - log_z)[np.arange(50), y].mean(), "the loss")
    dz = (np.exp(z - log_z) - np.eye(10)[y]) / 50
    dh = (dz @ w2.T + dz.sum() / hidden.size) * (1 - hidden**2)
    wanted = [x.T @ dh, dh.sum(axis=0), hidden.T @ dz, dz.sum(axis=0)]
    for name, yours, right in zip(["w1", "b1", "w2", "b2"], found, wanted):
        close(yours, right, f"the gradient of {name}")


# -- 07 steps ---------------------------------------------------------------------------------------------------------


@probe
def walk_down(tt, kind, options, start, curvature, steps, schedule):
    p = tt.nn.Parameter(np.array(start))
    optimizer = getattr(tt.optim, kind)([p], **options)
    rate = tt.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps) if schedule else None
    path = []
    for _ in range(steps):
        optimizer.zero_grad()
        ((p * p * tt.Tensor(curvature)).sum() / 2).backward()
        optimizer.step()
        if rate is not None:
            rate.step()
        path.append(p.data.copy())
    return np.array(path)


@questions.ask(
    "07", "Can I choose good steps?", needs="environment tensor activations layers losses autograd optimizers"
)
def four_ways_down_a_valley(student):
    """In a valley a hundred times steeper across than along, each optimizer takes the path that its equations say."""
    start, curvature, steps = np.array([3.0, 2.0]), np.array([1.0, 100.0]), 60
    ends = {}
    for kind, options, schedule in [
        ("SGD", {"lr": 0.015}, False),
        ("SGD", {"lr": 0.015, "momentum": 0.8}, False),
        ("Adam", {"lr": 0.3}, True),
        ("AdamW", {"lr": 0.3, "weight_decay": 0.1}, True),
    ]:
        name = f"{kind}({', '.join(f'{key}={value}' for key, value in options.items())})"
        path = student.walk_down(kind, options, start, curvature, steps, schedule)
        close(path, equations(kind, options, start, curvature, steps, schedule), f"the path of {name}", rtol=1e-5)
        ends[name] = (path[-1] ** 2 * curvature).sum() / 2
    holds(max(ends.values()) < 1.0, "all end near the bottom, from a height of 204.5", **ends)


def equations(kind, options, p, curvature, steps, schedule):
    """The path that the papers' equations describe."""
    p, v, s, path = p.copy(), np.zeros(2), np.zeros(2), []
    for t in range(1, steps + 1):
        lr = options["lr"] * ((1 + np.cos(np.pi * (t - 1) / steps)) / 2 if schedule else 1.0)
        g = curvature * p
        if kind == "SGD":
            v = options.get("momentum", 0.0) * v + g
            p = p - lr * v
        else:
            p = p * (1 - lr * options.get("weight_decay", 0.0))
            v, s = 0.9 * v + 0.1 * g, 0.999 * s + 0.001 * g * g
            p = p - lr * (v / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t)) + 1e-8)
        path.append(p)
    return np.array(path)


# -- 08 training ------------------------------------------------------------------------------------------------------


@probe
def train(tt, x, y, seed, stop_after, stored):
    """Train on the digits for ten epochs, from a checkpoint if there is one, and to a checkpoint if it is to stop."""
    from tinytorch.training import Batches, Trainer

    tt.manual_seed(seed)
    network = tt.nn.Sequential(tt.nn.Linear(64, 32), tt.nn.ReLU(), tt.nn.Dropout(0.1), tt.nn.Linear(32, 10))
    optimizer = tt.optim.Adam(network.parameters(), lr=1e-2)
    schedule = tt.optim.lr_scheduler.CosineAnnealingLR(optimizer, 45 * 10)
    enough = lambda trainer: trainer.stop() if trainer.steps == stop_after else None
    trainer = Trainer(network, optimizer, schedule=schedule, clip=5.0, callbacks=[enough])
    if stored is not None:
        with open("run.safetensors", "wb") as file:
            file.write(stored.tobytes())
        trainer.load("run.safetensors")
    trainer.fit(Batches(x, y, 32, seed=8), 10, checkpoint="run.safetensors")
    with open("run.safetensors", "rb") as file:
        return [p.data for p in network.parameters()], np.frombuffer(file.read(), np.uint8)


@questions.ask(
    "08",
    "Can I train a network, stop it, and go on?",
    needs="environment tensor activations layers losses autograd optimizers training",
)
def reads_95_percent_and_survives_a_stop(student, restarted):
    """A network learns to read 95 % of new digits; stopped in the middle and resumed in another process, it ends in
    the same weights, bit for bit."""
    data = digits(seed=8)
    whole, _ = student.train(data.x_train, data.y_train, 8, 0, None)
    w1, b1, w2, b2 = whole
    guess = (np.maximum(data.x_test @ w1 + b1, 0) @ w2 + b2).argmax(axis=1)
    right = (guess == data.y_test).mean()
    holds(right >= 0.95, "95 % of new digits are read", right=right)
    _, stored = student.train(data.x_train, data.y_train, 8, 217, None)
    resumed, _ = restarted.train(data.x_train, data.y_train, 9, 0, stored)  # another seed: all comes from the file
    for i, (yours, wanted) in enumerate(zip(resumed, whole)):
        close(yours, wanted, f"parameter {i} after stop and resume", rtol=0, atol=0)


GROUND = "environment tensor activations layers losses autograd optimizers training"

# -- 09 data ----------------------------------------------------------------------------------------------------------


@probe
def feed(tt, images, seed, epoch, ahead, skipped):
    """The numbers and images of an epoch's batches, behind those that are skipped; and how many threads remain."""
    import threading
    from functools import partial

    from tinytorch.dataloader import Compose, DataLoader, TensorDataset, crop, normalize

    before = threading.active_count()
    change = Compose([partial(crop, padding=1), partial(normalize, mean=[0.5], std=[0.25])])
    data = TensorDataset(images, np.arange(len(images)))
    loader = DataLoader(data, 32, shuffle=True, seed=seed, transform=change, prefetch=ahead)
    loader.load_state_dict({"epoch": epoch, "batch": skipped})
    batches = [(y.data, x.data) for x, y in loader]
    return [y for y, _ in batches], [x for _, x in batches], threading.active_count() - before


@questions.ask("09", "Can I feed a network as fast as it learns?", needs=f"{GROUND} dataloader")
def every_example_once_in_an_order_that_can_be_resumed(student):
    """An epoch has every image once, in the order that seed and epoch choose, moved by a pixel at most; made ahead in
    a thread or not, and begun in its middle, it is the same epoch."""
    images = np.round(16 * digits(seed=9).x_test).astype(np.uint8).reshape(-1, 1, 8, 8) * 15
    numbers, shown, _ = student.feed(images, 9, 3, 0, 0)
    order = np.argsort(np.random.PCG64([9, 3]).random_raw(len(images)), kind="stable")
    for k, at in enumerate(numbers):
        close(at, order[32 * k : 32 * k + 32], f"the numbers of batch {k}")
        holds(all(moved(x, images[i]) for x, i in zip(shown[k], at)), f"batch {k} shows its images, moved by a pixel")
    ahead, made, left = student.feed(images, 9, 3, 2, 7)
    holds(left == 0, "no thread is left behind", threads=left)
    for k, (at, x) in enumerate(zip(ahead, made), start=7):
        close(at, numbers[k], f"the numbers of batch {k}, begun in the middle")
        close(x, shown[k], f"the images of batch {k}, begun in the middle", rtol=0, atol=0)
    holds(len(ahead) == len(numbers) - 7, "the rest of the epoch comes, and no more", batches=len(ahead))


def moved(x, image):
    """Whether x is the image, normalised, moved by one pixel at most each way."""
    padded = np.pad(image[0], 1) / 255.0
    windows = [padded[i : i + 8, j : j + 8] for i in range(3) for j in range(3)]
    return x.shape == (1, 8, 8) and any(np.allclose(x[0], (one - 0.5) / 0.25, atol=1e-5) for one in windows)


# -- 10 images --------------------------------------------------------------------------------------------------------


@probe
def see(tt, x, y, seed):
    """Train a small convolutional network; its weights and running statistics by name."""
    from tinytorch.dataloader import DataLoader, TensorDataset
    from tinytorch.training import Trainer

    tt.manual_seed(seed)
    nn, layers = tt.nn, []
    for inputs, outputs in ((1, 6), (6, 16)):  # few channels: conv2d takes the kernels that are exercises
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, 10))
    loader = DataLoader(TensorDataset(x, y), 32, shuffle=True, seed=seed)
    Trainer(network, tt.optim.Adam(network.parameters(), lr=5e-3)).fit(loader, 8)
    return network.state_dict()


@questions.ask("10", "Can I classify images?", needs=f"{GROUND} dataloader convolutions")
def reads_96_percent_with_filters(student):
    """A network of two convolutions, trained by your code and evaluated here, reads 96 % of new digits."""
    data = digits(seed=10)
    state = student.see(data.x_train.reshape(-1, 1, 8, 8), data.y_train, 10)
    z = data.x_test.reshape(-1, 1, 8, 8)
    for at in (0, 4):
        z = convolved(z, state[f"{at}.weight"], state[f"{at}.bias"])
        mean, var, scale, shift = (
            state[f"{at + 1}.{name}"].reshape(-1, 1, 1) for name in ("running_mean", "running_var", "weight", "bias")
        )
        z = np.maximum((z - mean) / np.sqrt(var + 1e-5) * scale + shift, 0)
        z = z.reshape(len(z), -1, z.shape[2] // 2, 2, z.shape[3] // 2, 2).max(axis=(3, 5))
    scores = z.reshape(len(z), -1) @ state["9.weight"] + state["9.bias"]
    right = (scores.argmax(axis=1) == data.y_test).mean()
    holds(right >= 0.96, "96 % of new digits are read", right=right)


def convolved(x, weight, bias):
    """A 3 x 3 convolution by the sum over its nine places."""
    padded, (h, w) = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), x.shape[2:]
    places = [(i, j) for i in range(3) for j in range(3)]
    terms = (np.tensordot(padded[:, :, i : i + h, j : j + w], weight[:, :, i, j], (1, 1)) for i, j in places)
    return np.moveaxis(sum(terms) + bias, -1, 1)


# -- 11 text ----------------------------------------------------------------------------------------------------------


@probe
def read_and_write(tt, known, text, size, weight, g):
    """A tokenizer learns from `known`; the text becomes ids, vectors, places, and by its nearest tokens text again."""
    from tinytorch.embeddings import Embedding, rotate, sinusoids, tied_logits
    from tinytorch.tokenization import BytePairTokenizer

    tokenizer = BytePairTokenizer.train(known, size)
    ids = np.array(tokenizer.encode(text))
    table = Embedding(*weight.shape)
    table.weight.data[...] = weight
    x = table(ids)
    (x * tt.Tensor(g[: len(ids)])).sum().backward()
    nearest = tied_logits(x, table.weight).argmax(dim=-1).data
    return {
        "ids": ids,
        "vectors": x,
        "gradient": table.weight.grad,
        "text": tokenizer.decode(nearest.tolist()),
        "waves": sinusoids(*x.shape),
        "turned": rotate(x, start=3),
    }


@questions.ask("11", "Can I turn text into vectors, and back?", needs="environment tensor tokenization embeddings")
def text_comes_back_from_its_vectors(student):
    """A text that your tokenizer never saw becomes ids, vectors that know their places, and the same text again."""
    known = "the cat sat on the mat, the rat sat on the cat; that is that. " * 3
    text = "the café cat and the bat sat on that mat; the 7 rats sat there, too \u2713"
    size, rng = 290, np.random.default_rng(11)
    weight = np.linalg.qr(rng.standard_normal((size, size)))[0].astype(np.float32)  # each row nearest to itself
    g = rng.standard_normal((len(text.encode()), size)).astype(np.float32)
    ids = np.array(reference_tokenizer(known, size).encode(text))
    found = student.read_and_write(known, text, size, weight, g)
    close(found["ids"], ids, "the ids of the text")
    close(found["vectors"], weight[ids], "the vectors of the text")
    same(found["text"], text, "the text that comes back")
    wanted = np.zeros_like(weight)
    for token, row in zip(ids, g):
        wanted[token] += row
    close(found["gradient"], wanted, "the gradient of the table", atol=1e-5)
    hands = 10000.0 ** (-np.arange(0, size, 2) / size)
    at = np.outer(np.arange(len(ids)), hands)
    waves = np.stack([np.sin(at), np.cos(at)], axis=-1).reshape(len(ids), size)
    close(found["waves"], waves.astype(np.float32), "the sinusoids", rtol=1e-4, atol=1e-5)
    pairs = weight[ids, : size // 2] + 1j * weight[ids, size // 2 :]
    pairs = pairs * np.exp(1j * (at + 3 * hands))
    turned = np.concatenate([pairs.real, pairs.imag], axis=1).astype(np.float32)
    close(found["turned"], turned, "the vectors, turned by their places", rtol=1e-4, atol=1e-5)


def reference_tokenizer(known, size):
    """What the course's own tokenizer learns from a text."""
    from tinytorch.tokenization import BytePairTokenizer

    return BytePairTokenizer.train(known, size)


# -- 12 words that look at each other ---------------------------------------------------------------------------------


@probe
def remember(tt, ids, lengths, wanted, new_ids, new_lengths, seed):
    """Train attention to answer questions about what it was told; its weights, and what it says of new ones."""
    from tinytorch.attention import causal_mask, join_heads, padding_mask, split_heads, textbook_attention
    from tinytorch.embeddings import Embedding

    class Listener(tt.nn.Module):
        def __init__(self):
            self.words = Embedding(13, 16)
            self.query, self.key, self.value = (tt.nn.Linear(32, 32) for _ in range(3))
            self.read = tt.nn.Linear(32, 6)

        def forward(self, ids, lengths):
            x = self.words(ids)
            x = tt.concatenate([x, tt.concatenate([x[:, :1] * 0, x[:, :-1]], dim=1)], dim=-1)
            q, k, v = (split_heads(part(x), 2) for part in (self.query, self.key, self.value))
            seen = causal_mask(ids.shape[1]) & padding_mask(lengths, ids.shape[1])
            return self.read(join_heads(textbook_attention(q, k, v, seen)))

    tt.manual_seed(seed)
    network, rng = Listener(), np.random.default_rng(seed)
    optimizer = tt.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(250):
        at = rng.integers(0, len(ids), 32)
        scores = network(ids[at], lengths[at])[np.arange(32), lengths[at] - 1]
        loss = tt.losses.cross_entropy(scores, tt.Tensor(wanted[at]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with tt.no_grad():
        return network.state_dict(), network(new_ids, new_lengths)


@probe
def by_blocks(tt, q, k, v, block):
    return tt.attention.blockwise_attention(q, k, v, is_causal=True, block=block)


@questions.ask("12", "Can I let words look at each other?", needs=f"{GROUND} embeddings attention")
def answers_what_it_was_told(student):
    """Told a 1, b 2, c 3 and asked for b, attention that your code trains says 2, in sequences of several lengths; and
    it gives the same mean of 300 places when it takes them in blocks."""
    ids, lengths, wanted = told(2000, seed=12)
    new_ids, new_lengths, right = told(500, seed=13)
    asked = np.append(new_lengths, 0)  # and one of no length, which may look at nothing
    state, z = student.remember(ids, lengths, wanted, np.concatenate([new_ids, new_ids[:1]]), asked, 12)
    expected = listened(state, np.concatenate([new_ids, new_ids[:1]]), asked)
    close(z, expected, "what the network says", rtol=1e-3, atol=1e-3)
    share = (expected[np.arange(500), new_lengths - 1].argmax(axis=1) == right).mean()
    holds(share >= 0.95, "95 % of new questions are answered", answered=share)
    q, k, v = np.random.default_rng(14).normal(0, 6, (3, 2, 300, 8))
    close(student.by_blocks(q, k, v, 64), mean_of_seen(q, k, v, np.tri(300, dtype=bool)), "attention in blocks")


def told(count, seed):
    """Two or three pairs of a name, 0 to 5, and a number, 6 to 11, then a name; filled up with 12. And the number."""
    rng = np.random.default_rng(seed)
    names = rng.random((count, 6)).argsort(axis=1)[:, :3]
    numbers, pairs = rng.integers(6, 12, (count, 3)), rng.integers(2, 4, count)
    at, ids = rng.integers(0, pairs), np.full((count, 7), 12)
    ids[:, 0:6:2], ids[:, 1:6:2] = names, numbers
    ids[np.arange(7) >= 2 * pairs[:, None]] = 12
    ids[np.arange(count), 2 * pairs] = names[np.arange(count), at]
    return ids, 2 * pairs + 1, numbers[np.arange(count), at] - 6


def listened(state, ids, lengths):
    """What the network says by its weights, (B, T, 6): attention of two heads, each by its own 16 numbers."""
    x = state["words.weight"].astype(np.float64)[ids]
    x = np.concatenate([x, np.pad(x, ((0, 0), (1, 0), (0, 0)))[:, :-1]], axis=-1)
    q, k, v = (x @ state[f"{name}.weight"] + state[f"{name}.bias"] for name in ("query", "key", "value"))
    seen = np.tri(7, dtype=bool) & (np.arange(7) < lengths[:, None, None])
    heads = [slice(0, 16), slice(16, 32)]
    z = np.concatenate([mean_of_seen(q[..., h], k[..., h], v[..., h], seen) for h in heads], axis=-1)
    return (z @ state["read.weight"] + state["read.bias"]).astype(np.float32)


def mean_of_seen(q, k, v, seen):
    """softmax(q k^T / sqrt(d)) v over the keys that may be seen; zeros where there are none."""
    scores = np.where(seen, q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]), -np.inf)
    e = np.exp(scores - np.maximum(scores.max(axis=-1, keepdims=True), -1e300))
    return e @ v / np.maximum(e.sum(axis=-1, keepdims=True), 1e-300)


# -- 13 writing -------------------------------------------------------------------------------------------------------

WRITING = f"{GROUND} dataloader tokenization embeddings attention transformers"
DAYS = "monday tuesday wednesday thursday friday saturday sunday "


@probe
def learn_the_days(tt, text, prompt, seed):
    """A GPT of one block learns a text; its ids, weights by name, logits, and what it writes, always and by chance."""
    from tinytorch.tokenization import CharTokenizer
    from tinytorch.transformers import GPT, TransformerConfig, generate, next_token_loss

    tt.manual_seed(seed)
    tokenizer, context = CharTokenizer(text), 24
    ids = np.array(tokenizer.encode(text))
    model = GPT(TransformerConfig(len(tokenizer), context=context, width=32, layers=1, heads=2))
    optimizer, rng = tt.optim.AdamW(model.parameters(), lr=5e-3), np.random.default_rng(seed)
    for _ in range(250):
        at = rng.integers(0, len(ids) - context, 16)[:, None] + np.arange(context)
        loss = next_token_loss(model(ids[at]), ids[at + 1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    given = tokenizer.encode(prompt)
    always = tokenizer.decode(generate(model, given, 60, temperature=0))
    chance = list(generate(model, given, 20, top_k=1, seed=seed))
    with tt.no_grad():
        logits = model(ids[100 : 100 + context])
    return {"ids": ids, "weights": model.state_dict(), "logits": logits, "always": always, "chance": chance}


@questions.ask("13", "Can I train a network that writes?", needs=WRITING)
def writes_the_days_of_the_week(student):
    """A GPT, trained by your code, writes the week in its order; its logits are computed again, here."""
    text = DAYS * 20
    found = student.learn_the_days(text, DAYS[:16], 13)
    letters = sorted(set(text))
    ids = np.array([letters.index(letter) for letter in text])
    same(found["ids"].tolist(), ids.tolist(), "the ids of the text")
    logits = written_logits(found["weights"], ids[100:124])
    close(found["logits"][0], logits.astype(np.float32), "the logits", rtol=1e-3, atol=1e-3)
    shifted = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(24), ids[101:125]]
    loss = losses[12:].mean()
    holds(loss < 0.2, "with twelve letters to look back at, the loss is below 0.2", loss=loss)
    same(found["always"], text[16:76], "how the week goes on")
    same(found["chance"], ids[16:36].tolist(), "how it goes on with the likeliest token alone")


def written_logits(state, ids):
    """A GPT of one block with two heads, by its equations: ids (T,) -> logits (T, V)."""
    block = "transformer.blocks.0"

    def norm(x, name):
        deviation = x - x.mean(axis=1, keepdims=True)
        scale = np.sqrt((deviation**2).mean(axis=1, keepdims=True) + 1e-5)
        return deviation / scale * state[f"{name}.weight"] + state[f"{name}.bias"]

    def line(x, name):
        return x @ state[f"{block}.{name}.weight"] + state[f"{block}.{name}.bias"]

    x = state["tokens.weight"][ids] + state["transformer.positions.weight"][: len(ids)]
    read = norm(x, f"{block}.norm1")
    q, k, v = (line(read, f"attention.{name}").reshape(len(ids), 2, -1) for name in ("query", "key", "value"))
    scores = np.einsum("thd,shd->hts", q, k) / np.sqrt(q.shape[-1])
    scores = np.where(np.tri(len(ids), dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    x = x + line(np.einsum("hts,shd->thd", weights, v).reshape(len(ids), -1), "attention.out")
    h = line(norm(x, f"{block}.norm2"), "feed_forward.up")
    gelu = h * (1 + np.tanh(np.sqrt(2 / np.pi) * (h + 0.044715 * h**3))) / 2
    x = x + line(gelu, "feed_forward.down")
    return norm(x, "transformer.norm") @ state["tokens.weight"].T


# -- 14 where the time goes -------------------------------------------------------------------------------------------


@probe
def profile_a_step(tt, x, y, seed):
    """A training step of a convolutional network inside a profile: its clock, its rows by operation and by module."""
    from tinytorch.profiling import Profile, amdahl

    tt.manual_seed(seed)
    nn = tt.nn
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Flatten(),
        nn.Linear(1024, 10),
    )  # fmt: skip
    optimizer = tt.optim.Adam(model.parameters(), lr=1e-3)
    with Profile() as profile:
        with profile.region("step"):
            nn.functional.cross_entropy(model(tt.Tensor(x)), tt.Tensor(y)).backward()
        with profile.region("optimizer"):
            optimizer.step()
    rows = profile.by_operation()
    share = (rows["conv2d"].own + rows["conv2d_vjp"].own) / profile.seconds
    return {
        "seconds": profile.seconds,
        "rows": {name: [row.calls, row.total, row.own, row.flops, row.moved] for name, row in rows.items()},
        "modules": {name: [row.calls, row.flops] for name, row in profile.by_module().items()},
        "limit": [share, amdahl([share], [2.0])],
    }


@questions.ask("14", "Do I know where the time goes?", needs=f"{GROUND} convolutions profiling")
def every_second_has_one_owner(student):
    """Your profile of a training step adds up to the clock; it counts what was computed and moved, by the formulas."""
    data = digits(seed=14)
    x, y = data.x_train[:32].reshape(-1, 1, 8, 8), data.y_train[:32]
    found = student.profile_a_step(x, y, 14)
    own = sum(row[2] for row in found["rows"].values())
    holds(abs(own - found["seconds"]) <= 0.03 * found["seconds"], "self times add up to the clock", sum=own)
    longer = all(row[1] >= row[2] - 1e-9 for row in found["rows"].values())
    holds(longer, "no self time is longer than its total", rows=found["rows"])
    pixels, first, second = 32 * 64, 2 * 9 * 8, 2 * 9 * 8 * 16  # FLOPs of a pixel in the two convolutions
    there = pixels * (first + 8 + second + 16)
    back = pixels * (first + 8 + 2 * second + 16)  # the images need no gradient
    counts = {name: [found["rows"][name][i] for i in (0, 3)] for name in ("conv2d", "conv2d_vjp", "linear", "relu")}
    same(counts["conv2d"], [2, there], "calls and FLOPs of conv2d")
    same(counts["conv2d_vjp"], [2, back], "calls and FLOPs of its rule")
    same(counts["linear"], [1, 32 * 10 * 2 * 1024 + 320], "calls and FLOPs of linear")
    same(counts["relu"], [2, pixels * (8 + 16)], "calls and FLOPs of relu")
    same(found["rows"]["relu"][4], 2 * 4 * pixels * (8 + 16), "the bytes that relu moves")
    modules = {name: calls for name, (calls, _) in found["modules"].items()}
    same(modules, {"Sequential": 1} | {f"Sequential.{i}": 1 for i in range(6)}, "the calls of modules")
    same(found["modules"]["Sequential.2"][1], pixels * (3 * second + 2 * 16), "the FLOPs of the second convolution")
    share, twice = found["limit"]
    holds(0 < share < 1, "convolutions have a part of the time", share=share)
    close(twice, 1 / (1 - share / 2), "what convolutions twice as fast are worth")


# -- 15 smaller, and faster -------------------------------------------------------------------------------------------


@probe
def make_smaller(tt, x, y, images, seed):
    """A network learns the digits, and is made smaller in three ways: in int8, with half of its units, nearly empty."""
    from tinytorch.compression import Pruner, cubic_sparsity, shrink_network
    from tinytorch.quantization import quantize_model, stored_bytes
    from tinytorch.training import Batches, Trainer

    tt.manual_seed(seed)
    nn, batches = tt.nn, Batches(x, y, 32, seed=8)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    Trainer(model, tt.optim.Adam(model.parameters(), lr=0.003)).fit(batches, 8)
    small, half = quantize_model(model, [tt.Tensor(x)]), shrink_network(model, 0.5, tt.Tensor(x))
    weights = [p.data.copy() for p in model.parameters()]
    with tt.no_grad():
        logits = [network.eval()(tt.Tensor(images)).data for network in (model, small)]
        first = small[0](tt.Tensor(images))
    pruner = Pruner(model.train(), lambda step: cubic_sparsity(step, steps=180, final=0.8))
    Trainer(model, tt.optim.Adam(model.parameters(), lr=0.001), callbacks=[pruner]).fit(batches, 6)
    return {
        "weights": weights, "logits": logits, "first": first, "layer": small[0].state_dict(),
        "bytes": [stored_bytes(model), stored_bytes(small)],
        "half": [p.data for p in half.parameters()], "pruned": [p.data for p in model.parameters()],
    }  # fmt: skip


@probe
def answer_faster(tt, text, prompt, new, seed):
    """A GPT learns a text, and goes on with a prompt: by what it remembers, and with another one that guesses ahead."""
    from tinytorch.acceleration import fused_cross_entropy
    from tinytorch.memoization import TextReader, speculate
    from tinytorch.transformers import GPT, TransformerConfig, next_token_loss

    tt.manual_seed(seed)
    tokenizer, context = tt.tokenization.CharTokenizer(text), 24
    ids, config = np.array(tokenizer.encode(text)), TransformerConfig(len(tokenizer), context, 32, 1, 2)
    model, stranger = GPT(config), GPT(config).eval()
    optimizer, rng = tt.optim.AdamW(model.parameters(), lr=5e-3), np.random.default_rng(seed)
    for _ in range(250):
        at = rng.integers(0, len(ids) - context, 16)[:, None] + np.arange(context)
        optimizer.zero_grad()
        next_token_loss(model(ids[at]), ids[at + 1]).backward()
        optimizer.step()
    reader, tokens, logits = TextReader(model.eval()), tokenizer.encode(prompt), []
    for _ in range(new):
        logits.append(reader.read(tokens)[0])
        tokens = [*tokens, int(logits[-1].argmax())]
    said, reads = [], []
    for draft in (model, stranger):
        target = TextReader(model)
        ahead = speculate(target, TextReader(draft), tokenizer.encode(prompt), new, ahead=3, temperature=0)
        said.append(list(ahead))
        reads.append(target.computed)
    with tt.no_grad():
        features = model.transformer(model.tokens(ids[None, :context])).data[0]
    x, head = (tt.Tensor(part, requires_grad=True) for part in (features, model.tokens.weight.data.T.copy()))
    loss = fused_cross_entropy(x, head, ids[1 : context + 1], rows=10)
    loss.backward()
    return {
        "weights": model.state_dict(), "logits": logits, "tokens": tokens[-new:], "computed": reader.computed,
        "said": said, "reads": reads, "features": features, "loss": loss, "gradients": [x.grad, head.grad],
    }  # fmt: skip


SMALLER = f"{WRITING} quantization compression memoization acceleration"


@questions.ask("15", "Can I make a network smaller and its answers faster?", needs=SMALLER)
def says_the_same_with_less(student):
    """A network in int8, with half of its units, or a fifth of its weights, reads as it did; a GPT that reads no place
    twice, or lets another one guess, writes as it did; a loss takes its logits a few rows at a time."""
    data = digits(seed=15)
    found = student.make_smaller(data.x_train, data.y_train, data.x_test, 15)
    in_int8(found, data)
    fewer_units(found, data)
    fewer_weights(found["pruned"], data)
    nothing_twice(student.answer_faster(DAYS * 20, DAYS[:16], 8, 15))


def forward(weights, x):
    """Linear layers of these weights and biases, with a relu between two of them."""
    for weight, bias in zip(weights[:-2:2], weights[1:-2:2]):
        x = np.maximum(x @ weight + bias, 0)
    return x @ weights[-2] + weights[-1]


def right(logits, y):
    """The share of right answers."""
    return (logits.argmax(axis=1) == y).mean()


def in_int8(found, data):
    whole, small = (right(logits, data.y_test) for logits in found["logits"])
    holds(whole > 0.93, "more than 93 % of new digits are read in float32", read=whole)
    holds(abs(whole - small) <= 0.006, "in int8 it is half a point less at the most", float32=whole, int8=small)
    layer = found["layer"]
    same(str(layer["weight"].dtype), "int8", "the dtype of a weight")
    q = np.clip(np.rint(data.x_test / layer["scale"]) + layer["zero"], -128, 127)
    sums = (q - layer["zero"]) @ layer["weight"].astype(np.float64)
    expected = (sums * (np.float64(layer["scale"]) * layer["weight_scale"]) + layer["bias"]).astype(np.float32)
    close(found["first"], expected, "what the first layer computes", rtol=1e-6)
    before, after = found["bytes"]
    holds(after < 0.28 * before, "it takes little more than a quarter of the bytes", before=before, after=after)


def fewer_units(found, data):
    """The half of each layer's units that weighs most stays; the others' means go into the next biases."""
    expected, x = [np.array(part, np.float64) for part in found["weights"]], data.x_train
    for i in (0, 2):
        kept = np.sort(np.argsort(-np.abs(expected[i]).sum(axis=0), kind="stable")[: expected[i].shape[1] // 2])
        cut = np.setdiff1d(np.arange(expected[i].shape[1]), kept)
        z = np.maximum(x @ expected[i] + expected[i + 1], 0)
        expected[i + 3] = expected[i + 3] + z.mean(axis=0)[cut] @ expected[i + 2][cut]
        expected[i], expected[i + 1], expected[i + 2] = (
            expected[i][:, kept],
            expected[i + 1][kept],
            expected[i + 2][kept],
        )
        x = np.maximum(x @ expected[i] + expected[i + 1], 0)
    for i, (yours, wanted) in enumerate(zip(found["half"], expected)):
        close(yours, wanted.astype(np.float32), f"parameter {i} with half of the units", rtol=1e-4, atol=1e-4)


def fewer_weights(pruned, data):
    for weight in pruned[::2]:
        zeros = int((weight == 0).sum())
        holds(zeros == round(0.8 * weight.size), "four of five weights are zero", zeros=zeros, weights=weight.size)
    read = right(forward(pruned, data.x_test), data.y_test)
    holds(read > 0.93, "with a fifth of its weights it reads more than 93 % of new digits", read=read)


def nothing_twice(found):
    letters = sorted(set(DAYS))
    ids = [letters.index(letter) for letter in DAYS[:24]]
    for turn, logits in enumerate(found["logits"]):
        expected = written_logits(found["weights"], np.array(ids[: 16 + turn]))[-1]
        close(logits, expected.astype(np.float32), f"the logits after {16 + turn} letters", rtol=1e-3, atol=1e-3)
    same(found["tokens"], ids[16:], "how the week goes on")
    same(found["computed"], 16 + 7, "the places that are read: each of them once")
    same(found["said"], [ids[16:]] * 2, "how it goes on where another network guesses")
    close_guesses, strange_guesses = found["reads"]
    holds(close_guesses <= strange_guesses, "a good guess costs no more than a bad one", reads=found["reads"])
    x, head = found["features"].astype(np.float64), found["weights"]["tokens.weight"].T.astype(np.float64)
    logits = x @ head
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    target = np.array([letters.index(letter) for letter in (DAYS * 2)[1:25]])
    close(found["loss"], np.float32(-np.log(p[np.arange(24), target]).mean()), "the fused loss", rtol=1e-4, atol=1e-5)
    p[np.arange(24), target] -= 1
    for yours, wanted, name in zip(found["gradients"], (p @ head.T / 24, x.T @ p / 24), ("features", "head")):
        close(yours, wanted.astype(np.float32), f"the gradient of the {name}", rtol=1e-3, atol=1e-5)


# -- 16 fair, and healthy ---------------------------------------------------------------------------------------------


@probe
def compete(tt, x, y, x_new, y_new, seconds, seed):
    """Three entries and a baseline answer new digits by a clock that they move themselves: seconds (4, turns)."""
    from tinytorch.olympics import EVENTS, Examples, class_mistakes, race, score_entry

    now, turn, drawn = [0.0], dict.fromkeys(range(4), 0), np.random.default_rng(seed)

    def fresh():
        at = drawn.integers(0, len(x_new), 30)
        return Examples(x_new[at], y_new[at])

    def contestant(number):
        def answer(images):
            now[0] += seconds[number, turn[number]]
            turn[number] += 1
            nearest = ((images[:, None] - x) ** 2).sum(axis=2).argmin(axis=1)
            return np.eye(10)[y[nearest]] * (number != 2)  # the third is quick, and says nothing

        return answer

    names = ["quick", "even", "silent", "baseline"]
    contestants = {name: contestant(number) for number, name in enumerate(names)}
    heats = race(contestants, fresh, class_mistakes, lambda: now[0], np.random.default_rng(seed), len(seconds[0]) - 1)
    sizes, event = {"quick": 250, "even": 1000, "silent": 10, "baseline": 1000}, EVENTS["mlp_sprint"]
    told = {
        name: {"latency": heat.seconds, "throughput": heat.seconds, "memory": 7, "size": sizes[name],
               "losses": heat.losses}
        for name, heat in heats.items()
    }  # fmt: skip
    scores = [score_entry(event, told[name], told["baseline"], np.random.default_rng(seed)) for name in names[:3]]
    return {
        "seconds": [heats[name].seconds for name in names], "losses": [heats[name].losses for name in names],
        "gains": [dict(score.gains) for score in scores], "totals": [score.total for score in scores],
        "passed": [score.passed for score in scores], "weights": dict(event.measures),
    }  # fmt: skip


@probe
def keep_healthy(tt, x, y, known, clean, turned, turned_y, later, later_y, seed):
    """A model goes live; the digits turn on their side; a monitor sees it, and another model takes its place."""
    from tinytorch.mlops import Canary, Monitor, OnlineDetector, Registry, Retraining
    from tinytorch.training import Batches, Trainer

    tt.manual_seed(seed)
    nn = tt.nn
    make = lambda: nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    empty = make().state_dict()

    def train(state, x, y):
        model = make()
        model.load_state_dict(state)
        Trainer(model, tt.optim.Adam(model.parameters(), lr=0.01)).fit(Batches(x, y, 32, seed=8), 10)
        return model.state_dict()

    def answers(state, x):
        model = make()
        model.load_state_dict(state)
        with tt.no_grad():
            return nn.functional.softmax(model(tt.Tensor(x)), dim=-1).data

    right = lambda state, x, y: answers(state, x).argmax(axis=1) == y
    registry = Registry("models")
    first = train(empty, x, y)
    registry.promote("digits", registry.register("digits", first), reason="the first")
    monitor = Monitor(known, answers(first, known), size=100)
    windows = [*np.split(clean, 2), *np.split(turned[:200], 2)]
    alarms = [monitor.observe(window, answers(first, window), 0.001) for window in windows]
    left = lambda x: x.reshape(-1, 8, 8)[:, :, :2].mean(axis=(1, 2))  # the ink of the left quarter
    detector, stream = OnlineDetector(left(known), run_length=5000), left(np.concatenate([clean, turned[:100]]))
    online = [i for i, value in enumerate(stream) if detector.update(value)]
    retraining = Retraining(registry, "digits", train, right, "train", canary=lambda: Canary(share=0.5, enough=40))
    decisions, state = [retraining.drifted(turned, turned_y, "drift")], "waiting"
    both = {"live": first, "canary": registry.load("digits", "canary")} if decisions[0].promote else {}
    for i in range(len(later)):
        if both and state == "waiting":
            who = retraining.canary.route(f"image {i}")
            state = retraining.record(who, bool(right(both[who], later[i : i + 1], later_y[i : i + 1])[0]))
    live = registry.load("digits")
    worse = Retraining(registry, "digits", lambda state, x, y: empty, right, "nothing")
    decisions.append(worse.drifted(turned, turned_y, "a drill"))
    refused = registry.load("digits")
    registry.rollback("digits", "a drill")
    return {
        "alarms": alarms, "online": online, "decisions": [list(one) for one in decisions], "first": first, "live": live,
        "empty": empty, "refused": refused, "back": registry.load("digits"),
        "finding": [one.statistic for one in monitor.findings if one.name == "confidence"],
        "log": [[change.version, change.stage] for change in registry.history("digits")],
    }  # fmt: skip


@probe
def in_batches(tt, arrivals, deadlines, asked):
    """What a queue gives to be computed together, and what is too late, each time that it is asked."""
    from tinytorch.mlops import BatchQueue, Request

    queue, waiting, taken = BatchQueue(most=3, wait=0.5, waiting=9), list(zip(arrivals, deadlines)), []
    for now in asked:
        while waiting and waiting[0][0] <= now:
            arrived, deadline = waiting.pop(0)
            queue.put(Request(float(arrived), float(arrived), float(deadline)))
        taken.append([[request.item for request in part] for part in queue.take(float(now))])
    return taken


@questions.ask("16", "Can I compare fairly, and keep a model healthy?", needs=f"{WRITING} benchmarking olympics mlops")
def what_is_better_wins_and_what_is_worse_goes(student):
    """An entry that is twice as fast wins, one that was only lucky gains nothing, one that says nothing is out. A model
    whose inputs have changed is noticed, and replaced by one that is surely better, never by a worse one."""
    data = digits(seed=16)
    fair(student, data)
    found_and_mended(student, data)
    taken = student.in_batches(ARRIVALS, DEADLINES, ASKED)
    same(taken, [[[], []], [[0.0, 0.1, 0.2], []], [[], []], [[0.3], [0.35]]], "what is computed together, what is late")


ARRIVALS, DEADLINES, ASKED = [0.0, 0.1, 0.2, 0.3, 0.35], [9.0, 9.0, 9.0, 9.0, 0.5], [0.15, 0.25, 0.4, 0.8]


def fair(student, data):
    rng, turns = np.random.default_rng(16), 21
    slow = rng.uniform(0.9, 1.1, turns) + np.linspace(0, 1, turns)  # the machine slows down as the race goes on
    noise = rng.uniform(0.98, 1.02, (2, turns))
    even = np.where(np.arange(turns) % 2, 0.9, 1.1) * slow
    seconds = np.stack([slow / 2 * noise[0], even, slow / 100, slow])
    x, y = data.x_train[:400], data.y_train[:400]
    found = student.compete(x, y, data.x_test, data.y_test, seconds, 16)
    drawn = np.random.default_rng(16)
    at = np.array([drawn.integers(0, len(data.x_test), 30) for _ in range(turns)])[1:].ravel()
    nearest = ((data.x_test[at][:, None] - x) ** 2).sum(axis=2).argmin(axis=1)
    mistakes = (y[nearest] != data.y_test[at]).astype(float)
    for i, name in enumerate(("quick", "even", "silent", "baseline")):
        close(found["seconds"][i], seconds[i, 1:], f"the seconds of the {name} entry, without the first turn")
        wanted = mistakes if name != "silent" else np.ones_like(mistakes)
        close(found["losses"][i], wanted, f"the mistakes of the {name} entry")
    same(found["passed"], [True, True, False], "who comes through the gate")
    quick, even, _ = found["gains"]
    holds(1.9 < quick["latency"] <= 2, "half the time gains nearly 2", gain=quick["latency"])
    same([even[name] for name in ("latency", "throughput", "size", "memory")], [1.0] * 4, "luck gains nothing")
    close(quick["size"], 4.0, "what a quarter of the bytes gains")
    weights = found["weights"]
    whole = sum(weight * np.log(quick[name]) for name, weight in weights.items()) / sum(weights.values())
    close(np.array(found["totals"]), np.array([np.exp(whole), 1.0, 0.0]), "the combined scores")


def found_and_mended(student, data):
    turn = lambda x: np.ascontiguousarray(x.reshape(-1, 8, 8).transpose(0, 2, 1)).reshape(-1, 64)
    x, known, y = data.x_train[:900], data.x_train[900:], data.y_train[:900]
    later, later_y = turn(data.x_test), data.y_test
    found = student.keep_healthy(x, y, known, data.x_test[:200], turn(x), y, later, later_y, 16)
    same(found["alarms"], [False, False, False, True], "the alarm, after two clean windows and two that are turned")
    weights = {name: [found[name][f"{i}.{part}"] for i in (0, 2) for part in ("weight", "bias")] for name in MODELS}
    confidence = [sure(forward(weights["first"], part)) for part in (known, turn(x)[100:200])]
    close(
        np.array(found["finding"]),
        np.array([apart(*confidence)]),
        "how far the confidences lie apart",
        rtol=1e-4,
        atol=1e-4,
    )
    holds(bool(found["online"]) and 200 <= found["online"][0] < 230, "value by value it is seen soon, and not before",
          alarms=found["online"])  # fmt: skip
    for number, (new, old) in enumerate([("live", "first"), ("empty", "live")]):
        ours, theirs = (forward(weights[name], turn(x)[1::2]).argmax(axis=1) == y[1::2] for name in (new, old))
        better, worse = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
        chance = sum(comb(better + worse, k) for k in range(better, better + worse + 1)) / 2 ** (better + worse)
        decision = found["decisions"][number]
        same(decision[:3], [chance <= 0.05, better, worse], f"decision {number + 1}")
        close(decision[3], chance, f"the chance of decision {number + 1}", rtol=1e-6, atol=1e-12)
    before, after = (right(forward(weights[name], later), later_y) for name in ("first", "live"))
    holds(before < 0.7 and after > 0.85, "the new model reads what has turned", before=before, after=after)
    log = [[1, "candidate"], [1, "live"], [2, "candidate"], [2, "canary"], [1, "retired"], [2, "live"]]
    log += [[3, "candidate"], [3, "refused"], [2, "rolled back"], [1, "live"]]
    same(found["log"], log, "what the registry wrote down")
    for name, wanted in (("refused", "live"), ("back", "first")):
        for yours, expected in zip(weights[name], weights[wanted]):
            close(yours, expected, "the weights that are live", rtol=0, atol=0)


MODELS = ("first", "live", "empty", "refused", "back")


def sure(logits):
    """The largest probability of each row."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True)).max(axis=1)


def apart(x, y):
    """The largest difference between the shares of both that are at most some value."""
    return max(abs((x <= value).mean() - (y <= value).mean()) for value in np.concatenate([x, y]))
