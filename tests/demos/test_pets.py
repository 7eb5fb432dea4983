"""The gallery that ships: whole, small, and credited."""

import hashlib

from demos.pieces import pets


def test_the_sheet_is_the_one_that_the_code_names_and_small_enough_to_ship():
    data = pets.SHEET.read_bytes()
    assert hashlib.sha256(data).hexdigest().startswith(pets.SHA256)
    assert len(data) < 400_000


def test_there_are_as_many_pictures_as_labels_and_no_two_alike():
    found = pets.pictures()
    assert len(found) == len(pets.LABELS) == 96
    assert {one.size for one in found} == {(80, 80)}
    assert len({one.tobytes() for one in found}) == 96
    assert [pets.LABELS.count(n) for n in range(3)] == [32, 32, 32]


def test_every_photograph_is_credited_by_its_name_in_the_data_set():
    credit = pets.SHEET.with_name("CREDIT.md").read_text()
    names = credit.split("order of the sheet:")[1].replace("\n", " ").replace(",", " ").split()
    assert len(names) == len(set(names)) == 96
    for n, name in enumerate(names):
        assert name.replace("_", " ").lower().startswith(pets.breed(n).lower())
    assert "CC BY-SA 4.0" in pets.CREDIT
    assert "Attribution-ShareAlike 4.0" in credit
