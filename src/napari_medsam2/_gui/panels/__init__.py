"""The widgets of the dock: each binds what it shows to the state, and asks the controller; they hold nothing.

Read `bindings` first, then `panel`, then the panels from `image_panel` on.
"""
