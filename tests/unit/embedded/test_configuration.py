"""The texts that the servers are configured with."""

from pathlib import Path

import yaml

from embedded.configuration import elasticsearch_yml, jvm_options, redis_arguments

DISTRIBUTED = """\
-XX:+UseG1GC
-Djava.io.tmpdir=${ES_TMPDIR}
20-:--add-modules=jdk.incubator.vector
-XX:+ExitOnOutOfMemoryError
-Xlog:gc*,gc+age=trace,safepoint:file=gc.log:utctime,level,pid,tags:filecount=32,filesize=64m
"""


def test_jvm_options_drop_the_module_that_the_java_runtime_has_not() -> None:
    options = jvm_options(DISTRIBUTED, 1024).splitlines()

    assert not any("jdk.incubator.vector" in option for option in options)
    assert not any(option.startswith("-Xlog:gc") for option in options)
    assert {"-XX:+UseG1GC", "-Djava.io.tmpdir=${ES_TMPDIR}", "-XX:+ExitOnOutOfMemoryError"} < set(options)


def test_jvm_options_set_the_heap() -> None:
    options = jvm_options(DISTRIBUTED, 512).splitlines()

    assert {"-Xms512m", "-Xmx512m"} < set(options)


def test_elasticsearch_is_one_node_on_loopback_without_security_and_disk_marks() -> None:
    settings = yaml.safe_load(elasticsearch_yml(Path("/srv/node"), "9210", "15000-15099", {}))

    assert settings["network.host"] == "127.0.0.1"
    assert settings["discovery.type"] == "single-node"
    assert settings["http.port"] == "9210"
    assert settings["transport.port"] == "15000-15099"
    assert settings["xpack.security.enabled"] == "false"
    assert settings["cluster.routing.allocation.disk.threshold_enabled"] == "false"
    assert settings["path.data"] == "/srv/node/data"


def test_a_callers_setting_wins_over_ours() -> None:
    extra = {"xpack.security.enabled": "true", "http.max_content_length": "1mb"}
    settings = yaml.safe_load(elasticsearch_yml(Path("/srv/node"), "9210", "9310", extra))

    assert settings["xpack.security.enabled"] == "true"
    assert settings["http.max_content_length"] == "1mb"


def test_a_path_with_quotes_stays_one_yaml_value() -> None:
    settings = yaml.safe_load(elasticsearch_yml(Path("/srv/it's: here"), "9210", "9310", {}))

    assert settings["path.data"] == "/srv/it's: here/data"


def test_redis_keeps_an_append_only_file_and_evicts_nothing() -> None:
    arguments = redis_arguments(16379, Path("/srv/data"))
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))

    assert options["--bind"] == "127.0.0.1"
    assert options["--port"] == "16379"
    assert options["--databases"] == "1024"
    assert (options["--appendonly"], options["--appendfsync"]) == ("yes", "everysec")
    assert options["--maxmemory-policy"] == "noeviction"
    assert options["--dir"] == "/srv/data"
