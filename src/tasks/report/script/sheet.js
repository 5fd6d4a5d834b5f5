// One picture, large, and every category's test.

const testsShown = 12;

class Sheet {
  constructor(page) {
    this.page = page;
    this.element = document.querySelector(".sheet");
    this.one = (selector) => this.element.querySelector(selector);
    this.element.addEventListener("click", (event) => {
      if (event.target === this.element || event.target.closest(".close")) this.element.close();
    });
    this.element.addEventListener("close", () => this.grid.focus(this.at));
    this.element.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.step(step);
    });
  }

  open(grid, at) {
    this.show(grid, at);
    this.element.showModal();
  }

  // On to the next picture, of the next list that has one where this one ends.
  step(by) {
    const grids = this.page.grids.filter((grid) => grid.items.length && grid.list.checkVisibility({ contentVisibilityAuto: false }));
    let { grid, at } = this;
    at += by;
    if (at < 0 || at >= grid.items.length) {
      grid = grids[grids.indexOf(grid) + by];
      if (!grid) return;
      at = by > 0 ? 0 : grid.items.length - 1;
    }
    this.show(grid, at);
  }

  show(grid, at) {
    const { model } = this.page;
    Object.assign(this, { grid, at });
    const i = grid.items[at];
    this.one("#sheet-name").textContent = model.ids[i];
    const label = model.labelText(i);
    const tests = model.tests(i, testsShown);
    this.one(".sheet-reason").textContent = `${label ? `Label: ${label}. ` : ""}${this.summary(tests)}`;
    const source = model.picture(i);
    const picture = source ? new Image() : create("span", "no-picture", "no picture");
    if (source) Object.assign(picture, { alt: model.ids[i], src: source });
    this.one(".sheet-picture").replaceChildren(picture);
    this.one("tbody").replaceChildren(...tests.map((test) => this.row(test)));
    const hidden = model.none - tests.length;
    this.one(".sheet-more").textContent = hidden > 0 ? `${hidden} more categories scored lower.` : "";
  }

  // In a sentence: what it matches and by how much, or what came closest.
  summary(tests) {
    const { model } = this.page;
    const [k, score, verdict] = tests[0];
    const name = model.names[k];
    if (verdict !== verdicts.match) return `${model.data.none}: no category matches, and ${name} has the highest score.`;
    const by = model.byRules ? score - model.thresholds[k] : tests.length > 1 ? score - tests[1][1] : NaN;
    if (Number.isNaN(by)) return `It is ${name}, the only category.`;
    return model.byRules ? `It is ${name}: ${by.toFixed(4)} above the threshold.` : `It is ${name}: ${by.toFixed(4)} ahead of ${model.names[tests[1][0]]}.`;
  }

  row([k, score, verdict]) {
    const { model } = this.page;
    const row = create("tr", verdict === verdicts.match ? "match" : "");
    const cell = (text, tag = "td") => row.append(create(tag, "", text));
    cell(model.names[k], "th");
    row.firstElementChild.scope = "row";
    cell(score.toFixed(4));
    cell(model.thresholds[k] ?? "");
    cell(model.data.results[verdict]);
    return row;
  }
}
