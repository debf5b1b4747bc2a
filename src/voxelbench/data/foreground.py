"""Where a volume shows the patient."""

import numpy as np

from voxelbench.data.cache import Box
from voxelbench.errors import DataError


def foreground_box(case_id: str, volume: np.ndarray, floor: float) -> Box:
    """Return the smallest box around the voxels of (X, Y, Z) above `floor`. Raises DataError if there are none."""
    foreground = volume > floor
    if not foreground.any():
        raise DataError(
            f"case {case_id} has no voxel above {floor:g} after scaling, expected some foreground; check its unit "
            f"against the method's `intensity`, or take it out of the corpus."
        )
    occupied = (np.flatnonzero(foreground.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
    return tuple(slice(int(where[0]), int(where[-1]) + 1) for where in occupied)  # type: ignore[return-value]
