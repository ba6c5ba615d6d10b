"""An interpretation as JSON values for other programs."""

from __future__ import annotations

import argparse
from typing import Any

from .._util.config import configuration
from ..evidence._checks import distinct_rows
from ..evidence._interpretation import Interpretation
from ..evidence._panel import Panel
from ..evidence._verdicts import LEVEL


def findings_record(result: Interpretation, options: argparse.Namespace) -> dict[str, Any]:
    """Return the findings with all that is needed to check and to repeat them."""
    return _common(result, options) | {
        "doubt": result.doubt,
        "findings": [finding.to_dict() for finding in result.findings],
    }


def panel_record(panel: Panel, options: argparse.Namespace) -> dict[str, Any]:
    """Return each claim over several networks."""
    first = panel.interpretations[0]
    findings = [
        finding._asdict() | {"values": finding.values.tolist(), "sentence": finding.sentence}
        for finding in panel.findings
    ]
    doubts = [each.doubt for each in panel.interpretations]
    return _common(first, options) | {"doubts": doubts, "findings": findings}


def _common(result: Interpretation, options: argparse.Namespace) -> dict[str, Any]:
    """Return network, inputs, nulls and controls, and versions."""
    inputs = result.study.inputs
    assert inputs is not None
    network = result.study.network
    return {
        "networks": [str(path) for path in getattr(options, "network", [])],
        "widths": [network.n_in, *(linear.n_out for linear in network.linears)],
        "output": str(options.output),
        "inputs": {
            "path": str(options.inputs) if getattr(options, "inputs", None) else None,
            "rows": len(inputs),
            "distinct": distinct_rows(inputs),
            "shared_with_nulls": result.n_null_inputs,
        },
        "nulls": {"draws": result.n_nulls, "kinds": [kind.name for kind in result.kinds]},
        "controls": dict(result.n_controls),
        "level": LEVEL,
        "seed": result.seed,
        "versions": configuration(),
    }
