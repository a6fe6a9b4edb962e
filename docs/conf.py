"""Configuration of the documentation. It builds offline, without a warning."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("MPLBACKEND", "Agg")

import sparsesolve  # noqa: E402

project = "sparsesolve"
author = "sparsesolve developers"
copyright = author
version = release = sparsesolve.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
default_role = "py:obj"

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings tell types and shapes
autodoc_member_order = "bysource"
autodoc_default_options = {
    "members": True,
    # Made by scikit-learn for every estimator, with links into its own documentation.
    "exclude-members": ", ".join(
        [f"set_{method}_request" for method in ("fit", "partial_fit", "predict", "score")] + ["set_callbacks"]
    ),
}
numpydoc_show_class_members = False
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "examples"),
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"/crosscheck/|__init__\.py",
    "doc_module": ("sparsesolve",),
    "reference_url": {"sparsesolve": None},
    "backreferences_dir": None,
    "download_all_examples": False,
    "min_reported_time": 10,
    "plot_gallery": True,
    "remove_config_comments": True,
    "show_memory": False,
}

html_theme = "pydata_sphinx_theme"
html_title = f"sparsesolve {release}"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"getting_started": [], "choosing": [], "certificates": [], "changelog": []}
