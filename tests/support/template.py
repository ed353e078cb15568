"""template.yaml as CloudFormation reads it."""

from collections.abc import Mapping
from typing import Any

from cfnlint.decode import decode

from tests.support.paths import ROOT

_decoded, _faults = decode(str(ROOT / "template.yaml"))
assert not _faults
TEMPLATE: Mapping[str, Any] = _decoded
