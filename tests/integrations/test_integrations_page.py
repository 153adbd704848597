"""Every example of docs/integrations.md runs, against a real server and real frameworks."""

import re
from pathlib import Path

import openai
import pytest
from agents import OpenAIChatCompletionsModel
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel

pytest_plugins = ["pytester"]
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "integrations.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
BOT = 'def bank_bot(question):\n    return "That depends on you."\n\n\n'
PRINTED = {
    "print(checked.passes": "True allow advice-",  # a fund, but no word that the rules of the tests know
    "create_agent": "I may not advise on that. {'action': 'block'",
    "StateGraph": "I may not advise on that.\n",
    "Runner": "advice-",
}


def block_with(words):
    """The one example that holds these words."""
    (block,) = [block for block in BLOCKS if words in block]
    return block


def test_every_example_is_run_here():
    assert len(BLOCKS) == len(PRINTED) + 1  # and the tests of the section on pytest


@pytest.mark.parametrize("words", PRINTED)
def test_an_example_runs_and_prints(words, bank, llm, capsys):
    llm.answer = "Buy Apex now."
    client = openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{llm.server_port}", api_key="none")
    models = {
        "create_agent": GenericFakeChatModel(messages=iter(["Buy Apex now."])),
        "StateGraph": GenericFakeChatModel(messages=iter(["Buy Apex now."])),
        "Runner": OpenAIChatCompletionsModel("m", client),
    }
    block = block_with(words).replace("http://127.0.0.1:8321", bank.url)
    exec(compile(block, "docs/integrations.md", "exec"), {"model": models.get(words)})  # noqa: S102 - our own page
    assert capsys.readouterr().out.startswith(PRINTED[words])


def test_the_tests_of_the_page_run(pytester, bank):
    pytester.makepyfile(BOT + block_with("assert_passes"))
    pytester.runpytest_inprocess(f"--assay-url={bank.url}").assert_outcomes(passed=2)
