"""Packets mutated in one place, out of seeds: what is salvaged is what they said, and nothing else."""

import pytest

from image_processor.tags import xml_salvage, xmp
from infra.benchmarks import salvage
from infra.survey.flawed_packets import Mutation, packets, wrong

MUTATIONS = 4000


def test_a_mutation_changes_the_property_that_it_is_in_and_no_other():
    """No exception, no value of another property that was not its own, no name that the mutation did not make."""
    faults, salvaged, _ = salvage.batch(1, 1 + salvage.BATCH)
    for start in range(1 + salvage.BATCH, 1 + MUTATIONS, salvage.BATCH):
        more = salvage.batch(start, start + salvage.BATCH)
        faults, salvaged = faults + more[0], salvaged + more[1]
    assert faults == []
    assert salvaged > MUTATIONS / 2, "most mutations are flaws"


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("_ATTRIBUTE", rb"""\s*+([\w:-]++)=(?:"([^"]*+)"|'([^']*+)')"""),  # whatever stands behind the quote
        ("_START", rb"<([\w:/-]++)"),
    ],
)
def test_a_reader_that_believes_too_much_is_found(monkeypatch, name, pattern):
    """The check is no good unless it notices."""
    monkeypatch.setattr(xml_salvage, name, xml_salvage.re.compile(pattern))
    assert any(fault for _, _, fault in salvage.readings(1, 3000))


def test_a_value_of_another_property_or_a_part_of_a_text_is_wrong():
    """What `wrong` says of readings that were made up."""
    (sound,) = packets(1, seed=1)
    part, name = next((part, name) for part, name in enumerate(sound.names) if name.startswith("drone-dji:"))
    assert wrong(Mutation(sound, part, b"")) is None
    other = next(other for other in sound.names if other.startswith("drone-dji:") and other != name)
    content = sound.parts[sound.names.index(other)].replace(b"-", b"+9").replace(b"+", b"-9")
    moved = Mutation(sound, sound.names.index(other), content)
    assert wrong(moved) is None
    assert wrong(Mutation(replaced(sound, moved), 0, sound.parts[0])) is not None
    assert xmp.text_of(sound.properties[other]) not in (None, "")


def replaced(sound, moved):
    """A packet of other bytes than its properties say."""
    parts = (*sound.parts[: moved.part], moved.content, *sound.parts[moved.part + 1 :])
    return type(sound)(parts, sound.names, sound.properties)
