"""The constants against the list of api 3.5 section 4."""

from __future__ import annotations

import pytest

from mpserver.api import constants

#: Prefix: the values of its constants, as they are published.
FAMILIES = {
    "M_": set(range(27)),
    "REMOTE_": set(range(4)),
    "FINFO_": set(range(13)),
    "URI_": set(range(9)),
    "PROXYREQ_": set(range(4)),
    "AP_REQ_": set(range(3)),
    "AP_CONN_": set(range(3)),
    "AP_MPMQ_": set(range(13)),
    "REQUEST_": set(range(3)),
    "APLOG_": set(range(8)),
}


@pytest.mark.parametrize("prefix", FAMILIES)
def test_families_are_complete(prefix: str) -> None:
    assert {getattr(constants, name) for name in constants.EXPORTS if name.startswith(prefix)} == FAMILIES[prefix]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OK", 0), ("DECLINED", -1), ("DONE", -2), ("REQ_PROCEED", 0), ("REQ_NOACTION", -1), ("REQ_ABORTED", 500),
        ("REQ_EXIT", "REQ_EXIT"), ("HTTP_MOVED_TEMPORARILY", 302), ("HTTP_REQUEST_URI_TOO_LARGE", 414),
        ("HTTP_NOT_EXTENDED", 510), ("APLOG_NOERRNO", 0), ("APR_UNKFILE", 127), ("APR_FINFO_NORM", 0x73B170),
        ("MODULE_MAGIC_NUMBER_MAJOR", 20120211), ("DIR_MAGIC_TYPE", "httpd/unix-directory"),
        ("AP_MPMQ_MAX_DAEMONS", 12), ("M_INVALID", 26), ("REMOTE_DOUBLE_REV", 3),
    ],
)  # fmt: skip
def test_published_values(name: str, value: object) -> None:
    assert name in constants.EXPORTS
    assert getattr(constants, name) == value


def test_statuses() -> None:
    statuses = [getattr(constants, name) for name in constants.EXPORTS if name.startswith("HTTP_")]
    assert len(statuses) == len(set(statuses)) == 50
    assert all(100 <= status < 600 for status in statuses)


def test_masks_are_made_of_their_bits() -> None:
    assert constants.APR_FINFO_MIN == (
        constants.APR_FINFO_TYPE
        | constants.APR_FINFO_MTIME
        | constants.APR_FINFO_CTIME
        | constants.APR_FINFO_ATIME
        | constants.APR_FINFO_SIZE
    )
    assert constants.APR_FINFO_IDENT == constants.APR_FINFO_DEV | constants.APR_FINFO_INODE
    assert constants.APR_FINFO_OWNER == constants.APR_FINFO_USER | constants.APR_FINFO_GROUP


def test_methods_and_phases() -> None:
    assert constants.METHOD_NUMBERS["HEAD"] == constants.METHOD_NUMBERS["GET"] == constants.M_GET
    assert set(constants.METHOD_NUMBERS.values()) == set(range(26))
    assert "PythonCleanupHandler" not in constants.REQUEST_PHASES
    assert len(constants.REQUEST_PHASES) == 11


def test_the_engine_s_tables_are_not_exported() -> None:
    assert not {"EXPORTS", "METHOD_NUMBERS", "REQUEST_PHASES"} & set(constants.EXPORTS)
