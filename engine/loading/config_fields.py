"""The fields of a JSON config, read with errors that say which field it is and what to do. Knows no family. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ModelDamaged, ModelMissing


@dataclass(frozen=True, slots=True)
class Fields:
    """One object of a config, and where it stands, for messages. A null counts as absent."""

    values: Mapping[str, Any]
    place: str

    def get(self, name: str, default: Any = None) -> Any:
        value = self.values.get(name)
        return default if value is None else value

    def number(self, name: str, default: float | None = None) -> float:
        """Raises ModelDamaged for a field that is no number, or absent and without a default."""
        value = self.get(name, default)
        if value is None:
            raise ModelDamaged(f"{self.place} has no {name}. It is of another kind of model, or cut short: fetch it again.")
        if not isinstance(value, int | float):
            raise self.refusal(name, "a number is expected")
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        return int(self.number(name, default))

    def part(self, name: str) -> Fields:
        value = self.get(name, {})
        if not isinstance(value, Mapping):
            raise self.refusal(name, "an object is expected")
        return Fields(value, f"{self.place}, {name},")

    def only(self, allowed: Mapping[str, tuple[Any, ...]]) -> None:
        """Raises ModelDamaged for a field with another value than those that we compute."""
        for name, values in allowed.items():
            if self.values.get(name, values[0]) not in values:
                raise self.refusal(name, f"the engine computes only {values[0]}")

    def per_layer(self, name: str, layers: int) -> list[Any] | None:
        """A list with at least one value a layer, cut to the layers; None where it is absent or empty."""
        value = self.get(name)
        if not value:
            return None
        if not isinstance(value, list) or len(value) < layers:
            raise self.refusal(name, f"one value for each of the {layers} layers is expected")
        return value[:layers]

    def refusal(self, name: str, reason: str) -> ModelDamaged:
        shown = json.dumps(self.values.get(name), default=str)[:80]
        return ModelDamaged(f"{self.place} says {name} = {shown}; {reason}. Use another model, or an unchanged one of this family.")


def read_json(path: Path) -> dict[str, Any]:
    """Raises ModelMissing or ModelDamaged."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelMissing(f"There is no {path}. Give the folder of a model, with its config.json.") from error
    except (OSError, ValueError) as error:
        raise ModelDamaged(f"{path} cannot be read as JSON ({error}). Fetch it again.") from error
    if not isinstance(values, dict):
        raise ModelDamaged(f"{path} is no JSON object. Fetch it again.")
    return values
