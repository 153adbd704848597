"""VllmEngine against a small HTTP server that speaks vLLM's protocol: what it asks, and how it lives with failures."""

import contextlib
import dataclasses
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax

from assay.inference.engine import Priority, Request, now
from assay.inference.vllm.engine import VllmEngine
from assay.inference.vllm.probes import Probes, write_probes
from assay.inference.vllm.servers import VllmServers, base_url
from assay.models.tokens import TokenRow
from assay.schema.errors import (
    DeadlineExceededError,
    EngineLostError,
    InputError,
    IntegrityError,
    NotFoundError,
    OverloadedError,
    RequestFailedError,
    UnsupportedJudgeError,
)
from assay.schema.ids import digest_files
from assay.schema.judge_version import JudgeVersion

BASE = "org/tiny"
LABELS = {"yes": 11, "no": 12}
PLAIN = {"peft_type": "LORA", "r": 16, "lora_alpha": 32, "target_modules": ["q_proj"], "bias": "none"}


class StandIn(ThreadingHTTPServer):
    """A server with vLLM's four routes. The log-probability of token t after a row is -(t + last token) / 10; what it
    was asked stands in `asked`. `trouble` (status, …) is spent before anything is answered; `gate` holds answers back.
    """

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.adapters: dict[str, str] = {}
        self.asked: list[dict] = []
        self.keys: set[str | None] = set()
        self.trouble: list[int] = []
        self.loads = 0
        self.connections: list[socket.socket] = []
        self.loads_adapters = True
        self.gate = threading.Event()
        self.gate.set()
        self.window = 512
        self.name = BASE
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self.connections.append(connection)
        return connection, address

    def stop(self) -> None:
        self.gate.set()
        for connection in self.connections:  # as when a process ends: what is kept alive ends too
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """One connection to a StandIn."""

    server: StandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, *words: object) -> None:
        pass

    def answer(self, status: int, values: dict, location: str | None = None) -> None:
        data = json.dumps(values).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self.server.keys.add(self.headers.get("Authorization"))
        models = [{"id": self.server.name, "root": BASE, "parent": None, "max_model_len": self.server.window}]
        models += [
            {"id": name, "root": path, "parent": self.server.name} for name, path in self.server.adapters.items()
        ]
        self.answer(200, {"data": models})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/v1/load_lora_adapter" and self.server.loads_adapters:
            self.server.loads += 1
            self.server.adapters[body["lora_name"]] = body["lora_path"]
            return self.answer(200, {})
        if self.path == "/v1/unload_lora_adapter":
            self.server.adapters.pop(body["lora_name"])
            return self.answer(200, {})
        if self.path != "/v1/completions":
            return self.answer(404, {"detail": "Not Found"})
        return self.complete(body)

    def complete(self, body: dict) -> None:
        self.server.asked.append(body)
        known = body["model"] in (self.server.name, *self.server.adapters)
        self.server.gate.wait(10)
        if self.server.trouble:
            status = self.server.trouble.pop(0)
            return self.answer(status, {"error": {"message": "trouble"}}, location="http://127.0.0.1:9/")
        if not known:
            return self.answer(404, {"error": {"message": f"The model `{body['model']}` does not exist."}})
        if "logprob_token_ids" not in body:
            tokens = [41, 42, 2][: body["max_tokens"]]
            reason = "stop" if tokens[-1] == 2 else "length"
            return self.answer(200, {"choices": [{"token_ids": tokens, "finish_reason": reason}]})
        last = body["prompt"][-1]
        given = {f"token_id:{token}": -(token + last) / 10 for token in body["logprob_token_ids"]}
        usage = {"prompt_tokens_details": {"cached_tokens": 2}}
        return self.answer(200, {"choices": [{"logprobs": {"top_logprobs": [given]}}], "usage": usage})


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    server = StandIn()
    yield server
    server.stop()


@pytest.fixture
def engine_on() -> Iterator[Callable[..., VllmEngine]]:
    engines: list[VllmEngine] = []

    def make(*urls: str, queue_tokens: int = 1000, **values: object) -> VllmEngine:
        servers = VllmServers(**{"urls": urls, "timeout_s": 5.0, "patience_s": 5.0, **values})
        engines.append(VllmEngine(servers, queue_tokens=queue_tokens))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture
