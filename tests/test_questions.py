"""Checkpoints: sixteen questions; each says yes to the reference, and no to chapters in which something is wrong."""

import shutil

import pytest
from toys import SCALING, TOY
from typer.testing import CliRunner

from tito import cli, course
from tito.history import questions
from tito.rubrics import stubs
from tito.work.workspace import Workspace

COURSE = course.default()
ALL = questions.questions(COURSE).all
ANSWERED = [question for question in ALL if questions.available(question, COURSE, reference=True)]
CHAPTERS = [
    "environment", "tensor", "activations", "layers", "losses", "autograd", "optimizers", "training",
    "dataloader", "convolutions", "tokenization", "embeddings", "attention", "transformers", "profiling",
    "quantization", "compression", "memoization", "acceleration", "benchmarking", "olympics", "mlops",
]  # fmt: skip


def test_there_are_sixteen_questions_over_all_chapters():
    assert [question.id for question in ALL] == [f"{number:02d}" for number in range(1, 17)]
    assert all(question.text.endswith("?") for question in ALL) and len({question.text for question in ALL}) == 16
    assert {name for question in ALL for name in question.needs} == set(CHAPTERS)
    for question in ALL:
        assert list(question.needs) == sorted(question.needs, key=CHAPTERS.index) or question.id == "14"
    assert [question.id for question in ANSWERED][:15] == [f"{number:02d}" for number in range(1, 16)]


@pytest.mark.parametrize("question", ANSWERED, ids=lambda question: question.id)
def test_the_reference_can(question, tmp_path):
    verdict = questions.test(question, Workspace(COURSE, tmp_path), reference=True)
    assert verdict.state == "passed", verdict.outcome.message


