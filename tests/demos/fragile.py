"""A decoder that does to itself what the first bytes of a picture say."""

import json
import os
import resource
import signal
import socket
import time

from demos.intake import decoder


def decode(file):
    word, _, number = file.read().decode().partition(" ")
    if word == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "compute":
        while True:
            pass
    if word == "sleep":
        time.sleep(float(number))
    if word == "memory":
        bytearray(int(number))
    if word == "core":
        raise decoder.ImageError("empty", json.dumps(resource.getrlimit(resource.RLIMIT_CORE)))
    raise decoder.ImageError("empty", "Still here.")


decoder.decode = decode
decoder.PATIENCE = int(os.environ.get("PATIENCE", decoder.PATIENCE))
decoder.SECONDS = 1

if __name__ == "__main__":
    decoder.serve(socket.socket(fileno=0))
    os.killpg(0, signal.SIGKILL)
