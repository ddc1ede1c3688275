"""The small network that comes with the package.

Read `network` first, which composes the parts; `adaptation` lets its decoder learn from masks that a user drew. Weights
with pretrained parts have `prior`, what photographs taught, `outline`, which has MobileSAM draw what prompts show, and
`back_check`, which tells how far an answer in a flow is to be believed.
"""
