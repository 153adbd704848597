"""`assay fallback | escalation | spending`."""

from typing import Annotated

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import JsonOption, Ref, WorkspaceOption
from assay.cli.screen import Screen
from assay.schema.judge_version import JudgeVersion

_MICRO = 1_000_000


def fallback(
    ref: Ref,
    chain: Annotated[
        str, typer.Argument(metavar="CHAIN", help="llm:NAME@MS,rules:FILE@MS,ACTION: but the last, all may go.")
    ],
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Declare who answers when a judge cannot run. Makes a child version; the judge itself stays as it is.

    Example: assay fallback advice "llm:default@1500,rules:rules/advice.toml,block"
    """
    with open_workspace(workspace) as here:
        child = here.set_fallback(ref, chain)
    _report(child, Screen(json_wanted=json))


def escalation(
    ref: Ref,
    to: Annotated[
        str,
        typer.Argument(
            metavar="TO", help="llm:NAME, judge:VERSION, human or none; =LABEL or =threshold after it is the default."
        ),
    ],
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Declare who decides what a judge declines. Makes a child version.

    Example: assay escalation advice llm:default=threshold
    """
    with open_workspace(workspace) as here:
        child = here.set_escalation(ref, None if to == "none" else to)
    _report(child, Screen(json_wanted=json))


def spending(
    month: Annotated[str | None, typer.Option(metavar="YYYY-MM", help="By default the current month, in UTC.")] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Show what language models cost in a month, by purpose and model, beside the cap.

    Example: assay spending --month 2026-11
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        rows = here.spending(month)
    screen.table(
        ("purpose", "model", "US dollars", "calls", "tokens in", "tokens out"),
        [
            (
                row.purpose,
                row.model,
                f"{row.micro_usd / _MICRO:,.4f}",
                f"{row.calls:,}",
                f"{row.tokens_in:,}",
                f"{row.tokens_out:,}",
            )
            for row in rows
        ],
        numbers_from=2,
    )
    total = sum(row.micro_usd for row in rows) / _MICRO
    screen.say(f"${total:,.4f} in all")
    screen.done({"spending": [to_jsonable(row) for row in rows], "usd": total})


def _report(child: JudgeVersion, screen: Screen) -> None:
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen.say(f"{child.id} is a child of {child.parent}: fallback {_chain(child)}")
    if child.escalation is not None:
        default = child.escalation.default
        screen.say(f"escalates to {child.escalation.to}" + (f", default {default}" if default else ""))
    screen.say(f"Next: assay evaluate {child.id}")
    screen.done(
        {
            "id": child.id,
            "parent": child.parent,
            "fallback": child.fallback,
            "fallback_chain": [to_jsonable(rung) for rung in child.fallback_chain],
            "escalation": None if child.escalation is None else to_jsonable(child.escalation),
        }
    )


def _chain(child: JudgeVersion) -> str:
    return ", then ".join([*(rung.kind for rung in child.fallback_chain), child.fallback])
