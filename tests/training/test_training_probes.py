"""A decoder's folder holds fixed texts and the scores that the judge gives them."""

import numpy as np
import pytest
from simple_task import dataset_of, registry_at, train_at

from assay.inference.engine import Request
from assay.inference.factory import lone_engine
from assay.inference.vllm.probes import read_probes
from assay.models.tokens import TokenRow
from assay.training.train import TrainingRequest


def request(backbone, **overrides):
    overrides = {"epochs": 1, "batch_size": 8, "max_tokens": 128, **overrides}
    return TrainingRequest(backbone=str(backbone), dtype="float32", overrides=overrides)


def test_the_engine_gives_the_scores_that_training_wrote_down(tiny, tmp_path):
    trained = train_at(tmp_path, "categorical", request(tiny("llama")))
    found = registry_at(tmp_path).resolve(trained.id)
    probes = read_probes(found.folder)
    assert "probes.json" in found.version.files
    assert len(set(probes.rows)) == 3
    engine = lone_engine(found.version)
    engine.add(found.version, found.folder)
    rows = [TokenRow(ids=ids, truncated_tokens=0) for ids in probes.rows]
    scores = [engine.submit(Request(judge=trained.id, row=row)).result().scores for row in rows]
    engine.close()
    assert np.array(scores) == pytest.approx(np.array(probes.scores), abs=1e-4)
    texts = [row.example.output for row in dataset_of("categorical")[1]]
    assert not any(text in (found.folder / "probes.json").read_text() for text in texts)


def test_an_encoder_has_none(tiny, tmp_path):
    trained = train_at(tmp_path, "binary", request(tiny("bert")))
    found = registry_at(tmp_path).resolve(trained.id)
    assert read_probes(found.folder) is None
    assert "probes.json" not in found.version.files
