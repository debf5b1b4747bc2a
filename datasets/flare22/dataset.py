"""FLARE 2022's unlabelled volumes: one NIfTI file a case, at any depth."""

from voxelbench.data.collections import Collection

prepare = Collection().prepare
