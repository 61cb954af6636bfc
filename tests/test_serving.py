"""The service: real servers in processes of their own, real sockets. What clients do to it, and what becomes of it."""

import asyncio
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from browser import browser, chromium

from tinytorch import serialization
from tinytorch.environment import manual_seed
from tinytorch.memoization import caches_for
from tinytorch.mlops import Registry
from tinytorch.transformers import GPT, TransformerConfig, generate
from tito.course import default
from tito.launch import environment
from tito.serving.limits import Limits
from tito.serving.live import Batching
from tito.serving.load import Clients, crowd, p99_interval, poisson, request, running, told
from tito.serving.models import cnn, mlp, model_of
from tito.serving.server import CannotServe, Plan, listening, opened
from tito.serving.training import trained
from tito.serving.writer import Closed, Full, Writer

ALPHABET = "\n abcdefgh"
IMAGE = [i / 63 for i in range(64)]
READ = request("/models/digits/read", {"image": IMAGE})
CALM = Limits(head=60, body=60, answer=60, drain=60)  # a busy machine is no reason to refuse anybody
SOON = replace(CALM, head=1.0, body=1.0)


def weights(network) -> dict:
    return {name: np.array(array) for name, array in network.state_dict().items()}


def gpt_weights(seed: int = 0, **options) -> dict:
    """A small GPT of ten characters, whose weights are large enough for its texts to differ."""
    manual_seed(seed)
    config = TransformerConfig.modern(len(ALPHABET), context=128, width=128, layers=2, **options)
    arrays = weights(GPT(config))
    rng = np.random.default_rng(seed)
    arrays = {name: rng.normal(0, 0.1, array.shape).astype(np.float32) for name, array in arrays.items()}
    return {**arrays, "alphabet": np.array([ord(character) for character in ALPHABET])}


def mlp_weights(seed: int) -> dict:
    manual_seed(seed)
    return weights(mlp(64, 16, 10))


@pytest.fixture(scope="module")
def letters(tmp_path_factory):
    """A file with a GPT."""
    path = tmp_path_factory.mktemp("models") / "letters.safetensors"
    serialization.save(gpt_weights(), path)
    return path


@pytest.fixture
def registry(tmp_path):
    """A registry with three versions of digits, the first of them live."""
    found = Registry(tmp_path / "registry")
    for seed in range(3):
        found.register("digits", mlp_weights(seed))
    found.promote("digits", 1)
    return found


@pytest.fixture(scope="module")
def service(tmp_path_factory, letters):
    """A service that many tests ask, with short limits: the course's own digits, and letters."""
    found = Registry(tmp_path_factory.mktemp("shared") / "registry")
    found.register("digits", trained("digits")[0].state_dict())
    found.promote("digits", 1)
    with running(Plan(str(found.folder), ("digits",), (str(letters),), port=0, limits=SOON)) as it:
        yield it


def plan_of(registry, **options) -> Plan:
    """All that is live in a registry, on any port, with limits that a busy machine keeps."""
    return Plan(str(registry.folder), port=0, limits=CALM, **options)


def ask(service, what: bytes, patience: float = 20):
    return asyncio.run(Clients(service.port, patience=patience).ask(what))


def post(service, path: str, content):
    return ask(service, request(path, content))


def upload(name: str, body: bytes, kind: str = "application/octet-stream") -> bytes:
    head = f"POST /models/{name}/versions HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


# -- answers ----------------------------------------------------------------------------------------------------------


def test_digits_are_read_as_the_network_reads_them(service):
    answer = post(service, "/models/digits/read", {"image": IMAGE})
    said = answer.json()
    wanted = model_of(trained("digits")[0].state_dict()).probabilities(np.array([IMAGE], np.float32))[0]
    assert answer.status == 200 and said["version"] == 1 and said["model"] == "digits"
    np.testing.assert_allclose(said["probabilities"], wanted, atol=1e-5)
    assert said["digit"] == wanted.argmax()


def events(answer) -> list[dict]:
    return [json.loads(event.split("data: ")[1]) for event in answer.body.decode().strip().split("\n\n")]


@pytest.mark.parametrize("tokens", [1, 40, 120])
def test_a_text_is_what_generate_gives(service, letters, tokens):
    content = {"prompt": "abc def\n", "tokens": tokens, "temperature": 0.8, "top_k": 5, "seed": 3}
    *pieces, end = events(post(service, "/models/letters/write", content))
    model = model_of(serialization.load(letters))
    ids = model.tokenizer.encode("abc def\n")
    wanted = generate(model.network, ids, tokens, 0.8, 5, seed=3, caches=caches_for(model.network))
    assert "".join(piece["text"] for piece in pieces) == model.tokenizer.decode(wanted)
    assert end == {"reason": "length", "version": 1}


def test_a_text_may_be_longer_than_the_context(service):
    *pieces, end = events(post(service, "/models/letters/write", {"prompt": "abc", "tokens": 300}))
    assert len(pieces) == 300 and end["reason"] == "length"


def test_tokens_come_one_by_one(service):
    with closing(socket.create_connection(("127.0.0.1", service.port))) as client:
        client.sendall(request("/models/letters/write", {"prompt": "a", "tokens": 1000}))
        heard = b""
        while heard.count(b"data: ") < 3:
            heard += client.recv(200)
        assert b"event: end" not in heard


