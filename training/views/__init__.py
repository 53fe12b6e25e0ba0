"""Doors to campaigns as a whole, to runs, gates and versions."""
