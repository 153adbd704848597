"""`assay verdicts refused | recover`: what a server gave and the database did not take."""

from typing import TYPE_CHECKING

from assay.cli.opening import open_workspace
from assay.cli.options import JsonOption, WorkspaceOption
from assay.cli.progress import progress
from assay.cli.screen import Screen

if TYPE_CHECKING:
    from assay.serving.refused import RefusedSummary

SHOWN_REASONS = 10


def refused(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Show how many verdicts the database refused, why, and since when. They wait in files of their own.

    Example: assay verdicts refused
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        found = here.refused_verdicts()
    _say(screen, found)
    if found.verdicts:
        screen.say("To have them written again: assay verdicts recover")
    screen.done(to_jsonable(found))


def recover(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Write refused verdicts into the database again. What it refuses again stays where it is, with the reason.

    Servers may run meanwhile. Stopped at any moment, the same command goes on; nothing is written twice.

    Example: assay verdicts recover
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here, progress("recovering", unit="verdicts") as report:
        done = here.recover_verdicts(on_row=report)
    screen.say(
        f"{done.written:,} written, {done.there_already:,} were there already, {done.refused_again:,} refused again"
    )
    _say(screen, done.left)
    screen.done(to_jsonable(done))


def _say(screen: Screen, summary: "RefusedSummary") -> None:
    if not summary.verdicts:
        screen.say("No verdict is refused.")
    else:
        since = (summary.since or "")[:19]
        screen.say(f"{summary.verdicts:,} refused since {since}, kept in {summary.folder}", style="yellow")
        rows = [(one.problem, one.detail, f"{one.verdicts:,}", one.since[:19]) for one in summary.reasons]
        screen.table(("why", "such as", "verdicts", "since"), rows[:SHOWN_REASONS], numbers_from=2)
    if summary.unreadable:
        screen.say(f"Files that cannot be read, and stay in {summary.folder}: {summary.unreadable:,}", style="yellow")
