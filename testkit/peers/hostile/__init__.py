"""Hostile clients and origin servers on real sockets, and proxies scored by them.

`corpus` reads `testdata/hostile/`, `play` plays a case through a running proxy,
`strict` reads what came out and forgives nothing, `oracle` says what must hold,
`score` writes `docs/evidence/hostile.md`.
"""
