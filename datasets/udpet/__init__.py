"""UDPET: full-dose from low-dose total-body FDG-PET."""
