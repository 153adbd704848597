"""`assay data consensus`."""

import json as json_text
from pathlib import Path
from typing import Annotated

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import CriterionArgument, JsonOption, WorkspaceOption
from assay.cli.screen import Screen
from assay.cli.whole_file import write_whole

SHOWN = 10


def consensus(
    criterion: CriterionArgument,
    ties: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the undecided examples (JSONL), for adjudication.")
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Compare the majority with the weighted consensus (Dawid-Skene), and list what neither decides.

    Example: assay data consensus advice --ties ties.jsonl
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        found = here.truth.consensus(criterion)
    screen.say(
        f"{found.examples:,} examples: the majority decides {len(found.majority):,}, "
        f"the weighted consensus {len(found.weighted):,}"
    )
    screen.say(f"They decide {len(found.moved):,} differently.")
    for id_ in found.moved[:SHOWN]:
        screen.say(f"  {id_}: majority {found.majority[id_].value}, weighted {found.weighted[id_].value}")
    open_ids = sorted({*found.ties, *found.undecided})
    if ties is not None:
        write_whole(
            ties,
            "".join(json_text.dumps({"id": id_, "hint": "labels tied", "settle": True}) + "\n" for id_ in open_ids),
        )
        screen.say(f"Next: assay label queue make {criterion} --ids {ties}")
    elif open_ids:
        screen.say(f"Next: assay data consensus {criterion} --ties ties.jsonl")
    screen.done(
        {
            "examples": found.examples,
            "majority": len(found.majority),
            "weighted": len(found.weighted),
            "moved": list(found.moved),
            "ties": list(found.ties),
            "undecided": list(found.undecided),
        }
    )
