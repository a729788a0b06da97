// A person or a group, as initials on a colour of their own.

import { h, type VNode } from "./preact/preact.js";
import { initials, tone } from "./words.js";
import { People } from "./icons.js";

export function Avatar({ id, name, group, size }: { id: string; name: string; group?: boolean; size?: "small" | "large" }): VNode {
  return (
    <span class={`avatar tone-${tone(id)} ${size ?? ""}`} aria-hidden="true">
      {group ? <People /> : initials(name)}
    </span>
  );
}
