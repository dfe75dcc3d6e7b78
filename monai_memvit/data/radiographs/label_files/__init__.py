"""The label files of the public chest X-ray sets, and any CSV, read into one form."""
