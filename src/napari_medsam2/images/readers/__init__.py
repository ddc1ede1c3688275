"""One file a format: each makes :class:`..opened.OpenedImages` of a path, by a library made for it.

A reader is a function ``open_NAME(path, options)``; :mod:`napari_medsam2.images.formats` says which one a path needs.
"""
