"""The JSON Schema of what a store holds, for readers in other languages: `record.json`.

It is generated from the models that check records on reading, `python -m aexbench.schemas`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DIALECT = "https://json-schema.org/draft/2020-12/schema"
OPEN = ("additionalProperties", True)
RECORD = Path(__file__).with_name("record.json")


def record() -> str:
    """Return the schema of a record, as its file holds it."""
    from aexbench.running.store import Record

    schema = {"$schema": DIALECT, **_plain(Record.model_json_schema())}
    return json.dumps(schema, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _plain(part: Any) -> Any:
    """Return a part of a schema as every version of pydantic writes it: 0 for 0.0, and nothing of
    what goes without saying.
    """
    if isinstance(part, dict):
        said = {key: value for key, value in part.items() if (key, value) != OPEN}
        return {key: _plain(value) for key, value in said.items()}
    if isinstance(part, list):
        return [_plain(item) for item in part]
    return int(part) if isinstance(part, float) and part.is_integer() else part