def judge_at(make_version: Callable[..., JudgeVersion], tmp_path: Path) -> Callable[..., tuple[JudgeVersion, Path]]:
    """A LoRA judge on a decoder, in a folder that holds only what vLLM is told."""

    def make(name: str = "advice", config: dict | None = None, **values: object) -> tuple[JudgeVersion, Path]:
        folder = tmp_path / name
        (folder / "adapter").mkdir(parents=True, exist_ok=True)
        (folder / "adapter" / "adapter_config.json").write_text(json.dumps({**PLAIN, **(config or {}), "name": name}))
        files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        plain = make_version(name=name)
        version = dataclasses.replace(
            plain,
            family="decoder",
            method="lora",
            backbone=dataclasses.replace(plain.backbone, name=BASE),
            rendering=dataclasses.replace(plain.rendering, label_tokens=LABELS),
            files=digest_files(files),
        )
        return dataclasses.replace(version, **values), folder

    return make


def row(*ids: int) -> TokenRow:
    return TokenRow(ids=ids, truncated_tokens=0)


def expected(last: int) -> np.ndarray:
    return log_softmax([-(token + last) / 10 for token in LABELS.values()])


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 5
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.005)


def test_label_scores_are_the_log_softmax_over_exactly_the_label_tokens(stand_in, engine_on, judge_at):
    version, folder = judge_at()
    engine = engine_on(stand_in.url)
    engine.add(version, folder)
    scores = engine.submit(Request(judge=version.id, row=row(3, 4, 5))).result()
    np.testing.assert_allclose(scores.scores, expected(5))
    assert (scores.computed_tokens, scores.shared_tokens) == (1, 2)
    asked = stand_in.asked[-1]
    assert asked["prompt"] == [3, 4, 5]
    assert asked["logprob_token_ids"] == [11, 12]
    assert (asked["temperature"], asked["repetition_penalty"], asked["max_tokens"]) == (0, 1, 1)


def test_an_adapter_is_named_by_its_content_and_loaded_once(stand_in, engine_on, judge_at):
    first, folder = judge_at()
    again = dataclasses.replace(first, fallback="block")  # another judge version with the same adapter
    other, other_folder = judge_at("other")
    engine = engine_on(stand_in.url)
    for version, place in ((first, folder), (again, folder), (other, other_folder), (first, folder)):
        engine.add(version, place)
    assert stand_in.loads == len(stand_in.adapters) == 2
    assert all(name.startswith("assay-") and len(name) == 38 for name in stand_in.adapters)
    assert str(folder / "adapter") in stand_in.adapters.values()
    engine.remove(first.id)
    assert len(stand_in.adapters) == 2, "the other version still needs it"
    engine.remove(again.id)
    assert list(stand_in.adapters.values()) == [str(other_folder / "adapter")]
    with pytest.raises(NotFoundError):
        engine.submit(Request(judge=first.id, row=row(1)))


def test_the_server_is_told_where_it_sees_the_judges(stand_in, engine_on, judge_at):
    version, folder = judge_at()
    engine_on(stand_in.url, judges_folder="/mnt/judges", api_key="secret").add(version, folder)
    assert list(stand_in.adapters.values()) == ["/mnt/judges/advice/adapter"]
    assert stand_in.keys == {"Bearer secret"}
    assert "secret" not in repr(VllmServers(urls=(stand_in.url,), api_key="secret"))


def test_explanations_come_without_the_end_token(stand_in, engine_on, judge_at):
    version, folder = judge_at()
    engine = engine_on(stand_in.url)
    engine.add(version, folder)
    request = Request(judge=version.id, row=row(3, 4))
    whole = engine.explain(request, verdict_token=11, max_tokens=9).result()
    assert (whole.tokens, whole.cut) == ((41, 42), False)
    assert stand_in.asked[-1]["prompt"] == [3, 4, 11]
    cut = engine.explain(request, verdict_token=11, max_tokens=2).result()
    assert (cut.tokens, cut.cut) == ((41, 42), True)


def test_a_server_that_was_started_anew_gets_its_adapters_again(stand_in, engine_on, judge_at):
    version, folder = judge_at()
    other, other_folder = judge_at("other")
    engine = engine_on(stand_in.url)
    engine.add(version, folder)
    engine.add(other, other_folder)
    stand_in.adapters.clear()
    requests = [Request(judge=judge, row=row(1, last)) for judge in (version.id, other.id) for last in range(8)]
    futures = [engine.submit(request) for request in requests]
    for request, future in zip(requests, futures, strict=True):
        np.testing.assert_allclose(future.result().scores, expected(request.row.ids[-1]))
    assert stand_in.loads == 4, "each adapter once more, however many requests noticed"


def test_a_server_that_comes_back_is_used_again(engine_on, judge_at):
    first = StandIn()
    version, folder = judge_at()
    engine = engine_on(first.url)
    engine.add(version, folder)
    port = first.server_port
    first.stop()
    future = engine.submit(Request(judge=version.id, row=row(1, 7)))
    until(lambda: not engine.standings()[0].up)
    second = StandIn(port)
    np.testing.assert_allclose(future.result().scores, expected(7))
    assert second.loads == 1
    second.stop()


