//go:build tools

// Package tools names the commands that the lab builds, so that go.mod and go.sum cover them.
package tools

import (
	_ "go.etcd.io/etcd/etcdctl/v3"
	_ "go.etcd.io/etcd/etcdutl/v3"
	_ "go.etcd.io/etcd/server/v3"
)
