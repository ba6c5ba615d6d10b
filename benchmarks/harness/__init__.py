"""Benchmarks: each asserts its answer, then is timed side by side with what it is measured against.

:func:`descrambler.bench.run.run` runs them all (``descrambler bench``); in the repository, ``benchmarks/``
holds the same cases as tests and for pytest-benchmark.
"""
