"""RecordedEndpoint: an OpenAI-compatible server on loopback that gives recorded answers. For tests, demos, dry runs.

    with RecordedEndpoint([said("advice"), Reply(status=429), said("no_advice", logprobs={"no": -0.1})]) as endpoint:
        endpoint.base_url          # http://127.0.0.1:PORT/v1, real sockets
        endpoint.asked             # the requests as they came

A real server with real faults: it can be slow, drip, refuse, answer nonsense, or hang up. After the last recorded
reply it gives that one again.
"""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One recorded reply. `delay_s` passes before it begins, `drip_s` between its bytes; `hang_up` sends nothing."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drip_s: float = 0.0
    hang_up: bool = False


def said(
    text: str | None,
    *,
    tokens_in: int = 100,
    tokens_out: int = 1,
    logprobs: Sequence[tuple[str, Mapping[str, float]]] = (),
) -> Reply:
    """A chat completion that says `text`; `logprobs` gives each token with the log-probabilities in its place."""
    content = [
        {
            "token": token,
            "logprob": alternatives.get(token, -9.0),
            "top_logprobs": [{"token": other, "logprob": value} for other, value in alternatives.items()],
        }
        for token, alternatives in logprobs
    ]
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": text},
        "logprobs": {"content": content} if content else None,
    }
    usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}
    body = {"id": "recorded", "object": "chat.completion", "created": 0, "model": "recorded"}
    return Reply(body=json.dumps({**body, "choices": [choice], "usage": usage}).encode())


class RecordedEndpoint:
    """The server. Use it in a `with` statement."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self.asked: list[dict[str, Any]] = []
        self._replies = list(replies)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                endpoint._serve(self, json.loads(self.rfile.read(length)))

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's word
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def base_url(self) -> str:
        """The address for `[llm.NAME] base_url`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, handler: BaseHTTPRequestHandler, question: dict[str, Any]) -> None:
        with self._lock:
            reply = self._replies[min(len(self.asked), len(self._replies) - 1)]
            self.asked.append(question)
        self._stopping.wait(reply.delay_s)
        if reply.hang_up:
            handler.close_connection = True
            return
        try:
            self._send(handler, reply)
        except OSError:  # whoever asked has gone
            handler.close_connection = True

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        handler.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        if not reply.drip_s:
            handler.wfile.write(reply.body)
            return
        for place in range(len(reply.body)):
            handler.wfile.write(reply.body[place : place + 1])
            handler.wfile.flush()
            time.sleep(reply.drip_s)
            if self._stopping.is_set():
                return
