"""Demos: each says what is true; on a terminal they are live, piped they are plain, and Ctrl-C ends them."""

import ast
import functools
import os
import re
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from toys import SCALING, TOY, instead
from typer.testing import CliRunner

from tito import cli, course
from tito.history import demos

ROOT = Path(__file__).parents[1]
COURSE = course.Course(ROOT)
EVERY = demos.demos(COURSE)
each = pytest.mark.parametrize("one", EVERY, ids=lambda one: one.chapter.number)


@functools.cache
def told(number: str, *arguments: str) -> str:
    """What a demo of the reference prints where it is piped."""
    done = subprocess.run(
        [sys.executable, "-m", "tito", "demo", number, *arguments, "--reference"],
        capture_output=True, text=True, encoding="utf-8", env={**os.environ, "COLUMNS": "80"}, timeout=120, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    return done.stdout


def pages(number: str, *arguments: str) -> list[str]:
    """The frames that it prints, without their title."""
    one = demos.wanted(COURSE, number)
    head, *found = told(number, *arguments).split(f"{one.chapter.number}  {one.title}\n")
    assert head == "On the reference, all of it.\n"
    return found


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"[-+]?\d+(?:\.\d+)?(?:e[-+]\d+)?", text)]


def said(page: str) -> str:
    """The caption of a frame: its last paragraph, on one line."""
    return " ".join(page.strip().split("\n\n")[-1].split())


# -- all of them ------------------------------------------------------------------------------------------------------


def test_every_chapter_has_a_demo():
    assert [one.chapter for one in EVERY] == COURSE.chapters()


