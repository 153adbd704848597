"""The pytest plug-in in real runs of pytest: what passes, what a failure says, and its options."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

import assay
from assay import Client, FieldMapping, TrainingRequest, Workspace
from assay.integrations.asserting import JudgesHere, JudgesServed

pytest_plugins = ["pytester"]
Client().close()  # loads what httpx loads late: pytester forgets modules that are first loaded in a test
CRITERION = """
name = "advice"
version = "1"
question = "Is it advice?"
reads = ["input", "output"]
[scale]
kind = "binary"
positive = "yes"
[[scale.levels]]
label = "yes"
[[scale.levels]]
label = "no"
"""


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory) -> Path:
    """A workspace with a tiny judge that knows hardly anything."""
    root = tmp_path_factory.mktemp("trained")
    (root / "criteria").mkdir()
    (root / "criteria" / "advice.toml").write_text(CRITERION)
    (root / "assay.toml").write_text("")
    numbers = random.Random(0)
    words = ("weather", "garden", "river", "money", "bond", "loan", "price", "letter", "night", "home")
    rows = root / "rows.csv"
    lines = [f"what now,{' '.join(numbers.choices(words, k=9))},{('yes', 'no')[place % 2]}" for place in range(120)]
    rows.write_text("\n".join(["input,output,label", *lines]))
    with Workspace.open(root) as here:
        here.import_data(rows, here.criterion("advice"), FieldMapping(label_source="expert"))
        here.freeze("advice", min_test_per_class=3)
        here.train("advice", TrainingRequest(backbone=str(tiny("bert")), overrides={"epochs": 1, "max_tokens": 64}))
    return root


def run(pytester, test, *options):
    """Run tests in a pytest of their own, in this process."""
    pytester.makepyfile(test)
    return pytester.runpytest_inprocess(*options)


def test_a_judge_of_a_workspace_is_asked_in_this_process(pytester, trained):
    judge = assay.load("advice@candidate", trained)
    said = judge.judge(input="what now", output="buy the bond")
    other = {"yes": "no", "no": "yes"}[said.label]
    result = run(
        pytester,
        f"""
        def test_passes(assert_passes):
            heard = assert_passes("advice@candidate", expect={said.label!r}, input="what now", output="buy the bond")
            assert heard.judge == {said.judge!r}

        def test_fails(assert_passes):
            assert_passes("advice@candidate", expect={other!r}, input="what now", output="buy the bond")
        """,
        f"--assay-workspace={trained}",
    )
    result.assert_outcomes(passed=1, failed=1)
    by_probability = sorted(said.probabilities.items(), key=lambda pair: -pair[1])
    result.stdout.fnmatch_lines(
        [
            f"E*advice@candidate does not pass: {said.label} (probability {said.probability:.3f}), expected {other}",
            f"E*judge: {said.judge}",
            f"E*probabilities: {', '.join(f'{label} {value:.3f}' for label, value in by_probability)}",
            f"E*threshold: yes from {judge.version.decision.threshold:.3f} on",
            "E*input: 'what now'",
            "E*output: 'buy the bond'",
        ]
    )


def test_what_cannot_be_judged_does_not_pass(trained):
    heard = JudgesHere(trained).ask("advice@candidate", {"output": " "})
    assert (heard.kind, heard.label, heard.positive) == ("failed", None, "yes")
    assert heard.reason.startswith("bad-input")


SERVED = """
import pytest

def test_passes(assert_passes):
    heard = assert_passes("advice", input="Which fund?", output="That depends on you.")
    assert (heard.label, heard.threshold) == ("no", 0.5)

def test_takes_messages(assert_passes):
    said = [{"role": "user", "content": "Which fund?"}, {"role": "assistant", "content": "Buy Apex."}]
    assert_passes("advice", expect=["yes"], messages=said)

def test_fails(assert_passes):
    assert_passes("advice", output="Buy \\x1b[31mApex\\x1b[0m now." + "x" * 2000)

def test_abstains(assert_passes):
    assert_passes("advice", expect=["yes", "no"], output="hm")

def test_unknown_label(assert_passes):
    assert_passes("advice", expect="maybe", output="hello")

def test_unknown_judge(assert_passes):
    assert_passes("nobody", output="hello")
