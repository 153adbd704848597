"""What the doctor says of the machine."""

import pytest

from assay.api.doctor import examine
from assay.api.extras import needs_models
from assay.api.findings import Finding, backbone_finding, examined, machine_findings
from assay.schema.errors import NotFoundError


def test_a_check_that_refuses_is_broken_and_a_missing_extra_a_warning():
    def missing():
        with needs_models():
            raise ModuleNotFoundError("No module named 'peft'", name="peft")

    def absent():
        raise NotFoundError("There is no x.", got="y", next_step="make it")

    assert examined("a", lambda: "fine") == Finding(name="a", state="ok", found="fine")
    assert examined("a", absent) == Finding(name="a", state="broken", found="There is no x. y", next_step="make it")
    assert examined("a", missing).next_step == "pip install 'assay[models]'"
    assert examined("a", missing).state == "warning"


def test_another_missing_module_is_our_mistake():
    with pytest.raises(ModuleNotFoundError), needs_models():
        raise ModuleNotFoundError("No module named 'oops'", name="oops")


def test_the_machine_is_described(tmp_path):
    found = {one.name: one for one in machine_findings(tmp_path)}
    assert list(found) == ["python", "packages", "model packages", "processor", "disk"]
    assert "numpy" in found["packages"].found
    assert "GiB free" in found["disk"].found


def test_a_hub_id_is_not_looked_up(tmp_path):
    assert backbone_finding("someone/model").state == "ok"
    (tmp_path / "empty").mkdir()
    assert backbone_finding(str(tmp_path / "empty")).state == "broken"


def test_outside_a_workspace_only_the_machine_is_examined(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert examine()[-1].next_step == "make one: assay init"
    (tmp_path / "assay.toml").write_text("[nonsense]")
    assert examine()[-1].state == "broken"
