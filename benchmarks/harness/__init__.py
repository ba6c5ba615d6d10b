"""Benchmarks: each asserts its answer, then is timed side by side with what it is measured against.

:func:`benchmarks.harness.run.run` runs them all (``python -m benchmarks``); in the repository, ``benchmarks/``
holds the same cases as tests and for pytest-benchmark.
"""
