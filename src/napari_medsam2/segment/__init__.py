"""One object on one frame: where to look, what the network says there, and what becomes of that.

Read `task` first (question and answer), then `segmenter`; `finder` is what the ways of looking have in common:
`following` (stacks), `close_up` (stacks, networks for whole frames) and `whole_frame` (flows). They place
windows by the rules in `windows` and `tiles`, and run the network through `window_predictor`.
"""
