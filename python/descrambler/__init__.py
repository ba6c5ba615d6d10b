"""Descrambler groups: make the inner layers of a trained network readable."""
