"""Who is let in, how fast, and with what in their hands."""

import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.api.keys import make_key
from assay.schema.errors import InputError, RefusedError
from assay.server import access
from assay.server.run import run_server
from assay.store import keys

pytestmark = pytest.mark.anyio


async def test_a_key_opens_its_scopes_and_nothing_else(shop, asked):
    shop.add(alias="champion")
    async with shop.serving() as (client, serving):
        judge = make_key(serving.database, "checkout", ["judge"])
        admin = make_key(serving.database, "ops", ["admin"])
        nobody = await client.post("/v1/judge", json=asked())
        wrong = await client.post("/v1/judge", json=asked(), headers={"Authorization": "Bearer assay_guess"})
        mine = {"Authorization": f"Bearer {judge.secret}"}
        statuses = [
            (await client.post("/v1/judge", json=asked(), headers=mine)).status_code,
            (await client.get("/v1/verdicts", headers=mine)).status_code,
            (await client.get("/metrics", headers=mine)).status_code,
            (await client.get("/v1/verdicts", headers={"Authorization": f"Bearer {admin.secret}"})).status_code,
            (await client.get("/healthz")).status_code,
        ]
    assert [nobody.status_code, wrong.status_code] == [401, 401]
    assert nobody.headers["www-authenticate"] == "Bearer"
    assert statuses == [200, 403, 403, 200, 200]


async def test_a_key_is_stored_as_its_digest_only(shop):
    async with shop.serving() as (_, serving):
        made = make_key(serving.database, "checkout", ["judge"])
    assert made.secret.encode() not in b"".join(path.read_bytes() for path in shop.settings.data.glob("assay.db*"))
    assert made.secret not in repr(made)


async def test_a_revoked_key_and_an_expired_one_open_nothing(shop, asked):
    shop.add(alias="champion")
    async with shop.serving() as (client, serving):
        old = make_key(serving.database, "old", ["judge"], expires="2020-01-01")
        gone = make_key(serving.database, "gone", ["judge"])
        with serving.database.begin() as connection:
            keys.revoke(connection, gone.key.id)
        for made in (old, gone):
            answer = await client.post("/v1/judge", json=asked(), headers={"Authorization": f"Bearer {made.secret}"})
            assert answer.status_code == 401
        with pytest.raises(InputError, match="expires at a date"):
            make_key(serving.database, "x", ["judge"], expires="soon")
        with pytest.raises(InputError, match="scopes"):
            make_key(serving.database, "x", ["everything"])


async def test_a_key_has_a_pace(shop, asked):
    shop.add(alias="champion")
    async with shop.serving() as (client, serving):
        made = make_key(serving.database, "slow", ["judge"], requests_per_minute=1)
        headers = {"Authorization": f"Bearer {made.secret}"}
        first = await client.post("/v1/judge", json=asked(), headers=headers)
        second = await client.post("/v1/judge", json=asked(), headers=headers)
    assert [first.status_code, second.status_code] == [200, 429]
    assert second.json()["code"] == "too-fast"
    assert int(second.headers["retry-after"]) > 1


async def test_guessed_keys_give_nobody_a_pace_back_and_put_no_known_key_out(shop, monkeypatch):
    monkeypatch.setattr(access, "MAX_UNKNOWN", 8)
    async with shop.serving() as (_, serving):
        made = make_key(serving.database, "slow", ["judge"], requests_per_minute=1)
        ours = access.Access(serving.database, serving.limits, open_access=False, clock=lambda: 0.0)
        await ours.caller(f"Bearer {made.secret}", "judge", "localhost")
        for number in range(20):
            with pytest.raises(access.NotAllowedError):
                await ours.caller(f"Bearer assay_guess{number}", "judge", "localhost")
        with pytest.raises(access.TooFastError):
            await ours.caller(f"Bearer {made.secret}", "judge", "localhost")
        assert ours.remembered == 1 + 8


async def test_whoever_an_open_server_lets_in_shares_one_pace_whatever_is_sent_as_a_key(shop):
    shop.configure("[serving]\nrequests_per_minute = 30\n")  # one request at once
    async with shop.serving() as (_, serving):
        ours = access.Access(serving.database, serving.limits, open_access=True, clock=lambda: 0.0)
        await ours.caller(None, "judge", "localhost")
        with pytest.raises(access.TooFastError):
            await ours.caller("Bearer anything", "judge", "localhost")


async def test_others_are_not_let_in_without_a_key(shop):
    with pytest.raises(RefusedError, match="no API key"):
        run_server(shop.settings, host="0.0.0.0", port=0, version="0", started=print)  # noqa: S104 - it is refused


async def test_without_keys_a_server_answers_to_the_names_of_this_machine_only(shop, asked):
    shop.add(alias="champion")
    shop.configure('[serving]\nhosts = ["assay.internal"]\n')
    ours = ["127.0.0.1", "127.0.0.1:8321", "localhost:8321", "LOCALHOST", "[::1]:8321", "assay.internal:80"]
    theirs = ["evil.example", "evil.example:8321", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::1", "::"]
    async with shop.serving() as (client, serving):
        taken = [await client.get("/v1/verdicts", headers={"Host": host}) for host in ours]
        refused = [await client.get("/ui/live.json", headers={"Host": host}) for host in theirs]
        refused += [await client.post("/v1/judge", json=asked(), headers={"Host": host}) for host in theirs]
        made = make_key(serving.database, "checkout", ["read"])
        serving.access.forget()
        through_a_proxy = {"Host": "judges.example.org", "Authorization": f"Bearer {made.secret}"}
        with_a_key = await client.get("/v1/verdicts", headers=through_a_proxy)
    assert {answer.status_code for answer in taken} == {200}
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(403, "wrong-host")}
    assert "hosts" in refused[0].json()["next_step"]
    assert with_a_key.status_code == 200


