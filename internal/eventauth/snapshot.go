package eventauth

import "despatch/internal/matrix"

// Snapshot is a [State] in memory. It may be read by many goroutines while nobody calls Set.
type Snapshot struct {
	events map[Key]*matrix.Event
	levels *PowerLevels
	err    error // of parsing the power levels
}

// NewSnapshot returns a state that consists of these events, later ones replacing earlier ones.
func NewSnapshot(events ...*matrix.Event) *Snapshot {
	s := &Snapshot{events: make(map[Key]*matrix.Event, len(events))}
	for _, ev := range events {
		s.Set(ev)
	}
	return s
}

// Set makes ev, if it is a state event, part of the state.
func (s *Snapshot) Set(ev *matrix.Event) {
	if ev.StateKey == nil {
		return
	}
	s.events[Key{ev.Type, *ev.StateKey}] = ev
	if ev.Is(matrix.TypeCreate, "") || ev.Is(matrix.TypePowerLevels, "") {
		s.levels, s.err = ParsePowerLevels(s.Event(matrix.TypeCreate, ""), s.Event(matrix.TypePowerLevels, ""))
	}
}

// Event implements [State].
func (s *Snapshot) Event(typ, stateKey string) *matrix.Event { return s.events[Key{typ, stateKey}] }

// PowerLevels implements [State].
func (s *Snapshot) PowerLevels() (*PowerLevels, error) {
	if s.levels == nil && s.err == nil {
		return ParsePowerLevels(nil, nil)
	}
	return s.levels, s.err
}
