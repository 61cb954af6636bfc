"""size, closed division: a byte for each weight, and a scale for each column."""

import numpy as np

from tinytorch import olympics

EVENT = olympics.EVENTS["size"]


def pack(weights):
    kept = {}
    for name, x in weights.items():
        scale = np.abs(x).max(axis=0) / 127
        if x.ndim == 2:
            kept[f"{name}.scale"], x = scale.astype(np.float16), np.round(x / scale)
        kept[name] = x.astype(np.int8 if x.ndim == 2 else np.float16)
    return kept


def load(kept):
    model = olympics.baseline(EVENT)
    names = [name for name in kept if not name.endswith(".scale")]
    model.load_state_dict({name: (kept[name] * kept.get(f"{name}.scale", 1)).astype(np.float32) for name in names})
    return model
