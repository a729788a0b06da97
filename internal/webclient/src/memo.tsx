// A component that is drawn again only when what it is given differs.

import { Component, h, type ComponentType, type VNode } from "./preact/preact.js";

export function memo<P extends object>(Inner: ComponentType<P>, same: (a: P, b: P) => boolean): ComponentType<P> {
  return class extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      return !same(this.props as P, next);
    }
    override render(): VNode {
      return <Inner {...(this.props as P)} />;
    }
  };
}
