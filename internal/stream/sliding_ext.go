package stream

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"despatch/internal/matrix"
	"despatch/internal/store"
)

// Extensions of sliding sync: what is not events of rooms.

const (
	extAccountData = 1 << iota
	extReceipts
	extTyping
)

// extensions are those that the request has on.
func (a *sliding) extensions() (on uint8) {
	for bit, e := range map[uint8]Extension{extAccountData: a.req.AccountData, extReceipts: a.req.Receipts, extTyping: a.req.Typing} {
		if e.Enabled {
			on |= bit
		}
	}
	return on
}

// after is the place from which an extension's changes are told: from the beginning if it was off before.
func (a *sliding) after(bit uint8) int64 {
	if a.x.ext&bit == 0 {
		return 0
	}
	return a.x.at.Side
}

// loadData reads what of the user's own data decides which rooms are in a list, and reports whether the
// rooms with one other person may be others than before.
func (a *sliding) loadData() (changed bool, err error) {
	q := a.s.DB.Reader()
	if a.x.direct == nil || a.view.data {
		old := a.x.direct
		a.x.direct = map[matrix.RoomID]bool{}
		raw, err := store.AccountDatum(a.ctx, q, a.req.User, "", "m.direct")
		if err != nil && err != store.ErrNotFound {
			return false, err
		}
		matrix.Members(raw, func(_ string, rooms []byte) bool {
			matrix.Elements(rooms, func(v []byte) bool {
				if id, ok := matrix.String(v); ok && len(a.x.direct) < maxConnRooms {
					a.x.direct[matrix.RoomID(id)] = true
				}
				return true
			})
			return true
		})
		changed = old == nil || !maps.Equal(old, a.x.direct)
	}
	for _, l := range a.req.Lists {
		if l.Filter.Tags == nil && l.Filter.NotTags == nil {
			continue
		}
		all, err := store.AccountDataOfType(a.ctx, q, a.req.User, "m.tag")
		if err != nil {
			return changed, err
		}
		a.tags = make(map[matrix.RoomID][]string)
		for _, d := range all {
			matrix.Members(matrix.Lookup(d.Content, "tags"), func(name string, _ []byte) bool {
				a.tags[d.Room] = append(a.tags[d.Room], name)
				return true
			})
		}
		break
	}
	return changed, nil
}

// children are the rooms that a space of the user's names as its own.
func (a *sliding) children(space matrix.RoomID) (map[matrix.RoomID]bool, error) {
	if c, ok := a.spaces[space]; ok {
		return c, nil
	}
	if a.spaces == nil {
		a.spaces = make(map[matrix.RoomID]map[matrix.RoomID]bool)
	}
	found := make(map[matrix.RoomID]bool)
	a.spaces[space] = found
	info, ok := a.s.Hub.Room(space)
	if state, _ := a.s.Hub.Membership(space, a.req.User); !ok || state != "join" {
		return found, nil
	}
	rows, err := store.StateOfType(a.ctx, a.s.DB.Reader(), info.Scope, "m.space.child", a.view.next.Pos, maxConnRooms)
	for i := range rows {
		key, _ := matrix.LookupString(rows[i].Body, "state_key")
		if via := matrix.Lookup(rows[i].Body, "content", "via"); via != nil && !rows[i].Pruned {
			found[matrix.RoomID(key)] = true
		}
	}
	return found, err
}

// extend appends what the extensions tell.
func (a *sliding) extend(matches []match) error {
	if err := a.toDevice(); err != nil {
		return err
	}
	if err := a.keys(); err != nil {
		return err
	}
	if err := a.accountData(); err != nil {
		return err
	}
	if err := a.receipts(); err != nil {
		return err
	}
	a.typing()
	return nil
}

// member appends an extension's member.
func (a *sliding) member(name string, value []byte) {
	if len(a.resp.ext) > 0 {
		a.resp.ext = append(a.resp.ext, ',')
	}
	a.resp.ext = matrix.AppendString(a.resp.ext, name)
	a.resp.ext = append(append(a.resp.ext, ':'), value...)
}

// concerns reports whether an extension tells of a room: one that the client has been sent, in one of the
// lists or subscriptions that the extension is about.
func (a *sliding) concerns(e *Extension, r *slidingRoom) bool {
	sent, ok := a.sent(r.info.Scope)
	if !ok || !sent.joined || r.member.state != "join" {
		return false
	}
	if _, sub := a.req.Rooms[r.info.ID]; sub {
		if e.Rooms == nil || slices.Contains(e.Rooms, r.info.ID) || slices.Contains(e.Rooms, "*") {
			return true
		}
	}
	if e.Lists == nil || slices.Contains(e.Lists, "*") {
		return sent.lists != 0 || len(a.req.Lists) == 0 && e.Rooms == nil
	}
	i := 0
	for _, name := range sortedNames(a.req.Lists) {
		if slices.Contains(e.Lists, name) && sent.lists&(1<<min(i, 63)) != 0 {
			return true
		}
		i++
	}
	return false
}

