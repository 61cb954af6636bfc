"""Scaling."""

import numpy as np
from hypothesis import strategies as st

from tito.rubrics.compare import close, nudged, same
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("01", module="scaling")
rubric.exercise("double", difficulty=1, minutes=4)
rubric.exercise("share", difficulty=1, minutes=3)
rubric.exercise("Scaler.apply", difficulty=1, minutes=3)
rubric.exercise("Scaler.describe", difficulty=2, minutes=5)
vectors = st.lists(st.integers(-5, 5), min_size=1, max_size=4).map(lambda values: np.array(values, np.float64))

rubric.doctests("double", points=1)


@rubric.check("double", points=2)
@given(vectors)
def twice(student, x):
    """Twice as much."""
    close(student.double(x), 2 * x, "2x")


@rubric.check("double", points=1)
@given(vectors)
def slope_is_two(student, x):
    """The output moves twice as fast as the input."""
    [slope] = nudged(student.double, x)
    close(slope, np.full(x.shape, 2.0), "the slope")


@rubric.check("share", points=2)
@given(vectors)
def shares_sum_to_the_mean(student, x):
    """All shares together are the mean."""
    close(student.share(x), x / len(x), "the shares")


@rubric.probe
def scaled(tt, k, x):
    from tinytorch.scaling import Scaler

    return Scaler(k).apply(x)


@rubric.check("Scaler.apply", points=2)
@given(st.integers(2, 5).map(float), vectors)
def by_k(student, k, x):
    """k times as much."""
    close(student.scaled(k, x), k * x, "k x")


rubric.doctests("Scaler.describe", points=1)


@rubric.probe
def described(tt, k):
    from tinytorch.scaling import Scaler

    return Scaler(k).describe()


@rubric.check("Scaler.describe", points=1)
def says_its_factor(student):
    """The description ends with the factor."""
    same(student.described(3.0), "named 3.0", "the description")
