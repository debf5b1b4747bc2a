"""CT Colonography converted to NIfTI: one file a series."""

from voxelbench.data.collections import Collection

prepare = Collection().prepare
