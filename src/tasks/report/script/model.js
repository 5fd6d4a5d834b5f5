"use strict";
// What the page knows about the pictures, and the decisions, made again as ken makes them.

// Little-endian float32 in base64, as ken writes them; null when the page has no such array.
const numbersOf = (id) => {
  const element = document.getElementById(id);
  if (!element) return null;
  const text = atob(element.textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Float32Array(bytes.buffer);
};

const verdicts = { match: 0, belowThreshold: 1, belowNeutral: 2, notBest: 3 };

class Model {
  constructor(data) {
    this.data = data;
    this.ids = data.ids;
    this.n = data.ids.length;
    this.names = data.categories.map(([name]) => name);
    this.none = this.names.length; // the group of what matched nothing
    this.scores = numbersOf("scores"); // [categories, pictures]
    this.leads = numbersOf("leads"); // over the neutral test
    this.whole = this.scores !== null;
    this.byRules = data.mode === "rules";
    this.onlyOne = !this.byRules || !data.multiple;
    this.canRedecide = this.whole && this.byRules;
    this.stored = data.categories.map(([, threshold]) => threshold);
    this.thresholds = [...this.stored];
    this.readLabels(data);
    this.stills = new Map(); // picture of an index, from the cards that the page came with
    this.blocks = [...document.querySelectorAll(".pictures")].map((element) => ({ element, list: null }));
    if (this.whole) this.prepare();
    else this.places = data.groups.map((group) => new Map(group.map(([i, category, score]) => [i, { category, score }])));
  }

  readLabels(data) {
    this.labels = data.labels ?? null;
    if (!this.labels) return;
    this.labelOf = data.labelOf;
    const categoryOf = new Map(this.names.map((name, k) => [name, k]));
    this.categoryOfLabel = this.labels.map((name) => categoryOf.get(name) ?? -1);
    this.several = data.several;
  }

  prepare() {
    this.matches = new Uint8Array(this.n * this.none);
    this.answers = new Int32Array(this.n); // the best match of each, or `none`
    this.sorted = []; // of each category: all pictures from the highest score down
    this.decide();
    this.storedMatches = this.matches.slice();
  }

  // Does picture i pass the tests of category k, whatever the other categories say?
  passes(k, i) {
    if (!this.byRules) return true;
    const at = k * this.n + i;
    return this.scores[at] >= this.cuts[k] && !(this.leads && this.leads[at] < 0);
  }

  // Every decision, from scores, leads and thresholds; the numbers are float32, as in ken.
  decide() {
    const { n, none, scores, matches, answers } = this;
    this.cuts = Float32Array.from(this.thresholds);
    answers.fill(none);
    const best = new Float32Array(n);
    for (let k = 0; k < none; k++) {
      for (let i = 0; i < n; i++) {
        const at = k * n + i;
        const passes = this.passes(k, i);
        matches[at] = passes ? 1 : 0;
        if (passes && (answers[i] === none || scores[at] > best[i])) {
          best[i] = scores[at];
          answers[i] = k;
        }
      }
    }
    if (!this.onlyOne) return;
    matches.fill(0);
    for (let i = 0; i < n; i++) if (answers[i] !== none) matches[answers[i] * n + i] = 1;
  }

  byScore(k) {
    if (!this.sorted[k]) {
      const column = this.scores.subarray(k * this.n, (k + 1) * this.n);
      this.sorted[k] = Uint32Array.from(column.keys()).sort((a, b) => column[b] - column[a] || a - b);
    }
    return this.sorted[k];
  }

  // How far picture i is from matching category k.
  lack(k, i) {
    const at = k * this.n + i;
    if (this.byRules) {
      const lack = this.cuts[k] - this.scores[at];
      const worse = this.leads ? Math.max(lack, -this.leads[at]) : lack;
      if (!this.passes(k, i)) return worse;
    }
    return this.scores[this.answers[i] * this.n + i] - this.scores[at];
  }

  closest(i) {
    let found = 0, least = Infinity;
    for (let k = 0; k < this.none; k++) {
      const lack = this.lack(k, i);
      if (lack < least) [found, least] = [k, lack];
    }
    return [found, least];
  }

  count(group) {
    if (!this.whole) return this.places[group].size;
    let count = 0;
    if (group === this.none) for (const answer of this.answers) count += answer === this.none;
    else for (let at = group * this.n; at < (group + 1) * this.n; at++) count += this.matches[at];
    return count;
  }

  // The pictures of a group, best first.
  members(group) {
    if (!this.whole) return [...this.places[group].keys()];
    if (group < this.none) return Array.from(this.byScore(group).filter((i) => this.matches[group * this.n + i]));
    const lacks = new Map();
    this.answers.forEach((answer, i) => answer === this.none && lacks.set(i, this.closest(i)[1]));
    return [...lacks.keys()].sort((a, b) => lacks.get(a) - lacks.get(b) || a - b);
  }

  // What is not in the category, nearest first.
  misses(k, limit) {
    const rest = [];
    for (let i = 0; i < this.n; i++) if (!this.matches[k * this.n + i]) rest.push([this.lack(k, i), i]);
    return rest.sort((a, b) => a[0] - b[0] || a[1] - b[1]).slice(0, limit).map(([, i]) => i);
  }

  // The category whose score stands on a card, and the score.
  shown(group, i) {
    if (!this.whole) return this.places[group].get(i) ?? { category: group, score: NaN };
    const category = group === this.none ? this.closest(i)[0] : group;
    return { category, score: this.scores[category * this.n + i] };
  }

  verdictOf(k, i) {
    if (this.matches[k * this.n + i]) return verdicts.match;
    if (this.passes(k, i)) return verdicts.notBest;
    return this.scores[k * this.n + i] >= this.cuts[k] ? verdicts.belowNeutral : verdicts.belowThreshold;
  }

  // [category, score, verdict] of the best categories, in the order of rank.
  tests(i, limit) {
    if (!this.whole) return this.data.verdicts[i];
    const all = this.names.map((_, k) => [k, this.scores[k * this.n + i], this.verdictOf(k, i)]);
    const passed = ([k]) => (this.passes(k, i) ? 0 : 1);
    return all.sort((a, b) => passed(a) - passed(b) || b[1] - a[1] || a[0] - b[0]).slice(0, limit);
  }

  labelText(i) {
    return this.labels ? this.labelOf[i].map((label) => this.labels[label]).join("; ") : "";
  }

  hasLabel(k, i) {
    return this.labelOf[i].some((label) => this.categoryOfLabel[label] === k);
  }

  // Is picture i in a group where its label does not belong?
  isWrong(group, i) {
    if (!this.labels || this.labelOf[i].length === 0) return false;
    if (group < this.none) return !this.hasLabel(group, i);
    return this.labelOf[i].some((label) => this.categoryOfLabel[label] >= 0);
  }

  // The source of an image element, or null.
  picture(i) {
    const place = this.data.pictures[i];
    if (place === null) return null;
    if (place < 0) return this.stills.get(i) ?? null;
    const block = this.blocks[Math.floor(place / 128)];
    block.list ??= JSON.parse(block.element.textContent);
    return `data:image/jpeg;base64,${block.list[place % 128]}`;
  }
}
