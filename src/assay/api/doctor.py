"""`examine`: is this machine, and this workspace, in order? Looks only; repairs and deletes nothing."""

from functools import partial
from pathlib import Path

from assay.api.findings import Finding, backbone_finding, examined, machine_findings
from assay.api.workspace import Workspace
from assay.config import Settings, find_workspace, read_settings
from assay.schema.errors import AssayError, NotFoundError
from assay.store.blobs import Blobs

DEFAULT_BACKBONE = "minilm"
_PARTIAL = (".arriving*", "*.part", "*.partial")
_SHOWN = 3


def examine(path: Path | None = None) -> tuple[Finding, ...]:
    """All findings: those about the machine, and, where there is a workspace, those about it."""
    found = machine_findings(path or Path.cwd())
    try:
        settings = read_settings(find_workspace(Path.cwd()) if path is None else path)
    except NotFoundError as error:
        absent = Finding(name="workspace", state="warning", found=error.problem, next_step=error.next_step)
        return (*found, backbone_finding(DEFAULT_BACKBONE), absent)
    except AssayError as error:
        broken = Finding(name="workspace", state="broken", found=f"{error.problem} {error.required}")
        return (*found, backbone_finding(DEFAULT_BACKBONE), broken)
    return (*found, backbone_finding(settings.backbone), *_workspace_findings(settings))


def _workspace_findings(settings: Settings) -> list[Finding]:
    found = [
        Finding(name="workspace", state="ok", found=str(settings.root)),
        examined("gates", partial(_gates, settings)),
    ]
    try:
        here = Workspace.open(settings.root)
    except AssayError as error:
        return [*found, Finding(name="database", state="broken", found=str(error), next_step=error.next_step)]
    with here:
        return [
            *found,
            Finding(name="database", state="ok", found="reachable, at the newest schema"),
            *(examined(f"criterion {name}", partial(_key, here, name)) for name in here.criteria()),
            *(examined(f"dataset {one.id}", partial(_rows, here, one.rows_blob)) for one in here.datasets()),
            *(examined(f"judge {one.id}", partial(_files, here, one.id)) for one in here.versions()),
            _leftovers(settings),
        ]


def _gates(settings: Settings) -> str:
    from assay.validation.gates import GateRules  # noqa: PLC0415

    GateRules.from_mapping(settings.gates)
    return f"{len(settings.gates)} of [gates] set, the rest by default" if settings.gates else "all by default"


def _key(here: Workspace, criterion: str) -> str:
    return here.criterion(criterion).key


def _rows(here: Workspace, blob: str) -> str:
    return f"{len(Blobs(here.settings.blobs).read(blob)):,} bytes, as frozen"


def _files(here: Workspace, judge: str) -> str:
    return f"{len(here.resolve(judge).version.files)} files, as they were made"


def _leftovers(settings: Settings) -> Finding:
    """Files of a run that was killed: harmless, and the trainings among them resume with the same command."""
    partial = [path for pattern in _PARTIAL for path in settings.data.rglob(pattern)]
    partial += list(settings.arriving.glob("*"))
    runs = [path for path in settings.runs.glob("*") if path.is_dir()]
    if not partial and not runs:
        return Finding(name="leftovers", state="ok", found="none")
    listed = ", ".join(str(path.relative_to(settings.root)) for path in partial[:_SHOWN])
    parts = [f"{len(runs)} unfinished trainings in .assay/runs"] if runs else []
    parts += [f"{len(partial)} partial files ({listed})"] if partial else []
    return Finding(
        name="leftovers",
        state="warning",
        found="; ".join(parts),
        next_step="run the commands that were stopped again, or delete these while no assay runs",
    )
