"""Networks in plain NumPy with the backward written out: the reference that a student reads."""
