"""Doors to what the model asked, and why."""
