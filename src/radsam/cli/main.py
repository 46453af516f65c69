"""The entry of the program. Imports nothing at first: Ctrl-C may come while the command line loads."""

#: The codes of `radsam.cli.terminal`, which may not be imported yet.
_EXIT_FAILED, _EXIT_INTERRUPTED = 4, 130


def run() -> None:
    """Run the command line on the program's arguments."""
    import sys

    code: object = 0
    problem = ""
    try:
        from radsam.cli.standard_streams import close_streams, open_streams

        open_streams()
        try:
            from radsam.cli.commands import app
            from radsam.cli.point_arguments import join_points

            app(args=join_points(sys.argv[1:]), prog_name="radsam")
        except SystemExit as end:
            code = end.code
        problem = close_streams()
    except KeyboardInterrupt:
        problem, code = "Stopped. No half-written file was left.", _EXIT_INTERRUPTED
    if problem and code in (0, None, _EXIT_INTERRUPTED):
        sys.stderr.write(f"Error: {problem}\n")
        code = code or _EXIT_FAILED
    raise SystemExit(code)
