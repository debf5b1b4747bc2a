"""Publishing: the results of a budget as an RO-Crate, or the reasons why not. Imports no torch."""
