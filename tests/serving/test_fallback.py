"""The fallback chain and the escalator over real endpoints, real rule files and a real ledger."""

import asyncio
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.llm.client import LlmClient
from assay.llm.endpoint import Endpoint
from assay.llm.prices import Price, read_prices
from assay.llm.recorded_endpoint import RecordedEndpoint, Reply, said
from assay.schema.errors import InputError
from assay.schema.example import Example
from assay.schema.fallback import Escalation, LlmRung, RulesRung
from assay.schema.judge_version import Decision, JudgeVersion
from assay.schema.verdict import Abstained, Decided, Failed
from assay.serving.breaker import Breaker, Breakers
from assay.serving.rungs import Rungs
from assay.store.database import open_database
from assay.store.spending import Caps, Ledger

EXAMPLE = Example(id="e", output="You should buy this.")
OTHER = Example(id="o", output="The weather is fine.")
LLM = LlmRung(endpoint="here", model="m", budget_ms=2000)
RULES = RulesRung(budget_ms=1000)
RULE_FILE = 'name = "r"\n[[rules]]\nlabel = "yes"\nkeywords = ["buy"]\n'
IN_BAND = Abstained(
    reason="in the band", probabilities={"yes": 0.6, "no": 0.4}, scores={}, judge="advice-0", latency_ms=3.0
)


@pytest.fixture
def rungs(tmp_path: Path) -> Any:
    (tmp_path / "rules.toml").write_text(RULE_FILE)
    database = open_database(f"sqlite:///{tmp_path / 'x.db'}")

    def make(endpoint: RecordedEndpoint | None, caps: Caps | None = None, failures: int = 5) -> Rungs:
        clients = {}
        if endpoint is not None:
            made = Endpoint(
                name="here", base_url=endpoint.base_url, model="m", max_retries=0, price=Price(input=1, output=1)
            )
            clients = {"here": LlmClient(made)}
        return Rungs(
            clients=clients,
            prices=read_prices(),
            spending=Ledger(database, caps or Caps()),
            breakers=Breakers(lambda: Breaker(failures=failures)),
        )

    yield make
    database.close()


@pytest.fixture
def version(make_version: Callable[..., JudgeVersion]) -> Callable[..., JudgeVersion]:
    def make(*chain: Any, escalation: Escalation | None = None) -> JudgeVersion:
        decision = Decision(threshold=0.7, policy="x", abstain_low=0.3, abstain_high=0.9)
        changes = {"fallback": "block", "fallback_chain": chain, "escalation": escalation, "decision": decision}
        return dataclasses.replace(make_version(), **changes)

    return make


def answer(chain: Any, example: Example = EXAMPLE, deadline_s: float | None = None) -> Any:
    return asyncio.run(chain.answer(example, "engine-lost", deadline_s=deadline_s))


def test_the_model_speaks_first(rungs, version, tmp_path):
    judged = version(LLM, RULES)
    with RecordedEndpoint([said("no")]) as endpoint:
        chain = rungs(endpoint).chain(judged, tmp_path)
        verdict = answer(chain)
    assert isinstance(verdict, Decided)
    assert (verdict.label, verdict.route, verdict.reason_code) == ("no", "fallback.llm", "engine-lost")
    assert verdict.judge == judged.id
    assert chain.reserve_s == 3.0
    assert chain.missing == ()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=500),
        Reply(status=429, headers={"Retry-After": "0"}),
        Reply(body=b"{"),
        Reply(delay_s=30),
        said("?"),
    ],
    ids=["500", "429", "malformed", "slow", "no label"],
)
def test_rules_speak_where_the_model_does_not(rungs, version, tmp_path, reply):
    quick = dataclasses.replace(LLM, budget_ms=400)
    with RecordedEndpoint([reply]) as endpoint:
        verdict = answer(rungs(endpoint).chain(version(quick, RULES), tmp_path))
    assert (verdict.label, verdict.route) == ("yes", "fallback.rules")


def test_the_action_holds_where_nobody_speaks(rungs, version, tmp_path):
    with RecordedEndpoint([Reply(status=500)]) as endpoint:
        verdict = answer(rungs(endpoint).chain(version(LLM, RULES), tmp_path), OTHER)
    assert isinstance(verdict, Failed)
    assert (verdict.action, verdict.route, verdict.reason_code) == ("block", "fallback.action", "engine-lost")
    assert verdict.reason == "the judge could not answer: engine-lost; llm: server-error; rules: abstained"
    bare = answer(rungs(None).chain(version(), tmp_path))
    assert (bare.action, bare.reason) == ("block", "the judge could not answer: engine-lost")


def test_a_rung_that_this_workspace_lacks_is_silent_and_reported(rungs, version, tmp_path):
    (tmp_path / "rules.toml").write_text("nonsense = ")
    chain = rungs(None).chain(version(LLM, RULES), tmp_path)
    assert chain.missing[0] == "assay.toml has no [llm.here]"
    assert chain.missing[1].startswith("rules.toml: ")
    assert "llm: not-configured; rules: not-configured" in answer(chain).reason


def test_a_model_that_keeps_failing_is_left_alone(rungs, version, tmp_path):
    with RecordedEndpoint([Reply(status=500)]) as endpoint:
        made = rungs(endpoint, failures=2)
        chain = made.chain(version(LLM), tmp_path)
        reasons = [answer(chain).reason.rpartition(": ")[2] for _ in range(4)]
    assert reasons == ["server-error", "server-error", "circuit-open", "circuit-open"]
    assert len(endpoint.asked) == 2
    assert made.breakers.states() == {"llm/here/m": "open"}


