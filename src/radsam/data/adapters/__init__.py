"""One module for each source of labelled volumes; they don't know each other."""
