"""Studies on histology patches."""
