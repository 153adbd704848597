"""LiteLLM's own client of a guardrail, asked in its own environment: `python litellm_client.py < CALLS`.

CALLS is a JSON list of `{params, inputs, input_type}`; what comes of each is printed as one JSON list.
"""

import asyncio
import json
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would be fetched; read when LiteLLM is imported

from litellm.exceptions import GuardrailRaisedException
from litellm.proxy.guardrails.guardrail_hooks.generic_guardrail_api import GenericGuardrailAPI


async def outcome(params: dict, inputs: dict, input_type: str) -> dict:
    """What LiteLLM does with a text: it gives it on, blocks it, or fails."""
    try:
        guardrail = GenericGuardrailAPI(guardrail_name="assay", event_hook=params.pop("mode"), **params)
        given = await guardrail.apply_guardrail(inputs=inputs, request_data={}, input_type=input_type)
    except GuardrailRaisedException as blocked:
        return {"blocked": str(blocked)}
    except Exception as error:  # LiteLLM's word for a guardrail that cannot be asked
        return {"failed": str(error)}
    return {"given": given}


async def outcomes() -> list[dict]:
    return [await outcome(**call) for call in json.load(sys.stdin)]


print(json.dumps(asyncio.run(outcomes())))
