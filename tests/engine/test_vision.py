"""The image side beside transformers' tower, adapter and projector, with the same weights; page images read from files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import Llama4Config, Llama4ForConditionalGeneration
from transformers.models.llama4.modeling_llama4 import pixel_shuffle as their_pixel_shuffle

from engine.errors import PromptUnreadable
from engine.loading.vision_names import NAMES
from engine.model import images
from engine.model.image_reader import ImageReader
from engine.model.projector import fuse, pixel_shuffle
from engine.model.tower import axial_turns
from engine.model.vision import TILES_AT_ONCE, Vision
from engine.prompt import ImageSegment
from engine.tiling import ImageTokens, layout
from tests.engine.tiny_vision import CONFIG, HIDDEN, PATCH_TOKEN, our_vision_weights, randomise, reference_vision, their_config, tiny_vision

TOKENS = ImageTokens(start=90, end=91, image=95, patch=PATCH_TOKEN, tile_x=93, tile_y=94)


def tiles(count: int, seed: int = 1) -> Tensor:
    """Random pixels in -1..1, [count, 3, S, S]."""
    return torch.rand(count, 3, CONFIG.image_size, CONFIG.image_size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def page(folder: Path, width: int, height: int, mode: str = "RGB") -> Path:
    bands = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(2).integers(0, 256, (height, width, bands), dtype=np.uint8).squeeze()
    path = folder / f"{width}-{height}-{mode}.png"
    Image.fromarray(pixels, mode=mode).save(path)
    return path


def segment(path: Path, grid: tuple[int, int]) -> ImageSegment:
    return ImageSegment(path, "digest", 0, 0, grid)


@pytest.mark.parametrize("count", [1, TILES_AT_ONCE, 2 * TILES_AT_ONCE + 1])
def test_it_agrees_with_transformers(count: int) -> None:
    """Max difference 1e-4 in fp32, over features of size 1."""
    reference, vision = reference_vision(), tiny_vision()
    theirs = reference(tiles(count))
    ours = vision(tiles(count))
    assert ours.shape == (count, CONFIG.tokens_per_tile, HIDDEN)
    assert theirs.std() > 0.3, "the reference's features are too small to tell anything"
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_it_agrees_with_transformers_in_the_shape_of_scout() -> None:
    """Patches of 14 in tiles of 336 and heads of 88 as Scout has them, on fewer and narrower layers."""
    config = replace(CONFIG, layers=1, hidden=176, heads=2, ffn=704, image_size=336, patch_size=14, rope_theta=10_000.0)
    reference = reference_vision(config)
    vision = Vision.from_weights(config, HIDDEN, our_vision_weights(reference, config))
    pixels = torch.rand(1, 3, 336, 336, generator=torch.Generator().manual_seed(3)) * 2 - 1
    assert config.tokens_per_tile == 144
    torch.testing.assert_close(vision(pixels), reference(pixels), rtol=0, atol=1e-4)


def test_it_stays_near_fp32_in_bf16() -> None:
    exact = tiny_vision()(tiles(2))
    ours = tiny_vision().to(torch.bfloat16)(tiles(2))
    assert ours.dtype == torch.bfloat16
    assert (ours.float() - exact).norm() / exact.norm() < 0.02


def test_it_turns_patches_by_column_and_row_and_the_class_token_not_at_all() -> None:
    from_them = reference_vision().vision_model.rotary_embedding.freqs_ci[:, 0]
    ours = axial_turns(CONFIG, torch.device("cpu"))
    torch.testing.assert_close(ours, from_them, rtol=0, atol=1e-6)
    assert (ours[-1] == 1).all()


@pytest.mark.parametrize("side", [2, 6, 24])
def test_it_shuffles_pixels_as_transformers_does(side: int) -> None:
    patches = torch.arange(2 * side * side * 3, dtype=torch.float32).view(2, side * side, 3)
    assert torch.equal(pixel_shuffle(patches, 0.5), their_pixel_shuffle(patches, 0.5))


def test_it_is_built_without_memory() -> None:
    with torch.device("meta"):
        vision = Vision(CONFIG, HIDDEN)
    assert {parameter.device.type for parameter in vision.parameters()} == {"meta"}
    assert vision(tiles(3)).shape == (3, CONFIG.tokens_per_tile, HIDDEN)


def test_it_has_the_size_of_scouts_image_side() -> None:
    scout = replace(
        CONFIG, layers=34, hidden=1408, heads=16, ffn=5632, image_size=336, patch_size=14, adapter_hidden=4096, adapter_out=4096
    )
    with torch.device("meta"):
        vision = Vision(scout, 5120)
    assert sum(parameter.numel() for parameter in vision.parameters()) == 871_932_416


def test_it_names_every_weight_of_both_sides_once() -> None:
    ours = {f"vision.{name}" for name in tiny_vision().state_dict()}
    theirs = [source.format(layer) for name, sources in NAMES.items() for source in sources for layer in layers(name)]
    assert {name.format(layer) for name in NAMES for layer in layers(name)} == ours
    assert sorted(theirs) == sorted(reference_vision().state_dict())


def layers(name: str) -> range:
    return range(CONFIG.layers if "{}" in name else 1)


def test_it_takes_no_incomplete_weights() -> None:
    weights = our_vision_weights(reference_vision())
    del weights["vision.tower.class_token"]
    with pytest.raises(RuntimeError, match="class_token"):
        Vision.from_weights(CONFIG, HIDDEN, weights)


def test_it_fuses_as_transformers_does() -> None:
    """The embeddings that reach transformers' decoder, beside ours: two images in one prompt."""
    text = {"hidden_size": HIDDEN, "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
    text |= {"vocab_size": 100, "intermediate_size": 32, "intermediate_size_mlp": 32, "num_local_experts": 2, "pad_token_id": 0}
    theirs = Llama4ForConditionalGeneration(
        Llama4Config(vision_config=their_config(), text_config=text, image_token_index=PATCH_TOKEN, boi_token_index=90, eoi_token_index=91)
    ).eval()
    randomise(theirs)
    vision = Vision.from_weights(CONFIG, HIDDEN, our_vision_weights(theirs))
    first, second = layout((1, 2), CONFIG.tokens_per_tile, TOKENS), layout((1, 1), CONFIG.tokens_per_tile, TOKENS)
    ids = torch.from_numpy(np.concatenate(([5, 6], first, [7], second, [8, 9]))).long()
    seen: list[Tensor] = []
    theirs.get_decoder().register_forward_pre_hook(lambda _, __, given: seen.append(given["inputs_embeds"][0]), with_kwargs=True)
    with torch.inference_mode():
        theirs(input_ids=ids[None], pixel_values=tiles(4))
        embedded = theirs.get_input_embeddings()(ids)
    fused = fuse(embedded, ids, PATCH_TOKEN, vision(tiles(4)).flatten(0, 1))
    torch.testing.assert_close(fused, seen[0], rtol=0, atol=1e-4)
    assert not torch.equal(fused, embedded)


@pytest.mark.parametrize("given", [3, 5])
def test_it_refuses_features_that_do_not_fill_their_places(given: int) -> None:
    ids = torch.tensor([1, PATCH_TOKEN, PATCH_TOKEN, 2, PATCH_TOKEN, PATCH_TOKEN])
    with pytest.raises(PromptUnreadable, match=f"4 places .* {given} features"):
        fuse(torch.zeros(6, HIDDEN), ids, PATCH_TOKEN, torch.zeros(given, HIDDEN))


@pytest.mark.parametrize(("width", "height", "grid"), [(40, 40, (1, 1)), (96, 48, (1, 2)), (90, 120, (3, 2))])
def test_it_reads_a_page_image(tmp_path: Path, width: int, height: int, grid: tuple[int, int]) -> None:
    path = page(tmp_path, width, height)
    features = ImageReader(tiny_vision()).features(segment(path, grid))
    places = (layout(grid, CONFIG.tokens_per_tile, TOKENS) == PATCH_TOKEN).sum()
    assert features.shape == (places, HIDDEN)
    assert features.isfinite().all()


def test_it_refuses_an_image_of_another_grid_than_its_tokens(tmp_path: Path) -> None:
    with pytest.raises(PromptUnreadable, match=r"makes 1 x 2 tiles .* made for 2 x 2.* again"):
        ImageReader(tiny_vision()).features(segment(page(tmp_path, 96, 48), (2, 2)))


def test_it_refuses_a_missing_image(tmp_path: Path) -> None:
    with pytest.raises(PromptUnreadable, match=r"is missing\. Parse the document again"):
        images.read_image(tmp_path / "absent.webp")


@pytest.mark.parametrize("kept", [0, 10, 200])
def test_it_refuses_a_damaged_image(tmp_path: Path, kept: int) -> None:
    path = page(tmp_path, 40, 40)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(PromptUnreadable, match="cannot be read"):
        images.read_image(path)


def test_it_refuses_an_image_of_too_many_pixels_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (10_000, 5_001)).save(path)
    with pytest.raises(PromptUnreadable, match="10000 x 5001 pixels, more than 50,000,000"):
        images.read_image(path)


def test_it_reads_every_kind_of_image_as_three_colours(tmp_path: Path) -> None:
    grey = images.read_image(page(tmp_path, 12, 9, "L"))
    assert grey.shape == (3, 9, 12)
    assert torch.equal(grey[0], grey[2])


def test_it_lays_transparent_images_on_white(tmp_path: Path) -> None:
    path = tmp_path / "clear.png"
    Image.new("RGBA", (4, 4), (10, 20, 30, 0)).save(path)
    assert (images.read_image(path) == 255).all()
