// What each phase did and what proves it.
import { layerNames } from '../model/layers.ts';
import { count, duration, hostList } from '../render/text.ts';
import { proofsAlike, type SaidAlike, type StepAlike, stepsAlike } from './alike.ts';
import { type Html, html } from './html.ts';
import type { Phase, Run } from './run.ts';

/** Machines' own differences (a hundred tables of routes) are in the journal; so many of them stand here. */
const mostDiffs = 3;
const mostNames = 8;

export function phaseSections(run: Run): readonly Html[] {
  return run.phases.map((phase, index) => section(phase, index + 1, run));
}

const outcomes = {
  unchanged: ['ok', '✔ unchanged'],
  changed: ['ok', '✔ changed'],
  failed: ['bad', '✖ failed'],
  open: ['open', '– not ended'],
} as const;

function outcomeOf({ outcome, deeds, evidence }: Phase): Html {
  const notBegun = outcome === 'open' && deeds.length + evidence.length === 0;
  const [mark, word] = notBegun ? (['open', '– not begun'] as const) : outcomes[outcome];
  return html`<b class="${mark}">${word}</b>`;
}

/** What stands on the machines, where the run was about any of it: the pod network and the layers. */
export function layersTable({ phases }: Run): Html | undefined {
  const standing = phases.flatMap((phase, index) =>
    phase.id === 'network' || layerNames.some(name => name === phase.id) ? [{ ...phase, number: index + 1 }] : [],
  );
  if (standing.length === 0) return undefined;
  return html`<table><thead><tr><th scope="col">on them</th><th scope="col">chart</th><th scope="col">this run</th><th scope="col">proofs</th></tr></thead>
<tbody>${standing.map(phase => {
    const { id, title, number, planned, evidence } = phase;
    const charts = planned.flatMap(step => /\(chart (.+)\)$/.exec(step.title)?.[1] ?? []);
    return html`<tr><th scope="row"><a href="#phase-${number}">${id}</a></th><td>${charts.join(', ')}</td><td>${outcomeOf(phase)} <span class="aside">${title}</span></td><td>${evidence.filter(({ ok }) => ok).length} of ${evidence.length}</td></tr>`;
  })}</tbody></table>`;
}

function section(phase: Phase, number: number, run: Run): Html {
  const { id, title, planned, evidence, durationMs, compared, differences } = phase;
  const proven = evidence.filter(({ ok }) => ok).length;
  const facts = [
    ...(planned.length > 0 ? [count(planned.length, 'step')] : []),
    ...(evidence.length > 0
      ? [`${proven} of ${count(evidence.length, run.started.simulated ? 'simulated proof' : 'proof')}`]
      : []),
    ...(compared > 0 ? [`${count(differences.length, 'error')} of prediction in ${count(compared, 'value')}`] : []),
    ...(durationMs === undefined || run.started.simulated ? [] : [duration(durationMs)]),
  ];
  return html`
<section id="phase-${number}" class="phase">
<h3><span class="number">${number}</span> ${id}: ${title} ${outcomeOf(phase)} <small>${facts.join(', ')}</small></h3>
${differences.length > 0 ? html`<p class="bad">Not what was predicted:</p><ul>${differences.map(each => html`<li>${each}</li>`)}</ul>` : ''}
${planned.length > 0 ? html`<details${phase.outcome === 'failed' ? html` open` : ''}><summary>Steps</summary>${stepTable(phase, run)}</details>` : ''}
${evidence.length > 0 ? html`<details${proven < evidence.length ? html` open` : ''}><summary>Evidence</summary>${proofTable(proofsAlike(evidence), run)}</details>` : ''}
</section>`;
}

function stepTable(phase: Phase, run: Run): Html {
  return html`<table><thead><tr><th scope="col">step</th><th scope="col">machines</th><th scope="col">why</th><th scope="col">how it went</th></tr></thead>
<tbody>${stepsAlike(phase).map(step => stepRow(step, run))}</tbody></table>`;
}

