"""The [engine] table of assay.toml."""

import pytest

from assay.config import EngineSettings, read_settings
from assay.inference.vllm.servers import VllmServers
from assay.schema.errors import InputError


@pytest.fixture
def engine_of(tmp_path):
    def read(table: str) -> EngineSettings:
        (tmp_path / "assay.toml").write_text(f"[engine]\n{table}\n")
        return read_settings(tmp_path).engine

    return read


def test_without_a_table_judges_run_in_this_process(engine_of):
    assert engine_of("") == engine_of('backend = "torch"') == EngineSettings()


def test_the_servers_of_the_vllm_backend(engine_of, monkeypatch):
    monkeypatch.setenv("OUR_KEY", "secret")
    engine = engine_of(
        'backend = "vllm"\nurls = ["http://a:8000/v1", "https://b"]\napi_key_variable = "OUR_KEY"\n'
        'judges_folder = "/mnt/judges"\nin_flight = 8\ntimeout_s = 3\npatience_s = 0'
    )
    assert engine.servers == VllmServers(
        urls=("http://a:8000", "https://b"),
        api_key="secret",
        judges_folder="/mnt/judges",
        in_flight=8,
        timeout_s=3.0,
        patience_s=0.0,
    )


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('backend = "vlm"', "backend"),
        ('backend = "vllm"', "needs its servers"),
        ('backend = "vllm"\nurls = ["http://a", "http://a/"]', "needs its servers"),
        ('backend = "vllm"\nurls = ["file:///etc/passwd"]', "address"),
        ('backend = "vllm"\nurl = ["http://a"]', "did you mean 'urls'"),
        ('backend = "vllm"\nurls = ["http://a"]\nin_flight = 0', "positive"),
        ('backend = "vllm"\nurls = ["http://a"]\napi_key_variable = "ASSAY_NO_SUCH_KEY"', "ASSAY_NO_SUCH_KEY"),
        ('urls = ["http://a"]', "belong to the vllm backend"),
    ],
)
def test_what_cannot_be_is_refused(engine_of, table, said):
    with pytest.raises(InputError, match=said):
        engine_of(table)
