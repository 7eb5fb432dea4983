"""The site: it reads papers and code as text, and never imports torch."""