def test_requests_go_to_the_replicas_that_run_the_judge(stand_in, engine_on, judge_at):
    lame = StandIn()
    lame.loads_adapters = False
    version, folder = judge_at()
    engine = engine_on(lame.url, stand_in.url, "http://127.0.0.1:9")
    engine.add(version, folder)
    futures = [engine.submit(Request(judge=version.id, row=row(last))) for last in range(20)]
    assert all(np.allclose(future.result().scores, expected(last)) for last, future in enumerate(futures))
    assert not lame.asked
    assert [list(standing.judges.values()) for standing in engine.standings()] == [[], ["name"], []]
    lame.stop()


def test_another_replica_takes_over(stand_in, engine_on, judge_at):
    other = StandIn()
    version, folder = judge_at()
    engine = engine_on(stand_in.url, other.url)
    engine.add(version, folder)
    other.stop()
    futures = [engine.submit(Request(judge=version.id, row=row(last))) for last in range(40)]
    assert all(np.allclose(future.result().scores, expected(last)) for last, future in enumerate(futures))


def test_no_replica_left_is_engine_lost(stand_in, engine_on, judge_at):
    version, folder = judge_at()
    engine = engine_on(stand_in.url, patience_s=0.2)
    engine.add(version, folder)
    stand_in.stop()
    with pytest.raises(EngineLostError, match="No vLLM server is left"):
        engine.submit(Request(judge=version.id, row=row(1))).result()
    assert not engine.lost, "it looks for its servers again by itself"
    with pytest.raises(EngineLostError):
        engine_on("http://127.0.0.1:9").add(version, folder)


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        ([500], None),
        ([500, 503, 429], None),
        ([429] * 9, OverloadedError),
        ([307], RequestFailedError),
        ([400], RequestFailedError),
    ],
)
def test_passing_trouble_is_retried_and_lasting_trouble_has_a_name(stand_in, engine_on, judge_at, trouble, error):
    version, folder = judge_at()
    engine = engine_on(stand_in.url)
    engine.add(version, folder)
    stand_in.asked.clear()
    stand_in.trouble = list(trouble)
    future = engine.submit(Request(judge=version.id, row=row(1, 6)))
    if error is None:
        np.testing.assert_allclose(future.result().scores, expected(6))
        return
    with pytest.raises(error):
        future.result()
    assert not engine.lost
    assert len(stand_in.asked) == (4 if error is OverloadedError else 1), "a redirect is not followed, a refusal final"


def test_the_most_urgent_goes_first_and_few_are_in_flight(stand_in, engine_on, judge_at):
    version, folder = judge_at()
    engine = engine_on(stand_in.url, in_flight=1)
    engine.add(version, folder)
    stand_in.asked.clear()
    stand_in.gate.clear()
    blocking = engine.submit(Request(judge=version.id, row=row(1)))
    until(lambda: len(stand_in.asked) == 1)
    order = [
        (Priority.BATCH, None),
        (Priority.SHADOW, None),
        (Priority.GUARDRAIL, None),
        (Priority.GUARDRAIL, now() + 60),
        (Priority.GUARDRAIL, now() + 50),
    ]
    futures = [
        engine.submit(Request(judge=version.id, row=row(2 + place)), priority=priority, deadline_s=deadline_s)
        for place, (priority, deadline_s) in enumerate(order)
    ]
    cancelled = engine.submit(Request(judge=version.id, row=row(99)))
    assert cancelled.cancel()
    assert len(stand_in.asked) == 1
    stand_in.gate.set()
    wait([blocking, *futures, cancelled])
    assert [asked["prompt"][0] for asked in stand_in.asked] == [1, 6, 5, 4, 3, 2]
    until(lambda: engine.waiting_tokens == 0)


def test_a_deadline_ends_a_request_that_waits_and_one_that_runs(stand_in, engine_on, judge_at):
    version, folder = judge_at()
    engine = engine_on(stand_in.url, in_flight=1)
    engine.add(version, folder)
    stand_in.gate.clear()
    stuck = engine.submit(Request(judge=version.id, row=row(1)))
    waiting = engine.submit(Request(judge=version.id, row=row(2)), deadline_s=now() + 0.05)
    with pytest.raises(DeadlineExceededError):
        waiting.result()
    assert not stuck.done()
    stand_in.gate.set()
    stuck.result()
    stand_in.gate.clear()
    with pytest.raises(DeadlineExceededError):
        engine.submit(Request(judge=version.id, row=row(3)), deadline_s=now() + 0.05).result()


