"""Signals: where they come from, and their second moments."""
