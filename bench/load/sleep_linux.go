package load

import (
	"syscall"
	"time"
)

// sleep returns after about d, or earlier. The timers of the runtime are up to a millisecond late,
// which is longer than most calls take.
func sleep(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&ts, nil) // who is interrupted looks at the clock
}
