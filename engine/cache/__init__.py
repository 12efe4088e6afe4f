"""Attention state: resident while an answer is made, on disk for everything that was read."""
