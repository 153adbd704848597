"""A quantised child beside the judge that it was made from: both loaded, judged on the test rows, weighed."""

from collections.abc import Sequence
from pathlib import Path

from assay.datasets.frozen_rows import rows_of
from assay.inference.factory import lone_engine
from assay.inference.footprint import model_bytes
from assay.inference.int8.runner import Int8Runner
from assay.inference.local_engine import LocalEngine
from assay.inference.torch.loading import find_body
from assay.judging.slm import SmallJudge
from assay.registry import Registry, Resolved
from assay.schema.dataset import FrozenRow
from assay.schema.errors import NotFoundError
from assay.schema.judge_version import JudgeVersion, Places
from assay.validation.child import compare
from assay.validation.gates import QUANTISED
from assay.validation.report import AgainstParent, ModelSize


def against_parent(child: Resolved, rows: Sequence[FrozenRow], registry: Registry, places: Places) -> AgainstParent:
    """Child and parent on the test rows of their dataset. Raises NotFoundError (no parent here), IntegrityError."""
    parent = unquantised(child.version, registry)
    runner = Int8Runner(places)
    engine = LocalEngine(runner)
    try:
        small = SmallJudge.load(child.version, child.folder, engine)
        sizes = (
            _size(child, runner.weight_bytes(child.version.id), places),
            _size(parent, model_bytes(parent.version), places),
        )
        large = SmallJudge.alone(parent.version, parent.folder, lone_engine(parent.version, places))
        return compare(small, large, rows_of(rows, "test"), sizes)
    finally:
        engine.close()


def unquantised(version: JudgeVersion, registry: Registry) -> Resolved:
    """The nearest ancestor that is not quantised. Raises NotFoundError."""
    seen = version
    while seen.dtype in QUANTISED:
        if seen.parent is None:
            raise NotFoundError(
                f"{version.id} is quantised and names no parent.", required="the judge it was made from"
            )
        found = registry.resolve(seen.parent)
        seen = found.version
    return registry.resolve(seen.id)


def _size(judge: Resolved, memory: int, places: Places) -> ModelSize:
    own = sum((judge.folder / name).stat().st_size for name in judge.version.files)
    shared = 0
    if judge.version.method != "full":
        shared = sum(path.stat().st_size for path in _weights(find_body(judge.version, judge.folder, places).folder))
    return ModelSize(disk=own, shared_disk=shared, memory=memory)


def _weights(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))
