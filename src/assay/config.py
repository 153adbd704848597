"""Settings: the only reader of `assay.toml` and of the environment.

    settings = read_settings(find_workspace(Path.cwd()))
    settings.database_url, settings.backbone, settings.judges

A workspace is the folder that holds `assay.toml`. Criteria files are read in `api.criteria`; what the gates require is
passed on as it stands in the file, for `validation.gates` knows its fields.
"""

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from assay.inference.vllm.servers import DEFAULT_IN_FLIGHT, DEFAULT_PATIENCE_S, VllmServers
from assay.inference.vllm.servers import DEFAULT_TIMEOUT_S as VLLM_TIMEOUT_S
from assay.llm.endpoint import DEFAULT_RETRIES, DEFAULT_TIMEOUT_S, Endpoint
from assay.llm.prices import Price
from assay.schema.dataset import Split
from assay.schema.errors import InputError, NotFoundError, shown
from assay.schema.judge_version import Places
from assay.schema.records import read_toml, record_from
from assay.serving.webhook import Webhook

FILE_NAME = "assay.toml"
DATABASE_URL_VARIABLE = "ASSAY_DATABASE_URL"
DEBUG_VARIABLE = "ASSAY_DEBUG"
API_KEY_VARIABLE = "ASSAY_API_KEY"
_SQLITE = "sqlite:///"
_Configured: TypeAlias = Literal["torch", "vllm"]


@dataclass(frozen=True, kw_only=True)
class _Store:
    """[store]: where the rows are. An SQLite path is relative to the workspace."""

    url: str = "sqlite:///.assay/assay.db"


@dataclass(frozen=True, kw_only=True)
class _People:
    """[people]: who stands in the promotions log; None takes the user of the operating system."""

    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Freeze:
    """[freeze]: None takes the freeze's own defaults."""

    shares: Mapping[Split, float] | None = None
    min_test_per_class: int | None = None


@dataclass(frozen=True, kw_only=True)
class _Training:
    """[training]: `backbone` is a name, a hub id, or a folder (a relative one beginning with a dot)."""

    backbone: str = "minilm"
    fallback: str = "allow-and-flag"
    escalate: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Llm:
    """[llm.NAME]: an OpenAI-compatible endpoint. `api_key_variable` names the environment variable with its key."""

    base_url: str
    model: str
    api_key_variable: str | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S
    max_retries: int = DEFAULT_RETRIES
    input_usd: float | None = None  # a million tokens; both or neither
    output_usd: float | None = None


@dataclass(frozen=True, kw_only=True)
class Spending:
    """[spending]: US dollars a month. `caps` is by purpose (`escalation/advice`) or kind of purpose (`escalation`)."""

    each_purpose_usd: float = 50.0
    caps: Mapping[str, float] = field(default_factory=dict)
    prices: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Engine:
    """[engine]: what runs small judges; int8 is a judge's own and no setting. All but `backend` is of the vllm backend;
    `api_key_variable` names the environment variable with the servers' key.
    """

    backend: _Configured = "torch"
    urls: tuple[str, ...] = ()
    api_key_variable: str | None = None
    judges_folder: str | None = None
    in_flight: int = DEFAULT_IN_FLIGHT
    timeout_s: float = VLLM_TIMEOUT_S
    patience_s: float = DEFAULT_PATIENCE_S


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """What runs small judges, and where their backbones lie. `servers` is None unless the backend is vllm."""

    backend: _Configured = "torch"
    servers: VllmServers | None = None
    backbones: Places = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Webhook:
    """[webhooks.NAME]: where verdicts are sent. `secret_variable` names the environment variable with the secret."""

    url: str
    secret_variable: str


