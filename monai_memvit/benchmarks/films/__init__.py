"""Studies on chest films, and how films are read."""
