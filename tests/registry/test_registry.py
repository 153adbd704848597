"""Adding, resolving, promoting and rolling back, on SQLite and on Postgres."""

import shutil
from dataclasses import replace

import pytest

from assay.registry import Registry, verify
from assay.schema.errors import ConflictError, InputError, IntegrityError, NotFoundError, RefusedError
from assay.schema.gate import GateDecision
from assay.store.database import open_database


def test_adding_moves_the_folder_to_its_place(registry, stage, tmp_path):
    staged, version = stage()
    judge = registry.add(staged, version)
    assert judge == version.id
    assert not staged.exists()
    assert verify(tmp_path / "judges" / judge) == version
    assert registry.versions() == (version,)
    assert registry.resolve(judge).folder == tmp_path / "judges" / judge


def test_adding_again_changes_nothing(registry, stage, tmp_path):
    first = registry.add(*stage())
    staged, version = stage()
    later = replace(version, created_at="2027-01-01T00:00:00.000000+00:00")
    assert registry.add(staged, later) == first
    assert [known.created_at for known in registry.versions()] == [version.created_at]
    assert verify(tmp_path / "judges" / first).created_at == version.created_at
    assert staged.is_dir()


def test_a_kill_between_moving_and_recording_is_completed(registry, stage, tmp_path):
    judge = registry.add(*stage())
    unrecorded = Registry(open_database(f"sqlite:///{tmp_path / 'other.db'}"), tmp_path / "judges")
    assert unrecorded.versions() == ()
    assert unrecorded.add(*stage()) == judge
    assert unrecorded.resolve(judge).version.id == judge


def test_a_damaged_folder_is_not_taken_in(registry, stage, tmp_path):
    staged, version = stage()
    (staged / "head.safetensors").write_bytes(b"other")
    with pytest.raises(IntegrityError, match=r"'head\.safetensors' was changed"):
        registry.add(staged, version)
    assert registry.versions() == ()
    assert not (tmp_path / "judges").exists()


def test_a_folder_of_another_version_is_not_taken_in(registry, stage, tmp_path):
    judge = registry.add(*stage())
    _, other = stage(seed=1)
    with pytest.raises(ConflictError, match="holds another judge"):
        registry.add(shutil.copytree(tmp_path / "judges" / judge, tmp_path / "copy"), other)


def test_a_copied_folder_is_adopted(registry, stage, tmp_path):
    judge = registry.add(*stage())
    elsewhere = Registry(open_database(f"sqlite:///{tmp_path / 'elsewhere.db'}"), tmp_path / "elsewhere")
    for _ in range(2):
        assert elsewhere.adopt(tmp_path / "judges" / judge) == registry.resolve(judge).version
    assert elsewhere.resolve(judge).folder == tmp_path / "elsewhere" / judge
    assert (tmp_path / "judges" / judge).is_dir()


def test_a_damaged_copy_is_not_adopted(registry, stage, tmp_path):
    judge = registry.add(*stage())
    (tmp_path / "judges" / judge / "head.safetensors").unlink()
    elsewhere = Registry(open_database(f"sqlite:///{tmp_path / 'elsewhere.db'}"), tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="is missing"):
        elsewhere.adopt(tmp_path / "judges" / judge)
    assert elsewhere.versions() == ()
    assert not (tmp_path / "elsewhere").exists()


def test_a_version_that_was_damaged_later_does_not_resolve(registry, added, tmp_path):
    judge = added()
    (tmp_path / "judges" / judge / "head.safetensors").write_bytes(b"other")
    with pytest.raises(IntegrityError, match="was changed"):
        registry.resolve(judge)
    assert registry.resolve(judge, check_files=False).version.id == judge
    shutil.rmtree(tmp_path / "judges" / judge)
    with pytest.raises(NotFoundError, match="not on this machine") as refusal:
        registry.resolve(judge)
    assert judge in refusal.value.required


