"""Where a volume shows the patient."""

import numpy as np

from voxelbench.data.cache import Box


def bounding_box(foreground: np.ndarray) -> Box:
    """Return the smallest box around the True voxels of (X, Y, Z). Raises ValueError if there are none."""
    if not foreground.any():
        raise ValueError("nothing is foreground, so there is no box around it")
    occupied = (np.flatnonzero(foreground.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
    return tuple(slice(int(where[0]), int(where[-1]) + 1) for where in occupied)  # type: ignore[return-value]
