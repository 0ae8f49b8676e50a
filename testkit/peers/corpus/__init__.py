"""The corpus: configurations as products' recipes have them, through nginx and through underpass.

`model` is a case of `testdata/configs` and what was seen of it, `layout` writes its files
out so that they run here, `play` sends its requests through a proxy, `check` reads what
`underpass -t` says, `compare` explains what differs by the rows of `deviations.toml`.
"""
