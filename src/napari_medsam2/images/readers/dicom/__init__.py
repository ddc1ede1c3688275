"""DICOM, by pydicom and highdicom; images/dicom_recognition.py finds the files.

header.py and planes.py read what they say by tags.py and clock.py, series.py sorts planes into stacks and chooses one,
repeats.py and geometry.py order it in time and space, pixels.py reads one plane with decoding.py and values.py,
opening.py puts it together.
"""
