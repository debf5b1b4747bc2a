"""Encoders: the networks that methods pretrain and tasks finetune, built from presets in `config/encoders`."""