def test_a_text_that_nobody_hears_is_not_written_on(service):
    before = number(service, 'tito_tokens_total{model="letters"}')
    with closing(socket.create_connection(("127.0.0.1", service.port))) as client:
        client.sendall(request("/models/letters/write", {"prompt": "a", "tokens": 1000}))
        client.recv(100)
    time.sleep(1)
    first = number(service, 'tito_tokens_total{model="letters"}')
    time.sleep(0.5)
    assert number(service, 'tito_tokens_total{model="letters"}') == first < before + 1000


def number(service, name: str) -> float:
    """A number among the metrics; 0 if it is not there yet."""
    lines = ask(service, request("/metrics")).body.decode().splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)


def test_metrics_count_what_was_asked(service):
    name = 'tito_requests_total{model="digits",route="read",status="%d"}'
    good, bad = number(service, name % 200), number(service, name % 422)
    for content in ({"image": IMAGE}, {"image": IMAGE}, {"image": []}):
        post(service, "/models/digits/read", content)
    assert (number(service, name % 200), number(service, name % 422)) == (good + 2, bad + 1)
    assert number(service, 'tito_model_version{model="digits"}') == 1
    assert number(service, 'tito_batch_size_count{model="digits"}') >= 2
    assert number(service, 'tito_queue_length{model="digits"}') == 0
    assert number(service, 'tito_first_token_seconds_count{model="letters"}') >= 1


def test_requests_that_come_together_are_computed_together(registry):
    with running(plan_of(registry, batching=Batching(wait=0.2))) as one:
        asyncio.run(crowd(Clients(one.port), lambda i: READ, 32))
        batches = number(one, 'tito_batch_size_count{model="digits"}')
        assert number(one, 'tito_batch_size_sum{model="digits"}') == 32 and batches <= 8


def typed(page: str) -> list[list[str]]:
    """The arguments of every curl of a page, as a shell would pass them; what it computes is an image."""
    text = re.sub(r"\$\(.*?\)\)'\)", ", ".join(["0.5"] * 64), page.replace("\\\n", " "))
    return [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("curl ")]


def test_what_the_page_says_to_type_works(registry, tmp_path):
    page = (default().root / "docs" / "serving.md").read_text(encoding="utf-8")
    alphabet = np.array([*map(ord, ":EMOR"), *range(100, 105)])
    serialization.save({**gpt_weights(), "alphabet": alphabet}, tmp_path / "modern.safetensors")
    serialization.save(mlp_weights(5), tmp_path / "new.safetensors")
    commands = typed(page)
    assert len(commands) == 7
    with running(plan_of(registry, names=("digits",), files=(str(tmp_path / "modern.safetensors"),))) as one:
        for arguments in commands:
            address = arguments[arguments.index("-N") + 1 if "-N" in arguments else 0]
            options = {key: value for key, value in pairwise(arguments) if key.startswith("-")}
            data = options.get("-d", "").encode()
            if "--data-binary" in options:
                data = (tmp_path / options["--data-binary"].removeprefix("@")).read_bytes()
            head = f"{'POST' if data else 'GET'} {address.partition(':8000')[2]} HTTP/1.1\r\nhost: localhost\r\n"
            head += f"{options['-H']}\r\ncontent-length: {len(data)}\r\n" if data else ""
            assert ask(one, head.encode() + b"\r\n" + data).status in (200, 201), arguments


# -- what is not answered ---------------------------------------------------------------------------------------------

WRONG = [
    ("/models/digits/read", b"{", 400, "no JSON"),
    ("/models/digits/read", b'{"image": [NaN]}', 400, "NaN is no number"),
    ("/models/digits/read", b"\xff\xfe", 400, "no JSON"),
    ("/models/digits/read", b"[" * 30_000, 400, "no JSON"),
    ("/models/digits/read", b"[]", 422, "send an object, got list"),
    ("/models/digits/read", b"{}", 422, "image: a list of 64 numbers of 0 to 1 is needed, row by row; got null"),
    ("/models/digits/read", b'{"image": [1, 2]}', 422, "got 2 of them"),
    ("/models/digits/read", json.dumps({"image": [0] * 63 + [1.5]}), 422, "a number of 0 to 1 is needed, got 1.5"),
    ("/models/digits/read", json.dumps({"image": [True] * 64}), 422, "got true"),
    ("/models/digits/read", json.dumps({"image": [None] * 64}), 422, "pixel 0 is null"),
    ("/models/digits/read", '{"image": [' + "9" * 5000 + "]}", 400, "no JSON"),
    ("/models/digits/read", json.dumps({"image": IMAGE, "x": 1}), 422, "no field 'x'; there are: image"),
    ("/models/digits/write", b"{}", 409, "POST /models/digits/read"),
    ("/models/letters/read", b"{}", 409, "POST /models/letters/write"),
    ("/models/nobody/read", b"{}", 404, "no model 'nobody'; there are: letters, digits"),
    ("/models/letters/write", b'{"prompt": ""}', 422, "a text of 1 to 10,000 characters is needed, got 0"),
    ("/models/letters/write", b'{"prompt": "\\ud800"}', 422, "prompt: '\\ud800' is none of the 10 characters"),
    ("/models/letters/write", b'{"prompt": "Z"}', 422, "prompt: 'Z' is none of the 10 characters"),
    ("/models/letters/write", b'{"prompt": "a", "tokens": 0}', 422, "tokens: a whole number of 1 to 1000"),
    ("/models/letters/write", b'{"prompt": "a", "tokens": 2.0}', 422, "tokens: a whole number"),
    ("/models/letters/write", b'{"prompt": "a", "temperature": 1e999}', 422, "temperature: a number of 0 to 10"),
    ("/models/letters/promote", b'{"version": 1}', 409, "served from a file"),
    ("/models/digits/promote", b"{}", 422, "version: a whole number is needed"),
    ("/models/digits/promote", b'{"version": 99}', 409, "digits has no version 99"),
    ("/models/digits/rollback", b"{}", 409, "cannot be rolled back"),
]


