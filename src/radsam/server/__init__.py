"""The server behind `radsam serve`: one service object, and a web application on top of it.

`service.py` holds what can be done (open a volume, segment, correct, undo, export, subscribe)
and knows nothing of HTTP; `app.py` and `routes_*.py` translate. Only this package imports the
web framework.
"""
