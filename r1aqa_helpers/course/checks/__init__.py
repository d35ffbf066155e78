"""The exercises' checks, one module per notebook."""
