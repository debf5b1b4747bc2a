"""GVSL: geometric visual similarity, learnt by registering volumes of two patients."""
