"""The plan of an augmentation: what is asked for, the tasks that it comes to, and what they would cost.

The same request on the same dataset is the same plan, with the same receipt: that is how a run goes on after a kill.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from assay.api.language_models import ledger_of, prices_of
from assay.config import Settings
from assay.datasets.augmentation.cost import NOTHING, Cost, cost_of
from assay.datasets.augmentation.kinds import Kind, check_fits, ends_of, kinds_named
from assay.datasets.augmentation.parents import Task, TaskPlan, planned_tasks
from assay.datasets.augmentation.prompts import TEMPERATURE, ask_of, prompt_of
from assay.datasets.augmentation.receipts import purpose_of
from assay.ingest.mapping import meant
from assay.llm.client import LlmClient
from assay.llm.endpoint import Endpoint
from assay.llm.paying import PaidClient
from assay.llm.prices import Price
from assay.schema.criterion import Criterion
from assay.schema.dataset import DatasetVersion, FrozenRow
from assay.schema.errors import BudgetSpentError, InputError, NotFoundError, RefusedError
from assay.schema.example import field_text
from assay.schema.ids import digest_json, short, utc_now
from assay.schema.receipt import Generator
from assay.schema.records import to_jsonable
from assay.store import augmentations, spending
from assay.store.augmentations import AugmentationRecord
from assay.store.database import Connection, Database
from assay.store.spending import MICRO, LimitSpentError


@dataclass(frozen=True, kw_only=True)
class AugmentRequest:
    """What is asked for: up to `per_kind` texts of each of `kinds`, from the train rows of a dataset (the newest one).

    `good` and `bad` are the labels between which answers are spoilt; on a binary scale they may be left out. `endpoint`
    is a table [llm.NAME] of assay.toml (by default the only one), `model` another than its own, `price` what it costs
    where no table says.
    """

    kinds: tuple[str, ...]
    per_kind: int = 100
    seed: int = 0
    dataset: str | None = None
    good: str | None = None
    bad: str | None = None
    endpoint: str | None = None
    model: str | None = None
    price: Price | None = None

    def __post_init__(self) -> None:
        if self.per_kind < 1:
            raise InputError("An augmentation makes texts.", required="1 or more a kind", got=str(self.per_kind))


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A plan: all its tasks, those that are open, and the cost of these. `spent_usd` is what the receipt has cost."""

    record: AugmentationRecord
    criterion: Criterion
    tasks: tuple[Task, ...]
    open: tuple[Task, ...]
    cost: Cost
    spent_usd: float
    endpoint: Endpoint | None

    @property
    def by_kind(self) -> dict[str, int]:
        """Kind → tasks."""
        return {kind: sum(task.kind.name == kind for task in self.tasks) for kind in self.record.kinds}


def planned_of(
    frozen: DatasetVersion, rows: Sequence[FrozenRow], request: AugmentRequest, database: Database, settings: Settings
) -> Planned:
    """The plan of a request. Errors as `Augmenting.plan`."""
    criterion = frozen.criterion
    kinds = kinds_named(request.kinds)
    ends = ends_of(criterion, request.good, request.bad)
    for kind in kinds:
        check_fits(kind, criterion, ends)
    endpoint = _endpoint(request, settings) if any(kind.asks for kind in kinds) else None
    record = _record(frozen, kinds, request, endpoint)
    plan = TaskPlan(receipt=record.id, per_kind=request.per_kind, seed=request.seed, ends=ends)
    tasks = [task for kind in kinds for task in planned_tasks(kind, rows, criterion, plan)]
    if not tasks:
        raise RefusedError(
            f"No train row of {frozen.id} can be a parent.",
            required="rows of train with text in the field that changes, and not augmented themselves",
            got=f"{sum(row.split == 'train' for row in rows):,} rows in train, none for {', '.join(request.kinds)}",
        )
    planned = Planned(
        record=record,
        criterion=criterion,
        tasks=tuple(tasks),
        open=tuple(tasks),
        cost=NOTHING,
        spent_usd=0.0,
        endpoint=endpoint,
    )
    with database.read() as connection:
        planned = as_it_stands(connection, planned)
    return with_cost(planned, database, settings)


def as_it_stands(connection: Connection, planned: Planned) -> Planned:
    """A plan with what is open of it now, and what it has cost until now. The cost of what is open stays."""
    settled = {one.id for one in augmentations.derivatives_of(connection, planned.record.id) if one.state != "open"}
    spent = spending.total(connection, purpose_of(planned.record.id)) / MICRO
    waiting = tuple(task for task in planned.open if task.id not in settled)
    return replace(planned, open=waiting, spent_usd=spent)


