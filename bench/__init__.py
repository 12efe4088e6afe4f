"""Benchmarks and the evaluation runner. Measures the application from outside; nothing imports it."""
