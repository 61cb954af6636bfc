"""Landlock: this process and all that it starts write in one folder only, and reach no process outside of themselves.

To reach is to signal, to look into memory and open files, to trace. Linux 5.13 on, signals from 6.12 on, where the
system has it switched on; elsewhere nothing changes. See man 7 landlock. The standard library only: this file is
copied into the job.
"""

import os
import struct
import sys

CREATE, ADD, RESTRICT = 444, 445, 446  # system calls
ASK_VERSION, PATH_BENEATH, NO_NEW_PRIVS = 1, 1, 38
FILES = 1 << 1 | 1 << 14  # write into one, cut one short
FOLDERS = sum(1 << bit for bit in range(4, 14))  # make, move and delete what is in one
SIGNALS = 1 << 1
SINCE = {"cutting short": 3, "moving": 2, "signals": 6}  # the first version with each


def version() -> int:
    """What the Landlock of this system can; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    import ctypes

    return max(0, ctypes.CDLL(None).syscall(CREATE, None, 0, ASK_VERSION))


def confine(folder: str) -> bool:
    """From now on write in this folder and to /dev/null alone; returns whether the system could do it."""
    known = version()
    if not known:
        return False
    import ctypes

    libc = ctypes.CDLL(None)
    rights = (FILES if known >= SINCE["cutting short"] else 1 << 1) | FOLDERS
    rights &= -1 if known >= SINCE["moving"] else ~(1 << 13)
    rules = struct.pack("QQQ", rights, 0, SIGNALS)[: 24 if known >= SINCE["signals"] else 8]
    ruleset = libc.syscall(CREATE, rules, len(rules), 0)
    failed = ruleset < 0
    for path, allowed in ((folder, rights), (os.devnull, rights & FILES)):
        place = os.open(path, os.O_PATH)
        failed |= libc.syscall(ADD, ruleset, PATH_BENEATH, struct.pack("=Qi", allowed, place), 0) != 0
        os.close(place)
    failed = failed or libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.syscall(RESTRICT, ruleset, 0) != 0
    if ruleset >= 0:
        os.close(ruleset)
    return not failed
