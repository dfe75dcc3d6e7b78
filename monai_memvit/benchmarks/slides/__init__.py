"""Whole slides: reading, networks, a study."""