func sortedNames(lists map[string]SlidingList) []string {
	out := make([]string, 0, len(lists))
	for name := range lists {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func (a *sliding) isInitial(id matrix.RoomID) bool { return slices.Contains(a.initials, id) }

// toDevice tells the messages to the device (MSC3885). They are forgotten once the client says that it has
// them, which the caller sees to.
func (a *sliding) toDevice() error {
	if !a.req.ToDevice.Enabled {
		return nil
	}
	var events []byte
	n, last := 0, int64(0)
	err := store.ToDeviceNumbered(a.ctx, a.s.DB.Reader(), a.req.User, a.req.Device, a.req.ToDevice.Since, a.view.next.Side, a.req.ToDevice.Limit,
		func(id int64, content []byte) {
			if n++; n > 1 {
				events = append(events, ',')
			}
			events, last = append(events, content...), id
		})
	if err != nil {
		return err
	}
	next := max(a.view.next.Side, a.req.ToDevice.Since)
	if n >= a.req.ToDevice.Limit {
		next = last
	}
	b := append([]byte(`{"next_batch":"`), strconv.FormatInt(next, 10)...)
	if n > 0 {
		b = append(append(append(b, `","events":[`...), events...), `]}`...)
		a.resp.news = true
	} else {
		b = append(b, `"}`...)
	}
	a.member("to_device", b)
	return nil
}

// keys tells whose keys have changed and which the device has left (MSC3884).
func (a *sliding) keys() error {
	if !a.req.E2EE {
		return nil
	}
	counts, unused, err := a.req.Keys()
	if err != nil {
		return err
	}
	b := append(append([]byte(`{"device_one_time_keys_count":{`), counts...), `},"device_unused_fallback_key_types":[`...)
	b = append(append(b, unused...), ']')
	if a.x.acked != 0 && a.view.next != a.x.at {
		changed, left, err := a.s.DeviceLists(a.ctx, a.req.User, a.x.at)
		if err != nil {
			return err
		}
		if len(changed)+len(left) > 0 {
			b = appendUsers(append(b, `,"device_lists":{"changed":[`...), changed)
			b = appendUsers(append(b, `],"left":[`...), left)
			b = append(b, `]}`...)
			a.resp.news = true
		}
	}
	a.member("e2ee", append(b, '}'))
	return nil
}

// accountData tells the user's own data (MSC3959): that of rooms only where the client has been sent them.
func (a *sliding) accountData() error {
	e := &a.req.AccountData
	if !e.Enabled {
		return nil
	}
	q, after := a.s.DB.Reader(), a.after(extAccountData)
	var global []byte
	rooms := make(map[matrix.RoomID][]byte)
	var order []matrix.RoomID
	put := func(d store.AccountData) {
		if _, ok := rooms[d.Room]; !ok {
			order = append(order, d.Room)
		}
		rooms[d.Room] = appendData(rooms[d.Room], d)
	}
	for i := range a.view.rooms {
		r := &a.view.rooms[i]
		if !a.isInitial(r.info.ID) || !a.concerns(e, r) {
			continue
		}
		own, err := store.AccountDataOf(a.ctx, q, a.req.User, r.info.ID)
		if err != nil {
			return err
		}
		for _, d := range own {
			put(d)
		}
	}
	if after == 0 {
		own, err := store.AccountDataOf(a.ctx, q, a.req.User, "")
		if err != nil {
			return err
		}
		for _, d := range own {
			global = appendData(global, d)
		}
	} else if a.view.data {
		own, err := store.AccountDataSince(a.ctx, q, a.req.User, after)
		if err != nil {
			return err
		}
		for _, d := range own {
			switch {
			case d.Stream > a.view.next.Side: // the next answer's
			case d.Room == "":
				global = appendData(global, d)
			case !a.isInitial(d.Room) && a.knows(e, d.Room):
				put(d)
			}
		}
	}
	if len(global) == 0 && len(order) == 0 {
		return nil
	}
	b := append(append([]byte(`{"global":[`), global...), `],"rooms":{`...)
	for i, id := range order {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(matrix.AppendString(b, id), ':', '[')
		b = append(append(b, rooms[id]...), ']')
	}
	a.member("account_data", append(b, `}}`...))
	a.resp.news = true
	return nil
}

// knows is concerns for a room in which nothing else has happened.
func (a *sliding) knows(e *Extension, id matrix.RoomID) bool {
	info, ok := a.s.Hub.Room(id)
	state, pos := a.s.Hub.Membership(id, a.req.User)
	return ok && a.concerns(e, &slidingRoom{info: info, member: membership{state: state, pos: pos}})
}

// receipts tells who has read how far (MSC3960): of rooms that are new to the client only for the events
// that it is sent, and the user's own.
func (a *sliding) receipts() error {
	e := &a.req.Receipts
	if !e.Enabled {
		return nil
	}
	var out []byte
	for i := range a.view.rooms {
		r := &a.view.rooms[i]
		initial := a.isInitial(r.info.ID)
		if !initial && !r.read || !a.concerns(e, r) {
			continue
		}
		after := a.after(extReceipts)
		if initial {
			after = 0
		}
		all, err := store.Receipts(a.ctx, a.s.DB.Reader(), r.info.Scope, after)
		if err != nil {
			return err
		}
		if initial {
			all = slices.DeleteFunc(all, func(x store.Receipt) bool {
				return x.User != a.req.User && !slices.Contains(a.shown[r.info.Scope], x.Event)
			})
		}
		text := appendReceipts(nil, all, a.req.User)
		if len(text) == 0 {
			continue
		}
		if len(out) > 0 {
			out = append(out, ',')
		}
		out = append(matrix.AppendString(out, r.info.ID), ':')
		out = append(out, text...)
	}
	if len(out) > 0 {
		a.member("receipts", append(append([]byte(`{"rooms":{`), out...), `}}`...))
		a.resp.news = true
	}
	return nil
}

// typing tells who types (MSC3961).
func (a *sliding) typing() {
	e := &a.req.Typing
	if !e.Enabled {
		return
	}
	var out []byte
	for i := range a.view.rooms {
		r := &a.view.rooms[i]
		fresh := a.isInitial(r.info.ID) || a.x.ext&extTyping == 0
		if !a.concerns(e, r) || fresh && len(r.typing) == 0 || !fresh && !r.typed {
			continue
		}
		if len(out) > 0 {
			out = append(out, ',')
		}
		out = append(matrix.AppendString(out, r.info.ID), `:{"type":"m.typing","content":{"user_ids":[`...)
		for j, who := range r.typing {
			if j > 0 {
				out = append(out, ',')
			}
			out = matrix.AppendString(out, who)
		}
		out = append(out, `]}}`...)
	}
	if len(out) > 0 {
		a.member("typing", append(append([]byte(`{"rooms":{`), out...), `}}`...))
		a.resp.news = true
	}
}

// aggregates are the members of "unsigned" that say what has been said in relation to some events: the
// last edit and the thread of each, by position (Client-Server API, "Aggregations of child events").
func (s *Syncer) aggregates(ctx context.Context, info RoomInfo, rows []store.Event, end int64, v Viewer) (map[int64][]byte, error) {
	var positions []int64
	for i := range rows {
		if !rows[i].Pruned && rows[i].Body != nil && (rows[i].Class == store.ClassMessage || rows[i].Class == store.ClassOther) {
			positions = append(positions, rows[i].Pos)
		}
	}
	if len(positions) == 0 {
		return nil, nil
	}
	q := s.DB.Reader()
	found, err := store.Aggregates(ctx, q, positions, end, SenderHash(v.User))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	newest := make([]int64, len(found))
	for i := range found {
		newest[i] = found[i].Last
	}
	events, err := store.EventsAt(ctx, q, newest)
	if err != nil {
		return nil, err
	}
	out := make(map[int64][]byte)
	for _, agg := range found {
		last := events[agg.Last]
		ev := AppendEvent(nil, info.Version, info.ID, &last, v, nil)
		if len(ev) == 0 {
			continue
		}
		b := out[agg.Target]
		if len(b) == 0 {
			b = append(b, `"m.relations":{`...)
		} else {
			b[len(b)-1] = ',' // in place of the brace
		}
		if agg.Type == "m.replace" {
			b = append(append(b, `"m.replace":`...), ev...)
		} else {
			b = append(b, `"m.thread":{"count":`...)
			b = strconv.AppendInt(b, int64(agg.Count), 10)
			b = append(b, `,"current_user_participated":`...)
			b = strconv.AppendBool(b, agg.Own || sentBy(rows, agg.Target, v.User))
			b = append(append(append(b, `,"latest_event":`...), ev...), '}')
		}
		out[agg.Target] = append(b, '}')
	}
	return out, nil
}

func sentBy(rows []store.Event, pos int64, who matrix.UserID) bool {
	for i := range rows {
		if rows[i].Pos == pos {
			sender, _ := matrix.LookupString(rows[i].Body, "sender")
			return sender == string(who)
		}
	}
	return false
}
