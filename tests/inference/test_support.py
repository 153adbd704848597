"""The table of backend, kind of judge and mode: what loading refuses, what the docs show, which suites it names."""

import dataclasses
from pathlib import Path

import pytest

from assay.inference.support import BACKENDS, KINDS, MODES, REFUSED, SUITES, check_supported, modes_of, support_rows
from assay.schema.errors import UnsupportedJudgeError

ROOT = Path(__file__).resolve().parents[2]


def version_of(make_version, family, kind, **changes):
    training = {"lora_layers": "top:1" if kind == "top-k" else "all"}
    method = "lora" if kind == "top-k" else kind
    modes = MODES[family]
    return dataclasses.replace(
        make_version(), family=family, method=method, training=training, **{"modes": modes, **changes}
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_loading_refuses_what_the_table_refuses(make_version, backend, family, kind):
    version = version_of(make_version, family, kind, dtype="int8" if backend == "int8" else "float32")
    if modes_of(backend, family, kind):
        check_supported(backend, version)
        return
    with pytest.raises(UnsupportedJudgeError) as refused:
        check_supported(backend, version)
    assert REFUSED[backend][family, kind] in str(refused.value)


def test_pairs_by_hand(make_version):
    assert modes_of("torch", "decoder", "alora") == ("single-token", "verdict", "reasoning")
    assert modes_of("int8", "encoder", "top-k") == ("single-token", "verdict")
    assert modes_of("vllm", "decoder", "alora") == ()
    assert modes_of("int8", "decoder", "full") == ()
    with pytest.raises(UnsupportedJudgeError, match="no encoder has the mode reasoning"):
        check_supported("torch", version_of(make_version, "encoder", "head", modes=("single-token", "reasoning")))


def test_the_page_shows_the_table():
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    assert "\n".join(support_rows()) in page
    for reasons in REFUSED.values():
        for reason in reasons.values():
            assert reason in page


def test_every_backend_has_its_suites():
    for suite in (suite for backend in BACKENDS for suite in SUITES[backend]):
        assert (ROOT / suite).is_file(), suite
