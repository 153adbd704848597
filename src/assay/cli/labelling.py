"""`assay label serve | export`."""

from pathlib import Path
from typing import Annotated

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import JsonOption, WorkspaceOption
from assay.cli.progress import progress
from assay.cli.queues import QueueArgument
from assay.cli.screen import Screen


def export(
    queue: QueueArgument,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="OUT", help="The JSONL file to write; QUEUE.jsonl otherwise.")
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Write the answered examples of a queue with all labels, notes, highlights and weights; importable again.

    Example: assay label export advice-1 -o advice-1.jsonl
    """
    from assay.schema.ids import canonical_json  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    target = out or Path(f"{queue}.jsonl")
    with open_workspace(workspace) as here, progress(f"exporting {queue}") as report:
        partial = target.with_name(f".{target.name}.partial")
        rows = 0
        try:
            with partial.open("w", encoding="utf-8", errors="backslashreplace") as file:
                for row in here.labelling.export(queue):
                    file.write(canonical_json(row) + "\n")
                    rows += 1
                    report(rows, None)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    screen.say(f"{rows:,} examples in {target}")
    screen.done({"rows": rows, "out": str(target)})


def serve(
    host: Annotated[
        str,
        typer.Option(help="The address to listen at; 127.0.0.1 is this machine alone. Beyond it, put TLS in front."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8600,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Serve the labelling page until interrupted (Ctrl+C).

    Example: assay label serve --port 8600
    """
    from assay.server.labelling import serve as serve_page  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        if not any(one.removed_at is None for one in here.labelling.labellers()):
            screen.say("Nobody may sign in yet: assay label labellers add NAME", style="yellow")

        def ready(address: str) -> None:
            screen.say(f"Labelling: {address}  (Ctrl+C ends it)")
            screen.done({"address": address})

        serve_page(here.labelling.database, host, port, ready)
