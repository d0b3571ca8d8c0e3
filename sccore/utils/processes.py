"""Processes that work for another one."""

import multiprocessing
import os
import threading


def end_with_parent():
    """Ends this process when the one that started it is gone, however that ended."""

    def wait():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
