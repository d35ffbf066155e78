"""What lets others run the course: the project's address, hosted notebooks, JupyterLab.

`stamping` writes the address of the repository wherever it belongs, `hosted` installs the package
on Colab and Kaggle, `lab` opens the notebooks on one's own machine. The first cell of a notebook
imports `hosted` before any dependency is there, so nothing here imports one at its top.
"""
