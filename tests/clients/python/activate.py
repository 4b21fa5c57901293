"""Starts a program as systemd does that listens for it: with a socket as descriptor 3.

    activate.py NAME PROGRAM [ARGUMENT...]

Tells the port that it listens on, and becomes the program.
"""

import os
import socket
import sys

name, *command = sys.argv[1:]
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
if listener.fileno() != 3:
    os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES=name)
os.execv(command[0], command)
