"""GVSL's coronary CT angiographies, for those who have them: one NIfTI file a case."""

from voxelbench.data.collections import Collection

prepare = Collection().prepare
