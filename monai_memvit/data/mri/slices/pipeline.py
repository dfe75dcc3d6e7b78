"""What is done to every case, as numbers that can be stored, compared and done again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

from monai_memvit import __version__

from ..studies import SEQUENCES

if TYPE_CHECKING:
    from ....transforms.mri.registration_options import RegistrationOptions

__all__ = ["MriPipeline"]

_KINDS = ("rigid", "affine", "none")
_ON_FAILURE = ("raise", "flag")
_SAME_GRID = ("keep", "test", "register")
_EMPTY = ("raise", "normal")
_NAMED = re.compile(r"[\w.]+:\w+")
_FORMAT = 2  # counts on when prepared cases change though no parameter does


@dataclass(frozen=True)
class MriPipeline:
    """From the volumes of a study to a stack of slices, as :func:`~monai_memvit.data.mri.preprocess_study` does it.

    Args:
        sequences: channels, in their order.
        reference: sequence that the others are registered to, and whose slices are kept.
        kind: ``rigid`` or ``affine`` registration; ``none`` trusts the positions in the files.
        on_failure: of a registration: ``raise`` leaves the case out; ``flag`` keeps it, with the sequence
            where its file says, and marks it in the record and the reports.
        same_grid: of a sequence on the reference's own voxels: ``test`` registers it if it fits better when shifted or
            turned a little (the patient may have moved between two scans of one grid), ``keep`` leaves it untested
            where it is, ``register`` registers it in any case.
        brain_mask: of studies without a mask, ``package.module:function`` that makes one of the reference, such as a
            wrapper of HD-BET; it takes and gives what the ``method`` of :class:`monai_memvit.transforms.mri.BrainMask`
            does. It runs in every worker, and again for new patients. By default ``""``, a simple foreground. Cases
            are keyed by this name, not by what the function does.
        bias_field: whether N4 evens out the intensities of every sequence but the APT map, which is a ratio.
        size: rows and columns of a picture in pixels.
        spacing_mm: height and width of a pixel in mm; slices keep their distance.
        min_brain_share: slices with less than this share of the brain area of the case's fullest slice are left out.
        empty_tumour_mask: ``raise`` leaves a case out whose tumour mask is empty, which often is a mistake; ``normal``
            takes it for a case without tumour.
        seed: of the registration's sampling.

    Raises:
        ValueError: for a value outside what is said above.
    """

    sequences: tuple[str, ...] = SEQUENCES
    reference: str = "t1gd"
    kind: Literal["rigid", "affine", "none"] = "rigid"
    on_failure: Literal["raise", "flag"] = "raise"
    same_grid: Literal["keep", "test", "register"] = "test"
    brain_mask: str = ""
    bias_field: bool = False
    size: int = 256
    spacing_mm: float = 1.0
    min_brain_share: float = 0.1
    empty_tumour_mask: Literal["raise", "normal"] = "raise"
    seed: int = 0

    def __post_init__(self) -> None:
        _check_sequences(self.sequences, self.reference)
        _check_choice("kind", self.kind, _KINDS)
        _check_choice("on_failure", self.on_failure, _ON_FAILURE)
        _check_choice("same_grid", self.same_grid, _SAME_GRID)
        _check_choice("empty_tumour_mask", self.empty_tumour_mask, _EMPTY)
        if self.brain_mask and not _NAMED.fullmatch(self.brain_mask):
            raise ValueError(f"brain_mask is {self.brain_mask!r}: give package.module:function, or nothing")
        if self.size < 1:
            raise ValueError(f"size is {self.size}: give rows and columns in pixels, at least 1")
        if not 0 < self.spacing_mm < float("inf"):
            raise ValueError(f"spacing is {self.spacing_mm} mm: give the size of a pixel, above 0")
        if not 0 <= self.min_brain_share < 1:
            raise ValueError(f"min brain share is {self.min_brain_share}: give a share from 0 to 1, 1 excluded")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}: give 0 or more")

    def registration(self) -> RegistrationOptions | None:
        """Return how sequences are registered; None where they are not."""
        from ....transforms.mri.registration_options import RegistrationOptions

        return None if self.kind == "none" else RegistrationOptions(kind=self.kind, seed=self.seed)

    def digest(self) -> str:
        """Hexadecimal digits that differ where any parameter, of the registration too, or the version does."""
        registration = self.registration()
        told = [_FORMAT, __version__, asdict(self), None if registration is None else asdict(registration)]
        text = json.dumps(told, sort_keys=True)
        return blake2b(text.encode("utf-8"), digest_size=16).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """Return the parameters as plain JSON types."""
        return asdict(self) | {"sequences": list(self.sequences)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> MriPipeline:
        """The way back.

        Args:
            content: as :meth:`as_dict` gives it.

        Raises:
            ValueError: for a parameter that is missing or unknown.
        """
        names = {field.name for field in fields(cls)}
        if content.keys() != names:
            odd = ", ".join(sorted(content.keys() ^ names))
            raise ValueError(f"parameters of the pipeline are missing or unknown ({odd}): prepare the data again")
        return cls(**{**content, "sequences": tuple(content["sequences"])})


def _check_sequences(sequences: tuple[str, ...], reference: str) -> None:
    if not sequences or len(set(sequences)) != len(sequences):
        raise ValueError(f"sequences are {', '.join(sequences) or 'none'}: give distinct names")
    if reference not in sequences:
        raise ValueError(f"reference {reference!r} is none of the sequences {', '.join(sequences)}: name one of them")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}: take one of {', '.join(choices)}")
