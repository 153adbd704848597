"""The OpenAPI description is complete, and what the server answers is what it says (schemathesis)."""

import socket
import threading

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from served_events import DigestJudge

from assay.server.app import server_app
from assay.server.running import serving_of


@pytest.fixture
def described(shop):
    """The description of a server that really runs."""
    shop.add(alias="champion")
    with (
        socket.socket() as listening,
        serving_of(shop.settings, small=DigestJudge, open_access=True) as serving,
    ):
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(server_app(serving), log_level="error"))
        running = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        running.start()
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{listening.getsockname()[1]}/openapi.json")
        server.should_exit = True
        running.join()


def test_no_answer_is_a_mistake_of_ours_or_undocumented(described):
    tried = []
    for result in described.get_all_operations():
        operation = result.ok()
        tried.append(operation.label)

        @settings(
            max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
        )
        @given(case=operation.as_strategy())
        def check(case):
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        check()
    assert len(tried) > 12


def test_every_body_has_an_example_and_every_route_says_what_it_does(shop):
    with serving_of(shop.settings, small=DigestJudge) as serving:
        described = server_app(serving).openapi()
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert operation["description"], path
            assert "default" in operation["responses"] or len(operation["responses"]) > 1 or path == "/healthz"
            reference = (operation.get("requestBody", {}).get("content", {}).get("application/json", {})).get(
                "schema", {}
            )
            if "$ref" in reference:
                body = described["components"]["schemas"][reference["$ref"].rpartition("/")[2]]
                assert body["examples"], path
    assert "Problem" in described["components"]["schemas"]
