"""Pictures of a slice and its objects for people; nothing is written to disk here."""

from radsam.render.contour import mask_outlines
from radsam.render.preview import render_preview

__all__ = ["mask_outlines", "render_preview"]
