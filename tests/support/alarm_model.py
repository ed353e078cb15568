"""CloudWatch as far as the template's alarms need it: metrics of what functions print, and what alarms make of them.

Sources: CloudWatch User Guide, "Using Amazon CloudWatch alarms" (evaluation, M out of N, missing data), "Using math
expressions", and "Specification: CloudWatch embedded metric format".
"""

import ast
import contextlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Series = tuple[str, str, frozenset[tuple[str, str]]]  # namespace, name, dimensions

_STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "Sum": sum,
    "Maximum": max,
    "Minimum": min,
    "Average": lambda values: sum(values) / len(values),
    "SampleCount": len,
}
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


class Metrics:
    """Values of metrics by series and time, in seconds."""

    def __init__(self) -> None:
        self.values: dict[Series, list[tuple[float, float]]] = {}
        self.units: dict[Series, str] = {}

    def add(self, at: float, namespace: str, name: str, value: float, **dimensions: str) -> None:
        """Add one value."""
        self.values.setdefault((namespace, name, frozenset(dimensions.items())), []).append((at, value))

    def add_printed(self, at: float, printed: str) -> None:
        """Add what a function printed in the embedded metric format; other lines are passed over."""
        for line in printed.splitlines():
            if '"_aws"' not in line:
                continue
            content = json.loads(line)
            for directive in content["_aws"]["CloudWatchMetrics"]:
                for names in directive["Dimensions"]:
                    dimensions = {name: content[name] for name in names}
                    for metric in directive["Metrics"]:
                        value = content[metric["Name"]]
                        for each in value if isinstance(value, list) else [value]:
                            self.add(at, directive["Namespace"], metric["Name"], each, **dimensions)

    def invoke(self, at: float, function: str, call: Callable[[], Any], *, took: float = 0.1) -> str:
        """Call a function as Lambda does, with the metrics that Lambda itself keeps of it; `took` in seconds.

        Returns:
            What the function printed.
        """
        printed = io.StringIO()
        failed = 0
        with contextlib.redirect_stdout(printed):
            try:
                call()
            except Exception:
                failed = 1
        self.add_printed(at, printed.getvalue())
        for name, value in {"Invocations": 1, "Errors": failed, "Duration": took * 1000}.items():
            self.add(at, "AWS/Lambda", name, value, FunctionName=function)
        return printed.getvalue()

    def knows(self, series: Series, end: float) -> bool:
        """Say whether a metric had any value before `end`."""
        return any(at < end for at, _ in self.values.get(series, []))

    def statistic(self, series: Series, statistic: str, start: float, end: float) -> float | None:
        """Give a statistic of the values from `start` up to `end`; None if there are none."""
        values = [value for at, value in self.values.get(series, []) if start <= at < end]
        return _STATISTICS[statistic](values) if values else None


@dataclass
class Alarm:
    """An alarm of the template, its references resolved.

    Attributes:
        fired: when it did.
        looked_at_until: the time up to which the last `run` went; the next one may go on there.
    """

    properties: Mapping[str, Any]
    state: str = "INSUFFICIENT_DATA"
    fired: list[float] = field(default_factory=list)
    looked_at_until: float = 0.0

    @property
    def series(self) -> Iterator[tuple[Series, str, int]]:
        """Name the metrics that it looks at, each with statistic and period."""
        for _, found, statistic, period in self._metrics():
            yield found, statistic, period

    @property
    def period(self) -> int:
        """Seconds of one data point."""
        (period,) = {period for _, _, period in self.series}
        return period

    def run(self, metrics: Metrics, start: float, end: float) -> str:
        """Evaluate period by period, and give the state at the end."""
        count = int(self.properties["EvaluationPeriods"])
        for now in range(int(start) + self.period, int(end) + 1, self.period):
            points = [self._point(metrics, now - back * self.period) for back in range(count)]
            before, self.state = self.state, self._state(points)
            if self.state == "ALARM" and before != "ALARM":
                self.fired.append(now)
        return self.state

    def _metrics(self) -> Iterator[tuple[str, Series, str, int]]:
        if "MetricName" in self.properties:
            yield "", _series(self.properties), self.properties["Statistic"], int(self.properties["Period"])
        for query in self.properties.get("Metrics", ()):
            if "MetricStat" in query:
                stat = query["MetricStat"]
                yield query["Id"], _series(stat["Metric"]), stat["Stat"], int(stat["Period"])

    def _point(self, metrics: Metrics, end: float) -> float | None:
        values = {
            name: metrics.statistic(series, statistic, end - period, end)
            for name, series, statistic, period in self._metrics()
            if metrics.knows(series, end) or not name
        }
        if "" in values:
            return values[""]
        (expression,) = [query["Expression"] for query in self.properties["Metrics"] if "Expression" in query]
        return evaluate(expression, values)

    def _state(self, points: list[float | None]) -> str:
        missing = self.properties["TreatMissingData"]
        if missing == "missing" and all(point is None for point in points):
            return "INSUFFICIENT_DATA"
        compare = _COMPARISONS[self.properties["ComparisonOperator"]]
        threshold = float(self.properties["Threshold"])
        breaching = [missing == "breaching" if point is None else compare(point, threshold) for point in points]
        if sum(breaching) >= int(self.properties["DatapointsToAlarm"]):
            return "ALARM"
        return self.state if missing == "ignore" and None in points else "OK"


def _series(metric: Mapping[str, Any]) -> Series:
    dimensions = frozenset((one["Name"], str(one["Value"])) for one in metric["Dimensions"])
    return metric["Namespace"], metric["MetricName"], dimensions


def evaluate(expression: str, values: Mapping[str, float | None]) -> float | None:
    """Evaluate metric math at one point: arithmetic, comparisons, AND, OR, IF and FILL with a number.

    Args:
        expression: what to evaluate.
        values: of the metrics, None where one has no value at this point. A metric that never had a value is left out:
            AWS does not say that FILL fills a series that does not exist ("Using math expressions"), so here it stays
            missing, and whatever is made of it.
    """
    tree = ast.parse(expression.replace(" AND ", " and ").replace(" OR ", " or "), mode="eval")
    return _evaluate(tree.body, values)


def _evaluate(node: ast.expr, values: Mapping[str, float | None]) -> float | None:
    if isinstance(node, ast.Constant):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return values.get(node.id)
    if isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        arguments = [_evaluate(one, values) for one in node.args]
        if node.func.id == "FILL":
            (filled, _) = node.args
            exists = not isinstance(filled, ast.Name) or filled.id in values
            return arguments[1] if arguments[0] is None and exists else arguments[0]
        assert node.func.id == "IF"
        return None if arguments[0] is None else arguments[1 if arguments[0] else 2]
    if isinstance(node, ast.BoolOp):
        terms = [_evaluate(one, values) for one in node.values]
        return None if None in terms else float((all if isinstance(node.op, ast.And) else any)(terms))
    if isinstance(node, ast.Compare):
        left, right = _evaluate(node.left, values), _evaluate(node.comparators[0], values)
    else:
        assert isinstance(node, ast.BinOp), f"{ast.dump(node)} is not known here"
        left, right = _evaluate(node.left, values), _evaluate(node.right, values)
    if left is None or right is None:
        return None
    operation = node.ops[0] if isinstance(node, ast.Compare) else node.op
    return {
        ast.Add: lambda: left + right,
        ast.Sub: lambda: left - right,
        ast.Mult: lambda: left * right,
        ast.Div: lambda: left / right,
        ast.Gt: lambda: float(left > right),
        ast.Lt: lambda: float(left < right),
        ast.Eq: lambda: float(left == right),
    }[type(operation)]()
