//go:build !unix

package load

import "time"

// cpuTime is the processor time of the process so far; 0 is unknown.
func cpuTime() time.Duration { return 0 }
