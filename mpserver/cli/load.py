"""Reading the configuration for a command, with its errors and warnings on standard error."""

from __future__ import annotations

import os

from mpserver.api import error_log
from mpserver.errors import ConfigError, ConfigErrors
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.cli.options import Options
    from mpserver.config.configuration import Configuration
    from mpserver.modules.ssl.phrases import Phrases
    from mpserver.supervisor.reading import Reading


def read(options: Options, phrases: Phrases | None = None) -> Configuration:
    """Read the configuration, and check what it says about the machine.

    :param phrases: what knows the pass phrases of keys that were asked for before.
    :raises ConfigErrors: every fault that was found.
    """
    from mpserver.cli import meant, readable, same_names
    from mpserver.config.configuration import load
    from mpserver.modules import values
    from mpserver.modules.all import registry
    from mpserver.modules.filter import names
    from mpserver.modules.log_config import nicknames
    from mpserver.modules.md import domains
    from mpserver.modules.proxy import checks
    from mpserver.modules.ssl import phrases as phrases_module
    from mpserver.modules.ssl import profiles
    from mpserver.modules.wsgi import groups
    from mpserver.phases.applications import environments
    from mpserver.phases.lazy_imports import lazy
    from mpserver.phases.variables import variables

    configuration = load(
        options.file,
        registry(),
        root=options.root,
        defines=dict(options.defines),
        before=options.before,
        after=options.after,
    )
    checks.number(configuration)
    found = environments(configuration)
    confs = [configuration.main.own_conf, *(host.own_conf for host in configuration.hosts)]
    unknown, warnings = names.check(confs)
    faults = found.faults + variables(configuration).faults + unknown + groups.check(configuration)
    faults += lazy(configuration, found.by_name, options.checks).faults + checks.faults(configuration)
    configuration.warnings += [*warnings, *nicknames.warnings(confs[0], confs[1:])]
    if options.begins and options.command == "start":
        configuration.domains, kept, md_faults = domains.work_out(configuration, opens=not options.test)
        configuration.encryption, its_faults = profiles.work_out(
            configuration, phrases or phrases_module.Phrases(), kept
        )
        faults += md_faults or its_faults  # (hosts whose certificates can't be worked out have none)
    if options.checks and options.begins:
        faults += values.check(confs)
        unreadable, warnings = readable.check(configuration, found.by_name)
        faults += unreadable
        configuration.warnings += warnings
    if faults:
        raise ConfigErrors(faults)
    if options.test and options.checks:
        configuration.warnings += _unstartable(configuration, options.file)
    if options.checks and options.begins:
        configuration.warnings += [*same_names.warnings(configuration), *meant.warnings(configuration)]
    return configuration


def _unstartable(configuration: Configuration, file: str) -> list[str]:
    """What a start by this account would be refused for, and a look at the configuration alone does not show."""
    from mpserver.errors import StartError
    from mpserver.supervisor.settings import decide, missing_folders

    found = list(missing_folders(configuration))
    try:
        decide(configuration.main.conf, file, os.geteuid())
    except StartError as error:
        found.append(str(error))
    return found


def finish(configuration: Configuration) -> Reading:
    """Make of a configuration what serving takes; what it was made of, directives and all, is not needed any more.

    :raises StartError: it can't be served; the text says why.
    """
    from mpserver.modules.proxy import checks
    from mpserver.phases import survey
    from mpserver.supervisor.reading import Reading
    from mpserver.supervisor.settings import process_settings

    conf = process_settings(configuration)
    members = checks.find(configuration)
    finished = survey.finish(configuration, configuration.encryption)
    return Reading(conf, finished, configuration.encryption, configuration.domains, members)


def warn(options: Options, configuration: Configuration) -> None:
    """Show the warnings of the configuration."""
    if options.level >= error_log.WARN and options.command == "start":
        for warning in configuration.warnings:
            error_log.to_terminal(f"Warning: {warning}")


def complain(error: ConfigErrors | ConfigError) -> None:
    """Show the faults of the configuration as httpd does."""
    for fault in error.errors if isinstance(error, ConfigErrors) else (error,):
        error_log.to_terminal(f"mpserver: {fault}" if fault.file is None else f"AH00526: {fault}")