@pytest.mark.parametrize("path, body, status, text", WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_said(service, path, body, status, text):
    body = body if isinstance(body, bytes) else body.encode()
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    answer = ask(service, head.encode() + b"\r\n\r\n" + body)
    assert answer.status == status and text in answer.json()["error"]


def test_other_kinds_of_content_other_hosts_and_other_pages_are_refused(service):
    assert ask(service, READ.replace(b"application/json", b"text/plain")).status == 415
    for host in (b"example.org", b"[", b"localhost:80:80", b"localhost.example.org", b"@localhost", b""):
        assert ask(service, READ.replace(b"host: localhost", b"host: " + host)).status == 421
    for host in (b"127.0.0.1:8000", b"[::1]:1", b"localhost:"):
        assert ask(service, READ.replace(b"host: localhost", b"host: " + host)).status == 200
    assert ask(service, READ.replace(b"host: ", b"origin: null\r\nhost: ")).status == 403
    assert ask(service, READ.replace(b"host: ", b"origin: [\r\nhost: ")).status == 403
    assert ask(service, READ.replace(b"host: ", b"origin: http://example.org\r\nhost: ")).status == 403
    assert ask(service, READ.replace(b"host: ", b"origin: http://localhost\r\nhost: ")).status == 200
    assert ask(service, request("/nothing")).status == 404
    assert ask(service, request("/models/digits/read")).status == 405
    assert ask(service, request("/page/..%2fservice.py")).status == 404
    assert ask(service, b"nonsense\r\n\r\n").status == 400
    assert ask(service, b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 10**6 + b"\r\n\r\n").status in (0, 400)


def test_weights_are_safetensors_whole_and_fit(service):
    def status(body: bytes, kind: str = "application/octet-stream") -> tuple[int, str]:
        answer = ask(service, upload("digits", body, kind))
        return answer.status, answer.json().get("error", "")

    import pickle

    assert status(b"", "text/plain")[0] == 415
    assert status(pickle.dumps({"0.weight": 1})) == (422, status(pickle.dumps({"0.weight": 1}))[1])
    assert "not a safetensors file" in status(pickle.dumps({"0.weight": 1}))[1]
    whole = stored(mlp_weights(0))
    assert "cut short" in status(whole[:-10])[1]
    assert "a mlp needs 0.bias" in status(stored({"0.weight": np.zeros((64, 10), np.float32)}))[1]
    assert "finite numbers" in status(stored({**mlp_weights(0), "2.bias": np.full(10, np.nan, np.float32)}))[1]
    assert "digits is served as a reader of digits" in status(stored(gpt_weights()))[1]


def stored(arrays: dict) -> bytes:
    """The bytes of a file of safetensors."""
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        serialization.save(arrays, file.name)
        with open(file.name, "rb") as again:
            return again.read()


def test_every_answer_has_the_content_security_policy(service):
    for path in ("/", "/page/page.js", "/models", "/nothing", "/metrics"):
        head = ask(service, request(path)).head
        policy = next(line for line in head.split("\r\n") if line.startswith("content-security-policy: "))
        assert "default-src 'none'" in policy and "unsafe" not in policy


# -- slow and large clients -------------------------------------------------------------------------------------------


def heard_until_closed(service, *parts: bytes, pause: float = 0.0) -> tuple[bytes, float]:
    """What is answered while these parts are sent with pauses, until the service closes; after how many seconds."""
    began = time.monotonic()
    with closing(socket.create_connection(("127.0.0.1", service.port), timeout=30)) as client:
        sending = threading.Thread(target=trickle, args=(client, parts, pause), daemon=True)
        sending.start()
        heard = b""
        try:
            while part := client.recv(2**16):
                heard += part
        except ConnectionResetError:
            pass
        return heard, time.monotonic() - began


def trickle(client, parts, pause: float) -> None:
    for part in parts:
        try:
            client.sendall(part)
        except OSError:
            return
        time.sleep(pause)


def test_half_a_head_is_not_waited_for(service):
    heard, seconds = heard_until_closed(service, READ[:20])
    assert heard.startswith(b"HTTP/1.1 408 ") and b"head of the request was not here after 1 s" in heard
    assert 0.9 < seconds < 15


def test_a_connection_that_says_nothing_is_closed(service):
    assert heard_until_closed(service)[0].startswith(b"HTTP/1.1 408 ")


def test_half_a_body_is_not_waited_for(service):
    heard, _ = heard_until_closed(service, READ[:-20])
    assert heard.startswith(b"HTTP/1.1 408 ") and b"body was not here after 1 s" in heard


@pytest.mark.parametrize("begin", [0, len(READ) - 200])
def test_a_byte_now_and_then_does_not_buy_time(service, begin):
    parts = [READ[:begin], *(READ[i : i + 1] for i in range(begin, len(READ)))]
    heard, seconds = heard_until_closed(service, *parts, pause=0.1)
    assert heard.startswith(b"HTTP/1.1 408 ") and seconds < 15


def test_bytes_behind_an_answer_do_not_buy_time(service):
    heard, seconds = heard_until_closed(service, READ, *[b"G"] * 200, pause=0.1)
    assert heard.startswith(b"HTTP/1.1 200 ") and seconds < 15


def test_a_hundred_megabytes_are_neither_read_nor_kept(service):
    ask(service, READ)
    before, head = service.resident(), READ.partition(b"content-length")[0]
    part = b" " * 2**16
    kinds = {b"content-length: 100000000": part, b"transfer-encoding: chunked": b"10000\r\n" + part + b"\r\n"}
    for length, part in kinds.items():
        heard, _ = heard_until_closed(service, head + length + b"\r\n\r\n", *[part] * 1526)
        assert heard.startswith(b"HTTP/1.1 413 ") and b"the body may have 65,536 bytes" in heard
    assert service.resident() - before < 20e6
    assert ask(service, READ).status == 200


def test_a_client_that_takes_nothing_does_not_stop_the_others(service):
    with closing(socket.create_connection(("127.0.0.1", service.port))) as deaf:
        deaf.sendall(request("/models/letters/write", {"prompt": "a", "tokens": 1000}) * 20)
        assert ask(service, READ).status == 200
        assert len(events(post(service, "/models/letters/write", {"prompt": "a", "tokens": 5}))) == 6


# -- many clients -----------------------------------------------------------------------------------------------------


def test_a_thousand_clients_at_once_are_answered_or_told_to_come_again(registry):
    with running(plan_of(registry)) as one:
        answers = asyncio.run(crowd(Clients(one.port, patience=60), lambda i: READ, 1000))
        assert set(told(answers)) <= {200, 429, 503} and told(answers)[200] >= 500
        assert all("\r\nretry-after: 1" in answer.head for answer in answers if answer.status != 200)
        assert ask(one, READ).status == 200


def test_more_clients_than_it_can_have_are_turned_away_and_it_recovers(registry):
    with running(replace(plan_of(registry), limits=replace(CALM, connections=50))) as one:
        answers = asyncio.run(crowd(Clients(one.port, patience=60), lambda i: READ, 1000))
        assert set(told(answers)) == {200, 503} and told(answers)[200] >= 50
        refusals = [answer for answer in answers if answer.status == 503]
        assert all("\r\nretry-after: 1" in answer.head for answer in refusals)
        assert refusals[0].json() == {"error": "there are 50 connections already"}
        for _ in range(20):  # it may not have noticed yet that the others are gone: come again, as it says
            if (last := ask(one, READ)).status == 200:
                break
            time.sleep(1)
        assert last.status == 200


def test_a_full_queue_says_when_to_come_again(registry):
    slow = Batching(most=4, wait=1.0, waiting=4)
    with running(plan_of(registry, batching=slow)) as one:
        answers = asyncio.run(crowd(Clients(one.port), lambda i: READ, 60))
        assert set(told(answers)) == {200, 429}
        assert all("\r\nretry-after: 1" in answer.head for answer in answers if answer.status == 429)
        assert ask(one, READ).status == 200


def test_memory_is_flat(registry, letters):
    with running(plan_of(registry, names=("digits",), files=(str(letters),))) as one:
        write = request("/models/letters/write", {"prompt": "abc", "tokens": 30})

        async def hundreds() -> dict:
            clients = Clients(one.port)
            answers = await crowd(clients, lambda i: write if i % 20 == 0 else READ, 20, 20)
            clients.close()
            return told(answers)

        def load(rounds: int) -> int:
            for _ in range(rounds):
                assert asyncio.run(hundreds()) == {200: 400}
            return one.resident()

        first, last = load(2), load(4)
        assert last - first < 10e6


# -- versions ---------------------------------------------------------------------------------------------------------


def test_versions_change_without_a_lost_request(registry):
    with running(plan_of(registry)) as one:

        async def run():
            clients, rng = Clients(one.port), np.random.default_rng(0)
            load = asyncio.create_task(poisson(clients, lambda i: READ, 100, 3, rng))
            await asyncio.sleep(0.5)
            said = [await clients.ask(request("/models/digits/promote", {"version": 2}))]
            await asyncio.sleep(0.5)
            await asyncio.to_thread(registry.promote, "digits", 3)  # by another process
            await asyncio.sleep(1)
            said.append(await clients.ask(request("/models/digits/rollback", {})))
            return await load, said

        answers, said = asyncio.run(run())
        assert told(answers) == {200: len(answers)}
        assert [answer.json()["version"] for answer in said] == [2, 2] and registry.live("digits") == 2
        assert {answer.json()["version"] for answer in answers} == {1, 2, 3}


def test_texts_change_their_model_without_a_lost_one(tmp_path):
    registry = Registry(tmp_path / "registry")
    for seed in range(2):
        registry.register("letters", gpt_weights(seed))
    registry.promote("letters", 1)
    write = request("/models/letters/write", {"prompt": "abc", "tokens": 100, "seed": 1})
    with running(plan_of(registry)) as one:

        async def run():
            clients = Clients(one.port)
            texts = asyncio.create_task(crowd(clients, lambda i: write, 6, 6))
            await asyncio.sleep(0.4)
            await clients.ask(request("/models/letters/promote", {"version": 2}))
            return await texts

        texts = [events(answer) for answer in asyncio.run(run())]
        assert all(len(text) == 101 and text[-1]["reason"] == "length" for text in texts)
        by_version = {text[-1]["version"]: "".join(piece["text"] for piece in text[:-1]) for text in texts}
        assert by_version.keys() == {1, 2}
        for text in texts:  # no text is of two versions
            assert "".join(piece["text"] for piece in text[:-1]) == by_version[text[-1]["version"]]


def test_an_upload_becomes_a_candidate_and_then_live(registry):
    with running(plan_of(registry)) as one:
        answer = ask(one, upload("digits", stored(weights(cnn()))))
        assert (answer.status, answer.json()) == (201, {"model": "digits", "version": 4, "stage": "candidate"})
        assert post(one, "/models/digits/promote", {"version": 4}).json()["kind"] == "cnn"
        versions = ask(one, request("/models/digits/versions")).json()["versions"]
        assert [version["stage"] for version in versions] == ["retired", "candidate", "candidate", "live"]


def test_a_model_file_cut_short_does_not_end_the_service(registry):
    mark = registry.version("digits", 2).fingerprint
    path = registry.folder / "weights" / f"{mark}.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with running(plan_of(registry)) as one:
        answer = post(one, "/models/digits/promote", {"version": 2})
        assert answer.status == 409 and "version 1 goes on" in answer.json()["error"]
        assert "cut short" in answer.json()["error"]
        assert post(one, "/models/digits/read", {"image": IMAGE}).json()["version"] == 1
        assert number(one, 'tito_model_failures_total{model="digits"}') == 1
        assert "cut short" in ask(one, request("/models")).json()["models"][0]["problem"]
        assert post(one, "/models/digits/promote", {"version": 3}).json()["version"] == 3
        one.end()
        assert one.complaints.count("version 1 of digits goes on") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone lets another process's limits be changed")
def test_a_full_disk_is_said_and_outlived(registry):
    import resource

    with running(plan_of(registry)) as one:
        before = resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (4096, before[1]))  # no file grows beyond that
        answer = ask(one, upload("digits", stored(mlp_weights(9))))
        assert answer.status == 507 and "could not be kept" in answer.json()["error"]
        assert ask(one, READ).status == 200
        resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, before)
        assert ask(one, upload("digits", stored(mlp_weights(9)))).json()["version"] == 4
        assert post(one, "/models/digits/promote", {"version": 4}).json()["version"] == 4


