// Package interop tests Cloverleaf against foreign WAMP implementations.
//
// The tests carry the build tag interop and need peers that run.sh installs;
// see README.md in this folder.
package interop
