package sqldb

import (
	"os"
	"syscall"
)

const keepSize = 1 // FALLOC_FL_KEEP_SIZE

func allocate(f *os.File) error { return syscall.Fallocate(int(f.Fd()), keepSize, 0, 1) }