def test_two_services_on_one_registry_follow_it(registry):
    with running(plan_of(registry)) as one, running(plan_of(registry)) as two:

        async def both():
            clients = [Clients(one.port), Clients(two.port)]
            loads = [poisson(each, lambda i: READ, 40, 2.5, np.random.default_rng(0)) for each in clients]
            uploads = [each.ask(upload("digits", stored(mlp_weights(i)))) for i, each in enumerate(clients)]
            promotions = [request("/models/digits/promote", {"version": version}) for version in (2, 3)]
            changes = [each.ask(promotion) for each, promotion in zip(clients, promotions)]
            return await asyncio.gather(*uploads, *changes, *loads)

        *said, first, second = asyncio.run(both())
        assert sorted(answer.json()["version"] for answer in said[:2]) == [4, 5]
        assert told(first) == {200: len(first)} and told(second) == {200: len(second)}
        live = registry.live("digits")
        assert live in (2, 3)
        for each in (one, two):
            assert first[-1].json()["version"] == second[-1].json()["version"] == live, each.port


def test_what_was_acknowledged_outlives_a_kill(registry):
    plan = plan_of(registry)
    with running(plan) as one:
        acknowledged: list[int] = []

        async def run():
            clients = Clients(one.port)
            killing = asyncio.get_running_loop().call_later(0.7, one.process.kill)
            for seed in range(1000):
                answer = await clients.ask(upload("digits", stored(mlp_weights(seed))))
                if answer.status != 201:
                    break
                acknowledged.append(answer.json()["version"])
            killing.cancel()

        asyncio.run(run())
        assert one.process.wait() == -signal.SIGKILL and acknowledged
    with running(plan) as again:
        for version in (acknowledged[0], acknowledged[-1]):
            assert post(again, "/models/digits/promote", {"version": version}).json()["version"] == version
        known = {version["version"] for version in ask(again, request("/models/digits/versions")).json()["versions"]}
        assert set(acknowledged) <= known


