package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// errMissing says that a source has no such file, as opposed to failing.
var errMissing = errors.New("is not there")

// limit bounds what is read of one file: a full tile has 8 KiB.
const limit = 1 << 20

// source is where a log's files come from.
type source interface {
	read(path string) ([]byte, error)
}

func newSource(base, token string) source {
	if strings.HasPrefix(base, "http://") || strings.HasPrefix(base, "https://") {
		return &remote{
			base:   strings.TrimSuffix(base, "/"),
			token:  token,
			client: http.Client{Timeout: 30 * time.Second},
		}
	}
	return directory(base)
}

type directory string

func (d directory) read(path string) ([]byte, error) {
	file, err := os.Open(filepath.Join(string(d), filepath.FromSlash(path)))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("`%s` %w", path, errMissing)
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, limit))
}

type remote struct {
	base   string
	token  string
	client http.Client
}

func (r *remote) read(path string) ([]byte, error) {
	request, err := http.NewRequest(http.MethodGet, r.base+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	if r.token != "" {
		request.Header.Set("Authorization", "Bearer "+r.token)
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
		return io.ReadAll(io.LimitReader(response.Body, limit))
	case http.StatusNotFound, http.StatusGone:
		return nil, fmt.Errorf("`%s` %w", path, errMissing)
	default:
		return nil, fmt.Errorf("`%s` answered %s", path, response.Status)
	}
}
