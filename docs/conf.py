"""The book: docs/ and chapters/, built with `sphinx-build -W -E docs build/book`. Nothing comes from a network."""

project = "TinyTorch"
author = "the TinyTorch authors"
copyright = "2026, the TinyTorch authors. Code MIT, prose CC BY 4.0"
language = "en"

book = ("chapters", "questions", "live", "listing", "terms", "editions", "katex", "api", "commands")
extensions = ["myst_parser", "sphinx_copybutton", *(f"tito.book.{name}" for name in book)]
exclude_patterns = ["_static/katex/*.js", "**/katex.min.js"]
nitpicky = True

myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
myst_title_to_header = True
suppress_warnings = ["config.cache"]

math_number_all = False
numfig = False
highlight_language = "python"
pygments_style = "friendly"
html_codeblock_linenos_style = "inline"
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "sphinx_book_theme"
html_title = "TinyTorch"
html_math_renderer = "katex"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_js_files = [("search.js", {"defer": "defer"}), ("scroll.js", {"defer": "defer"})]  # after Sphinx's own
html_favicon = "_static/mark.svg"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_last_updated_fmt = None
html_context = {"default_mode": "auto"}
html_theme_options = {
    "logo": {"text": "TinyTorch"},
    "navbar_persistent": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "search_bar_text": "Search the book",
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
}
