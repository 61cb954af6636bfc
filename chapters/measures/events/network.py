"""An entry for mlp_sprint: the baseline itself, to begin from.

Closed division, as it stands: no weights of its own. The judge hands the baseline's to `load`,
which returns a model; how they are kept and computed is free. If there is a function
pack(weights), the judge keeps what it returns, measures the size of that, and hands it to `load`.

Open division: put a weights.safetensors of your own beside this file, and `load` gets its arrays.
Any network will do. predict(x), with arrays in and out, may stand in the place of load.
"""

from tinytorch import olympics

EVENT = olympics.EVENTS["mlp_sprint"]


def load(weights):
    model = olympics.baseline(EVENT)
    model.load_state_dict(weights)
    return model
