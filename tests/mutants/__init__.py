"""Wrong versions of the code, each a small patch that a person could write by mistake, and a script
that sees whether the tests notice: `python -m tests.mutants`.

`patches/KIND.toml` holds them by kind. Whoever changes a line that a patch names renews the patch:
one that no longer applies is an error.
"""
