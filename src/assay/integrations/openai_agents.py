"""Guards as guardrails of the OpenAI Agents SDK.

    guard = Guard("advice", on_error="block")
    agent = Agent(name="bank", output_guardrails=[guard_output(guard)])

What does not pass raises the SDK's own OutputGuardrailTripwireTriggered or InputGuardrailTripwireTriggered; the
verdicts stand in `error.guardrail_result.output.output_info`, for what is only flagged in the run's results.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import to_json

from assay.integrations.guard import Checked, Guard
from assay.integrations.packages import needs

with needs("openai-agents"):
    from agents import Agent, GuardrailFunctionOutput, InputGuardrail, OutputGuardrail, RunContextWrapper

_TEXTS = ("text", "refusal")


def guard_output(guard: Guard, *, name: str = "assay_output") -> OutputGuardrail[Any]:
    """A guardrail on the final output of an agent; structured output is judged as JSON."""

    async def check(context: RunContextWrapper[Any], agent: Agent[Any], agent_output: Any) -> GuardrailFunctionOutput:
        del agent
        text = agent_output if isinstance(agent_output, str) else to_json(agent_output, fallback=str).decode()
        answer = {"role": "assistant", "content": text}
        return _outcome(await guard.check_async(messages=[*messages_of(context.turn_input), answer]))

    return OutputGuardrail(guardrail_function=check, name=name)


def guard_input(guard: Guard, *, name: str = "assay_input", run_in_parallel: bool = False) -> InputGuardrail[Any]:
    """A guardrail on what an agent is given. By default the model is not called before the judges have spoken."""

    async def check(context: RunContextWrapper[Any], agent: Agent[Any], given: Any) -> GuardrailFunctionOutput:
        del context, agent
        messages = [{"role": "user", "content": given}] if isinstance(given, str) else messages_of(given)
        return _outcome(await guard.check_async(messages=messages))

    return InputGuardrail(guardrail_function=check, name=name, run_in_parallel=run_in_parallel)


def messages_of(items: Iterable[Any]) -> list[dict[str, Any]]:
    """Items of the Responses API as what `messages=` of a client or guard takes: text, tool calls and their results."""
    plain = (_plain(item) for item in items if isinstance(item, Mapping))
    return [message for message in plain if message is not None]


def _plain(item: Mapping[str, Any]) -> dict[str, Any] | None:
    if item.get("type") == "function_call":
        call = {"function": {"name": item.get("name"), "arguments": item.get("arguments", "")}}
        return {"role": "assistant", "content": "", "tool_calls": [call]}
    if item.get("type") == "function_call_output":
        return {"role": "tool", "content": _text(item.get("output"))}
    if "role" in item:
        return {"role": item["role"], "content": _text(item.get("content"))}
    return None  # reasoning, and whatever else is not said to anybody


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = [part for part in content or () if isinstance(part, Mapping)]
    return "\n".join(part[name] for part in parts for name in _TEXTS if isinstance(part.get(name), str))


def _outcome(checked: Checked) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=checked.to_dict(), tripwire_triggered=not checked.passes)
