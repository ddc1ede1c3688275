"""The small network that comes with the package.

Read `network` first, which composes the parts; `adaptation` lets its decoder learn from masks that a user drew;
`prior` holds features of photographs, for weights that have them.
"""
