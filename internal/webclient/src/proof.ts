// Checks, in the reader's own browser, that an entry stands in the record: RFC 6962 inclusion in a
// signed C2SP checkpoint. Nothing here asks the server anything; it trusts bytes and arithmetic.

export interface Receipt {
  position: number;
  time: number;
  /** The entry, in base64. */
  entry: string;
  /** The message as it was recorded, and the salt of the entry's commitment to it, unless it has been deleted; in base64. */
  body?: string;
  salt?: string;
  /** A C2SP tlog-proof. */
  proof: string;
  /** The signed checkpoint, the same as the proof carries. */
  checkpoint?: string;
  /** The verifier key of the record: name+hash+key. */
  vkey: string;
}

export interface Checked {
  /** How many entries the record had when the checkpoint was signed. */
  size: number;
  origin: string;
  /** Whether this browser could check the signature; false if it knows no Ed25519. */
  signature: boolean;
  /** Whether the entry was shown to be this message's; false if the message has been deleted since. */
  message: boolean;
}

/** Checks a receipt for a message with the given words. Throws an Error that says what does not hold. */
export async function check(r: Receipt, words: string | undefined): Promise<Checked> {
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

// An entry is 82 bytes, the last 32 of them SHA-256("despatch/body/v1" | salt | body).
const ENTRY = 82;

async function verifyBody(r: Receipt, words: string | undefined): Promise<boolean> {
  if (!r.body || !r.salt) return false;
  const entry = decode(r.entry);
  const body = decode(r.body);
  const commitment = await sha256(new TextEncoder().encode("despatch/body/v1"), decode(r.salt), body);
  if (entry.length !== ENTRY || !equal(entry.subarray(ENTRY - 32), commitment)) {
    throw new Error("The entry is another message’s.");
  }
  const recorded = JSON.parse(new TextDecoder().decode(body)) as { content?: { body?: unknown } };
  if (words !== undefined && recorded.content?.body !== words) {
    throw new Error("What is on the record is not what is shown here.");
  }
  return true;
}

interface Proof {
  index: bigint;
  hashes: Uint8Array[];
  checkpoint: string;
}

function parseProof(s: string): Proof {
  const cut = s.indexOf("\n\n");
  if (cut < 0) throw new Error("The proof is incomplete.");
  const lines = s.slice(0, cut).split("\n");
  if (lines.shift() !== "c2sp.org/tlog-proof@v1") throw new Error("The proof is of a kind that is not known here.");
  if (lines[0]?.startsWith("extra ")) lines.shift();
  const index = /^index (0|[1-9][0-9]*)$/.exec(lines.shift() ?? "");
  if (!index) throw new Error("The proof names no position.");
  return { index: BigInt(index[1]!), hashes: lines.map(hash), checkpoint: s.slice(cut + 2) };
}

interface Checkpoint {
  origin: string;
  size: bigint;
  root: Uint8Array;
}

function parseCheckpoint(s: string): Checkpoint {
  const [origin, size, root] = s.split("\n");
  if (!origin || !size || !root || !/^(0|[1-9][0-9]*)$/.test(size)) throw new Error("The checkpoint is incomplete.");
  return { origin, size: BigInt(size), root: hash(root) };
}

function hash(line: string): Uint8Array {
  const h = decode(line);
  if (h.length !== 32) throw new Error("A hash in the proof has the wrong length.");
  return h;
}

async function sha256(...parts: Uint8Array[]): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", join(parts)));
}

export function leafHash(entry: Uint8Array): Promise<Uint8Array> {
  return sha256(Uint8Array.of(0), entry);
}

/** The root that a leaf and the hashes beside its path make (RFC 9162, section 2.1.3.2). */
export async function rootFrom(leaf: Uint8Array, index: bigint, size: bigint, path: Uint8Array[]): Promise<Uint8Array> {
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

// verifySignature checks a C2SP signed note: its text up to the blank line, signed with Ed25519.
async function verifySignature(note: string, origin: string, vkey: string): Promise<boolean> {
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

  let imported: CryptoKey;
  try {
    imported = await crypto.subtle.importKey("raw", key.slice(1), { name: "Ed25519" }, false, ["verify"]);
  } catch {
    return false; // an older browser
  }
  const sig = decode(line.slice(line.lastIndexOf(" ") + 1)).slice(4);
  if (!(await crypto.subtle.verify({ name: "Ed25519" }, imported, sig, signed))) {
    throw new Error("The signature on the checkpoint does not hold.");
  }
  return true;
}

// splitKey takes apart name+hash+key, in which the key itself may hold a "+".
function splitKey(vkey: string): [string, Uint8Array, Uint8Array] {
  const m = /^([^+\s]+)\+([0-9a-f]{8})\+(.+)$/.exec(vkey.trim());
  if (!m) throw new Error("The record’s key cannot be read.");
  return [m[1]!, Uint8Array.from(m[2]!.match(/../g)!, (b) => parseInt(b, 16)), decode(m[3]!)];
}

function decode(base64: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  } catch {
    throw new Error("The proof is garbled.");
  }
}

function join(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}
