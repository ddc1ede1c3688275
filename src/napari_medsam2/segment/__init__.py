"""One object on one frame: where to look, what the network says there, and what becomes of that.

Read `task` first (question and answer), then `options` (the strategies, and which one is chosen) and `segmenter`.
`finder` is what the strategies have in common: `following` and `close_up` for stacks, `whole_frame` for flows. They
place windows by the rules in `windows` and `tiles`, and run the network through `window_predictor`.
"""
