"""Every command that an audit names to mend a finding exists and runs in the workspace that was audited."""

import shlex

from shop import labelled_rows, write_rows


def faulty(count):
    """Rows with a tag, a phrase and an address that give the label away, contradictions, ties, leaks, a blank field."""
    rows = labelled_rows(count, seed=9, source="crowd")
    for place, row in enumerate(rows):
        advice = row["labels"][0]["value"] == "advice"
        row |= {"id": f"faulty-{place}", "meta": {"tag": "app" if advice else "web", "split": "train"}}
        row["output"] += " kind regards" if advice else ""
        if place < 12:
            row["output"] += f" ann{place}@example.org"
        if place >= count - 40:
            row |= {"output": rows[place - 40 + (place % 4 == 0)]["output"], "meta": {"tag": "app", "split": "test"}}
        if place in (20, 21, 22):
            row["labels"][1]["value"] = "no_advice" if advice else "advice"
        if place < 30:
            row["input"] = " "
    return rows


def more(count):
    rows = labelled_rows(count, seed=11)
    for place, row in enumerate(rows):
        row |= {"id": f"more-{place}", "meta": {"tag": ("app", "web")[place % 2]}}
        del row["labels"]
    return rows


def test_every_command_that_mends_a_finding_runs(shop):
    toml = shop.root / "assay.toml"
    toml.write_text(toml.read_text().replace("[freeze]", "") + "\n[freeze]\nmin_test_per_class = 5\n")
    write_rows(shop.root / "faulty.jsonl", faulty(240))
    write_rows(shop.root / "more.jsonl", more(300))
    for file in ("faulty.jsonl", "more.jsonl"):
        shop.ok("data", "import", file, "--criterion", "advice")
    findings = shop.ok("data", "audit", "advice")["findings"]
    kinds = {one["kind"] for one in findings}
    assert {"source", "phrase", "leakage", "contradiction", "missing", "personal-data"} <= kinds
    for one in findings:
        for command in one["command"].split(" && "):
            first, *words = shlex.split(command.replace("FILE", "more.jsonl").replace("COLUMN", "input"))
            assert first == "assay"
            ended = shop.run(*words)
            assert ended.status == 0, (command, ended.out, ended.err)
        for queue in shop.ok("label", "queue", "list")["queues"]:
            shop.ok("label", "queue", "close", queue["record"]["name"])
