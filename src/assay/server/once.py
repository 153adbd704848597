"""Once: a request with an Idempotency-Key runs once, and gets the same answer whenever it is sent again.

    return await once(serving, caller, request, header, run)        # `run` gives status and JSON text

The key belongs to the caller and the path. An answer that is a refusal is not kept: the caller may try again. One
that the database does not take after it was given is given all the same, and stored later (`late_answers`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from fastapi import Request
from starlette.responses import Response

from assay.schema.ids import digest_bytes, new_id
from assay.server.asking import json_response
from assay.server.late_answers import Outcome
from assay.server.running import Serving
from assay.store import answers
from assay.store.answers import Answer
from assay.store.keys import ApiKey

STALE_AFTER = timedelta(minutes=5)  # a first request that has not ended by then died with its process


async def once(
    serving: Serving,
    caller: ApiKey,
    request: Request,
    header: str | None,
    run: Callable[[], Awaitable[Answer]],
) -> Response:
    """The answer of `run`, or the one that was given before. Raises ConflictError, and what `run` raises."""
    if header is None:
        answer = await run()
        return json_response(answer.body, answer.status)
    key = digest_bytes(f"{caller.id}\n{request.url.path}\n{header}".encode("utf-8", "replace"))
    digest = digest_bytes(await request.body())
    owner = new_id("once")  # not the request's id: a client may send that again too
    await serving.late_answers.settled(key)
    known = await asyncio.to_thread(_begin, serving, key, digest, owner)
    if known is not None:
        response = json_response(known.body, known.status)
        response.headers["Idempotent-Replayed"] = "true"
        return response
    try:
        answer = await run()
    except BaseException:
        await serving.late_answers.keep(Outcome(key=key, owner=owner, answer=None))
        raise
    await serving.late_answers.keep(Outcome(key=key, owner=owner, answer=answer))
    return json_response(answer.body, answer.status)


def _begin(serving: Serving, key: str, digest: str, owner: str) -> Answer | None:
    stale_before = (datetime.now(UTC) - STALE_AFTER).isoformat(timespec="microseconds")
    with serving.database.begin() as connection:
        return answers.begin(connection, key, digest, owner=owner, stale_before=stale_before)