WRONG = [  # the checkpoint, the module, the definition, a body, what is said
    ("01", "environment", "nbytes", "return math.prod(shape)", "the bytes of MNIST"),
    ("01", "environment", "manual_seed", "return generator", "four random numbers"),
    ("01", "environment", "matmul_flops", "return m * k * n", "operations"),
    ("02", "tensor", "matmul", "return np.matmul(x, y) + 1", "the mean images"),
    ("03", "activations", "relu", "return np.abs(x)", "the hinges"),
    ("03", "activations", "softmax", "e = np.exp(x)\nreturn e / e.sum()", "the shares"),
    ("04", "layers", "linear", "return x @ weight", "what the network computes"),
    ("04", "layers", "Module.load_state_dict", "return None", "after a restart"),
    ("05", "losses", "cross_entropy", "p = np.exp(logits)\np /= p.sum(axis=-1, keepdims=True)\n"
     "return reduced(-np.log(p[np.arange(len(target)), target]), reduction)", "cross-entropy"),
    ("05", "losses", "mse_loss", "return reduced(np.abs(x - y), reduction)", "the mean squared error"),
    ("06", "autograd", "tanh_vjp", "return g * (1 - z)", "the gradient of w1"),
    ("06", "autograd", "unbroadcast", "return g", "the gradient of b1"),
    ("07", "optimizers", "adam_step", "m += (1 - beta1) * (g - m)\nv += (1 - beta2) * (g * g - v)\n"
     "p -= lr * m / (np.sqrt(v) + eps)", "the path of Adam"),
    ("07", "optimizers", "sgd_step", "p -= lr * g", "the path of SGD(lr=0.015, momentum=0.8)"),
    ("07", "optimizers", "decay", "p *= 1 - weight_decay", "the path of AdamW"),
    ("08", "training", "Trainer.step", "return 0.0", "95 % of new digits"),
    ("08", "training", "Trainer.load", "return None", "after stop and resume"),
    ("09", "dataloader", "shuffled", "return np.random.default_rng([seed, epoch]).permutation(n)", "the numbers of"),
    ("09", "dataloader", "crop", "return np.roll(images, 1, axis=3)", "moved by a pixel"),
    ("09", "dataloader", "prefetch", "list(items)\nyield from items", "the rest of the epoch"),
    ("10", "convolutions", "weight_gradient", "return np.zeros((*over.kernel, x.shape[-1], g.shape[-1]))", "96 %"),
    ("10", "convolutions", "batch_norm", "return standardize(x, weight, bias, mean=x.data.mean(axis=(0, 2, 3)),"
     " std=x.data.std(axis=(0, 2, 3)))", "96 %"),
    ("11", "tokenization", "encode_word", "return list(word)", "the ids of the text"),
    ("11", "tokenization", "decode_tokens", "return ''.join(tokens[i].decode('utf-8', 'replace') for i in ids)",
     "the text that comes back"),
    ("11", "embeddings", "embedding", "return weight[ids[::-1]]", "the vectors of the text"),
    ("11", "embeddings", "embedding_vjp", "dweight = np.zeros_like(weight)\ndweight[ids] += g\nreturn None, dweight",
     "the gradient of the table"),
    ("11", "embeddings", "sinusoids", "z = angles(np.arange(length), width, base)\n"
     "return np.concatenate([np.sin(z), np.cos(z)], axis=1).astype(np.float32)", "the sinusoids"),
    ("11", "embeddings", "rotate", "return rotate_vjp(x, None, x, start=start, base=base)", "turned by their places"),
    ("12", "attention", "attention_scores", "return matmul(q, transpose(k))", "what the network says"),
    ("12", "attention", "causal_mask", "return np.tri(queries, keys or queries, k=-1, dtype=bool)", "what the network"),
    ("12", "attention", "masked", "return scores if mask is None else where(mask, scores, 0.0)", "what the network"),
    ("12", "attention", "attention_weights", "e = exp(scores)\nreturn e / sum(e, dim=-1, keepdim=True)", "the network"),
    ("12", "attention", "attention_weights", "from tinytorch.activations import softmax\n"
     "return softmax(where(scores.data.max(-1, keepdims=True) > -math.inf, scores, 0.0)).detach()", "the network"),
    ("12", "attention", "split_heads", "return reshape(x, shape=(x.shape[0], heads, x.shape[1], -1))", "the network"),
    ("12", "attention", "join_heads", "return reshape(x, shape=(x.shape[0], x.shape[2], -1))", "what the network"),
    ("12", "attention", "online_softmax_step", "largest = np.maximum(before.largest, scores.max(-1, keepdims=True))\n"
     "e = np.exp(scores - largest)\nreturn Running(largest, before.total + e.sum(-1, keepdims=True),"
     " before.values + e @ values)", "attention in blocks"),
    ("12", "embeddings", "embedding", "return weight[np.zeros_like(ids)]", "what the network says"),
    ("13", "tokenization", "CharTokenizer.encode", "return [self.ids[c] for c in reversed(text)]",
     "the ids of the text"),
    ("13", "transformers", "Block.forward", "x = x + self.attention(self.norm1(x), None, mask, False, cache)\n"
     "return x + self.feed_forward(self.norm2(x))", "the logits"),
    ("13", "transformers", "standardized_rows", "n = x - x.mean(axis=-1, keepdims=True)\n"
     "return n * weight + bias, {'n': rows_of(n, 1), 'scale': np.ones((n.size // n.shape[-1], 1), n.dtype)}",
     "the logits"),
    ("13", "transformers", "next_token_loss", "return cross_entropy(logits.reshape(-1, logits.shape[-1]),"
     " np.roll(targets, 1, axis=1).ravel())", "below 0.2"),
    ("13", "transformers", "standardized_rows_vjp", "return 0 * g, 0 * weight, 0 * bias", "below 0.2"),
    ("13", "transformers", "sample", "return int((-logits).argmax())", "how the week goes on"),
    ("14", "profiling", "self_times", "return [span.seconds for span in spans]", "self times add up to the clock"),
    ("14", "profiling", "convolution_flops", "return 2 * math.prod(z) * math.prod(weight)", "FLOPs of conv2d"),
    ("14", "profiling", "product_flops", "return math.prod(x) * y[-1]", "FLOPs of linear"),
    ("14", "profiling", "moved_bytes", "return sum(x.nbytes for x in inputs if x is not None)", "relu moves"),
    ("14", "profiling", "amdahl", "return max(speedups)", "twice as fast"),
    ("15", "quantization", "integer_matmul", "return (a @ b).astype(np.int32)", "half a point"),
    ("15", "quantization", "value_range", "return 0.0, 1e-3", "half a point"),
    ("15", "quantization", "quantize",
     "return np.clip(np.floor(x / grid.scale) + grid.zero, *limits(grid.bits)).astype(np.int8)", "first layer"),
    ("15", "compression", "strongest_units", "return np.arange(count)", "with half of the units"),
    ("15", "compression", "shrink_pair", "narrow = remade(first, first.weight.data[:, kept], first.bias.data[kept])\n"
     "return narrow, remade(second, second.weight.data[kept], second.bias.data)", "with half of the units"),
    ("15", "compression", "cubic_sparsity", "return final * min(step / steps, 0.5)", "four of five weights"),
    ("15", "compression", "magnitude_mask", "mask = np.ones(weight.size, bool)\n"
     "mask[: round(sparsity * weight.size)] = False\nreturn mask.reshape(weight.shape)", "a fifth of its weights"),
    ("15", "memoization", "KVCache.update", "self.check(k, v)\nreturn k, v", "the logits after 17 letters"),
    ("15", "memoization", "TextReader.read", "for cache in self.caches:\n    cache.truncate(0)\nwith no_grad():\n"
     "    logits = self.model([list(tokens)], self.caches, 0).data[0]\nself.tokens = list(tokens)\n"
     "self.computed += len(logits)\nreturn logits[-last:]", "each of them once"),
    ("15", "memoization", "accept_draft", "return [*drafted, int(p[-1].argmax())]", "where another network guesses"),
    ("15", "acceleration", "fused_cross_entropy", "p = np.exp(x @ weight)\np /= p.sum(axis=1, keepdims=True)\n"
     "return np.array(-np.log(p[np.arange(len(x)), target]).mean(), x.dtype), {'dx': p @ weight.T, 'dw': x.T @ p}",
     "the gradient of the features"),
    ("16", "olympics", "Gate.passes", "return True", "who comes through the gate"),
    ("16", "olympics", "race", "found = {name: ([], []) for name in contestants}\nfor _ in range(warmup + turns):\n"
     "    x, y = fresh()\n    for name, contestant in contestants.items():\n        start = clock()\n"
     "        answers = contestant(x.copy())\n        found[name][0].append(clock() - start)\n"
     "        found[name][1].append(judge(answers, y))\n"
     "return {name: Heat(np.array(a), np.concatenate(b)) for name, (a, b) in found.items()}", "seconds of the quick"),
    ("16", "olympics", "gain_of", "return 1 / ratio.low", "gains"),
    ("16", "olympics", "combined", "return float(np.mean(list(gains.values())))", "the combined scores"),
    ("16", "benchmarking", "median_interval", "x = as_sample(values)\n"
     "return Estimate(float(np.median(x)), float(x[0]), float(x[0]))", "gains"),
    ("16", "mlops", "promotion_gate", "ours, theirs = np.asarray(candidate, bool), np.asarray(live, bool)\n"
     "return Decision(True, int((ours & ~theirs).sum()), int((theirs & ~ours).sum()), 0.0)", "decision 2"),
    ("16", "mlops", "ks_statistic", "return float(abs(np.mean(reference) - np.mean(window)))", "the confidences"),
    ("16", "mlops", "Hysteresis.update", "self.raised = value > self.on\nreturn self.raised", "the alarm"),
    ("16", "mlops", "expected_run_length", "return float(limit)", "value by value"),
    ("16", "mlops", "BatchQueue.take", "batch, self.requests = self.requests[:3], self.requests[3:]\nreturn batch, []",
     "what is computed together"),
]  # fmt: skip


