"""A Ctrl-C that comes while a test runs, and never later."""

import os
import signal
import threading
import time
from contextlib import contextmanager


@contextmanager
def ctrl_c_after(seconds):
    """Send this process a SIGINT, unless the block has ended by then; gives the list that holds when it was sent."""
    sent = []

    def send():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(seconds, send)
    timer.start()
    try:
        yield sent
    finally:
        timer.cancel()
