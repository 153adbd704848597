"""`assay promote | rollback | alias | list | show | history | verify | adopt`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import JsonOption, Ref, WorkspaceOption
from assay.cli.screen import Screen, estimate

if TYPE_CHECKING:
    from assay.registry import Promotion

ReasonOption: TypeAlias = Annotated[str, typer.Option(help="For whoever reads the log.")]
Name: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="The name of a judge, such as advice.")]
FolderArgument: TypeAlias = Annotated[Path, typer.Argument(metavar="FOLDER", help="A judge folder.")]


def promote(
    ref: Ref,
    reason: ReasonOption = "promoted on the command line",
    waiver: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why it is promoted though a gate failed; stays in the log.")
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Make a judge champion. Refused, with every reason, unless its gates passed or a waiver says why not.

    Example: assay promote advice@candidate --reason "release 4"
    """
    with open_workspace(workspace) as here:
        moved = here.promote(ref, reason=reason, waiver=waiver)
    _report_move(moved, Screen(json_wanted=json))


def rollback(
    name: Name,
    reason: ReasonOption = "rolled back on the command line",
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Make the champion before the current one champion again; once more, further back.

    Example: assay rollback advice --reason "too many false alarms since Monday"
    """
    with open_workspace(workspace) as here:
        moved = here.rollback(name, reason=reason)
    _report_move(moved, Screen(json_wanted=json))


def alias(
    ref: Ref,
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="candidate, shadow or canary.")],
    reason: ReasonOption = "set on the command line",
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Point candidate, shadow or canary at a judge. The champion moves by promotion only.

    Example: assay alias advice-3f2a91c0 shadow
    """
    with open_workspace(workspace) as here:
        moved = here.alias(ref, alias, reason=reason)
    _report_move(moved, Screen(json_wanted=json))


def list_versions(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only judges of this name.")] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """List the judge versions, oldest first, with their aliases and what was measured.

    Example: assay list advice
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        found = here.versions(name)
    said = {None: "not asked", True: "may be promoted", False: "may not"}
    if found:
        screen.table(
            ("judge", "aliases", "F1 or macro-F1", "gates", "criterion", "dataset", "backbone", "trained"),
            [
                (
                    one.id,
                    ", ".join(one.aliases) or "-",
                    estimate(one.value, one.low, one.high),
                    said[one.may_be_promoted],
                    one.criterion,
                    one.dataset,
                    f"{one.backbone.rpartition('/')[2]}, {one.method}",
                    one.created_at[:16],
                )
                for one in found
            ],
            numbers_from=9,
        )
    else:
        screen.say("There is no judge yet: assay train CRITERION")
    screen.done({"versions": [to_jsonable(one) for one in found]})


def show(ref: Ref, workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Show the whole recipe of a judge version, after checking its files.

    Example: assay show advice@champion
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        found = here.resolve(ref)
        pointing = here.registry.aliases(found.version.name)
    recipe = to_jsonable(found.version)
    aliases = [name for name, judge in pointing.items() if judge == found.version.id]
    screen.say(f"{found.version.id}  ({', '.join(aliases) or 'no alias'})", style="bold")
    screen.say(f"folder  {found.folder}")
    for part, value in recipe.items():
        if part == "files":
            screen.say(f"files  {len(value)}, all as they were made")
        elif part != "criterion":
            screen.say(f"{part}  {value}")
    screen.say(f"criterion  {found.version.criterion.key}: {found.version.criterion.question}")
    screen.done(
        {
            "id": found.version.id,
            "digest": found.version.digest,
            "aliases": aliases,
            "folder": str(found.folder),
            "recipe": recipe,
        }
    )


def history(name: Name, workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Show the promotions log of a name, oldest first. Nothing is ever taken out of it.

    Example: assay history advice
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        log = here.history(name)
    rows = [
        (row.at[:19], row.alias, row.move, row.version or "-", row.by, row.reason, row.waiver or "-") for row in log
    ]
    screen.table(("at (UTC)", "alias", "move", "judge", "by", "reason", "waiver"), rows, numbers_from=9)
    screen.done({"history": [to_jsonable(row) for row in log]})


def verify(folder: FolderArgument, workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Check a judge folder, wherever it came from, against its own digests. Needs no workspace.

    Example: assay verify ./advice-3f2a91c0
    """
    from assay.registry import verify as verify_folder  # noqa: PLC0415

    del workspace
    screen = Screen(json_wanted=json)
    version = verify_folder(folder)
    screen.say(f"{version.id} is whole: {len(version.files)} files have the digests of its recipe.")
    screen.done({"id": version.id, "digest": version.digest, "files": len(version.files), "whole": True})


def adopt(folder: FolderArgument, workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Take in a judge folder that was made elsewhere, after checking it.

    Example: assay adopt ./advice-3f2a91c0
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        version = here.adopt(folder)
    screen.say(f"{version.id} is here. Its gates are not: it was not measured in this workspace.")
    screen.say(f"Next: assay alias {version.id} shadow")
    screen.done({"id": version.id, "digest": version.digest})


def _report_move(moved: "Promotion", screen: Screen) -> None:
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    before = f" (before: {moved.previous})" if moved.previous else ""
    screen.say(f"{moved.name}@{moved.alias} is {moved.version}{before}, by {moved.by}: {moved.reason}")
    if moved.waiver:
        screen.say(f"Waiver, kept in the log: {moved.waiver}", style="yellow")
    screen.done(to_jsonable(moved))
