"""Projects of many cases: who works on what, finished masks, and weights that learn from them.

A project is a folder that a server, a learning process and the command line use at once; its state is an SQLite
database (`project_database`). Nothing here needs torch, except the learning process, which imports `radsam.training`.
"""
