"""`assay data audit | agreement | consensus`, `assay criteria diff | sample`, `assay probe`."""

import json as json_text
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import JsonOption, Ref, WorkspaceOption, words
from assay.cli.progress import progress
from assay.cli.screen import Screen, estimate

if TYPE_CHECKING:
    from assay.api.truth import Audited, CriterionChange
    from assay.datasets.agreement_report import AgreementReport
    from assay.metrics.intervals import Estimate
    from assay.validation.probes import Probed

CriterionArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="CRITERION", help="The name of a file in criteria/.")
]
OldOption: TypeAlias = Annotated[
    str | None, typer.Option("--from", metavar="VERSION", help="The older version; by default the one before.")
]
SHOWN = 10
TEXT_CHARS = 100


def audit(
    criterion: CriterionArgument,
    dataset: Annotated[
        str | None, typer.Option(metavar="ID", help="A frozen dataset; by default all labelled examples.")
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The page.")] = Path("audit.html"),
    suspects: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the rows to label again (JSONL), for a labelling queue.")
    ] = None,
    embeddings: Annotated[
        bool, typer.Option("--embeddings", help="Look for wrong labels with sentence embeddings too (slower, better).")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of folds and permutations.")] = 0,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Audit the data: shortcuts, copies, doubtful labels, imbalance, gaps; ranked, each with the command that mends it.

    Example: assay data audit advice -o audit.html --suspects suspects.jsonl
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here, progress(f"auditing {criterion}", unit="stages") as report:
        stages: list[str] = []

        def on_stage(stage: str) -> None:
            stages.append(stage)
            report(len(stages) - 1, None)

        found = here.truth.audit(criterion, dataset=dataset, embeddings=embeddings, seed=seed, on_stage=on_stage)
    _write(out, found.page)
    if suspects is not None:
        from assay.datasets.audit.suspects import suspect_lines  # noqa: PLC0415

        _write(suspects, "".join(suspect_lines(found.suspects)))
    _say_audit(screen, found)
    screen.say(f"The page: {out}")
    if suspects is not None:
        screen.say(f"{len(found.suspects):,} rows to label again: {suspects}")
    if show:
        webbrowser.open(out.resolve().as_uri())
    screen.done(_audit_values(found, out))


def agreement(
    criterion: CriterionArgument,
    source: Annotated[
        str, typer.Option(metavar="SOURCES", help="Labels of these sources only, such as expert,crowd.")
    ] = "",
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """How far labellers agree: overall, by slice, pair and month, labeller by labeller, and where they differ most.

    Example: assay data agreement advice --source expert
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        found = here.truth.agreement(criterion, sources=words(source))
    _say_agreement(screen, found)
    screen.done(to_jsonable(found))


def consensus(
    criterion: CriterionArgument,
    ties: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the undecided examples (JSONL), for adjudication.")
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Compare the majority with the weighted consensus (Dawid-Skene), and list what neither decides.

    Example: assay data consensus advice --ties ties.jsonl
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        found = here.truth.consensus(criterion)
    screen.say(
        f"{found.examples:,} examples: the majority decides {len(found.majority):,}, "
        f"the weighted consensus {len(found.weighted):,}"
    )
    screen.say(f"They decide {len(found.moved):,} differently.")
    for id_ in found.moved[:SHOWN]:
        screen.say(f"  {id_}: majority {found.majority[id_].value}, weighted {found.weighted[id_].value}")
    open_ids = sorted({*found.ties, *found.undecided})
    if ties is not None:
        _write(ties, "".join(json_text.dumps({"id": id_, "hint": "labels tied"}) + "\n" for id_ in open_ids))
        screen.say(f"Next: assay label queue make {criterion} --ids {ties} --pool labelled")
    elif open_ids:
        screen.say(f"Next: assay data consensus {criterion} --ties ties.jsonl")
    screen.done(
        {
            "examples": found.examples,
            "majority": len(found.majority),
            "weighted": len(found.weighted),
            "moved": list(found.moved),
            "ties": list(found.ties),
            "undecided": list(found.undecided),
        }
    )


def diff(
    criterion: CriterionArgument,
    old: OldOption = None,
    sample: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A relabelling sample that has been labelled anew.")
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """What moved between two versions of a criterion, what becomes of the old labels, and how many would flip.

    Example: assay criteria diff advice --from 1
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        found = here.truth.diff(criterion, old, sample)
    _say_diff(screen, found)
    screen.done(
        {
            "old": found.old.key,
            "new": found.new.key,
            "moved": [to_jsonable(one) for one in found.moved],
            "labels": [to_jsonable(one) for one in found.fates],
            "flips": None if found.flips is None else to_jsonable(found.flips),
        }
    )


def sample(
    criterion: CriterionArgument,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The sample (JSONL).")] = Path(
        "relabel.jsonl"
    ),
    size: Annotated[int, typer.Option(help="Examples in all; each old answer has at least ten.")] = 100,
    old: OldOption = None,
    seed: Annotated[int, typer.Option(help="Of the drawing.")] = 0,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Draw old labels to be given anew under the version in force, for an estimate of how many flip.

    Example: assay criteria sample advice --from 1 --size 100 -o relabel.jsonl
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        drawn, examples = here.truth.relabelling_sample(criterion, size, old_version=old, seed=seed)
    lines = [
        json_text.dumps({"id": example.id, "sampled": to_jsonable(one), **example.content()}, ensure_ascii=False)
        for one, example in zip(drawn, examples, strict=True)
    ]
    _write(out, "".join(line + "\n" for line in lines))
    screen.say(f"{len(drawn):,} examples to label anew: {out}")
    screen.say(f"Next: assay label queue make {criterion} --ids {out}, label, then:")
    screen.say(f"      assay criteria diff {criterion} --sample {out}")
    screen.done({"file": str(out), "sampled": [to_jsonable(one) for one in drawn]})


def probe(
    ref: Ref,
    rows: Annotated[int, typer.Option(help="Test rows to probe, at most.")] = 300,
    probes: Annotated[
        str, typer.Option("--probes", metavar="NAMES", help="Only these, such as padding-after,upper-case.")
    ] = "",
    remove: Annotated[
        list[str] | None, typer.Option(metavar="WORDS", help="Also: the texts without these words.")
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Change what should not matter in test rows (padding, case, order, spelling) and count how often the judge flips.

    Example: assay probe advice@candidate --rows 200
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here, progress(f"probing {ref}", unit="verdicts") as report:
        done = 0

        def on_batch(size: int) -> None:
            nonlocal done
            done += size
            report(done, None)

        judge, found = here.probe(ref, rows=rows, names=words(probes), remove=tuple(remove or ()), on_batch=on_batch)
    screen.say(f"{judge}: share of answers that flip")
    screen.table(("probe", "what", "rows", "flips", "how"), [_probe_row(one) for one in found], numbers_from=2)
    troubling = [one for one in found if one.troubling]
    for one in troubling:
        screen.say(f"{one.probe}: more than 5 % of the answers flip though the meaning stays.", style="yellow")
    if not troubling:
        screen.say("No harmless change is shown to flip more than 5 % of the answers.")
    screen.done({"judge": judge, "probes": [_probe_values(one) for one in found]})


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_text(text, encoding="utf-8", errors="replace")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _say_audit(screen: Screen, found: "Audited") -> None:
    screen.say(f"{found.audit.rows:,} rows, {len(found.audit.findings)} findings, the most harmful first")
    for number, one in enumerate(found.audit.findings, start=1):
        screen.say(f"{number}. {one.weight}: {one.title}", style="bold yellow" if one.weight == "grave" else None)
        screen.say(f"   {one.advice}")
        screen.say(f"   {one.command}")


def _audit_values(found: "Audited", out: Path) -> dict[str, Any]:
    parts = found.audit.parts
    return {
        "dataset": found.name,
        "rows": found.audit.rows,
        "page": str(out),
        "findings": [
            {
                "kind": one.kind,
                "weight": one.weight,
                "harm": one.harm,
                "title": one.title,
                "why": one.why,
                "advice": one.advice,
                "command": one.command,
                "estimate": _values(one.estimate),
                "rows": one.rows,
                "examples": list(one.examples),
            }
            for one in found.audit.findings
        ],
        "features": [
            {"feature": one.feature, "kind": one.kind, "label": one.label, "auroc": _values(one.auroc), "p": one.p}
            for one in parts.alone
        ],
        "features_model": {label: _values(auroc) for label, auroc in parts.model.items()},
        "words": [
            {"ngram": word.ngram, "label": word.label, "rows": word.rows, "share": word.share, "p": word.p}
            for word in parts.words.words
        ],
        "label_noise": None if parts.noise is None else _values(parts.noise.rate),
        "agreement": {name: _values(one) for name, one in parts.agreement.items()},
        "labels": parts.balance.labels,
        "suspects": len(found.suspects),
        "seconds": found.audit.seconds,
    }


def _values(found: "Estimate | None") -> dict[str, Any] | None:
    return None if found is None else found.to_dict()


def _say_agreement(screen: Screen, found: "AgreementReport") -> None:
    screen.say(
        f"{found.examples:,} examples, {found.shared:,} of them with two labellers or more, "
        f"{found.labellers:,} labellers"
    )
    if not found.shared:
        screen.say("Agreement is not measured: no example has labels of two people.")
        return
    for name, one in found.overall.items():
        screen.say(f"{name.replace('_', ' ')}: {estimate(one.value, one.low, one.high)}")
    parts = [*found.slices, *found.months]
    if parts:
        rows = [
            (one.key, one.value, one.alpha.n, estimate(one.alpha.value, one.alpha.low, one.alpha.high)) for one in parts
        ]
        screen.table(("part", "", "examples", "α"), rows, numbers_from=2)
    if found.pairs:
        screen.say("Pairs, the least agreeing first:")
        pairs = [
            (
                one.a,
                one.b,
                one.n,
                f"{one.same:.0%}",
                "-" if one.kappa is None else estimate(one.kappa.value, one.kappa.low, one.kappa.high),
            )
            for one in found.pairs[:SHOWN]
        ]
        screen.table(("labeller", "labeller", "examples", "same", "κ"), pairs, numbers_from=2)
    _say_labellers(screen, found)
    _say_disagreed(screen, found)


def _say_labellers(screen: Screen, found: "AgreementReport") -> None:
    suspects = [one for one in found.quality if one.suspect]
    screen.say(
        f"{len(found.quality):,} labellers could be compared with the others; {len(suspects)} agree clearly less."
    )
    for one in suspects[:SHOWN]:
        screen.say(
            f"  {one.labeller}: {one.against_peers:+.2f} ({one.low:+.2f} to {one.high:+.2f}) against the others, "
            f"{one.n} answers"
        )
    drifted = [one for one in found.drift if one.suspect]
    for moved in drifted[:SHOWN]:
        screen.say(f"  {moved.labeller} changed over time: {moved.change:+.2f} ({moved.low:+.2f} to {moved.high:+.2f})")


def _say_disagreed(screen: Screen, found: "AgreementReport") -> None:
    if not found.disagreed:
        return
    screen.say("Where they differ most:")
    for case in found.disagreed[:SHOWN]:
        votes = ", ".join(f"{count} {label}" for label, count in case.votes.items())
        screen.say(f"  {case.example} ({votes}): {' '.join(case.text.split())[:TEXT_CHARS]}")
    screen.say("Guidance that these touch:")
    for label, line in found.disagreed[0].guidance.items():
        screen.say(f"  {label}: {line}")


def _say_diff(screen: Screen, found: "CriterionChange") -> None:
    screen.say(f"{found.old.key} → {found.new.key}")
    for one in found.moved:
        screen.say(one.what, style="bold")
        for line in one.lines:
            screen.say(f"  {line}")
    if not found.moved:
        screen.say("Nothing but the version differs.")
    rows = [
        (one.value, f"{one.labels:,}", "to be labelled anew" if one.becomes is None else one.becomes)
        for one in found.fates
    ]
    screen.table(("old label", "labels", "becomes"), rows)
    if found.flips is None:
        screen.say(f"How many would flip? assay criteria sample {found.new.name} --from {found.old.version}")
        return
    flips = found.flips
    screen.say(
        f"Of {flips.population:,} old labels {estimate(flips.all.value, flips.all.low, flips.all.high)} flip: about "
        f"{flips.expected.value:,.0f} ({flips.expected.low:,.0f} to {flips.expected.high:,.0f})"
    )
    table = [(value, one.n, estimate(one.value, one.low, one.high)) for value, one in flips.by_answer.items()]
    screen.table(("old label", "labelled anew", "flips"), table)
    if flips.unanswered:
        screen.say(f"{flips.unanswered:,} of the sample are not labelled anew yet.", style="yellow")


def _probe_row(one: "Probed") -> tuple[str, ...]:
    how = ", ".join(f"{count} {way}" for way, count in one.directions.items())
    flips = "-" if one.flips is None else estimate(one.flips.value, one.flips.low, one.flips.high)
    return (one.probe, one.what + ("" if one.harmless else " (may matter)"), f"{one.changed:,}", flips, how)


def _probe_values(one: "Probed") -> dict[str, Any]:
    return {
        "probe": one.probe,
        "what": one.what,
        "harmless": one.harmless,
        "rows": one.changed,
        "flips": _values(one.flips),
        "directions": dict(one.directions),
        "mean_shift": one.mean_shift,
        "troubling": one.troubling,
        "worst": [
            {"example": flip.example, "before": flip.before, "after": flip.after, "shift": flip.shift}
            for flip in one.worst
        ],
    }