function stepRow(step: StepAlike, run: Run): Html {
  const { name, title, risk, hosts, reasons, deeds } = step;
  const diffs = reasons.filter(({ diff }) => diff !== undefined);
  return html`<tr data-m="${hosts.join(' ')}"><td>${title}${risk === 'safe' ? '' : html` <b class="open">[${risk}]</b>`}<br><code>${name}</code></td><td>${names(hosts, run)}</td>
<td>${reasons.slice(0, mostDiffs).map(({ why }) => html`<div>${why}</div>`)}${rest(reasons.length, 'reason')}${
    diffs.length > 0
      ? html`<details><summary>difference</summary>${diffs.slice(0, mostDiffs).map(each => html`${diffs.length > 1 ? html`<div>${names(each.hosts, run)}</div>` : ''}<pre>${each.diff}</pre>`)}${rest(diffs.length, 'difference')}</details>`
      : ''
  }</td><td>${went(step)}</td></tr>`;

  function went({ hosts: wanted }: StepAlike): Html {
    const of = (outcome: string) => deeds.filter(each => each.outcome === outcome);
    const done = of('done');
    const slowest = [...done].sort((one, other) => other.durationMs - one.durationMs)[0];
    const time =
      slowest && slowest.durationMs > 0
        ? `, ${done.length > 1 ? `at most ${duration(slowest.durationMs)} (${slowest.host})` : duration(slowest.durationMs)}`
        : '';
    const begun = new Set(deeds.map(({ host }) => host));
    return html`${done.length > 0 ? html`<div><b class="ok">✔</b> ${done.length} done${time}</div>` : ''}${of(
      'failed',
    ).map(
      ({ host, why, durationMs }) =>
        html`<div><b class="bad">✖ failed</b> on ${host} after ${duration(durationMs)}: ${why}</div>`,
    )}${of('unfinished').map(({ host }) => html`<div><b class="open">? no end known</b> on ${host}</div>`)}${
      of('skipped').length > 0
        ? html`<div><b class="open">– left out</b> on ${names(
            of('skipped').map(({ host }) => host),
            run,
          )}</div>`
        : ''
    }${
      wanted.some(host => !begun.has(host))
        ? html`<div>– not begun on ${names(
            wanted.filter(host => !begun.has(host)),
            run,
          )}</div>`
        : ''
    }`;
  }
}

function rest(all: number, one: string): Html | undefined {
  return all > mostDiffs
    ? html`<div>and ${count(all - mostDiffs, `${one} more`, `${one}s more`)}: the journal has them</div>`
    : undefined;
}

function proofTable(proofs: readonly SaidAlike[], run: Run): Html {
  return html`<table><thead><tr><th scope="col"></th><th scope="col">proof</th><th scope="col">expected</th><th scope="col">observed</th></tr></thead>
<tbody>${proofs.map(({ title, ok, reproduce, hint, values }) => {
    const expected = new Set(values.map(each => each.expected));
    return html`<tr data-m="${values.flatMap(({ hosts }) => hosts).join(' ')}"><td>${ok ? html`<b class="mark ok" role="img" aria-label="proven">✔</b>` : html`<b class="mark bad" role="img" aria-label="not proven">✖</b>`}</td><td>${title}<br><code>${reproduce}</code>${hint && !ok ? html`<div>to mend: ${hint}</div>` : ''}</td>
<td>${expected.size === 1 ? values[0]?.expected : 'of each machine its own'}</td><td>${values.map(
      ({ hosts, observed, expected: own }) =>
        html`<div><b>${names(hosts, run)}:</b> ${observed}${expected.size > 1 && own !== observed ? html` (expected ${own})` : ''}</div>`,
    )}</td></tr>`;
  })}</tbody></table>`;
}

/** A hundred names are a number, and still there to look at; all of the run's machines are told in a word. */
export function names(hosts: readonly string[], { started }: Run): Html {
  const isAll = hosts.length > 2 && started.hosts.every(host => hosts.includes(host));
  if (isAll) return html`all ${hosts.length}`;
  return hosts.length <= mostNames
    ? html`${hosts.join(', ')}`
    : html`<abbr title="${hosts.join(', ')}">${hostList(hosts, mostNames)}</abbr>`;
}
