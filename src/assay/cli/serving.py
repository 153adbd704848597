"""`assay serve` and `assay keys add | list | revoke`."""

from importlib.metadata import version
from typing import Annotated

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import JsonOption, WorkspaceOption
from assay.cli.screen import Screen

DEFAULT_PORT = 8321


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = DEFAULT_PORT,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Serve this workspace's judges over HTTP, until it is stopped.

    Without API keys only this machine is let in. Logs are JSON lines on stderr, without any text that was judged.

    Example: assay serve --port 8321
    """
    from assay.server.run import run_server  # noqa: PLC0415 - what is heavy is imported when it runs

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        settings = here.settings

    def started(address: str) -> None:
        screen.say(f"Serving on {address} (live page: {address}/ui/). Stop with Ctrl-C.")
        screen.done({"address": address})

    run_server(settings, host=host, port=port, version=version("assay"), started=started)


def add_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is, such as checkout-service.")],
    scope: Annotated[list[str], typer.Option(help="judge, label, read or admin (all of them); may be repeated.")],
    per_minute: Annotated[int | None, typer.Option(min=1, help="Requests a minute; by default the server's.")] = None,
    expires: Annotated[str | None, typer.Option(metavar="DATE", help="The day from which it opens nothing.")] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Make an API key. It is shown once: only its digest is stored.

    Example: assay keys add checkout-service --scope judge --scope read
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        made = here.add_key(name, scope, requests_per_minute=per_minute, expires=expires)
    screen.say(f"{made.secret}")
    screen.say(f"Key {made.key.id} for {name}: {', '.join(made.key.scopes)}. This is the only time it is shown.")
    screen.done({"id": made.key.id, "name": name, "scopes": list(made.key.scopes), "secret": made.secret})


def list_keys(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List the API keys, revoked ones too.

    Example: assay keys list
    """
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        found = here.keys()
    days = [[(moment or "-")[:10] for moment in (key.created_at, key.expires_at, key.revoked_at)] for key in found]
    rows = [(key.id, key.name, ", ".join(key.scopes), *dates) for key, dates in zip(found, days, strict=True)]
    screen.table(("id", "name", "scopes", "made", "expires", "revoked"), rows, numbers_from=6)
    screen.done({"keys": [to_jsonable(key) for key in found]})


def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As assay keys list shows it.")],
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Revoke an API key. Running servers stop accepting it within some seconds.

    Example: assay keys revoke key_01JD0000000000000000000000
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        here.revoke_key(key_id)
    screen.say(f"{key_id} opens nothing any more.")
    screen.done({"revoked": key_id})
