"""``python -m radsam``."""

from radsam.cli.main import run

run()
