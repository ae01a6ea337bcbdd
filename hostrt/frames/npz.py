"""Arrays by name as one `.npz` file, whatever their names are."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError)
"""What reading a damaged, encrypted or unknown archive raises, beside OSError."""

_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def npz_bytes(arrays: Mapping[str, NDArray[np.generic]]) -> memoryview:
    """Make an uncompressed `.npz`; the same arrays always give the same bytes.

    `numpy.savez` refuses names such as `file`, and its bytes depend on the clock.

    Args:
        arrays: name -> array of any type but objects.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", _LONG_AGO)
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)
    return buffer.getbuffer()
