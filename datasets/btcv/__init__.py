"""BTCV: 13 organs in abdominal CT."""
