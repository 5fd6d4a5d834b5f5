// A category's section: its pictures, its threshold, and what another threshold would do.

const missesShown = 24;
const percent = (ratio) => (Number.isFinite(ratio) ? `${(100 * ratio).toFixed(1)}%` : "–");
const pictures = (n) => `${n.toLocaleString("en")} ${n === 1 ? "picture" : "pictures"}`;
const scoreText = (model, score) => (model.data.mode === "softmax" ? percent(score) : score.toFixed(3));

// With labels: how right a category's matches are.
const qualityOf = (model, k) => {
  let right = 0, matched = 0, labelled = 0;
  for (let i = 0; i < model.n; i++) {
    if (model.labelOf[i].length === 0) continue;
    const match = model.matches[k * model.n + i], own = model.hasLabel(k, i);
    right += match && own;
    matched += match;
    labelled += own;
  }
  return { precision: right / matched, recall: right / labelled, f1: (2 * right) / (matched + labelled) };
};

// Precision and recall of every cut, and average precision: equal scores are one step.
const curveOf = (model, k) => {
  const order = Array.from(model.byScore(k)).filter((i) => model.labelOf[i].length > 0);
  const total = order.filter((i) => model.hasLabel(k, i)).length;
  const points = [];
  let right = 0, sum = 0;
  for (let at = 0; at < order.length;) {
    const score = model.scores[k * model.n + order[at]];
    const before = right;
    for (; at < order.length && model.scores[k * model.n + order[at]] === score; at++) right += model.hasLabel(k, order[at]);
    points.push([right / total, right / at]);
    sum += ((right - before) * right) / at;
  }
  return { points: total ? points : [], average: sum / total };
};

class Category {
  constructor(page, element, group) {
    this.page = page;
    this.model = page.model;
    this.element = element;
    this.group = group;
    this.one = (selector) => element.querySelector(selector);
    this.all = false;
    this.grid = new Grid(page, this.one(".grid"), (i) => this.describe(i));
    this.one(".more")?.remove();
    this.one(".order").hidden = false;
    this.sort = this.one(".sort");
    this.sort.addEventListener("change", () => this.refresh());
    this.button = this.one(".show-all");
    this.button.addEventListener("click", () => {
      this.all = !this.all;
      this.refresh();
      if (!this.all) element.scrollIntoView();
    });
    if (group === this.model.none || !this.model.whole) return;
    this.setUpMisses();
    this.setUpThreshold();
    this.setUpCurve();
  }

  describe(i) {
    const { category, score } = this.model.shown(this.group, i);
    const none = this.group === this.model.none;
    const wrong = this.model.isWrong(this.group, i);
    const notes = [];
    if (wrong) notes.push(`label: ${this.model.labelText(i)}`);
    if (none) notes.push(`closest: ${this.model.names[category]}`);
    return { score: scoreText(this.model, score), note: notes.join(" · "), mark: wrong ? (none ? "missed" : "wrong") : "" };
  }

  // ---- the pictures

  order(items) {
    const { ids } = this.model;
    const text = (of) => (a, b) => (of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : a - b);
    if (this.sort.value === "reverse") items.reverse();
    if (this.sort.value === "name") items.sort(text((i) => ids[i]));
    if (this.sort.value === "label") items.sort(text((i) => this.model.labelText(i)));
    return items;
  }

  // Shows what the page's filter lets through; returns how many.
  refresh() {
    const { model, page } = this;
    const items = this.order(model.members(this.group).filter((i) => page.fits(this.group, i)));
    const active = page.isFiltered();
    const some = this.all || active || items.length <= opened ? items : items.slice(0, opened);
    this.grid.show(some, this.group === model.none || some.some((i) => model.isWrong(this.group, i)));
    this.button.hidden = active || items.length <= opened;
    this.button.textContent = this.all ? "Show fewer" : `Show all ${items.length.toLocaleString("en")}`;
    this.one(".nothing").hidden = items.length > 0;
    this.element.hidden = active && items.length === 0;
    if (this.misses?.open) this.showMisses();
    return items.length;
  }

  setUpMisses() {
    this.misses = this.one(".misses");
    this.misses.hidden = false;
    this.misses.addEventListener("toggle", () => this.misses.open && this.showMisses());
  }

  showMisses() {
    this.missGrid ??= new Grid(this.page, this.misses.querySelector("ul"), (i) => this.describeMiss(i));
    const items = this.model.misses(this.group, missesShown);
    this.missGrid.show(items, true);
    this.misses.querySelector(".nothing").hidden = items.length > 0;
  }

  describeMiss(i) {
    const { model, group } = this;
    const lack = model.lack(group, i).toFixed(3);
    const verdict = model.verdictOf(group, i);
    const why = { [verdicts.belowThreshold]: "below", [verdicts.belowNeutral]: "short of neutral" }[verdict]
      ?? `behind ${model.names[model.answers[i]]}`;
    const own = model.labels && model.hasLabel(group, i);
    return { score: scoreText(model, model.scores[group * model.n + i]), note: `${lack} ${why}`, mark: own ? "missed" : "" };
  }

