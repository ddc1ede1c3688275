"""An engine whose network runs on a server: the same requests and events as those of :mod:`napari_medsam2.engine`.

Read `engine` (what is asked), `link` (the connection, and how it comes back), `talk` (one session on a server),
`script` (what a server that forgot has to do again), `uploads` (pixels), `client` (HTTP) and `address`. Nothing here
needs torch.
"""
