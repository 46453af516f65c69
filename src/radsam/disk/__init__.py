"""Files on this disk: written whole or not at all, and folders that cache them."""
