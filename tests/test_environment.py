"""What is true of the machine's description, of bytes, of seeds and of timings."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tinytorch.environment import (
    Machine,
    Timing,
    bandwidth,
    blas_threads,
    generator,
    machine,
    manual_seed,
    matmul_flops,
    nbytes,
    parse_cpu,
    parse_memory,
    peak_matmul,
    summarize,
    timeit,
)

# -- the machine ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("unknown", 0)),
        ("processor\t: 0\nBogoMIPS\t: 50\n\nprocessor\t: 1\n", ("unknown", 2)),
        ("processor: 0\nmodel name: A: B\n", ("A: B", 1)),
        ("processor : 0\r\nmodel name : Z80\r\n", ("Z80", 1)),
        ("model name : \nprocessor : 0", ("", 1)),
        ("flags : fpu processor model name\nprocessor : 0\n", ("unknown", 1)),
        ("vendor_id: IBM\n# processors : 4\nprocessor 0: version = FF\n", ("unknown", 0)),
    ],
)
def test_parse_cpu_reads_odd_texts(text, expected):
    assert parse_cpu(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MemTotal: 1 kB", 1024),
        ("MemTotal:1024kB\n", 2**20),
        ("MemFree: 5 kB\nMemTotal:\t  16 kB\nSwapTotal: 99 kB\n", 16 * 1024),
        ("MemTotal: 2 kB\r\nMemFree: 1 kB\r\n", 2048),
        ("MemTotal: 99999999999 kB", 99999999999 * 1024),
    ],
)
def test_parse_memory_reads_odd_texts(text, expected):
    assert parse_memory(text) == expected


@pytest.mark.parametrize("text", ["", "MemFree: 5 kB", "NotMemTotal: 5 kB", "MemTotal: many kB", "MemTotal: 5 pages"])
def test_parse_memory_says_what_it_needs(text):
    with pytest.raises(ValueError, match="needs a line such as"):
        parse_memory(text)


def test_this_machine_has_a_description():
    here = machine()
    assert here.cpu and here.cores >= 1 and here.memory >= 0 and here.threads >= 1
    assert here.numpy == np.__version__ and here.python == ".".join(map(str, sys.version_info[:3]))
    assert str(here).startswith(f"{here.cpu}, {here.cores} cores") and here.blas in str(here)
    assert str(Machine("Z80", 1, 2**30, "3.11", "2.0", "none", 2)).endswith("none on 2 threads")


@pytest.mark.parametrize(
    ("settings", "threads"),
    [({"OPENBLAS_NUM_THREADS": "3"}, 3), ({"OMP_NUM_THREADS": "2"}, 2), ({"MKL_NUM_THREADS": "many"}, os.cpu_count())],
)
def test_blas_threads_are_those_of_the_settings(monkeypatch, settings, threads):
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert blas_threads() == threads


def test_freed_memory_can_be_kept():
    """In a process of its own, for it changes the allocator for good."""
    program = "from tinytorch.environment import keep_freed_memory as keep; print(keep(), keep())"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert answer.split() in (["True", "True"], ["False", "False"])


# -- bytes and work ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (1,), (3, 4), (0, 5), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["float16", np.float32, np.dtype("float64"), bool, "int8"])
def test_nbytes_is_that_of_the_array(shape, dtype):
    assert nbytes(shape, dtype) == np.zeros(shape, dtype).nbytes
    assert nbytes(shape) == np.zeros(shape, np.float32).nbytes


@pytest.mark.parametrize(("m", "k", "n"), [(2, 3, 4), (1, 1, 1), (5, 0, 2)])
def test_matmul_flops_counts_two_for_each_product(m, k, n):
    assert matmul_flops(m, k, n) == sum(2 for _ in np.ndindex(m, k, n))


def test_yardsticks_are_positive():
    assert bandwidth(2**20) > 0 and peak_matmul(size=16) > 0


# -- chance --------------------------------------------------------------------------------------------------------


def test_a_seed_restarts_the_one_generator():
    assert manual_seed(5) is generator
    first = generator.random(4)
    assert manual_seed(5).random(4).tolist() == first.tolist() == np.random.default_rng(5).random(4).tolist()
    assert manual_seed(6).random(4).tolist() != first.tolist()


def test_a_refused_seed_changes_nothing():
    manual_seed(5)
    with pytest.raises(ValueError, match="0 or more, got -1"):
        manual_seed(-1)
    with pytest.raises(TypeError):
        manual_seed("five")
    assert generator.random() == np.random.default_rng(5).random()


# -- time ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [([1.0], (1, 1, 1)), ([2.0, 1.0], (1.5, 1, 2)), ([9.0, 1.0, 2.0], (2, 1, 9)), ([4.0, 1.0, 2.0, 3.0], (2.5, 1, 4))],
)
def test_summarize_takes_the_middle_and_the_extremes(seconds, expected):
    assert summarize(seconds) == Timing(*expected)


def test_timeit_warms_up_tries_and_repeats():
    calls = []
    timing = timeit(lambda: calls.append(1), repeats=3, at_least=0)
    assert len(calls) == 1 + 1 + 3
    assert 0 < timing.fastest <= timing.median <= timing.slowest
