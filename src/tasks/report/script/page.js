// The page: finding, the bar, the thresholds that were changed.

class Page {
  constructor() {
    this.model = new Model(JSON.parse(document.getElementById("data").textContent));
    this.measure = new Measure();
    this.grids = [];
    this.gridOf = new Map(); // by its list
    this.watcher = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const grid = this.gridOf.get(target);
        grid.active = isIntersecting;
        grid.render();
      }
    }, { rootMargin: "50% 0px" });
    for (const image of document.querySelectorAll(".card img")) this.model.stills.set(Number(image.closest(".card").dataset.i), image.src);
    this.sheet = new Sheet(this);
    this.setUpFilter();
    this.sections = [...document.querySelectorAll(".category")].map((element, group) => new Category(this, element, group));
    const accuracy = document.querySelector("#accuracy");
    this.accuracy = accuracy && this.model.labels ? new Accuracy(this, accuracy) : null;
    this.setUpChanges();
    this.setUpChips();
    this.showAll();
    this.update(this.sections);
    this.accuracy?.makeButtons();
    this.storedAccuracy = this.accuracy?.accuracy;
    addEventListener("scroll", () => this.soon("scroll", () => this.grids.forEach((grid) => grid.render())), { passive: true });
    addEventListener("resize", () => this.soon("resize", () => this.resize()));
    addEventListener("beforeprint", () => this.grids.forEach((grid) => grid.render(true)));
  }

  // At most once a frame.
  soon(name, action) {
    this.waiting ??= new Set();
    if (this.waiting.has(name)) return;
    this.waiting.add(name);
    requestAnimationFrame(() => {
      this.waiting.delete(name);
      action();
    });
  }

  watch(grid) {
    this.grids.push(grid);
    this.gridOf.set(grid.list, grid);
    this.watcher.observe(grid.list);
  }

  resize() {
    this.measure.update();
    for (const grid of this.grids) grid.layout();
  }

  barHeight() {
    return document.querySelector(".bar").offsetHeight;
  }

  // ---- finding

  setUpFilter() {
    this.search = document.querySelector("input[type=search]");
    this.wrong = document.querySelector(".only-wrong");
    this.lower = this.model.ids.map((id, i) => `${id} ${this.model.labelText(i)}`.toLowerCase());
    this.text = "";
    let timer = 0;
    this.search.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.filter(), 120);
    });
    this.wrong?.addEventListener("change", () => this.filter());
    document.querySelector(".tools").hidden = false;
  }

  filter() {
    this.text = this.search.value.trim().toLowerCase();
    this.showAll();
  }

  isFiltered() {
    return this.text !== "" || Boolean(this.wrong?.checked);
  }

  fits(group, i) {
    return (!this.text || this.lower[i].includes(this.text)) && (!this.wrong?.checked || this.model.isWrong(group, i));
  }

  showAll() {
    const found = this.sections.map((section) => section.refresh()).some((count) => count > 0);
    const active = this.isFiltered();
    for (const plain of document.querySelectorAll(".plain")) plain.hidden = active;
    document.querySelector(".empty").hidden = !active || found;
  }

  // ---- thresholds

  // After the threshold of a group changed, or of all.
  redecide(group) {
    this.soon("decide", () => {
      this.model.decide();
      const others = group === undefined || this.model.onlyOne;
      const affected = this.sections.filter((section) => others || section.group === group || section.group === this.model.none);
      for (const section of affected) section.refresh();
      this.update(affected);
    });
  }

  update(sections) {
    for (const section of sections) section.update();
    this.accuracy?.update();
    if (!this.model.canRedecide) return;
    const counts = this.sections.map(({ group }) => this.model.count(group));
    const largest = Math.max(1, ...counts);
    counts.forEach((count, group) => {
      const id = this.sections[group].element.id;
      document.querySelector(`.chips a[href="#${id}"] span`).textContent = count.toLocaleString("en");
      const row = document.querySelector(`.overview a[href="#${id}"]`);
      row.querySelector(".n").textContent = count.toLocaleString("en");
      row.querySelector("rect:last-child").setAttribute("width", (100 * count) / largest);
    });
    this.showChanges();
  }

  changed() {
    return this.sections.filter(({ group }) => group < this.model.none && this.model.thresholds[group] !== this.model.stored[group]);
  }

  setUpChanges() {
    this.strip = document.querySelector(".changed");
    this.dialog = document.querySelector(".yaml");
    document.querySelector(".reset-all").addEventListener("click", () => {
      this.model.thresholds = [...this.model.stored];
      this.redecide();
    });
    document.querySelector(".copy").addEventListener("click", () => this.copy());
    this.dialog.querySelector(".close").addEventListener("click", () => this.dialog.close());
  }

  showChanges() {
    const n = this.changed().length;
    this.strip.hidden = n === 0;
    if (n === 0) return;
    const texts = [`${n} ${n === 1 ? "threshold" : "thresholds"} changed`];
    if (this.accuracy) texts.push(`accuracy ${percent(this.storedAccuracy)} → ${percent(this.accuracy.accuracy)}`);
    this.strip.querySelector("output").textContent = texts.join(" · ");
  }

  // Names as JSON strings, which YAML reads, too.
  yaml() {
    const lines = this.changed().map(({ group }) => `  ${JSON.stringify(this.model.names[group])}:\n    threshold: ${this.model.thresholds[group]}\n`);
    return `categories:\n${lines.join("")}`;
  }

  async copy() {
    const area = this.dialog.querySelector("textarea");
    const said = this.dialog.querySelector(".said");
    area.value = this.yaml();
    area.rows = Math.min(16, area.value.split("\n").length);
    this.dialog.showModal();
    area.select();
    try {
      await navigator.clipboard.writeText(area.value);
      said.textContent = "Copied. Put each threshold into its category of the rules file.";
    } catch {
      said.textContent = "Copy this text, and put each threshold into its category of the rules file.";
    }
  }

  // ---- the chip of the section in view

  setUpChips() {
    const chips = new Map([...document.querySelectorAll(".chips a")].map((a) => [a.hash.slice(1), a]));
    const watcher = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const chip = chips.get(entry.target.id);
        if (!chip || !entry.isIntersecting) continue;
        for (const other of chips.values()) other.removeAttribute("aria-current");
        chip.setAttribute("aria-current", "true");
        const strip = chip.closest("ul");
        strip.scrollTo({ left: chip.offsetLeft - strip.clientWidth / 3 });
      }
    }, { rootMargin: "-25% 0px -70% 0px" });
    for (const section of document.querySelectorAll("main section")) watcher.observe(section);
  }
}

new Page();
