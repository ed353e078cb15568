"""What an event source mapping of a stream is set to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Settings:
    """The mapping's settings, as GetEventSourceMapping names them; -1 means without limit."""

    mapping_id: str
    function_arn: str
    stream_arn: str
    batch_size: int = 100
    window_seconds: float = 0
    parallel_batches: int = 1
    bisect: bool = False
    partial_failures: bool = False
    retry_attempts: int = -1
    record_age_seconds: float = -1
    on_failure: str | None = None

    @classmethod
    def of_mapping(cls, mapping: Mapping[str, Any]) -> "Settings":
        """Read the settings of a deployed mapping (the answer of GetEventSourceMapping)."""
        return cls(
            mapping_id=mapping["UUID"],
            function_arn=mapping["FunctionArn"],
            stream_arn=mapping["EventSourceArn"],
            batch_size=mapping["BatchSize"],
            window_seconds=mapping.get("MaximumBatchingWindowInSeconds") or 0,
            parallel_batches=mapping.get("ParallelizationFactor") or 1,
            bisect=mapping.get("BisectBatchOnFunctionError", False),
            partial_failures="ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or ()),
            retry_attempts=mapping.get("MaximumRetryAttempts", -1),
            record_age_seconds=mapping.get("MaximumRecordAgeInSeconds", -1),
            on_failure=(mapping.get("DestinationConfig") or {}).get("OnFailure", {}).get("Destination"),
        )
