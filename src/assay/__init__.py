"""Assay: small-language-model judges, from expert labels to a gated, calibrated verdict.

    import assay

    judge = assay.load("advice@champion")
    judge.judge(input="Should I sell my fund?", output="Sell it now.")

Names are loaded when they are used (PEP 562): `import assay` loads no torch.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.api import Workspace, load
    from assay.api.loaded_judge import LoadedJudge
    from assay.client import AsyncClient, Client
    from assay.ingest.mapping import FieldMapping
    from assay.schema.criterion import Criterion
    from assay.schema.errors import AssayError
    from assay.schema.example import Example
    from assay.schema.label import Label
    from assay.schema.trace import Turn
    from assay.schema.verdict import Abstained, Decided, Failed, Verdict
    from assay.training.train import TrainingRequest

_MODULES = {
    "Abstained": "assay.schema.verdict",
    "AssayError": "assay.schema.errors",
    "AsyncClient": "assay.client",
    "Client": "assay.client",
    "Criterion": "assay.schema.criterion",
    "Decided": "assay.schema.verdict",
    "Example": "assay.schema.example",
    "Failed": "assay.schema.verdict",
    "FieldMapping": "assay.ingest.mapping",
    "Label": "assay.schema.label",
    "LoadedJudge": "assay.api.loaded_judge",
    "TrainingRequest": "assay.training.train",
    "Turn": "assay.schema.trace",
    "Verdict": "assay.schema.verdict",
    "Workspace": "assay.api",
    "load": "assay.api",
}
__all__ = [
    "Abstained",
    "AssayError",
    "AsyncClient",
    "Client",
    "Criterion",
    "Decided",
    "Example",
    "Failed",
    "FieldMapping",
    "Label",
    "LoadedJudge",
    "TrainingRequest",
    "Turn",
    "Verdict",
    "Workspace",
    "__version__",
    "load",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        try:
            return version("assay")
        except PackageNotFoundError:  # run from the sources
            return "0+unknown"
    if name not in _MODULES:
        raise AttributeError(f"module 'assay' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
