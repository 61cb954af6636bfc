"""What is true of the digits that come with the package."""

import numpy as np
import pytest

from tinytorch.datasets import Split, digits


def test_digits_have_their_shapes_dtypes_and_range():
    data = digits()
    assert isinstance(data, Split) and data.x_train is data[0]
    assert [(part.shape, part.dtype) for part in data] == [
        ((1437, 64), np.float32),
        ((1437,), np.int64),
        ((360, 64), np.float32),
        ((360,), np.int64),
    ]
    assert data.x_train.min() == 0 and data.x_train.max() == 1
    assert set(data.y_train) == set(data.y_test) == set(range(10))


@pytest.mark.parametrize(("test", "seed"), [(1, 0), (360, 1), (1796, 2)])
def test_a_split_holds_every_digit_once(test, seed):
    whole, part = digits(), digits(test, seed)
    rows = lambda data: sorted(map(bytes, np.concatenate([data.x_train, data.x_test])))
    assert len(part.x_test) == len(part.y_test) == test
    assert rows(part) == rows(whole)
    counts = np.bincount(np.concatenate([part.y_train, part.y_test]))
    np.testing.assert_array_equal(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])


def test_a_seed_decides_the_split():
    assert all(np.array_equal(a, b) for a, b in zip(digits(seed=4), digits(seed=4)))
    assert not np.array_equal(digits(seed=4).y_test, digits(seed=5).y_test)


def test_labels_stay_with_their_images():
    """The nearest of ten mean images names most digits, so rows of x and y have not come apart."""
    data = digits()
    means = np.stack([data.x_train[data.y_train == k].mean(axis=0) for k in range(10)])
    nearest = ((data.x_test[:, None] - means) ** 2).sum(axis=-1).argmin(axis=1)
    assert (nearest == data.y_test).mean() > 0.85


@pytest.mark.parametrize("test", [0, -1, 1797, 5000])
def test_what_cannot_be_held_out_is_named(test):
    with pytest.raises(ValueError, match=f"1..1796 can be held out, got {test}"):
        digits(test)
