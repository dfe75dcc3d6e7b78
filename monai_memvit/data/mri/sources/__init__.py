"""Where the sequences of a study are: DICOM, BIDS and file names, tables; each with a reason."""
