"""GuardMiddleware: guards as middleware of a LangChain agent, on what the user says and on what the model answers.

    guard = Guard("advice", on_error="block")
    agent = create_agent(model, middleware=[GuardMiddleware(output=guard)])

What does not pass never becomes part of the conversation, and the agent ends. What passes but is flagged carries the
verdicts in the message's `response_metadata["assay"]`. Only text is judged: an answer that is nothing but tool calls
goes on. `messages_of` is for graphs of one's own.

A client may send a whole history, so every message of the user is judged, not the last alone. Which ones were is kept
in the agent's state, where no client can write: as digests of the conversation up to each.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, NotRequired, TypeAlias

from pydantic_core import to_json

from assay.integrations.guard import Checked, Guard
from assay.integrations.packages import needs
from assay.schema.errors import InputError

with needs("langchain"):
    from langchain.agents.middleware import (
        AgentMiddleware,
        AgentState,
        ExtendedModelResponse,
        ModelRequest,
        ModelResponse,
        hook_config,
    )
    from langchain.agents.middleware.types import PrivateStateAttr
    from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
    from langgraph.runtime import Runtime
    from langgraph.types import Command

REFUSAL = "I cannot answer that."
WITHHELD = "[withheld]"
METADATA = "assay"
_BY_USERS = ("user", "human")
_ROLES: tuple[tuple[type[BaseMessage], str], ...] = (
    (HumanMessage, "user"),
    (AIMessage, "assistant"),
    (SystemMessage, "system"),
    (ToolMessage, "tool"),
)
_Update: TypeAlias = dict[str, Any] | None
_Answered: TypeAlias = ModelResponse[Any] | ExtendedModelResponse[Any]
_Handler: TypeAlias = Callable[[ModelRequest[Any]], ModelResponse[Any]]
_AsyncHandler: TypeAlias = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]


class GuardedState(AgentState[Any]):
    """The state of an agent, and for each middleware by its name what it has judged."""

    assay_judged: NotRequired[Annotated[dict[str, list[str]], PrivateStateAttr]]


class GuardMiddleware(AgentMiddleware[GuardedState]):
    """Guards around the model calls of an agent; works with `invoke` and `ainvoke`.

    Args:
        input: is asked about each message of the user, before the model sees it.
        output: is asked about each answer of the model that holds text.
        refusal: what stands in the place of what does not pass.

    Raises InputError where there is neither guard.

    """

    state_schema = GuardedState

    def __init__(
        self,
        *,
        input: Guard | None = None,  # noqa: A002 - the word for this field everywhere in Assay
        output: Guard | None = None,
        refusal: str = REFUSAL,
    ) -> None:
        super().__init__()
        if input is None and output is None:
            raise InputError("There is nothing to guard.", required="input=Guard(…), output=Guard(…), or both")
        self.input = input
        self.output = output
        self.refusal = refusal

    @hook_config(can_jump_to=["end"])
    def before_model(self, state: GuardedState, runtime: Runtime[Any]) -> _Update:
        """Check what the user said, as far as it was not judged before."""
        del runtime
        if self.input is None:
            return None
        heard: dict[int, Checked] = {}
        for at in self._unjudged(self.input, state):
            heard[at] = self.input.check(messages=messages_of(state["messages"][: at + 1]))
            if not heard[at].passes:
                break
        return self._after_input(self.input, state, heard)

    @hook_config(can_jump_to=["end"])
    async def abefore_model(self, state: GuardedState, runtime: Runtime[Any]) -> _Update:
        """As `before_model`, to be awaited."""
        del runtime
        if self.input is None:
            return None
        heard: dict[int, Checked] = {}
        for at in self._unjudged(self.input, state):
            heard[at] = await self.input.check_async(messages=messages_of(state["messages"][: at + 1]))
            if not heard[at].passes:
                break
        return self._after_input(self.input, state, heard)

    def wrap_model_call(self, request: ModelRequest[Any], handler: _Handler) -> _Answered:
        """Check what the model answers, before it becomes part of the conversation."""
        response = handler(request)
        said = _answer(response)
        if self.output is None or said is None:
            return response
        return self._after_output(response, self.output.check(messages=[*messages_of(request.messages), said]))

    async def awrap_model_call(self, request: ModelRequest[Any], handler: _AsyncHandler) -> _Answered:
        """As `wrap_model_call`, to be awaited."""
        response = await handler(request)
        said = _answer(response)
        if self.output is None or said is None:
            return response
        checked = await self.output.check_async(messages=[*messages_of(request.messages), said])
        return self._after_output(response, checked)

    def _unjudged(self, guard: Guard, state: GuardedState) -> list[int]:
        """Where in the conversation the user said what this middleware has not judged, in order."""
        judged = state.get("assay_judged", {}).get(self.name, [])
        return [at for at, mark in _marks(guard, state["messages"]).items() if mark not in judged]

    def _after_input(self, guard: Guard, state: GuardedState, heard: Mapping[int, Checked]) -> _Update:
        """What was said with what came of it. What nobody could be asked about, and passes, is asked about again."""
        if not heard:
            return None
        messages: list[BaseMessage] = list(state["messages"])
        done = set(_marks(guard, messages)) - set(self._unjudged(guard, state))
        done |= {at for at, checked in heard.items() if not checked.problem or not checked.passes}
        for at, checked in heard.items():
            if not checked.passes:
                metadata = {METADATA: checked.to_dict()}
                messages[at] = HumanMessage(WITHHELD, id=messages[at].id, response_metadata=metadata)
            elif checked.action != "allow":
                messages[at] = _with_verdicts(messages[at], checked)
        marks = [mark for at, mark in _marks(guard, messages).items() if at in done]
        update: dict[str, Any] = {"assay_judged": {**state.get("assay_judged", {}), self.name: marks}}
        changed = [messages[at] for at, checked in heard.items() if checked.action != "allow" or not checked.passes]
        last = list(heard.values())[-1]
        if not last.passes:
            return {**update, "messages": [*changed, self._refused(last)], "jump_to": "end"}
        return {**update, "messages": changed} if changed else update

    def _after_output(self, response: ModelResponse[Any], checked: Checked) -> _Answered:
        if not checked.passes:  # without the jump, an agent with structured output would ask the model again
            refused = ModelResponse[Any](result=[self._refused(checked)])
            return ExtendedModelResponse(model_response=refused, command=Command(update={"jump_to": "end"}))
        if checked.action == "allow":
            return response
        result = [_with_verdicts(one, checked) if isinstance(one, AIMessage) else one for one in response.result]
        return ModelResponse(result=result, structured_response=response.structured_response)

    def _refused(self, checked: Checked) -> AIMessage:
        return AIMessage(self.refusal, response_metadata={METADATA: checked.to_dict()})


def messages_of(messages: Iterable[AnyMessage | BaseMessage]) -> list[dict[str, Any]]:
    """LangChain's messages as what `messages=` of a client or guard takes: text and tool calls, images left out."""
    return [_plain(message) for message in messages]


