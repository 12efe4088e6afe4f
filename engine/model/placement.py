"""Where the model runs and in which type: CUDA if there is one; bf16 where the processor multiplies it natively, else fp32."""

from __future__ import annotations

from pathlib import Path

import torch

NATIVE_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def placement(device: str | None = None) -> tuple[torch.device, torch.dtype]:
    """The device asked for, or the best one, and the type of the weights there."""
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    return where, torch.bfloat16 if where.type != "cpu" or cpu_has_bf16() else torch.float32


def cpu_has_bf16(info: Path = Path("/proc/cpuinfo")) -> bool:
    """By the processor's flags; False where the system does not show them."""
    if not info.is_file():
        return False
    lines = (
        line for line in info.read_text(encoding="ascii", errors="replace").splitlines() if line.lower().startswith(("flags", "features"))
    )
    return bool(NATIVE_FLAGS & set(next(lines, "").split()))
