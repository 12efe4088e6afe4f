"""What lies in a model folder: a Hugging Face checkpoint or a GGUF file, and which files it consists of.

Reads no weights. Imports no torch.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from engine.config import ModelConfig
from engine.errors import ModelDamaged, ModelMissing
from engine.loading.files import file_sum
from engine.loading.gguf_config import read_gguf_config
from engine.loading.hf_config import read_config

INDEX = "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model's files. `described_by` is its config.json or its GGUF file; `weights` are the files that hold tensors."""

    described_by: Path
    weights: tuple[Path, ...]

    @property
    def is_gguf(self) -> bool:
        return self.described_by.suffix == ".gguf"

    @property
    def bytes(self) -> int:
        """Of the weights on disk, without those files that are missing."""
        return sum(path.stat().st_size for path in self.weights if path.is_file())

    def config(self) -> ModelConfig:
        """Raises an EngineError for a model that the engine cannot run."""
        return read_gguf_config(self.described_by) if self.is_gguf else read_config(self.described_by)

    def fingerprint(self) -> str:
        """Changes with any byte of the model: what state computed with it is kept under. Sums are remembered beside the files.

        Raises ModelDamaged for a file that is missing. A GGUF file's is its own sum.
        """
        if self.is_gguf:
            return file_sum(self.described_by)
        try:
            sums = [hashlib.sha256(self.described_by.read_bytes()).hexdigest(), *map(file_sum, self.weights)]
        except OSError as error:
            raise ModelDamaged(f"{error.filename} cannot be read ({error.strerror}). Fetch this file again.") from error
        return hashlib.sha256(" ".join(sums).encode()).hexdigest()


def open_checkpoint(place: Path) -> Checkpoint:
    """The checkpoint in folder `place`, or of a single config.json or GGUF file.

    Raises ModelMissing, or ModelDamaged for an index that is missing or broken.
    """
    if place.is_file():
        return Checkpoint(place, (place,) if place.suffix == ".gguf" else weight_files(place.parent))
    if (place / "config.json").is_file():
        return Checkpoint(place / "config.json", weight_files(place))
    found = [place / "model.gguf"] if (place / "model.gguf").is_file() else sorted(place.glob("*.gguf"))
    if len(found) == 1:
        return Checkpoint(found[0], (found[0],))
    if found:
        raise ModelMissing(f"{place} holds {len(found)} GGUF files; a model is one. Name the right one model.gguf.")
    raise ModelMissing(
        f"There is no model in {place}: neither config.json nor model.gguf nor any other .gguf file. "
        "Run `python -m engine.loading.bundled` for the base model, or set LONGREAD_MODEL to a model's folder."
    )


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files of a model folder, by its index or as the only one. Empty where there are none.

    Raises ModelDamaged for an index that cannot be read, or several files without one.
    """
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return tuple(folder / name for name in sorted(set(index_map(index).values())))
    files = sorted(folder.glob("*.safetensors"))
    if (folder / "model.safetensors") in files:
        return (folder / "model.safetensors",)
    if len(files) > 1:
        raise ModelDamaged(f"{folder} holds {len(files)} safetensors files and no {index.name}, which says what is whole. Fetch it too.")
    return tuple(files)


def index_map(index: Path) -> dict[str, str]:
    """Tensor name -> file name."""
    try:
        listed = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return {str(name): Path(file).name for name, file in listed.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelDamaged(f"{index} cannot be read ({error!r}). Fetch it again.") from error