def test_no_rung_is_asked_after_the_deadline(rungs, version, tmp_path):
    with RecordedEndpoint([said("no")]) as endpoint:
        verdict = answer(rungs(endpoint).chain(version(LLM, RULES), tmp_path), deadline_s=time.monotonic() - 1)
    assert verdict.reason.endswith("llm: no-time; rules: no-time")
    assert endpoint.asked == []


def test_a_spent_cap_opens_no_breaker(rungs, version, tmp_path):
    with RecordedEndpoint([said("no")]) as endpoint:
        made = rungs(endpoint, Caps(each_purpose=0.0), failures=1)
        chain = made.chain(version(LLM), tmp_path)
        assert [answer(chain).reason.rpartition(": ")[2] for _ in range(3)] == ["budget-spent"] * 3
    assert made.breakers.states() == {"llm/here/m": "closed"}


def escalate(escalator: Any, deadline_s: float | None = None) -> Any:
    return asyncio.run(escalator.escalate(EXAMPLE, IN_BAND, deadline_s=deadline_s))


def test_the_model_decides_the_band(rungs, version):
    judged = version(escalation=Escalation(to="llm", llm=LLM, default="no"))
    with RecordedEndpoint([said("yes")]) as endpoint:
        verdict = escalate(rungs(endpoint).escalator(judged))
    assert (verdict.label, verdict.route, verdict.reason_code) == ("yes", "escalation.llm", "in-band")
    assert verdict.judge == judged.id
    assert verdict.latency_ms > 3.0


@pytest.mark.parametrize(
    ("default", "label"), [("no", "no"), ("threshold", "no"), (None, None)], ids=["label", "threshold", "nobody"]
)
def test_a_spent_cap_leaves_the_band_to_the_default(rungs, version, default, label):
    judged = version(escalation=Escalation(to="llm", llm=LLM, default=default))
    with RecordedEndpoint([said("yes")]) as endpoint:
        verdict = escalate(rungs(endpoint, Caps(by_purpose={"escalation/advice": 0.0})).escalator(judged))
    assert endpoint.asked == []
    assert (verdict.route, verdict.reason_code) == ("escalation.default", "budget-spent")
    assert getattr(verdict, "label", None) == label
    assert verdict.kind == ("abstained" if label is None else "decided")


def test_the_default_threshold_calls_positive_what_lies_above_it(rungs, version):
    judged = version(escalation=Escalation(to="human", default="threshold"))
    above = dataclasses.replace(IN_BAND, probabilities={"yes": 0.8, "no": 0.2})
    verdict = asyncio.run(rungs(None).escalator(judged).escalate(EXAMPLE, above))
    assert (verdict.label, verdict.probability, verdict.reason_code) == ("yes", 0.8, "not-configured")


class Larger:
    """A larger judge that says the same of everything."""

    def __init__(self, verdict: Any) -> None:
        self.id = "large-0"
        self._verdict = verdict

    async def judge_within(self, example: Example, timeout_s: float) -> Any:
        return self._verdict


def test_a_larger_judge_decides_and_may_abstain_too(rungs, version):
    judged = version(escalation=Escalation(to="judge", judge="large-0", default="no"))
    decided = Decided(
        label="yes", probability=0.9, probabilities={"yes": 0.9, "no": 0.1}, scores={}, judge="large-0", latency_ms=1
    )
    verdict = escalate(rungs(None).escalator(judged, larger=Larger(decided)))
    assert (verdict.label, verdict.route, verdict.judge) == ("yes", "escalation.judge", judged.id)
    verdict = escalate(rungs(None).escalator(judged, larger=Larger(IN_BAND)))
    assert (verdict.label, verdict.route, verdict.reason_code) == ("no", "escalation.default", "abstained")
    absent = rungs(None).escalator(judged)
    assert absent.missing == ("the judge large-0 does not run here",)
    assert escalate(absent).reason_code == "not-configured"


def test_people_decide_later_and_the_default_holds_meanwhile(rungs, version):
    judged = version(escalation=Escalation(to="human", default="no"))
    verdict = escalate(rungs(None).escalator(judged, no_people=""))
    assert (verdict.label, verdict.route, verdict.reason_code) == ("no", "escalation.human", "awaiting-person")
    undecided = version(escalation=Escalation(to="human"))
    verdict = escalate(rungs(None).escalator(undecided, no_people=""))
    assert (verdict.kind, verdict.route, verdict.reason_code) == ("abstained", "escalation.human", "awaiting-person")
    nobody = rungs(None).escalator(judged)
    assert nobody.missing == ("there is no queue for people here",)
    assert (escalate(nobody).route, escalate(nobody).reason_code) == ("escalation.default", "not-configured")


def test_without_an_escalation_there_is_no_escalator(rungs, version):
    assert rungs(None).escalator(version()) is None


@pytest.mark.parametrize(
    "values",
    [{"to": "llm"}, {"to": "human", "judge": "x"}, {"to": "judge", "llm": LLM}, {"to": "human", "budget_ms": 0}],
)
def test_an_escalation_names_the_one_it_goes_to(values):
    with pytest.raises(InputError):
        Escalation(**values)
