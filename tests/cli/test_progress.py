"""What people see while a command works where there is no terminal, and when they stop it."""

from assay.cli.failures import STOPPED, report_stop
from assay.cli.progress import plain_lines


def test_a_line_soon_then_now_and_then_with_rate_and_time_left(capsys):
    moment = 100.0
    report = plain_lines("judging a.jsonl", "rows", lambda: moment)
    for seconds, done in ((0, 1_000), (1, 1_100), (3, 1_300), (5, 1_500), (18, 2_800), (20, 3_000)):
        moment = 100.0 + seconds
        report(done, 10_000)
    assert capsys.readouterr().err.splitlines() == [
        "judging a.jsonl: 1,300 of 10,000 rows, 100/s, 1:27 left",  # 8,700 at 100/s: the first 1,000 were there before
        "judging a.jsonl: 2,800 of 10,000 rows, 100/s, 1:12 left",
    ]


def test_no_time_left_is_said_where_it_is_not_known(capsys):
    moment = 0.0
    report = plain_lines("mining", "rows", lambda: moment)
    report(0, None)
    moment = 4.0
    report(8, None)
    moment = 20.0
    report(8, 8)
    moment = 40.0
    report(9, 8)
    assert capsys.readouterr().err.splitlines() == [
        "mining: 8 rows, 2/s",
        "mining: 8 of 8 rows, 0/s, 0:00 left",
        "mining: 9 of 8 rows, 0/s, 0:00 left",
    ]


def test_nothing_is_promised_of_rows_not_begun(capsys):
    moment = 0.0
    report = plain_lines("judging", "rows", lambda: moment)
    report(0, 100_000)
    moment = 3.0
    report(0, 100_000)
    moment = 18.0
    report(1, 100_000)
    assert capsys.readouterr().err.splitlines() == [
        "judging: 0 of 100,000 rows, 0/s",
        "judging: 1 of 100,000 rows, 0/s, 21 days left",
    ]


def test_a_stopped_command_says_whether_it_goes_on(capsys):
    assert report_stop(["judge", "advice", "in.jsonl", "-o", "out.jsonl"]) == STOPPED
    assert report_stop(["train", "advice"]) == STOPPED
    assert capsys.readouterr().err.count("the same command goes on from here") == 2
    for words in (["judge", "advice", "-", "-o", "out.jsonl"], ["judge", "advice", "in.jsonl"], ["judge", "advice"]):
        assert report_stop(words) == STOPPED
        said = capsys.readouterr().err
        assert "goes on" not in said
        assert "begins at the first row" in said
