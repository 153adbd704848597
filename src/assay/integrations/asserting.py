"""Assertions on verdicts: what `assert_passes` of the pytest plug-in does, whoever is asked.

    assert_passes = AssertPasses(JudgesHere())          # or JudgesServed(client)
    assert_passes("advice@champion", input="Which fund?", output=answer)

A verdict passes when the judge decided for one of the labels in `expect`: by default any but the positive one of a
binary scale. An abstention does not pass, nor does a judge that could not run. Knows nothing of pytest.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import httpx

from assay.api.loaded_judge import LoadedJudge
from assay.api.loading import load
from assay.client import Client, ServerError
from assay.schema.errors import AssayError, InputError, shown
from assay.schema.verdict import Abstained, Failed
from assay.served import ServedJudge, ServedVerdict

MOST_TEXT = 600  # characters of each field that stand in a failure
_WRONG_SCOPE = 403
_LATER = (429, 500, 502, 503, 504)  # what a server answers that cannot judge now


class UnreachableError(AssayError):
    """The judges cannot be asked now."""

    code = "unreachable"


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a judge said, and what is known of its scale. `positive` and `threshold` are those of a binary judge;
    `labels` is empty where the server does not tell.
    """

    judge: str
    kind: str
    label: str | None = None
    probability: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    labels: tuple[str, ...] = ()
    positive: str | None = None
    threshold: float | None = None


class Judges(Protocol):
    """Whoever can be asked."""

    def ask(self, ref: str, fields: Mapping[str, Any]) -> Heard:
        """The verdict of a judge on one example. Raises AssayError."""
        ...


class JudgesHere:
    """Judges of a workspace, loaded into this process when they are first asked. They neither fall back nor escalate.

    Args: `workspace`, its folder; None is the one around the current folder.
    """

    def __init__(self, workspace: Path | None = None) -> None:
        self._workspace = workspace
        self._loaded: dict[str, LoadedJudge] = {}

    def ask(self, ref: str, fields: Mapping[str, Any]) -> Heard:
        """See Judges."""
        if ref not in self._loaded:
            self._loaded[ref] = load(ref, self._workspace)
        judge = self._loaded[ref]
        verdict = judge.judge(**fields)
        heard = Heard(
            judge=verdict.judge,
            kind=verdict.kind,
            labels=judge.criterion.labels,
            positive=judge.criterion.scale.positive,
            threshold=judge.version.decision.threshold,
        )
        if isinstance(verdict, Failed):
            return replace(heard, reason=verdict.reason)
        heard = replace(heard, probabilities=verdict.probabilities)
        if isinstance(verdict, Abstained):
            return replace(heard, reason=verdict.reason)
        return replace(heard, label=verdict.label, probability=verdict.probability)


class JudgesServed:
    """Judges of a server. It tells the scales and thresholds of its judges to keys with the scope `read`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._versions: tuple[ServedJudge, ...] = ()
        self._sought: set[str] = set()  # a fallback is not among the versions, however often one asks

    def ask(self, ref: str, fields: Mapping[str, Any]) -> Heard:
        """See Judges. Raises UnreachableError."""
        try:
            (verdict,) = self._client.judge(ref, **fields).verdicts
            heard = _heard(verdict)
            return self._with_scale(heard, verdict.criterion)
        except httpx.HTTPError as error:
            raise _unreachable(str(error)) from error
        except ServerError as error:
            if error.status in _LATER:
                raise _unreachable(error.problem) from error
            raise

    def _with_scale(self, heard: Heard, criterion: str) -> Heard:
        """With the scale of the criterion; the threshold only where the judge itself spoke, not a fallback of it."""
        if heard.judge not in self._sought and not any(one.id == heard.judge for one in self._versions):
            self._sought.add(heard.judge)
            try:
                self._versions = self._client.judges().judges
            except ServerError as error:
                if error.status != _WRONG_SCOPE:
                    raise
        for version in sorted(self._versions, key=lambda version: version.id != heard.judge):
            if version.criterion == criterion:
                threshold = version.threshold if version.id == heard.judge else None
                return replace(heard, labels=version.labels, positive=version.positive, threshold=threshold)
        return heard


class AssertPasses:
    """Callable: `assert_passes(judge, expect=…, input=…, output=…)`."""

    def __init__(self, judges: Judges) -> None:
        self._judges = judges

    def __call__(self, judge: str, *, expect: str | Collection[str] | None = None, **fields: Any) -> Heard:
        """Ask a judge about one example; the verdict, where it passes.

        Args: `judge`, a reference; `expect`, the labels that pass; `fields`, those that the criterion reads.

        Raises AssertionError (it does not pass), AssayError (there is no such judge, `expect` is not on its scale).
        """
        __tracebackhide__ = True
        heard = self._judges.ask(judge, fields)
        passing = _passing(judge, heard, (expect,) if isinstance(expect, str) else expect)
        if heard.kind == "decided" and heard.label in passing:
            return heard
        raise AssertionError(_failure(judge, heard, passing, fields))


def _heard(verdict: ServedVerdict) -> Heard:
    return Heard(
        judge=verdict.judge,
        kind=verdict.kind,
        label=verdict.label,
        probability=verdict.probability,
        probabilities=verdict.probabilities,
        reason="" if verdict.kind == "decided" else f"{verdict.reason_code}: {verdict.reason}",
    )


def _passing(ref: str, heard: Heard, expect: Collection[str] | None) -> tuple[str, ...]:
    """The labels that pass. Raises InputError."""
    if expect is not None:
        unknown = [label for label in expect if heard.labels and label not in heard.labels]
        if unknown or not expect:
            raise InputError(
                f"expect holds labels of {ref}.", required=f"some of {list(heard.labels)}", got=shown(list(expect))
            )
        return tuple(expect)
    if heard.positive is None:
        raise InputError(
            f"Which verdicts of {ref} pass is not known: its scale has no positive label, or the server does not tell.",
            required="expect=LABEL or expect=[LABEL, …]",
            got=f"labels {list(heard.labels or heard.probabilities)}",
            next_step="name the labels that pass, or give the API key the scope read",
        )
    return tuple(label for label in heard.labels if label != heard.positive)


def _failure(ref: str, heard: Heard, passing: tuple[str, ...], fields: Mapping[str, Any]) -> str:
    """Why it does not pass, with the fields as `repr` shows them: nothing in them reaches a terminal as it is."""
    lines = [f"{ref} does not pass: {_said(heard)}, expected {' or '.join(passing)}", f"  judge: {heard.judge}"]
    if heard.probabilities:
        pairs = sorted(heard.probabilities.items(), key=lambda pair: -pair[1])
        lines.append("  probabilities: " + ", ".join(f"{label} {value:.3f}" for label, value in pairs))
    if heard.threshold is not None:
        lines.append(f"  threshold: {heard.positive} from {heard.threshold:.3f} on")
    lines += [f"  {name}: {shown(value, MOST_TEXT)}" for name, value in fields.items()]
    return "\n".join(lines)


def _said(heard: Heard) -> str:
    if heard.kind == "decided":
        return f"{heard.label} (probability {heard.probability:.3f})"
    return f"{heard.kind} ({heard.reason})"


def _unreachable(got: str) -> UnreachableError:
    return UnreachableError(
        "The judges cannot be asked.",
        required="a server that answers",
        got=got,
        next_step="start it (assay serve), or ask judges of a workspace with --assay-workspace",
    )
