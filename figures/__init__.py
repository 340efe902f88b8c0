"""The lectures' figures: one file each with compute, claim and draw; the file's stem is its id.

Files whose names begin with an underscore make, register and style the figures.
"""
