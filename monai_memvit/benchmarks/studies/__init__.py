"""What studies share: runs, tables, intervals."""