def test_a_full_queue_refuses_and_closing_ends_what_waits(stand_in, engine_on, judge_at):
    version, folder = judge_at()
    engine = engine_on(stand_in.url, in_flight=1, queue_tokens=10)
    engine.add(version, folder)
    stand_in.asked.clear()
    stand_in.gate.clear()
    running = engine.submit(Request(judge=version.id, row=row(*range(9))))
    until(lambda: len(stand_in.asked) == 1)
    waiting = engine.submit(Request(judge=version.id, row=row(*range(9))))
    with pytest.raises(OverloadedError):
        engine.submit(Request(judge=version.id, row=row(1, 2)))
    engine.close()
    for future in (running, waiting):
        with pytest.raises(EngineLostError, match="closed"):
            future.result()
    with pytest.raises(EngineLostError, match="closed"):
        engine.submit(Request(judge=version.id, row=row(1)))


def test_removing_a_judge_ends_what_waits_for_it(stand_in, engine_on, judge_at):
    version, folder = judge_at()
    engine = engine_on(stand_in.url, in_flight=1)
    engine.add(version, folder)
    stand_in.asked.clear()
    stand_in.gate.clear()
    running = engine.submit(Request(judge=version.id, row=row(1)))
    until(lambda: len(stand_in.asked) == 1)
    waiting = engine.submit(Request(judge=version.id, row=row(2)))
    until(lambda: engine.waiting_tokens == 1)
    engine.remove(version.id)
    with pytest.raises(NotFoundError):
        waiting.result()
    stand_in.gate.set()
    running.result()
    assert engine.judges() == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"config": {"alora_invocation_tokens": [1, 2]}}, "alora_invocation_tokens"),
        ({"config": {"use_dora": True}}, "use_dora"),
        ({"config": {"bias": "all"}}, "bias"),
        ({"config": {"peft_type": "IA3"}}, "IA3"),
        ({"method": "alora"}, "activated LoRA"),
        ({"dtype": "int8"}, "int8 weights"),
        ({"family": "encoder", "method": "head"}, "vllm backend does not run"),
    ],
)
def test_what_vllm_does_not_run_is_refused_before_any_server_is_asked(stand_in, engine_on, judge_at, change, said):
    version, folder = judge_at(**change)
    with pytest.raises(UnsupportedJudgeError, match=said):
        engine_on(stand_in.url).add(version, folder)
    assert not stand_in.keys


def test_a_server_that_does_not_fit_the_judge_is_refused_with_the_reason(stand_in, engine_on, judge_at):
    version, folder = judge_at()
    engine = engine_on(stand_in.url)
    stand_in.loads_adapters = False
    with pytest.raises(UnsupportedJudgeError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING"):
        engine.add(version, folder)
    stand_in.window = version.rendering.max_tokens
    with pytest.raises(UnsupportedJudgeError, match="--max-model-len 257"):
        engine.add(version, folder)
    stranger = dataclasses.replace(version, backbone=dataclasses.replace(version.backbone, name="org/other"))
    with pytest.raises(UnsupportedJudgeError, match="--served-model-name org/other"):
        engine.add(stranger, folder)
    assert engine.judges() == ()


def test_probes_tell_other_weights_under_the_same_name(stand_in, engine_on, judge_at):
    version, folder = judge_at()
    engine = engine_on(stand_in.url)
    write_probes(folder, Probes(rows=((1, 5), (1, 6)), scores=(tuple(expected(5)), (-0.2, -1.7))))
    with pytest.raises(IntegrityError, match="off"):
        engine.add(version, folder)
    write_probes(folder, Probes(rows=((1, 5),), scores=(tuple(expected(5)),)))
    engine.add(version, folder)
    assert [asked["prompt"] for asked in stand_in.asked] == [[1, 5], [1, 6], [1, 5]]


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8000", "ftp://host", "http://user:secret@host", "http://host?x=1", "http://host:99999999"]
)
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(InputError):
        base_url(url)


def test_a_judge_without_an_adapter_shares_no_server_with_adapters(stand_in, engine_on, judge_at):
    version, folder = judge_at()
    whole = dataclasses.replace(version, method="full")
    engine = engine_on(stand_in.url)
    stand_in.name = whole.id
    engine.add(whole, folder)
    np.testing.assert_allclose(engine.submit(Request(judge=whole.id, row=row(4))).result().scores, expected(4))
    engine.remove(whole.id)
    stand_in.adapters["somebody-else's"] = "/a"
    with pytest.raises(UnsupportedJudgeError, match="serves adapters too"):
        engine.add(whole, folder)
