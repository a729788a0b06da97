// What the messenger says by itself: short lines that pass on the screen, and for screen readers a
// live region that tells of arriving messages without taking the focus.

import { h, type VNode } from "./preact/preact.js";
import { signal } from "./preact/signals.js";

const toast = signal("");
const spoken = signal("");
let timer: ReturnType<typeof setTimeout> | undefined;
let silence: ReturnType<typeof setTimeout> | undefined;

/** Shows a line for a few seconds and reads it out. */
export function say(message: string): void {
  toast.value = message;
  clearTimeout(timer);
  timer = setTimeout(() => (toast.value = ""), Math.max(4000, message.length * 70));
}

/** Reads a line out without showing it. It does not stay: a message may be deleted or disappear. */
export function announce(message: string): void {
  // The same words twice are two announcements: a trailing space makes the region change.
  spoken.value = spoken.value === message ? message + "\u00a0" : message;
  clearTimeout(silence);
  silence = setTimeout(() => (spoken.value = ""), 5000);
}

export function Saying(): VNode {
  return (
    <div class="saying">
      <div class="toast" role="status">{toast.value && <p>{toast.value}</p>}</div>
      <div class="hidden" role="log" aria-live="polite" aria-label="Arriving messages">{spoken.value}</div>
    </div>
  );
}
