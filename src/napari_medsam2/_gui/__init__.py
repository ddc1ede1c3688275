"""The face: all that knows napari and Qt, together with `_widget`.

Read `controller` first (what the user can do), then `dock_state` (what there is to show); `layers` is the way between
napari's layers and prompts and labels, `panels` are the widgets.
"""
