"""The command line, one file a group of commands. Reads, asks `defs`, prints; decides nothing."""
