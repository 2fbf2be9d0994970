"""`python -m tests.golden` takes the figures anew, once a version has been raised."""

from tests.golden import figures

figures.write()
