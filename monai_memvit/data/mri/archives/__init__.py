"""Slices that were co-registered elsewhere, in an npz archive."""
