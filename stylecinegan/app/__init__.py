"""The browser app: an editor that previews the loop while the user draws on the photo."""