@each
def test_a_demo_is_short_and_stands_on_chapters_up_to_its_own(one):
    source = one.path.read_text(encoding="utf-8")
    assert len(source.splitlines()) < 60 and 10 < len(one.title) <= 60
    later = {chapter.name for chapter in COURSE.chapters() if chapter.number > one.chapter.number}
    modules = [node.module or "" for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    assert f"tinytorch.{one.chapter.name}" in modules
    assert not later & {module.partition(".")[2] for module in modules}


@each
def test_piped_it_is_a_few_plain_frames(one):
    text = told(one.chapter.number)
    assert "\x1b" not in text and max(map(len, text.splitlines())) <= 80
    found = pages(one.chapter.number)
    assert 1 <= len(found) <= 12
    assert all(page.rstrip("\n").count("\n") < 22 and said(page) for page in found)


# -- what each says ---------------------------------------------------------------------------------------------------


def test_00_the_factor_is_that_of_the_rates():
    (page,) = pages("00")
    rates = [float(rate) for rate in re.findall(r"([\d.]+) GB/s$", page, re.MULTILINE)]
    assert len(rates) == 14 and min(rates) > 0
    assert re.findall(r"(\d+) MiB  ", page)[-1] == "128"
    factor = float(re.search(r"a factor of (\d+\.\d)", said(page))[1])
    assert factor == pytest.approx(max(rates) / rates[-1], rel=0.05)


def test_01_the_table_and_the_strides():
    table, wide, x, turned = pages("01")
    assert [numbers(line)[-4:] for line in table.splitlines()[1:4]] == [
        [10 * i + j for j in (1, 2, 3, 4)] for i in range(3)
    ]
    assert "strides (1, 0)" in wide and "in memory 3 numbers" in wide
    assert "x: shape (3, 4), strides (4, 1)" in x and "x[2, 3] = 11 lies at 2 × 4 + 3 × 1 = 11" in x
    assert "x.T: shape (4, 3), strides (1, 4)" in turned and "x.T[3, 2] = 11 lies at 3 × 1 + 2 × 4 = 11" in turned


def test_02_values_and_errors():
    found = [said(page) for page in pages("02")]
    at = np.array([-2.0, 0.0, 2.0])
    gelu = 0.5 * at * (1 + np.tanh(np.sqrt(2 / np.pi) * (at + 0.044715 * at**3)))
    expected = {"relu": np.maximum(at, 0), "sigmoid": 1 / (1 + np.exp(-at)), "tanh": np.tanh(at), "gelu": gelu}
    for caption, (name, values) in zip(found, expected.items()):
        assert caption == ", ".join(f"{name}({x:g}) = {z:.3f}" for x, z in zip(at, values))
    x = np.linspace(-3, 3, 193)
    for caption in found[4:]:
        relus, _, error = numbers(caption.replace("2x", "2"))
        knots = np.linspace(-3, 3, int(relus) + 1)
        assert error == pytest.approx(np.abs(np.interp(x, knots, np.sin(2 * knots)) - np.sin(2 * x)).max(), abs=2e-3)


def test_03_only_one_deviation_brings_the_signal_through():
    for page, scale in zip(pages("03"), (0.7, 1.3, 1.0)):
        start, end, layers = numbers(said(page))[-3:]
        assert layers == 30 and 0.3 < end / (start * scale**30) < 3


def test_04_the_walk_ends_in_the_lowest_place():
    _, page = pages("04")
    rng = np.random.default_rng(0)
    x = rng.uniform(-1.5, 1.5, 40)
    y = 1.5 * x - 0.75 + rng.normal(0, 0.3, 40)
    land = {(w, b): np.mean((w * x + b - y) ** 2) for w in np.linspace(-1, 3, 25) for b in np.linspace(1.75, -1.75, 15)}
    w, b = min(land, key=land.get)
    assert numbers(said(page))[:3] == pytest.approx([w, b, land[w, b]], abs=6e-3)


def test_05_the_gradients_are_those_of_nudges():
    *_, page = pages("05")
    rows = [numbers(line) for line in page.splitlines()]
    w, x, b, v, y = rows[2][0], rows[6][0], rows[6][1], rows[6][2], rows[6][3]
    back = [rows[3][0], *rows[7]]

    def loss(p):
        w, x, b, v, y = p
        return (v * np.tanh(w * x + b) - y) ** 2

    here = np.array([w, x, b, v, y])
    nudged = [(loss(here + 1e-5 * e) - loss(here - 1e-5 * e)) / 2e-5 for e in np.eye(5)]
    assert back == pytest.approx(nudged, abs=2e-3)
    assert rows[2][-1] == pytest.approx(loss(here), abs=1e-3) and rows[3][-1] == 1
    assert numbers(said(page))[0] == pytest.approx(nudged[0], abs=2e-3)


def test_06_the_walkers_stand_where_their_equations_lead():
    def slope(p):
        return np.array([-2 * (1 - p[0]) - 40 * p[0] * (p[1] - p[0] ** 2), 20 * (p[1] - p[0] ** 2)])

    def height(p):
        return (1 - p[0]) ** 2 + 10 * (p[1] - p[0] ** 2) ** 2

    plain, heavy, speed, adam, m, v = (
        np.array(p) for p in ([-1.5, 2.5], [-1.5, 2.5], [0.0, 0.0], [-1.5, 2.5], [0.0, 0.0], [0.0, 0.0])
    )
    for t in range(1, 81):
        plain = plain - 0.005 * slope(plain)
        speed = 0.9 * speed + slope(heavy)
        heavy = heavy - 0.002 * speed
        g = slope(adam)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        adam = adam - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    _, page, last = pages("06")
    for name, place in (("SGD", plain), ("Momentum", heavy), ("Adam", adam)):
        assert float(re.search(rf"{name} +\S* +(\S+)", page)[1]) == pytest.approx(height(place), rel=0.05)
    assert said(last).startswith("After 240 steps Adam stands lowest")


def test_07_it_learns_to_read():
    first, *_, last = (said(page) for page in pages("07"))
    assert numbers(first)[1] < 30 and numbers(last) == [270, pytest.approx(95, abs=4), 360]
    assert re.findall(r"wrong|right", pages("07")[-1]).count("right") >= 4


def test_08_reading_ahead_reads_while_it_learns():
    (page,) = pages("08")
    reading, learning = (
        [line[9:] for line in page.splitlines() if line.startswith(name)] for name in ("reading", "learning")
    )
    both = [sum(a != " " != b for a, b in zip(*lanes)) for lanes in zip(reading, learning)]
    assert both[0] == 0 < both[1]
    for lane in reading + learning:
        assert re.sub(r"(.)\1*", r"\1", lane.replace(" ", "")) in "0123456789"
    alone, ahead = (float(seconds) for seconds in re.findall(r"10 batches in ([\d.]+) s", page))
    assert alone >= 1.6 and ahead >= 0.8 and numbers(said(page))[0] == pytest.approx(100 * ahead / alone, abs=1.5)


def test_09_the_strongest_answers():
    from tinytorch.datasets import digits

    image = digits().x_test[0].reshape(8, 8)
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    for page, weight in zip(pages("09"), (sobel, sobel.T)):
        answers = np.einsum("ijab,ab->ij", np.lib.stride_tricks.sliding_window_view(image, (3, 3)), weight)
        assert numbers(said(page))[-1] == pytest.approx(answers.flat[np.abs(answers).argmax()], abs=6e-3)
        assert ("fits best" in said(page)) == (answers.max() == np.abs(answers).max())


def test_10_as_many_tokens_as_counting_by_hand_leaves():
    text = "\n".join(re.sub(r"[|]", "", line).replace("_", " ") for line in pages("10")[0].splitlines()[1:6])
    order = [*range(33, 127), *range(161, 173), *range(174, 256)]
    order += sorted({*range(256)} - {*order})
    words = [
        [order.index(byte) for byte in word.encode()] for word in re.findall(r" ?\w+| ?[^\s\w]+|\s+(?!\S)|\s+", text)
    ]
    counts = [sum(map(len, words))]
    for new in range(256, 280):
        pairs = [pair for word in words for pair in pairwise(word)]
        best = min(set(pairs), key=lambda pair: (-pairs.count(pair), pair))
        for word in words:
            for i in reversed(range(len(word) - 1)):
                if (word[i], word[i + 1]) == best:
                    word[i : i + 2] = [new]
        counts.append(sum(map(len, words)))
    assert [numbers(said(page))[-1] for page in pages("10")] == [counts[k] for k in (0, 1, 2, 4, 8, 16, 24)]


def test_11_the_neighbours_are_of_its_kind():
    animals = {"cat", "dog", "cow", "horse", "mouse", "bird"}
    first, *_, last = pages("11")
    nearest = lambda page: set(re.findall(r"\w+", said(page).partition(" are ")[2]))
    assert nearest(last) < animals and not nearest(first) < animals
    others = [line.split()[-3:] for line in last.splitlines() if re.search(r"█.* 0\.\d\d", line)]
    assert {word for word, *_ in others[:5]} == animals - {"cat"}
    foods = {"soup", "rice", "cake", "cheese", "corn", "bread"}
    assert nearest(pages("11", "soup")[-1]) < foods


def test_12_the_weights_of_a_sentence():
    letters, letters_back, before, before_back = pages("12")
    assert "cat (11) hears cat (2) 50%, cat (11) 50%" in said(letters_back)
    assert said(before).startswith("A head that asks for the word before")
    assert said(before_back).startswith("Looking back only: cat (11) hears the (10)")
    rows = [line[12:] for line in letters_back.splitlines()[2:13]]
    assert all(not row[4 * (i + 1) :].strip() for i, row in enumerate(rows))  # nobody hears what comes later
    assert any(line[12 + 4 * (i + 1) :].strip() for i, line in enumerate(letters.splitlines()[2:13]))
    typed = pages("12", "no lemons no melon")
    assert "melon (4) hears melon (4)" in said(typed[1]) and "lemons (2)" in said(typed[1])


def test_13_it_learns_to_write():
    *learned, written = pages("13")
    losses = [numbers(said(page))[1] for page in learned]
    assert [numbers(said(page))[0] for page in learned] == [1, 80, 240]
    assert losses[0] > 3.5 > 2.9 > losses[1] > losses[2] > 1.5
    text = written.partition("\n\nWritten")[0]
    assert len(text) > 250 and len(set(text.lower()) & set("etaoinshr")) == 9


def test_14_the_shares_are_all_of_the_time():
    (page,) = pages("14")
    shares = {name: float(share) for name, share in re.findall(r"^([\w ]+?)  .* ([\d.]+)%$", page, re.MULTILINE)}
    assert sum(shares.values()) == pytest.approx(100, abs=1)
    assert {"between operations", "conv2d", "conv2d_vjp", "all else"} < set(shares)
    name, times = re.search(r"If (\w+) took no time at all, a step would be (\d+\.\d+) times", said(page)).groups()
    assert float(times) == pytest.approx(1 / (1 - shares[name] / 100), rel=0.01)
    assert shares[name] == max(
        share for other, share in shares.items() if other not in ("between operations", "all else")
    )


def test_15_bits_bytes_and_what_is_right():
    trained, *rounded = (numbers(said(page)) for page in pages("15"))
    assert trained[:2] == [64 * 32 + 32 * 10, 4 * (64 * 32 + 32 * 10)] and trained[2] > 90
    assert [row[:3] for row in rounded] == [[bits, 2**bits - 1, 2368 * bits // 8] for bits in (8, 6, 5, 4, 3, 2)]
    assert abs(rounded[0][3] - trained[2]) < 1 and rounded[-1][3] < 70
    bars = [sum(c != " " for c in page.splitlines()[12]) for page in pages("15")]
    assert bars[-1] == 3 and bars[-2] <= 7 and bars[0] > 40  # as many places as the grid has


def test_16_what_is_pruned_and_trained_on():
    rows = [numbers(said(page)) for page in pages("16")]
    assert [row[0] for row in rows] == [0, 50, 70, 80, 80]
    right = [row[1] for row in rows]
    assert right[0] > 90 and right[3] < 80 < right[4]
    dark = [page.partition("\n\nPruned")[0].count(" ") for page in pages("16")[1:4]]
    assert dark == sorted(dark) and dark[-1] > 0.7 * 16 * 64


def test_17_places_and_tokens():
    cached, without = pages("17")
    size = 2 * 4 * 72 * 64 * 4  # keys and values, layers, places, width, bytes
    assert said(cached) == f"71 of 72 places are taken, {size} bytes in 4 layers."
    assert re.findall(r"(\d+) places computed", without) == ["71", str(71 * 72 // 2)]
    assert "the same 71 tokens" in said(without)


def test_18_rates_and_answers():
    found = pages("18")
    rates = [float(rate) for rate in re.findall(r"([\d.]+) MFLOP/s", found[-1])]
    for page, rate in zip(found, rates):
        times, off = numbers(said(page))
        assert times == pytest.approx(rate / rates[0], rel=0.2) and off < 1e-4
    assert len(rates) == 4 and rates[0] < rates[1] < rates[3]


def test_19_what_the_interval_allows_to_say():
    for page in pages("19"):
        ratio, low, high = numbers(re.search(r"takes (.*) of softmax", page)[1])
        assert low <= ratio <= high
        said_so = re.search(r"After 120 turns: (.*)\.", said(page))[1]
        alike = low >= 1 / 1.02 and high <= 1.02
        assert said_so == ("no difference" if alike else "faster" if high < 1 else "slower" if low > 1 else "undecided")
        medians = [float(median) for median in re.findall(r"median ([\d.]+) \[", page)]
        assert medians[1] / medians[0] == pytest.approx(ratio, rel=0.3)


def test_20_the_fastest_has_no_score_if_it_guesses():
    (page,) = pages("20")
    rows = {
        name: (float(right), float(score), line)
        for line in page.splitlines()
        for name, right, score in re.findall(r"^(\w[\w ]+?) +([\d.]+)% right .*score ([\d.]+)$", line)
    }
    assert list(rows) == ["baseline", "baseline again", "narrow", "guesser"]
    assert rows["baseline"][:2] == (pytest.approx(97, abs=2), 1.0)
    assert rows["guesser"][0] < 30 and rows["guesser"][1] == 0 and "the gate stays shut" in rows["guesser"][2]
    assert rows["baseline again"][0] == rows["baseline"][0]
    for name in ("baseline again", "narrow"):
        ratio, low, high = numbers(rows[name][2].partition("right")[2])[:3]
        nearest = min(max(low, 1), high)
        assert low <= ratio <= high
        gained = 1 if 1 / 1.02 <= nearest <= 1.02 else 1 / nearest
        assert rows[name][1] == pytest.approx(gained, abs=0.02)


def test_21_what_was_lost_comes_back():
    found = [said(page) for page in pages("21")]
    days = {int(numbers(caption)[0]): numbers(caption)[1] for caption in found}
    assert days[7] > 85 and days[8] < 70 and days[20] > 85
    assert "Version 1 is live" in found[0] and re.search(r"Alarm on day (8|9|1\d); .* and is live\.$", found[-1])
    better, worse = map(int, re.search(r"wrong: (\d+) against (\d+)", found[-1]).groups())
    assert better > 10 * worse


# -- the player -------------------------------------------------------------------------------------------------------


@pytest.fixture
def toy(tmp_path, monkeypatch):
    monkeypatch.setattr(course, "find_root", lambda: TOY.root)
    monkeypatch.setenv("TINYTORCH_WORK", str(tmp_path / "work"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def tito(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.main, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_it_runs_on_the_students_code_once_that_has_all_its_points(toy, capfd):
    assert tito("demo") == (
        0,
        "01  the reference  Numbers grow\n\nShow one: tito demo 05    on the reference: --reference\n",
    )
    (toy / "scaling.py").write_text(instead(double="print('mine')\nreturn 2 * x"), encoding="utf-8")
    said = "On the reference, all of it. Your 01 scaling: 0/10 points, tito grade 01\n"
    assert tito("demo", "1") == (0, said)
    assert capfd.readouterr().out == "01  Numbers grow\n\n[8.]\n\nThree times doubled. You said: nothing\n\n"
    assert tito("grade", "1")[0] == 0
    assert tito("demo")[1].startswith("01  your code      Numbers grow\n")
    assert tito("demo", "scaling", "hello", "--seed", "1") == (0, "On your own scaling; the rest is the reference's.\n")
    shown = "mine\nmine\nmine\n01  Numbers grow\n\n[16.]\n\nThree times doubled. You said: hello\n\n"
    assert capfd.readouterr().out == shown
    assert tito("demo", "1", "--reference") == (0, "On the reference, all of it.\n")
    assert "mine" not in capfd.readouterr().out


def test_what_is_not_there_is_said(toy):
    code, output = tito("demo", "0")
    assert code == 2 and output == "tito: chapter 00 has no demo; there are: 01\n"
    assert tito("demo", "1", "--speed", "0")[0] == 2


def test_a_text_that_does_not_fit_is_refused():
    done = subprocess.run(
        [sys.executable, "-m", "tito", "demo", "11", "wolf"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 2 and done.stderr.startswith("tito: 'wolf' is none of: cat, dog, ")


def test_an_error_names_the_students_line(toy, capfd):
    (toy / "scaling.py").write_text(SCALING, encoding="utf-8")
    assert tito("grade", "1")[0] == 0
    (toy / "scaling.py").write_text(instead(double="return 2 * y"), encoding="utf-8")
    assert tito("demo", "1")[0] == 1
    assert re.fullmatch(
        r"NameError: name 'y' is not defined\n  work/scaling.py:\d+ in double\n", capfd.readouterr().out
    )


pty = pytest.importorskip("pty") if sys.platform != "win32" else None
on_a_terminal = pytest.mark.skipif(pty is None, reason="needs a pseudo-terminal")


def live(*arguments: str, until: str = "", typed: str = "", **env: str) -> tuple[int, str]:
    """Run tito on a terminal of 80 x 24; interrupt it once it has shown `until`, if that is given."""
    leader, follower = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tito", "demo", *arguments], stdin=follower, stdout=follower, stderr=follower, cwd=ROOT,
        start_new_session=True, env={**kept, "TERM": "xterm-256color", "COLORTERM": "truecolor", **env},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # whoever started these tests may ignore it
    )  # fmt: skip
    os.close(follower)
    seen, asked, deadline = b"", False, time.monotonic() + 60
    os.write(leader, typed.encode())
    while time.monotonic() < deadline:
        try:
            part = os.read(leader, 1 << 16)
        except OSError:  # the other end is closed
            break
        seen += part
        if not part:
            break
        if until and not asked and until.encode() in seen:
            asked = True
            os.killpg(process.pid, signal.SIGINT)
    os.close(leader)
    return process.wait(10), seen.decode()


@on_a_terminal
def test_on_a_terminal_it_is_live():
    code, seen = live("05", "--reference", "--speed", "100")
    assert code == 0 and seen.count("Gradients flow back") > 20
    assert "\x1b[?25l" in seen and "\x1b[?25h" in seen  # the cursor is hidden, and shown again
    assert "38;2;" in seen and "dL/dw is +2.002" in seen
    assert "38;2;" not in live("05", "--reference", "--speed", "100", NO_COLOR="1")[1]


@on_a_terminal
def test_a_sentence_is_asked_for_where_somebody_can_type():
    code, seen = live("12", "--reference", "--speed", "100", typed="ring a ring\n")
    assert code == 0 and "A sentence, of up to 14 words: [the cat saw" in seen
    assert "ring (3) hears ring (1) 50%, ring (3) 50%" in seen


@on_a_terminal
@pytest.mark.parametrize("until", ["On the reference", "Gradients flow back"])
def test_ctrl_c_ends_it(until):
    code, seen = live("05", "--reference", until=until)
    assert code == 130 and seen.rstrip().endswith("tito: stopped") and "Traceback" not in seen
    assert seen.count("\x1b[?25l") == seen.count("\x1b[?25h")
