"""The entry of the program. Imports nothing: Ctrl-C may come while the command line loads."""


def run() -> None:
    """Run the command line on the program's arguments."""
    import sys

    try:
        from radsam.cli.commands import app
        from radsam.cli.point_arguments import join_points

        app(args=join_points(sys.argv[1:]), prog_name="radsam")
    except KeyboardInterrupt:
        sys.stderr.write("Error: Stopped. No half-written file was left.\n")
        raise SystemExit(130) from None  # the code of `radsam.cli.terminal`, which may not be imported yet
