"""Runs a command and writes what it cost: python -S -E time_child.py RESULT COMMAND [ARGUMENT...]

Linux keeps the resident memory of whoever starts a program as the program's own peak, so it must be
started by somebody small: this, not the benchmark with its libraries.
"""
import os
import sys
import time

started = time.perf_counter()
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
wall = time.perf_counter() - started
with open(sys.argv[1], "w") as result:
    print(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, file=result)
sys.exit(os.waitstatus_to_exitcode(status) & 255)
