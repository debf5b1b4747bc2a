"""Evaluation: finetune a backbone on one task of one dataset and score every test case."""
