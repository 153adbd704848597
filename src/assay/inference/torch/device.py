"""Where the torch backend runs, and in which number format."""

import torch

from assay.schema.judge_version import Dtype

_DTYPES: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def best_device() -> torch.device:
    """A GPU when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def best_dtype() -> Dtype:
    """bfloat16 where the device multiplies it natively, else float32."""
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    # AVX-512 BF16 or AMX; elsewhere PyTorch emulates bfloat16, more slowly than float32
    return "bfloat16" if torch.cpu._is_avx512_bf16_supported() else "float32"


def torch_dtype(dtype: Dtype) -> torch.dtype:
    """The torch type of a judge version's `dtype`."""
    return _DTYPES[dtype]
