"""The set-up of notebooks on hosted pages: `hosted` installs the package on Colab and Kaggle.

The first cell of a notebook imports it before any dependency is installed, so only Python's own
library is used here.
"""
