"""Hostile files and forms through every door: `make uploads` prints what became of each."""
