"""Penstock's settings: values from the environment, checked once, frozen.

    settings = load()      # or SettingsError, one line for each problem
    shown(settings)        # rows for people, secrets masked
    unknown_variables()    # PENSTOCK_ variables that set nothing

It imports none of the other rooms.
"""

from settings.elasticsearch_url import ElasticsearchUrl
from settings.errors import SettingsError
from settings.loading import load
from settings.redis_url import RedisUrl
from settings.shown import ShownSetting, shown
from settings.unknown import unknown_variables
from settings.values import Settings

__all__ = [
    "ElasticsearchUrl",
    "RedisUrl",
    "Settings",
    "SettingsError",
    "ShownSetting",
    "load",
    "shown",
    "unknown_variables",
]
