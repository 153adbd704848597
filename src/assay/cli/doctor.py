"""`assay doctor`."""

import typer

from assay.cli.options import JsonOption, WorkspaceOption
from assay.cli.screen import Screen

BROKEN_FOUND = 1
STYLES = {"ok": None, "warning": "yellow", "broken": "bold red"}


def doctor(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Check the machine and the workspace. Repairs nothing; ends with status 1 when something is broken.

    Example: assay doctor
    """
    from assay.api.doctor import examine  # noqa: PLC0415
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    findings = examine(workspace)
    for one in findings:
        screen.say(f"{one.state:<8}  {one.name:<16}  {one.found}", style=STYLES[one.state])
        if one.next_step:
            screen.say(f"{'':<28}→ {one.next_step}")
    broken = [one.name for one in findings if one.state == "broken"]
    screen.say(f"Broken: {', '.join(broken)}" if broken else "In order.")
    screen.done({"in_order": not broken, "findings": [to_jsonable(one) for one in findings]})
    if broken:
        raise typer.Exit(BROKEN_FOUND)
