"""Control: random initialisation, no pretraining."""
