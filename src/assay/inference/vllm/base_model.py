"""Which of a server's models is a judge's base: told by its weights where they are to be seen, else by its name.

A server names its models and the folder or hub id that they came from; it gives no digest. So:

* where that folder is on this machine too, its weights are digested and must be the judge's: known by `weights`;
* else the name (`--served-model-name`, or the hub id) must be the judge's: known by `name`, which is the word of
  whoever started the server. Revision, number format and quantisation are then not to be seen; probes are the check.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

from assay.inference.vllm.served_judge import ServedJudge
from assay.inference.vllm.wire import ServedModel
from assay.schema.errors import IntegrityError, UnsupportedJudgeError, shown
from assay.schema.ids import digest_files, digest_json

KnownBy: TypeAlias = Literal["weights", "name"]


def base_of(judge: ServedJudge, models: Sequence[ServedModel]) -> tuple[ServedModel, KnownBy]:
    """The base model of a judge among those of a server.

    Raises IntegrityError where the folder by the judge's name holds other weights, UnsupportedJudgeError where none is
    the judge's base, or its window is too short.
    """
    bases = [model for model in models if model.parent is None]
    for model in bases:
        digest = weights_digest(model.root)
        if digest == judge.weights_digest:
            return _roomy(judge, model), "weights"
        if digest is None and not {model.id, model.root}.isdisjoint(judge.base_names):
            return _roomy(judge, model), "name"
        if model.id in judge.base_names:
            raise IntegrityError(
                f"The server's {shown(model.id)} is not the base model of {judge.id}.",
                required=f"weights with digest {judge.weights_digest[:16]}…",
                got=f"{str(digest)[:16]}… in {shown(model.root, 200)}",
                next_step="start the server with the original weights",
            )
    raise UnsupportedJudgeError(
        f"The server does not serve the base model of {judge.id}.",
        required=f"the model {shown(judge.base_names[0], 200)}",
        got=shown([model.id for model in bases], 200),
        next_step=f"start it with that model, or with --served-model-name {judge.base_names[0]}",
    )


def _roomy(judge: ServedJudge, model: ServedModel) -> ServedModel:
    if model.max_model_len is not None and model.max_model_len <= judge.max_tokens:
        raise UnsupportedJudgeError(
            f"The server's window is too short for {judge.id}: vLLM counts the answer's token too.",
            required=f"--max-model-len {judge.max_tokens + 1} or more",
            got=f"{model.max_model_len}",
            next_step="start the server with a longer window, or train with a smaller --max-tokens",
        )
    return model


def weights_digest(root: str) -> str | None:
    """The digest of the weights in a folder, as `models.backbone` makes it; None where there are none here.

    The digests of the safetensors files by name, digested once more. Files are read again when they change.
    """
    folder = Path(root)
    if not folder.is_absolute() or not folder.is_dir():
        return None
    files = sorted(folder.glob("*.safetensors"))
    stamps = tuple((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files)
    return _digest(stamps) if stamps else None


@lru_cache(maxsize=16)
def _digest(stamps: tuple[tuple[str, int, int], ...]) -> str:
    return digest_json(digest_files({Path(path).name: Path(path) for path, _, _ in stamps}))
