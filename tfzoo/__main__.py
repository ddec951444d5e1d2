"""`python -m tfzoo`."""

from tfzoo.cli.main import main

main()
