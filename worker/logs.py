"""The worker's log: text for people, or one JSON object a line for machines. Set up once, at start."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from jobs import JobFailed
from settings import Settings


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, process, message, and the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        members = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        if record.exc_info:
            members["traceback"] = self.formatException(record.exc_info)
        # json, not orjson: a message may hold half a surrogate pair, out of an id or a file name.
        return json.dumps(members)


class _NotARefusal(logging.Filter):
    """Drops arq's traceback of a JobFailed: that is an answer, not a defect, and may quote documents."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], JobFailed))


_TEXT = "%(asctime)s %(levelname)-7s %(process)d %(name)s: %(message)s"


def set_up_logging(settings: Settings) -> None:
    """Log to standard error in the form and from the weight that the settings name.

    arq's own lines quote the arguments of jobs: only its warnings are let through.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else logging.Formatter(_TEXT))
    handler.addFilter(_NotARefusal())
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    level = logging.getLevelName(settings.log_level)
    for name in ("arq", "elastic_transport", "elasticsearch", "asyncio"):
        logging.getLogger(name).setLevel(max(logging.WARNING, level))
    # It warns at every failed try: one a second for as long as an outage lasts. Our own line says once that
    # Elasticsearch is away, and once that it is back.
    logging.getLogger("elastic_transport.node_pool").setLevel(max(logging.ERROR, level))