# -- beginning and end ------------------------------------------------------------------------------------------------


def test_a_polite_end_under_load_answers_all_that_has_begun(registry, letters):
    with running(plan_of(registry, names=("digits",), files=(str(letters),))) as one:
        write = request("/models/letters/write", {"prompt": "abc", "tokens": 100})

        async def run():
            clients = Clients(one.port, patience=20)
            make, rng = lambda i: write if i % 10 == 0 else READ, np.random.default_rng(0)
            load = asyncio.create_task(poisson(clients, make, 100, 2, rng))
            await asyncio.sleep(1)
            one.process.terminate()
            return await load

        answers = asyncio.run(run())
        assert one.end() == 0
        assert set(told(answers)) <= {200, "refused"} and told(answers)[200] > 30
        assert all(answer.body.count(b"event: end") == 1 for answer in answers if answer.body.startswith(b"data"))
        assert one.said[-1].startswith("Ended: ") and one.complaints == ""


def test_a_service_that_will_end_says_so_and_still_answers(registry):
    with running(replace(plan_of(registry), limits=replace(CALM, notice=4))) as one:
        assert ask(one, request("/ready")).status == 200
        one.process.terminate()
        answers = [ask(one, request("/ready")), ask(one, READ)]
        assert [answer.status for answer in answers] == [503, 200]
        assert all("\r\nconnection: close" in answer.head for answer in answers)
        assert one.process.wait(30) == 0


