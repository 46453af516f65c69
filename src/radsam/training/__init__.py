"""Training: from a store of labelled slices to a weights bundle (paper 3.2 to 3.4). Needs the `train` extra."""
