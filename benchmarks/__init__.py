"""Benchmarks: the harness, and scripts that measure one thing each."""
