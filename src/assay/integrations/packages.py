"""What to say where the package of another framework is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from assay.schema.errors import MissingExtraError


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Around the import of a framework: a package that is not there becomes a MissingExtraError."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"This integration needs the packages of the extra {extra!r}.",
            got=f"no package {error.name!r}",
            next_step=f"pip install 'assay[{extra}]'",
        ) from None
