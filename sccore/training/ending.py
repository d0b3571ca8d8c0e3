"""How a training ends at a signal."""

import signal

ENDED: list[BaseException] = []  # what a signal has raised


def end_at_signals():
    """Ctrl-C and SIGTERM end a training, with the codes that a shell knows and no half-written file.

    What is raised while Python finalises an object is dropped; so the loop looks for it, too.
    """

    ENDED.clear()

    def end(number, frame):
        ENDED.append(KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number))
        raise ENDED[0]

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
