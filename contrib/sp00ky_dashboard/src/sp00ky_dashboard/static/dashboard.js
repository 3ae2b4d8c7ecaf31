// What templates and htmx can't do: charts, dialogs, ages that go on, the clipboard.
(() => {
  "use strict";

  const one = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];

  // What an operator has ticked or unfolded stays so while the page is kept up to date; a chart draws itself.
  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, element) =>
    !(name === "checked" || (name === "open" && element.tagName === "DETAILS"));
  Idiomorph.defaults.callbacks.beforeNodeMorphed = (old, now) => {
    if (!(old instanceof Element && old.classList.contains("chart"))) return true;
    old.setAttribute("aria-label", now.getAttribute("aria-label"));
    old.dataset.chart = now.dataset.chart;
    return false;
  };

  all(".top [aria-current], .tabs [aria-current]").forEach((tab) => tab.scrollIntoView({ inline: "center", block: "nearest" }));

  // Live
  const say = (state, text) => {
    const shown = one("#live-state");
    if (!shown || shown.dataset.state === state) return;
    shown.dataset.state = state;
    shown.textContent = text;
  };
  document.addEventListener("htmx:sseOpen", () => say("live", "Live"));
  document.addEventListener("htmx:sseError", () => say("lost", "Reconnecting"));
  let waiting; // for the page that is to replace this one
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.id !== "refresh") return;
    if (document.hidden) event.preventDefault();
    else waiting ??= setTimeout(() => say("lost", "Database slow"), 1000);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt.id !== "refresh") return;
    clearTimeout(waiting);
    waiting = undefined;
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, xhr } = event.detail;
    if (target.id === "live" && xhr.status >= 400) {
      event.detail.shouldSwap = false; // what was there stays
      say("lost", xhr.status === 401 ? "Signed out: reload" : xhr.status === 404 ? "Gone" : "Database away");
    } else if (target.id === "live") {
      say("live", "Live");
    }
  });
  document.addEventListener("visibilitychange", () => {
    const refresh = one("#refresh");
    if (refresh && !document.hidden) htmx.trigger(refresh, "refresh");
  });

  // Dialogs
  const dialog = one("#dialog");
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target === dialog && !dialog.open) dialog.showModal();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("#dialog [data-close]")) {
      event.preventDefault();
      dialog.close();
    }
  });

  // Ticking jobs
  const picks = () => all("input[name=id]");
  const count = () => {
    const shown = one("[data-picked]");
    if (!shown) return;
    const picked = picks().filter((pick) => pick.checked).length;
    const every = one("#pick-all").checked;
    shown.textContent = every ? "All that match" : picked ? `${picked} selected` : "Select jobs";
    one("#pick-page").checked = picked > 0 && picked === picks().length;
    one("#pick-page").indeterminate = picked > 0 && picked < picks().length;
    all(".toolbar button").forEach((button) => (button.disabled = !every && !picked));
  };
  document.addEventListener("change", (event) => {
    if (event.target.id === "pick-page") picks().forEach((pick) => (pick.checked = event.target.checked));
    if (event.target.closest("#picking")) count();
  });

  // The clipboard
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const label = button.textContent;
    try {
      const answer = await fetch(button.dataset.copy, { credentials: "same-origin" });
      await navigator.clipboard.writeText(await answer.text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select and copy it by hand";
    }
    setTimeout(() => (button.textContent = label), 2000);
  });

  // Ages
  const units = [[86400, "d"], [3600, "h"], [60, "min"]];
  const duration = (seconds) => {
    const unit = units.find(([size]) => seconds >= 2 * size);
    return unit ? `${Math.round(seconds / unit[0])} ${unit[1]}` : `${Math.round(seconds)} s`;
  };
  const ages = () =>
    all("time[data-age]").forEach((time) => {
      const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
      const alone = time.dataset.age === "alone";
      time.textContent = alone ? duration(seconds) : seconds >= 0 ? `${duration(seconds)} ago` : `in ${duration(-seconds)}`;
    });
  setInterval(ages, 1000);

  // Charts
  const probe = document.createElement("span");
  document.body.append(probe);
  const resolved = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const charts = new Map();

  const legend = (chart, index) => {
    const { lines } = JSON.parse(chart.dataset.chart);
    const shown = chart.querySelector(".chart-legend");
    shown.replaceChildren(
      ...lines.map(({ label, tone, values }) => {
        const item = document.createElement("span");
        item.className = `tone-${tone}`;
        item.append(label);
        if (index != null) {
          const value = document.createElement("b");
          value.textContent = ` ${values[index].toLocaleString("en", { maximumFractionDigits: 1 })}`;
          item.append(value);
        }
        return item;
      }),
    );
    const unit = document.createElement("i");
    unit.textContent = "a minute";
    shown.append(unit);
  };

  const draw = (chart) => {
    const { lines } = JSON.parse(chart.dataset.chart);
    const text = document.createElement("p");
    text.className = "chart-legend";
    text.setAttribute("aria-hidden", "true");
    chart.replaceChildren(text);
    legend(chart, null);
    const axis = {
      stroke: resolved("quiet"),
      grid: { stroke: resolved("line"), width: 1 },
      ticks: { show: false },
      font: "11px Inter, system-ui, sans-serif",
    };
    const options = {
      width: chart.clientWidth,
      height: chart.clientHeight - text.offsetHeight - 2,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      padding: [6, 4, 0, 0],
      scales: { y: { range: (_, low, high) => [0, Math.max(high, 1) * 1.08] } },
      axes: [
        { ...axis, grid: { show: false }, size: 24, space: 70, values: (_, at) => at.map(clock) },
        { ...axis, size: 44, space: 34, values: (_, at) => at.map((value) => value.toLocaleString("en", { notation: "compact" })) },
      ],
      series: [
        {},
        ...lines.map(({ label, tone }) => ({
          label,
          stroke: resolved(tone),
          width: 1.5,
          fill: tone === "success" ? resolved("success-soft") : undefined,
          points: { show: false },
        })),
      ],
      hooks: { setCursor: [(plot) => legend(chart, plot.cursor.idx)] },
    };
    charts.set(chart, { drawn: chart.dataset.chart, plot: new uPlot(options, points(chart), chart) });
  };
  const points = (chart) => {
    const { times, lines } = JSON.parse(chart.dataset.chart);
    return [times, ...lines.map(({ values }) => values)];
  };
  const clock = (at) => new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

  const drawAll = (anew = false) => {
    for (const [chart, { plot }] of charts) {
      if (!chart.isConnected) {
        plot.destroy();
        charts.delete(chart);
      }
    }
    for (const chart of all(".chart")) {
      sizes.observe(chart);
      const known = charts.get(chart);
      if (anew || !known) {
        known?.plot.destroy();
        draw(chart);
      } else if (known.drawn !== chart.dataset.chart) {
        known.drawn = chart.dataset.chart;
        known.plot.setData(points(chart));
        legend(chart, known.plot.cursor.idx);
      }
    }
  };
  const sizes = new ResizeObserver(() => drawAll(true));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(true));

  const settle = () => {
    drawAll();
    count();
    ages();
  };
  document.addEventListener("htmx:afterSettle", settle);
  document.fonts.load("11px Inter").then(() => drawAll(true));
  settle();
})();
