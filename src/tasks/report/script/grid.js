// A list of pictures of any length, of which only what is in view is in the document.

const opened = 48; // pictures of a list before it is asked for all
const maxLabel = 120;

const create = (tag, className, text = "") => {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
};

// Columns and sizes, the same for every list of the page.
class Measure {
  constructor() {
    this.main = document.querySelector("main");
    this.update();
  }

  update() {
    const style = getComputedStyle(this.main);
    const width = this.main.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const phone = matchMedia("(max-width: 760px)").matches;
    this.gap = phone ? 10 : 14;
    this.columns = Math.max(1, Math.floor((width + this.gap) / ((phone ? 104 : 148) + this.gap)));
    this.side = (width - this.gap * (this.columns - 1)) / this.columns;
  }

  rowHeight(hasNotes) {
    return this.side + 24 + (hasNotes ? 18 : 0) + 16;
  }
}

class Grid {
  // `describe(i)` gives { score, note, mark } of a picture.
  constructor(page, list, describe) {
    this.page = page;
    this.list = list;
    this.describe = describe;
    this.items = [];
    this.cards = new Map(); // what is in the document, by picture
    this.current = 0; // where the keyboard is
    this.active = false;
    list.classList.add("live");
    list.replaceChildren();
    list.addEventListener("keydown", (event) => this.onKey(event));
    list.addEventListener("click", (event) => this.onClick(event));
    page.watch(this);
  }

  show(items, hasNotes) {
    this.items = items;
    this.hasNotes = hasNotes;
    this.current = Math.min(this.current, Math.max(0, items.length - 1));
    for (const card of this.cards.values()) card.remove();
    this.kept = this.cards;
    this.cards = new Map();
    this.layout();
  }

  layout() {
    this.rowHeight = this.page.measure.rowHeight(this.hasNotes);
    const rows = Math.ceil(this.items.length / this.page.measure.columns);
    this.list.style.height = `${Math.max(0, rows * this.rowHeight - 16)}px`;
    for (const card of this.cards.values()) this.place(card);
    this.render();
  }

  place(card) {
    const { columns, side, gap } = this.page.measure;
    const at = card.position;
    card.style.width = `${side}px`;
    card.style.transform = `translate(${(at % columns) * (side + gap)}px, ${Math.floor(at / columns) * this.rowHeight}px)`;
  }

  // The cards in view and half a window around it; `all` of them to print.
  render(all = false) {
    if (!this.active && !all) return;
    const columns = this.page.measure.columns;
    const top = this.list.getBoundingClientRect().top;
    const from = all ? 0 : Math.max(0, Math.floor((-top - innerHeight / 2) / this.rowHeight)) * columns;
    const to = all ? this.items.length : Math.min(this.items.length, Math.ceil((innerHeight * 1.5 - top) / this.rowHeight) * columns);
    this.moveStop(from, to);
    for (const [i, card] of this.cards) {
      if ((card.position >= from && card.position < to) || card.position === this.current) continue;
      card.remove();
      this.cards.delete(i);
    }
    for (let at = from; at < to; at++) if (!this.cards.has(this.items[at])) this.add(at);
    this.kept = null;
  }

  // The tab key stops at one card of a list: where the keyboard was, or else at one that is in view.
  moveStop(from, to) {
    if (from >= to || (this.current >= from && this.current < to) || this.list.contains(document.activeElement)) return;
    const before = this.cards.get(this.items[this.current]);
    if (before) before.firstElementChild.tabIndex = -1;
    this.current = Math.min(to - 1, from + Math.floor((to - from) / 2));
    const after = this.cards.get(this.items[this.current]);
    if (after) after.firstElementChild.tabIndex = 0;
  }

  add(at) {
    const i = this.items[at];
    const card = this.kept?.get(i) ?? this.newCard(i);
    this.cards.set(i, card);
    card.position = at;
    card.ariaSetSize = String(this.items.length);
    card.ariaPosInSet = String(at + 1);
    this.fill(card, i);
    this.place(card);
    // In the document in the order of the list, whatever way it was scrolled: for readers aloud.
    let next = this.list.lastElementChild;
    while (next && next.position > at) next = next.previousElementSibling;
    if (next) next.after(card);
    else this.list.prepend(card);
  }

  newCard(i) {
    const card = create("li", "card");
    card.dataset.i = i;
    const button = create("button", "");
    button.type = "button";
    const source = this.page.model.picture(i);
    let picture;
    if (source) {
      picture = new Image();
      picture.decoding = "async";
      picture.alt = this.page.model.ids[i].slice(0, maxLabel);
      picture.src = source;
    } else {
      picture = create("span", "no-picture", "no picture");
      picture.role = "img";
      picture.ariaLabel = `${this.page.model.ids[i].slice(0, maxLabel)}: no picture`;
    }
    const line = create("span", "line");
    line.append(create("span", "score"), create("span", "file", this.page.model.ids[i].split("/").pop()));
    button.append(picture, line);
    card.append(button);
    return card;
  }

  fill(card, i) {
    const { score, note, mark } = this.describe(i);
    card.className = `card ${mark}`;
    const button = card.firstElementChild;
    button.tabIndex = card.position === this.current ? 0 : -1;
    button.querySelector(".score").textContent = score;
    button.querySelector(".note")?.remove();
    if (note) button.append(create("span", "note", note));
  }

  // ---- the keyboard

  onKey(event) {
    const columns = this.page.measure.columns;
    const page = Math.max(1, Math.floor(innerHeight / this.rowHeight)) * columns;
    const last = this.items.length - 1;
    const to = {
      ArrowRight: this.current + 1, ArrowLeft: this.current - 1,
      ArrowDown: this.current + columns, ArrowUp: this.current - columns,
      PageDown: Math.min(last, this.current + page), PageUp: Math.max(0, this.current - page),
      Home: 0, End: last,
    }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (to >= 0 && to <= last) this.focus(to);
  }

  focus(at) {
    const before = this.cards.get(this.items[this.current]);
    if (before) before.firstElementChild.tabIndex = -1;
    this.current = at;
    const top = this.list.getBoundingClientRect().top + Math.floor(at / this.page.measure.columns) * this.rowHeight;
    const bar = this.page.barHeight();
    if (top < bar) scrollBy({ top: top - bar - 12, behavior: "instant" });
    else if (top + this.rowHeight > innerHeight) scrollBy({ top: top + this.rowHeight - innerHeight + 12, behavior: "instant" });
    this.active = true;
    this.render();
    const button = this.cards.get(this.items[at]).firstElementChild;
    button.tabIndex = 0;
    button.focus({ preventScroll: true });
  }

  onClick(event) {
    const card = event.target.closest(".card");
    if (!card) return;
    this.focus(card.position);
    this.page.sheet.open(this, card.position);
  }
}
