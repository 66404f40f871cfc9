// Elements from data. Data becomes text and attributes, never markup.

export const $ = (id) => document.getElementById(id);

/** An element: `h("p", { class: "hint" }, "text", child)`. */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Shows `text` in `element`. What is the same stays untouched, so that it can be selected and is not read out again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Makes `parent` have `children`, and moves nothing that is in its place. */
export function arrange(parent, children) {
  children.forEach((child, at) => {
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
  });
  while (parent.children.length > children.length) parent.lastElementChild.remove();
}

/** Remembers what was made for each key, and forgets what is not asked for any more. */
export class Kept {
  #made = new Map();

  /** For each of `items` what `make` made for its key, after `update`. */
  each(items, keyOf, make, update) {
    const before = this.#made;
    this.#made = new Map();
    return items.map((item) => {
      const key = keyOf(item);
      const made = before.get(key) ?? make(item);
      this.#made.set(key, made);
      update(made, item);
      return made.root;
    });
  }
}