@dataclass(frozen=True, kw_only=True)
class _File:
    """The tables of assay.toml."""

    store: Mapping[str, Any] = field(default_factory=dict)
    people: Mapping[str, Any] = field(default_factory=dict)
    freeze: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    gates: Mapping[str, Any] = field(default_factory=dict)
    llm: Mapping[str, Any] = field(default_factory=dict)
    engine: Mapping[str, Any] = field(default_factory=dict)
    backbones: Mapping[str, str] = field(default_factory=dict)
    spending: Mapping[str, Any] = field(default_factory=dict)
    redaction: Mapping[str, Any] = field(default_factory=dict)
    serving: Mapping[str, Any] = field(default_factory=dict)
    webhooks: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one workspace.

    `gates` and `redaction` are those tables as they stand; `shares` and `min_test_per_class` are None where the file
    leaves them to the freeze.
    """

    root: Path
    database_url: str
    person: str
    backbone: str
    shares: Mapping[Split, float] | None
    min_test_per_class: int | None
    gates: Mapping[str, Any]
    fallback: str = "allow-and-flag"
    escalate: str | None = None
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    engine: EngineSettings = field(default_factory=EngineSettings)
    spending: Spending = field(default_factory=Spending)
    redaction: Mapping[str, Any] = field(default_factory=dict)
    serving: Mapping[str, Any] = field(default_factory=dict)  # the table as it stands
    webhooks: Mapping[str, Webhook] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The folder of everything that is not in git."""
        return self.root / ".assay"

    @property
    def judges(self) -> Path:
        """One folder a judge version."""
        return self.data / "judges"

    @property
    def blobs(self) -> Path:
        """Content-addressed files."""
        return self.data / "blobs"

    @property
    def runs(self) -> Path:
        """Private folders of trainings that have not ended."""
        return self.data / "runs"

    @property
    def set_aside(self) -> Path:
        """Malformed rows of imports."""
        return self.data / "set-aside"

    @property
    def arriving(self) -> Path:
        """Files being written; each is renamed to its place when it is whole."""
        return self.data / "arriving"

    @property
    def serving_files(self) -> Path:
        """Locks of serving processes, and verdicts on their way into the database."""
        return self.data / "serving"

    @property
    def criteria(self) -> Path:
        """The criteria files."""
        return self.root / "criteria"


def find_workspace(start: Path) -> Path:
    """The nearest folder with an assay.toml: `start` or one above it. Raises NotFoundError."""
    here = start.resolve()
    for folder in (here, *here.parents):
        if (folder / FILE_NAME).is_file():
            return folder
    raise _no_workspace(f"none in {shown(str(here), 200)} or above it")


def read_settings(root: Path) -> Settings:
    """The settings of the workspace in this very folder.

    Raises NotFoundError (no assay.toml there), InputError (not TOML, an unknown table or key, a wrong type).
    """
    path = root / FILE_NAME
    if not path.is_file():
        raise _no_workspace(f"none in {shown(str(root), 200)}")
    tables = record_from(_File, read_toml(path), where=FILE_NAME)
    store = record_from(_Store, tables.store, where=f"{FILE_NAME} [store]")
    freeze = record_from(_Freeze, tables.freeze, where=f"{FILE_NAME} [freeze]")
    training = record_from(_Training, tables.training, where=f"{FILE_NAME} [training]")
    people = record_from(_People, tables.people, where=f"{FILE_NAME} [people]")
    root = root.resolve()
    return Settings(
        root=root,
        database_url=_absolute(os.environ.get(DATABASE_URL_VARIABLE) or store.url, root),
        person=people.name or _user(),
        backbone=str((root / training.backbone).resolve()) if training.backbone[:1] == "." else training.backbone,
        shares=freeze.shares,
        min_test_per_class=freeze.min_test_per_class,
        gates=tables.gates,
        fallback=training.fallback,
        escalate=training.escalate,
        endpoints={name: _endpoint(name, table) for name, table in tables.llm.items()},
        engine=replace(_engine(tables.engine), backbones=_places(tables.backbones, root)),
        spending=record_from(Spending, tables.spending, where=f"{FILE_NAME} [spending]"),
        redaction=tables.redaction,
        serving=tables.serving,
        webhooks={name: _webhook(name, table) for name, table in tables.webhooks.items()},
    )


