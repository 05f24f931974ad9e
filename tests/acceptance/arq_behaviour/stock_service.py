"""The same service for arq's own command: its classes hold Penstock's jobs beside the service's functions."""

from settings import load
from tests.acceptance.arq_behaviour.service import CRON, OPTIONS
from worker.stock import worker_settings

Service = worker_settings(load(), **OPTIONS)
ServiceWithCron = worker_settings(load(), **OPTIONS, **CRON)
