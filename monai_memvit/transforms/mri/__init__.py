"""From single MR sequences to one co-registered, normalised stack; world coordinates are RAS mm."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# name -> module; all need MONAI, some SimpleITK, so they are loaded on first use.
_HOMES = {
    "BrainMask": ".brain_mask",
    "BrainMaskD": ".brain_mask",
    "BrainMaskDict": ".brain_mask",
    "BrainMaskd": ".brain_mask",
    "CoRegister": ".coregister",
    "CoRegisterD": ".coregister",
    "CoRegisterDict": ".coregister",
    "CoRegisterd": ".coregister",
    "CorrectBiasField": ".bias_field",
    "CorrectBiasFieldD": ".bias_field",
    "CorrectBiasFieldDict": ".bias_field",
    "CorrectBiasFieldd": ".bias_field",
    "LoadSliceD": ".load_slice",
    "LoadSliceDict": ".load_slice",
    "LoadSliced": ".load_slice",
    "NormalizeInMask": ".normalize_in_mask",
    "NormalizeInMaskD": ".normalize_in_mask",
    "NormalizeInMaskDict": ".normalize_in_mask",
    "NormalizeInMaskd": ".normalize_in_mask",
    "Registration": ".registration",
    "RegistrationOptions": ".registration",
    "StackSequencesD": ".stack_sequences",
    "StackSequencesDict": ".stack_sequences",
    "StackSequencesd": ".stack_sequences",
    "check_volume": ".geometry",
    "foreground_mask": ".brain_mask",
    "from_simpleitk": ".simpleitk_images",
    "matrix_of": ".simpleitk_images",
    "mutual_information": ".registration",
    "register": ".registration",
    "same_grid": ".geometry",
    "to_simpleitk": ".simpleitk_images",
    "transform_of": ".simpleitk_images",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
