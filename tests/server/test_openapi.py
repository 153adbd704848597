"""The OpenAPI description is complete, and what the server answers is what it says (schemathesis)."""

import socket
import threading

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, settings

from assay.server.app import server_app
from assay.server.running import serving_of


@pytest.fixture
def described(shop):
    """The description of a server that really runs."""
    shop.add(alias="champion")
    with (
        socket.socket() as listening,
        serving_of(shop.settings, make_engine=lambda _: shop.engine, open_access=True) as serving,
    ):
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(server_app(serving), log_level="error"))
        running = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        running.start()
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{listening.getsockname()[1]}/openapi.json")
        server.should_exit = True
        running.join()


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_no_answer_is_a_mistake_of_ours_or_undocumented(case):
    case.call_and_validate()


def test_every_body_has_an_example_and_every_route_says_what_it_does(shop):
    with serving_of(shop.settings, make_engine=lambda _: shop.engine) as serving:
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
