"""The Judge protocol: whatever answers one criterion."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from assay.schema.criterion import Criterion
from assay.schema.example import Example
from assay.schema.verdict import Verdict


class Judge(Protocol):
    """Anything that answers one criterion.

    The command line, the Python API and validation all call `judge_many`; a verdict does not depend on the examples
    beside it.
    """

    @property
    def id(self) -> str:
        """The version that answers, such as `advice-3f2a91c0`."""
        ...

    @property
    def criterion(self) -> Criterion:
        """The question answered."""
        ...

    def judge_many(
        self, examples: Iterable[Example], on_batch: Callable[[int], None] | None = None
    ) -> Iterator[Verdict]:
        """One verdict an example, in order; an example that cannot be judged gives a Failed verdict, never an
        exception. `on_batch` may hear, before the verdicts come, how many examples each finished batch held.
        """
        ...
