"""Telling a pass that did not fit into memory from a defect."""

import torch

from assay.inference.runner import OutOfMemory


def raise_if_out_of_memory(error: RuntimeError) -> None:
    """Raise OutOfMemory where PyTorch ran out of it, on a GPU or a CPU; return for any other error."""
    # the CPU allocator has no exception type of its own
    if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        raise OutOfMemory from None
