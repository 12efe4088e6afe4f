"""Checkpoints on disk -> config, tokenizer and weights."""
