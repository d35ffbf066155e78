"""The tiny track: scenes, their questions, the small model's shape; pre-training is in scripts/."""
