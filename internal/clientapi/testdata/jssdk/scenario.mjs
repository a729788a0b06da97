// A conversation between two people with matrix-js-sdk, the library of Element Web. It prints a line for
// each step and for each request that the server did not answer with success, and exits 1 if a step failed.
//
//     DESPATCH_URL=http://127.0.0.1:8008 DESPATCH_ALICE=daniel DESPATCH_BOB=priya DESPATCH_PASSWORD=… node scenario.mjs

Promise.withResolvers ??= function () { let resolve, reject; const promise = new Promise((a, b) => { resolve = a; reject = b; }); return { promise, resolve, reject }; };

const say = (line) => process.stdout.write(line + "\n");
for (const level of ["debug", "error", "info", "log", "trace", "warn"]) console[level] = () => {}; // the library's own reports
const sdk = await import("matrix-js-sdk");

const { DESPATCH_URL: baseUrl, DESPATCH_ALICE: aliceName, DESPATCH_BOB: bobName, DESPATCH_PASSWORD: password } = process.env;
const requests = new Map();
let failures = 0;

function counting(who) {
	return async (input, init = {}) => {
		const path = new URL(input).pathname, method = init.method ?? "GET";
		const line = `${method} ${path}`;
		const shape = line.replace(/%21[^/]+|![^/]+/g, "ROOM").replace(/%24[^/]+|\$[^/]+/g, "EVENT").replace(/%40[^/]+|@[^/]+/g, "USER");
		requests.set(shape, (requests.get(shape) ?? 0) + 1);
		const resp = await fetch(input, init);
		if (!resp.ok) say(`refused ${who}: ${shape} = ${resp.status} ${(await resp.clone().text()).slice(0, 160)}`);
		return resp;
	};
}

async function step(name, work) {
	try {
		const timeout = new Promise((_, reject) => setTimeout(() => reject(new Error("nothing came within 10 s")), 10_000).unref());
		const result = await Promise.race([work(), timeout]);
		say(`ok ${name}`);
		return result;
	} catch (err) {
		failures++;
		say(`not ok ${name}: ${err?.stack ?? err}`);
	}
}

