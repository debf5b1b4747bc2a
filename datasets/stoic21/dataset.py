"""STOIC 2021 as MetaImage, or converted to NIfTI: one file a patient, named by a number."""

from voxelbench.data.collections import Collection

prepare = Collection(r"(?P<case>\d+)\.(mha|nii\.gz)").prepare
