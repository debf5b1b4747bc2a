"""WORD: the volumes of its training part, one a patient."""

from voxelbench.data.collections import Collection

prepare = Collection().prepare
