"""LIDC-IDRI converted to NIfTI: one file a series; LIDC-IDRI-NNNN in its name is the patient."""

from voxelbench.data.collections import Collection

prepare = Collection(r"(?P<case>(?P<patient>LIDC-IDRI-\d+)?[^/]*)\.nii(\.gz)?").prepare
