"""Files, errors, progress and provenance; nothing here knows audio, questions or models."""
