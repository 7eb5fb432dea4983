"""Drawings of methods: a description in TOML, laid out and written as SVG."""
