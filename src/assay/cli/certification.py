"""`assay certify`."""

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import JsonOption, Ref, WorkspaceOption, words
from assay.cli.progress import progress
from assay.cli.screen import Screen
from assay.schema.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assay.api.certifying import Certified
    from assay.calibration.certificates import Side, SideResult


def certify(
    ref: Ref,
    risk: Annotated[float, typer.Option(help="The largest share of wrong decisions on each side.")] = 0.05,
    confidence: Annotated[float, typer.Option(help="The chance that the promise holds, over the draw.")] = 0.95,
    sides: Annotated[
        str, typer.Option(help="both, negative or positive; a side left out is escalated whole.")
    ] = "both",
    queue: Annotated[
        str | None, typer.Option(metavar="NAME", help="A labelled queue that was drawn from production.")
    ] = None,
    drawn: Annotated[
        str | None,
        typer.Option(help="How labelled production rows were drawn, on your word: uniform, or weighted (`weight`)."),
    ] = None,
    accept_labels: Annotated[
        str, typer.Option(metavar="SOURCES", help="Whose labels count, comma-separated.")
    ] = "expert",
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Certify where a judge may decide by itself: two thresholds with a bound on the share of wrong decisions.

    Makes a child version that abstains between them. It may answer "infeasible" and how many labels are missing.

    Example: assay certify advice --risk 0.05 --confidence 0.95 --queue advice-1
    """
    screen = Screen(json_wanted=json)
    _one_of(sides, "--sides", ("both", "negative", "positive"))
    _one_of(drawn, "--drawn", (None, "uniform", "weighted"))
    with open_workspace(workspace) as here:
        from assay.api.certifying import CertifyRequest  # noqa: PLC0415

        request = CertifyRequest(
            risk=risk,
            confidence=confidence,
            sides=cast(Any, sides),
            queue=queue,
            drawn=cast(Any, drawn),
            accept=cast(Any, words(accept_labels)),
        )
        with progress(f"certifying {ref}") as report:
            made = here.certify(ref, request, on_judged=report)
    _say(screen, made, request.risk)
    screen.done(_values(made))


def _say(screen: Screen, made: "Certified", risk: float) -> None:
    screen.table(
        ("side", "threshold", "rows", "wrong", "wrong at most", "labels needed"),
        [_row(side, made.rows_needed) for side in made.sides.values()],
    )
    if made.child is None or made.certificate is None:
        more = made.more_labels
        screen.say(
            f"Infeasible at a risk of {risk:g}: "
            + (
                "the judge errs too often where it is surest."
                if more is None
                else f"about {more:,} more labels needed."
            ),
            style="yellow",
        )
        screen.say(
            "Next: ask for a greater --risk, or one side (--sides)"
            + (", or train a better judge" if more is None else ", or label more production rows")
        )
        return
    certificate = made.certificate
    screen.say(
        f"{made.child.id} decides {certificate.decided_share:.1%} of production by itself "
        f"({certificate.decided_share_low:.1%} to {certificate.decided_share_high:.1%}) and abstains on the rest; "
        f"{certificate.method}, on {certificate.rows:,} rows."
    )
    screen.say(f"Next: assay evaluate {made.child.id}")


def _row(side: "SideResult", needed: "Mapping[Side, int | None]") -> tuple[str, ...]:
    rows = needed.get(side.side)
    return (
        side.side,
        "-" if side.threshold is None else f"{side.threshold:.4f}",
        f"{side.rows:,}",
        f"{side.wrong:,}",
        f"{side.bound:.4f}",
        "" if side.threshold is not None else "no number" if rows is None else f"{rows:,}",
    )


def _values(made: "Certified") -> dict[str, Any]:
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    return {
        "judge": made.judge,
        "certified": made.child is not None,
        "child": None if made.child is None else made.child.id,
        "certificate": None if made.certificate is None else to_jsonable(made.certificate),
        "sides": {side: vars(result) for side, result in made.sides.items()},
        "rows_needed": dict(made.rows_needed),
        "more_labels": made.more_labels,
        "rows": made.rows,
        "failed": made.failed,
        "left_out": dict(made.left_out),
    }


def _one_of(given: str | None, option: str, known: tuple[str | None, ...]) -> None:
    if given not in known:
        names = ", ".join(name for name in known if name)
        raise InputError(f"{option} is unknown.", required=f"one of {names}", got=shown(given))
