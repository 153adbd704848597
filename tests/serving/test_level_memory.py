"""Memory that was freed in pieces goes back to the system."""

import ctypes
import resource
import sys
from pathlib import Path

import pytest

from assay.serving.level_memory import give_back

glibc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="malloc_trim is glibc's")


def resident_mib() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * resource.getpagesize() >> 20


@glibc
def test_freed_pieces_between_kept_ones_are_given_back():
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = (
        ctypes.c_void_p,
        [ctypes.c_size_t],
        [ctypes.c_void_p],
    )
    if not hasattr(libc, "malloc_trim"):
        pytest.skip("this libc has no malloc_trim")
    pieces = [libc.malloc(64 << 10) for _ in range(2000)]
    for piece in pieces:
        ctypes.memset(piece, 1, 64 << 10)
    for piece in pieces[::2]:
        libc.free(piece)
    before = resident_mib()
    assert give_back()
    assert resident_mib() < before - 40
    for piece in pieces[1::2]:
        libc.free(piece)
