"""Finding: one line of `assay doctor`; `examined` turns a check that refuses into one."""

import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, TypeAlias

from assay.api.extras import needs_models
from assay.schema.errors import AssayError, MissingExtraError

State: TypeAlias = Literal["ok", "warning", "broken"]
CORE_PACKAGES = ("numpy", "scipy", "scikit-learn", "pyarrow", "sqlalchemy", "alembic", "pydantic", "typer")
MODEL_PACKAGES = ("torch", "transformers", "peft", "accelerate", "safetensors", "tokenizers")
LOW_DISK_GIB = 2.0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check found. `next_step` is empty unless something is to be done."""

    name: str
    state: State
    found: str
    next_step: str = ""


def examined(name: str, check: Callable[[], str]) -> Finding:
    """Run a check: what it returns is found; what it refuses with is broken, a missing extra only a warning."""
    try:
        return Finding(name=name, state="ok", found=check())
    except MissingExtraError as error:
        return Finding(name=name, state="warning", found=error.problem, next_step=error.next_step)
    except AssayError as error:
        found = " ".join(part for part in (error.problem, error.got) if part)
        return Finding(name=name, state="broken", found=found, next_step=error.next_step)


def machine_findings(folder: Path) -> list[Finding]:
    """Python, packages, processor and disk: what holds without a workspace."""
    free_gib = shutil.disk_usage(folder).free / 2**30
    return [
        Finding(name="python", state="ok", found=f"{platform.python_version()} on {platform.platform(terse=True)}"),
        _packages("packages", CORE_PACKAGES, "pip install --force-reinstall assay"),
        _packages("model packages", MODEL_PACKAGES, "pip install 'assay[models]'"),
        examined("processor", _processor),
        Finding(
            name="disk",
            state="ok" if free_gib >= LOW_DISK_GIB else "warning",
            found=f"{free_gib:,.1f} GiB free",
            next_step="" if free_gib >= LOW_DISK_GIB else f"make room: {LOW_DISK_GIB:g} GiB or more",
        ),
    ]


def backbone_finding(name: str) -> Finding:
    """The default backbone: there, readable, with the right digest. A hub id is looked up only when it is used."""
    if name != "minilm" and not Path(name).is_dir():
        return Finding(name="backbone", state="ok", found=f"{name}: a hub id, downloaded when it is first used")
    return examined("backbone", lambda: _backbone(name))


def _backbone(name: str) -> str:
    with needs_models():
        from assay.models.backbone import find_backbone  # noqa: PLC0415
    found = find_backbone(name).ref
    millions = found.parameters / 1e6
    return f"{found.name}: {found.architecture}, {millions:,.1f} M parameters, digest {found.weights_digest[:12]}"


def _processor() -> str:
    with needs_models():
        import torch  # noqa: PLC0415

        from assay.inference.torch.device import best_device, best_dtype  # noqa: PLC0415
    native = "native bfloat16" if best_dtype() == "bfloat16" else "no native bfloat16, so float32 is used"
    return f"{best_device()}, {torch.get_num_threads()} threads, {native}"


def _packages(name: str, packages: Sequence[str], install: str) -> Finding:
    found = {package: _installed(package) for package in packages}
    missing = [package for package, installed in found.items() if installed is None]
    return Finding(
        name=name,
        state="warning" if missing else "ok",
        found=", ".join(f"{package} {installed or 'missing'}" for package, installed in found.items()),
        next_step=install if missing else "",
    )


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
