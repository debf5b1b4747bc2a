"""The native layout that the BraTS challenges share: one folder a case, one file a contrast, and `seg` with labels."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from voxelbench.data.native import NativeCase
from voxelbench.errors import DataError

SEG = "seg"


@dataclass(frozen=True)
class BratsLayout:
    """How one edition names its files: `<prefix><number>/<prefix><number><separator><contrast>.nii.gz`."""

    prefix: str
    separator: str
    contrasts: tuple[str, ...]

    def file(self, folder: Path, contrast: str) -> Path:
        """Return the file of one contrast, or of `seg`, in a case's folder."""
        return folder / f"{folder.name}{self.separator}{contrast}.nii.gz"

    def cases(self, raw: Path, patient_of: Callable[[str], str]) -> list[NativeCase]:
        """Find every labelled case under `raw`, at any depth. Raises DataError if a training case has no label."""
        files = raw.rglob(f"{self.prefix}*{self.separator}*.nii.gz")
        folders = sorted({file.parent for file in files if file.name.startswith(file.parent.name)})
        return [self._case(folder, patient_of(folder.name)) for folder in folders if self._is_labelled(folder, raw)]

    def _case(self, folder: Path, patient_id: str) -> NativeCase:
        channels = tuple(self.file(folder, contrast) for contrast in self.contrasts)
        return NativeCase(folder.name, patient_id, channels, self.file(folder, SEG))

    def _is_labelled(self, folder: Path, raw: Path) -> bool:
        """Whether a case has its label. The challenges' validation and test sets have none in public."""
        label = self.file(folder, SEG)
        parents = folder.relative_to(raw).parts[:-1]
        if not label.is_file() and not any(word in part.lower() for part in parents for word in ("validation", "test")):
            raise DataError(
                f"{self.file(folder, self.contrasts[0])}: its label {label.name} is missing; "
                "restore it from the archive, or move the folder into one named ValidationData if it never had a label."
            )
        return label.is_file()