@pytest.mark.parametrize(("id", "module", "name", "body", "says"), WRONG)
def test_what_is_wrong_is_found_on_the_students_chapters(id, module, name, body, says, tmp_path):
    question = questions.wanted(COURSE, id)
    source = (COURSE.package / f"{module}.py").read_text(encoding="utf-8")
    if not any(chapter.name == module for chapter in COURSE.chapters()):
        pytest.skip(f"there is no chapter on {module} yet")
    (tmp_path / f"{module}.py").write_text(stubs.with_body(source, name, body), encoding="utf-8")
    verdict = questions.test(question, Workspace(COURSE, tmp_path))
    assert verdict.state in ("failed", "error"), verdict.state
    if verdict.state == "failed":
        assert says in verdict.outcome.message


def test_what_is_right_is_never_computed_by_the_student(tmp_path):
    """A student's cross_entropy that always answers its own idea of right changes nothing of what is expected."""
    source = (COURSE.package / "losses.py").read_text(encoding="utf-8")
    (tmp_path / "losses.py").write_text(stubs.with_body(source, "logsumexp", "return np.zeros(len(x))"))
    assert questions.test(questions.wanted(COURSE, "05"), Workspace(COURSE, tmp_path)).state == "failed"


# -- on a toy course, from the command line ----------------------------------------------------------------------------

