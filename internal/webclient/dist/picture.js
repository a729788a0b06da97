import { h } from "./preact/preact.js";
import { useEffect, useRef, useState } from "./preact/hooks.js";
import { hold, save, SHOWN } from "./media.js";
import { text } from "./matrix.js";
import { caption } from "./history.js";
import { Sheet, showSheet } from "./sheet.js";
import { say } from "./say.js";
import { Tray } from "./icons.js";
const WIDEST = 320;
const TALLEST = 360;
function size(content) {
  const w = content.info?.w;
  const h2 = content.info?.h;
  if (typeof w !== "number" || typeof h2 !== "number" || !(w > 0) || !(h2 > 0)) return { width: 280, height: 210 };
  const scale = Math.min(1, WIDEST / w, TALLEST / h2);
  return { width: Math.max(48, Math.round(w * scale)), height: Math.max(48, Math.round(h2 * scale)) };
}
function Picture({ content, shown, from }) {
  const { width, height } = size(content);
  const [url, setURL] = useState(shown ?? "");
  const [failed, setFailed] = useState(false);
  const ref = useRef(null);
  const mxc = text(content.url);
  useEffect(() => {
    if (shown) {
      setURL(shown);
      return;
    }
    if (!mxc) return;
    let release = () => {
    };
    const near = new IntersectionObserver((seen) => {
      if (!seen.some((s) => s.isIntersecting)) return;
      near.disconnect();
      const held = hold(mxc, SHOWN);
      release = held.release;
      held.url.then(setURL, () => setFailed(true));
    }, { rootMargin: "600px" });
    near.observe(ref.current);
    return () => {
      near.disconnect();
      release();
    };
  }, [mxc, shown]);
  const alt = caption(content) || "Photo";
  return /* @__PURE__ */ h(
    "button",
    {
      ref,
      type: "button",
      class: "picture",
      style: { width: `${width}px`, aspectRatio: `${width} / ${height}` },
      "aria-label": `${alt} from ${from}. Open`,
      tabIndex: -1,
      onClick: () => mxc && showSheet(/* @__PURE__ */ h(Viewer, { content, from }))
    },
    url && /* @__PURE__ */ h("img", { src: url, alt: "", width, height, decoding: "async", draggable: false }),
    failed && /* @__PURE__ */ h("span", { class: "picture-failed" }, "This picture could not be loaded.")
  );
}
function Viewer({ content, from }) {
  const [url, setURL] = useState("");
  useEffect(() => {
    const held = hold(text(content.url), 0);
    held.url.then(setURL, () => say("The picture could not be loaded."));
    return held.release;
  }, []);
  const name = text(content.filename) || text(content.body);
  return /* @__PURE__ */ h(Sheet, { title: `Photo from ${from}`, kind: "full" }, /* @__PURE__ */ h("div", { class: "viewer" }, url ? /* @__PURE__ */ h("img", { src: url, alt: caption(content) || "Photo" }) : /* @__PURE__ */ h("p", null, "Loading…")), /* @__PURE__ */ h("footer", { class: "sheet-foot" }, caption(content) && /* @__PURE__ */ h("p", { dir: "auto" }, caption(content)), /* @__PURE__ */ h("button", { type: "button", class: "quiet", onClick: () => save(text(content.url), name).catch(() => say("The picture could not be saved.")) }, /* @__PURE__ */ h(Tray, null), " Save a copy")));
}
export {
  Picture
};
