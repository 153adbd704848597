"""What to say where an optional package is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from assay.schema.errors import MissingExtraError

MODEL_PACKAGES = ("torch", "transformers", "peft", "accelerate", "safetensors", "tokenizers", "filelock")


@contextmanager
def needs_models() -> Iterator[None]:
    """Around an import of the model side: a package that is not there becomes a MissingExtraError."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in MODEL_PACKAGES:
            raise
        raise MissingExtraError(
            "Training and judging need the packages of the extra 'models'.",
            required=", ".join(MODEL_PACKAGES[:4]),
            got=f"no package {error.name!r}",
            next_step="pip install 'assay[models]'",
        ) from None
