"""``python -m edgeguard.cli``: the command line without the installed script."""

from edgeguard.cli.main import main

main()
