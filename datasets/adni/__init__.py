"""ADNI: Alzheimer's disease against healthy ageing in FDG-PET of the brain."""
