"""The default weights of RadSAM, as bundles in the folders beside this file."""
