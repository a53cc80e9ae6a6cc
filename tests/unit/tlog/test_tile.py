"""The paths of tiles and bundles, and the bytes of bundles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditchain.tlog.merkle import SIZE_MAX
from creditchain.tlog.tile import (
    ENTRY_BYTES_MAX,
    TILE_BYTES,
    TILE_LEVEL_MAX,
    TILE_N_MAX,
    TILE_WIDTH,
    BadBundle,
    BadPath,
    BadTile,
    BundlePath,
    Tile,
    exact_tile,
    format_bundle,
    format_bundle_path,
    format_tile_path,
    new_bundles,
    new_tiles,
    parse_bundle,
    parse_bundle_path,
    parse_tile_path,
    tiles_of,
)
from tests.unit.tlog.trees import prefixes

# tlog-tiles, "Merkle Tree": the example of tile number 1234067; the second is its partial form.
SPEC_PATHS = [
    ("tile/0/x001/x234/067", Tile(0, 1_234_067)),
    ("tile/0/x001/x234/067.p/1", Tile(0, 1_234_067, 1)),
    ("tile/0/000", Tile(0, 0)),
    ("tile/63/999.p/255", Tile(63, 999, 255)),
    ("tile/1/x001/000", Tile(1, 1000)),
]

TRAPS = [
    "", "/", "tile", "tile/", "tile/0", "tile/0/", "/tile/0/000", "tile/0/000/", "tile/0/000\n",
    "tile/00/000", "tile/01/000", "tile/64/000", "tile/100/000", "tile/-1/000", "tile/+1/000",
    "tile/x/000", "tile/data/000", "tile/ 0/000", "tile/0/0", "tile/0/00", "tile/0/0000",
    "tile/0/x000/001", "tile/0/x000/x000/001", "tile/0/001/002", "tile/0/x001", "tile/0/x001/x002",
    "tile/0/X001/002", "tile/0/x1/002", "tile/0/x0001/002", "tile/0/1000", "tile/0/-01",
    "tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/00", "tile/0/000.p/256",
    "tile/0/000.p/08", "tile/0/000.p/257", "tile/0/000.p/999", "tile/0/000.p/1000",
    "tile/0/000.p/-1", "tile/0/000.p/1/", "tile/0/000.P/1", "tile/0/000.p/1.p/1", "tile/0/000p/1",
    "tile/0/x001.p/1/002", "tile//000", "tile/0//000", "tile/0/../0/000", "tile/0/%30%30%30",
    "tile/0/٠٠٠", "tile/٠/000", "tile/0/000.p/١", "tile/0/０００", "tile/0/000?w=1",
    "tile/0/x999/x999/x999/x999/x999/999", "tile/0/" + "x001/" * 400 + "001",
]  # fmt: skip

WIDTHS = st.integers(1, TILE_WIDTH)
NUMBERS = st.integers(0, TILE_N_MAX)


@pytest.mark.parametrize(("text", "tile"), SPEC_PATHS)
def test_the_paths_of_the_specification_name_their_tiles(text: str, tile: Tile) -> None:
    assert parse_tile_path(text) == tile
    assert format_tile_path(tile) == text


@pytest.mark.parametrize("text", TRAPS)
def test_a_second_spelling_names_no_tile_and_no_bundle(text: str) -> None:
    with pytest.raises(BadPath):
        parse_tile_path(text)
    for prefix in ("tile/entries", "bodies"):
        with pytest.raises(BadPath):
            parse_bundle_path(text.replace("tile/0", prefix), prefix)


@given(st.integers(0, TILE_LEVEL_MAX), NUMBERS, WIDTHS)
def test_a_tile_path_parses_back(level: int, n: int, width: int) -> None:
    tile = Tile(level, n, width)
    assert parse_tile_path(format_tile_path(tile)) == tile


@given(NUMBERS, WIDTHS, st.sampled_from(["tile/entries", "bodies"]))
def test_a_bundle_path_parses_back(n: int, width: int, prefix: str) -> None:
    path = BundlePath(n, width)
    assert parse_bundle_path(format_bundle_path(path, prefix), prefix) == path


@given(st.text(alphabet="tile/0123456789x.p\u0660", max_size=30))
def test_whatever_parses_as_a_path_is_its_one_spelling(text: str) -> None:
    for wanted in (text, "tile/0/" + text):
        try:
            tile = parse_tile_path(wanted)
        except BadPath:
            continue
        assert format_tile_path(tile) == wanted


@given(st.integers(0, 9), NUMBERS, WIDTHS, st.data())
def test_a_mangled_path_names_another_tile_or_none(
    level: int, n: int, width: int, data: st.DataObject
) -> None:
    text = format_tile_path(Tile(level, n, width))
    at = data.draw(st.integers(0, len(text) - 1))
    mangled = text[:at] + data.draw(st.sampled_from("0189x/.p-\n \u0661")) + text[at + 1 :]
    if mangled == text:
        return
    try:
        tile = parse_tile_path(mangled)
    except BadPath:
        return
    assert tile != Tile(level, n, width)
    assert format_tile_path(tile) == mangled


def test_bundles_are_of_entries_unless_said_otherwise() -> None:
    assert format_bundle_path(BundlePath(1234, 5)) == "tile/entries/x001/234.p/5"
    assert parse_bundle_path("tile/entries/x001/234.p/5") == BundlePath(1234, 5)
    assert format_bundle_path(BundlePath(7), "bodies") == "bodies/007"


def test_a_bundle_under_another_prefix_is_not_found() -> None:
    for text, prefix in (
        ("tile/entries/000", "bodies"),
        ("bodies/000", "tile/entries"),
        ("000", "bodies"),
        ("bodies/bodies/000", "bodies"),
        ("bodiesx/000", "bodies"),
    ):
        with pytest.raises(BadPath):
            parse_bundle_path(text, prefix)


@pytest.mark.parametrize(
    "tile",
    [
        Tile(-1, 0),
        Tile(64, 0),
        Tile(0, -1),
        Tile(0, TILE_N_MAX + 1),
        Tile(0, 0, 0),
        Tile(0, 0, 257),
    ],
)
def test_what_is_no_tile_has_no_path(tile: Tile) -> None:
    with pytest.raises(BadPath):
        format_tile_path(tile)


def test_a_bundle_is_each_entry_after_its_length() -> None:
    # tlog-tiles, "Log Entries": big-endian uint16 length-prefixed.
    assert format_bundle([b"a", b"bc"]) == b"\x00\x01a\x00\x02bc"
    assert parse_bundle(b"\x00\x01a\x00\x02bc", 2) == [b"a", b"bc"]


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=20))
def test_a_bundle_parses_back(entries: list[bytes]) -> None:
    assert parse_bundle(format_bundle(entries), len(entries)) == entries


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=20))
def test_a_body_bundle_parses_back_with_its_erased_bodies(bodies: list[bytes]) -> None:
    bundle = format_bundle(bodies)
    assert parse_bundle(bundle, len(bodies), allow_empty=True) == bodies
    if b"" in bodies:
        with pytest.raises(BadBundle, match="empty"):
            parse_bundle(bundle, len(bodies))


@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=9), st.binary(min_size=1))
def test_a_bundle_with_a_byte_too_few_or_too_many_is_refused(
    entries: list[bytes], more: bytes
) -> None:
    bundle = format_bundle(entries)
    for cut in prefixes(bundle):
        with pytest.raises(BadBundle):
            parse_bundle(cut, len(entries))
        with pytest.raises(BadBundle):
            parse_bundle(cut, len(entries), allow_empty=True)
    with pytest.raises(BadBundle):
        parse_bundle(bundle + more, len(entries))
    with pytest.raises(BadBundle):
        parse_bundle(bundle, len(entries) + 1)
    with pytest.raises(BadBundle):
        parse_bundle(bundle, len(entries) - 1)


@given(st.binary(max_size=40), st.integers(1, 4), st.booleans())
def test_whatever_parses_as_a_bundle_is_its_one_spelling(
    data: bytes, count: int, allow_empty: bool
) -> None:
    try:
        entries = parse_bundle(data, count, allow_empty=allow_empty)
    except BadBundle:
        return
    assert format_bundle(entries) == data


def test_an_entry_of_65535_bytes_fits_and_one_more_does_not() -> None:
    assert parse_bundle(format_bundle([b"e" * ENTRY_BYTES_MAX]), 1) == [b"e" * ENTRY_BYTES_MAX]
    with pytest.raises(BadBundle, match="65536"):
        format_bundle([b"e" * (ENTRY_BYTES_MAX + 1)])


def test_a_bundle_holds_1_to_256_entries() -> None:
    assert len(parse_bundle(format_bundle([b"e"] * 256), 256)) == 256
    for count in (0, 257):
        with pytest.raises(BadBundle):
            format_bundle([b"e"] * count)
        with pytest.raises(BadBundle):
            parse_bundle(b"\x00\x01e" * count, count)


def test_a_tile_has_exactly_its_width_or_is_the_full_one_cut_down() -> None:
    full = bytes(range(256)) * 32
    for length in range(0, TILE_BYTES + 64, 16):
        data = (full + full)[:length]
        if length == 5 * 32:
            assert exact_tile(data, 5) == data
        elif length == TILE_BYTES:
            assert exact_tile(data, 5) == data[: 5 * 32]
        else:
            with pytest.raises(BadTile):
                exact_tile(data, 5)


def test_a_small_tree_is_one_partial_tile() -> None:
    assert tiles_of(0) == []
    assert tiles_of(5) == [Tile(0, 0, 5)]
    assert tiles_of(256) == [Tile(0, 0), Tile(1, 0, 1)]
    assert tiles_of(257) == [Tile(0, 0), Tile(0, 1, 1), Tile(1, 0, 1)]
    assert tiles_of(65_536)[-2:] == [Tile(1, 0), Tile(2, 0, 1)]


@given(st.integers(0, 200_000), st.integers(0, 2000))
def test_new_tiles_are_the_tiles_that_were_not_there(old: int, grown: int) -> None:
    new = old + grown
    before = set(tiles_of(old))
    assert set(new_tiles(old, new)) == {tile for tile in tiles_of(new) if tile not in before}
    assert [BundlePath(t.n, t.width) for t in new_tiles(old, new) if t.level == 0] == new_bundles(
        old, new
    )


@given(st.integers(0, SIZE_MAX - 1))
def test_one_more_entry_changes_one_tile_of_each_level_it_fills(size: int) -> None:
    tiles = new_tiles(size, size + 1)
    levels = 1
    while (size + 1) % 256**levels == 0:
        levels += 1
    assert [tile.level for tile in tiles] == list(range(levels))
    assert all(tile.width == TILE_WIDTH for tile in tiles[:-1])


def test_a_tree_that_did_not_grow_has_no_new_tiles() -> None:
    assert new_tiles(1000, 1000) == new_tiles(1000, 10) == []
    assert new_bundles(1000, 1000) == new_bundles(1000, 10) == []