QUESTIONS = '''
import numpy as np

from tito.history.questions import Questions
from tito.rubrics.compare import same

questions = Questions()


@questions.probe
def shares(tt, n):
    from tinytorch.scaling import share

    return share(np.ones(n))


@questions.ask("01", "Can I share?", needs="counting scaling")
def shares_are_equal(student, again):
    """Equal parts
    add up."""
    same(float(student.shares(4).sum()), 1.0, "the sum")
    same(float(again.shares(3).max()), 1 / 3, "the largest")


questions.later("02", "Can I fly?", "flying")
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    root = tmp_path / "course"
    shutil.copytree(TOY.root, root, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "grading" / "checkpoints.py").write_text(QUESTIONS)
    monkeypatch.setattr(course, "find_root", lambda: root)
    monkeypatch.setenv("TINYTORCH_WORK", str(tmp_path / "work"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "work"


def tito(*arguments):
    result = CliRunner().invoke(cli.main, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def status():
    return [line.split("?")[1].strip() for line in tito("checkpoint", "status")[1].split("\n")[:2]]


def test_a_question_waits_for_its_chapters(toy):
    assert tito("checkpoint", "status") == (
        0,
        "01  Can I share?                                         needs 00 counting, 01 scaling\n"
        "02  Can I fly?                                           not available yet\n\n"
        "Answer one: tito checkpoint test 01\n",
    )
    tito("start", "01")
    assert tito("checkpoint", "test", "01") == (
        1,
        "01  Can I share? It is asked of your own chapters, and needs more of them:\n"
        "  00 counting        not started            tito start 00\n",
    )
    assert "Checkpoints   0 of 2 passed\n" in tito("status")[1]


def test_yes_no_and_changed_since(toy):
    toy.mkdir()
    (toy / "counting.py").write_bytes((TOY.package / "counting.py").read_bytes())
    (toy / "scaling.py").write_text(SCALING, encoding="utf-8")
    assert "Checkpoints   0 of 2 passed; ready to be tested: 01\n" in tito("status")[1]
    assert tito("checkpoint", "test", "1") == (
        0,
        "01  Can I share?\nOn your own counting, scaling; the rest is given.\nEqual parts add up.\nYes.\n",
    )
    assert status() == ["passed", "not available yet"]
    assert "Checkpoints   1 of 2 passed\n" in tito("status")[1]
    wrong = stubs.with_body(SCALING, "share", "print('\\033[2Jhere')\nreturn x * count(x)")
    (toy / "scaling.py").write_text(wrong, encoding="utf-8")
    assert status()[0] == "passed, then changed"
    code, output = tito("checkpoint", "test", "01")
    assert code == 1 and output.split("Equal parts add up.\n")[1] == (
        "    the sum is not right\n      yours    16\n      expected 1\n  your code printed:\n    | \\x1b[2Jhere\n"
        "Not yet: failed. Ask again: tito checkpoint test 01\n"
    )
    assert status()[0] == "failed"
    assert tito("grade", "00")[0] == 0 and status()[0] == "failed"  # both are kept side by side


def test_a_stub_and_an_error_are_told_with_their_place(toy):
    toy.mkdir()
    (toy / "counting.py").write_bytes((TOY.package / "counting.py").read_bytes())
    stub = stubs.with_body(SCALING, "share", 'raise NotImplementedError("chapter 01: share")')
    (toy / "scaling.py").write_text(stub, encoding="utf-8")
    assert "  needs chapter 01: share, which is not started\n" in tito("checkpoint", "test", "01")[1]
    source = stubs.with_body(SCALING, "share", "return x / zero")
    (toy / "scaling.py").write_text(source, encoding="utf-8")
    line = source.split("\n").index("    return x / zero") + 1
    said = f"  work/scaling.py:{line}: NameError: name 'zero' is not defined\n"
    assert said in tito("checkpoint", "test", "01")[1]
    (toy / "scaling.py").write_text("import os\nos._exit(0)\n", encoding="utf-8")
    assert "the program ended before it answered" in tito("checkpoint", "test", "01")[1]


def test_the_reference_shows_what_a_pass_looks_like_and_records_nothing(toy):
    code, output = tito("checkpoint", "test", "01", "--reference")
    assert code == 0 and "On the reference, all of it.\nEqual parts add up.\nYes, it can.\n" in output
    assert not toy.exists()


def test_what_is_not_there_is_said(toy):
    code, output = tito("checkpoint", "test", "02", "--reference")
    assert code == 2 and "checkpoint 02 is not available yet: Can I fly? It needs flying" in output
    code, output = tito("checkpoint", "test", "17")
    assert code == 2 and "there is no checkpoint '17'; there are: 01, 02" in output


def test_help_has_examples():
    assert (
        "tito checkpoint test 06" in tito("--help")[1] and "tito checkpoint status" in tito("checkpoint", "--help")[1]
    )
    assert "tito checkpoint test 06 --reference" in tito("checkpoint", "test", "--help")[1]
