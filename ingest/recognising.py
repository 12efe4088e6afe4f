"""A page's picture to its lines: RapidOCR's models (PP-OCRv6) on ONNX Runtime, one thread. Knows no file.

Importing this loads both and takes a second, so only the process that reads pages does (ingest.ocr). Nothing is downloaded: the models
are those of RapidOCR's wheel, named by their files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import rapidocr
from numpy.typing import NDArray
from PIL import Image

from ingest.model import Box, Word
from ingest.page_lines import PageLines, ReadLine
from ingest.parsers.lines import word_spans
from ingest.reading_order import Piece, rows_in_order

Quad = NDArray[np.float32]
"""float32 [4, 2]: the corners of a piece of a line in pixels: top left, top right, bottom right, bottom left."""

_MODELS = Path(rapidocr.__file__).parent / "models"
_SETTINGS = {
    "Global.log_level": "critical",
    "Global.max_side_len": 100_000,  # whoever draws the page decides how large it is
    "Global.return_word_box": True,
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,  # pages are read beside each other instead
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    "Det.model_path": str(_MODELS / "PP-OCRv6_det_small.onnx"),
    "Cls.model_path": str(_MODELS / "ch_ppocr_mobile_v2.0_cls_mobile.onnx"),
    "Rec.model_path": str(_MODELS / "PP-OCRv6_rec_small.onnx"),
    "Det.limit_type": "max",
    "Det.limit_side_len": 1280,  # lines of 5 points are still found on A4, in half the time of the whole picture
    "Rec.rec_batch_num": 1,  # together, each line costs as much as the longest: measured slower, and half as much memory again
}
_TALL = 1.5  # times its width: such a piece is written along the page's side, and is turned before it is read
_SIDEWAYS_SHARE = 0.6  # of the pieces: above it the page lies on its side
_ASKED_WHETHER_UPSIDE_DOWN = 9
_SURE_UPSIDE_DOWN = 0.9
_LEAST_CONFIDENCE = 0.5  # below it a piece is no text, or cannot be read: it is left out, and counted


@dataclass(frozen=True, slots=True)
class _Found:
    """One piece of a line as it was read. `columns` is where each of its characters but spaces stands, 0 to 1 along the quad."""

    text: str
    confidence: float
    quad: Quad
    columns: tuple[float, ...]


class Recogniser:
    """Reads pictures, one after the other. Loading takes half a second, a page of text one to five."""

    def __init__(self) -> None:
        cv2.setNumThreads(1)
        self._engine: Any = rapidocr.RapidOCR(params=_SETTINGS)

    def read(self, picture: Image.Image) -> PageLines:
        """The lines of a picture (RGB) in reading order."""
        pixels, quads, turn = self._upright(np.ascontiguousarray(np.asarray(picture)[:, :, ::-1]))
        if not len(quads):
            return PageLines((), 0, 0.0)
        height, width = pixels.shape[:2]
        found = self._recognised(pixels, quads)
        read = [piece for piece in found if piece.confidence >= _LEAST_CONFIDENCE]
        return PageLines(tuple(_lines(read, width, height)), turn, _confidence(found))

    def _upright(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], list[Quad], int]:
        """The page as it is read, where its pieces of lines are, and by how many degrees it was turned clockwise for it."""
        quads, turn = self._found(pixels), 0
        if quads and sum(map(_is_tall, quads)) >= _SIDEWAYS_SHARE * len(quads):
            pixels, turn = np.ascontiguousarray(np.rot90(pixels, -1)), 90
            quads = self._found(pixels)
        if self._is_upside_down(pixels, quads):
            pixels, turn = np.ascontiguousarray(np.rot90(pixels, 2)), turn + 180
            quads = self._found(pixels)
        return pixels, quads, turn

    def _found(self, pixels: NDArray[np.uint8]) -> list[Quad]:
        boxes = self._engine(pixels, use_det=True, use_cls=False, use_rec=False).boxes
        return [] if boxes is None else list(np.asarray(boxes, dtype=np.float32))

    def _is_upside_down(self, pixels: NDArray[np.uint8], quads: Sequence[Quad]) -> bool:
        """Asked of the longest pieces, and the most of them decide."""
        longest = sorted(quads, key=lambda quad: -_length(quad))[:_ASKED_WHETHER_UPSIDE_DOWN]
        if not longest:
            return False
        _, said = self._engine.cls_and_rotate(self._engine.crop_text_regions(pixels, longest))
        return 2 * sum("180" in label and float(sure) > _SURE_UPSIDE_DOWN for label, sure in said.cls_res) > len(longest)

    def _recognised(self, pixels: NDArray[np.uint8], quads: Sequence[Quad]) -> list[_Found]:
        self._engine.return_word_box = True
        read = self._engine.recognize_txt(self._engine.crop_text_regions(pixels, quads))
        pieces = zip(quads, read.txts, read.scores, read.word_results, strict=True)
        return [_Found(text, float(sure), quad, _columns(places)) for quad, text, sure, places in pieces if text.strip()]


def _columns(places: Any) -> tuple[float, ...]:
    """Where along its line each character but spaces was seen."""
    return tuple((column + 0.5) / places.line_txt_len for word in places.word_cols for column in word)


def _confidence(found: Sequence[_Found]) -> float:
    """The mean over all characters, those left out among them."""
    characters = sum(len(piece.text) for piece in found)
    return sum(piece.confidence * len(piece.text) for piece in found) / characters if characters else 0.0


def _lines(found: Sequence[_Found], width: int, height: int) -> list[ReadLine]:
    levelled = _levelled([piece.quad for piece in found])
    rows = rows_in_order([Piece(index, box) for index, box in enumerate(levelled)])
    return [_line([found[piece.index] for piece in row], width, height) for row in rows]


def _levelled(quads: Sequence[Quad]) -> list[Box]:
    """The boxes of the pieces as they would be if the page lay straight: turned back by the angle that its lines have."""
    angle = median([math.atan2(quad[1][1] - quad[0][1], quad[1][0] - quad[0][0]) for quad in quads if not _is_tall(quad)] or [0.0])
    cosine, sine = math.cos(-angle), math.sin(-angle)
    turned = [quad @ np.array([[cosine, sine], [-sine, cosine]]) for quad in quads]
    return [(*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()) for corners in turned]


def _line(row: Sequence[_Found], width: int, height: int) -> ReadLine:
    texts: list[str] = []
    words: list[Word] = []
    length = 0
    for piece in row:
        text = piece.text.strip()
        for (start, end), box in zip(word_spans(text), _word_boxes(piece, text, width, height), strict=True):
            words.append(Word(length + start, length + end, box))
        texts.append(text)
        length += len(text) + 1
    return ReadLine(" ".join(texts), tuple(words))


def _word_boxes(piece: _Found, text: str, width: int, height: int) -> list[Box]:
    """Each word's box as fractions of the picture: from half a character before its first one to half a character after its last."""
    spans = word_spans(text)
    seen = np.cumsum([not character.isspace() for character in text])
    if _is_tall(piece.quad) or len(piece.columns) != seen[-1]:
        return [_box(piece.quad, 0.0, 1.0, width, height)] * len(spans)
    columns = np.array(piece.columns)
    half = float(np.median(np.diff(columns))) / 2 if len(columns) > 1 else 0.5
    places = [(columns[seen[start] - 1] - half, columns[seen[end - 1] - 1] + half) for start, end in spans]
    first, last = 0, len(spans) - 1  # what was found as a line begins and ends with them
    return [
        _box(piece.quad, 0.0 if index == first else left, 1.0 if index == last else right, width, height)
        for index, (left, right) in enumerate(places)
    ]


def _box(quad: Quad, left: float, right: float, width: int, height: int) -> Box:
    """The part of a quad from `left` to `right` along it."""
    ends = np.clip([left, right], 0.0, 1.0)[:, None]
    top, bottom = quad[0] + ends * (quad[1] - quad[0]), quad[3] + ends * (quad[2] - quad[3])
    corners = np.clip(np.concatenate([top, bottom]) / [width, height], 0.0, 1.0)
    return (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())


def _length(quad: Quad) -> float:
    return float(np.linalg.norm(quad[1] - quad[0]))


def _is_tall(quad: Quad) -> bool:
    return float(np.linalg.norm(quad[3] - quad[0])) >= _TALL * _length(quad)
