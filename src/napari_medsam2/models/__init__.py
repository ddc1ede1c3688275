"""From a model's name or file to a network that is ready to run.

Read `registry` first (the table of models), then `loading`; `device` chooses where it runs, `download` and `remote`
bring published files here.
"""
