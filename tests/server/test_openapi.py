"""The OpenAPI description is complete, and what the server answers is what it says (schemathesis)."""

import json
import socket
import threading
from collections import Counter

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance
from served_events import DigestJudge

from assay.api.keys import make_key
from assay.ingest.otlp import spans_of
from assay.server import bodies
from assay.server.app import server_app
from assay.server.running import serving_of


@pytest.fixture
def described(shop):
    """The description of a server that really runs."""
    shop.add(alias="champion")
    with socket.socket() as listening, serving_of(shop.settings, small=DigestJudge) as serving:
        secrets = [make_key(serving.database, scope, [scope]).secret for scope in ("admin", "label")]
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(server_app(serving), log_level="error"))
        running = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        running.start()
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{listening.getsockname()[1]}/openapi.json"), secrets
        server.should_exit = True
        running.join()


def test_no_answer_is_a_mistake_of_ours_or_undocumented(described):
    (description, (admin, narrow)), tried, seen = described, [], Counter()
    headers = [{"Authorization": f"Bearer {secret}"} for secret in (admin, admin, admin, narrow)]
    for result in description.get_all_operations():
        operation = result.ok()
        tried.append(operation.label)

        @settings(
            max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
        )
        @given(case=operation.as_strategy(), key=st.sampled_from([*headers, {}]))
        def check(case, key):
            seen[case.call_and_validate(headers=key, excluded_checks=[positive_data_acceptance]).status_code] += 1

        check()
    assert len(tried) > 12
    assert {200, 401, 403, 404, 422} <= set(seen)


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


def test_every_answer_of_ours_and_every_body_of_spans_has_an_example_of_its_own_shape(shop):
    with serving_of(shop.settings, small=DigestJudge) as serving:
        described = server_app(serving).openapi()
    shown = 0
    for name, body in vars(bodies).items():
        if name not in described["components"]["schemas"]:
            continue
        for example in (body.model_config.get("json_schema_extra") or {}).get("examples", []):  # FastAPI drops nulls
            assert body.model_validate(example, extra="forbid").model_dump(exclude_unset=True, mode="json") == example
            shown += 1
    assert shown >= 13
    for path, operations in described["paths"].items():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                reference = answer.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
                if reference and "Body" in reference and status.startswith("2"):
                    assert described["components"]["schemas"][reference.rpartition("/")[2]]["examples"], path
    spans = described["paths"]["/v1/traces"]["post"]["requestBody"]["content"]["application/json"]["example"]
    (span,) = spans_of(json.dumps(spans).encode(), "application/json")
    assert "Buy Apex today." in str(span)
