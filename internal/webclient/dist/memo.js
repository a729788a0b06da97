import { Component, h } from "./preact/preact.js";
function memo(Inner, same) {
  return class extends Component {
    shouldComponentUpdate(next) {
      return !same(this.props, next);
    }
    render() {
      return /* @__PURE__ */ h(Inner, { ...this.props });
    }
  };
}
export {
  memo
};
