"""The addresses of the app, and what each answers."""
