"""Transforms in MONAI's convention, array and dictionary classes, one package per modality."""
