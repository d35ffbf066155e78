"""What one notebook alone uses beside its figures and checks: ``nNN`` is that of notebook NN."""
