"""What every package needs and no field has a word for: files, errors, progress, provenance.

Nothing here knows audio, questions or models.
"""
