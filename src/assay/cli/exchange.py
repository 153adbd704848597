"""`assay data export`: labelled examples as files of other tools."""

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import JsonOption, WorkspaceOption
from assay.cli.progress import progress
from assay.cli.screen import Screen


def export(
    criterion: Annotated[str, typer.Argument(metavar="CRITERION", help="The name of a file in criteria/.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="PATH", help="The file (jsonl) or new folder (all others) to write.")
    ],
    format: Annotated[  # noqa: A002 - the word users write
        str, typer.Option(help="jsonl, label-studio, argilla or hf-dataset.")
    ] = "jsonl",
    queue: Annotated[
        str | None, typer.Option(metavar="NAME", help="Its examples, without labels, to be labelled elsewhere.")
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Export the labelled examples of a criterion, every label with its source, date and note; importable again.

    Example: assay data export advice --format label-studio -o advice-ls
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here, progress(f"exporting {criterion}") as report:
        written = here.export_data(
            here.criterion(criterion), cast(Any, format), out, queue=queue, on_row=lambda rows: report(rows, None)
        )
    screen.say(f"{written.rows:,} examples in {written.path}")
    for what, count in written.left_out.items():
        screen.say(f"Left out: {count:,} {what}; --format jsonl keeps them", style="yellow")
    screen.say(f"Back again: assay data import {written.path} --criterion {criterion}")
    screen.done({"rows": written.rows, "out": str(written.path), "left_out": dict(written.left_out)})
