"""The local web page: the same library calls as the command line, for people who would not open a terminal."""
