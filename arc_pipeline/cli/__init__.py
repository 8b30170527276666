"""The command line, one file a group of commands. Parses and prints; decides nothing."""
