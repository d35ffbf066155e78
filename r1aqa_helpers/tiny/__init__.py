"""The tiny track: a sound world, its questions, and a small Qwen2-Audio that learns to hear it."""
