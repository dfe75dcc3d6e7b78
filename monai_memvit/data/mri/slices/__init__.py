"""From the volumes of a study to registered, normalised slices."""
