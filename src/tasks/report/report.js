"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const one = (selector, from = document) => from.querySelector(selector);
  const names = data.images.map(([id, label]) => `${id} ${label ?? ""}`.toLowerCase());
  const cards = [...document.querySelectorAll(".card")];

  // Finding: by name or label, and only mistakes.
  const search = one("input[type=search]");
  const wrong = one(".only-wrong");
  const show = () => {
    const text = search.value.trim().toLowerCase();
    const only = Boolean(wrong && wrong.checked);
    const active = text !== "" || only;
    let any = false;
    for (const section of document.querySelectorAll(".category")) {
      let n = 0;
      for (const card of section.querySelectorAll(".card")) {
        const fits = (!text || names[card.dataset.i].includes(text)) && (!only || card.matches(".wrong, .missed"));
        card.hidden = !fits;
        n += fits;
      }
      section.hidden = active && n === 0;
      any ||= n > 0;
      for (const more of section.querySelectorAll(".more")) if (active) more.open = true;
    }
    for (const plain of document.querySelectorAll(".plain")) plain.hidden = active;
    one(".empty").hidden = !active || any;
  };
  one(".tools").hidden = false;
  let waiting = 0;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(show, 120);
  });
  if (wrong) wrong.addEventListener("change", show);

  // The chip of the section in view.
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

  // One picture, and every category's test.
  const sheet = one(".sheet");
  let current = null;
  const cell = (row, text, kind = "td") => {
    const element = document.createElement(kind);
    element.textContent = text;
    row.append(element);
    return element;
  };
  const fill = (card) => {
    current = card;
    const [id, label, verdicts] = data.images[card.dataset.i];
    one("#sheet-name").textContent = id;
    const reason = card.firstElementChild.title;
    one(".sheet-reason").textContent = (label ? `Label: ${label}. ` : "") + reason.charAt(0).toUpperCase() + reason.slice(1) + ".";
    const picture = one("img", card);
    one(".sheet-picture").replaceChildren(picture ? picture.cloneNode() : "");
    const rows = verdicts.map(([category, score, result]) => {
      const row = document.createElement("tr");
      if (result === 0) row.className = "match";
      cell(row, data.categories[category][0], "th").scope = "row";
      cell(row, score.toFixed(4));
      cell(row, data.categories[category][1] ?? "");
      cell(row, data.results[result]);
      return row;
    });
    one("tbody", sheet).replaceChildren(...rows);
    const hidden = data.categories.length - verdicts.length;
    one(".sheet-more").textContent = hidden > 0 ? `${hidden} more categories scored lower.` : "";
  };
  document.addEventListener("click", (event) => {
    const card = event.target.closest(".card");
    if (card) {
      fill(card);
      sheet.showModal();
    } else if (event.target === sheet || event.target.closest(".close")) {
      sheet.close();
    }
  });
  sheet.addEventListener("close", () => current && current.firstElementChild.focus());
  sheet.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    for (let i = cards.indexOf(current) + step; i >= 0 && i < cards.length; i += step) {
      if (cards[i].hidden || cards[i].closest("[hidden]")) continue;
      fill(cards[i]);
      break;
    }
  });
})();
