"""The command line of the worker's room: worker, job, dead, reindex, verify, export, import, info, settings.

`penstock.py` composes it with the embedded servers' commands.
"""

from __future__ import annotations

import typer

from . import dead, export, import_file, info, job, reindex, run, show_settings, verify

app = typer.Typer(
    name="penstock",
    help="The indexing worker: Redis-queued jobs, batched into Elasticsearch, each with its own report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("worker")(run.worker)
app.command("info")(info.info)
app.command("settings")(show_settings.show_settings)
app.command("verify")(verify.verify)
app.command("export")(export.export_index)
app.command("import")(import_file.import_file)
app.add_typer(job.app, name="job")
app.add_typer(dead.app, name="dead")
app.add_typer(reindex.app, name="reindex")
