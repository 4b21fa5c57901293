//! The paths of tiles: `<L>/<N>[.p/<W>]`, with `N` in groups of three digits of which all but
//! the last begin with `x`. A tile has one path.

/// Which row of the tree a tile belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TileRow {
    /// The leaves themselves.
    Entries,
    /// Hashes of this level, 0 to 63.
    Level(u8),
}

/// Which tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TilePath {
    pub(crate) row: TileRow,
    /// The number of the tile in its row.
    pub(crate) n: u64,
    /// How many hashes or leaves it has: 256 when it is full.
    pub(crate) width: u16,
}

impl TilePath {
    /// Reads what follows `tile/`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (row, rest) = text.split_once('/')?;
        let row = match row {
            "entries" => TileRow::Entries,
            digits => TileRow::Level(number(digits, 63)?.try_into().ok()?),
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, number(width, 255).filter(|width| *width > 0)?),
            None => (rest, 256),
        };
        let mut groups = index.split('/').peekable();
        let mut n: u64 = 0;
        let mut first = true;
        while let Some(group) = groups.next() {
            let last = groups.peek().is_none();
            let digits = if last {
                group
            } else {
                group.strip_prefix('x')?
            };
            if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            // A number has one spelling: no group of zeros before it.
            if first && !last && digits == "000" {
                return None;
            }
            first = false;
            n = n.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        }
        let width = width.try_into().ok()?;
        Some(Self { row, n, width })
    }
}

/// A decimal number up to `most`, without zeros before it.
fn number(text: &str, most: u64) -> Option<u64> {
    let canonical = !text.is_empty()
        && text.len() <= 3
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    let value = text.parse().ok().filter(|_| canonical)?;
    (value <= most).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(row: TileRow, n: u64, width: u16) -> Option<TilePath> {
        Some(TilePath { row, n, width })
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        let level = TileRow::Level;
        assert_eq!(TilePath::parse("0/000"), tile(level(0), 0, 256));
        assert_eq!(
            TilePath::parse("1/x001/x234/067"),
            tile(level(1), 1_234_067, 256)
        );
        assert_eq!(TilePath::parse("2/x001/000.p/8"), tile(level(2), 1000, 8));
        assert_eq!(
            TilePath::parse("entries/999.p/255"),
            tile(TileRow::Entries, 999, 255)
        );
        assert_eq!(TilePath::parse("63/000"), tile(level(63), 0, 256));
    }

    #[test]
    fn a_tile_has_one_path() {
        for bad in [
            "",
            "0",
            "0/",
            "0/0",
            "0/00",
            "0/0000",
            "00/000",
            "64/000",
            "-1/000",
            "+1/000",
            "0/x000/001",
            "0/001/002",
            "0/x001",
            "0/x001/x002",
            "0/x01/002",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/000.p/",
            "0/000.p",
            "0/000/",
            "0//000",
            "0/..",
            "entries/",
            "Entries/000",
            "0/x999/x999/x999/x999/x999/x999/x999/999",
            "0/00a",
        ] {
            assert_eq!(TilePath::parse(bad), None, "{bad} was accepted");
        }
    }
}
