"""The engines that ours is measured beside, on the same weights: transformers in bf16, and llama.cpp's wheel on the GGUF itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
import xllamacpp
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from engine.config import ModelConfig

THREADS = int(os.environ.get("LONGREAD_THREADS") or os.cpu_count() or 1)


def transformers_model(config: ModelConfig) -> Any:
    """transformers' llama of the same sizes and type. Its speed does not depend on the weights' values, so they stay random."""
    sizes = LlamaConfig(
        vocab_size=config.vocab,
        hidden_size=config.hidden,
        intermediate_size=config.ffn,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        head_dim=config.head_dim,
        tie_word_embeddings=config.tied,
        max_position_embeddings=config.context,
    )
    model: Any = LlamaForCausalLM(sizes)
    return model.to(torch.bfloat16).eval()


def llama_server(gguf: Path, context: int) -> xllamacpp.Server:
    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.n_ctx = context
    params.n_parallel = 1
    params.cpuparams.n_threads = THREADS
    params.cpuparams_batch.n_threads = THREADS
    return xllamacpp.Server(params)


def llama_timings(server: xllamacpp.Server, ids: Tensor, new: int) -> dict[str, float]:
    """llama.cpp's own clock for one completion, nothing of the prompt reused: `prompt_per_second`, `predicted_per_second`."""
    reply = server.handle_completions(
        {"prompt": ids.tolist(), "max_tokens": new, "temperature": 0.0, "ignore_eos": True, "cache_prompt": False}
    )
    return dict(reply["timings"])
