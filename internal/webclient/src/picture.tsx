// A picture in a message. Its size is known before it is fetched, so that nothing moves when it comes.

import { h, type VNode } from "./preact/preact.js";
import { useEffect, useRef, useState } from "./preact/hooks.js";
import { hold, save, SHOWN } from "./media.js";
import { type Content, text } from "./matrix.js";
import { caption } from "./history.js";
import { Sheet, showSheet } from "./sheet.js";
import { say } from "./say.js";
import { Tray } from "./icons.js";

const WIDEST = 320;
const TALLEST = 360;

function size(content: Content): { width: number; height: number } {
  const w = content.info?.w;
  const h = content.info?.h;
  if (typeof w !== "number" || typeof h !== "number" || !(w > 0) || !(h > 0)) return { width: 280, height: 210 };
  const scale = Math.min(1, WIDEST / w, TALLEST / h);
  return { width: Math.max(48, Math.round(w * scale)), height: Math.max(48, Math.round(h * scale)) };
}

export function Picture({ content, shown, from }: { content: Content; shown?: string | undefined; from: string }): VNode {
  const { width, height } = size(content);
  const [url, setURL] = useState(shown ?? "");
  const [failed, setFailed] = useState(false);
  const ref = useRef<HTMLButtonElement>(null);
  const mxc = text(content.url);

  useEffect(() => {
    if (shown) {
      setURL(shown);
      return;
    }
    if (!mxc) return;
    let release = () => {};
    const near = new IntersectionObserver((seen) => {
      if (!seen.some((s) => s.isIntersecting)) return;
      near.disconnect();
      const held = hold(mxc, SHOWN);
      release = held.release;
      held.url.then(setURL, () => setFailed(true));
    }, { rootMargin: "600px" });
    near.observe(ref.current!);
    return () => {
      near.disconnect();
      release();
    };
  }, [mxc, shown]);

  const alt = caption(content) || "Photo";
  return (
    <button
      ref={ref}
      type="button"
      class="picture"
      style={{ width: `${width}px`, aspectRatio: `${width} / ${height}` }}
      aria-label={`${alt} from ${from}. Open`}
      tabIndex={-1}
      onClick={() => mxc && showSheet(<Viewer content={content} from={from} />)}
    >
      {url && <img src={url} alt="" width={width} height={height} decoding="async" draggable={false} />}
      {failed && <span class="picture-failed">This picture could not be loaded.</span>}
    </button>
  );
}

function Viewer({ content, from }: { content: Content; from: string }): VNode {
  const [url, setURL] = useState("");
  useEffect(() => {
    const held = hold(text(content.url), 0);
    held.url.then(setURL, () => say("The picture could not be loaded."));
    return held.release;
  }, []);
  const name = text(content.filename) || text(content.body);
  return (
    <Sheet title={`Photo from ${from}`} kind="full">
      <div class="viewer">{url ? <img src={url} alt={caption(content) || "Photo"} /> : <p>Loading…</p>}</div>
      <footer class="sheet-foot">
        {caption(content) && <p dir="auto">{caption(content)}</p>}
        <button type="button" class="quiet" onClick={() => save(text(content.url), name).catch(() => say("The picture could not be saved."))}>
          <Tray /> Save a copy
        </button>
      </footer>
    </Sheet>
  );
}
