"""Solvers: from signals or weights to a rotation with its bound."""
