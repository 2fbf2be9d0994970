"""`python -m aexbench.schemas` writes the schemas anew, once a model has changed."""

from aexbench import schemas

schemas.RECORD.write_text(schemas.record(), encoding="utf-8")
