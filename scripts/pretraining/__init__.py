"""Parts of the pre-training of the tiny models, for the scripts beside this folder."""
