"""``napari-medsam2 batch``: many sequences on many workers. rows.py reads jobs from a table, folder.py makes them of a
folder, jobs.py says which are due, records.py how that is known; clusters.py gets workers, work.py is what these do,
running.py hands out and collects, summary.py is what people see in the end, command.py puts it together.
"""
