"""What `edge-backend gaps` prints: for people as text, for programs as JSON."""

from __future__ import annotations

from typing import Any

from backend.completeness import Missing
from backend.gaps import Finding, SeriesProof
from protocols.quantities import by_number
from protocols.uplink.messages import Instant


def to_json(proofs: list[SeriesProof], found: list[Finding]) -> dict[str, Any]:
    """Plain data; `verdict` of the whole: the worst of all series, "unexplained" for any finding that costs
    messages."""
    return {
        "verdict": verdict(proofs),
        "series": [_proof(proof) for proof in proofs],
        "findings": [finding._asdict() for finding in found],
    }


def verdict(proofs: list[SeriesProof]) -> str:
    """ "complete", "gaps" or "unexplained"; "empty" where nothing matches."""
    verdicts = {proof.verdict for proof in proofs}
    for name in ("unexplained", "gaps", "complete"):
        if name in verdicts:
            return name
    return "empty"


def to_lines(proofs: list[SeriesProof], found: list[Finding]) -> list[str]:
    """One line for each series, its missing runs below it, then what is wrong with streams."""
    lines = []
    for proof in proofs:
        seen = f"{proof.values} values, {proof.nulls} nulls with their cause"
        undated = f", {proof.undated} undated" if proof.undated else ""
        lines.append(
            f"{proof.gateway} {proof.meter} {_name(proof.quantity)}: {proof.verdict} ({seen}{undated})"
        )
        lines += [f"  {_run(missing)}" for missing in proof.missing]
        if proof.missing_runs > len(proof.missing):
            lines.append(f"  and {proof.missing_runs - len(proof.missing)} more")
    lines += [f"{f.gateway or 'any'}: {f.code}: {_stream(f)}{f.text}" for f in found]
    return lines or ["no series matches"]


def _proof(proof: SeriesProof) -> dict[str, Any]:
    return {
        "gateway": proof.gateway,
        "key_id": proof.key_id,
        "meter": proof.meter,
        "quantity": _name(proof.quantity),
        "interval_ms": proof.interval_ms,
        "verdict": proof.verdict,
        "values": proof.values,
        "nulls": proof.nulls,
        "undated": proof.undated,
        "missing_slots": proof.missing_slots,
        "missing_runs": proof.missing_runs,
        "unexplained_runs": proof.unexplained_runs,
        "missing": [
            {
                "after": missing.start._asdict(),
                "before": None if missing.end is None else missing.end._asdict(),
                "count": missing.count,
                "reason": missing.reason,
            }
            for missing in proof.missing
        ],
    }


def _run(missing: Missing) -> str:
    count = "restart: an unknown number of" if missing.count is None else str(missing.count)
    until = "" if missing.end is None else f" and {_instant(missing.end)}"
    return f"{count} slots missing between {_instant(missing.start)}{until}: {missing.reason}"


def _instant(instant: Instant) -> str:
    return f"boot {instant.boot} {instant.ms} ms"


def _stream(finding: Finding) -> str:
    return "" if finding.stream is None else f"stream {finding.stream}: "


def _name(quantity: int) -> str:
    try:
        return by_number(quantity).name
    except KeyError:
        return f"quantity-{quantity}"
