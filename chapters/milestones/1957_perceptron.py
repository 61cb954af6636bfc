"""1957: A perceptron learns to tell handwritten zeros from ones.

Notation: x (N, 3) what is seen of N images; y (N,) +1 for a one, -1 for a zero; w (3,) the weights.
The perceptron says "one" where x @ w > 0. Where it is wrong, it adds y * x to w. Rosenblatt, 1958.
"""

import numpy as np

from tinytorch.datasets import digits
from tinytorch.environment import manual_seed
from tinytorch.tensor import Tensor, no_grad, randn

NEEDS = ("environment", "tensor")


def features(images: np.ndarray) -> np.ndarray:
    """(N, 64) -> (N, 3): the ink in the centre, how unlike its mirror image it is, and a 1 for the threshold."""
    image = images.reshape(-1, 8, 8)
    centre = image[:, 2:6, 3:5].mean(axis=(1, 2))
    asymmetry = np.abs(image - image[:, :, ::-1]).mean(axis=(1, 2))
    return np.stack([centre, asymmetry, np.ones_like(centre)], axis=1)


def zeros_and_ones(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features and +-1 of the images that are a 0 or a 1."""
    chosen = labels <= 1
    return features(images[chosen]), np.where(labels[chosen] == 1, 1.0, -1.0).astype(np.float32)


def right(w: Tensor, x: np.ndarray, y: np.ndarray) -> float:
    """The share of images on the right side of the line."""
    return float((((Tensor(x) @ w).data > 0) == (y > 0)).mean())


def correct(w: Tensor, x: np.ndarray, y: np.ndarray, order: np.ndarray) -> int:
    """Look at each image once; learn from every mistake, and count them."""
    mistakes = 0
    with no_grad():
        for i in order:
            seen, wanted = Tensor(x[i]), float(y[i])
            if wanted * (seen @ w).item() <= 0:
                w += wanted * seen
                mistakes += 1
    return mistakes


def run(stage, epochs: int = 100):
    data = digits(seed=stage.seed)
    x, y = zeros_and_ones(data.x_train, data.y_train)
    x_test, y_test = zeros_and_ones(data.x_test, data.y_test)

    manual_seed(stage.seed)
    w = randn(3)
    untrained = w.data.copy()
    kept = stage.load("perceptron")
    mistakes = kept.get("mistakes", np.zeros(0, np.int64)).tolist()
    w = Tensor(kept.get("w", w.data))

    def note() -> str:
        return f"{mistakes[-1]} mistakes, {right(w, x_test, y_test):.1%} right"

    for epoch in stage.steps("epochs", epochs, start=len(mistakes), note=note):
        order = np.random.default_rng([stage.seed, epoch]).permutation(len(x))
        mistakes.append(correct(w, x, y, order))
        stage.save("perceptron", {"w": w.data, "mistakes": np.array(mistakes)})
        if mistakes[-1] == 0:  # every image is on its side of the line: nothing will ever change again
            break

    rng = np.random.default_rng(stage.seed)
    luck = [right(Tensor(rng.standard_normal(3)), x_test, y_test) for _ in range(1000)]
    before, after = right(Tensor(untrained), x_test, y_test), right(w, x_test, y_test)
    stage.say(f"1,000 random lines read {np.mean(luck):.1%} on average.")
    stage.say(f"Untrained it reads {before:.1%} of {len(x_test)} new zeros and ones, trained {after:.1%}.")
    return {
        "accuracy": after,
        "untrained": {"weights": untrained, "accuracy": before},
        "trained": {"weights": w.data, "accuracy": after},
        "mistakes": mistakes,
        "luck": {"mean": np.mean(luck), "counts": np.histogram(luck, bins=20, range=(0, 1))[0]},
        "images": {"train": len(x), "test": len(x_test)},
        "test": {"x": x_test[:, :2], "y": y_test},
    }
