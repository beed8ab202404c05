"""The command line for problems of one's own: `solve` a file, `sample`, `temper` and `anneal` what a TOML describes."""
