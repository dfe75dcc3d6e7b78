"""What benchmarks share: timing, memory, tables."""
