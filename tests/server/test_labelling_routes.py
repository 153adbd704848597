"""The routes of the labelling page: who may do what, and in which shape it is refused."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from labelling_site import Site, make_site

from assay.api import Workspace
from assay.server.labelling import standalone_app
from assay.server.labelling.app import HEADERS
from assay.server.labelling.sessions import COOKIE, Throttle

BASE = "/ui/label/"
GUARD = {"X-Assay": "1"}
ANSWER = {"key": "0123456789abcdef", "position": 0, "kind": "label", "value": "yes"}
ROUTES = [
    ("GET", "session", None),
    ("GET", "queues", None),
    ("GET", "queues/advice-1/criterion", None),
    ("GET", "queues/advice-1/progress", None),
    ("POST", "queues/advice-1/hand", {}),
    ("POST", "queues/advice-1/answers", ANSWER),
    ("POST", "queues/advice-1/undo", {"key": "0123456789abcdef"}),
    ("POST", "queues/advice-1/skipped", {}),
    ("GET", "queues/advice-1/disputes", None),
    ("POST", "queues/advice-1/decisions", {**ANSWER, "kind": "adjudicate"}),
    ("POST", "queues/advice-1/decisions/undo", {"key": "0123456789abcdef"}),
]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path, size=3)


@pytest.fixture
def client(site: Site) -> Iterator[Callable[..., TestClient]]:
    """Browsers without a browser; signed in as somebody, or not."""
    with Workspace.open(site.root) as here:
        app = standalone_app(here.labelling.database)

        def make(who: str | None = None) -> TestClient:
            made = TestClient(app, base_url="http://127.0.0.1:8600", headers=GUARD)
            if who is not None:
                given = {"name": who, "secret": site.secrets[who]}
                assert made.post(f"{BASE}api/session", json=given).status_code == 200
            return made

        yield make


def is_problem(response, status: int, code: str) -> bool:
    body = response.json()
    return (
        response.status_code == body["status"] == status
        and body["code"] == code
        and response.headers["content-type"] == "application/problem+json"
        and bool(body["detail"])
    )


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_nothing_without_signing_in(client, method, path, body):
    assert is_problem(client().request(method, f"{BASE}api/{path}", json=body), 401, "not-allowed")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Assay": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
    ],
)
def test_another_site_changes_nothing_even_with_the_cookie(client, site, headers):
    mia = client("mia")
    response = mia.post(f"{BASE}api/queues/advice-1/answers", json=ANSWER, headers=headers)
    assert is_problem(response, 403, "refused")
    assert site.labels() == {}


def test_this_very_site_may(client, site):
    mia = client("mia")
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8600"}
    assert mia.post(f"{BASE}api/queues/advice-1/answers", json=ANSWER, headers=headers).status_code == 200
    assert list(site.labels().values()) == ["yes"]


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(client, site):
    given = {"name": "mia", "secret": site.secrets["mia"]}
    cookie = client().post(f"{BASE}api/session", json=given).headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    for part in ("HttpOnly", "SameSite=strict", "Path=/ui/label/"):
        assert part in cookie
    assert site.secrets["mia"] not in cookie


def test_guessing_is_slowed_down_and_a_right_secret_waits_too(client, site):
    guesser = client()
    wrong = {"name": "mia", "secret": "guess"}
    for _ in range(Throttle.TRIES):
        assert is_problem(guesser.post(f"{BASE}api/session", json=wrong), 401, "not-allowed")
    right = {"name": "mia", "secret": site.secrets["mia"]}
    assert is_problem(guesser.post(f"{BASE}api/session", json=right), 429, "too-fast")
    other = {"name": "ada", "secret": site.secrets["ada"]}
    assert guesser.post(f"{BASE}api/session", json=other).status_code == 200


def test_signing_out_ends_the_session_itself(client):
    mia = client("mia")
    token = mia.cookies[COOKIE]
    mia.delete(f"{BASE}api/session")
    mia.cookies.set(COOKIE, token, path=BASE)
    assert mia.get(f"{BASE}api/session").status_code == 401


def test_every_answer_carries_the_headers_and_data_is_not_cached(client):
    mia = client("mia")
    for path in ("", "app.js", "style.css", "api/queues", "api/queues/nowhere/progress", "nothing-here"):
        response = mia.get(f"{BASE}{path}")
        assert {name: response.headers[name] for name in HEADERS} == HEADERS
        assert response.headers["cache-control"] == ("no-store" if path.startswith("api") else "no-cache")
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_the_page_has_no_inline_script_or_style(client):
    page = client().get(BASE).text
    assert "<script>" not in page
    assert " style=" not in page
    assert " on" not in page.split("<body>")[1].replace(" one", "").replace(" on ", "").replace(" once", "")


def test_a_labeller_is_told_of_the_example_and_the_question_only(client):
    mia = client("mia")
    hand = mia.post(f"{BASE}api/queues/advice-1/hand", json={}).json()
    item = hand["items"][0]
    assert set(item) == {"position", "fields", "previous", "hint"}
    assert (item["hint"], item["previous"]) == (None, None)
    assert [(field["name"], field["read"]) for field in item["fields"]] == [
        ("turns", True),
        ("input", True),
        ("output", True),
    ]
    assert "SECRETLY" not in str(hand)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"value": "maybe"}, 422),
        ({"kind": "guess"}, 422),
        ({"key": "short"}, 422),
        ({"extra": 1}, 422),
        ({"position": -1}, 422),
        ({"position": 99}, 404),
        ({"kind": "adjudicate"}, 422),
        ({"highlights": [{"field": "output", "start": 5, "end": 5000}]}, 422),
    ],
)
def test_what_is_wrong_with_an_answer_is_said_and_nothing_is_kept(client, site, change, status):
    response = client("mia").post(f"{BASE}api/queues/advice-1/answers", json={**ANSWER, **change})
    assert response.status_code == response.json()["status"] == status
    assert site.labels() == {}


def test_only_an_adjudicator_sees_disputes(client):
    assert is_problem(client("mia").get(f"{BASE}api/queues/advice-1/disputes"), 403, "refused")
    assert client("lead").get(f"{BASE}api/queues/advice-1/disputes").json()["dispute"] is None


def test_the_same_answer_twice_is_one_label(client, site):
    mia = client("mia")
    twice = [mia.post(f"{BASE}api/queues/advice-1/answers", json=ANSWER).json()["queue"] for _ in range(2)]
    assert twice[0] == twice[1]
    assert twice[0]["mine"]["labelled"] == len(site.labels()) == 1


def test_the_root_leads_to_the_page(client):
    response = client().get("/", follow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (307, BASE)
