"""Two processes that promote at once, on SQLite and on Postgres: the log is a chain, the alias is its last row."""

import sys
from subprocess import PIPE, Popen

from assay.registry.folder import write_judge_file

PROMOTE = """
import sys
from pathlib import Path
from assay.registry import Registry
from assay.store.database import open_database
url, root, by, *judges = sys.argv[1:]
registry = Registry(open_database(url), Path(root))
print("ready", flush=True)
sys.stdin.readline()
for turn in range(20):
    registry.promote(judges[turn % len(judges)], by=by, reason=f"turn {turn}")
print("done")
"""

ADD = """
import sys
from pathlib import Path
from assay.registry import Registry
from assay.registry.folder import verify
from assay.store.database import open_database
url, root, folder = sys.argv[1:]
registry, version = Registry(open_database(url), Path(root)), verify(Path(folder))
print("ready", flush=True)
sys.stdin.readline()
registry.add(Path(folder), version)
print("done")
"""


def run_at_once(script, *argument_lists):
    processes = [
        Popen([sys.executable, "-c", script, *arguments], stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True)
        for arguments in argument_lists
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    return [process.communicate(timeout=60) for process in processes]


def test_promotions_at_once_leave_a_chain(registry, database_url, added, decide, tmp_path):
    judges = [added(seed=seed) for seed in range(3)]
    for judge in judges:
        decide(judge)
    where = [database_url, str(tmp_path / "judges")]
    ended = run_at_once(PROMOTE, [*where, "mia", *judges], [*where, "ada", *reversed(judges)])
    assert ended == [("done\n", "")] * 2
    log = registry.history("advice")
    assert {row.by for row in log} == {"mia", "ada"}
    assert log[0].previous is None
    assert [row.previous for row in log[1:]] == [row.version for row in log[:-1]]
    assert all(row.previous != row.version for row in log)
    assert registry.aliases("advice") == {"champion": log[-1].version}


def test_adding_one_version_at_once_records_it_once(registry, database_url, stage, tmp_path):
    folders = []
    for _ in range(2):
        staged, version = stage()
        write_judge_file(staged, version)
        folders.append(staged)
    root = str(tmp_path / "judges")
    ended = run_at_once(ADD, *([database_url, root, str(folder)] for folder in folders))
    assert ended == [("done\n", "")] * 2
    assert [known.id for known in registry.versions()] == [version.id]
    assert [path.name for path in (tmp_path / "judges").iterdir()] == [version.id]
