// Pictures and files. They need the session's token, so they are fetched and shown as blobs, which
// live only in this tab's memory; few are kept, and those of a deleted message none.

import { blob, call, enc } from "./api.js";

interface Kept {
  url: Promise<string>;
  users: number;
}

const kept = new Map<string, Kept>();
const MOST_UNUSED = 40;

/** The longest side of a picture as it is shown among messages. */
export const SHOWN = 800;

function parts(mxc: string): string | null {
  const m = /^mxc:\/\/([^/]+)\/([^/?#]+)$/.exec(mxc);
  return m ? `${enc(m[1]!)}/${enc(m[2]!)}` : null;
}

async function fetchPicture(mxc: string, size: number): Promise<string> {
  const path = parts(mxc);
  if (!path) throw new Error("not an address of a picture");
  let b: Blob | null = null;
  if (size > 0) {
    const query = `?width=${size}&height=${size}&method=scale&animated=false`;
    b = await blob(`/_matrix/client/v1/media/thumbnail/${path}${query}`).catch(() => null);
  }
  b ??= await blob(`/_matrix/client/v1/media/download/${path}`);
  return URL.createObjectURL(b);
}

/** Holds a picture until release is called. A size of 0 is the original. */
export function hold(mxc: string, size: number): { url: Promise<string>; release: () => void } {
  const key = `${size} ${mxc}`;
  let k = kept.get(key);
  if (!k) {
    k = { url: fetchPicture(mxc, size), users: 0 };
    k.url.catch(() => kept.delete(key));
  }
  kept.delete(key);
  kept.set(key, k);
  k.users++;
  const held = k;
  return {
    url: k.url,
    release: () => {
      held.users--;
      letGo();
    },
  };
}

/** Takes over a picture that was sent from here, so that it need not be fetched. */
export function adopt(mxc: string, url: string): void {
  kept.set(`${SHOWN} ${mxc}`, { url: Promise.resolve(url), users: 0 });
}

function letGo(): void {
  let unused = [...kept.values()].filter((k) => k.users === 0).length;
  for (const [key, k] of kept) {
    if (unused <= MOST_UNUSED) return;
    if (k.users > 0) continue;
    drop(key, k);
    unused--;
  }
}

function drop(key: string, k: Kept): void {
  kept.delete(key);
  k.url.then((u) => URL.revokeObjectURL(u)).catch(() => {});
}

export function forgetMedia(mxc?: string): void {
  for (const [key, k] of kept) if (mxc === undefined || key.endsWith(" " + mxc)) drop(key, k);
}

/** Offers a file to be saved: the one way in which content leaves the tab, and by the person's own hand. */
export async function save(mxc: string, name: string): Promise<void> {
  const path = parts(mxc);
  if (!path) throw new Error("not an address of a file");
  const url = URL.createObjectURL(await blob(`/_matrix/client/v1/media/download/${path}`));
  const a = document.createElement("a");
  a.href = url;
  a.download = name || "file";
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

export async function upload(file: Blob, name: string): Promise<string> {
  const answer = await call<{ content_uri: string }>("POST", "/_matrix/media/v3/upload", {
    query: { filename: name },
    raw: { blob: file, type: file.type || "application/octet-stream" },
    timeout: 300_000,
  });
  return answer.content_uri;
}
