"""Metrics as the client library of Prometheus reads them; an error where they are not in its formats."""

from __future__ import annotations

from typing import Any

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics


def parse_prometheus(text: str) -> list[Any]:
    """The families of a text."""
    return list(parser.text_string_to_metric_families(text))


def parse_openmetrics(text: str) -> list[Any]:
    """The families of a text in the format of OpenMetrics, which is checked more strictly."""
    return list(openmetrics.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
