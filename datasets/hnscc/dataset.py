"""HNSCC converted to NIfTI: one file a series, named as VoCo's list does (00001.nii.gz) or otherwise."""

from voxelbench.data.collections import Collection

prepare = Collection().prepare
