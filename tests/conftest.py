import os
import signal


def stop(*_):
    """Told to stop, once or more often: as by Ctrl-C, so that the fixtures stop their servers."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, stop)

os.environ["PATH"] += ":/usr/sbin:/sbin"  # where a user's own does not look for nginx
