"""Content-addressed files."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.schema.errors import InputError, IntegrityError, NotFoundError
from assay.store.blobs import Blobs

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # SHA-256 of b"abc", FIPS 180-2, B.1

COPY = """
import sys
from pathlib import Path
from assay.store.blobs import Blobs
Blobs(Path(sys.argv[1])).put_file(Path(sys.argv[2]))
"""


def files(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_a_blob_is_named_by_its_digest(tmp_path):
    blobs = Blobs(tmp_path / "blobs")
    assert blobs.put_bytes(b"abc") == ABC
    assert blobs.put_bytes(b"abc") == ABC
    assert blobs.path(ABC) == tmp_path / "blobs" / "ba" / "78" / ABC
    assert files(tmp_path / "blobs") == [f"ba/78/{ABC}"]
    assert blobs.read(ABC) == b"abc"


def test_a_file_is_copied(tmp_path):
    (tmp_path / "source").write_bytes(b"abc")
    blobs = Blobs(tmp_path / "blobs")
    assert not blobs.exists(ABC)
    assert blobs.put_file(tmp_path / "source") == ABC
    assert blobs.exists(ABC)
    assert (tmp_path / "source").read_bytes() == b"abc"
    assert files(tmp_path / "blobs") == [f"ba/78/{ABC}"]


@given(st.binary(max_size=2000))
def test_any_bytes_come_back(tmp_path_factory, data):
    blobs = Blobs(tmp_path_factory.getbasetemp() / "any-blobs")
    assert blobs.read(blobs.put_bytes(data)) == data


def test_damage_is_told_and_healed_by_putting_again(tmp_path):
    blobs = Blobs(tmp_path)
    blobs.put_bytes(b"abc")
    blobs.path(ABC).write_bytes(b"abd")
    with pytest.raises(IntegrityError, match="is damaged") as refusal:
        blobs.read(ABC)
    assert "3 bytes" in refusal.value.got
    blobs.put_bytes(b"abc")
    assert blobs.read(ABC) == b"abc"


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(NotFoundError, match="Blob ba7816bf"):
        Blobs(tmp_path).read(ABC)
    with pytest.raises(NotFoundError, match="There is no file"):
        Blobs(tmp_path).put_file(tmp_path / "absent")


@pytest.mark.parametrize("name", ["", "../../etc/passwd", ABC.upper(), ABC[:-1], ABC + "\n"])
def test_only_digests_are_names(tmp_path, name):
    with pytest.raises(InputError, match="named by its SHA-256"):
        Blobs(tmp_path).path(name)


def test_a_kill_in_the_middle_of_a_copy_leaves_no_blob(tmp_path, start):
    pipe, root = tmp_path / "pipe", tmp_path / "blobs"
    os.mkfifo(pipe)
    process = start(COPY, str(root), str(pipe))
    with pipe.open("wb", buffering=0) as writing:  # opens once the other side reads
        writing.write(b"a" * 100_000)
        process.kill()
        process.communicate()
    assert all(name.startswith(".arriving") for name in files(root))
    assert Blobs(root).put_bytes(b"abc") == ABC
