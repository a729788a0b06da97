package signal

import "context"

func isSingle(head []byte) bool                        { return false }
func (c *copyOf) readSingle(ctx context.Context) error { return nil }