def tito(*arguments: str, work, stdin: int = subprocess.DEVNULL) -> subprocess.Popen:
    env = {**environment(), "TINYTORCH_WORK": str(work)}
    pipes = {"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-m", "tito", "serve", *arguments], env=env, **pipes)


def test_the_command_trains_serves_and_passes_an_end_on(tmp_path):
    process = tito("digits", "--train", "--port", "0", work=tmp_path)
    lines = []
    while not lines or not lines[-1].startswith("Ready: http://127.0.0.1:"):
        lines.append(process.stdout.readline())
        assert lines[-1], process.stderr.read()
    assert lines[0].startswith("Training digits in a few seconds")
    assert "digits: version 1, mlp of 2,410 weights.\n" in lines and "On the reference.\n" in lines
    process.terminate()
    rest, complaints = process.communicate(timeout=30)
    assert (process.returncode, rest, complaints) == (0, "Ended: 0 requests were answered.\n", "")


def test_it_runs_on_the_students_chapters(tmp_path):
    (tmp_path / "losses.py").write_text((default().package / "losses.py").read_text() + "\nprint('mine', flush=True)\n")
    code = (
        "import pathlib, sys; from tito.course import default; from tito.serving import start\n"
        "from tito.serving.server import Plan; from tito.work.workspace import Workspace\n"
        "work = Workspace(default(), pathlib.Path(sys.argv[1]))\n"
        "sys.exit(start.serve(work, Plan(sys.argv[1], ('digits',), train=True, port=0), ['losses']))"
    )
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environment(), **pipes)
    assert process.stdout.readline() == "mine\n"
    while (line := process.stdout.readline()) and not line.startswith("Ready"):
        pass
    process.terminate()
    assert process.communicate(timeout=30)[0].startswith("Ended") and process.returncode == 0


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there is no terminal to ask in")
@pytest.mark.parametrize("answer, code", [(b"y\n", 0), (b"n\n", 2)], ids=["yes", "no"])
def test_in_a_terminal_it_offers_to_train(tmp_path, answer, code):
    ours, theirs = os.openpty()
    process = tito("digits", "--port", "0", work=tmp_path, stdin=theirs)
    os.write(ours, answer)
    said = ""
    while "Ready: " not in said and (line := process.stdout.readline()):
        said += line
    process.terminate()
    complaints = process.communicate(timeout=30)[1]
    assert "Train digits now, in a few seconds?" in said and process.returncode == code
    assert ("tito serve digits --train" in complaints) == (code == 2)
    os.close(ours), os.close(theirs)


def test_what_cannot_be_served_is_one_line(tmp_path, letters):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        there = ["--model", str(letters), "--port", port]
        for arguments, text in [(["digits"], "tito serve digits --train"), (there, f"port {port} of 127.0.0.1")]:
            process = tito(*arguments, work=tmp_path)
            said, complaints = process.communicate(timeout=30)
            assert process.returncode == 2 and said == "" and text in complaints
            assert complaints.startswith("tito: ") and complaints.count("\n") == 1


def test_a_service_ends_with_the_process_that_started_it(registry):
    code = (
        "import os, subprocess, sys; from tito.serving.server import Plan\n"
        f"plan = Plan({str(registry.folder)!r}, port=0, parent=os.getpid())\n"
        "command = [sys.executable, '-m', 'tito.serving.server', plan.text()]\n"
        "child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)\n"
        "while not (line := child.stdout.readline()).startswith('Ready'): pass\n"
        "print(child.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    command, options = [sys.executable, "-c", code], {"capture_output": True, "text": True, "timeout": 40}
    done = subprocess.run(command, env=environment(), check=False, **options)
    pid, end = int(done.stdout), time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < end:
        time.sleep(0.1)
    assert not os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda data: data[:-7], "cut short"),
        (lambda data: b"", "not a safetensors file"),
        (lambda data: data[:-1] + b"x", "damaged"),
    ],
)
def test_a_damaged_file_is_said_in_one_line(tmp_path, letters, change, text):
    from tito.serving.metrics import Metrics

    path = tmp_path / "damaged.safetensors"
    path.write_bytes(change(letters.read_bytes()))
    with pytest.raises(CannotServe, match=text):
        opened(Plan(str(tmp_path), files=(str(path),)), Metrics())


