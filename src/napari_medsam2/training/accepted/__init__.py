"""Learning from frames that a user said are right, and a simulation of what that saves.

Read `lesson`: what is learned from and what is left out to be scored. `learning` trains and says whether it is better,
`loop` simulates a user who annotates, has the network learn, and goes on.
"""
