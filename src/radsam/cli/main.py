"""The entry of the program. Imports nothing at first: Ctrl-C may come while the command line loads."""

#: The codes of `radsam.cli.terminal`, which may not be imported yet.
_EXIT_FAILED, _EXIT_INTERRUPTED = 4, 130


def run() -> None:
    """Run the command line on the program's arguments."""
    import sys

    code: object = 0
    try:
        from radsam.cli.standard_streams import close_streams, open_streams

        open_streams()
        try:
            from radsam.cli.commands import app
            from radsam.cli.point_arguments import join_points

            app(args=join_points(sys.argv[1:]), prog_name="radsam")
        except SystemExit as end:
            code = end.code
        if close_streams(failed=bool(code)):
            code = code or _EXIT_FAILED
    except KeyboardInterrupt:
        sys.stderr.write("Error: Stopped. No half-written file was left.\n")
        code = _EXIT_INTERRUPTED
    # Ctrl-C in the midst of an `exec`, as dataclasses use it while they are imported, makes the interpreter of
    # ``python -m`` end itself by the signal, whatever the exit code is; the next `exec` takes that back.
    exec("")
    raise SystemExit(code)
