"""Images to learn from: letters made here, a user's own folder, and what is unlike both."""
