"""tito gpt2: a folder in GPT-2's layout, tiny and random, goes on with a text."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from tinytorch import serialization
from tinytorch.tokenization import BYTES, END_OF_TEXT, BytePairTokenizer, spell
from tinytorch.transformers import GPT, generate
from tito import cli
from tito.course import default
from tito.history import milestones
from tito.work import gpt2
from tito.work.workspace import Workspace

WIDTH, CONTEXT = 8, 24


@pytest.fixture
def folder(tmp_path):
    """A GPT-2 of one block, whose tokens are the bytes, one merge, and the end of a text."""
    place, rng = tmp_path / "gpt2", np.random.default_rng(0)
    place.mkdir()
    tokens = [*map(spell, BYTES), "th", END_OF_TEXT]
    c, v = WIDTH, len(tokens)
    shapes: dict[str, tuple] = {
        "wte.weight": (v, c),
        "wpe.weight": (CONTEXT, c),
        "ln_f.weight": (c,),
        "ln_f.bias": (c,),
    }
    for name, shape in {
        "attn.c_attn": (c, 3 * c),
        "attn.c_proj": (c, c),
        "mlp.c_fc": (c, 4 * c),
        "mlp.c_proj": (4 * c, c),
    }.items():
        shapes |= {f"h.0.{name}.weight": shape, f"h.0.{name}.bias": shape[1:]}
    shapes |= {f"h.0.ln_{i}.{part}": (c,) for i in (1, 2) for part in ("weight", "bias")}
    arrays = {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    arrays["wte.weight"][-1] = 0  # the end is not soon
    serialization.save(arrays, place / "model.safetensors")
    sizes = {"vocab_size": v, "n_positions": CONTEXT, "n_embd": c, "n_layer": 1, "n_head": 2}
    (place / "config.json").write_text(json.dumps(sizes))
    (place / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (place / "merges.txt").write_text("#version: 0.2\nt h\n")
    return place


def expected(folder, prompt, count, temperature=0.0, top_k=None, seed=0):
    """The same without caches."""
    model = GPT.from_gpt2(folder)
    tokenizer = BytePairTokenizer.from_gpt2(folder / "vocab.json", folder / "merges.txt")
    ids = tokenizer.encode(prompt)
    stop = [tokenizer.specials[END_OF_TEXT]]
    return tokenizer.decode(generate(model, ids, count, temperature, top_k, stop=stop, seed=seed))


@pytest.mark.parametrize("options", [(0.0, None, 0), (1.0, None, 3), (0.8, 5, 4)])
def test_it_writes_what_the_model_does_without_its_memory(folder, options):
    text = "".join(gpt2.continued(folder, "the path", 12, *options))
    assert text == expected(folder, "the path", 12, *options) and text


def test_it_ends_where_the_context_does_and_begins_with_nothing(folder):
    tokenizer = BytePairTokenizer.from_gpt2(folder / "vocab.json", folder / "merges.txt")
    assert len(tokenizer.encode("the path")) == 6  # th, e, a space, p, a, th
    long = "".join(gpt2.continued(folder, "the path", 1000, 0.0, None, 0))
    assert long == expected(folder, "the path", CONTEXT + 1 - 6)
    assert "".join(gpt2.continued(folder, "", 3, 0.0, None, 0)) == expected(folder, END_OF_TEXT, 3)
    with pytest.raises(ValueError, match="a prompt is one sequence of 1 to 24 tokens"):
        gpt2.continued(folder, "x" * 26, 3, 0.0, None, 0)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.json", "merges.txt"])
def test_what_is_missing_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=re.escape(name)):
        gpt2.continued(folder, "the", 3, 0.0, None, 0)


def test_a_tokenizer_of_another_model_is_refused(folder):
    facts = json.loads((folder / "vocab.json").read_text())
    (folder / "vocab.json").write_text(
        json.dumps({token: i for token, i in facts.items() if i < 256} | {END_OF_TEXT: 256})
    )
    (folder / "merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(ValueError, match=r"vocab\.json has 257 tokens, config\.json 258"):
        gpt2.continued(folder, "the", 3, 0.0, None, 0)


def tito(work, *arguments):
    program = [sys.executable, "-m", "tito", "gpt2", *map(str, arguments)]
    env = {**os.environ, "TINYTORCH_WORK": str(work), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(program, env=env, capture_output=True, encoding="utf-8", check=False)


def test_the_command_streams_the_text_and_says_whose_code_it_runs(folder, tmp_path):
    ran = tito(tmp_path / "work", folder, "the path", "--tokens", 9, "--temperature", 0)
    assert (ran.returncode, ran.stderr) == (0, "On the reference.\n")
    assert ran.stdout == "the path" + expected(folder, "the path", 9) + "\n"
    ran = tito(tmp_path / "work", tmp_path / "nowhere", "the")
    assert ran.returncode == 2 and re.search("tito: .*nowhere.*vocab.json", ran.stderr) and not ran.stdout


def test_it_runs_on_chapters_that_have_all_their_points(folder, tmp_path, monkeypatch, capfd):
    """A chapter that is begun stays out: its stubs would end the run. One that has its points is taken."""
    monkeypatch.setenv("TINYTORCH_WORK", str(tmp_path / "work"))
    here = Workspace.of(default())
    chapter = here.course.chapter("02")
    here.start(chapter)
    arguments = ["gpt2", str(folder), "the", "--tokens", "1", "--temperature", "0"]
    written = "the" + expected(folder, "the", 1) + "\n"
    CliRunner().invoke(cli.main, arguments)
    assert capfd.readouterr().out == written
    source = (here.course.package / "activations.py").read_text(encoding="utf-8")
    here.file(chapter).write_text(source + '\nprint("mine")\n', encoding="utf-8")
    monkeypatch.setattr(milestones, "lacking", lambda *_: [])  # as if all points were on record
    ran = CliRunner().invoke(cli.main, arguments)
    assert ran.output == "On your own activations; the rest is given.\n"
    assert capfd.readouterr().out == "mine\n" + written
    CliRunner().invoke(cli.main, [*arguments, "--reference"])
    assert capfd.readouterr().out == written
