//go:build !linux

package load

import "time"

// sleep returns after about d.
func sleep(d time.Duration) { <-time.After(d) }
