"""The labelling page: one application, mounted by the server under /ui/label or served alone by `assay label serve`.

app.mount("/ui/label", labelling_app(database))
"""

from assay.server.labelling.app import labelling_app, standalone_app
from assay.server.labelling.running import serve

__all__ = ["labelling_app", "serve", "standalone_app"]
