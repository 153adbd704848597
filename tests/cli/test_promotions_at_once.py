"""Two processes that promote at once: both end well, the log is a chain, the champion is its last row."""

import subprocess
import sys
from itertools import pairwise


def test_two_promotions_at_once(shop, steps):
    first = steps["train"]["id"]
    second = shop.ok(*shop.train_words, "--threshold", "0.3")["id"]
    shop.ok("evaluate", second)
    line = [sys.executable, "-c", "from assay.cli.app import main; main()", "promote"]
    running = [
        subprocess.Popen(
            [*line, judge, "--waiver", judge, "--json"], cwd=shop.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for judge in (first, second)
    ]
    ended = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0, 0], ended
    log = [row for row in shop.ok("history", "advice")["history"] if row["alias"] == "champion"]
    assert {row["version"] for row in log} == {first, second}
    assert [row["previous"] for row in log] == [None, log[0]["version"]]
    assert all(after["previous"] == before["version"] for before, after in pairwise(log))
    assert shop.ok("show", "advice")["id"] == log[-1]["version"]