def with_cost(planned: Planned, database: Database, settings: Settings) -> Planned:
    """A plan with the cost of what is open of it. Raises NotFoundError (a model without a price)."""
    return replace(planned, cost=_cost(planned, database, settings))


def client_of(planned: Planned, database: Database, settings: Settings, limit_usd: float | None) -> PaidClient:
    """The client that a plan asks and pays with, up to `limit_usd` in all and the month's cap. Raises ValueError where
    the plan asks nobody.
    """
    if planned.endpoint is None:
        raise ValueError("This plan asks no language model.")
    ledger = ledger_of(database, settings).up_to(limit_usd)
    return PaidClient(LlmClient(planned.endpoint), prices_of(settings), ledger, purpose_of(planned.record.id))


def budget_spent(planned: Planned, error: LimitSpentError) -> BudgetSpentError:
    """The ledger's refusal in the words of the command that set the limit."""
    return BudgetSpentError(
        f"The budget of {planned.record.id} does not cover another call.",
        required=error.required,
        got=error.got,
        next_step="the same command with a larger --budget-usd goes on from here; or go on with what there is: "
        f"assay data augment sample {planned.record.id}",
    )


def _record(
    frozen: DatasetVersion, kinds: Sequence[Kind], request: AugmentRequest, endpoint: Endpoint | None
) -> AugmentationRecord:
    ends = ends_of(frozen.criterion, request.good, request.bad)
    generator = None
    if endpoint is not None:
        generator = Generator(model=endpoint.model, endpoint=_address(endpoint.base_url), temperature=TEMPERATURE)
    prompts = {kind.name: prompt.digest for kind in kinds if (prompt := prompt_of(kind)) is not None}
    asked = {
        "criterion": frozen.criterion.digest,
        "dataset": frozen.id,
        "kinds": [kind.name for kind in kinds],
        "per_kind": request.per_kind,
        "seed": request.seed,
        "good": ends.good,
        "bad": ends.bad,
        "generator": None if generator is None else to_jsonable(generator),
        "prompts": prompts,
    }
    return AugmentationRecord(
        id=f"{frozen.criterion.name}-augment-{short(digest_json(asked))}",
        criterion=frozen.criterion.key,
        dataset=frozen.id,
        kinds=tuple(kind.name for kind in kinds),
        per_kind=request.per_kind,
        seed=request.seed,
        good=ends.good,
        bad=ends.bad,
        generator=generator,
        prompts=prompts,
        created_at=utc_now(),
    )


def _cost(planned: Planned, database: Database, settings: Settings) -> Cost:
    asked = [task for task in planned.open if task.kind.asks]
    if not asked or planned.endpoint is None:
        return NOTHING
    client = client_of(planned, database, settings, None)
    sizes = [len(field_text(getattr(task.parent, str(task.field))).encode("utf-8", "replace")) for task in asked]
    asks = [ask_of(task, planned.criterion) for task in asked]
    try:
        return cost_of(asks, client, planned.endpoint.model, sum(sizes))
    except NotFoundError as error:
        raise NotFoundError(
            error.problem,
            required="its price, so that the cost is known before it is spent",
            next_step="give it: --price-per-million IN,OUT (US dollars a million tokens; 0,0 for a model of your own)",
        ) from None


def _endpoint(request: AugmentRequest, settings: Settings) -> Endpoint:
    """The endpoint with the model and the price that hold: a price in assay.toml is that of the model beside it."""
    known = settings.endpoints
    name = request.endpoint or (next(iter(known)) if len(known) == 1 else "default")
    if name not in known:
        raise InputError(
            "No language model is named to ask.",
            required=meant(name, list(known)) if known else "an endpoint in assay.toml",
            got=f"--endpoint {name}" if request.endpoint else f"{len(known)} endpoints, and none chosen",
            next_step='write [llm.default] with base_url = "…" and model = "…", then --endpoint default',
        )
    endpoint = known[name]
    if request.model is not None and request.model != endpoint.model:
        endpoint = replace(endpoint, model=request.model, price=None)
    return endpoint if request.price is None else replace(endpoint, price=request.price)


def _address(base_url: str) -> str:
    """The address without a name or password in it."""
    parts = urlsplit(base_url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{_host(parts.hostname)}{port}{parts.path}"


def _host(host: str | None) -> str:
    """A host as it stands in an address: an IPv6 one in brackets."""
    return f"[{host}]" if host and ":" in host else host or ""
