"""The runs that ship: one TOML file and one module each, `python -m fastgibbs run NAME`."""
