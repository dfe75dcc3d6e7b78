"""What every reader of whole slides gives: size, scale, levels, and regions of pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from .bounds import is_dark, sample_places

__all__ = ["PLAUSIBLE_MPP", "Level", "SlideError", "SlideReader"]

# Resolution tags of ordinary picture software (72 dpi is 353 µm) are no scale of a microscope.
PLAUSIBLE_MPP = (0.02, 100.0)
_JUST_FINER = 1.01  # stored pyramids say 2.0005 where they mean 2


class SlideError(ValueError):
    """A slide, or a region of it, that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Level:
    """One level of the pyramid.

    Args:
        downsample: level-0 pixels per pixel of this level.
        width: pixels.
        height: pixels.
    """

    downsample: float
    width: int
    height: int


class SlideReader(ABC):
    """A slide that is open for reading; its handle is opened when needed, in every process for itself.

    Args:
        path: of the slide: a file, or the folder of a DICOM series.
        mpp: micrometres per pixel of level 0 for a slide that tells none; one that tells its own keeps it.

    Raises:
        SlideError: where the slide cannot be opened.
    """

    def __init__(self, path: Path, mpp: float | None = None) -> None:
        self.path = path
        self.levels = self._read_levels()
        self.size = (self.levels[0].width, self.levels[0].height)
        own = self._read_mpp()
        self.tells_mpp = own is not None and all(PLAUSIBLE_MPP[0] <= side <= PLAUSIBLE_MPP[1] for side in own)
        self.mpp: tuple[float, float] | None = own if self.tells_mpp else None if mpp is None else (mpp, mpp)

    @property
    @abstractmethod
    def files(self) -> Sequence[Path]:
        """All files that the slide consists of."""

    @property
    @abstractmethod
    def properties(self) -> Mapping[str, str]:
        """What may be told of the slide: vendor, magnification, reader; nothing of the patient."""

    @property
    def tells_fluorescence(self) -> bool:
        """Whether the slide's metadata tell that it is a fluorescence image."""
        return False

    @property
    def notes(self) -> list[str]:
        """What a person should know of the slide."""
        return []

    @abstractmethod
    def read(self, x: int, y: int, width: int, height: int, level: int = 0) -> np.ndarray:
        """Read a region.

        Args:
            x: left edge in pixels of level 0.
            y: top edge in pixels of level 0.
            width: in pixels of the level.
            height: in pixels of the level.
            level: number of the level, 0 the finest.

        Returns:
            ``(height, width, 3)`` uint8 RGB; outside the slide, and where it is transparent, white.

        Raises:
            SlideError: naming the slide and the region, where it cannot be read. Other regions can be read afterwards.
        """

    @abstractmethod
    def _read_levels(self) -> tuple[Level, ...]: ...

    @abstractmethod
    def _read_mpp(self) -> tuple[float, float] | None: ...

    @property
    def known_mpp(self) -> tuple[float, float]:
        """The micrometres per pixel of level 0, (x, y).

        Raises:
            SlideError: where the slide tells none and none was given.
        """
        if self.mpp is None:
            raise SlideError(
                f"{self.path} does not tell its micrometres per pixel: give them (--mpp), as the scanner's record says"
            )
        return self.mpp

    def level_for(self, downsample: float) -> int:
        """Return the coarsest level that is not coarser than a downsample (by more than a hundredth).

        Args:
            downsample: level-0 pixels per wanted pixel.
        """
        fitting = [i for i, level in enumerate(self.levels) if level.downsample <= downsample * _JUST_FINER]
        return max(fitting, key=lambda i: self.levels[i].downsample, default=0)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the sizes of the slide's files and of samples of their content, 32 hexadecimal digits.

        Raises:
            SlideError: where a file cannot be read.
        """
        from .file_samples import sampled_digest

        try:
            return sampled_digest(self.files)
        except OSError as error:
            raise SlideError(f"{self.path}: {error.strerror or error}: make its files readable") from None

    @cached_property
    def fluorescence(self) -> bool:
        """Whether the slide is a fluorescence image: told by its metadata, or mostly dark where it is sampled."""
        if self.tells_fluorescence:
            return True
        last = self.levels[-1]
        places = sample_places(last.width, last.height)
        samples = [self._read_of_level(x, y, width, height, len(self.levels) - 1) for x, y, width, height in places]
        return is_dark(samples)

    def _read_of_level(self, x: int, y: int, width: int, height: int, level: int) -> np.ndarray:
        downsample = self.levels[level].downsample
        return self.read(round(x * downsample), round(y * downsample), width, height, level)

    @cached_property
    def _key(self) -> tuple[object, ...]:
        """Of the handle: another one where a file was replaced."""
        states = [path.stat() for path in self.files]
        return type(self), self.path, *((state.st_ino, state.st_size, state.st_mtime_ns) for state in states)

    def check_whole(self) -> None:
        """Read the last pixels of every level, which a file that was cut off no longer has.

        Raises:
            SlideError: for a slide that was cut off.
        """
        for number, level in enumerate(self.levels):
            try:
                self._read_of_level(max(level.width - 8, 0), max(level.height - 8, 0), 8, 8, number)
            except SlideError as error:
                raise SlideError(
                    f"{error} (the end of level {number}: it was probably cut off; copy it again)"
                ) from None
