"""The face: all that knows napari and Qt, together with `_widget`.

Read `controller` first (what the user can do), then `dock_state` (what there is to show) and `dock_store` (who holds
it). The controller joins `image_choice`, `model_choice`, `keeping` and `engine_client`, which share that store.
`layers` is the way between napari's layers and prompts and labels, `panels` are the widgets.
"""
