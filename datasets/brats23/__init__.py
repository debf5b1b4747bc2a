"""BraTS 2023 (adult glioma): translation between four MR contrasts."""
