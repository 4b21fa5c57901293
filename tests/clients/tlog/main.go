// Tlogclient checks that a leaf stands in a Caracal log, with the Go project's
// own transparency-log code and none of ours.
//
//	tlogclient BASE VKEY INDEX LEAF_FILE
//
// BASE is a directory or an http(s) URL that holds `checkpoint` and `tile/…`
// (C2SP tlog-tiles). VKEY is the log's note verifier key. LEAF_FILE holds
// exactly the bytes of the leaf. Over HTTP, CARACAL_API_TOKEN is sent as a
// bearer token when it is set. Exit 0: the leaf is in the tree of the signed
// checkpoint; 1: it is not, or that could not be shown; 2: usage.
package main

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: tlogclient BASE VKEY INDEX LEAF_FILE")
		os.Exit(2)
	}
	index, err := strconv.ParseInt(os.Args[3], 10, 64)
	if err != nil || index < 0 {
		fmt.Fprintf(os.Stderr, "usage: the index `%s` is not a number from 0\n", os.Args[3])
		os.Exit(2)
	}
	leaf, err := os.ReadFile(os.Args[4])
	if err != nil {
		fmt.Fprintln(os.Stderr, "not verified:", err)
		os.Exit(1)
	}
	size, err := verify(newSource(os.Args[1], os.Getenv("CARACAL_API_TOKEN")), os.Args[2], index, leaf)
	if err != nil {
		fmt.Fprintln(os.Stderr, "not verified:", err)
		os.Exit(1)
	}
	fmt.Printf("verified: leaf %d is in the signed tree of %d\n", index, size)
}

// verify shows that leaf is the one at index in the tree of the signed
// checkpoint, and returns that tree's size.
func verify(source source, vkey string, index int64, leaf []byte) (int64, error) {
	tree, err := readCheckpoint(source, vkey)
	if err != nil {
		return 0, err
	}
	if index >= tree.N {
		return 0, fmt.Errorf("the signed tree of %d has no leaf %d", tree.N, index)
	}
	// TileHashReader checks every tile against the tree's root before use.
	proof, err := tlog.ProveRecord(tree.N, index, tlog.TileHashReader(tree, tiles{source}))
	if err != nil {
		return 0, fmt.Errorf("the tiles give no proof: %w", err)
	}
	if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(leaf)); err != nil {
		return 0, fmt.Errorf("leaf %d is another one than this: %w", index, err)
	}
	return tree.N, nil
}
