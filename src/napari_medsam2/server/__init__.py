"""Our engine for windows elsewhere: sessions of several people on one machine with a GPU, over HTTP.

Read `settings` first, then `app` (what can be asked), `sessions` (who may have how many for how long), `served` (one of
them: an engine, its images in `frames`, its requests in `feed`, what it says in `outbox`), `turns` and `models` (what
they share), and `access`, `bodies` and `connections` (what keeps strangers and broken clients out).
"""
