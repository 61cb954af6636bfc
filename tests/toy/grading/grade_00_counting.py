"""Counting."""

import numpy as np
from hypothesis import strategies as st

from tito.rubrics.compare import same
from tito.rubrics.rubric import Rubric, given

rubric = Rubric("00", module="counting")
rubric.exercise("count", difficulty=1, minutes=2)
rubric.doctests("count", points=1)


@rubric.check("count", points=2)
@given(st.integers(1, 9))
def every_element(student, n):
    """Every element counts once."""
    same(student.count(np.zeros(n)), n, "the count")
