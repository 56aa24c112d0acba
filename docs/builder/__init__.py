"""Makes the documentation site: Markdown, docstrings and cards to pages that open offline."""
