"""Studies on MRI slices, and registration."""
