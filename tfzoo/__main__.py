"""`python -m tfzoo`."""

from tfzoo.cli import main

main()
