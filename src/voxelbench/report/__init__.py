"""Reports: scores, tables and figures, derived from the rows of runs. Imports no torch."""
