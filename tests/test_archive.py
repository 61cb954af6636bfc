"""What a program saves, it loads: tensors and what they stand in. Pickles are refused."""

import numpy as np
import pytest
from oracles import pytorch

import tinytorch as tt
from tinytorch import nn, serialization


def test_what_was_saved_is_loaded(tmp_path):
    model = nn.Linear(2, 3)
    optimizer = tt.optim.Adam(model.parameters())
    model(tt.ones(1, 2)).sum().backward()
    optimizer.step()
    kept = {
        "epoch": 3, "model": model.state_dict(), "optimizer": optimizer.state_dict(), "best": np.float32(0.5),
        "history": [1.5, None, True, "text"], ("a", 1): (tt.tensor([1, 2]), tt.tensor(True)),
        1: tt.zeros(1), "1": tt.ones(1),
    }  # fmt: skip
    tt.save(kept, tmp_path / "c.pt")
    found = tt.load(tmp_path / "c.pt", map_location="cpu")
    assert (
        list(found) == list(kept)
        and found["epoch"] == 3
        and found["history"] == kept["history"]
        and found["best"] == 0.5
    )
    whole, truth = found["a", 1]
    assert whole.tolist() == [1, 2] and whole.dtype == np.int64 and truth.item() is True
    assert found[1].item() == 0 and found["1"].item() == 1
    other = nn.Linear(2, 3)
    other.load_state_dict(found["model"])
    assert tt.equal(other.weight, model.weight)
    optimizer.load_state_dict(found["optimizer"])


def test_a_dict_of_tensors_is_a_plain_file_of_the_format(tmp_path):
    tt.save({"w": tt.ones(2, 3), "b": np.zeros(3, np.float32)}, tmp_path / "w.safetensors")
    assert serialization.load(tmp_path / "w.safetensors")["w"].tolist() == [[1, 1, 1], [1, 1, 1]]
    assert isinstance(tt.load(tmp_path / "w.safetensors")["b"], tt.Tensor)
    tt.save(tt.arange(3), tmp_path / "one")
    assert tt.load(tmp_path / "one").tolist() == [0, 1, 2]


def test_what_cannot_be_saved_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"got Linear: save its state_dict\(\)"):
        tt.save({"model": nn.Linear(1, 1)}, tmp_path / "m")
    with pytest.raises(TypeError, match="got set"):
        tt.save({"x": {1}}, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_a_pickle_is_refused_with_the_reason(tmp_path):
    torch = pytorch()
    for name, options in (("zip", {}), ("old", {"_use_new_zipfile_serialization": False})):
        torch.save({"w": torch.ones(1)}, tmp_path / name, **options)
        with pytest.raises(ValueError, match="is a pickle: reading one runs whatever"):
            tt.load(tmp_path / name)
    with pytest.raises(RuntimeError, match="cuda"):
        tt.load(tmp_path / "zip", map_location="cuda")
