// The figures and the confusion matrix: counted again, and a way to the pictures of each cell.

class Accuracy {
  constructor(page, section) {
    this.page = page;
    this.model = page.model;
    this.section = section;
    this.matrix = section.querySelector(".matrix");
    this.view = section.querySelector(".cell-view");
    // The class of each label: a category, none, or its own text.
    this.classOf = this.model.labels.map((name, at) => {
      const category = this.model.categoryOfLabel[at];
      return category >= 0 ? category : name === this.model.data.none ? this.model.none : name;
    });
    if (!this.matrix || !this.model.whole || this.model.several) return;
    section.querySelector(".matrix-hint").hidden = false;
    this.matrix.addEventListener("click", (event) => this.open(event.target.closest("td")));
    this.view.querySelector(".close-view").addEventListener("click", () => this.close());
    this.view.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
  }

  answersOf(i) {
    const { model } = this;
    if (!model.several || model.answers[i] === model.none) return [model.answers[i]];
    return [...model.names.keys()].filter((k) => model.matches[k * model.n + i]);
  }

  // Is everything right about picture i, as the evaluation in ken has it?
  isRight(truths, answers) {
    const wanted = truths.filter((k) => k < this.model.none);
    if (wanted.length === 0) return answers[0] === this.model.none;
    return wanted.length === answers.length && wanted.every((k) => answers.includes(k));
  }

  // Counts by the class of a label: a category, `none`, or a text that is neither.
  count() {
    const { model } = this;
    const classes = new Map();
    const of = (key) => classes.get(key) ?? classes.set(key, { labelled: 0, answered: 0, right: 0, cells: new Map() }).get(key);
    const total = { labelled: 0, right: 0 };
    for (let i = 0; i < model.n; i++) {
      if (model.labelOf[i].length === 0) continue;
      const truths = model.labelOf[i].map((label) => this.classOf[label]);
      const answers = this.answersOf(i);
      for (const truth of truths) {
        const row = of(truth);
        row.labelled++;
        row.right += answers.includes(truth < model.none ? truth : model.none);
        row.cells.set(answers[0], (row.cells.get(answers[0]) ?? 0) + 1);
      }
      for (const answer of answers) of(answer).answered++;
      total.labelled++;
      total.right += this.isRight(truths, answers);
    }
    return { total, of };
  }

  update() {
    const { model, section } = this;
    if (!model.whole) return;
    const { total, of } = this.count();
    this.accuracy = total.right / total.labelled;
    if (!model.canRedecide) return;
    section.querySelector(".accuracy").textContent = percent(this.accuracy);
    const scores = [];
    for (let k = 0; k <= model.none; k++) {
      const { labelled, answered, right } = k < model.none ? of(k) : this.leftAlone(of);
      const f1 = (2 * right) / (labelled + answered);
      if (labelled && k < model.none) scores.push(f1);
      const cells = section.querySelector(`.numbers tr[data-class="${k}"]`)?.cells;
      if (!cells) continue;
      cells[2].textContent = answered.toLocaleString("en");
      [right / answered, right / labelled, f1].forEach((ratio, at) => (cells[3 + at].textContent = percent(ratio)));
    }
    section.querySelector(".macro-f1").textContent = percent(scores.reduce((a, b) => a + b, 0) / scores.length);
    if (this.matrix) this.updateMatrix(of);
    if (this.view && !this.view.hidden) this.fillView();
  }

  // What matched nothing: rightly so are pictures of no category, whatever their label calls them.
  leftAlone(of) {
    const sum = { labelled: 0, answered: of(this.model.none).answered, right: 0 };
    for (const name of new Set(this.classOf.filter((key) => !(key < this.model.none)))) {
      sum.labelled += of(name).labelled;
      sum.right += of(name).right;
    }
    return sum;
  }

  updateMatrix(of) {
    for (const row of this.matrix.tBodies[0].rows) {
      const key = Number(row.dataset.class) <= this.model.none ? Number(row.dataset.class) : row.cells[0].textContent;
      const { cells, labelled } = of(key);
      for (let answer = 0; answer <= this.model.none; answer++) {
        const cell = row.cells[answer + 1];
        const count = cells.get(answer) ?? 0;
        const heat = count ? 1 + Math.floor((8 * count) / labelled) : 0;
        cell.className = cell.className.replace(/\bh\d\b/, `h${heat}`);
        this.fillCell(cell, count, row.cells[0].textContent, answer);
      }
    }
  }

  fillCell(cell, count, label, answer) {
    if (count === 0 || this.model.several) {
      cell.textContent = count.toLocaleString("en");
      return;
    }
    let button = cell.querySelector("button");
    if (!button) {
      button = create("button", "");
      button.type = "button";
      cell.replaceChildren(button);
    }
    button.textContent = count.toLocaleString("en");
    button.ariaLabel = `${pictures(count)} labelled ${label}, answered ${this.nameOf(answer)}: show`;
  }

  // Without another decision there are still pictures to show.
  makeButtons() {
    if (!this.matrix || !this.model.whole || this.model.several) return;
    this.updateMatrix(this.count().of);
  }

  nameOf(answer) {
    return this.model.names[answer] ?? this.model.data.none;
  }

  open(cell) {
    if (!cell || !cell.querySelector("button")) return;
    this.cell = { label: cell.parentElement.cells[0].textContent, answer: cell.cellIndex - 1 };
    for (const other of this.matrix.querySelectorAll(".open")) other.classList.remove("open");
    cell.classList.add("open");
    this.opener = cell;
    this.view.hidden = false;
    this.grid ??= new Grid(this.page, this.view.querySelector("ul"), (i) => this.describe(i));
    this.fillView();
    this.view.querySelector("h3").focus();
    this.view.scrollIntoView({ block: "nearest" });
  }

  fillView() {
    const { model } = this;
    const { label, answer } = this.cell;
    const items = [];
    for (let i = 0; i < model.n; i++) if (model.answers[i] === answer && model.labelOf[i].some((at) => model.labels[at] === label)) items.push(i);
    this.view.querySelector("h3").textContent = `Labelled ${label}, answered ${this.nameOf(answer)}: ${pictures(items.length)}`;
    this.grid.show(items, false);
  }

  describe(i) {
    const { model } = this;
    const { score } = model.shown(model.answers[i], i);
    return { score: scoreText(model, score), note: "", mark: "" };
  }

  close() {
    this.view.hidden = true;
    this.opener.classList.remove("open");
    (this.opener.querySelector("button") ?? this.matrix).focus();
  }
}