def test_every_form_of_a_reference_resolves(registry, releases):
    (judge,) = releases(1)
    version = registry.resolve(judge).version
    for ref in ("advice", "advice@champion", judge, f"advice-{version.digest}"):
        assert registry.resolve(ref).version == version


def test_what_is_not_there_is_told_with_what_is(registry, added):
    with pytest.raises(NotFoundError, match="none at all yet"):
        registry.resolve("advice")
    judge = added()
    with pytest.raises(NotFoundError, match="no judge 'advise'") as refusal:
        registry.resolve("advise@candidate")
    assert (refusal.value.required, refusal.value.next_step) == ("one of advice", "did you mean 'advice'?")
    with pytest.raises(NotFoundError, match="no version 'advice-00000000'") as refusal:
        registry.resolve("advice-00000000")
    assert refusal.value.required == f"one of {judge}"
    with pytest.raises(NotFoundError, match="advice has no champion") as refusal:
        registry.resolve("advice")
    assert refusal.value.required == f"a version, such as {judge}"
    registry.set_alias(judge, "candidate", by="mia", reason="first training")
    with pytest.raises(NotFoundError, match="advice has no champion") as refusal:
        registry.resolve("advice")
    assert refusal.value.required == f"one of advice@candidate ({judge})"
    assert refusal.value.next_step == f"use advice@candidate, or promote a version: assay promote {judge}"


def test_candidate_shadow_and_canary_move_without_gates(registry, added):
    first, second = added(seed=0), added(seed=1)
    for alias in ("candidate", "shadow", "canary"):
        registry.set_alias(first, alias, by="mia", reason="try")
    moved = registry.set_alias(second, "candidate", by="ada", reason="better")
    assert (moved.previous, moved.version, moved.by, moved.reason, moved.waiver) == (
        first,
        second,
        "ada",
        "better",
        None,
    )
    assert registry.aliases("advice") == {"candidate": second, "canary": first, "shadow": first}
    assert registry.set_alias("advice@candidate", "candidate", by="ada", reason="again") == moved
    assert len(registry.history("advice")) == 4
    with pytest.raises(RefusedError, match="by promotion only"):
        registry.set_alias(first, "champion", by="mia", reason="please")
    with pytest.raises(InputError, match="no such alias"):
        registry.set_alias(first, "candidat", by="mia", reason="please")


def test_promotion_needs_measured_gates(registry, added):
    judge = added()
    for waiver in (None, "a pilot"):
        with pytest.raises(RefusedError, match="have not been measured") as refusal:
            registry.promote(judge, by="mia", reason="release", waiver=waiver)
        assert refusal.value.next_step == f"assay gate {judge}"
    assert registry.history("advice") == ()


def test_promotion_needs_every_gate(registry, added, decide):
    judge = added()
    decide(judge, passed=False)
    with pytest.raises(RefusedError, match=r"F1 0\.71 is not above the baseline's 0\.74"):
        registry.promote(judge, by="mia", reason="release")
    assert registry.aliases("advice") == {}
    decide(judge, report="b")
    row = registry.promote(judge, by="mia", reason="release", waiver="not needed")
    assert (row.version, row.previous, row.move, row.waiver) == (judge, None, "promote", None)
    assert registry.resolve("advice").version.id == judge


def test_the_newest_decision_counts(registry, added, decide):
    judge = added()
    decide(judge)
    decide(judge, passed=False, report="b")
    assert registry.gates(judge).because == ("F1 0.71 is not above the baseline's 0.74",)
    with pytest.raises(RefusedError, match="may not be promoted, because"):
        registry.promote(judge, by="mia", reason="release")


def test_a_decision_without_a_gate_is_no_pass(registry, added):
    judge = added()
    registry.record_gates(GateDecision(judge=judge, dataset="advice-data-0", gates=()), "a" * 64)
    with pytest.raises(RefusedError, match="it has no gate"):
        registry.promote(judge, by="mia", reason="release")


