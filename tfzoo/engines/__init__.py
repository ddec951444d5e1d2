"""Engines: what takes a run's inputs through a detector, on this machine or on many.

An engine is a function `run(job, ...)` that seals every part of a run that is not sealed yet.
`tfzoo.engines.local` needs nothing but threads; `tfzoo.engines.ray` spreads parts over a cluster.
Both write the same parts, so a run begun by one may be finished by the other.
"""
