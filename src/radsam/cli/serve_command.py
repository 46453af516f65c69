"""`radsam serve`: the web app, and `radsam tokens`: its users."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from radsam.cli.session_inputs import load_engine, warn_in_clear
from radsam.cli.shared_options import Backend, ModalityName, Model, Precision
from radsam.cli.terminal import command, note, out, usage_error

if TYPE_CHECKING:
    from radsam.project.project import Project as OpenProject
    from radsam.server.access_tokens import Authenticator, TokenFile

State = Annotated[
    Path | None,
    typer.Option(help="Folder for sessions, uploads and tokens; in the user's data folder if left out.", metavar="DIR"),
]
Project = Annotated[
    Path | None,
    typer.Option(
        help="A project (radsam project create): its cases in a worklist, its labels, and its folder for sessions and "
        "tokens.",
        metavar="DIR",
    ),
]
Tokens = Annotated[Path | None, typer.Option("--token-file", help="File of the hashed tokens; in --state if left out.")]

tokens_app = typer.Typer(
    help="Users of `radsam serve`: one token per user. A server that other computers can reach requires one.",
    no_args_is_help=True,
)


@command
def serve(
    ct: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Volumes to offer: NIfTI, NRRD, MetaImage, or a folder or .zip with DICOM.", metavar="[VOLUME]..."
        ),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="A folder; every volume in it is offered. Repeatable.", metavar="DIR"),
    ] = None,
    project: Project = None,
    modality: ModalityName = None,
    host: Annotated[str, typer.Option(help="Address to listen on. Any other than this computer requires a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8765,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    model: Model = None,
    backend: Backend = "auto",
    precision: Precision = "auto",
    state: State = None,
    token_file: Tokens = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A further host name of this server, as a proxy sends it. Repeatable.", metavar="NAME"),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Label set: a TOML file with the names that objects have, their values, colours and codes; see "
            "docs/web.md.",
            metavar="FILE",
        ),
    ] = None,
    show_patient: Annotated[
        bool,
        typer.Option(
            "--show-patient",
            help="List DICOM volumes with patient, study and date, for every user. Sessions and logs never hold them.",
        ),
    ] = False,
    pacs: Annotated[
        str | None,
        typer.Option(
            help="A PACS that every user may search, open from and send results to: dicomweb://HOST[:PORT]/ROOT or "
            "dimse://HOST:PORT/AE_TITLE. See docs/pacs.md.",
            metavar="URL",
        ),
    ] = None,
    max_upload: Annotated[float, typer.Option(min=0.001, help="The largest upload, in GB.", metavar="GB")] = 2.0,
    memory: Annotated[
        float, typer.Option(min=0.05, help="Memory for volumes, in GB; sessions in use keep theirs.", metavar="GB")
    ] = 3.0,
) -> None:
    """Open volumes in the browser: draw a box, watch the mask grow, click to correct.

    Everything stays on this computer. Every edit is saved; the next start offers the sessions again.
    Ctrl-C ends it.
    """
    if project is not None and labels is not None:
        raise usage_error("--project has labels of its own; leave --labels out.")
    if not (ct or data or pacs or project):
        note("No volume was given: drag one into the page, or start with radsam serve VOLUME.nii.gz or --data DIR.")
    for folder in data or ():
        if not folder.is_dir():
            raise usage_error(f"--data takes a folder; {folder} is not one.")
    from radsam.server.allowed_origins import AllowedOrigins, is_loopback
    from radsam.server.http_server import listen_on, serve_app, url_of
    from radsam.server.server_limits import Limits
    from radsam.server.server_store import ServerStore
    from radsam.server.service import Service
    from radsam.server.web_app import create_app
    from radsam.session.label_set import read_label_set
    from radsam.volume import Modality

    opened = None if project is None else _open_project(project)
    folder = _folder(state, project)
    reachable = not is_loopback(host) or bool(allow_host)  # a proxy lets other computers in
    authenticator, token = _users(token_file or folder / "tokens.json", reachable)
    upload_bytes, memory_bytes = int(max_upload * 1e9), int(memory * 1e9)
    sessions = 500 if opened is None else 500 + 4 * len(opened.cases())
    limits = Limits(
        sessions=sessions, upload_bytes=upload_bytes, cache_bytes=memory_bytes, volume_bytes=min(memory_bytes, 2 << 30)
    )
    label_set = None if labels is None else read_label_set(labels)
    pacs_address = None
    if pacs is not None:
        from radsam.io.pacs.pacs_address import PacsAddress

        pacs_address = PacsAddress.parse(pacs)
        warn_in_clear(pacs_address)
    listening = listen_on(host, port)
    with listening:
        store = ServerStore(folder)
        service = Service(
            load_engine(model, backend, precision, keep=True),
            store,
            given=ct or (),
            data=data or (),
            limits=limits,
            named_by_path=authenticator is None,
            label_set=label_set,
            pacs=pacs_address,
            show_patient=show_patient,
            modality=None if modality is None else Modality(modality),
            project=opened,
            model=model,
        )
        url = url_of(host, listening, token)

        def ready() -> None:
            out.print(f"RadSAM is at {escape(url)}", soft_wrap=True)
            out.print("Ctrl-C ends it; sessions stay saved. Not for diagnostic use.", style="dim")
            if browser:
                import webbrowser
                from threading import Thread

                # A text browser returns only when its user leaves it.
                Thread(target=webbrowser.open, args=(url,), daemon=True).start()

        app = create_app(
            service,
            authenticator=authenticator,
            origins=AllowedOrigins(host, tuple(each.lower() for each in allow_host or ())),
        )
        serve_app(app, service, listening, ready)


@tokens_app.command("add")
@command
def add_token(
    user: Annotated[str, typer.Argument(help="The user.")],
    state: State = None,
    token_file: Tokens = None,
    project: Project = None,
) -> None:
    """Make a token for a user. It is shown once; only its hash is stored."""
    file = _file(state, token_file, project)
    first = not file.tokens
    token = file.add(user)
    out.print(token, soft_wrap=True)
    note(
        f"This is the only time that the token of {user} is shown. It goes to the end of the page's address: #token=…."
    )
    if first:
        note("It is the first one: a server that runs without tokens asks for one only after it is started again.")


@tokens_app.command("list")
@command
def list_tokens(state: State = None, token_file: Tokens = None, project: Project = None) -> None:
    """List the users who have a token."""
    table = Table("user", "since", box=None)
    for each in _file(state, token_file, project).tokens:
        table.add_row(escape(each.user), each.created)
    out.print(table)


@tokens_app.command("revoke")
@command
def revoke_token(
    user: Annotated[str, typer.Argument(help="The user whose token is revoked.")],
    state: State = None,
    token_file: Tokens = None,
    project: Project = None,
) -> None:
    """Revoke a user's token; a running server refuses it at once. The user's sessions stay."""
    _file(state, token_file, project).revoke(user)


def _file(state: Path | None, token_file: Path | None, project: Path | None) -> TokenFile:
    from radsam.server.access_tokens import TokenFile

    if project is not None:
        _open_project(project).close()
    return TokenFile(token_file or _folder(state, project) / "tokens.json")


def _folder(state: Path | None, project: Path | None) -> Path:
    """Return the folder for sessions, uploads and tokens."""
    return state or (project / "server" if project else _state_folder())


def _open_project(folder: Path) -> OpenProject:
    from radsam.project.project import Project as OpenProject

    return OpenProject.open(folder)


def _state_folder() -> Path:
    import platformdirs

    return platformdirs.user_data_path("radsam") / "server"


def _users(path: Path, reachable: bool) -> tuple[Authenticator | None, str | None]:
    """Return the authenticator, and a token to show if one was made for this run."""
    from radsam.server.access_tokens import OneToken, TokenFile, new_token

    file = TokenFile(path)
    if file.tokens:
        return file, None
    if not reachable:
        return None, None
    token = new_token()
    note("Other computers may reach this server, so it requires a token. It encrypts nothing: use a proxy for that.")
    return OneToken(token), token
