"""BraTS 2021: glioma segmentation in four MR contrasts."""
