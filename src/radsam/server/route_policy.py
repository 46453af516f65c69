"""Route policy: which paths need a token, and which requests may have a body as large as an upload."""

from __future__ import annotations

#: nnInteractive's protocol; its /healthz is public, as ours is.
_NNINTERACTIVE = (
    "/capabilities", "/claim", "/release", "/heartbeat", "/lease_status", "/set_image", "/set_target_buffer",
    "/set_do_autozoom", "/reset_interactions", "/predict", "/undo", "/add_bbox_interaction", "/add_point_interaction",
    "/add_scribble_interaction", "/add_lasso_interaction", "/add_initial_seg_interaction",
)  # fmt: skip
#: MONAI Label's interface; its /auth/ reports whether a token is needed, so it needs none itself.
_MONAI_LABEL = ("/info", "/session", "/infer", "/datastore", "/activelearning", "/auth/token/valid")
_PRIVATE = ("/api", "/metrics", *_NNINTERACTIVE, *_MONAI_LABEL)

_UPLOADS = {
    "POST": ("/api/volumes", "/api/sessions/import", "/infer", "/set_image",
             "/add_scribble_interaction", "/add_lasso_interaction", "/add_initial_seg_interaction"),
    "PUT": ("/session", "/datastore"),
}  # fmt: skip


def needs_token(path: str) -> bool:
    """Whether a path is for users only."""
    return any(_below(path, each) for each in _PRIVATE)


def takes_upload(method: str, path: str) -> bool:
    """Whether the body may be as large as an upload."""
    if path.startswith("/api"):
        return path in _UPLOADS.get(method, ())
    return any(_below(path, each) for each in _UPLOADS.get(method, ()))


def _below(path: str, top: str) -> bool:
    return path == top or path.startswith(top + "/")
