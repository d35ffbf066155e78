"""The site, for Sphinx: `scripts/build_site.py` gathers the pages and calls it."""

import os
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

from astroid.astroid_manager import MANAGER

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: A wheel with MathJax's files, of which one is copied.
MATHJAX = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"

project, author = "R1-AQA, reproduced step by step", "the authors of r1aqa-helpers"
release = version = PROJECT["version"]
copyright = f"{author}. Apache License 2.0"

extensions = ["myst_nb", "autoapi.extension", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
exclude_patterns = ["**/.ipynb_checkpoints"]
default_role = "py:obj"
add_module_names, python_use_unqualified_type_names = False, True

# Notebooks: what is stored in them is shown; nothing is run, nothing comes from another host.
nb_execution_mode = "off"
nb_merge_streams = True
nb_ipywidgets_js = {}
nb_code_prompt_show, nb_code_prompt_hide = "Set-up for Colab and Kaggle", "Hide the set-up"
nb_number_source_lines = False
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
# A notebook's sections may skip a level, and its code be unfinished. Two classes may have one name.
# Names that are assigned together, like colours, are imported all the same.
suppress_warnings = ["myst.header", "misc.highlighting_failure", "ref.python"]
suppress_warnings += ["autoapi.python_import_resolution"]

# The reference, from the docstrings alone: the package is read and not imported.
autoapi_dirs = [str(ROOT / "r1aqa_helpers")]
autoapi_root = "reference"
autoapi_add_toctree_entry = False
autoapi_options = ["members", "undoc-members", "show-inheritance", "show-module-summary"]
autoapi_member_order = "bysource"
autoapi_python_class_content = "both"
autodoc_typehints = "signature"
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_use_rtype, napoleon_use_ivar = False, True


class Installed(set):
    """Modules that are not read: PyTorch and the others take minutes, and change no page."""

    def __contains__(self, name):
        root = name.partition(".")[0]
        return root != "r1aqa_helpers" and root not in sys.stdlib_module_names


MANAGER.module_denylist = MANAGER.brain["module_denylist"] = Installed()

# Formulas: one file, drawn without fonts.
mathjax_path = "mathjax/tex-svg-full.js"
mathjax3_config = {
    "svg": {"fontCache": "local"},
    "options": {"enableMenu": False, "ignoreHtmlClass": "mathjax_ignore"},
}

html_theme = "furo"
html_title = "R1-AQA, step by step"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/icon.svg"
html_show_sphinx = False
html_copy_source = html_show_sourcelink = False
html_baseurl = os.environ.get("SITE_URL", "")
html_theme_options = {"navigation_with_keys": False}


def setup(app):
    """Copy the one file of MathJax that is used."""

    def copy(app, _error):
        if app.builder.format == "html":
            place = Path(app.outdir, "_static", mathjax_path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes((MATHJAX / place.name).read_bytes())

    app.connect("build-finished", copy)
