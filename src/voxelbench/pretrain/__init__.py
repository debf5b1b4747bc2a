"""Pretraining: a method, a corpus, an encoder; out comes a backbone."""
