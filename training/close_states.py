"""Sheets through the lower layers of the frozen model: what goes into the first close layer, kept on disk by the hash of what was read."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.close_reading import Sheet
from engine.model.attention import Segment
from engine.model.decoder import Decoder

AT_ONCE, IN_A_FILE = 8, 400


def lower_states(
    decoder: Decoder, fingerprint: str, below: int, sheets: Sequence[Sheet], folder: Path, report: Callable[[int, int, float], None]
) -> list[Tensor]:
    """bf16 [T, C] of each sheet; those that are not in `folder` yet are read. `report`: tokens done, tokens in all, tokens a second."""
    folder.mkdir(parents=True, exist_ok=True)
    states: list[Tensor] = []
    total, done, read, spent = sum(len(sheet.ids) for sheet in sheets), 0, 0, 0.0
    for first in range(0, len(sheets), IN_A_FILE):
        own = sheets[first : first + IN_A_FILE]
        path, tokens = folder / f"{digest(fingerprint, below, own)}.safetensors", sum(len(sheet.ids) for sheet in own)
        if not path.is_file():
            began = time.perf_counter()
            made = torch.cat([_read(decoder, below, own[at : at + AT_ONCE]) for at in range(0, len(own), AT_ONCE)])
            save_file({"states": made}, path.with_suffix(".part"))
            path.with_suffix(".part").replace(path)
            spent, read = spent + time.perf_counter() - began, read + tokens
        states += torch.split(load_file(path)["states"], [len(sheet.ids) for sheet in own])
        done += tokens
        report(done, total, read / spent if spent else 0.0)
    return states


def digest(fingerprint: str, below: int, sheets: Sequence[Sheet]) -> str:
    made = hashlib.sha256(f"{fingerprint} {below} {[len(sheet.ids) for sheet in sheets]}".encode())
    for sheet in sheets:
        made.update(np.asarray(sheet.ids, dtype=np.int32).tobytes())
    return made.hexdigest()[:32]


@torch.inference_mode()
def _read(decoder: Decoder, below: int, sheets: Sequence[Sheet]) -> Tensor:
    segments = [Segment(decoder.new_cache(len(sheet.ids), below=below), len(sheet.ids)) for sheet in sheets]
    ids = torch.from_numpy(np.concatenate([sheet.ids for sheet in sheets]))
    return decoder.inputs_of((below,), ids, segments, normed=False).to(torch.bfloat16).clone()
