"""Configuration of the documentation. It builds offline, without a warning."""

import os
import re
import sys
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

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

# Formulas become MathML while the pages are built: browsers draw it without a script, and without a network.
html_math_renderer = "mathml"

html_theme = "pydata_sphinx_theme"
html_title = f"sparsesolve {release}"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "header_links_before_dropdown": 5,
    "navbar_persistent": ["search-button"],
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
}
# Only the gallery and the API have pages below them.
html_sidebars = {"*": [], "api": ["sidebar-nav-bs"]}


def as_mathml(latex, as_block):
    """A formula as MathML; the converter knows neither these commands nor the space around names of functions."""
    latex = latex.replace(r"\textstyle", "").replace(r"\dots", r"\ldots")
    latex = re.sub(r"\\([bB]ig)(?=[(\[])", r"\\\1l", latex)
    latex = re.sub(r"\\([bB]ig)(?=[)\]])", r"\\\1r", latex)
    latex = re.sub(r"(?<=[\w}])\s*(?=\\(?:log|ln|det|exp)(?![a-z]))", r"\\,", latex)
    latex = re.sub(r"(\\(?:log|ln|det|exp)(?![a-z]))\s*(?=\w)", r"\1\\,", latex)
    return tex2mathml(latex, as_block=as_block)


def visit_math(translator, node):
    translator.body.append(as_mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def visit_displayed_math(translator, node):
    formula = as_mathml(node.astext(), as_block=True)
    translator.body.append(
        f'<div class="displayed-formula" style="overflow: auto hidden; margin-bottom: 1rem">{formula}</div>\n'
    )
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displayed_math, None))
