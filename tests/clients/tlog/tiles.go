package main

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// tileHeight is fixed by C2SP tlog-tiles: 256 hashes to a full tile.
const tileHeight = 8

// tiles reads C2SP tlog-tiles, whose paths leave out the height that Go's
// own layout has: tile/0/x001/234.p/5.
type tiles struct{ source source }

func (t tiles) Height() int { return tileHeight }

// SaveTiles does nothing: this program runs once.
func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		data, err := t.readTile(tile)
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (t tiles) readTile(tile tlog.Tile) ([]byte, error) {
	length := tile.W * tlog.HashSize
	data, err := t.source.read(tilePath(tile))
	if errors.Is(err, errMissing) && tile.W < 1<<tileHeight {
		// A log may drop a partial tile once the full one exists.
		tile.W = 1 << tileHeight
		data, err = t.source.read(tilePath(tile))
		if err == nil && len(data) > length {
			data = data[:length]
		}
	}
	if err != nil {
		return nil, err
	}
	if len(data) != length {
		return nil, fmt.Errorf("`%s` has %d bytes instead of %d", tilePath(tile), len(data), length)
	}
	return data, nil
}

func tilePath(tile tlog.Tile) string {
	return "tile/" + strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight))
}
