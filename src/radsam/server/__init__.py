"""The server behind `radsam serve`: one service object, and a web application on top of it.

`service.py` does everything (open a volume, segment, correct, undo, export, subscribe) and is independent of HTTP;
`web_app.py` and `routes_*.py` put it on the web. Only this package imports the web framework.
"""
