"""The browser app: a loop that plays while one draws on its photo."""
