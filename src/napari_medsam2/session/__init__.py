"""Many frames: what is known of every object, and which frame is segmented next.

Read `session` first, the Python interface; `state` is what it remembers, `planning` the order of frames, `propagation`
the generator that yields one result a frame, `rivals` and `label_image` what several objects leave to each other.
"""
