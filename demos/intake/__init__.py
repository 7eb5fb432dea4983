"""What strangers send, made into plain pictures and clips in a process apart."""