def test_a_waiver_stays_in_the_log(registry, added, decide):
    judge = added()
    decide(judge, passed=False)
    with pytest.raises(InputError, match="A waiver is empty"):
        registry.promote(judge, by="mia", reason="release", waiver="  ")
    row = registry.promote(judge, by="mia", reason="release", waiver="a pilot with 10 users")
    assert registry.history("advice") == (row,)
    assert row.waiver == "a pilot with 10 users"


def test_promoting_the_champion_again_changes_nothing(registry, releases):
    releases(1)
    log = registry.history("advice")
    assert registry.promote("advice@champion", by="ada", reason="again") == log[-1]
    assert registry.history("advice") == log


def test_who_and_why_are_needed(registry, added, decide):
    judge = added()
    decide(judge)
    for by, reason in (("", "release"), ("mia", " "), ("mia", "a\x00"), ("\ud800", "release")):
        with pytest.raises(InputError):
            registry.promote(judge, by=by, reason=reason)
    assert registry.history("advice") == ()


def test_a_damaged_version_is_not_promoted(registry, added, decide, tmp_path):
    judge = added()
    decide(judge)
    (tmp_path / "judges" / judge / "head.safetensors").write_bytes(b"other")
    with pytest.raises(IntegrityError):
        registry.promote(judge, by="mia", reason="release")
    assert registry.aliases("advice") == {}


def test_gates_are_recorded_for_one_known_version(registry, added, decide):
    judge = added()
    registry.set_alias(judge, "candidate", by="mia", reason="try")
    with pytest.raises(InputError, match="about one version"):
        decide("advice@candidate")
    with pytest.raises(NotFoundError, match="no version"):
        decide("advice-00000000")
    assert registry.gates(judge) is None


def test_rollbacks_walk_back_and_never_ping_pong(registry, releases):
    first, second, third = releases(3)
    rows = [registry.rollback("advice", by="ops", reason="bad") for _ in range(2)]
    assert [(row.previous, row.version, row.move) for row in rows] == [
        (third, second, "rollback"),
        (second, first, "rollback"),
    ]
    assert registry.resolve("advice").version.id == first
    with pytest.raises(RefusedError, match=f"{first} has no champion before it"):
        registry.rollback("advice", by="ops", reason="bad")
    registry.promote(third, by="mia", reason="repaired data")
    assert registry.rollback("advice", by="ops", reason="still bad").version == first


def test_no_rollback_without_a_champion(registry, added):
    with pytest.raises(NotFoundError, match="none at all yet"):
        registry.rollback("advice", by="ops", reason="bad")
    added()
    with pytest.raises(NotFoundError, match="advice has no champion"):
        registry.rollback("advice", by="ops", reason="bad")
    with pytest.raises(InputError, match="cannot have this name"):
        registry.rollback("advice@champion", by="ops", reason="bad")


def test_no_rollback_to_a_damaged_version(registry, releases, tmp_path):
    first, second = releases(2)
    (tmp_path / "judges" / first / "head.safetensors").write_bytes(b"other")
    with pytest.raises(IntegrityError):
        registry.rollback("advice", by="ops", reason="bad")
    assert registry.resolve("advice").version.id == second


def test_names_do_not_mix(registry, added, releases):
    (advice,) = releases(1)
    toxicity = added(name="toxicity")
    registry.set_alias(toxicity, "candidate", by="mia", reason="try")
    assert registry.aliases("toxicity") == {"candidate": toxicity}
    assert [version.id for version in registry.versions("toxicity")] == [toxicity]
    assert [row.version for row in registry.history("advice")] == [advice]


@pytest.mark.parametrize("name", ["../../outside", "a/b", "", "a-b"])
def test_a_name_never_becomes_a_path(registry, stage, tmp_path, name):
    staged, version = stage()
    with pytest.raises(InputError, match="cannot have this name"):
        registry.add(staged, replace(version, name=name))
    assert not (tmp_path / "judges").exists()
