"""FLARE 2023: FLARE23_NNNN_0000.nii.gz at any depth."""

from voxelbench.data.collections import Collection

prepare = Collection(r"(?P<case>FLARE23_\d+)_0000\.nii\.gz").prepare