function expect(what, got, want) {
	if (JSON.stringify(got) !== JSON.stringify(want)) throw new Error(`${what} = ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}

// until waits for a condition on what a client knows. The library tells of changes by events, but not of all.
async function until(holds) {
	for (;;) {
		const value = holds();
		if (value) return value;
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}

async function signIn(name) {
	const first = sdk.createClient({ baseUrl, fetchFn: counting(name) });
	const flows = await first.loginFlows();
	expect("a password is a way to sign in", flows.flows.some((f) => f.type === "m.login.password"), true);
	const got = await first.loginRequest({ type: "m.login.password", identifier: { type: "m.id.user", user: name }, password, initial_device_display_name: "scenario" });
	const client = sdk.createClient({
		baseUrl, fetchFn: counting(name), userId: got.user_id, deviceId: got.device_id, accessToken: got.access_token,
		timelineSupport: true, store: new sdk.MemoryStore({ localStorage: undefined }),
	});
	if (process.env.DESPATCH_CRYPTO) await client.initRustCrypto({ useIndexedDB: false });
	await client.startClient({ initialSyncLimit: 10, threadSupport: true, lazyLoadMembers: true });
	await until(() => client.isInitialSyncComplete());
	return client;
}

const arrives = (client, room, holds) => until(() =>
	client.getRoom(room)?.getLiveTimeline().getEvents().find((ev) => holds(ev)));

const alice = await step("alice signs in", () => signIn(aliceName));
const bob = await step("bob signs in", () => signIn(bobName));
if (!alice || !bob) process.exit(1);

const room = await step("create a room and invite", async () => {
	const { room_id } = await alice.createRoom({ name: "Scenario", topic: "of a client library", preset: "private_chat", invite: [bob.getUserId()] });
	return room_id;
});
await step("the invitation arrives with the room's name", () => until(() => {
	const r = bob.getRoom(room);
	return r?.getMyMembership() === "invite" && r.name === "Scenario";
}));
await step("join", async () => {
	await bob.joinRoom(room);
	await until(() => alice.getRoom(room)?.getMember(bob.getUserId())?.membership === "join");
});

const hello = await step("send and receive", async () => {
	const { event_id } = await alice.sendTextMessage(room, "hello");
	const ev = await arrives(bob, room, (e) => e.getId() === event_id);
	expect("body", ev.getContent().body, "hello");
	return event_id;
});
await step("the sender's own echo is matched, not doubled", async () => {
	await arrives(alice, room, (e) => e.getId() === hello && !e.status);
	const n = alice.getRoom(room).getLiveTimeline().getEvents().filter((e) => e.getContent().body === "hello").length;
	expect("number of hellos", n, 1);
});
await step("typing", async () => {
	await bob.sendTyping(room, true, 10_000);
	await until(() => alice.getRoom(room).getMember(bob.getUserId())?.typing);
	await bob.sendTyping(room, false, 0);
	await until(() => !alice.getRoom(room).getMember(bob.getUserId())?.typing);
});
await step("unread count and read receipt", async () => {
	expect("unread", bob.getRoom(room).getUnreadNotificationCount(), 1);
	await bob.sendReadReceipt(bob.getRoom(room).findEventById(hello));
	await until(() => alice.getRoom(room).getEventReadUpTo(bob.getUserId()) === hello);
	await until(() => bob.getRoom(room).getUnreadNotificationCount() === 0);
});
await step("read markers", () => bob.setRoomReadMarkers(room, hello, bob.getRoom(room).findEventById(hello)));
await step("private receipt", () => alice.sendReadReceipt(alice.getRoom(room).findEventById(hello), "m.read.private"));

await step("edit", async () => {
	await alice.sendMessage(room, { msgtype: "m.text", body: "* hello, all", "m.new_content": { msgtype: "m.text", body: "hello, all" }, "m.relates_to": { rel_type: "m.replace", event_id: hello } });
	await until(() => bob.getRoom(room).findEventById(hello)?.replacingEvent());
	expect("body", bob.getRoom(room).findEventById(hello).getContent().body, "hello, all");
});
await step("react", async () => {
	const { event_id } = await bob.sendEvent(room, "m.reaction", { "m.relates_to": { rel_type: "m.annotation", event_id: hello, key: "👍" } });
	await arrives(alice, room, (e) => e.getId() === event_id);
	const found = alice.getRoom(room).relations.getChildEventsForEvent(hello, "m.annotation", "m.reaction");
	expect("reactions", found?.getRelations().length, 1);
	await bob.redactEvent(room, event_id);
	await until(() => alice.getRoom(room).relations.getChildEventsForEvent(hello, "m.annotation", "m.reaction")?.getRelations().length === 0);
});
await step("reply", async () => {
	const { event_id } = await bob.sendMessage(room, { msgtype: "m.text", body: "and to you", "m.mentions": { user_ids: [alice.getUserId()] }, "m.relates_to": { "m.in_reply_to": { event_id: hello } } });
	const ev = await arrives(alice, room, (e) => e.getId() === event_id);
	expect("reply to", ev.replyEventId, hello);
});
await step("redact", async () => {
	const { event_id } = await alice.sendTextMessage(room, "a slip");
	await arrives(bob, room, (e) => e.getId() === event_id);
	await alice.redactEvent(room, event_id, undefined, { reason: "a slip" });
	await until(() => bob.getRoom(room).findEventById(event_id)?.isRedacted());
	expect("content", bob.getRoom(room).findEventById(event_id).getContent(), {});
	const again = await bob.fetchRoomEvent(room, event_id);
	expect("content on the server", again.content, {});
	expect("reason", again.unsigned.redacted_because.content.reason, "a slip");
});
await step("a deleted message takes its edits with it", async () => {
	const { event_id } = await alice.sendTextMessage(room, "the first wording");
	const edit = await alice.sendMessage(room, { msgtype: "m.text", body: "* the second", "m.new_content": { msgtype: "m.text", body: "the second" }, "m.relates_to": { rel_type: "m.replace", event_id } });
	await arrives(bob, room, (e) => e.getId() === event_id && e.replacingEvent());
	await alice.redactEvent(room, event_id);
	await until(() => bob.getRoom(room).findEventById(event_id).isRedacted());
	expect("the edit", (await bob.fetchRoomEvent(room, edit.event_id)).content, {});
});
const root = await step("thread", async () => {
	const { event_id } = await alice.sendTextMessage(room, "root of a thread");
	await arrives(bob, room, (e) => e.getId() === event_id);
	// Where its own echo comes before the answer, which it often does, matrix-js-sdk 43 never says that a message in
	// a thread was sent. So that it arrives has to do.
	bob.sendMessage(room, event_id, { msgtype: "m.text", body: "in the thread" }).catch(() => {});
	await until(() => alice.getRoom(room).getThread(event_id)?.events.some((e) => e.getContent().body === "in the thread"));
	return event_id;
});
await step("threads are listed", async () => {
	const list = await alice.createThreadListMessagesRequest(room, null, 10, "b");
	expect("threads", list.chunk.map((e) => e.event_id), [root]);
	expect("count", list.chunk[0]?.unsigned?.["m.relations"]?.["m.thread"]?.count, 1);
});
await step("the root carries its thread, the edited message its edit", async () => {
	const ev = await bob.fetchRoomEvent(room, root);
	const thread = ev.unsigned["m.relations"]["m.thread"];
	expect("thread", [thread.count, thread.latest_event.content.body, thread.current_user_participated], [1, "in the thread", true]);
	const edited = await bob.fetchRoomEvent(room, hello);
	expect("edit", edited.unsigned["m.relations"]["m.replace"].content["m.new_content"].body, "hello, all");
});
await step("relations", async () => {
	const { events } = await bob.relations(room, hello, "m.replace", "m.room.message");
	expect("edits", events.length, 1);
	const thread = await bob.fetchRelations(room, root, "m.thread", null, { dir: "f", limit: 1 });
	expect("thread", thread.chunk.map((e) => e.content.body), ["in the thread"]);
});

// One red pixel.
const pixel = Uint8Array.from(atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="), (c) => c.charCodeAt(0));
await step("media", async () => {
	const config = await alice.getMediaConfig(true);
	if (!(config["m.upload.size"] > 0)) throw new Error(`media config ${JSON.stringify(config)}`);
	const { content_uri } = await alice.uploadContent(new Blob([pixel], { type: "image/png" }), { name: "pixel.png", type: "image/png" });
	const { event_id } = await alice.sendImageMessage(room, content_uri, { mimetype: "image/png", w: 1, h: 1, size: pixel.length }, "pixel.png");
	const ev = await arrives(bob, room, (e) => e.getId() === event_id);
	const get = (url, token) => fetch(url, token ? { headers: { Authorization: `Bearer ${token}` } } : {});
	const full = bob.mxcUrlToHttp(ev.getContent().url, undefined, undefined, undefined, false, true, true);
	const resp = await get(full, bob.getAccessToken());
	expect("download", [resp.status, resp.headers.get("content-type")], [200, "image/png"]);
	if (!(await resp.arrayBuffer()).byteLength) throw new Error("the picture is empty");
	const small = bob.mxcUrlToHttp(ev.getContent().url, 32, 32, "scale", false, true, true);
	expect("thumbnail", (await get(small, bob.getAccessToken())).status, 200);
	expect("download without a token", (await get(full)).status, 401);
	expect("older path without a token", (await get(bob.mxcUrlToHttp(ev.getContent().url))).status, 401);
});

await step("scrollback", async () => {
	const other = await alice.createRoom({ name: "Long", invite: [bob.getUserId()] });
	for (let i = 0; i < 30; i++) await alice.sendTextMessage(other.room_id, `line ${i}`);
	await bob.joinRoom(other.room_id);
	await until(() => bob.getRoom(other.room_id)?.getMyMembership() === "join");
	const bobs = bob.getRoom(other.room_id);
	for (let i = 0; i < 10 && bobs.oldState.paginationToken; i++) await bob.scrollback(bobs, 10);
	const events = bobs.getLiveTimeline().getEvents();
	const lines = events.filter((e) => e.getType() === "m.room.message").map((e) => e.getContent().body);
	expect("lines", lines, Array.from({ length: 30 }, (_, i) => `line ${i}`));
	expect("first event", events[0].getType(), "m.room.create");
	const middle = events.find((e) => e.getContent().body === "line 15");
	const around = await bob.getEventTimeline(bobs.getUnfilteredTimelineSet(), middle.getId());
	if (!around.getEvents().some((e) => e.getContent().body === "line 16")) throw new Error("no context");
});
await step("members, state and power", async () => {
	await bob.getRoom(room).loadMembersIfNeeded();
	expect("members", bob.getRoom(room).getJoinedMemberCount(), 2);
	await alice.setRoomName(room, "Renamed");
	await until(() => bob.getRoom(room).name === "Renamed");
	await alice.setPowerLevel(room, bob.getUserId(), 50);
	await until(() => bob.getRoom(room).getMember(bob.getUserId()).powerLevel === 50);
	expect("topic", (await bob.getStateEvent(room, "m.room.topic", "")).topic, "of a client library");
});
await step("a new name does not send the room again", async () => {
	const was = (await bob.getProfileInfo(bob.getUserId())).displayname;
	let reset = false;
	const note = () => { reset = true; };
	bob.on("Room.timelineReset", note);
	await bob.setDisplayName("Bobby");
	await until(() => alice.getRoom(room).getMember(bob.getUserId()).rawDisplayName === "Bobby");
	await until(() => bob.getRoom(room).getMember(bob.getUserId()).rawDisplayName === "Bobby");
	await bob.setDisplayName(was);
	await until(() => alice.getRoom(room).getMember(bob.getUserId()).rawDisplayName === was);
	bob.off("Room.timelineReset", note);
	expect("timeline reset", reset, false);
});
await step("account data and tags", async () => {
	await alice.setAccountData("org.example.test", { a: 1 });
	await until(() => alice.getAccountData("org.example.test")?.getContent().a === 1);
	await alice.setRoomTag(room, "m.favourite", { order: 0.5 });
	await until(() => alice.getRoom(room).tags["m.favourite"]?.order === 0.5);
	await alice.deleteRoomTag(room, "m.favourite");
	await until(() => !alice.getRoom(room).tags["m.favourite"]);
	await alice.setRoomAccountData(room, "org.example.test", { b: 2 });
	await until(() => alice.getRoom(room).getAccountData("org.example.test")?.getContent().b === 2);
});
await step("people", async () => {
	const found = await alice.searchUserDirectory({ term: bobName.slice(0, 3), limit: 5 });
	if (!found.results.some((p) => p.user_id === bob.getUserId())) throw new Error(JSON.stringify(found));
});
await step("no encryption", async () => {
	const { room_id } = await alice.createRoom({ preset: "trusted_private_chat", initial_state: [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }] });
	const state = await alice.roomState(room_id);
	expect("encryption", state.filter((e) => e.type === "m.room.encryption"), []);
	const refused = await alice.sendStateEvent(room_id, "m.room.encryption", { algorithm: "m.megolm.v1.aes-sha2" }).then(() => "", (err) => err.errcode);
	expect("turning it on", refused, "M_FORBIDDEN");
});
await step("messages to devices, and encrypted ones to nobody else's", async () => {
	let got, other;
	bob.on("toDeviceEvent", (ev) => { if (ev.getType() === "org.example.ping") other = ev.getContent(); });
	alice.on("toDeviceEvent", (ev) => { if (ev.getType() === "org.example.ping") got = ev.getContent(); });
	await alice.sendToDevice("org.example.ping", new Map([[alice.getUserId(), new Map([[alice.getDeviceId(), { n: 1 }]])]]));
	expect("content", await until(() => got), { n: 1 });
	await alice.sendToDevice("org.example.ping", new Map([[bob.getUserId(), new Map([["*", { n: 2 }]])]]));
	expect("to another", await until(() => other), { n: 2 });
	const refused = await alice.sendToDevice("m.room.encrypted", new Map([[bob.getUserId(), new Map([["*", { n: 1 }]])]])).then(() => "", (err) => err.errcode);
	expect("encrypted to another", refused, "M_FORBIDDEN");
});
await step("push rules", async () => {
	const rules = await alice.getPushRules();
	if (!rules.global.override.length) throw new Error("no rules");
	await alice.addPushRule("global", "room", room, { actions: [] });
	await until(() => alice.pushRules?.global?.room?.some((r) => r.rule_id === room));
	await alice.setPushRuleEnabled("global", "override", ".m.rule.master", true);
	expect("master", (await alice.getPushRules()).global.override.find((r) => r.rule_id === ".m.rule.master").enabled, true);
	await alice.setPushRuleEnabled("global", "override", ".m.rule.master", false);
	await alice.deletePushRule("global", "room", room);
});
await step("search", async () => {
	for (;;) { // the index follows a little later
		const found = await bob.searchRoomEvents({ term: "thread", filter: { rooms: [room] } });
		if (found.results.some((r) => r.context.getEvent().getContent().body === "root of a thread")) return;
		await new Promise((resolve) => setTimeout(resolve, 100));
	}
});
await step("leave and forget", async () => {
	await bob.leave(room);
	await until(() => alice.getRoom(room).getMember(bob.getUserId())?.membership === "leave");
	await until(() => bob.getRoom(room)?.getMyMembership() === "leave");
	await bob.forget(room);
});
await step("devices", async () => {
	const { devices } = await alice.getDevices();
	if (!devices.some((d) => d.device_id === alice.getDeviceId())) throw new Error("my device is not there");
	await alice.setDeviceDetails(alice.getDeviceId(), { display_name: "renamed" });
	expect("name", (await alice.getDevice(alice.getDeviceId())).display_name, "renamed");
	const second = await sdk.createClient({ baseUrl, fetchFn: counting(aliceName) }).loginRequest({ type: "m.login.password", identifier: { type: "m.id.user", user: aliceName }, password });
	const asked = await alice.deleteDevice(second.device_id).then(() => null, (err) => err.data);
	expect("stages", asked?.flows, [{ stages: ["m.login.password"] }]);
	await alice.deleteDevice(second.device_id, { type: "m.login.password", session: asked.session, identifier: { type: "m.id.user", user: alice.getUserId() }, password });
	const gone = sdk.createClient({ baseUrl, fetchFn: fetch, accessToken: second.access_token });
	expect("the deleted device", await gone.whoami().then(() => "", (err) => err.errcode), "M_UNKNOWN_TOKEN");
});
await step("sign out", async () => {
	const token = bob.getAccessToken();
	await bob.logout(true);
	const gone = sdk.createClient({ baseUrl, fetchFn: fetch, accessToken: token });
	expect("the old token", await gone.whoami().then(() => "", (err) => err.errcode), "M_UNKNOWN_TOKEN");
});
alice.stopClient();

if (process.env.DESPATCH_REQUESTS) for (const [line, n] of [...requests].sort()) say(`${n}× ${line}`);
process.exit(failures ? 1 : 0);
