"""Training, from nothing or from weights, on synthetic images or a user's own.

`data` makes batches, `learning` is what one step computes, `run` is the loop and what it leaves on disk, `synthetic`
draws images; `config` declares every option once.
"""
