"""An OpenAI-compatible server on loopback that answers an augmentation's questions from a file of recorded answers.

Each row of `data/augment_rows.jsonl` holds what a model said when it was asked to flip and to paraphrase its output.
"""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from assay.llm.recorded_endpoint import Reply, said

RECORDED = [
    json.loads(line) for line in (Path(__file__).parent / "data" / "augment_rows.jsonl").read_text().splitlines()
]
TOKENS_IN, TOKENS_OUT = 400, 30
Answer = Callable[[dict[str, Any]], Reply]


def recorded_answer(question: dict[str, Any]) -> Reply:
    """What the recorded model said to a question."""
    asked = json.loads(question["messages"][1]["content"])
    (row,) = [row for row in RECORDED if row["output"] == asked["row"]["output"]]
    text = row["paraphrase" if asked["label_now"] == asked["label_wanted"] else "flip"]
    return said(json.dumps({"text": text}), tokens_in=TOKENS_IN, tokens_out=TOKENS_OUT)


class AnsweringEndpoint:
    """The server. Use it in a `with` statement; `asked` holds the questions as they came."""

    def __init__(self, answer: Answer = recorded_answer) -> None:
        self.asked: list[dict[str, Any]] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.asked.append(question)
                reply = answer(question)
                self.send_response(reply.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def base_url(self) -> str:
        """The address for `[llm.NAME] base_url`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def rows_asked(self) -> list[tuple[str, str]]:
        """For each question: the row's output, and the label wanted."""
        users = [json.loads(question["messages"][1]["content"]) for question in self.asked]
        return [(user["row"]["output"], user["label_wanted"]) for user in users]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
