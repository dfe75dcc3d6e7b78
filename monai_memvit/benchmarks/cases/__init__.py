"""What cases are worth that are given to a trained network."""
