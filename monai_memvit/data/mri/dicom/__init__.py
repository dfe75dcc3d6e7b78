"""DICOM objects as volumes: headers, frames, series, stacks."""
