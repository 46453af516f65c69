"""Checks of types and array shapes at a fraction of the cost of jaxtyping's own, which took most of the suite's time.

jaxtyping binds the arguments of every call to a signature, and calls two more functions to check them and the result.
beartype alone checks the same; for the shapes it only needs a scope, in which an axis of one name has one length.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from types import FunctionType
from typing import Any, get_args, get_type_hints

import jaxtyping
from beartype import BeartypeConf
from beartype.roar import BeartypeDecorHintException

_theirs = jaxtyping.jaxtyped
#: Errors are jaxtyping's, which are TypeErrors, as readers of damaged files expect.
_CONF = BeartypeConf(violation_type=jaxtyping.TypeCheckError)


def install() -> None:
    """Let the import hook of pytest's option ``--jaxtyping-packages`` take `checked`."""
    jaxtyping.jaxtyped = checked


def checked(*decorated: Any, typechecker: Callable[..., Any]) -> Any:
    """Decorate a function, or the ``__init__`` of a dataclass, as `jaxtyping.jaxtyped` does."""
    if not decorated:
        return functools.partial(checked, typechecker=typechecker)
    (of,) = decorated
    if inspect.isclass(of):
        if is_dataclass(of) and "__init__" in vars(of):
            of.__init__ = checked(of.__init__, typechecker=typechecker)
        return of
    waits = inspect.isgeneratorfunction(of) or inspect.iscoroutinefunction(of) or inspect.isasyncgenfunction(of)
    if not inspect.isfunction(of) or waits or getattr(of, "__no_type_check__", False):
        return _theirs(of, typechecker=typechecker)
    if hasattr(of, "__wrapped__"):  # an `__init__` that its dataclass did not make
        return of
    return _checked_function(of, typechecker)


def _checked_function(of: FunctionType, typechecker: Callable[..., Any]) -> Any:
    hints = _known_hints(of)
    resolved = FunctionType(of.__code__, of.__globals__, of.__name__, of.__defaults__, of.__closure__)
    resolved.__kwdefaults__, resolved.__annotations__ = of.__kwdefaults__, hints
    resolved.__module__, resolved.__qualname__ = of.__module__, of.__qualname__
    try:
        checks = typechecker(resolved, conf=_CONF)
    except BeartypeDecorHintException:  # it does not read every kind of hint
        return _theirs(of, typechecker=typechecker)
    if not any(map(_has_array, hints.values())):
        return functools.update_wrapper(checks, of)

    @functools.wraps(of)
    def in_a_scope(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if jaxtyping.config.jaxtyping_disable:  # while torch traces a model, a size is a tensor
            return of(*args, **kwargs)
        with _theirs("context"):
            return checks(*args, **kwargs)

    return in_a_scope


def _known_hints(of: FunctionType) -> dict[str, Any]:
    """The annotations, without those whose names do not exist yet, or for mypy only."""
    try:
        return get_type_hints(of, include_extras=True)
    except Exception:
        pass
    found = {}
    for name, hint in of.__annotations__.items():
        try:
            found |= get_type_hints(
                type("one", (), {"__annotations__": {name: hint}}), of.__globals__, include_extras=True
            )
        except Exception:
            continue
    return found


def _has_array(hint: Any) -> bool:
    if inspect.isclass(hint) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    return any(map(_has_array, get_args(hint)))
