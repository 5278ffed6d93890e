// Every step of every machine as a bar over the run's time. Height, hatching and words tell what colour tells too.
import { count, duration, elapsed } from '../render/text.ts';
import { type Html, html } from './html.ts';
import type { Deed, Phase, Run } from './run.ts';

/** Bars that could not be seen get this much, in percent of the width. */
const leastWidth = 0.15;

export function timeline(run: Run, path: readonly Deed[]): Html {
  const deeds = run.phases.flatMap(phase => phase.deeds);
  if (deeds.length === 0) return html`<p>No step was taken.</p>`;
  const end = Math.max(...deeds.map(({ to }) => to), run.started.simulated ? 0 : run.lastWordAt - run.started.at, 1);
  const critical = new Set(path);
  const hosts = [...new Set([...run.started.hosts, ...deeds.map(({ host }) => host)])];
  return html`
<p class="legend">${legend(path.length > 0)}</p>
<p id="step" role="status">Arrow keys go from step to step once one of them has the focus: <kbd>Tab</kbd> leads there.</p>
<table class="timeline">
<caption class="aside">${run.started.simulated ? 'the order of steps, from the first to the last; none took any time' : `from the run's beginning to its end, ${duration(end)}`}</caption>
<thead><tr><th scope="col">machine</th><th scope="col"><svg height="18" role="img" aria-label="phases">${run.phases.map((phase, index) => band(phase, index, end))}</svg></th><th scope="col">steps</th></tr></thead>
<tbody>${hosts.map(host => row(host, deeds, critical, run, end))}</tbody>
${run.started.simulated ? '' : html`<tfoot><tr><td></td><td><svg height="16" role="img" aria-label="time">${[0, 1, 2, 3].map(quarter => html`<text x="${quarter * 25}%" y="12">${elapsed((end * quarter) / 4)}</text>`)}</svg></td><td></td></tr></tfoot>`}
</table>`;
}

function legend(hasPath: boolean): Html {
  const key = (className: string, y: number, height: number) =>
    html`<svg class="key" width="22" height="16" aria-hidden="true">${bar(className, '0', '100%', y, height)}</svg>`;
  return html`${key('done', 5, 6)} done ${key('failed', 1, 14)} failed (hatched) ${key('skipped', 1, 14)} left out (dashed) ${key('unfinished', 5, 6)} no end is known (hollow)${
    hasPath ? html` ${key('done critical', 1, 14)} critical path (tall, framed)` : ''
  }`;
}

function band({ id, title, deeds }: Phase, index: number, end: number): Html | undefined {
  const real = deeds.filter(({ outcome }) => outcome !== 'skipped');
  if (real.length === 0) return undefined;
  const from = Math.min(...real.map(deed => deed.from));
  const width = percent(Math.max(...real.map(({ to }) => to)) - from, end);
  const x = percent(from, end);
  // A picture of its own, because that cuts off a name that is too long.
  return html`<svg x="${x}%" width="${Math.max(width, leastWidth)}%" height="18"><title>${index + 1} ${id}: ${title}</title><rect class="band" x="0" y="0" width="100%" height="18"></rect><text x="3" y="13">${index + 1} ${id}</text></svg>`;
}

function row(host: string, all: readonly Deed[], critical: ReadonlySet<Deed>, run: Run, end: number): Html {
  const deeds = all.filter(deed => deed.host === host);
  const wrong = deeds.filter(({ outcome }) => outcome !== 'done');
  const parity = new Map(run.phases.map(({ id }, index) => [id, index % 2]));
  return html`
<tr data-m="${host}"><th scope="row">${host}</th><td><svg height="16">${deeds.map(deed =>
    step(deed, `${critical.has(deed) ? 'critical ' : ''}${parity.get(deed.phase) ? 'odd ' : ''}`, run, end),
  )}</svg></td><td>${deeds.length}${wrong.length > 0 ? html` <b class="bad">✖ ${count(wrong.length, 'not done', 'not done')}</b>` : ''}</td></tr>`;
}

function step(deed: Deed, classes: string, { started }: Run, end: number): Html {
  const { title, phase, outcome, from, to, why } = deed;
  const x = Math.min(percent(from, end), 100 - leastWidth);
  const width = Math.max(percent(to - from, end), leastWidth);
  const isTall = outcome === 'failed' || outcome === 'skipped' || classes.startsWith('critical');
  const times =
    started.simulated || outcome === 'skipped' ? '' : `, ${duration(deed.durationMs)} from ${duration(from)} on`;
  const said = `${title} (${phase}): ${outcome}${times}${classes.startsWith('critical') ? ', on the critical path' : ''}${why === undefined ? '' : `: ${why}`}`;
  return bar(`step ${classes}${outcome}`, `${x}%`, `${width}%`, isTall ? 1 : 5, isTall ? 14 : 6, said);
}

function bar(classes: string, x: string, width: string, y: number, height: number, said?: string): Html {
  return html`<rect class="${classes}" x="${x}" y="${y}" width="${width}" height="${height}"${said === undefined ? html`>` : html` tabindex="-1" role="img"><title>${said}</title>`}</rect>`;
}

function percent(part: number, whole: number): number {
  return Math.round((part / whole) * 10_000) / 100;
}
