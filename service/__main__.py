"""`python -m service`: the command line."""

from service.entry import main

main()
