"""LoadedJudge: a judge in memory, for single examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.api.extras import needs_models
from assay.config import EngineSettings
from assay.ingest.examples import example_of
from assay.ingest.mapping import FieldMapping
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError
from assay.schema.judge_version import JudgeVersion
from assay.schema.verdict import Failed, Mode, Verdict

if TYPE_CHECKING:
    from assay.judging.slm import SmallJudge


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedJudge:
    """A judge in memory. Safe to keep; one thread at a time."""

    version: JudgeVersion
    running: "SmallJudge"

    @property
    def id(self) -> str:
        """The judge version's id."""
        return self.version.id

    @property
    def criterion(self) -> Criterion:
        """The question it answers."""
        return self.version.criterion

    def judge(
        self,
        *,
        input: Any = None,  # noqa: A002 - the word for this field everywhere in Assay
        output: Any = None,
        context: Any = None,
        reference: Any = None,
        turns: Sequence[Mapping[str, Any]] | None = None,
        mode: Mode = "single-token",
    ) -> Verdict:
        """The verdict on one example; `turns` are the earlier messages, each `{"role": …, "content": …}`.

        `mode` is single-token, verdict or reasoning (an explanation after the verdict, where the judge learnt to give
        one); the probability is the same in all. Raises UnsupportedJudgeError for a mode that the judge does not have.

        What cannot be judged (no text in what the criterion reads, an unknown role, half a surrogate pair) gives a
        Failed verdict with the judge's fallback action, never an exception.
        """
        values = {"input": input, "output": output, "context": context, "reference": reference, "turns": turns}
        try:
            example = example_of(values, FieldMapping(), self.criterion)
        except InputError as error:
            return Failed(reason=f"{error.code}: {error.problem}", action=self.version.fallback, judge=self.id)
        return self.running.judge(example, mode)


def loaded(
    version: JudgeVersion, folder: Path, engine: EngineSettings | None = None, backbone: Path | None = None
) -> LoadedJudge:
    """A judge from its verified folder, in this process or on vLLM servers.

    `backbone` is where the folder of its backbone is, whatever the settings say.

    Raises NotFoundError, IntegrityError (its backbone), MissingExtraError, UnsupportedJudgeError, EngineLostError.
    """
    with needs_models():
        from assay.inference.factory import lone_engine  # noqa: PLC0415 - as the next
        from assay.inference.vllm.engine import VllmEngine  # noqa: PLC0415 - as the next
        from assay.judging.slm import SmallJudge  # noqa: PLC0415 - torch, only where a judge runs

    asked = engine or EngineSettings()
    places = asked.backbones if backbone is None else {version.backbone.weights_digest: backbone}
    running = lone_engine(version, places) if asked.servers is None else VllmEngine(asked.servers)
    return LoadedJudge(version=version, running=SmallJudge.alone(version, folder, running))