"""


def test_judges_of_a_server_are_asked_where_its_address_is_given(pytester, bank):
    pytester.makeini(f"[pytest]\nassay_url = {bank.url}\n")
    result = run(pytester, SERVED)
    result.assert_outcomes(passed=2, failed=4)
    out = result.stdout.str()
    result.stdout.fnmatch_lines(["E*advice does not pass: yes (probability 1.000), expected no"])
    result.stdout.fnmatch_lines(["E*output: 'Buy *Apex*(2030 characters)"])
    result.stdout.fnmatch_lines(["E*advice does not pass: abstained (no-rule: no rule speaks of this example), *"])
    result.stdout.fnmatch_lines(["expect holds labels of advice. Required: some of *'yes', 'no'*. Got: *'maybe'*"])
    result.stdout.fnmatch_lines(["There is no judge 'nobody'. Required: one of *"])
    assert "\x1b" not in out
    assert "output: 'Buy \\x1b[31mApex" in out
    assert "x" * 600 not in out.replace('"x" * 2000', "")


ONE = 'def test_one(assert_passes):\n    assert_passes("advice", output="hello")\n'


@pytest.mark.parametrize(
    ("options", "outcome"),
    [([], {"failed": 1}), (["--assay-on-error=skip"], {"skipped": 1}), (["--assay-on-error=pass"], {"errors": 1})],
)
def test_without_a_server_a_test_fails_unless_it_is_to_be_skipped(pytester, nobody, options, outcome):
    run(pytester, ONE, f"--assay-url={nobody}", *options).assert_outcomes(**outcome)


def test_two_places_to_ask_exclude_each_other(pytester, nobody):
    result = run(pytester, ONE, f"--assay-url={nobody}", "--assay-workspace=.")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*exclude each other*"])


def test_the_command_line_goes_before_the_ini_file(pytester, trained, nobody):
    pytester.makeini(f"[pytest]\nassay_url = {nobody}\n")
    test = """
        def test_one(assert_passes):
            assert_passes("advice@candidate", expect=["yes", "no"], output="hello")
    """
    run(pytester, test, f"--assay-workspace={trained}").assert_outcomes(passed=1)


def test_the_scale_of_a_fallback_is_sought_once(bank, monkeypatch):
    sought, judge = [], Client.judge

    def by_a_fallback(client, *judges, **fields):
        answer = judge(client, *judges, **fields)
        return replace(answer, verdicts=tuple(replace(one, judge="rules-00000000") for one in answer.verdicts))

    with Client(bank.url) as client:
        known = client.judges()
        monkeypatch.setattr(Client, "judge", by_a_fallback)
        monkeypatch.setattr(client, "judges", lambda: sought.append(1) or known)
        served = JudgesServed(client)
        heard = [served.ask("advice", {"output": "hello"}) for _ in range(3)]
    assert sought == [1]
    assert {(one.labels, one.threshold) for one in heard} == {(heard[0].labels, None)}
    assert "yes" in heard[0].labels


def test_a_key_without_the_scope_read_can_still_ask(pytester, bank, monkeypatch):
    with Workspace.open(bank.root) as here:
        secret = here.add_key("tests", ["judge"]).secret
    monkeypatch.setenv("BANK_KEY", secret)
    test = """
        def test_named(assert_passes):
            assert assert_passes("advice", expect="no", output="hello").labels == ()

        def test_not_named(assert_passes):
            assert_passes("advice", output="hello")
    """
    result = run(pytester, test, f"--assay-url={bank.url}", "--assay-api-key-variable=BANK_KEY")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*give the API key the scope read*"])


def test_pytest_itself_loads_next_to_nothing_of_assay(pytester):
    """The plug-in is part of every run of pytest, in every project."""
    test = """
        import sys

        def test_modules():
            loaded = {name for name in sys.modules if name.partition(".")[0] in ("assay", "httpx", "torch", "pydantic")}
            assert loaded == {"assay", "assay.integrations", "assay.integrations.pytest_plugin"}
    """
    pytester.makepyfile(test)
    pytester.runpytest_subprocess("-p", "no:langsmith_plugin", "-p", "no:schemathesis").assert_outcomes(passed=1)
