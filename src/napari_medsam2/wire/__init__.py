"""What goes over the network between a window and a server: requests, events and pixels, never code.

Read `codec` first (values as JSON), then `calls` (requests), `lines` (what a server streams) and `chunks` (pixels).
"""
