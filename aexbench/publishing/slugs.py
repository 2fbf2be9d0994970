"""Names of files for whatever somebody has called something."""

from __future__ import annotations

import hashlib
import re

MOST = 40  # characters, before the digest
DIGITS = 8


def slug(text: str) -> str:
    """Return a name for a file: letters, digits and hyphens, and a digest that tells apart what
    they do not; it names no folder, and nothing that a system keeps for itself.

    >>> slug("lrp[root=joint]"), slug("../../etc/passwd")
    ('lrp-root-joint-2ff89ce6', 'etc-passwd-3754d6cb')
    """
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]
    words = "-".join(re.findall(r"[a-z0-9]+", text[: 4 * MOST].lower()))[:MOST].strip("-")
    return f"{words}-{digest}" if words else f"x-{digest}"
