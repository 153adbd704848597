"""What the words of a fallback chain and of an escalation stand for.

    llm:default,rules:rules/advice.toml,block       # --fallback: rungs in order, then the action that always holds
    llm:default@1500                                # a time budget in milliseconds
    llm:default=no_advice, judge:advice-3f2a91c0=threshold, human      # --escalate: who decides, =, the default

`llm:NAME` means the model of [llm.NAME] as assay.toml says it now: the version keeps the model's name, the address and
the key stay in assay.toml. A rule file is copied into the judge's folder.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast, get_args

from assay.config import Settings
from assay.judging.rule_file import compiled, read_rules
from assay.registry import Registry, Resolved
from assay.registry.children import add_child
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, shown
from assay.schema.fallback import (
    DEFAULT_LLM_BUDGET_MS,
    DEFAULT_RULES_BUDGET_MS,
    THRESHOLD_DECIDES,
    Escalation,
    LlmRung,
    RulesRung,
    Rung,
)
from assay.schema.judge_version import JudgeVersion
from assay.schema.verdict import Action

FALLBACK_GRAMMAR = "[llm:NAME[@MS],][rules:FILE[@MS],]ACTION, with ACTION one of allow, flag, block, allow-and-flag"
ESCALATION_GRAMMAR = "llm:NAME[@MS] | judge:VERSION[@MS] | human, each with an optional =LABEL or =threshold"
RULES_FILE = "rules.toml"
_RUNG = re.compile(r"(llm|rules|judge):([^@=]+)(?:@(\d{1,6}))?")


@dataclass(frozen=True, kw_only=True)
class FallbackPlan:
    """A chain as it will stand in a version, and the files that go into its folder (name there → file here)."""

    chain: tuple[Rung, ...]
    action: Action
    files: Mapping[str, Path] = field(default_factory=dict)


def parse_fallback(text: str, settings: Settings, criterion: Criterion) -> FallbackPlan:
    """The plan that a text stands for; a rule file is read and held against the criterion.

    Raises InputError, NotFoundError (no such file).
    """
    *words, action = [word.strip() for word in text.split(",")]
    if action not in get_args(Action):
        raise _unclear("fallback", FALLBACK_GRAMMAR, text)
    chain: list[Rung] = []
    files: dict[str, Path] = {}
    for word in words:
        match = _RUNG.fullmatch(word)
        if match is None or match[1] == "judge":
            raise _unclear("fallback", FALLBACK_GRAMMAR, word)
        if match[1] == "llm":
            chain.append(_llm(match, settings))
            continue
        if files:
            raise InputError("A fallback chain has one rule file.", got=shown(text), next_step="put the rules together")
        path = settings.root / match[2].strip()
        compiled(read_rules(path), criterion)
        files[RULES_FILE] = path
        chain.append(RulesRung(file=RULES_FILE, budget_ms=int(match[3] or DEFAULT_RULES_BUDGET_MS)))
    return FallbackPlan(chain=tuple(chain), action=cast(Action, action), files=files)


def parse_escalation(text: str, settings: Settings, registry: Registry, criterion: Criterion) -> Escalation:
    """The escalation that a text stands for. Raises InputError, NotFoundError (no such judge or endpoint)."""
    who, sign, default = (part.strip() for part in text.partition("="))
    if sign and default != THRESHOLD_DECIDES:
        criterion.check_label(default)
    if who == "human":
        return Escalation(to="human", default=default or None)
    match = _RUNG.fullmatch(who)
    if match is None or match[1] == "rules":
        raise _unclear("escalation", ESCALATION_GRAMMAR, text)
    if match[1] == "llm":
        rung = _llm(match, settings)
        return Escalation(to="llm", llm=rung, default=default or None, budget_ms=rung.budget_ms)
    larger = registry.resolve(match[2].strip(), check_files=False).version
    if larger.criterion.labels != criterion.labels:
        raise InputError(
            "The larger judge answers another question.",
            required=f"a judge with the labels {list(criterion.labels)}",
            got=f"{larger.id}, with {list(larger.criterion.labels)}",
        )
    budget_ms = int(match[3] or DEFAULT_LLM_BUDGET_MS)
    return Escalation(to="judge", judge=larger.id, default=default or None, budget_ms=budget_ms)


def child_with_fallback(registry: Registry, parent: Resolved, text: str, settings: Settings) -> JudgeVersion:
    """A stored child with another chain; the parent's rule file stays behind. Raises as `parse_fallback`."""
    plan = parse_fallback(text, settings, parent.version.criterion)
    old = {rung.file: None for rung in parent.version.fallback_chain if isinstance(rung, RulesRung)}
    changes = {"fallback": plan.action, "fallback_chain": plan.chain}
    return add_child(registry, parent, changes, settings.runs, {**old, **plan.files})


def child_with_escalation(registry: Registry, parent: Resolved, text: str | None, settings: Settings) -> JudgeVersion:
    """A stored child that escalates elsewhere, or nowhere. Raises as `parse_escalation`."""
    criterion = parent.version.criterion
    escalation = None if text is None else parse_escalation(text, settings, registry, criterion)
    return add_child(registry, parent, {"escalation": escalation}, settings.runs)


def _llm(match: re.Match[str], settings: Settings) -> LlmRung:
    name = match[2].strip()
    endpoint = settings.endpoints.get(name)
    if endpoint is None:
        raise InputError(
            f"assay.toml has no endpoint {shown(name)}.",
            required=f"one of {sorted(settings.endpoints)}" if settings.endpoints else "a table [llm.NAME]",
            next_step=f'add [llm.{name}] with base_url = "…" and model = "…" to assay.toml',
        )
    return LlmRung(endpoint=name, model=endpoint.model, budget_ms=int(match[3] or DEFAULT_LLM_BUDGET_MS))


def _unclear(what: str, grammar: str, got: str) -> InputError:
    return InputError(f"This is no {what}.", required=grammar, got=shown(got))
