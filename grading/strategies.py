"""Strategies that rubrics share. All shrink to something a person can check by hand: small whole numbers, few axes.

Floats are float64 arrays of whole numbers unless a name says otherwise: differences of the student's own forward need
the digits, and whole numbers print well.
"""

from typing import Any

import numpy as np
from hypothesis import strategies as st

Strategy = st.SearchStrategy[Any]


def shapes(dims: int = 2, sides: int = 3, least: int = 0) -> Strategy:
    """Shapes with `least` to `dims` axes of 1 to `sides`: (), (2,), (1, 3)..."""
    return st.lists(st.integers(1, sides), min_size=least, max_size=dims).map(tuple)


def filled(shape: tuple[int, ...], numbers: Strategy, dtype: Any = np.float64) -> Strategy:
    """Arrays of one shape whose elements come from a strategy of numbers."""
    size = int(np.prod(shape))
    return st.lists(numbers, min_size=size, max_size=size).map(lambda values: np.array(values, dtype).reshape(shape))


def whole_numbers(shape: tuple[int, ...], most: int = 5) -> Strategy:
    """Float arrays of -most..most."""
    return filled(shape, st.integers(-most, most))


def arrays(dims: int = 2, sides: int = 3, least: int = 0, most: int = 5) -> Strategy:
    """Float arrays of whole numbers in any small shape."""
    return shapes(dims, sides, least).flatmap(lambda shape: whole_numbers(shape, most))


def no_zeros(shape: tuple[int, ...], most: int = 5) -> Strategy:
    """Float arrays of whole numbers but 0: away from the kink of relu and |x|, and safe to divide by."""
    return filled(shape, st.integers(1, most).flatmap(lambda n: st.sampled_from([n, -n])))


def positive(shape: tuple[int, ...], most: int = 5) -> Strategy:
    """Float arrays of 1..most: safe to divide by and to take logarithms of."""
    return filled(shape, st.integers(1, most))


def distinct(shape: tuple[int, ...]) -> Strategy:
    """Float arrays in which no two numbers are equal: away from the ties of max and sort."""
    return st.permutations(range(1, int(np.prod(shape)) + 1)).map(
        lambda values: np.array(values, np.float64).reshape(shape)
    )


def mixed(shape: tuple[int, ...], most: int = 4) -> Strategy:
    """Float arrays of -most..most but 0, drawn as one number, so that larger arrays are quick to draw.

    Shrinks to 1, 2, 3...
    """
    size = int(np.prod(shape))

    def numbers(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        signed = rng.integers(1, most + 1, size) * rng.choice([-1, 1], size)
        return (signed if seed else np.arange(1, size + 1)).astype(np.float64).reshape(shape)

    return st.integers(0, 10**6).map(numbers)


def shuffled(shape: tuple[int, ...]) -> Strategy:
    """What `distinct` gives, drawn as one number. Shrinks to 1, 2, 3..."""
    size = int(np.prod(shape))

    def numbers(seed: int) -> np.ndarray:
        order = np.random.default_rng(seed).permutation(size) if seed else np.arange(size)
        return (order + 1.0).reshape(shape)

    return st.integers(0, 10**6).map(numbers)


def dtyped(*values: Any) -> list[Any]:
    """Nested lists of numbers as cases of every seed: each as float32 and as float16, and a batch of none."""
    cases = [np.array(numbers, dtype) for numbers in values for dtype in (np.float32, np.float16)]
    return [*cases, np.zeros((0, 3), np.float32)]


@st.composite
def same_shape(draw: Any, count: int = 2, dims: int = 2, least: int = 0, most: int = 5) -> tuple[Any, ...]:
    """`count` arrays of one shape."""
    shape = draw(shapes(dims, least=least))
    return tuple(draw(whole_numbers(shape, most)) for _ in range(count))


@st.composite
def broadcastable_shapes(draw: Any, dims: int = 2, sides: int = 3) -> tuple[Any, Any, Any]:
    """Two shapes that broadcast, and the shape they broadcast to."""
    full = draw(shapes(dims, sides))

    def part() -> tuple[int, ...]:
        kept = full[draw(st.integers(0, len(full))) :]
        return tuple(draw(st.sampled_from([side, 1])) for side in kept)

    x, y = draw(st.sampled_from([(full, full), (full, part()), (part(), full)]))
    return x, y, full


@st.composite
def broadcastable_pair(draw: Any, dims: int = 2, sides: int = 3, most: int = 5) -> tuple[Any, Any, Any]:
    """x and y that broadcast together, and g in the shape of the result."""
    return tuple(draw(whole_numbers(shape, most)) for shape in draw(broadcastable_shapes(dims, sides)))  # type: ignore[return-value]


@st.composite
def matrix_pair(draw: Any, batches: bool = False, sides: int = 3, most: int = 5) -> tuple[Any, Any, Any]:
    """X (n, k), Y (k, m), and G (n, m); with batches, leading axes that broadcast, too."""
    n, k, m = (draw(st.integers(1, sides)) for _ in range(3))
    x, y, z = draw(broadcastable_shapes(1)) if batches else ((), (), ())
    return (
        draw(whole_numbers((*x, n, k), most)),
        draw(whole_numbers((*y, k, m), most)),
        draw(whole_numbers((*z, n, m), most)),
    )


@st.composite
def logits_and_classes(draw: Any, rows: int = 3, classes: int = 4, most: int = 3) -> tuple[Any, Any]:
    """Logits (n, classes), at least two classes, and one class index for each row."""
    n, c = draw(st.integers(1, rows)), draw(st.integers(2, classes))
    return draw(whole_numbers((n, c), most)), draw(filled((n,), st.integers(0, c - 1), np.int64))


# -- cases that every seed has ----------------------------------------------------------------------------------------


def example(*shape: int, start: float = 1, dtype: Any = np.float64) -> np.ndarray:
    """start, start + 1, start + 2... in a shape."""
    return (start + np.arange(int(np.prod(shape)))).reshape(shape).astype(dtype)


def in_dtype(dtype: Any, *values: Any) -> tuple[Any, ...]:
    """The values, those of them that are arrays of floats in one dtype."""
    floats = [isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f" for value in values]
    return tuple(value.astype(dtype) if is_float else value for value, is_float in zip(values, floats))


def in_each_dtype(*values: Any) -> list[tuple[Any, ...]]:
    """One case in float32 and one in float16: what comes out has the dtype of what went in."""
    return [in_dtype(dtype, *values) for dtype in (np.float32, np.float16)]
