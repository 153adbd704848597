"""`assay init`."""

from pathlib import Path
from typing import Annotated

import typer

from assay.cli.options import JsonOption
from assay.cli.screen import Screen


def init(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Where; by default here.", show_default=False)
    ] = None,
    criterion: Annotated[str, typer.Option(help="The name of the criterion to start with.")] = "example",
    workspace: Annotated[Path | None, typer.Option("--workspace", metavar="DIR", help="The same as DIR.")] = None,
    json: JsonOption = False,
) -> None:
    """Make a workspace: settings, a criterion to write on from, and the folder for data. Never overwrites.

    Example: assay init my-judges --criterion toxicity
    """
    from assay.api.starting import start_workspace  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    root = folder or workspace or Path()
    started = start_workspace(root, criterion)
    for name in started.written:
        screen.say(f"wrote  {root / name}")
    for name in started.kept:
        screen.say(f"kept   {root / name} (it was there already)")
    screen.say(f"Next: describe the question in {root / 'criteria' / f'{criterion}.toml'}, then")
    screen.say(f"  assay data import FILE --criterion {criterion} --label-source expert")
    screen.done({"workspace": str(root.resolve()), "written": started.written, "kept": started.kept})
