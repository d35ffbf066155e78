"""Group Relative Policy Optimization for audio question answering, on TRL's trainer."""
