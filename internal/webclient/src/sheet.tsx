// A sheet: at the side on a laptop, from below on a phone. The browser's own dialog keeps the focus
// inside, closes on Escape and on the back gesture, and gives the focus back.

import { h, type ComponentChildren, type VNode } from "./preact/preact.js";
import { useEffect, useId, useLayoutEffect, useRef } from "./preact/hooks.js";
import { signal } from "./preact/signals.js";
import { Close } from "./icons.js";

const open = signal<VNode[]>([]);

/** Shows a sheet over what is there. */
export function showSheet(sheet: VNode): void {
  open.value = [...open.value, sheet];
}

/** Closes the topmost sheet. */
export function closeSheet(): void {
  open.value = open.value.slice(0, -1);
}

export function closeSheets(): void {
  open.value = [];
}

export function Sheets(): VNode {
  return <div>{open.value.map((s, i) => <div key={i}>{s}</div>)}</div>;
}

interface Props {
  title: string;
  children: ComponentChildren;
  kind?: "side" | "small" | "menu" | "full";
  class?: string;
  at?: { x: number; y: number } | undefined;
  hideTitle?: boolean;
}

export function Sheet({ title, children, kind = "side", class: extra, at, hideTitle }: Props): VNode {
  const ref = useRef<HTMLDialogElement>(null);
  const pressed = useRef<EventTarget | null>(null);
  const id = useId();
  useLayoutEffect(() => {
    const d = ref.current!;
    d.showModal();
    if (at && matchMedia("(min-width: 700px)").matches) place(d, at);
    return () => d.close();
  }, []);
  useEffect(() => ref.current?.querySelector<HTMLElement>("[data-focus]")?.focus(), []);
  return (
    <dialog
      ref={ref}
      class={`sheet ${kind} ${extra ?? ""}`}
      aria-labelledby={id}
      onCancel={(e: Event) => {
        if (e.target !== ref.current) return; // a file chooser's own cancel bubbles up here
        e.preventDefault();
        closeSheet();
      }}
      onKeyDown={(e: KeyboardEvent) => {
        // A search field would take the first Escape for itself.
        if (e.key !== "Escape" || e.defaultPrevented) return;
        e.preventDefault();
        e.stopPropagation();
        closeSheet();
      }}
      onPointerDown={(e: PointerEvent) => (pressed.current = e.target)}
      onClickCapture={(e: MouseEvent) => {
        // Lifting the finger after the long press that opened a menu is no click on what is now under it.
        if (e.detail > 0 && pressed.current === null) e.stopPropagation();
      }}
      onClick={(e: MouseEvent) => {
        if (e.target === ref.current && pressed.current === ref.current) closeSheet();
      }}
    >
      <div class="sheet-inside">
        <header class={hideTitle ? "hidden" : ""}>
          <h2 id={id} dir="auto">{title}</h2>
          {!hideTitle && (
            <button type="button" class="round" aria-label="Close" onClick={closeSheet}>
              <Close />
            </button>
          )}
        </header>
        {children}
      </div>
    </dialog>
  );
}

// place puts a menu beside the point where it was asked for, wholly inside the window.
function place(d: HTMLDialogElement, at: { x: number; y: number }): void {
  const { width, height } = d.getBoundingClientRect();
  d.style.left = `${Math.max(8, Math.min(at.x, innerWidth - width - 8))}px`;
  d.style.top = `${Math.max(8, Math.min(at.y, innerHeight - height - 8))}px`;
  d.style.margin = "0";
}
