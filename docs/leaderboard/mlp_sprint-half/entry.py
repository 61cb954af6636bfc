"""mlp_sprint, closed division: the baseline's weights in float16 on disk, three products without a graph in memory."""

import numpy as np


def pack(weights):
    return {name: x.astype(np.float16) for name, x in weights.items()}


def load(weights):
    w1, b1, w2, b2, w3, b3 = (weights[name].astype(np.float32) for name in sorted(weights, key=order))

    def answer(x):
        x = np.maximum(x.data @ w1 + b1, 0)
        x = np.maximum(x @ w2 + b2, 0)
        return Answer(x @ w3 + b3)

    return answer


def order(name):
    layer, kind = name.split(".")
    return int(layer), kind != "weight"


class Answer:
    def __init__(self, data):
        self.data = data
