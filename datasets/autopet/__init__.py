"""AutoPET: lesion segmentation in whole-body FDG-PET/CT."""
