"""Who may sign in."""

import pytest

from assay.labelling.desk import hand_of
from assay.labelling.labellers import (
    add_labeller,
    hash_secret,
    is_secret,
    remove_labeller,
    sign_in,
    sign_out,
    signed_in,
)
from assay.schema.errors import ConflictError, InputError, NotFoundError, RefusedError


def test_a_secret_fits_its_own_hash_only():
    one, other = hash_secret("correct horse"), hash_secret("correct horse")
    assert one != other
    assert is_secret("correct horse", one)
    assert is_secret("correct horse", other)
    assert not is_secret("correct horsf", one)
    assert "horse" not in one


def test_signing_in_and_out(filled):
    _, secret = add_labeller(filled, "mia")
    labeller, token = sign_in(filled, "mia", secret)
    assert signed_in(filled, token) == labeller
    sign_out(filled, token)
    assert signed_in(filled, token) is None
    assert signed_in(filled, None) is None


def test_neither_the_secret_nor_the_token_is_in_the_database(filled):
    _, secret = add_labeller(filled, "mia")
    _, token = sign_in(filled, "mia", secret)
    with filled.read() as connection:
        rows = [
            str(row)
            for table in ("labellers", "label_sessions")
            for row in connection.exec_driver_sql(f"SELECT * FROM {table}")  # noqa: S608 - two names of ours
        ]
    assert not any(secret in row or token in row for row in rows)


def test_a_wrong_secret_and_an_unknown_name_get_the_same_answer(filled):
    add_labeller(filled, "mia")
    answers = set()
    for name in ("mia", "nobody"):
        with pytest.raises(RefusedError) as refusal:
            sign_in(filled, name, "guess")
        answers.add(str(refusal.value))
    assert len(answers) == 1


def test_who_is_removed_is_out_at_once_and_lets_go_of_what_they_held(filled, queued, person):
    _, secret = add_labeller(filled, "mia")
    mia, token = sign_in(filled, "mia", secret)
    queue, ada = queued(budget=3, overlap_share=0.0), person("ada")
    assert len(hand_of(filled, mia, queue.record.name).positions) == 3
    remove_labeller(filled, "mia")
    assert signed_in(filled, token) is None
    with pytest.raises(RefusedError):
        sign_in(filled, "mia", secret)
    assert len(hand_of(filled, ada, queue.record.name).positions) == 3
    _, fresh = add_labeller(filled, "mia")
    assert sign_in(filled, "mia", fresh)[0].name == "mia"


def test_bad_names_and_sources_are_refused(filled):
    for name in ("", "adjudication/x", "a b", "x" * 65):
        with pytest.raises(InputError, match="name"):
            add_labeller(filled, name)
    with pytest.raises(InputError, match="source"):
        add_labeller(filled, "mia", source="oracle")
    add_labeller(filled, "mia")
    with pytest.raises(ConflictError, match="already"):
        add_labeller(filled, "mia")
    with pytest.raises(NotFoundError, match="no labeller 'eve'"):
        remove_labeller(filled, "eve")