def _plain(message: BaseMessage) -> dict[str, Any]:
    role = next((name for kind, name in _ROLES if isinstance(message, kind)), getattr(message, "role", message.type))
    plain: dict[str, Any] = {"role": role, "content": str(message.text)}
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    if calls:
        plain["tool_calls"] = [{"function": {"name": call["name"], "arguments": call["args"]}} for call in calls]
    return plain


def _marks(guard: Guard, messages: Sequence[BaseMessage]) -> dict[int, str]:
    """For each message of the user, by its place, a digest of the judges asked and the conversation up to it.

    A picture alone counts too: what holds for it is the guard's to say.
    """
    digest = hashlib.sha256(json.dumps(guard.judges).encode())
    marks = {}
    for at, plain in enumerate(messages_of(messages)):
        digest.update(json.dumps(plain, default=repr).encode() + b"\n")
        if str(plain["role"]).strip().lower() in _BY_USERS:
            marks[at] = digest.hexdigest()
    return marks


def _answer(response: ModelResponse[Any]) -> dict[str, Any] | None:
    """What the model answered, as a message for judges; structured output as JSON. None where it only calls tools."""
    for message in response.result:
        if not isinstance(message, AIMessage):
            continue
        plain = _plain(message)
        if not plain["content"].strip() and response.structured_response is not None:
            return {"role": "assistant", "content": to_json(response.structured_response, fallback=str).decode()}
        return plain if plain["content"].strip() else None
    return None


def _with_verdicts(message: BaseMessage, checked: Checked) -> BaseMessage:
    metadata = {**message.response_metadata, METADATA: checked.to_dict()}
    return message.model_copy(update={"response_metadata": metadata})
