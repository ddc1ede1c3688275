"""Windows, boxes, parts and overlap of masks: pure functions of arrays, without files and without a network.

Read `boxes`, then `window` (crop, resize and the exact way back), then the rest as needed.
"""
