"""Events and kill -9: whether all are judged, and none twice.

    python benchmarks/durability.py --workspace assay-demo --events 10000 --kills 20

Sends events to a server whose engine has no model, kills the server at random moments and starts it again. An event
that was not acknowledged (the connection broke) is sent again under its id. The last line is one JSON object: `sent`
(events acknowledged), `kills`, `verdicts`, `duplicates`.
"""

import argparse
import json
import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
from sqlalchemy import text

from assay.config import read_settings
from assay.store.database import open_database
from machine import describe_machine, write_result
from served import Server

BATCH = 20
PATIENCE_S = 300.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path("assay-demo"))
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "workspace"
        shutil.copytree(given.workspace, workspace)
        found = attacked(workspace, given.events, given.kills, random.Random(given.seed))  # noqa: S311 - when to kill
    write_result(Path(__file__).parent / "results" / "durability.json", {**found, "machine": describe_machine()})
    print(json.dumps(found))


def attacked(workspace: Path, events: int, kills: int, chance: random.Random) -> dict[str, float]:
    """Send, kill, start again, wait, count."""
    began = time.monotonic()
    server = Server(workspace, "test").start()
    sending = threading.Thread(target=send_all, args=(server.url, events))
    sending.start()
    for number in range(kills):
        time.sleep(chance.uniform(0.05, 0.8))
        server.kill()
        print(f"kill {number + 1} of {kills}", flush=True)
        server.start()
    sending.join()
    wait_until_judged(workspace)
    server.stop()
    per_event = verdicts_per_event(workspace)
    return {
        "sent": events,
        "kills": kills,
        "verdicts": len(per_event),
        "duplicates": sum(count - 1 for count in per_event.values()),
        "seconds": round(time.monotonic() - began, 1),
    }


def send_all(url: str, events: int) -> None:
    """Send every event until it is acknowledged."""
    with httpx.Client(base_url=url, timeout=10, headers={"X-Request-Id": "durability"}) as client:
        for first in range(0, events, BATCH):
            numbers = range(first, min(first + BATCH, events))
            body = {"events": [event(number) for number in numbers]}
            while not acknowledged(client, body):
                time.sleep(0.05)


def event(number: int) -> dict[str, object]:
    return {
        "judges": ["advice@candidate"],
        "event_id": f"event-{number}",
        "input": f"Question {number}: what should I do with my savings?",
        "output": f"Answer {number}: it depends on what you need them for.",
    }


def acknowledged(client: httpx.Client, body: dict[str, object]) -> bool:
    try:
        return client.post("/v1/events", json=body).status_code == 202
    except httpx.HTTPError:
        return False


def wait_until_judged(workspace: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and counted(workspace, "SELECT count(*) FROM events WHERE state = 'waiting'")[0][0]:
        time.sleep(0.5)


def verdicts_per_event(workspace: Path) -> Counter[str]:
    rows = counted(workspace, "SELECT event_id, count(*) FROM verdicts WHERE event_id LIKE 'event-%' GROUP BY event_id")
    return Counter(dict(rows))


def counted(workspace: Path, query: str) -> list[tuple[object, ...]]:
    database = open_database(read_settings(workspace).database_url)
    try:
        with database.read() as connection:
            return [tuple(row) for row in connection.execute(text(query))]
    finally:
        database.close()


if __name__ == "__main__":
    main()
