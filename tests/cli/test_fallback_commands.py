"""`assay fallback | escalation | spending`, and the same by training and by assay.toml."""

import pytest

from assay.api import Workspace
from assay.schema.example import Example

RULES = 'name = "advice"\n[[rules]]\nlabel = "advice"\nkeywords = ["buy"]\n'
LLM = '\n[llm.here]\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\ninput_usd = 0.0\noutput_usd = 0.0\n'


@pytest.fixture
def ready(shop):
    (shop.root / "rules").mkdir()
    (shop.root / "rules" / "advice.toml").write_text(RULES)
    with (shop.root / "assay.toml").open("a") as file:
        file.write(LLM)
    return shop


def test_a_chain_makes_a_child_with_its_rules_inside(ready, steps):
    made = ready.ok("fallback", "advice@candidate", "llm:here@1500,rules:rules/advice.toml,block")
    assert made["parent"] == steps["train"]["id"]
    assert made["fallback"] == "block"
    llm, rules = made["fallback_chain"]
    assert (llm["endpoint"], llm["model"], llm["budget_ms"]) == ("here", "m", 1500)
    folder = ready.root / ".assay" / "judges" / made["id"]
    assert (folder / rules["file"]).read_text() == RULES
    assert ready.ok("verify", str(folder))["whole"] is True
    again = ready.ok("fallback", "advice@candidate", "llm:here@1500,rules:rules/advice.toml,block")
    assert again["id"] == made["id"]
    bare = ready.ok("fallback", made["id"], "flag")
    assert bare["fallback_chain"] == []
    assert not (ready.root / ".assay" / "judges" / bare["id"] / "rules.toml").exists()


def test_the_chain_of_a_stored_version_speaks(ready):
    import asyncio  # noqa: PLC0415

    made = ready.ok("fallback", "advice@candidate", "rules:rules/advice.toml@2000,block")
    with Workspace.open(ready.root) as here:
        found = here.resolve(made["id"])
        chain = here.rungs().chain(found.version, found.folder)
        verdict = asyncio.run(chain.answer(Example(id="e", output="buy it"), "engine-lost"))
    assert (verdict.label, verdict.route, verdict.judge) == ("advice", "fallback.rules", made["id"])


def test_an_escalation_makes_a_child(ready, steps):
    made = ready.ok("escalation", "advice@candidate", "llm:here=threshold")
    assert (made["escalation"]["to"], made["escalation"]["default"]) == ("llm", "threshold")
    larger = ready.ok("escalation", made["id"], f"judge:{steps['train']['id']}=no_advice")
    assert larger["escalation"]["judge"] == steps["train"]["id"]
    assert ready.ok("escalation", larger["id"], "none")["escalation"] is None


@pytest.mark.parametrize(
    "words",
    [
        ["fallback", "advice@candidate", "llm:here"],
        ["fallback", "advice@candidate", "llm:absent,block"],
        ["fallback", "advice@candidate", "rules:no/such.toml,block"],
        ["fallback", "advice@candidate", "block,allow"],
        ["fallback", "advice@candidate", "judge:x,block"],
        ["fallback", "advice@candidate", "llm:here@0,block"],
        ["fallback", "no-such", "block"],
        ["escalation", "advice@candidate", "someone"],
        ["escalation", "advice@candidate", "human=maybe"],
        ["escalation", "advice@candidate", "judge:no_such"],
        ["escalation", "advice@candidate", "rules:x"],
    ],
)
def test_bad_words_are_refused_and_nothing_is_stored(ready, words):
    before = sorted(path.name for path in (ready.root / ".assay" / "judges").iterdir())
    assert ready.run(*words, "--json").error["problem"]
    assert sorted(path.name for path in (ready.root / ".assay" / "judges").iterdir()) == before


def test_nothing_is_spent_at_first(ready):
    assert ready.ok("spending") == {"spending": [], "usd": 0}


@pytest.mark.parametrize(
    "text",
    [
        '[llm.x]\nbase_url = "nowhere"\nmodel = "m"\n',
        '[llm.x]\nbase_url = "http://h/v1"\n',
        '[llm.x]\nbase_url = "http://h/v1"\nmodel = "m"\ninput_usd = 1.0\n',
        "[llm]\nx = 3\n",
        "[spending]\ncap = 3\n",
    ],
)
def test_settings_that_are_none_are_refused(ready, text):
    with (ready.root / "assay.toml").open("a") as file:
        file.write(text.replace("llm.x", "llm.y") if "[llm]" not in text else text)
    assert ready.run("list", "--json").error["problem"]
