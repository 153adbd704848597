"""`assay label labellers add | list | remove`."""

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import JsonOption, WorkspaceOption
from assay.cli.screen import Screen

if TYPE_CHECKING:
    from assay.store.labelling.people import Labeller

NameArgument: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="Stands with every label they give.")]


def add(
    name: NameArgument,
    source: Annotated[str, typer.Option(help="What their labels count as: expert, crowd, author, …")] = "expert",
    adjudicates: Annotated[
        bool, typer.Option("--adjudicates", help="May see all answers where labellers disagree, and decide.")
    ] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Let someone label. Prints their secret, which is kept nowhere: hand it over now.

    Example: assay label labellers add mia --adjudicates
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        labeller, secret = here.labelling.add_labeller(name, source=cast(Any, source), adjudicates=adjudicates)
    screen.say(f"{labeller.name} may sign in; their labels count as {labeller.source}.")
    screen.say(f"Secret, shown only this once: {secret}")
    screen.done({**_described(labeller), "secret": secret})


def list_labellers(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List who may label, and who no longer may.

    Example: assay label labellers list
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        found = here.labelling.labellers()
    if found:
        screen.table(
            ("labeller", "labels count as", "adjudicates", "added", "removed"),
            [
                (
                    one.name,
                    one.source,
                    "yes" if one.adjudicates else "no",
                    one.created_at[:10],
                    (one.removed_at or "-")[:10],
                )
                for one in found
            ],
            numbers_from=9,
        )
    else:
        screen.say("Nobody yet: assay label labellers add NAME")
    screen.done({"labellers": [_described(one) for one in found]})


def remove(name: NameArgument, workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """End someone's sign-in. Their labels stay; adding them again makes a new secret.

    Example: assay label labellers remove mia
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        here.labelling.remove_labeller(name)
    screen.say(f"{name} can sign in no more. Their labels stay.")
    screen.done({"removed": name})


def _described(labeller: "Labeller") -> dict[str, Any]:
    return {
        "name": labeller.name,
        "source": labeller.source,
        "adjudicates": labeller.adjudicates,
        "created_at": labeller.created_at,
        "removed_at": labeller.removed_at,
    }