  // ---- the threshold

  setUpThreshold() {
    this.chart = this.one(".chart");
    if (!this.model.canRedecide) return;
    const low = Number(this.chart.dataset.low), high = Number(this.chart.dataset.high);
    this.digits = Math.min(7, Math.max(2, Math.ceil(-Math.log10((high - low) / 500))));
    const step = 10 ** -this.digits;
    this.slider = this.one(".slider");
    this.slider.min = (Math.floor(low / step) * step).toFixed(this.digits);
    this.slider.max = (Math.ceil(high / step) * step).toFixed(this.digits);
    this.slider.step = step.toFixed(this.digits);
    this.slider.hidden = false;
    this.field = this.one(".field");
    this.field.step = this.slider.step;
    this.reset = this.one(".reset");
    this.reset.textContent = `Back to ${this.model.stored[this.group]}`;
    this.one(".what-if").hidden = false;
    this.slider.addEventListener("input", () => this.set(Number(Number(this.slider.value).toFixed(this.digits))));
    this.field.addEventListener("input", () => this.isValid() && this.set(Number(this.field.value)));
    this.field.addEventListener("change", () => this.showThreshold());
    this.reset.addEventListener("click", () => {
      this.set(this.model.stored[this.group]);
      this.slider.focus();
    });
  }

  isValid() {
    const { badInput, rangeUnderflow, rangeOverflow } = this.field.validity;
    return this.field.value !== "" && !badInput && !rangeUnderflow && !rangeOverflow;
  }

  set(threshold) {
    this.model.thresholds[this.group] = threshold;
    this.page.redecide(this.group);
  }

  showThreshold() {
    const threshold = this.model.thresholds[this.group];
    if (document.activeElement !== this.field || Number(this.field.value) !== threshold) this.field.value = threshold;
    if (Number(this.slider.value) !== threshold) this.slider.value = threshold;
    this.slider.ariaValueText = String(threshold);
    const low = Number(this.chart.dataset.low), high = Number(this.chart.dataset.high);
    const x = Math.min(320, Math.max(0, ((threshold - low) / (high - low)) * 320));
    const line = this.one(".threshold");
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    const text = this.one(".tick.strong");
    text.setAttribute("x", Math.min(260, Math.max(60, x)));
    text.textContent = String(threshold);
    if (!this.model.labels) for (const bar of this.chart.querySelectorAll("rect")) bar.setAttribute("class", Number(bar.getAttribute("x")) + 4 > x ? "in" : "out");
    this.reset.hidden = threshold === this.model.stored[this.group];
    this.one(".effect").textContent = this.effect();
  }

  // What the threshold does: counts, what changed, and with labels how right it is.
  effect() {
    const { model, group } = this;
    let matched = 0, entered = 0, left = 0;
    for (let at = group * model.n; at < (group + 1) * model.n; at++) {
      matched += model.matches[at];
      entered += model.matches[at] && !model.storedMatches[at];
      left += !model.matches[at] && model.storedMatches[at];
    }
    const parts = [`${matched.toLocaleString("en")} ${matched === 1 ? "matches" : "match"}`];
    if (entered || left) parts.push(`${entered.toLocaleString("en")} newly in, ${left.toLocaleString("en")} out`);
    if (model.labels) {
      const { precision, recall } = qualityOf(model, group);
      parts.push(`precision ${percent(precision)}, recall ${percent(recall)}`);
    }
    return parts.join(" · ");
  }

  // ---- precision and recall

  setUpCurve() {
    this.curve = this.one(".curve");
    if (!this.model.labels || !this.curve) return;
    const { points, average } = curveOf(this.model, this.group);
    if (points.length === 0) return;
    this.curve.hidden = false;
    const at = ([recall, precision]) => `${(1 + 96 * recall).toFixed(1)} ${(75 - 74 * precision).toFixed(1)}`;
    this.one(".curve-line").setAttribute("d", `M${[[0, points[0][1]], ...points].map(at).join("L")}`);
    this.one(".curve figcaption").textContent = `average precision ${percent(average)}`;
    this.one(".curve svg").ariaLabel = `Precision over recall for ${this.model.names[this.group]}, average precision ${percent(average)}`;
  }

  showCurve() {
    if (!this.curve || this.curve.hidden) return;
    const { precision, recall } = qualityOf(this.model, this.group);
    const dot = this.one(".curve-dot");
    dot.classList.toggle("gone", !Number.isFinite(precision));
    if (!Number.isFinite(precision)) return;
    dot.setAttribute("cx", 1 + 96 * recall);
    dot.setAttribute("cy", 75 - 74 * precision);
  }

  // After decisions were made again.
  update() {
    const count = this.model.count(this.group);
    if (this.model.whole) this.one(".count").textContent = count.toLocaleString("en");
    if (this.slider) this.showThreshold();
    this.showCurve();
  }
}
