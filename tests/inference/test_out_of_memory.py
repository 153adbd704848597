"""A decoder's pass that does not fit beside the kept prefixes is run again without them, with the same scores."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from assay.inference.runner import OutOfMemory, Work
from assay.inference.torch.decoder import DecoderRunner
from assay.inference.torch.loading import LoadedJudge
from assay.inference.torch.runner import TorchRunner
from assay.models.backbone import find_backbone

WORK = Work(judge="j", ids=tuple(range(10, 40)), reads="labels", lasting=20)


@pytest.fixture
def runner(tiny) -> DecoderRunner:
    backbone = find_backbone(str(tiny("llama")))
    loaded = LoadedJudge(judge="j", adapter=None, head=None, label_token_ids=(11, 12))
    made = TorchRunner(device=torch.device("cpu"))
    inner, _ = made._first(SimpleNamespace(family="decoder", dtype="float32"), backbone, loaded)
    inner.install(loaded)
    return inner


class Tight:
    """The layers on a device that holds nothing beside at most `kept_bytes` of prefixes."""

    def __init__(self, runner: DecoderRunner, kept_bytes: int) -> None:
        self._runner, self._stages, self._kept_bytes = runner, runner._stages, kept_bytes
        self.layers = self._stages.layers

    def compute(self, *args: object, **options: object) -> object:
        if self._runner._tree.bytes > self._kept_bytes:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self._stages.compute(*args, **options)


def test_kept_prefixes_make_room(runner):
    other = dataclasses.replace(WORK, ids=(*WORK.ids[:25], *range(50, 60)))
    alone = runner.run([other])[0].scores
    runner.run([WORK])
    kept = runner._tree.bytes
    runner._stages = Tight(runner, 0)
    read = runner.run([other])[0]
    np.testing.assert_allclose(read.scores, alone, atol=1e-5)
    assert kept > 0
    assert read.shared_tokens == 0


def test_a_pass_that_does_not_fit_alone_is_the_engines_to_make_smaller(runner):
    runner._stages = Tight(runner, -1)
    with pytest.raises(OutOfMemory):
        runner.run([WORK])
