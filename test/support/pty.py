#!/usr/bin/env python3
"""Runs a program on a terminal of its own: stdin is what is typed, stdout what it writes. Usage: pty.py COLUMNS ROWS
PROGRAM [ARGUMENT...]; each line on descriptor 3 is a new size, `COLUMNS ROWS`. Ends with the program's exit code."""
import fcntl
import os
import select
import struct
import sys
import termios


def resize(terminal, columns, rows):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", int(rows), int(columns), 0, 0))


child, terminal = os.forkpty()
if child == 0:
    resize(0, sys.argv[1], sys.argv[2])
    os.execvp(sys.argv[3], sys.argv[3:])

typed, sizes = 0, 3
sources = [terminal, typed, sizes]
while True:
    readable, _, _ = select.select(sources, [], [])
    if typed in readable:
        text = os.read(typed, 65536)
        if text:
            os.write(terminal, text)
        else:
            sources.remove(typed)
    if sizes in readable:
        lines = os.read(sizes, 4096).decode().splitlines()
        if not lines:
            sources.remove(sizes)
        for line in lines:
            resize(terminal, *line.split())
    if terminal in readable:
        try:
            output = os.read(terminal, 65536)
        except OSError:  # EIO: the program and all its children have closed it.
            output = b""
        if not output:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) % 256)
        sys.stdout.buffer.write(output)
        sys.stdout.buffer.flush()
