module caracal.dev/sdk

go 1.24.0

require (
	github.com/BurntSushi/toml v1.5.0
	github.com/go-jose/go-jose/v4 v4.1.3
)

require github.com/tmaxmax/go-sse v0.11.0