def _engine(table: Mapping[str, Any]) -> EngineSettings:
    where = f"{FILE_NAME} [engine]"
    given = record_from(_Engine, table, where=where)
    if given.backend != "vllm":
        if set(table) - {"backend"}:
            raise InputError(
                f"{where}: {', '.join(sorted(set(table) - {'backend'}))} belong to the vllm backend.",
                required='backend = "vllm" beside them',
                got=f"backend {shown(given.backend)}",
            )
        return EngineSettings(backend=given.backend)
    api_key = os.environ.get(given.api_key_variable, "") if given.api_key_variable else ""
    if given.api_key_variable and not api_key:
        raise InputError(
            f"{where}: the key of the servers is not there.",
            required=f"the environment variable {given.api_key_variable}",
            got="nothing in it",
        )
    servers = VllmServers(
        urls=given.urls,
        api_key=api_key,
        judges_folder=given.judges_folder,
        in_flight=given.in_flight,
        timeout_s=given.timeout_s,
        patience_s=given.patience_s,
    )
    return EngineSettings(backend="vllm", servers=servers)


def _places(table: Mapping[str, str], root: Path) -> Places:
    """[backbones]: a relative folder is meant from the workspace, wherever the command runs."""
    return {name: root / Path(folder).expanduser() for name, folder in table.items()}


def _webhook(name: str, table: Any) -> Webhook:
    where = f"{FILE_NAME} [webhooks.{name}]"
    if not isinstance(table, Mapping):
        raise InputError(f"{where}: a webhook is a table.", required='[webhooks.NAME] with url = "…"', got=shown(table))
    given = record_from(_Webhook, table, where=where)
    secret = os.environ.get(given.secret_variable, "")
    if not secret:
        raise InputError(
            f"{where}: what is sent is signed, and there is no secret.",
            required=f"the environment variable {given.secret_variable}",
            got="nothing in it",
        )
    return Webhook(url=given.url, secret=secret)


def _endpoint(name: str, table: Any) -> Endpoint:
    where = f"{FILE_NAME} [llm.{name}]"
    if not isinstance(table, Mapping):
        raise InputError(
            f"{where}: an endpoint is a table.", required='[llm.NAME] with base_url = "…"', got=shown(table)
        )
    given = record_from(_Llm, table, where=where)
    price = None
    if given.input_usd is not None and given.output_usd is not None:
        price = Price(input=given.input_usd, output=given.output_usd)
    elif given.input_usd is not None or given.output_usd is not None:
        raise InputError(f"{where}: a price has two parts.", required="input_usd and output_usd", got="one of them")
    return Endpoint(
        name=name,
        base_url=given.base_url,
        model=given.model,
        api_key=os.environ.get(given.api_key_variable, "") if given.api_key_variable else "",
        timeout_s=given.timeout_s,
        max_retries=given.max_retries,
        price=price,
    )


def debug_wanted() -> bool:
    """Whether the environment asks for tracebacks (ASSAY_DEBUG=1)."""
    return os.environ.get(DEBUG_VARIABLE, "").lower() not in ("", "0", "false", "no")


def secret(variable: str) -> str | None:
    """What an environment variable holds; None where that is nothing."""
    return os.environ.get(variable) or None


def _absolute(url: str, root: Path) -> str:
    """A relative SQLite path is meant from the workspace, wherever the command runs."""
    if not url.startswith(_SQLITE):
        return url
    path = url.removeprefix(_SQLITE)
    if not path:
        raise InputError("The database URL names no file.", required="sqlite:///FILE", got=shown(url))
    return f"{_SQLITE}{root / path}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a user id that has no name
        return "unknown"


def _no_workspace(got: str) -> NotFoundError:
    return NotFoundError(
        "This is not an Assay workspace.",
        required=f"a folder with {FILE_NAME}",
        got=got,
        next_step="make one: assay init",
    )
