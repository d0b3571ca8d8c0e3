"""Leaves out cells that are tagged `slow`, such as those that train a model: they run in the notebook, and the book shows records instead."""


def skip(app, docname, source):
    source[0] = source[0].replace("tags: [slow]", "tags: [skip-execution]")


def setup(app):
    app.connect("source-read", skip)
    return {"parallel_read_safe": True}