def test_no_live_version_and_no_such_name_are_said(tmp_path):
    from tito.serving.metrics import Metrics

    registry = Registry(tmp_path)
    none = "no model 'other' is registered; registered: nothing"
    for names, text in [((), "no model is registered"), (("other",), none)]:
        with pytest.raises(CannotServe, match=text):
            opened(Plan(str(tmp_path), names), Metrics())
    registry.register("digits", mlp_weights(0))
    with pytest.raises(CannotServe, match=r"none of digits's versions is live \(1\): promote one"):
        opened(Plan(str(tmp_path), ("digits",)), Metrics())


def test_it_listens_on_loopback_unless_told_otherwise(service):
    assert Plan("").host == "127.0.0.1"
    with closing(listening("localhost", 0)) as bound:
        assert bound.getsockname()[0] in ("127.0.0.1", "::1")
    with pytest.raises(CannotServe, match=r"port 80 of no\.such\.host\.invalid cannot be had"):
        listening("no.such.host.invalid", 80)


@pytest.mark.parametrize("name", ["head", "body_bytes"])
def test_a_limit_is_above_zero(name):
    with pytest.raises(ValueError, match=f"the limit {name} is a number above 0, got 0"):
        Limits(**{name: 0})


# -- parts ------------------------------------------------------------------------------------------------------------


def test_a_network_is_known_by_its_weights():
    assert model_of(mlp_weights(0)).kind == "mlp"
    assert model_of(weights(mlp(64, 10))).weights == 650
    assert model_of(weights(mlp(64, 20, 30, 10))).kind == "mlp"
    assert model_of(weights(cnn())).kind == "cnn"
    assert model_of(gpt_weights()).kind == "gpt"
    classic = weights(GPT(TransformerConfig(10, context=32, width=32, layers=1)))
    classic["alphabet"] = gpt_weights()["alphabet"]
    assert model_of(classic).network.config.context == 32


@pytest.mark.parametrize(
    "arrays, text",
    [
        ({}, "weights of no network that is served .* they are nothing"),
        ({"a": np.zeros(3)}, "they are a"),
        ({"0.weight": np.zeros((64, 10), np.float32)}, "a mlp needs 0.bias of shape"),
        ({**weights(mlp(64, 10)), "x": np.zeros(1)}, "a mlp like this has no x"),
        (weights(mlp(63, 10)), "0.weight of this mlp needs shape"),
        (weights(mlp(64, 16, 9)), "2.weight of this mlp needs shape"),
        ({**weights(cnn()), "0.bias": np.zeros(6, int)}, "0.bias holds something else than finite numbers, as int64"),
        ({**gpt_weights(), "alphabet": np.arange(9)}, "alphabet needs a number for each of 10 tokens"),
        ({**gpt_weights(), "alphabet": np.zeros(10, int)}, "different characters"),
        ({**gpt_weights(), "alphabet": np.arange(10)[::-1]}, "ascending order"),
        ({k: v for k, v in gpt_weights().items() if k != "alphabet"}, "needs an array alphabet"),
        ({"tokens.weight": np.zeros(10, np.float32), "alphabet": np.arange(10)}, "tokens.weight needs shape"),
        ({"tokens.weight": np.float32(1), "alphabet": np.arange(1)}, "tokens.weight needs shape"),
        ({f"{i}.weight": np.zeros((1, 10**6), np.float32) for i in (0, 2, 4)}, "0.weight of this mlp needs shape"),
        (
            {**gpt_weights(), **{f"transformer.blocks.{i}.x": np.zeros(0, np.float32) for i in range(10**5)}},
            "a gpt needs transformer.blocks.*.attention.query.weight of shape",
        ),
        ({**gpt_weights(), "tokens.weight": np.zeros((10, 127), np.float32)}, "query.weight of this gpt needs shape"),
    ],
)
def test_other_weights_are_refused(arrays, text):
    with pytest.raises(ValueError, match=text):
        model_of(arrays)


def heard_by(texts: list, i: int, done: threading.Event):
    return lambda token: texts[i].append(token) if token is not None else done.set()


def test_texts_written_together_are_those_written_alone():
    model = model_of(gpt_weights())
    rng, writer, sizes = np.random.default_rng(0), Writer(model.network, most=3), []
    writer.observe = sizes.append
    asked = [(rng.integers(0, 10, rng.integers(1, 100)).tolist(), int(rng.integers(1, 29))) for _ in range(9)]
    texts, ends = [[] for _ in asked], [threading.Event() for _ in asked]
    for i, (prompt, count) in enumerate(asked):
        writer.submit(prompt, count, heard_by(texts, i, ends[i]), 0.7, 4, seed=i)
    assert all(end.wait(30) for end in ends)
    for i, (prompt, count) in enumerate(asked):
        caches = caches_for(model.network)
        assert texts[i] == list(generate(model.network, prompt, count, 0.7, 4, seed=i, caches=caches))
    assert max(sizes) == 3
    writer.close()
    with pytest.raises(Closed):
        writer.submit([1], 1, print)


