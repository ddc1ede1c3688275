"""Many frames: what is known of every object, and which frame is segmented next.

Read `session` first, the Python interface; `state` is what it remembers. `propagation` is the generator that yields one
result a frame: `planning` and `steps` say what comes next, `frame_tasks` what is asked and what becomes of the answer.
`rivals` and `label_image` are about several objects on one frame.
"""
