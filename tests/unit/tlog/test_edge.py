"""The growing edge, the readers of tiles, and the tiles of a log that may lie."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditchain.tlog.edge import (
    TILES_REMEMBERED,
    VERIFIED_TILES_REMEMBERED,
    Edge,
    EdgeReader,
    TileReader,
    VerifiedTiles,
    edge_tiles,
)
from creditchain.tlog.merkle import EMPTY_ROOT, SIZE_MAX, leaf_hashes_of, tree_root
from creditchain.tlog.proof import check_inclusion, prove_inclusion, prove_inclusions
from creditchain.tlog.tile import TILE_WIDTH, BadBundle, BadTile, Tile, format_bundle, tiles_of
from tests.unit.tlog.trees import Rows, Tiles, UniformTiles, leaves_of, mth, tile_root

LEAVES = leaves_of(66_200)
READER = Rows(LEAVES)
SIZES_OF_INTEREST = [0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 600, 65_535, 65_536, 65_537, 66_048]


@pytest.mark.parametrize("size", SIZES_OF_INTEREST)
def test_an_edge_has_the_root_and_the_tiles_of_its_tree(size: int) -> None:
    edge = Edge.empty()
    completed = edge.append(LEAVES[:size])
    assert edge.size == size
    assert edge.root() == tree_root(size, READER)
    tiles = [tile for tile, _ in [*completed, *edge.tiles()]]
    assert sorted(tiles) == tiles_of(size)
    for tile, data in [*completed, *edge.tiles()]:
        start = tile.n * TILE_WIDTH
        assert data == b"".join(READER.rows[8 * tile.level][start : start + tile.width])


@given(st.lists(st.integers(0, 300), max_size=6))
def test_an_edge_grown_in_batches_is_the_edge_grown_at_once(batches: list[int]) -> None:
    edge, at = Edge.empty(), 0
    completed: list[tuple[Tile, bytes]] = []
    for count in batches:
        completed += edge.append(LEAVES[at : at + count])
        at += count
        assert edge.root() == tree_root(at, READER)
    whole = Edge.empty()
    assert sorted(whole.append(LEAVES[:at])) == sorted(completed)
    assert whole.tiles() == edge.tiles()


@pytest.mark.parametrize("size", SIZES_OF_INTEREST)
def test_an_edge_is_restored_from_its_tiles_and_grows_on(size: int) -> None:
    edge = Edge.empty()
    edge.append(LEAVES[:size])
    restored = Edge.from_tiles(size, {tile.level: data for tile, data in edge.tiles()})
    assert restored.root() == edge.root()
    assert restored.append(LEAVES[size : size + 300]) == edge.append(LEAVES[size : size + 300])
    assert restored.root() == edge.root() == tree_root(edge.size, READER)


def test_an_edge_is_not_restored_from_tiles_that_do_not_fit() -> None:
    tiles = Tiles(LEAVES[:600])
    parts = {tile.level: data for tile, data in tiles.edge.tiles()}
    for size, wrong in (
        (600, {0: parts[0]}),
        (600, {1: parts[1]}),
        (600, {**parts, 0: parts[0][:-1]}),
        (600, {**parts, 0: parts[0] + parts[1]}),
        (601, parts),
        (-1, parts),
        (SIZE_MAX + 1, parts),
    ):
        with pytest.raises(BadTile):
            Edge.from_tiles(size, wrong)


def test_a_copy_rolls_a_failed_batch_back() -> None:
    edge = Edge.empty()
    edge.append(LEAVES[:500])
    before = edge.copy()
    edge.append(LEAVES[500:900])
    assert before.size == 500
    assert before.root() == tree_root(500, READER)
    before.append(LEAVES[500:900])
    assert before.tiles() == edge.tiles()


def test_a_batch_with_a_bad_hash_changes_nothing() -> None:
    edge = Edge.empty()
    edge.append(LEAVES[:10])
    with pytest.raises(ValueError, match="32 bytes"):
        edge.append([LEAVES[10], b"short"])
    assert edge.size == 10
    assert edge.root() == tree_root(10, READER)


def test_the_largest_tree_has_an_edge_and_tiles() -> None:
    tiles = UniformTiles(SIZE_MAX)
    edge = Edge.from_reader(SIZE_MAX, tiles.read_tile)
    verified = VerifiedTiles(SIZE_MAX, edge.root(), tiles.read_tile)
    assert verified.edge().root() == edge.root()


def test_an_edge_has_no_hash_beyond_its_end() -> None:
    assert Edge.empty().find_hash(0, 0) is None
    edge = Edge.empty()
    edge.append(LEAVES[:3])
    assert edge.find_hash(0, 2) == LEAVES[2]
    assert edge.find_hash(0, 3) is None
    assert edge.find_hash(1, 1) is None
    assert edge.find_hash(8, 0) is None
    assert EdgeReader(edge, lambda *_: b"").size == 3


def test_a_level_without_an_open_tile_has_no_partial() -> None:
    edge = Edge.empty()
    assert edge.root() == EMPTY_ROOT
    assert edge.partial(0) == edge.partial(7) == b""
    edge.append(LEAVES[:256])
    assert edge.partial(0) == b""
    assert edge.partial(1) == mth(LEAVES[:256])


@settings(max_examples=20)
@given(st.integers(1, 66_000), st.data())
def test_tiles_and_edge_answer_every_hash_of_the_tree(size: int, data: st.DataObject) -> None:
    coords = []
    for _ in range(10):
        level = data.draw(st.integers(0, size.bit_length() - 1))
        coords.append((level, data.draw(st.integers(0, (size >> level) - 1))))
    tiles = Tiles(LEAVES[:size])
    wanted = READER.read_hashes(coords)
    assert TileReader(size, tiles.read_tile).read_hashes(coords) == wanted
    assert EdgeReader(tiles.edge, tiles.read_tile).read_hashes(coords) == wanted
    verified = VerifiedTiles(size, tiles.edge.root(), tiles.read_tile)
    assert verified.reader().read_hashes(coords) == wanted


def test_a_hash_outside_the_tree_is_not_answered() -> None:
    tiles = Tiles(LEAVES[:300])
    for reader in (TileReader(300, tiles.read_tile), EdgeReader(tiles.edge, tiles.read_tile)):
        for coord in ((0, 300), (0, -1), (-1, 0), (8, 1), (9, 0), (64, 0)):
            with pytest.raises(ValueError, match="no subtree"):
                reader.read_hashes([coord])


def test_a_tile_of_the_wrong_length_is_refused() -> None:
    for cut in (b"", b"h" * 31, b"h" * 32 * 43, b"h" * 32 * 45):
        with pytest.raises(BadTile):
            TileReader(300, lambda *_, cut=cut: cut).read_hashes([(0, 260)])


def test_proofs_of_a_fresh_batch_read_no_tile_of_the_edge() -> None:
    tiles = Tiles(LEAVES[:65_900])
    prove_inclusions(range(65_836, 65_900), 65_900, EdgeReader(tiles.edge, tiles.read_tile))
    # The one full tile is the left neighbour under the root, at the highest level that has one.
    assert tiles.reads == []


def test_proofs_of_a_batch_across_a_tile_border_read_that_tile_once() -> None:
    tiles = Tiles(LEAVES[:1030])
    reader = EdgeReader(tiles.edge, tiles.read_tile)
    for index in range(1000, 1030):
        proof = prove_inclusion(index, 1030, reader)
        check_inclusion(LEAVES[index], index, 1030, proof, tiles.edge.root())
    assert tiles.reads == [(0, 3, 256)]


def test_a_reader_remembers_a_bounded_number_of_tiles() -> None:
    tiles = UniformTiles(256 * 1000)
    reads: list[int] = []

    def read_tile(level: int, n: int, width: int) -> bytes:
        reads.append(n)
        return tiles.read_tile(level, n, width)

    reader = TileReader(tiles.size, read_tile)
    # The tile read longest ago is forgotten first: 0 was read again, so 1 goes.
    for n in [*range(TILES_REMEMBERED), 0, TILES_REMEMBERED, 0, 1]:
        reader.read_hash(0, 256 * n)
    assert reads == [*range(TILES_REMEMBERED + 1), 1]


# --- tiles of a log that may lie ---------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES_OF_INTEREST)
def test_an_honest_log_is_read_whole(size: int) -> None:
    tiles = Tiles(LEAVES[:size])
    verified = VerifiedTiles(size, tiles.edge.root(), tiles.read_tile)
    for tile in tiles_of(size):
        data = verified.read_tile(tile.level, tile.n, tile.width)
        assert data == tiles.data[tile.level, tile.n]
    assert verified.edge().root() == tiles.edge.root()


def test_a_narrower_tile_is_the_beginning_of_the_tile() -> None:
    tiles = Tiles(LEAVES[:300])
    verified = VerifiedTiles(300, tiles.edge.root(), tiles.read_tile)
    assert verified.read_tile(0, 1, 3) == b"".join(LEAVES[256:259])
    assert verified.read_tile(0, 0, 3) == b"".join(LEAVES[:3])


def test_a_dropped_partial_may_be_answered_with_the_full_tile() -> None:
    later = Tiles(LEAVES[:65_536])
    verified = VerifiedTiles(300, tree_root(300, READER), later.read_tile)
    assert verified.read_tile(0, 1, 44) == b"".join(LEAVES[256:300])


def test_a_tile_outside_the_tree_is_refused_unfetched() -> None:
    tiles = Tiles(LEAVES[:300])
    verified = VerifiedTiles(300, tiles.edge.root(), tiles.read_tile)
    for place in (
        (0, 1, 45),
        (0, 2, 1),
        (1, 0, 2),
        (2, 0, 1),
        (0, 0, 0),
        (0, 0, 257),
        (-1, 0, 1),
        (0, -1, 1),
    ):
        with pytest.raises(BadTile):
            verified.read_tile(*place)
    with pytest.raises(BadTile):
        VerifiedTiles(-1, EMPTY_ROOT, tiles.read_tile)
    with pytest.raises(BadTile):
        VerifiedTiles(0, EMPTY_ROOT, tiles.read_tile).read_tile(0, 0, 1)
    assert tiles.reads == []


def test_the_edge_of_an_empty_tree_needs_the_empty_root() -> None:
    tiles = Tiles([])
    assert VerifiedTiles(0, EMPTY_ROOT, tiles.read_tile).edge().size == 0
    with pytest.raises(BadTile):
        VerifiedTiles(0, LEAVES[0], tiles.read_tile).edge()


def _refuses(size: int, root: bytes, tiles: Tiles, index: int) -> bool:
    """Whether reading leaf `index` is refused, by tile and by proof."""
    n, width = index // 256, min(256, size - index // 256 * 256)
    verified = VerifiedTiles(size, root, tiles.read_tile)
    with pytest.raises(BadTile):
        verified.read_tile(0, n, width)
    with pytest.raises(BadTile):
        VerifiedTiles(size, root, tiles.read_tile).reader().read_hash(0, index)
    return True


@pytest.mark.parametrize(
    "size", [*range(1, 40), *range(250, 262), *range(300, 600, 37), *range(508, 518)]
)
def test_an_entry_and_its_leaf_hash_forged_as_a_pair_are_refused(size: int) -> None:
    # CVE-2026-56865 in x/mod: several root hashes share the tile, and only one of them was checked.
    honest = Tiles(LEAVES[:size])
    forged_entry = b"forged"
    for index in {0, size // 3, size // 2, size - 2, size - 1} & set(range(size)):
        n, at = index // 256, index % 256 * 32
        tile = honest.data[0, n]
        forged = tile[:at] + leaf_hashes_of([forged_entry])[0] + tile[at + 32 :]
        liar = honest.lying(0, n, forged)
        assert _refuses(size, honest.edge.root(), liar, index)


@pytest.mark.parametrize(
    "size", [256, 257, 300, 512, 600, 1025, 65_535, 65_536, 65_537, 66_048, 66_100]
)
def test_a_tile_and_its_parent_cell_forged_as_a_pair_are_refused(size: int) -> None:
    honest = Tiles(LEAVES[:size])
    for index in (0, size // 2 // 256 * 256, (size // 256 - 1) * 256 + 255):
        # Every level below the root is forged consistently, one level further up each time.
        liar, level, n, h = honest, 0, index, b"f" * 32
        while (level, n // 256) in liar.data:
            tile, at = liar.data[level, n // 256], n % 256 * 32
            liar = liar.lying(level, n // 256, tile[:at] + h + tile[at + 32 :])
            assert _refuses(size, honest.edge.root(), liar, index)
            if len(tile) < 8192:
                break
            level, n, h = level + 1, n // 256, tile_root(liar.data[level, n // 256])


@pytest.mark.parametrize("power", range(1, 8))
@pytest.mark.parametrize("offset", [-256, -1, 0, 1, 255, 256, 257])
def test_at_the_powers_of_256_no_level_can_be_forged(power: int, offset: int) -> None:
    size = 256**power + offset
    if size < 1:
        return
    honest = UniformTiles(size)
    root = honest.root()
    for index in {0, size // 2, size - 1}:
        assert VerifiedTiles(size, root, honest.read_tile).reader().read_hash(0, index)
        for height in range(power + 1):
            # Levels 0 to `height` are changed consistently; what is above is left as it was.
            liar = UniformTiles(size)
            n, h = index, b"f" * 32
            for level in range(height + 1):
                width = min(256, (size >> 8 * level) - n // 256 * 256)
                if width <= 0:
                    break
                tile, at = liar.read_tile(level, n // 256, width), n % 256 * 32
                if at >= len(tile):
                    break
                forged = tile[:at] + h + tile[at + 32 :]
                liar.forged[level, n // 256] = forged
                if width < 256:
                    break
                n, h = n // 256, tile_root(forged)
            with pytest.raises(BadTile):
                VerifiedTiles(size, root, liar.read_tile).reader().read_hash(0, index)


def test_every_hash_of_every_tile_is_bound_to_the_root() -> None:
    size = 256 * 3 + 7
    honest = Tiles(LEAVES[:size])
    for tile in tiles_of(size):
        data = honest.data[tile.level, tile.n]
        for at in range(0, len(data), 32):
            liar = Tiles([])
            liar.data = {
                **honest.data,
                (tile.level, tile.n): data[:at] + b"f" * 32 + data[at + 32 :],
            }
            with pytest.raises(BadTile):
                VerifiedTiles(size, honest.edge.root(), liar.read_tile).read_tile(
                    tile.level, tile.n, tile.width
                )


def test_the_edge_handed_out_is_the_callers_own() -> None:
    tiles = Tiles(LEAVES[:300])
    verified = VerifiedTiles(300, tiles.edge.root(), tiles.read_tile)
    verified.edge().append([b"f" * 32] * 10)
    assert verified.edge().root() == tiles.edge.root()


def test_a_log_of_another_size_or_root_is_refused() -> None:
    tiles = Tiles(LEAVES[:600])
    for size, root in ((599, tiles.edge.root()), (600, LEAVES[0]), (512, tiles.edge.root())):
        with pytest.raises(BadTile):
            VerifiedTiles(size, root, tiles.read_tile).edge()


def test_a_tile_is_fetched_again_only_when_forgotten() -> None:
    tiles = UniformTiles(256 * (VERIFIED_TILES_REMEMBERED + 10))
    reads: list[tuple[int, int, int]] = []

    def read_tile(level: int, n: int, width: int) -> bytes:
        reads.append((level, n, width))
        return tiles.read_tile(level, n, width)

    verified = VerifiedTiles(tiles.size, tiles.root(), read_tile)
    # Tile (1, 0) above them counts too; it is asked for each time, and so never forgotten.
    few = VERIFIED_TILES_REMEMBERED - 1
    for n in [*range(few), 0, few, 0, 1]:
        verified.read_tile(0, n, 256)
    assert [n for level, n, _ in reads if level == 0] == [*range(few + 1), 1]
    assert [place for place in reads if place[0] == 1].count((1, 0, 256)) == 1


def test_entries_are_bound_to_the_tree_by_their_leaf_hashes() -> None:
    entries = [f"entry {i}".encode() for i in range(300)]
    tiles = Tiles(LEAVES[:300])
    verified = VerifiedTiles(300, tiles.edge.root(), tiles.read_tile)
    assert verified.read_entries(0, 256, format_bundle(entries[:256])) == entries[:256]
    assert verified.read_entries(1, 44, format_bundle(entries[256:])) == entries[256:]
    forged = [*entries[:100], b"forged", *entries[101:256]]
    with pytest.raises(BadTile, match="entry"):
        verified.read_entries(0, 256, format_bundle(forged))
    swapped = [entries[1], entries[0], *entries[2:256]]
    with pytest.raises(BadTile, match="entry"):
        verified.read_entries(0, 256, format_bundle(swapped))
    with pytest.raises(BadBundle):
        verified.read_entries(0, 256, format_bundle(entries[:255]))


@given(st.integers(0, SIZE_MAX))
def test_the_edge_of_a_tree_is_its_partial_tiles(size: int) -> None:
    edge = edge_tiles(size)
    assert sum(tile.width << 8 * tile.level for tile in edge) == size
    assert all(1 <= tile.width < TILE_WIDTH for tile in edge)
