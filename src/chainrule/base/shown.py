"""How worked results show themselves: printed as text, in notebooks as a page."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class Shown(ABC):
    """Base of what can be written as text, Markdown and HTML, in either language."""

    @abstractmethod
    def to_text(self, digits: int = 4, language: str | None = None) -> str:
        """As plain text, with `digits` significant digits."""

    @abstractmethod
    def to_markdown(self, digits: int = 4, language: str | None = None) -> str:
        """As Markdown."""

    @abstractmethod
    def to_html(self, digits: int = 4, language: str | None = None) -> str:
        """As one HTML element without scripts."""

    def __str__(self) -> str:
        return self.to_text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What notebooks show; text/plain always."""
        return {"text/plain": self.to_text(), "text/html": self.to_html(),
                "text/markdown": self.to_markdown()}  # fmt: skip
