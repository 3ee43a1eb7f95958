"""`python -m aetherd` is the daemon."""

from aetherd.daemon.app import main

main()
