"""Rungs: makes the fallback chains and the escalators of judge versions from what this workspace has.

    rungs = Rungs(clients={"default": LlmClient(endpoint)}, prices=read_prices(), spending=ledger)
    chain = rungs.chain(version, folder)
    escalator = rungs.escalator(version, larger=None)

A version may name an endpoint that assay.toml lacks, or a rule file that cannot be read: such a rung is silent, and
`missing` says why. Judges that ask one model at one endpoint share its breaker.
"""

from collections.abc import Mapping
from pathlib import Path

from assay.judging.llm import LlmJudge
from assay.judging.rules import RuleJudge
from assay.llm.client import LlmClient
from assay.llm.paying import PaidClient, Spending
from assay.llm.prices import Prices
from assay.schema.errors import AssayError
from assay.schema.fallback import LlmRung, RulesRung
from assay.schema.judge_version import JudgeVersion
from assay.serving.breaker import Breaker, Breakers
from assay.serving.escalation import NO_QUEUE, Escalator
from assay.serving.fallback import FallbackChain
from assay.serving.rung import ReadyRung, TimedJudge


class Rungs:
    """Everything that rungs share: the endpoints of assay.toml, the prices, the ledger, the breakers."""

    def __init__(
        self,
        *,
        clients: Mapping[str, LlmClient],
        prices: Prices,
        spending: Spending,
        breakers: Breakers | None = None,
    ) -> None:
        self._clients = clients
        self._prices = prices
        self._spending = spending
        self.breakers = breakers or Breakers()

    def chain(self, version: JudgeVersion, folder: Path) -> FallbackChain:
        """The fallback chain of a version whose verified folder is given."""
        rungs = [
            self._llm(version, rung, f"fallback/{version.name}")
            if isinstance(rung, LlmRung)
            else self._rules(version, rung, folder)
            for rung in version.fallback_chain
        ]
        return FallbackChain(version, rungs)

    def escalator(
        self, version: JudgeVersion, *, larger: TimedJudge | None = None, no_people: str = NO_QUEUE
    ) -> Escalator | None:
        """The escalator of a version, None where it declares no escalation.

        `larger` is the running judge that `escalation.judge` names; `no_people` says why people cannot be asked here,
        empty where they can.
        """
        escalation = version.escalation
        if escalation is None:
            return None
        rung = None
        if escalation.llm is not None:
            rung = self._llm(version, escalation.llm, f"escalation/{version.name}")
        elif escalation.judge is not None:
            rung = ReadyRung(
                kind="judge",
                judge=larger,
                budget_s=escalation.budget_ms / 1000,
                breaker=self.breakers.of(f"judge/{escalation.judge}"),
                missing="" if larger is not None else f"the judge {escalation.judge} does not run here",
            )
        return Escalator(version, escalation, rung, no_people)

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        for client in self._clients.values():
            await client.close()

    def _llm(self, version: JudgeVersion, rung: LlmRung, purpose: str) -> ReadyRung:
        client = self._clients.get(rung.endpoint)
        judge = None
        if client is not None:
            paid = PaidClient(client, self._prices, self._spending, purpose)
            judge = LlmJudge(version.criterion, rung, paid, fallback=version.fallback)
        return ReadyRung(
            kind="llm",
            judge=judge,
            budget_s=rung.budget_ms / 1000,
            breaker=self.breakers.of(f"llm/{rung.endpoint}/{rung.model}"),
            missing="" if judge is not None else f"assay.toml has no [llm.{rung.endpoint}]",
        )

    def _rules(self, version: JudgeVersion, rung: RulesRung, folder: Path) -> ReadyRung:
        judge, missing = None, ""
        try:
            judge = RuleJudge.read(folder / rung.file, version.criterion)
        except AssayError as error:
            missing = f"{rung.file}: {error.problem}"
        budget_s = rung.budget_ms / 1000
        return ReadyRung(kind="rules", judge=judge, budget_s=budget_s, breaker=Breaker(), missing=missing)
