"""Which modes a judge has, known from its version, whether its model is in memory or not."""

from assay.schema.errors import UnsupportedJudgeError, shown
from assay.schema.judge_version import JudgeVersion
from assay.schema.verdict import Mode


def check_mode(version: JudgeVersion, mode: Mode) -> None:
    """Raise UnsupportedJudgeError for a mode that a judge does not have."""
    if mode not in version.modes:
        raise UnsupportedJudgeError(
            f"Judge {version.id} does not have the mode {shown(mode)}.",
            required=f"one of {list(version.modes)}",
            next_step="train a decoder on examples with explanations for mode reasoning",
        )
