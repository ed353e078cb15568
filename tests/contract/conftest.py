"""The stores that the contract is tried on."""

from collections.abc import Iterator
from subprocess import CalledProcessError

import boto3
import pytest
from moto import mock_aws

from infra.local.emulator import Emulator, make_environment
from infra.local.seaweed import SeaweedFS
from infra.local.servers import ServerError
from ledger.store import Store
from tests.support.skips import KNOWN
from tests.support.store_kinds import GAPS, PROVES_NOTHING, Kind


@pytest.fixture(scope="session")
def seaweed_kind(seaweed: SeaweedFS) -> Kind:
    """A real S3 server, for the whole session."""
    return Kind("seaweed", seaweed.client(), seaweed.credentials)


@pytest.fixture(scope="session")
def emulator_kind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kind]:
    """The emulator that the local stack runs on, for the whole session."""
    try:
        server = Emulator(make_environment(), tmp_path_factory.mktemp("emulator"))
    except (OSError, ServerError, CalledProcessError) as error:
        pytest.skip(f"the local stack's emulator does not start here: {error}")
    with server:
        yield Kind("emulator", server.client("s3"), server.credentials)


@pytest.fixture(scope="module")
def moto_kind() -> Iterator[Kind]:
    """moto, in this process; not for longer, since what it holds would be there for other tests that use it."""
    credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    with mock_aws():
        yield Kind("moto", boto3.client("s3", **credentials), credentials)


@pytest.fixture(params=["memory", "moto", "seaweed", "emulator"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Every implementation in turn; what it is known not to do is expected to fail."""
    name: str = request.param
    if reason := PROVES_NOTHING.get(name, {}).get(request.node.originalname):
        pytest.skip(f"{KNOWN}{name}: {reason}")
    if reason := GAPS.get(name, {}).get(request.node.originalname):
        request.node.add_marker(pytest.mark.xfail(reason=f"{KNOWN}{name}: {reason}", strict=True))
    return Kind("memory") if name == "memory" else request.getfixturevalue(f"{name}_kind")


@pytest.fixture
def bucket(kind: Kind) -> Store:
    """An empty bucket of the implementation in turn."""
    return kind.new()