async def test_every_answer_has_the_security_headers_and_its_request_id(shop):
    async with shop.serving() as (client, _):
        given_id = await client.get("/healthz", headers={"X-Request-Id": "call-17"})
        hostile = await client.get("/no/such/page", headers={"X-Request-Id": "a\tb<script>"})
    assert given_id.headers["x-request-id"] == "call-17"
    assert hostile.headers["x-request-id"].startswith("req_")
    assert hostile.status_code == 404
    assert hostile.headers["content-type"] == "application/problem+json"
    for answer in (given_id, hostile):
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_labelling_page_is_found_with_and_without_its_last_slash(shop):
    async with shop.serving() as (client, _):
        bare = await client.get("/ui/label")
        page = await client.get("/ui/label/")
    assert (bare.status_code, bare.headers["location"]) == (307, "/ui/label/")
    assert page.status_code == 200
    assert "text/html" in page.headers["content-type"]


async def test_a_body_that_is_too_large_is_refused_whatever_it_says_of_itself(shop):
    shop.configure("[serving]\nmax_body_bytes = 1000\n")

    async def chunks():
        for _ in range(100):
            yield b" " * 100

    async with shop.serving() as (client, _):
        declared = await client.post("/v1/judge", content=b" " * 2000)
        streamed = await client.post("/v1/judge", content=chunks())
    assert [declared.status_code, streamed.status_code] == [413, 413]


async def test_no_answer_says_where_the_database_is(shop, asked):
    shop.add(alias="champion")
    data, away = shop.settings.data, shop.root / "away"
    async with shop.serving() as (client, serving):
        await client.post("/v1/judge", json=asked())
        await serving.recorder.settled()
        data.rename(away)
        serving.database.close()  # what is open would go on
        answers = [
            await client.get("/readyz"),
            await client.get("/v1/verdicts"),
            await client.post("/v1/events", json={"events": [asked()]}),
        ]
        away.rename(data)
    assert [answer.status_code for answer in answers] == [503, 503, 503]
    for answer in answers:
        assert "cannot be reached" in answer.text
        assert str(shop.root) not in answer.text
        assert "sqlite" not in answer.text


SPECIAL = ["[CLS]", "[SEP]", "<|eot_id|>", "</s>", "[INST]", "\x00", "\ud800", "\u202e", "\ufeff", "a" * 5000, "𝕏" * 99]
TEXTS = st.one_of(st.text(max_size=30), st.sampled_from(SPECIAL))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["judges", "input", "output", "turns", "messages", "meta", "id", "group", "mode", "deadline_ms", "trace_id"]
NESTED = [b"[" * 50_000, b'{"a":' * 50_000, b'{"judges":["advice"],"output":' + b"[" * 900 + b"]" * 900 + b"}"]
RAW = [b"", b"\xff\xfe", b"null", b"[]", b'"text"', b"NaN", b'{"judges":["advice"],"output":"\\ud800"}', *NESTED]


@pytest.fixture
def bodies():
    """1,000 bodies that mean no good, the same in every run."""
    found: list[bytes] = [*RAW]

    @settings(
        max_examples=1000, database=None, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=5), st.booleans())
    def make(body, is_for_us):
        if is_for_us:
            body = {"output": "buy", **body, "judges": ["advice"]}
        text = json.dumps(body, ensure_ascii=is_for_us)
        found.append(text.encode("utf-8", "surrogatepass"))

    make()
    return found[:1000]


async def test_a_thousand_hostile_bodies_are_answered_or_refused(shop, bodies):
    shop.add(alias="champion")
    counts: dict[int, int] = {}
    async with shop.serving() as (client, _):
        for number, body in enumerate(bodies):
            path = ("/v1/judge", "/v1/moderations", "/v1/traces", "/v1/events", "/v1/labels")[
                number % 5 * (number % 3 > 0)
            ]
            answer = await client.post(path, content=body, headers={"content-type": "application/json"})
            counts[answer.status_code] = counts.get(answer.status_code, 0) + 1
            assert answer.status_code < 500, (path, body[:300], answer.text)
    assert len(bodies) == 1000
    assert counts[200] > 50


async def test_a_slow_database_locks_out_no_key_however_long_it_is_slow(shop, monkeypatch):
    monkeypatch.setattr(access, "PATIENCE_S", 0.02)
    now = [0.0]
    async with shop.serving() as (_, serving):
        made = make_key(serving.database, "checkout", ["judge"])
        ours = access.Access(serving.database, serving.limits, open_access=False, clock=lambda: now[0])
        await ours.caller(f"Bearer {made.secret}", "judge", "localhost")
        read = keys.by_digest

        def slow(*given):
            time.sleep(0.2)
            return read(*given)

        monkeypatch.setattr(keys, "by_digest", slow)
        for now[0] in (10.0, access.MOST_REMEMBERED_S + 1):
            assert (await ours.caller(f"Bearer {made.secret}", "judge", "localhost")).id == made.key.id
