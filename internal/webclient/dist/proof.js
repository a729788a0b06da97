async function check(r, words) {
  const proof = parseProof(r.proof);
  const checkpoint = parseCheckpoint(proof.checkpoint);
  if (proof.index !== BigInt(r.position)) {
    throw new Error(`The proof is for no. ${proof.index}, not for no. ${r.position}.`);
  }
  const leaf = await leafHash(decode(r.entry));
  const root = await rootFrom(leaf, proof.index, checkpoint.size, proof.hashes);
  if (!equal(root, checkpoint.root)) throw new Error("The entry is not in the record that was signed.");
  const signature = await verifySignature(proof.checkpoint, checkpoint.origin, r.vkey);
  const message = await verifyBody(r, words);
  return { size: Number(checkpoint.size), origin: checkpoint.origin, signature, message };
}
const ENTRY = 82;
async function verifyBody(r, words) {
  if (!r.body || !r.salt) return false;
  const entry = decode(r.entry);
  const body = decode(r.body);
  const commitment = await sha256(new TextEncoder().encode("despatch/body/v1"), decode(r.salt), body);
  if (entry.length !== ENTRY || !equal(entry.subarray(ENTRY - 32), commitment)) {
    throw new Error("The entry is another message’s.");
  }
  const recorded = JSON.parse(new TextDecoder().decode(body));
  if (words !== void 0 && recorded.content?.body !== words) {
    throw new Error("What is on the record is not what is shown here.");
  }
  return true;
}
function parseProof(s) {
  const cut = s.indexOf("\n\n");
  if (cut < 0) throw new Error("The proof is incomplete.");
  const lines = s.slice(0, cut).split("\n");
  if (lines.shift() !== "c2sp.org/tlog-proof@v1") throw new Error("The proof is of a kind that is not known here.");
  if (lines[0]?.startsWith("extra ")) lines.shift();
  const index = /^index (0|[1-9][0-9]*)$/.exec(lines.shift() ?? "");
  if (!index) throw new Error("The proof names no position.");
  return { index: BigInt(index[1]), hashes: lines.map(hash), checkpoint: s.slice(cut + 2) };
}
function parseCheckpoint(s) {
  const [origin, size, root] = s.split("\n");
  if (!origin || !size || !root || !/^(0|[1-9][0-9]*)$/.test(size)) throw new Error("The checkpoint is incomplete.");
  return { origin, size: BigInt(size), root: hash(root) };
}
function hash(line) {
  const h = decode(line);
  if (h.length !== 32) throw new Error("A hash in the proof has the wrong length.");
  return h;
}
async function sha256(...parts) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", join(parts)));
}
function leafHash(entry) {
  return sha256(Uint8Array.of(0), entry);
}
async function rootFrom(leaf, index, size, path) {
  if (index >= size) throw new Error("The entry is newer than the checkpoint. Try again in a moment.");
  let fn = index;
  let sn = size - 1n;
  let r = leaf;
  const node = Uint8Array.of(1);
  for (const p of path) {
    if (sn === 0n) throw new Error("The proof is too long.");
    if ((fn & 1n) === 1n || fn === sn) {
      r = await sha256(node, p, r);
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else {
      r = await sha256(node, r, p);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  if (sn !== 0n) throw new Error("The proof is too short.");
  return r;
}
async function verifySignature(note, origin, vkey) {
  const [name, id, key] = splitKey(vkey);
  if (name !== origin) throw new Error(`The checkpoint is ${origin}’s, the key ${name}’s.`);
  const cut = note.lastIndexOf("\n\n");
  if (cut < 0) throw new Error("The checkpoint is not signed.");
  const signed = new TextEncoder().encode(note.slice(0, cut + 1));
  const line = note.slice(cut + 2).split("\n").find((l) => {
    if (!l.startsWith(`— ${name} `)) return false;
    const b = decode(l.slice(l.lastIndexOf(" ") + 1));
    return equal(b.subarray(0, 4), id);
  });
  if (!line) throw new Error("The checkpoint is not signed with this record’s key.");
  const expected = (await sha256(new TextEncoder().encode(name + "\n"), key)).subarray(0, 4);
  if (!equal(expected, id)) throw new Error("The record’s key is damaged.");
  if (key[0] !== 1 || key.length !== 33) throw new Error("The record’s key is of a kind that is not known here.");
  let imported;
  try {
    imported = await crypto.subtle.importKey("raw", key.slice(1), { name: "Ed25519" }, false, ["verify"]);
  } catch {
    return false;
  }
  const sig = decode(line.slice(line.lastIndexOf(" ") + 1)).slice(4);
  if (!await crypto.subtle.verify({ name: "Ed25519" }, imported, sig, signed)) {
    throw new Error("The signature on the checkpoint does not hold.");
  }
  return true;
}
function splitKey(vkey) {
  const m = /^([^+\s]+)\+([0-9a-f]{8})\+(.+)$/.exec(vkey.trim());
  if (!m) throw new Error("The record’s key cannot be read.");
  return [m[1], Uint8Array.from(m[2].match(/../g), (b) => parseInt(b, 16)), decode(m[3])];
}
function decode(base64) {
  try {
    return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  } catch {
    throw new Error("The proof is garbled.");
  }
}
function join(parts) {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}
function equal(a, b) {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}
export {
  check,
  leafHash,
  rootFrom
};
