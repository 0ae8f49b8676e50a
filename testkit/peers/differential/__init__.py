"""The differential test: the same bytes through nginx and through underpass.

`model` is what was seen, `play` makes it, `compare` explains it by the rows of
`deviations.toml` with its `operations`, `table` writes the rows down as a document.
"""
