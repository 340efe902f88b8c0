"""One file a room: a new file here is a new page."""
