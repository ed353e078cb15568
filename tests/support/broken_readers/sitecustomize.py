"""Python imports this when it starts, where this folder is on its path: in the processes of `lambda_host`, alone.

It breaks the reader of images, as a bound that somebody forgot would: for photos that end in one of these words.
"""

import ctypes
import time

from image_processor.columns import extract as extract_module

walk = extract_module.walk


def sleep():
    time.sleep(3600)


def eat():
    """Eat 800 MB a second; after 1.6 GB be content, since nothing but this machine would be proved."""
    eaten = []
    while len(eaten) < 400:
        eaten.append(b"x" * (4 << 20))
        time.sleep(0.005)
    sleep()


def crash():
    ctypes.string_at(0)


HABITS = {b"sleeps": sleep, b"eats memory": eat, b"crashes": crash}


def walk_or_break(source):
    content = source.read(0, source.size)
    for word, habit in HABITS.items():
        if content.endswith(word):
            habit()
    return walk(source)


extract_module.walk = walk_or_break
