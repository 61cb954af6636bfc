"""Trains a network for mlp_sprint and writes its weights beside this file, for the open division: tito run train.py

As it stands, it is the baseline's network and recipe, on the part of the data that is there to learn from.
"""

from pathlib import Path

from tinytorch import olympics, serialization

EVENT = olympics.EVENTS["mlp_sprint"]


def tell(step, loss):
    if step % 100 == 99:
        print(f"step {step + 1}: loss {loss:.3f}")


model = olympics.train_baseline(EVENT, olympics.source_of(EVENT).learn, after=tell)
serialization.save(model.state_dict(), Path(__file__).with_name("weights.safetensors"))
