"""How the status page looks and keeps itself up to date: light and dark, on desks and on phones, all of its own."""

from __future__ import annotations

from mpserver.api.page_style import BASE

STYLE = (
    BASE
    + """\
:root{--busy:#b7791f;--good:#2e7d4f}
@media(prefers-color-scheme:dark){:root{--busy:#e0ad57;--good:#7fcf9f}}
body{padding:1.5rem;max-width:80rem;font-variant-numeric:tabular-nums}
h1{margin:0}
p{margin:.25rem 0 1rem;color:var(--faint)}
.cards{display:grid;gap:.75rem;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr))}
.card{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.6rem .9rem;min-width:0}
.card b{display:block;font-size:1.35rem;font-weight:600}
.card span{color:var(--faint);font-size:.875rem}
.card svg{display:block;width:100%;height:3rem;margin-top:.25rem}
.card svg:has([points='']){display:none}
polyline{fill:none;stroke:var(--mark);stroke-width:1.5;vector-effect:non-scaling-stroke}
.board{font:1.05rem/1.5 ui-monospace,monospace;background:var(--card);border:1px solid var(--line);
border-radius:.5rem;padding:.6rem .9rem;overflow-wrap:anywhere;white-space:pre-wrap;margin:0}
table{border-collapse:collapse;width:100%;background:var(--card);border:1px solid var(--line)}
th{font-size:.85rem;font-weight:600;text-align:left;color:var(--faint)}
th,td{padding:.4rem .45rem;vertical-align:top;border-top:1px solid var(--line)}
td{overflow-wrap:anywhere}
.number{text-align:right;white-space:nowrap}
.short{white-space:nowrap}.name{min-width:10rem}
td.bad:not(.number){min-width:13rem}
.busy{color:var(--busy)}.bad{color:var(--bad)}.good{color:var(--good)}
code{font:.875rem ui-monospace,monospace}
@media(max-width:48rem){
body{padding:1rem .75rem}
.cards{grid-template-columns:1fr 1fr;gap:.5rem}
.card{padding:.4rem .75rem}.card b{font-size:1.15rem}.card svg{height:1.5rem}
table,tbody,tr,td{display:block}
thead{display:none}
tr{border-top:1px solid var(--line);padding:.35rem 0}
td,.number,.short{border:0;padding:.1rem .75rem;display:flex;justify-content:space-between;gap:1rem;text-align:right;
white-space:normal}
td.bad:not(.number){min-width:0}
td::before{content:attr(data-label);color:var(--faint);text-align:left;flex:none}
td:empty{display:none}
}
"""
)

#: Fetches the page every other second, takes over its figures, and draws how those went that have a plot.
SCRIPT = """\
'use strict';
(() => {
  const every = 2000, most = 150, series = {};
  const draw = () => {
    for (const plot of document.querySelectorAll('[data-plot]')) {
      const values = series[plot.dataset.plot] || [];
      if (values.length < 2) continue;
      const top = Math.max(1e-9, ...values), line = plot.querySelector('polyline');
      line.setAttribute('points', values.map((value, at) =>
        `${(100 * at / Math.max(29, values.length - 1)).toFixed(2)},${(29 - 28 * value / top).toFixed(2)}`).join(' '));
    }
  };
  let before = null;
  const note = (found) => {
    const now = {};
    for (const [name, value] of Object.entries(found.dataset)) now[name] = Number(value);
    if (before && now.now > before.now) {
      const time = now.now - before.now;
      const rate = (name) => Math.max(0, (now[name] - before[name]) / time);
      const values = {requests: rate('requests'), bytes: rate('bytes'), busy: now.busy, memory: now.memory,
        connections: now.connections};
      for (const [name, value] of Object.entries(values)) {
        (series[name] = series[name] || []).push(value);
        if (series[name].length > most) series[name].shift();
      }
      document.getElementById('rate').textContent = values.requests.toFixed(1);
    }
    before = now;
    draw();
  };
  const look = async () => {
    try {
      const reply = await fetch(location.href, {cache: 'no-store'});
      if (reply.ok) {
        const page = new DOMParser().parseFromString(await reply.text(), 'text/html');
        for (const part of document.querySelectorAll('[data-part]')) {
          const fresh = page.querySelector(`[data-part="${part.dataset.part}"]`);
          if (fresh) part.innerHTML = fresh.innerHTML;
        }
        note(page.getElementById('figures'));
      }
      document.body.classList.toggle('lost', !reply.ok);
    } catch (error) {
      document.body.classList.add('lost');
    }
    setTimeout(look, every);
  };
  note(document.getElementById('figures'));
  setTimeout(look, every);
})();
"""
