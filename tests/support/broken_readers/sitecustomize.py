"""Python imports this when it starts, where this folder is on its path: in processes that tests start.

It breaks the reader of images, as a bound that somebody forgot would: for photos that end in one of these words.
"""

import ctypes
import os
import re
import sys
import time

from image_processor.columns import extract as extract_module

walk = extract_module.walk


def sleep():
    time.sleep(3600)


def eat():
    """Eat 800 MB and keep them: more would be at the cost of who shares this machine."""
    eaten = []
    while len(eaten) < 50:
        eaten.append(b"x" * (16 << 20))
    sleep()


def crash():
    ctypes.string_at(0)


def hold():
    re.match("(a+)+$", "a" * 60 + "b")


def leave():
    os._exit(3)


def babble():
    """Announce a message of 2 GB."""
    os.write(int(sys.argv[1]), b"\x7f\xff\xff\xff")
    sleep()


def fail():
    raise ZeroDivisionError("a fault")


def tell():
    print("a secret", flush=True)


HABITS = {
    b"sleeps": sleep,
    b"eats memory": eat,
    b"crashes": crash,
    b"holds the interpreter": hold,
    b"leaves": leave,
    b"fails": fail,
    b"babbles": babble,
    b"prints": tell,
}


def walk_or_break(source):
    content = source.read(0, source.size)
    for word, habit in HABITS.items():
        if content.endswith(word):
            habit()
    return walk(source)


extract_module.walk = walk_or_break
