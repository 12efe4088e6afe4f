"""A model's folder and the choices made for it -> what answers: decoder, vocabulary, chat format, image side, heads.

Knows no prompt and no store.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from engine.cache.codec import BF16, Codec
from engine.chat_format import ChatFormat
from engine.errors import ModelDamaged
from engine.loading.bundled import NAME, is_bundled
from engine.loading.checkpoint import open_checkpoint
from engine.loading.close_layers import CLOSE_LAYERS, read_close_layers
from engine.loading.load import load_model
from engine.loading.reading_head import READING_HEAD, read_reading_head
from engine.loading.scan_head import SCAN_HEAD, read_scan_head
from engine.model.close_layers import CloseModel
from engine.model.decoder import Decoder
from engine.model.placement import placement
from engine.model.reading_head import ReadingHead
from engine.model.scan_head import ScanHead
from engine.model.vision import Vision
from engine.model.weight_choice import chosen
from engine.passing import in_passing
from engine.tokenizer import Tokenizer

BUNDLED_HEADS = Path(__file__).parent / "loading" / "bundled"


@dataclass(frozen=True, slots=True)
class Model:
    """`vision` is None for a model that does not see. `fingerprint`: all that a state computed with this model depends on, beside its ids.
    `bundled`: it is the base model, whose answers are calibrated. `scan` and `reading`: its heads, `close`: its close
    layers; None for a model that has none. `codec`: in which its state is stored."""

    decoder: Decoder
    tokenizer: Tokenizer
    chat: ChatFormat
    vision: Vision | None
    fingerprint: str
    bundled: bool
    scan: ScanHead | None = None
    reading: ReadingHead | None = None
    close: CloseModel | None = None
    codec: Codec = BF16


def open_model(
    place: Path, *, device: str | None = None, weights: str | None = None, adapter: Path | None = None, codec: Codec = BF16
) -> Model:
    """The model in folder `place`, with an adapter's folder on top of it; `weights` as `engine.model.weight_choice` has them, None for
    the model's own default. Raises an EngineError that says what to do: before the weights are read for a wrong choice or chat format."""
    return in_passing(partial(_open, place, device, weights, adapter, codec))


def _open(place: Path, device: str | None, weights: str | None, adapter: Path | None, codec: Codec) -> Model:
    tokenizer = Tokenizer.open(place)
    chat, checkpoint = ChatFormat(tokenizer), open_checkpoint(place)
    where, dtype = placement(device)
    bundled, config = is_bundled(checkpoint.described_by), checkpoint.config()
    if len(tokenizer) > config.vocab:
        raise ModelDamaged(
            f"{place} holds a vocabulary of {len(tokenizer):,} tokens and a model for {config.vocab:,}. Fetch both from the same place."
        )
    choice = chosen(weights, config, where, bundled=bundled)
    loaded = load_model(place, where, dtype, adapter=adapter, codec=choice.codec)
    named = replace(loaded.config, name=NAME) if bundled else loaded.config
    decoder = Decoder.from_weights(named, loaded.decoder, int8=choice.int8_products, codec=choice.codec)
    vision = Vision.from_weights(config.vision, config.hidden, loaded.vision) if config.vision else None
    fingerprint = f"{loaded.fingerprint} {tokenizer.fingerprint} {decoder.dtype}"
    trained = BUNDLED_HEADS if adapter is None else adapter  # what was trained on adapted weights lies beside them
    scan = read_scan_head(loaded.fingerprint, loaded.config, trained / SCAN_HEAD, where)
    reading = read_reading_head(loaded.fingerprint, loaded.config, trained / READING_HEAD, where)
    close = read_close_layers(
        loaded.fingerprint, loaded.config, trained / CLOSE_LAYERS, loaded.decoder, int8=choice.int8_products, device=where
    )
    return Model(decoder, tokenizer, chat, vision, fingerprint, bundled, scan, reading, close, codec)
