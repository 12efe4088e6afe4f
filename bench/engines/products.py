"""What this machine's bare matrix products reach on the model's own weights, with nothing between them: in bf16 and in int8.

Each shape by the quickest product that torch has for it, weights laid out ahead where that helps; each over the weights of all layers, so
that they come from memory as they do in a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.process import Figures, Request, answer
from bench.timing import THREADS, best_seconds
from engine.loading import gguf
from engine.model.linear import UNSIGNED, Packed, quantised
from engine.model.loops import rounded

Work = Callable[[], object]


@torch.inference_mode()
def rates(weights: list[Tensor], tokens: int) -> Figures:
    """For bf16 weights, each [out, in]: `bf16_gflops` and `int8_gflops` (10^9 products and sums a second), and `flops_per_token`."""
    flops = sum(2 * weight.numel() for weight in weights)
    bf16, int8 = (seconds(products, weights, tokens) for products in (bf16_products, int8_products))
    return {"bf16_gflops": flops * tokens / bf16 / 1e9, "int8_gflops": flops * tokens / int8 / 1e9, "flops_per_token": flops}


def seconds(products: Callable[[list[Tensor], int], Iterator[Work]], weights: list[Tensor], tokens: int) -> float:
    """All weights once, each shape by its quickest product."""
    return sum(min(map(best_seconds, products(alike, tokens))) for alike in by_shape(weights))


def by_shape(weights: list[Tensor]) -> list[list[Tensor]]:
    return [[weight for weight in weights if weight.shape == shape] for shape in {weight.shape for weight in weights}]


def bf16_products(alike: list[Tensor], tokens: int) -> Iterator[Work]:
    """All ways to multiply x [T, in] with each of these weights of one shape."""
    x = torch.randn(tokens, alike[0].shape[1]).bfloat16()
    yield lambda: [F.linear(x, weight) for weight in alike]
    turned = [weight.t().contiguous() for weight in alike]
    yield lambda: [x @ weight for weight in turned]
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        ordered = [torch.ops.mkldnn._reorder_linear_weight(weight, tokens) for weight in alike]
        yield lambda: [torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "") for weight in ordered]


def int8_products(alike: list[Tensor], tokens: int) -> Iterator[Work]:
    """The same in int8, x in bytes already."""
    x = torch.randn(tokens, alike[0].shape[1])
    whole, held = rounded(x)[0], [quantised(weight) for weight in alike]
    yield lambda: [torch._int_mm(whole, rows.t()) for rows, _ in held]
    packed, wanted = [Packed(*each) for each in held], rounded(x, unsigned=UNSIGNED)[0]
    yield lambda: [each.product(wanted) for each in packed]


def measure(request: Request) -> Figures:
    torch.set_num_threads(THREADS)
    _, weights = gguf.load(Path(request["model"]) / "model.gguf")
    matrices = [weight for name, weight in weights.items() if name.startswith("layers.") and weight.dim() == 2]
    return rates(matrices, request["tokens"])


if __name__ == "__main__":
    answer(measure)
