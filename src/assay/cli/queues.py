"""`assay label queue list | show | close`."""

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import JsonOption, WorkspaceOption
from assay.cli.screen import Screen, estimate

if TYPE_CHECKING:
    from assay.store.labelling.queues import Queue

QueueArgument: TypeAlias = Annotated[str, typer.Argument(metavar="QUEUE", help="The name of a queue.")]


def list_queues(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List the queues, oldest first.

    Example: assay label queue list
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        found = here.labelling.queues()
    if found:
        screen.table(
            ("queue", "criterion", "by", "state", "examples", "done", "to settle", "expired", "pool"),
            [
                (
                    one.record.name,
                    one.record.criterion,
                    one.record.by,
                    "closed" if one.closed_at else "open",
                    f"{one.record.size:,}",
                    f"{one.finished:,}",
                    f"{one.disputed:,}",
                    f"{one.expired:,}",
                    f"{one.record.pool_size:,}",
                )
                for one in found
            ],
            numbers_from=4,
        )
    else:
        screen.say("There is no queue yet: assay data next --criterion CRITERION --budget N")
    screen.done({"queues": [to_jsonable(one) for one in found]})


def show(queue: QueueArgument, workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Show how far a queue is, who did what, and what its labels say of the whole pool.

    Example: assay label queue show advice-1
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        found = here.labelling.standing(queue)
    say_queue(screen, found.queue)
    screen.say(f"done {found.queue.finished:,} of {found.queue.record.size:,}, to settle {found.queue.disputed:,}")
    if found.queue.expired:
        screen.say(f"expired {found.queue.expired:,}: nobody answered, and the text was deleted by age")
    if found.members:
        screen.table(
            ("labeller", "answered", "skipped", "seconds each"),
            [
                (
                    who,
                    f"{one.labelled:,}",
                    f"{one.skipped:,}",
                    f"{one.seconds / one.labelled:.1f}" if one.labelled else "-",
                )
                for who, one in found.members.items()
            ],
        )
    for label, share in found.pool_shares.items():
        screen.say(f"share of {label} in the pool: {estimate(share.value, share.low, share.high)}, from {share.n:,}")
    if not found.pool_shares:
        screen.say("shares in the pool: not known (no labels yet, or a listed queue, which is no sample)")
    screen.done(to_jsonable(found))


def close(queue: QueueArgument, workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Take a queue off the page. Its labels stay, and what was not labelled may be drawn again.

    Example: assay label queue close advice-1
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        closed = here.labelling.close(queue)
    screen.say(f"{queue} is closed: {closed.finished:,} of {closed.record.size:,} were done.")
    screen.done(to_jsonable(closed))


def say_queue(screen: Screen, queue: "Queue") -> None:
    """Say what a queue is and how it was made."""
    record = queue.record
    which = "with" if record.pool == "labelled" else "without"
    drawn = f"drawn by {record.by} from {record.pool_size:,} examples {which} an expert's label"
    how = "listed" if record.by == "list" else drawn
    screen.say(f"{record.name}: {record.size:,} examples for criterion {record.criterion}, {how}", style="bold")
    if record.by not in ("uniform", "list"):
        screen.say(f"{record.uniform_share:.0%} of the drawing is uniform; scored by {record.scored_by}")
    if record.labellers_each > 1 and record.overlap_share > 0:
        screen.say(f"{record.overlap_share:.0%} of them go to {record.labellers_each} labellers each")
    if not record.blind:
        screen.say("Not blind: labellers see what drew an example.", style="yellow")
