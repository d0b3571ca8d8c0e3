"""Keeps a script that two extensions add to each page from running twice, which a browser reports as an error."""


def each_once(app, pagename, templatename, context, doctree):
    scripts = {(getattr(s, "filename", s) or "", getattr(s, "attributes", {}).get("body")): s for s in context.get("script_files", [])}
    context["script_files"] = list(scripts.values())


def setup(app):
    app.connect("html-page-context", each_once, priority=900)
    return {"parallel_read_safe": True}
