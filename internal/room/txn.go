package room

import "sync"

// txnCache remembers the most recent transactions, so that the usual retry needs no query. It keeps two
// generations and drops the older when the newer is full.
type txnCache struct {
	mu       sync.RWMutex
	now, old map[[16]byte]Sent
}

const txnGeneration = 20_000

func (c *txnCache) init() { c.now = make(map[[16]byte]Sent) }

func (c *txnCache) get(id []byte) (Sent, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	sent, ok := c.now[[16]byte(id)]
	if !ok {
		sent, ok = c.old[[16]byte(id)]
	}
	return sent, ok
}

func (c *txnCache) put(id []byte, sent Sent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.now) >= txnGeneration {
		c.old, c.now = c.now, make(map[[16]byte]Sent)
	}
	c.now[[16]byte(id)] = sent
}

func (c *txnCache) remove(id []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.now, [16]byte(id))
	delete(c.old, [16]byte(id))
}
