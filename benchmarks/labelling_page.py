"""The labelling page with 100,000 examples in the queue: how long a key press takes in a real browser, and an answer
over HTTP, at the start of the queue and in its middle.

    python benchmarks/labelling_page.py [--examples 100000] [--answers 300] [--out FILE]

A key press is timed in the page, from the key to the frame in which the next example stands; each waits until the
answer before it has been written. Prints one JSON object as its last line and writes results/labelling_page.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from assay.api import Workspace
from assay.api.starting import start_workspace
from assay.labelling.queues import QueuePlan
from assay.schema.example import Example
from assay.store import examples
from assay.store.database import Connection
from machine import describe_machine, write_result

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
WANTED_MS = 100
SENTENCE = "the bank explains how a fund works and what it costs before you decide whether it fits your plans"
PRESS = """async (key) => {
  const before = document.querySelector('#example .text').textContent;
  const began = performance.now();
  document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  while (document.querySelector('#example .text').textContent === before) await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return performance.now() - began;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--answers", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "labelling_page.json")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        began = time.perf_counter()
        secrets = fill(root, asked.examples)
        found: dict[str, Any] = {"examples": asked.examples, "filled_s": round(time.perf_counter() - began, 1)}
        found["made_queue_s"] = round(make_queue(root, asked.examples), 1)
        found["start"] = measure(root, secrets["mia"], asked.answers)
        move_to_the_middle(root, asked.examples // 2)
        found["middle"] = measure(root, secrets["mia"], asked.answers)
        found["database_mb"] = round((root / ".assay" / "assay.db").stat().st_size / 1e6)
    slowest = max(found[place]["key_to_next_example_ms"]["p99"] for place in ("start", "middle"))
    found["figures"] = {"key_press_p99_ms": slowest, "key_press_wanted_ms": WANTED_MS}
    write_result(asked.out, {"machine": describe_machine(), **found})
    print(json.dumps(found))


def fill(root: Path, count: int) -> dict[str, str]:
    """A workspace with so many examples without labels, and two labellers."""
    start_workspace(root, "advice")
    with Workspace.open(root) as here:
        rows = (Example(id=f"e{n:06}", input=f"{n} {SENTENCE}", output=f"{SENTENCE}. " * 6) for n in range(count))
        with here.labelling.database.begin() as connection:
            examples.add(connection, rows, [], None)
        return {name: here.labelling.add_labeller(name)[1] for name in ("mia", "ada")}


def make_queue(root: Path, count: int) -> float:
    """Draw all of them. Returns the seconds it took."""
    began = time.perf_counter()
    with Workspace.open(root) as here:
        here.labelling.make(here.criterion("advice"), QueuePlan(budget=count))
    return time.perf_counter() - began


def move_to_the_middle(root: Path, position: int) -> None:
    """As if half of the queue had been answered by Mia, the overlapping ones still waiting for a second labeller."""
    with Workspace.open(root) as here, here.labelling.database.begin() as connection:
        answered(connection, position)


def answered(connection: Connection, position: int) -> None:
    where = f"queue = 'advice-1' AND position < {position}"
    connection.exec_driver_sql(f"DELETE FROM label_assignments WHERE {where}")  # noqa: S608 - our own numbers
    connection.exec_driver_sql(
        "INSERT INTO label_assignments (queue, position, labeller, state, value, event, since) "  # noqa: S608
        f"SELECT queue, position, 'mia', 'labelled', 'answers', NULL, '2026-01-01' FROM label_queue_items WHERE {where}"
    )
    connection.exec_driver_sql(f"UPDATE label_queue_items SET state = 'agreed' WHERE {where} AND wanted = 1")  # noqa: S608
    connection.exec_driver_sql(f"UPDATE label_members SET cursor = {position}")  # noqa: S608


def measure(root: Path, secret: str, answers: int) -> dict[str, Any]:
    """Latencies with the server in a process of its own."""
    command = [
        sys.executable,
        "-c",
        "from assay.cli.app import main; main()",
        "label",
        "serve",
        "--port",
        "0",
        "--json",
    ]
    server = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None  # noqa: S101
    try:
        address = json.loads(server.stdout.readline())["address"]
        return in_browser(address, secret, answers)
    finally:
        server.terminate()
        server.wait(20)


def in_browser(address: str, secret: str, answers: int) -> dict[str, Any]:
    """Key press to the next example on the screen, and each answer's time over HTTP as the browser saw it."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - a tool of development

    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(address)
        page.fill("[name=name]", "mia")
        page.fill("[name=secret]", secret)
        began = time.perf_counter()
        page.keyboard.press("Enter")
        page.wait_for_selector("#answers .answer")
        opened_ms = (time.perf_counter() - began) * 1000
        page.evaluate("performance.setResourceTimingBufferSize(5000)")
        presses = []
        for number in range(answers):  # each waits for the one before it, as a person does
            presses.append(page.evaluate(PRESS, "12"[number % 2]))
            page.wait_for_function("() => localStorage.getItem('assay.outbox.mia') === '[]'")
        timings = page.evaluate(
            "() => performance.getEntriesByType('resource')"
            ".filter((one) => one.name.endsWith('/answers')).map((one) => one.duration)"
        )
        undo_ms = page.evaluate(PRESS, "u")
        browser.close()
    return {
        "sign_in_and_open_ms": round(opened_ms),
        "key_to_next_example_ms": quantiles(presses),
        "answer_over_http_ms": quantiles(timings),
        "undo_ms": round(undo_ms, 1),
    }


def quantiles(values: list[float]) -> dict[str, float]:
    """Median, 95th and 99th percentile, maximum."""
    ordered = sorted(values)
    return {
        "n": len(ordered),
        "p50": round(statistics.median(ordered), 1),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 1),
        "p99": round(ordered[int(0.99 * (len(ordered) - 1))], 1),
        "max": round(ordered[-1], 1),
    }


if __name__ == "__main__":
    main()
