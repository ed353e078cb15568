"""Lambda's context object: what the handlers and Powertools read of it."""

from dataclasses import dataclass


@dataclass
class LambdaContext:
    """What Lambda tells a function about its invocation; `left_ms` is what is left of its time, in milliseconds."""

    left_ms: int = 60_000
    function_name: str = "function"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:111122223333:function:function"
    aws_request_id: str = "00000000-0000-4000-8000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms
