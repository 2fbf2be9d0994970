"""`python -m aexbench` is `aexbench`."""

from aexbench.cli import main

main()
