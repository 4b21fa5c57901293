package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// readCheckpoint fetches the signed note, checks its signature under vkey and
// parses its text as C2SP tlog-checkpoint says: origin, size, root hash.
func readCheckpoint(source source, vkey string) (tlog.Tree, error) {
	var tree tlog.Tree
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tree, fmt.Errorf("the verifier key is not one: %w", err)
	}
	signed, err := source.read("checkpoint")
	if err != nil {
		return tree, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tree, fmt.Errorf("the checkpoint's signature does not hold: %w", err)
	}
	lines := strings.Split(opened.Text, "\n")
	// The text ends in a line feed, so that three lines split into four parts.
	if len(lines) < 4 {
		return tree, errors.New("the checkpoint has fewer than three lines")
	}
	if lines[0] != verifier.Name() {
		return tree, fmt.Errorf("the checkpoint is of `%s`, the key of `%s`", lines[0], verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tree, fmt.Errorf("the checkpoint's size `%s` is not a plain number", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tree, errors.New("the checkpoint's root is not a SHA-256 in base64")
	}
	tree.N = size
	copy(tree.Hash[:], root)
	return tree, nil
}
