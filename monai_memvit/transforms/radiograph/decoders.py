"""One call of a decoder of pydicom; run as a program, calls that come by stdin, see :mod:`.isolated`."""

from __future__ import annotations

import os
import pickle
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["decode", "serve"]


def decode(data: bytes, syntax: str, plugin: str, options: dict[str, Any]) -> NDArray[Any]:
    """Decode the first frame.

    Args:
        data: value of PixelData, in fragments.
        syntax: UID of the transfer syntax.
        plugin: pydicom's name of the decoder.
        options: what pydicom asks for besides: rows, columns, bits and so on.

    Returns:
        ``(rows, columns)``, integers.

    Raises:
        BaseException: whatever the decoder raises.
    """
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    decoder: Any = get_decoder(UID(syntax))
    array, _ = decoder.as_array(data, index=0, raw=True, decoding_plugin=plugin, correct_unused_bits=False, **options)
    return np.asarray(array)


def serve() -> None:
    """Answer calls of :func:`decode`, pickled on stdin, with arrays or texts of errors, until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what decoders print must not come among the answers
    while True:
        try:
            call = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer: Any = decode(*call)
        except Exception as error:
            answer = str(error) or type(error).__name__
        pickle.dump(answer, answers, protocol=5)
        answers.flush()


if __name__ == "__main__":
    serve()
