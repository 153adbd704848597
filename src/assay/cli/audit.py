"""`assay data audit`."""

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import CriterionArgument, JsonOption, WorkspaceOption
from assay.cli.progress import progress
from assay.cli.screen import Screen
from assay.cli.whole_file import write_whole

if TYPE_CHECKING:
    from assay.api.truth import Audited
    from assay.metrics.intervals import Estimate


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
    write_whole(out, found.page)
    if suspects is not None:
        from assay.datasets.audit.suspects import suspect_lines  # noqa: PLC0415

        write_whole(suspects, "".join(suspect_lines(found.suspects)))
    _say_audit(screen, found)
    screen.say(f"The page: {out}")
    if suspects is not None:
        screen.say(f"{len(found.suspects):,} rows to label again: {suspects}")
    if show:
        webbrowser.open(out.resolve().as_uri())
    screen.done(_audit_values(found, out))


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
