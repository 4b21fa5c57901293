package main

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// hashes holds a tree's hashes in storage order.
type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, index := range indexes {
		out = append(out, h[index])
	}
	return out, nil
}

func leafOf(index int64) []byte { return []byte(fmt.Sprintf(`{"index":%d}`, index)) }

// writeLog writes a log of size leaves as C2SP tlog-tiles and returns its
// directory and verifier key.
func writeLog(t *testing.T, size int64) (string, string) {
	t.Helper()
	dir := t.TempDir()
	var stored hashes
	for index := int64(0); index < size; index++ {
		added, err := tlog.StoredHashes(index, leafOf(index), stored)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, added...)
	}
	for _, tile := range tlog.NewTiles(tileHeight, 0, size) {
		data, err := tlog.ReadTileData(tile, stored)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, tilePath(tile)), data)
	}
	root, err := tlog.TreeHash(size, stored)
	if err != nil {
		t.Fatal(err)
	}
	const origin = "caracal.example/log_1"
	secret, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%s\n%d\n%s\n", origin, size, root)
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "checkpoint"), signed)
	return dir, vkey
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestEveryLeafOfAWholeLogIsVerified(t *testing.T) {
	for _, size := range []int64{1, 2, 255, 256, 257, 700} {
		dir, vkey := writeLog(t, size)
		for index := int64(0); index < size; index += 1 + size/9 {
			if got, err := verify(newSource(dir, ""), vkey, index, leafOf(index)); err != nil || got != size {
				t.Fatalf("leaf %d of %d: %d, %v", index, size, got, err)
			}
		}
	}
}

func TestWhatDoesNotStandInTheTreeIsRefused(t *testing.T) {
	dir, vkey := writeLog(t, 300)
	_, otherKey := writeLog(t, 1)
	for name, try := range map[string]struct {
		vkey  string
		index int64
		leaf  []byte
	}{
		"another leaf":        {vkey, 7, leafOf(8)},
		"another index":       {vkey, 8, leafOf(7)},
		"beyond the tree":     {vkey, 300, leafOf(300)},
		"another log's key":   {otherKey, 7, leafOf(7)},
		"a leaf and one more": {vkey, 7, append(leafOf(7), '\n')},
	} {
		if _, err := verify(newSource(dir, ""), try.vkey, try.index, try.leaf); err == nil {
			t.Errorf("%s was verified", name)
		}
	}
}

func TestDamageIsFound(t *testing.T) {
	damage := func(path string, change func([]byte) []byte) error {
		dir, vkey := writeLog(t, 300)
		file := filepath.Join(dir, path)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, file, change(data))
		_, err = verify(newSource(dir, ""), vkey, 7, leafOf(7))
		return err
	}
	flip := func(data []byte) []byte { data[40] ^= 1; return data }
	cut := func(data []byte) []byte { return data[:len(data)-1] }
	for _, path := range []string{"tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"} {
		if path != "tile/1/000.p/1" && damage(path, flip) == nil {
			t.Errorf("a flipped bit in %s was not found", path)
		}
		if damage(path, cut) == nil {
			t.Errorf("a cut %s was not found", path)
		}
	}
	if damage("checkpoint", func(data []byte) []byte {
		return []byte(strings.Replace(string(data), "\n300\n", "\n299\n", 1))
	}) == nil {
		t.Error("a changed checkpoint was not found")
	}
}

func TestAFullTileServesForADroppedPartialOne(t *testing.T) {
	dir, _ := writeLog(t, 600)
	old, vkey := writeLog(t, 300)
	checkpoint, err := os.ReadFile(filepath.Join(old, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "checkpoint"), checkpoint)
	partial, err := os.ReadFile(filepath.Join(old, "tile/1/000.p/1"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "tile/1/000.p/1"), partial)
	if _, err := verify(newSource(dir, ""), vkey, 299, leafOf(299)); err != nil {
		t.Error(err)
	}
}

func TestOverHTTPTheTokenIsSent(t *testing.T) {
	dir, vkey := writeLog(t, 300)
	files := http.FileServer(http.Dir(dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer right" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		files.ServeHTTP(w, r)
	}))
	defer server.Close()
	if _, err := verify(newSource(server.URL+"/", "right"), vkey, 299, leafOf(299)); err != nil {
		t.Error(err)
	}
	if _, err := verify(newSource(server.URL, "wrong"), vkey, 299, leafOf(299)); err == nil {
		t.Error("a refusal was taken for an answer")
	}
}

func TestPathsAreC2SP(t *testing.T) {
	for want, tile := range map[string]tlog.Tile{
		"tile/0/000":          {H: 8, L: 0, N: 0, W: 256},
		"tile/0/000.p/5":      {H: 8, L: 0, N: 0, W: 5},
		"tile/1/x001/234":     {H: 8, L: 1, N: 1234, W: 256},
		"tile/0/x001/234.p/1": {H: 8, L: 0, N: 1234, W: 1},
	} {
		if got := tilePath(tile); got != want {
			t.Errorf("%s instead of %s", got, want)
		}
	}
}
