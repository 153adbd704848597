"""Replica: one vLLM server, spoken to over HTTP. Says what went wrong in the few ways that a fleet handles.

It follows no redirect and reads no proxy from the environment: only the address from assay.toml is ever asked.
"""

import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from assay.inference.vllm.servers import VllmServers
from assay.inference.vllm.wire import MalformedAnswer, ServedModel, served_models
from assay.schema.errors import shown

CONNECT_S = 5.0
HEALTH_S = 5.0
KEEP_S = 2.0  # vLLM closes idle connections after five seconds; a request must not meet one that closes
LOAD_S = 120.0  # reading an adapter from a slow disk, or from the hub, takes its time
_NOT_FOUND, _BUSY, _SERVER_ERROR = 404, (429, 503), 500
_SHOWN = 300


class ReplicaLost(Exception):  # noqa: N818 - these four are told apart by the fleet and never reach a caller
    """It cannot be reached, or answers with an error of its own; another one, or the same one later, may do."""


class ReplicaBusy(Exception):  # noqa: N818
    """It has too much to do."""


class UnknownModel(Exception):  # noqa: N818
    """It serves no model of this name: it was started anew, or somebody unloaded it."""


class ReplicaRefused(Exception):  # noqa: N818
    """It understood the request and will not do it; asking again changes nothing."""


class Replica:
    """One server. All but `in_flight` is used on the loop that it was made on."""

    def __init__(self, url: str, servers: VllmServers) -> None:
        self.url = url
        self.in_flight = 0
        self._timeout_s = servers.timeout_s
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {servers.api_key}"} if servers.api_key else {},
            limits=httpx.Limits(
                max_connections=None, max_keepalive_connections=servers.in_flight, keepalive_expiry=KEEP_S
            ),
            timeout=httpx.Timeout(servers.timeout_s, connect=CONNECT_S),
            follow_redirects=False,
            trust_env=False,
            verify=ssl.create_default_context(),
        )

    async def models(self) -> tuple[ServedModel, ...]:
        """What it serves, adapters included. Raises ReplicaLost, ReplicaBusy, ReplicaRefused."""
        return served_models(await self._ask("GET", "/v1/models"))

    async def healthy(self) -> None:
        """Raises ReplicaLost, ReplicaBusy where it is not."""
        _check(await self._send("GET", "/health", None, HEALTH_S))

    async def complete(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer of `/v1/completions`. Raises UnknownModel, ReplicaLost, ReplicaBusy, ReplicaRefused."""
        self.in_flight += 1
        try:
            return await self._ask("POST", "/v1/completions", body)
        finally:
            self.in_flight -= 1

    async def load(self, name: str, folder: str) -> None:
        """Have it load an adapter from a folder that it sees. One that is there already is left as it is.

        Raises UnknownModel (it loads nothing at run time, or sees no such folder), ReplicaRefused, ReplicaLost.
        """
        body = {"lora_name": name, "lora_path": folder}
        response = await self._send("POST", "/v1/load_lora_adapter", body, LOAD_S)
        if response.status_code == httpx.codes.BAD_REQUEST and "already been loaded" in response.text:
            return
        _check(response)

    async def unload(self, name: str) -> None:
        """Have it forget an adapter; raises as `load`."""
        _check(await self._send("POST", "/v1/unload_lora_adapter", {"lora_name": name}, self._timeout_s))

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        response = await self._send(method, path, body, self._timeout_s)
        _check(response)
        try:
            answer = response.json()
        except ValueError:
            raise MalformedAnswer(f"{path} gave no JSON") from None
        if not isinstance(answer, dict):
            raise MalformedAnswer(f"{path} gave {shown(answer)}")
        return answer

    async def _send(self, method: str, path: str, body: Mapping[str, Any] | None, timeout_s: float) -> httpx.Response:
        timeout = httpx.Timeout(timeout_s, connect=CONNECT_S)
        try:
            return await self._client.request(method, path, json=body, timeout=timeout)
        except httpx.TimeoutException as error:
            raise ReplicaLost(f"{self.url}{path} did not answer in time ({type(error).__name__})") from None
        except httpx.HTTPError as error:
            raise ReplicaLost(f"{self.url} cannot be reached: {type(error).__name__} {shown(str(error))}") from None


def _check(response: httpx.Response) -> None:
    if response.is_success:
        return
    said = f"status {response.status_code}: {shown(_message(response), _SHOWN)}"
    if response.status_code in _BUSY:
        raise ReplicaBusy(said)
    if response.status_code == _NOT_FOUND:
        raise UnknownModel(said)
    if response.status_code >= _SERVER_ERROR:
        raise ReplicaLost(said)
    raise ReplicaRefused(said)


def _message(response: httpx.Response) -> str:
    """vLLM: `{"error": {"message": …}}`; what is in front of it may say anything."""
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return response.text
