"""How sure a table may be: intervals, paired tests, tie groups, ranks across datasets, power. Imports no torch.

docs/statistics.md says it in words, with the formulas and with what was measured on simulated data.
"""

ALPHA = 0.05
"""The level of every test, family by family; intervals cover 1 - ALPHA."""
