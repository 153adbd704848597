"""The routes under `api/`. Each is one call of `assay.labelling`; the answer is written before it is acknowledged."""

from typing import Any

from fastapi import APIRouter, Request, Response

from assay.labelling import adjudication, desk
from assay.labelling.labellers import sign_in, sign_out
from assay.schema.criterion import Criterion
from assay.schema.errors import RefusedError
from assay.server.labelling.payloads import (
    AnswerRequest,
    KeyRequest,
    SignInRequest,
    criterion_view,
    docket_view,
    hand_view,
    labeller_view,
    queue_view,
)
from assay.server.labelling.sessions import COOKIE, Db, Me, NotSignedInError, Throttle, database_of, set_cookie
from assay.store import criteria
from assay.store.database import Database
from assay.store.labelling import queues, work

label_routes = APIRouter(prefix="/api")


@label_routes.post("/session")
def start_session(given: SignInRequest, request: Request, response: Response) -> dict[str, Any]:
    """Sign in."""
    throttle: Throttle = request.app.state.throttle
    throttle.check(given.name)
    try:
        labeller, token = sign_in(database_of(request), given.name, given.secret)
    except RefusedError as error:
        throttle.failed(given.name)
        raise NotSignedInError(error.problem, next_step=error.next_step) from None
    set_cookie(request, response, token)
    return labeller_view(labeller)


@label_routes.get("/session")
def session(me: Me) -> dict[str, Any]:
    """Who is signed in."""
    return labeller_view(me)


@label_routes.delete("/session")
def end_session(request: Request, response: Response, database: Db) -> dict[str, Any]:
    """Sign out."""
    sign_out(database, request.cookies.get(COOKIE, ""))
    response.delete_cookie(COOKIE, path=f"{request.scope.get('root_path', '')}/")
    return {}


@label_routes.get("/queues")
def open_queues(me: Me, database: Db) -> dict[str, Any]:
    """The open queues with their questions, oldest first."""
    with database.read() as connection:
        found = [queue for queue in queues.every(connection) if queue.closed_at is None]
        views = [
            {
                **queue_view(queue, work.member(connection, queue.record.name, me.name)),
                "question": criteria.get(connection, queue.record.criterion).question,
                "criterion": queue.record.criterion,
            }
            for queue in found
        ]
    return {"queues": views}


@label_routes.get("/queues/{name}/criterion")
def criterion(name: str, me: Me, database: Db) -> dict[str, Any]:
    """The question of a queue with its guidance."""
    del me
    return criterion_view(_criterion(database, name))


@label_routes.get("/queues/{name}/progress")
def progress(name: str, me: Me, database: Db) -> dict[str, Any]:
    """How far a queue is."""
    with database.read() as connection:
        return queue_view(queues.get(connection, name), work.member(connection, name, me.name))


@label_routes.post("/queues/{name}/hand")
def hand(name: str, me: Me, database: Db) -> dict[str, Any]:
    """What I hold in a queue, filled up: the same examples after a reload."""
    return hand_view(desk.hand_of(database, me, name), _criterion(database, name))


@label_routes.post("/queues/{name}/answers")
def answer(name: str, given: AnswerRequest, me: Me, database: Db) -> dict[str, Any]:
    """Label, skip or take back."""
    return hand_view(desk.take(database, me, given.answer(name), given.have), _criterion(database, name))


@label_routes.post("/queues/{name}/undo")
def undo_last(name: str, given: KeyRequest, me: Me, database: Db) -> dict[str, Any]:
    """Take my last answer back, wherever I gave it."""
    return hand_view(desk.undo_last(database, me, name, given.key), _criterion(database, name))


@label_routes.post("/queues/{name}/skipped")
def skipped_again(name: str, me: Me, database: Db) -> dict[str, Any]:
    """Offer me again what I skipped."""
    return hand_view(desk.skipped_again(database, me, name), _criterion(database, name))


@label_routes.get("/queues/{name}/disputes")
def next_dispute(name: str, me: Me, database: Db, after: int = -1) -> dict[str, Any]:
    """The next example whose labellers disagree, their answers side by side."""
    return docket_view(adjudication.docket(database, me, name, after), _criterion(database, name))


@label_routes.post("/queues/{name}/decisions")
def decide(name: str, given: AnswerRequest, me: Me, database: Db) -> dict[str, Any]:
    """Decide a dispute, or take the decision back."""
    return docket_view(adjudication.adjudicate(database, me, given.answer(name)), _criterion(database, name))


@label_routes.post("/queues/{name}/decisions/undo")
def undo_last_decision(name: str, given: KeyRequest, me: Me, database: Db) -> dict[str, Any]:
    """Take my last decision back, whenever I made it."""
    return docket_view(adjudication.undo_last_decision(database, me, name, given.key), _criterion(database, name))


def _criterion(database: Database, queue: str) -> Criterion:
    with database.read() as connection:
        return criteria.get(connection, queues.get(connection, queue).record.criterion)
