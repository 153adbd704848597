"""The table of spending: what language models cost, by month, purpose and model, in millionths of a US dollar.

`Ledger(database, caps)` is the `llm.paying.Spending` of a workspace: `reserve` counts an estimate before a call,
`settle` replaces it by the cost. `up_to(limit_usd)` is the same ledger with a limit over all months. The check of the
cap and the limit and the reservation are one write transaction, so that processes which ask at once cannot pass them
together. A reservation that is never settled (a kill) stays counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import BigInteger, Column, Connection, String, Table, func, insert, select, update

from assay.schema.errors import BudgetSpentError
from assay.schema.ids import utc_now
from assay.schema.reservation import Reservation
from assay.store.database import Database
from assay.store.tables import KEY, check_key, lock, metadata, time_column

MICRO = 1_000_000

spending = Table(
    "spending",
    metadata,
    Column("month", String(7), primary_key=True),
    Column("purpose", KEY, primary_key=True),
    Column("model", KEY, primary_key=True),
    Column("micro_usd", BigInteger, nullable=False),
    Column("calls", BigInteger, nullable=False),
    Column("tokens_in", BigInteger, nullable=False),
    Column("tokens_out", BigInteger, nullable=False),
    time_column("changed_at"),
)


class LimitSpentError(BudgetSpentError):
    """What a purpose may cost over all months would be passed."""


@dataclass(frozen=True, kw_only=True)
class Caps:
    """US dollars a month: for each purpose (`escalation/advice`), for all of its kind (`escalation`), for any other.

    None is no cap.
    """

    each_purpose: float | None = None
    by_purpose: Mapping[str, float] = field(default_factory=dict)

    def of(self, purpose: str) -> float | None:
        """The cap of one purpose."""
        kind = purpose.partition("/")[0]
        return self.by_purpose.get(purpose, self.by_purpose.get(kind, self.each_purpose))


@dataclass(frozen=True, kw_only=True)
class Spent:
    """One row: what a purpose cost in a month with one model; calls that are under way count at their estimate."""

    month: str
    purpose: str
    model: str
    micro_usd: int
    calls: int
    tokens_in: int
    tokens_out: int


class Ledger:
    """The spending of one workspace under its caps. `month` is a text such as 2026-11, in UTC.

    `limit_usd` is what a purpose may cost over all months; None is no limit.
    """

    def __init__(self, database: Database, caps: Caps, limit_usd: float | None = None) -> None:
        self._database = database
        self._caps = caps
        self._limit_usd = limit_usd

    def up_to(self, limit_usd: float | None) -> "Ledger":
        """The same ledger, with a limit over all months."""
        return Ledger(self._database, self._caps, limit_usd)

    def reserve(self, purpose: str, model: str, micro_usd: int) -> Reservation:
        """Set an estimate aside. Raises BudgetSpentError where it would pass the month's cap, LimitSpentError where it
        would pass the limit.
        """
        asked = Reservation(month=utc_now()[:7], purpose=purpose, model=model, micro_usd=micro_usd)
        with self._database.begin() as connection:
            reserve(connection, asked, self._caps.of(purpose), self._limit_usd)
        return asked

    def settle(self, reservation: Reservation, *, micro_usd: int, tokens_in: int, tokens_out: int) -> None:
        """Replace a reservation by what the call cost."""
        with self._database.begin() as connection:
            settle(connection, reservation, micro_usd=micro_usd, tokens_in=tokens_in, tokens_out=tokens_out)

    def month(self, month: str | None = None) -> tuple[Spent, ...]:
        """What was spent in a month, the current one by default, by purpose and model."""
        with self._database.read() as connection:
            return in_month(connection, month or utc_now()[:7])


def reserve(connection: Connection, asked: Reservation, cap_usd: float | None, limit_usd: float | None = None) -> None:
    """Count an estimate. Raises BudgetSpentError, with nothing counted, where the month's cap would be passed, and
    LimitSpentError where the limit over all months would be.
    """
    lock(connection, spending)
    of_purpose = (spending.c.month == asked.month) & (spending.c.purpose == asked.purpose)
    spent = connection.scalar(select(func.coalesce(func.sum(spending.c.micro_usd), 0)).where(of_purpose)) or 0
    if cap_usd is not None and spent + asked.micro_usd > round(cap_usd * MICRO):
        raise BudgetSpentError(
            f"The monthly cap on spending for {asked.purpose} is reached.",
            required=f"at most ${cap_usd:,.2f} in {asked.month}",
            got=f"${spent / MICRO:,.4f} spent, ${asked.micro_usd / MICRO:,.4f} asked for",
            next_step="raise it in assay.toml ([spending.caps]), or wait for the next month",
        )
    in_all = 0 if limit_usd is None else total(connection, asked.purpose)
    if limit_usd is not None and in_all + asked.micro_usd > round(limit_usd * MICRO):
        raise LimitSpentError(
            f"The limit on spending for {asked.purpose} is reached.",
            required=f"at most ${limit_usd:,.4f} in all",
            got=f"${in_all / MICRO:,.4f} spent, ${asked.micro_usd / MICRO:,.4f} asked for",
            next_step="go on with a larger limit",
        )
    here = of_purpose & (spending.c.model == asked.model)
    counted = {"micro_usd": spending.c.micro_usd + asked.micro_usd, "changed_at": utc_now()}
    if not connection.execute(update(spending).where(here).values(counted)).rowcount:
        check_key(asked.purpose, "The purpose of a call")
        row = {
            "month": asked.month,
            "purpose": asked.purpose,
            "model": check_key(asked.model, "A model's name"),
            "micro_usd": asked.micro_usd,
        }
        zeros = dict.fromkeys(("calls", "tokens_in", "tokens_out"), 0)
        connection.execute(insert(spending).values(**row, **zeros, changed_at=utc_now()))


def settle(connection: Connection, reserved: Reservation, *, micro_usd: int, tokens_in: int, tokens_out: int) -> None:
    """Replace an estimate by what the call cost, in the month in which it was asked for."""
    here = (
        (spending.c.month == reserved.month)
        & (spending.c.purpose == reserved.purpose)
        & (spending.c.model == reserved.model)
    )
    connection.execute(
        update(spending)
        .where(here)
        .values(
            micro_usd=spending.c.micro_usd + (micro_usd - reserved.micro_usd),
            calls=spending.c.calls + 1,
            tokens_in=spending.c.tokens_in + tokens_in,
            tokens_out=spending.c.tokens_out + tokens_out,
            changed_at=utc_now(),
        )
    )


def in_month(connection: Connection, month: str) -> tuple[Spent, ...]:
    """The rows of a month, by purpose and model."""
    columns = [column for column in spending.c if column.name != "changed_at"]
    rows = select(*columns).where(spending.c.month == month).order_by(spending.c.purpose, spending.c.model)
    return tuple(Spent(**row) for row in connection.execute(rows).mappings())


def total(connection: Connection, purpose: str) -> int:
    """What a purpose has cost over all months, in millionths of a US dollar."""
    spent = select(func.coalesce(func.sum(spending.c.micro_usd), 0)).where(spending.c.purpose == purpose)
    return int(connection.scalar(spent) or 0)
