"""A checkpoint's tensors -> ours, one at a time: exactly the names and shapes that the config asks for have to be there.

A tensor that needs no change stays what its file gives, a memory-mapped view if it can; one that is put together or turned is copied.
Knows no file format, no device and no codec.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from engine.config import ModelConfig
from engine.errors import ModelDamaged
from engine.loading.pieces import Layout, Piece, Pieces
from engine.loading.shapes import model_shapes

NAMED = 3


class TensorFiles(Protocol):
    """Open files of a checkpoint."""

    @property
    def names(self) -> set[str]: ...

    def path(self, name: str) -> Path: ...

    def shape(self, name: str) -> tuple[int, ...]: ...

    def read(self, name: str) -> Tensor: ...


def assemble(config: ModelConfig, files: TensorFiles, made_of: Pieces, place: Path) -> Iterator[tuple[str, Tensor]]:
    """Our tensors by name, in the files' own type and in main memory, each made when it is asked for.

    Raises ModelDamaged before the first one if any is missing, not known or of another shape; `place` is what the message calls the
    checkpoint.
    """
    shapes = model_shapes(config)
    check_names(place, config.family, files.names, {piece.source for parts in made_of.values() for piece in parts})
    for name, parts in made_of.items():
        check_shapes(files, parts, shapes[name])
    return ((name, assembled(files, parts, shapes[name])) for name, parts in made_of.items())


def assembled(files: TensorFiles, parts: tuple[Piece, ...], shape: tuple[int, ...]) -> Tensor:
    """One of our tensors from its pieces."""
    first = files.read(parts[0].source)
    if len(parts) == 1 and parts[0].layout is Layout.SAME:
        return first
    made = torch.empty(shape, dtype=first.dtype)
    for number, part in enumerate(parts):
        laid_out(made, part).copy_(as_it_lies(first if number == 0 else files.read(part.source), part))
    return made


def laid_out(made: Tensor, part: Piece) -> Tensor:
    """The part of our tensor that a piece fills, seen with the dimensions of `as_it_lies`."""
    target = made[part.where]
    return target.view(part.heads, 2, -1, *target.shape[1:]) if part.layout is Layout.HALVES else target


def as_it_lies(source: Tensor, part: Piece) -> Tensor:
    """A view of a checkpoint's tensor with the dimensions of our layout: of rows [H*D, ...] whose pairs are neighbours [H, 2, D/2, ...]."""
    if part.layout is Layout.HALVES:
        return source.view(part.heads, -1, 2, *source.shape[1:]).transpose(1, 2)
    return source.mT if part.layout is Layout.TRANSPOSED else source


def check_names(place: Path, family: str, found: set[str], expected: set[str]) -> None:
    if missing := expected - found:
        raise ModelDamaged(f"{place} lacks {listed(missing)}. It is cut short, or its config is another model's: fetch what is missing.")
    if surplus := found - expected:
        raise ModelDamaged(f"{place} holds {listed(surplus)}, which no {family} model of this config has. Use the config of these weights.")


def check_shapes(files: TensorFiles, parts: tuple[Piece, ...], shape: tuple[int, ...]) -> None:
    for part in parts:
        expected, found = source_shape(part, shape), files.shape(part.source)
        if found != expected:
            raise ModelDamaged(
                f"{files.path(part.source)} holds {part.source} as {list(found)}; its config asks for {list(expected)}. "
                "Use the config of these weights, or fetch the file again."
            )


def source_shape(part: Piece, shape: tuple[int, ...]) -> tuple[int, ...]:
    """What shape a checkpoint has to hold this piece of a tensor [shape] in."""
    target = torch.empty(shape, device="meta")[part.where]
    return tuple((target.mT if part.layout is Layout.TRANSPOSED else target).shape)


def listed(names: Iterable[str]) -> str:
    """How many, and the first three."""
    some = sorted(names)
    shown = ", ".join(some[:NAMED]) + (", …" if len(some) > NAMED else "")
    return f"{len(some)} {'tensor' if len(some) == 1 else 'tensors'} ({shown})"
