"""Inputs with one to three faults, for every format that RadSAM reads: see `fuzz_inputs.py`."""
