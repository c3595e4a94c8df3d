"""Routes of the app and their handlers."""
