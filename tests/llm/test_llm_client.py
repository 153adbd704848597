"""LlmClient against a real server on loopback: answers, refusals, and every way in which an endpoint can be bad."""

import asyncio
import socket

import pytest

from assay.llm.exchange import Ask
from assay.llm.failures import LlmFailure
from assay.llm.recorded_endpoint import RecordedEndpoint, Reply, said
from assay.schema.errors import InputError

ASK = Ask(system="Judge.", user="text", max_answer_tokens=8, schema={"type": "object"}, logprobs=True)


def ask(client, ask=ASK, **limits):
    return asyncio.run(client.ask("small", ask, **limits))


def failure(client, **limits):
    with pytest.raises(LlmFailure) as caught:
        ask(client, **limits)
    return caught.value


def test_an_answer_with_its_tokens_and_log_probabilities(client_of):
    recorded = said("yes", tokens_in=12, tokens_out=1, logprobs=[("yes", {"yes": -0.1, "no": -2.4})])
    with RecordedEndpoint([recorded]) as endpoint:
        answer = ask(client_of(endpoint))
    assert (answer.text, answer.tokens_in, answer.tokens_out) == ("yes", 12, 1)
    assert answer.choices[0].alternatives == {"yes": -0.1, "no": -2.4}
    (question,) = endpoint.asked
    assert [message["role"] for message in question["messages"]] == ["system", "user"]
    assert (question["temperature"], question["max_tokens"], question["logprobs"]) == (0.0, 8, True)
    assert question["response_format"]["json_schema"]["strict"] is True


def test_an_endpoint_that_takes_less_is_asked_more_plainly_and_remembered(client_of):
    refusal = Reply(status=400, body=b'{"error": {"message": "logprobs are not supported"}}')
    with RecordedEndpoint([refusal, refusal, said("yes")]) as endpoint:
        client = client_of(endpoint)
        assert ask(client).text == "yes"
        assert ask(client).text == "yes"
    shapes = [sorted(set(question) - {"model", "messages"}) for question in endpoint.asked]
    thinking = ["max_completion_tokens", "response_format"]
    assert shapes[1:] == [["max_tokens", "response_format", "temperature"], thinking, thinking]


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (Reply(status=429, headers={"Retry-After": "0"}), "rate-limited"),
        (Reply(status=500), "server-error"),
        (Reply(status=503, body=b"<html>"), "server-error"),
        (Reply(status=401), "rejected"),
        (Reply(body=b"{not json"), "malformed"),
        (Reply(body=b'{"choices": []}'), "malformed"),
        (Reply(body=b'{"choices": null}'), "malformed"),
        (Reply(body=b"[1, 2]"), "malformed"),
        (Reply(body=b"<html>hello</html>", headers={"Content-Type": "text/html"}), "malformed"),
        (said(None), "malformed"),
        (Reply(hang_up=True), "unreachable"),
    ],
)
def test_a_bad_endpoint_is_named_by_its_fault(client_of, reply, cause):
    with RecordedEndpoint([reply]) as endpoint:
        assert failure(client_of(endpoint)).cause == cause


@pytest.mark.parametrize(("status", "times"), [(401, 1), (404, 1), (400, 4), (422, 4)])
def test_only_a_request_that_is_not_understood_is_asked_more_plainly(client_of, status, times):
    with RecordedEndpoint([Reply(status=status)]) as endpoint:
        found = failure(client_of(endpoint))
    assert (found.cause, found.status, len(endpoint.asked)) == ("rejected", status, times)


def test_a_refused_connection(client_of):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    found = failure(client_of(address))
    assert (found.cause, found.billed) == ("unreachable", False)
    assert "[llm.here]" in found.problem


@pytest.mark.parametrize("reply", [Reply(delay_s=30), Reply(body=said("yes").body, drip_s=0.05)], ids=["slow", "drip"])
def test_an_answer_that_comes_too_slowly_is_cut_off(client_of, reply):
    with RecordedEndpoint([reply]) as endpoint:
        found = failure(client_of(endpoint), timeout_s=0.3)
    assert (found.cause, found.billed) == ("timeout", True)


def test_a_refusal_that_passes_is_asked_again(client_of):
    busy = Reply(status=429, headers={"Retry-After": "0"})
    with RecordedEndpoint([busy, said("yes")]) as endpoint:
        assert ask(client_of(endpoint, max_retries=2)).text == "yes"
    assert len(endpoint.asked) == 2


def test_one_client_serves_several_event_loops(client_of):
    with RecordedEndpoint([said("yes")]) as endpoint:
        client = client_of(endpoint)
        assert [ask(client).text for _ in range(3)] == ["yes"] * 3


@pytest.mark.parametrize("address", ["", "localhost:80", "ftp://host/v1", "http:///v1"])
def test_an_address_that_is_none_is_refused(client_of, address):
    with pytest.raises(InputError, match="is no address"):
        client_of(address)


def test_the_key_is_not_shown(client_of):
    assert "hush" not in repr(client_of("http://host/v1", api_key="hush").endpoint)