def test_a_writer_takes_no_more_than_may_wait_and_ends_what_it_has():
    writer, ends = Writer(model_of(gpt_weights()).network, most=1, waiting=2), []
    with writer.changed:  # the thread cannot take any
        for _ in range(2):
            done = threading.Event()
            writer.submit([1], 5, heard_by([[]], 0, done))
            ends.append(done)
        with pytest.raises(Full, match="2 texts wait already"):
            writer.submit([1], 5, print)
        with pytest.raises(ValueError, match="a prompt has one token or more"):
            writer.submit([], 5, print)
    writer.close()
    assert all(end.wait(30) for end in ends)


def test_a_writer_that_fails_leaves_nobody_waiting(monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda failure: None)
    writer, done = Writer(model_of(gpt_weights()).network), threading.Event()
    writer.submit([99], 5, heard_by([[]], 0, done))  # no token of this vocabulary
    assert done.wait(30)
    writer.thread.join(30)
    assert not writer.alive
    with pytest.raises(Closed):
        writer.submit([1], 1, print)


def test_so_few_requests_say_nothing_of_their_last_percent():
    assert p99_interval(np.arange(100.0))[2] == np.inf
    low, middle, high = p99_interval(np.random.default_rng(0).exponential(1, 100_000))
    assert low < middle < high and low < np.log(100) < high


def test_the_load_comes_by_a_poisson_process(service):
    clients = Clients(service.port)
    answers = asyncio.run(poisson(clients, lambda i: READ, 100, 1, np.random.default_rng(0)))
    assert told(answers) == {200: 100}
    assert all(0 < answer.first <= answer.seconds for answer in answers)


def test_a_connection_that_was_closed_meanwhile_is_not_used_again(service):
    async def twice():
        clients = Clients(service.port)
        first = await clients.ask(READ)
        await asyncio.sleep(1.6)  # the service closes what is idle for a second
        return [first, await clients.ask(READ)]

    assert told(asyncio.run(twice())) == {200: 2}


# -- the page ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    if chromium() is None:
        pytest.skip("there is no Chromium here to open the page in")
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


def opened_page(page, service, **options):
    page.complaints.clear()
    page.open(f"http://127.0.0.1:{service.port}/", **options)
    page.wait("!document.getElementById('reader').hidden && !document.getElementById('writer').hidden")


def verdict(page) -> str:
    said = "document.getElementById('verdict').textContent"
    return page.wait(f"{said}.includes('version') && {said}")


def test_a_drawn_digit_is_read(page, service):
    opened_page(page, service)
    box = page.say("(({x, y, width}) => [x, y, width])(document.getElementById('paper').getBoundingClientRect())")
    place = lambda i: (box[0] + box[2] * (0.5 + 0.22 * np.sin(i / 3)), box[1] + box[2] * (0.5 - 0.38 * np.cos(i / 3)))
    page.mouse("mousePressed", *place(0))
    for i in range(1, 20):
        page.mouse("mouseMoved", *place(i))
    page.mouse("mouseReleased", *place(19))
    assert verdict(page).startswith("0, with ")
    assert page.say("document.querySelector('progress').value") > 0.5
    page.say("document.getElementById('clear').click()")
    assert page.say("document.getElementById('verdict').textContent") == "Nothing is drawn yet."
    assert page.complaints == []


def test_a_digit_is_drawn_with_the_keyboard(page, service):
    opened_page(page, service)
    page.say("document.getElementById('paper').focus()")
    for key in ["ArrowUp"] * 12 + [" "] + ["ArrowDown"] * 24 + [" "]:
        page.key(key)
    assert verdict(page).startswith("1, with ")
    page.key("Escape")
    assert page.say("document.getElementById('verdict').textContent") == "Nothing is drawn yet."


def test_a_text_appears(page, service):
    opened_page(page, service)
    page.say("document.getElementById('prompt').value = 'abc'; document.querySelector('#ask button').click()")
    page.wait("document.getElementById('told').textContent === '400 tokens by version 1.'")
    assert page.say("document.getElementById('text').textContent.length") == 403
    assert page.complaints == []
    page.say("document.getElementById('prompt').value = 'XYZ'; document.querySelector('#ask button').click()")
    page.wait("document.getElementById('told').textContent.includes(\"No answer: prompt: 'X' is none of\")")


NAMELESS = """
[...document.querySelectorAll('button, select, textarea, canvas, progress, [tabindex]')].filter((each) =>
  !(each.textContent.trim() && each.tagName === 'BUTTON') && !each.getAttribute('aria-label') && !each.labels?.length
  && !document.getElementById(each.getAttribute('aria-labelledby'))).map((each) => each.outerHTML)
"""
CONTRAST = """
(() => {
  const linear = (c) => c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4;
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const back = light(getComputedStyle(document.body).backgroundColor);
  const ratio = (front) => (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
  const texts = [...document.querySelectorAll('h1, h2, p, dt, dd, label')];
  return Math.min(...texts.map((each) => ratio(light(getComputedStyle(each).color))));
})()
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_the_page_fits_names_its_parts_and_is_legible(page, service, width, dark):
    opened_page(page, service, width=width, dark=dark)
    assert page.say("document.documentElement.scrollWidth") <= width
    assert page.say(NAMELESS) == []
    assert page.say(CONTRAST) >= 4.5
    paper = page.say("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (max(paper) < 80) == dark
    assert page.complaints == []
