"""The demo from its first line to the card, on a tiny backbone and a quarter of the rows; then once more."""

from importlib.resources import files
from pathlib import Path

from shop import run_in


def test_the_demo_shows_every_command_and_ends_with_a_card(tiny, tmp_path):
    folder = tmp_path / "assay-demo"
    (folder / "criteria").mkdir(parents=True)
    (folder / "criteria" / "advice.toml").write_bytes(sample("criterion.toml"))
    (folder / "data").mkdir()
    (folder / "data" / "examples.jsonl").write_bytes(b"".join(sample("examples.jsonl").splitlines(keepends=True)[::4]))
    settings = f'[training]\nbackbone = "{tiny("bert")}"\n[freeze]\nmin_test_per_class = 20\n'
    (folder / "assay.toml").write_text(settings)
    ended = run_in(tmp_path, "demo", "--json")
    assert ended.status == 0, ended.err
    found = ended.json
    assert Path(found["card"]).is_file()
    assert not found["may_be_promoted"]
    assert any("author" in reason for reason in found["because"])
    assert len(found["verdicts"]) == 8
    shown = [line.removeprefix("$ assay ") for line in ended.err.splitlines() if line.startswith("$ assay ")]
    ways = ("init", "data import", "data freeze", "train", "evaluate", "gate", "promote", "judge")
    assert [line.startswith(way) for line, way in zip(shown, ways, strict=True)] == [True] * 8
    assert "may not be promoted, because" in ended.err
    again = run_in(tmp_path, "demo")
    assert again.status == 0
    assert "the training is left out" in again.out
    assert f"Judge card: {found['card']}" in again.out
    assert "$ assay train" not in again.out


def sample(name: str) -> bytes:
    return (files("assay") / "samples" / "advice" / name).read_bytes()
