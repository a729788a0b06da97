import { blob, call, enc } from "./api.js";
const kept = /* @__PURE__ */ new Map();
const MOST_UNUSED = 40;
const SHOWN = 800;
function parts(mxc) {
  const m = /^mxc:\/\/([^/]+)\/([^/?#]+)$/.exec(mxc);
  return m ? `${enc(m[1])}/${enc(m[2])}` : null;
}
async function fetchPicture(mxc, size) {
  const path = parts(mxc);
  if (!path) throw new Error("not an address of a picture");
  let b = null;
  if (size > 0) {
    const query = `?width=${size}&height=${size}&method=scale&animated=false`;
    b = await blob(`/_matrix/client/v1/media/thumbnail/${path}${query}`).catch(() => null);
  }
  b ??= await blob(`/_matrix/client/v1/media/download/${path}`);
  return URL.createObjectURL(b);
}
function hold(mxc, size) {
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
    }
  };
}
function adopt(mxc, url) {
  kept.set(`${SHOWN} ${mxc}`, { url: Promise.resolve(url), users: 0 });
}
function letGo() {
  let unused = [...kept.values()].filter((k) => k.users === 0).length;
  for (const [key, k] of kept) {
    if (unused <= MOST_UNUSED) return;
    if (k.users > 0) continue;
    drop(key, k);
    unused--;
  }
}
function drop(key, k) {
  kept.delete(key);
  k.url.then((u) => URL.revokeObjectURL(u)).catch(() => {
  });
}
function forgetMedia(mxc) {
  for (const [key, k] of kept) if (mxc === void 0 || key.endsWith(" " + mxc)) drop(key, k);
}
async function save(mxc, name) {
  const path = parts(mxc);
  if (!path) throw new Error("not an address of a file");
  const url = URL.createObjectURL(await blob(`/_matrix/client/v1/media/download/${path}`));
  const a = document.createElement("a");
  a.href = url;
  a.download = name || "file";
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 6e4);
}
async function upload(file, name) {
  const answer = await call("POST", "/_matrix/media/v3/upload", {
    query: { filename: name },
    raw: { blob: file, type: file.type || "application/octet-stream" },
    timeout: 3e5
  });
  return answer.content_uri;
}
export {
  SHOWN,
  adopt,
  forgetMedia,
  hold,
  save,
  upload
};
