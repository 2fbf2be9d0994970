"""An audit as a page that needs no network and no script, and as a part of a notebook."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from jinja2 import Environment, Template

import aexbench
from aexbench.errors import plain

if TYPE_CHECKING:
    from aexbench.auditing.report import Audit


def page(audit: Audit) -> str:
    """Return a page of its own."""
    return _rendered(audit, whole=True)


def body(audit: Audit) -> str:
    """Return what a notebook shows."""
    return _rendered(audit, whole=False)


def _rendered(audit: Audit, whole: bool) -> str:
    names, lines = audit.table()
    html = _template().render(
        audit=audit,
        names=names,
        lines=lines,
        whole=whole,
        version=aexbench.__version__,
    )
    return html.strip() + "\n"


@cache
def _template() -> Template:
    """Return the template; whatever stands in names is text there."""
    environment = Environment(autoescape=True, finalize=_plain)
    return environment.from_string(resources.files(__package__).joinpath("page.html").read_text())


def _plain(value: object) -> object:
    return plain(value) if type(value) is str else value
