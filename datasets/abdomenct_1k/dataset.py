"""AbdomenCT-1K: one NIfTI file a case, at any depth."""

from voxelbench.data.collections import Collection

prepare = Collection().prepare
