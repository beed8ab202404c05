"""The command line for problems of one's own: `solve` a file, `sample` and `temper` what a TOML describes."""
